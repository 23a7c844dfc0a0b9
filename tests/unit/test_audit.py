"""The audit store keeps bytes under their name, never changes them, and finds out when somebody else did."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard

from ocr_ops.audit import (
    AuditStore,
    BrokenKind,
    Manifest,
    ManifestStep,
    StoreStats,
    folder,
    open_store,
    packing,
)
from ocr_ops.codec import digest_of, from_json, to_json
from ocr_ops.errors import AuditBroken, SettingsError, TerminalError, TransientError

MISSING = digest_of(b"never put")


@pytest.fixture
def store(tmp_path):
    return AuditStore(tmp_path / "audit")


def path_of(store, digest):
    return store.place.root / "objects" / _shelf(digest)


def overwrite(path, data):
    path.chmod(0o600)
    path.write_bytes(data)


def test_bytes_come_back_as_they_were_put(store):
    digest = store.put(b"%PDF-1.7\x00\xff")

    assert digest == "sha256:" + hashlib.sha256(b"%PDF-1.7\x00\xff").hexdigest()
    assert store.get(digest) == b"%PDF-1.7\x00\xff"
    assert store.size_of(digest) == 10
    assert store.has(digest) and not store.has(MISSING)


def test_no_bytes_at_all_can_be_kept(store):
    assert store.get(store.put(b"")) == b""


def test_an_object_lies_under_the_first_two_digits_of_its_name(store):
    name = store.put(b"x").removeprefix("sha256:")

    assert (store.place.root / "objects" / name[:2] / name).read_bytes() == b"x"


def test_the_same_bytes_are_written_once(store):
    before = path_of(store, store.put(b"x")).stat()
    after = path_of(store, store.put(b"x")).stat()

    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert store.stats().objects == 1


def test_only_the_owner_may_look_and_nobody_may_write(store):
    digest = store.put(b"x")

    assert stat.S_IMODE(store.place.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(path_of(store, digest).stat().st_mode) == 0o440


def test_a_put_leaves_no_temporary_file(store):
    path = path_of(store, store.put(b"x"))

    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("bytes_now", [b"", b"tota", b"Total 12.10"])
def test_changed_bytes_are_never_handed_out(store, bytes_now):
    digest = store.put(b"Total 12.00")
    overwrite(path_of(store, digest), bytes_now)

    with pytest.raises(AuditBroken, match=digest):
        store.get(digest)


def test_missing_bytes_are_an_error_that_names_them(store):
    with pytest.raises(AuditBroken, match=MISSING):
        store.get(MISSING)


def test_a_torn_object_is_reported_instead_of_written_over(store):
    digest = store.put(b"Total 12.00")
    overwrite(path_of(store, digest), b"Tot")

    with pytest.raises(AuditBroken, match="3 bytes"):
        store.put(b"Total 12.00")
    assert path_of(store, digest).read_bytes() == b"Tot"


@pytest.mark.parametrize(
    "name", ["", "sha256:..", "sha256:" + "A" * 64, "md5:" + "0" * 64, "../../etc/passwd"]
)
def test_a_name_that_is_no_digest_never_becomes_a_path(store, name):
    with pytest.raises(ValueError, match="not a digest"):
        store.get(name)


def test_a_remembered_step_is_found(store):
    key, result = digest_of(b"key"), store.put(b"result")
    store.remember(key, result)

    assert store.find(key) == result
    assert store.find(digest_of(b"another key")) is None


def test_a_step_done_again_remembers_the_later_result(store):
    key = digest_of(b"key")
    store.remember(key, store.put(b"first"))
    store.remember(key, store.put(b"second"))

    assert store.find(key) == digest_of(b"second")


def test_a_key_whose_object_is_gone_is_unknown(store):
    key, result = digest_of(b"key"), store.put(b"result")
    store.remember(key, result)
    path_of(store, result).unlink()

    assert store.find(key) is None


@pytest.mark.parametrize("noted", [b"", b"{", b"[]", b"null", b'{"key": 1}', b"\xff"])
def test_a_torn_key_is_unknown_and_can_be_remembered_again(store, noted):
    key, result = digest_of(b"key"), store.put(b"result")
    store.remember(key, result)
    path = next((store.place.root / "keys").glob("*/*"))
    overwrite(path, noted)

    assert store.find(key) is None
    store.remember(key, result)
    assert store.find(key) == result


def test_a_key_moved_to_another_name_is_unknown(store):
    key, other = digest_of(b"key"), digest_of(b"other")
    store.remember(key, store.put(b"result"))
    store.remember(other, store.put(b"another result"))
    paths = {json.loads(p.read_bytes())["key"]: p for p in (store.place.root / "keys").glob("*/*")}
    overwrite(paths[other], paths[key].read_bytes())

    assert store.find(other) is None


def test_many_writers_of_the_same_bytes_agree(store):
    pages = [f"page {n % 20}".encode() * 500 for n in range(200)]
    with ThreadPoolExecutor(2) as pool:
        digests = list(pool.map(store.put, pages))

    assert len(set(digests)) == store.stats().objects == 20
    assert store.verify() == []


def test_an_untouched_store_verifies_and_tells_its_progress(store):
    store.remember(digest_of(b"key"), store.put(b"a"))
    store.put(b"b")
    told = []

    assert store.verify(lambda done, total: told.append((done, total))) == []
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_empty_store_verifies(store):
    assert store.verify() == []
    assert store.stats() == StoreStats(0, 0, 0)


@pytest.mark.parametrize("bytes_now", [b"", b"Total 12.0", b"Total 12.10"])
def test_verify_finds_a_changed_object(store, bytes_now):
    path = path_of(store, store.put(b"Total 12.00"))
    store.put(b"untouched")
    overwrite(path, bytes_now)

    (broken,) = store.verify()
    assert (broken.kind, broken.path) == (BrokenKind.CHANGED, path.relative_to(store.place.root).as_posix())
    assert str(len(bytes_now)) in broken.detail


def test_verify_finds_keys_that_point_nowhere_or_hold_nothing(store):
    store.remember(digest_of(b"one"), MISSING)
    store.remember(digest_of(b"two"), store.put(b"result"))
    overwrite(store.place.root / "keys" / _shelf(digest_of(b"two")), b"{")

    broken = store.verify()
    assert {BrokenKind.DANGLING_KEY} == {found.kind for found in broken}
    assert sum(MISSING in found.detail for found in broken) == 1
    assert len(broken) == 2


def _shelf(digest):
    name = digest.removeprefix("sha256:")
    return f"{name[:2]}/{name}"


def test_verify_reports_what_dead_writers_left_after_a_day(store):
    path = path_of(store, store.put(b"x"))
    part = path.with_name(".part-abc")
    part.write_bytes(b"half")
    os.utime(part, (1_000, 1_000))

    assert store.verify(now_s=1_000 + 86_000) == []
    assert [found.kind for found in store.verify(now_s=1_000 + 90_000)] == [BrokenKind.STRAY_PART]


def test_verify_reports_files_the_store_never_wrote(store):
    path = path_of(store, store.put(b"x"))
    path.with_name("notes.txt").write_text("hello")
    wrong_shelf = store.place.root / "objects" / "zz"
    wrong_shelf.mkdir()
    (wrong_shelf / path.name).write_bytes(b"x")
    (store.place.root / "objects" / "loose").write_bytes(b"x")

    assert [found.kind for found in store.verify()] == [BrokenKind.FOREIGN] * 3


@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        (errno.ENOSPC, TransientError, "no space left"),
        (errno.EDQUOT, TransientError, "no space left"),
        (errno.EROFS, TerminalError, "cannot be written"),
        (errno.EIO, TransientError, "cannot be written"),
    ],
)
def test_a_disk_that_refuses_is_named_and_nothing_half_stays(store, monkeypatch, code, expected, words):
    store.put(b"before")

    def refuse(handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(folder.os, "fsync", refuse)
    with pytest.raises(expected, match=words):
        store.put(b"does not fit")
    assert not store.has(digest_of(b"does not fit"))
    assert not list(store.place.root.glob("*/*/.part-*"))


def test_a_store_below_a_file_is_refused_in_words(tmp_path):
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(TerminalError, match=r"audit store at .*file"):
        AuditStore(tmp_path / "file" / "audit").put(b"x")


def test_stats_count_objects_bytes_and_keys(store):
    store.remember(digest_of(b"key"), store.put(b"12345"))
    store.put(b"123")

    assert store.stats() == StoreStats(objects=2, size_bytes=8, keys=1)


def test_a_manifest_survives_the_store(store):
    key, page = digest_of(b"key"), digest_of(b"page")
    manifest = Manifest(MISSING, (ManifestStep("read", key, (page,), MISSING, 1.5),), {"ocr-ops": "0.1.0"})

    assert from_json(Manifest, store.get(store.put(to_json(manifest)))) == manifest


PAGE = b'{"blocks": [' + b'{"label": "text", "text": "Total 12.00"},' * 200 + b"0]}"


def test_text_is_packed_under_the_name_of_the_text_itself(store):
    digest = store.put(PAGE)
    lies = path_of(store, digest).with_name(path_of(store, digest).name + ".zst")

    assert not path_of(store, digest).exists()
    assert lies.stat().st_size < len(PAGE) / 5
    assert digest_of(zstandard.ZstdDecompressor().decompress(lies.read_bytes())) == digest
    assert store.get(digest) == PAGE
    assert store.has(digest)
    assert store.size_of(digest) == len(PAGE)
    assert store.objects() == {digest: lies.stat().st_size}
    assert store.verify() == []


def test_what_was_kept_unpacked_before_goes_on_being_read_and_is_not_written_twice(store):
    path = path_of(store, digest_of(PAGE))
    path.parent.mkdir(parents=True)
    path.write_bytes(PAGE)

    assert store.get(store.put(PAGE)) == PAGE
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert store.verify() == []


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + PAGE + b"\x00",
        b"%PDF-1.7\n" + PAGE,
        os.urandom(5_000),
        PAGE[:1000],
        PAGE[:10] * 100 + os.urandom(9000),
    ],
)
def test_pictures_pdfs_noise_and_small_things_stay_as_they_are(store, data):
    assert path_of(store, store.put(data)).read_bytes() == data


@pytest.mark.parametrize("letter", ["ä", "€", "🧾"])
def test_text_of_any_script_is_packed_wherever_its_beginning_is_cut(letter):
    for shift in range(4):
        assert packing.packed(b"x" * shift + letter.encode() * 2_000) is not None


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: data + b"0", lambda data: b"\0" * 40, lambda data: b""]
)
def test_a_changed_packed_object_is_found_and_never_handed_out(store, change):
    digest = store.put(PAGE)
    path = path_of(store, digest).with_name(path_of(store, digest).name + ".zst")
    overwrite(path, change(path.read_bytes()))

    with pytest.raises(AuditBroken, match=digest):
        store.get(digest)
    assert [(one.kind, one.path) for one in store.verify()] == [
        (BrokenKind.CHANGED, path.relative_to(store.place.root).as_posix())
    ]


def test_a_small_file_that_unpacks_to_everything_is_refused():
    bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(10_000_000))

    with pytest.raises(ValueError, match="not packed by this store"):
        packing.unpacked(bomb)


def test_any_flipped_bit_of_any_object_is_found(store):
    for data in (PAGE, b"small", os.urandom(3_000)):
        store.put(data)
    for path in sorted((store.place.root / "objects").glob("*/*")):
        good = path.read_bytes()
        for place in (0, len(good) // 2, len(good) - 1):
            overwrite(path, good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            assert [one.path for one in store.verify()] == [path.relative_to(store.place.root).as_posix()]
        overwrite(path, good)


def test_erased_bytes_are_gone_and_their_keys_no_fault(store):
    key, digest = digest_of(b"key"), store.put(PAGE)
    store.remember(key, digest)

    assert store.erase(digest) and not store.erase(digest)
    assert not store.has(digest) and store.find(key) is None
    assert [one.kind for one in store.verify()] == [BrokenKind.DANGLING_KEY]
    assert store.verify(gone={digest}) == []


def test_only_some_objects_can_be_verified(store):
    good, bad = store.put(b"good"), store.put(b"bad")
    overwrite(path_of(store, bad), b"b4d")

    assert store.verify(only={good}) == []
    assert len(store.verify(only={bad})) == 1


def test_an_anchor_is_kept_once_and_listed(store):
    assert store.put_anchor("2026-11-21", b"{}") == "anchors/2026-11-21.json"
    assert store.anchors() == [("anchors/2026-11-21.json", b"{}")]


@pytest.mark.parametrize("uri", ["gs://bucket", "s3://", "/var/audit"])
def test_a_place_nobody_knows_is_refused(uri):
    with pytest.raises(SettingsError, match="OCR_OPS_AUDIT_URI"):
        open_store(uri)


def test_a_file_uri_opens_a_folder(tmp_path):
    open_store(f"file://{tmp_path}/audit").put(b"x")

    assert AuditStore(tmp_path / "audit").has(digest_of(b"x"))
