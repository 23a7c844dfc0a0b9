import os
import subprocess
import sys
from pathlib import Path

import pytest

from bad_documents import (
    StillWritten,
    duplicate_of,
    folder_called_pdf,
    good_pdf,
    locked_file,
    text_called_pdf,
)
from ocr_ops.codec import digest_of
from ocr_ops.errors import ForbiddenFolder, TerminalError, UnreadableDocument
from ocr_ops.model import ProblemKind
from ocr_ops.settings import Limits
from ocr_ops.source import FoundFile, find_documents, found, load_source, sniff, wait_until_stable

LIMITS = Limits()
NOW_S = 1_800_000_000.0
PNG = b"\x89PNG\r\n\x1a\n"
LIST_AND_LOAD = """
import sys
from pathlib import Path
from ocr_ops.errors import OcrOpsError
from ocr_ops.settings import Limits
from ocr_ops.source import find_documents, load_source
try:
    for file in find_documents(Path(sys.argv[1])):
        load_source(file, Limits())
        print("read", file.name)
except OcrOpsError as problem:
    print(type(problem).__name__, getattr(problem, "kind", ""), problem)
"""


def names(files: list[FoundFile]) -> list[str]:
    return [file.name for file in files]


def aged(path: Path, seconds: float) -> Path:
    os.utime(path, (NOW_S - seconds, NOW_S - seconds))
    return path


def only(folder: Path) -> FoundFile:
    (file,) = find_documents(folder)
    return file


class Watch:
    """A clock that stands still, and a sleep that writes down how long it was asked for."""

    def __init__(self, while_asleep: object = None) -> None:
        self.slept: list[float] = []
        self._while_asleep = while_asleep

    def clock(self) -> float:
        return NOW_S

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if callable(self._while_asleep):
            self._while_asleep()

    def part(self, files: list[FoundFile]) -> tuple[list[str], list[str]]:
        stable, growing = wait_until_stable(files, quiet_s=2.0, clock=self.clock, sleep=self.sleep)
        return names(stable), names(growing)


# --- what is listed -------------------------------------------------------------------------------------------


def test_documents_are_listed_in_the_order_of_their_paths_whatever_the_case_of_their_endings(tmp_path: Path):
    (tmp_path / "b").mkdir()
    for name in ("z.PDF", "b/y.Jpg", "a.tiff", "c.webp", "d.heic"):
        good_pdf(tmp_path, name)

    assert names(find_documents(tmp_path)) == ["a.tiff", "y.Jpg", "c.webp", "d.heic", "z.PDF"]


@pytest.mark.parametrize(
    "name", ["README.md", "truth.jsonl", "notes.txt", "rows.csv", "upload.pdf.part", "x.log"]
)
def test_what_nobody_takes_for_a_document_is_passed_over(name: str, tmp_path: Path):
    good_pdf(tmp_path, name)

    assert find_documents(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["letter.docx", "invoice.xml", "page.html", "sums.xlsx", "mail.eml", "old.gif"]
)
def test_what_somebody_may_take_for_a_document_is_listed(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(b"something")

    assert only(tmp_path).name == name


def test_hidden_files_and_hidden_folders_are_passed_over(tmp_path: Path):
    (tmp_path / ".trash").mkdir()
    good_pdf(tmp_path, ".hidden.pdf")
    good_pdf(tmp_path / ".trash", "gone.pdf")

    assert find_documents(tmp_path) == []


def test_a_hidden_folder_is_read_when_it_is_the_one_asked_for(tmp_path: Path):
    (tmp_path / ".inbox").mkdir()
    good_pdf(tmp_path / ".inbox")

    assert names(find_documents(tmp_path / ".inbox")) == ["good.pdf"]


def test_a_file_without_an_ending_is_listed_when_its_first_bytes_are_a_documents(tmp_path: Path):
    good_pdf(tmp_path, "scan0001")
    (tmp_path / "Makefile").write_text("all:\n")

    assert names(find_documents(tmp_path)) == ["scan0001"]


def test_a_pipe_without_an_ending_is_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")

    assert find_documents(tmp_path) == []


def test_a_pipe_called_a_pdf_is_a_fault(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.pdf")

    assert only(tmp_path).fault == "it is no regular file"
    assert names(find_documents(tmp_path / "pipe.pdf")) == ["pipe.pdf"]


def test_one_file_may_be_named_instead_of_a_folder(tmp_path: Path):
    path = good_pdf(tmp_path, "notes.txt")

    (file,) = find_documents(path)

    assert file == FoundFile(path, "notes.txt", path.stat().st_size, path.stat().st_mtime_ns)


def test_a_folder_called_a_pdf_is_a_fault_and_what_lies_in_it_is_listed(tmp_path: Path):
    good_pdf(folder_called_pdf(tmp_path), "inside.pdf")

    folder, inside = find_documents(tmp_path)

    assert (folder.name, folder.fault) == ("folder.pdf", "it is a folder, not a file")
    assert (inside.name, inside.fault) == ("inside.pdf", "")


@pytest.mark.parametrize("name", [b"M\xfcller.pdf", b"two\nlines.pdf", b"\x1b[31mred.pdf"])
def test_a_name_that_is_no_plain_text_is_made_printable_and_still_found_by_its_uri(
    name: bytes, tmp_path: Path
):
    path = good_pdf(tmp_path, os.fsdecode(name))

    file = only(tmp_path)

    assert file.name.isprintable()
    assert "\N{REPLACEMENT CHARACTER}" in file.name
    document, data = load_source(found(file.path.as_uri()), LIMITS)
    assert (document.name, data) == (file.name, path.read_bytes())


@pytest.mark.parametrize("name", ["a b.pdf", "50%25 #1?.pdf", "a;b&c.pdf", "Müller.pdf"])
def test_a_file_is_found_again_by_its_uri(name: str, tmp_path: Path):
    good_pdf(tmp_path, name)

    file = only(tmp_path)

    assert found(file.path.as_uri()) == file


# --- links ----------------------------------------------------------------------------------------------------


def test_a_link_inside_the_folder_is_listed_and_opens_by_its_uri_too(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    original = good_pdf(tmp_path / "b")
    (tmp_path / "a" / "link.pdf").symlink_to("../b/good.pdf")

    link = find_documents(tmp_path)[0]

    assert (link.name, link.fault) == ("link.pdf", "")
    assert load_source(found(link.path.as_uri()), LIMITS)[1] == original.read_bytes()


@pytest.mark.parametrize("place", ["link.pdf", "below/link.pdf"])
def test_a_link_out_of_the_folder_is_not_read(place: str, tmp_path: Path):
    inbox = tmp_path / "inbox"
    (inbox / "below").mkdir(parents=True)
    (inbox / place).symlink_to(good_pdf(tmp_path, "secret.pdf"))

    file = only(inbox)

    assert file.fault == "it is a link that leads out of the folder"
    with pytest.raises(UnreadableDocument, match="out of the folder"):
        load_source(file, LIMITS)


def test_a_linked_folder_is_not_followed(tmp_path: Path):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "other").mkdir()
    good_pdf(tmp_path / "other")
    (tmp_path / "inbox" / "other").symlink_to(tmp_path / "other")

    assert find_documents(tmp_path / "inbox") == []


@pytest.mark.parametrize("target", ["gone.pdf", "link.pdf"])
def test_a_link_that_leads_nowhere_or_to_itself_is_a_fault_and_the_rest_is_listed(
    target: str, tmp_path: Path
):
    (tmp_path / "link.pdf").symlink_to(tmp_path / target)
    good_pdf(tmp_path, "sound.pdf")

    link, sound = find_documents(tmp_path)

    assert link.fault == "it is a link that leads nowhere"
    assert sound.fault == ""


# --- folders that may not or cannot be read -------------------------------------------------------------------


def test_a_folder_under_an_allowed_root_is_read(tmp_path: Path):
    (tmp_path / "in" / "june").mkdir(parents=True)
    good_pdf(tmp_path / "in" / "june")

    roots = [tmp_path / "elsewhere", tmp_path / "in"]

    assert names(find_documents(tmp_path / "in", allowed_roots=roots)) == ["good.pdf"]
    assert names(find_documents(tmp_path / "in" / "june", allowed_roots=roots)) == ["good.pdf"]


@pytest.mark.parametrize("asked", ["out", "in/../out", "in/link", "in-two", ".", "in/out.pdf"])
def test_a_folder_outside_the_allowed_roots_is_refused_whichever_way_it_is_written(
    asked: str, tmp_path: Path
):
    for name in ("in", "out", "in-two"):
        (tmp_path / name).mkdir()
    good_pdf(tmp_path / "out")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "out.pdf").symlink_to(tmp_path / "out" / "good.pdf")

    with pytest.raises(ForbiddenFolder, match="OCR_OPS_ALLOWED_ROOTS"):
        find_documents(tmp_path / asked, allowed_roots=[tmp_path / "in"])


def test_an_allowed_root_may_itself_be_a_link(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    good_pdf(tmp_path / "disk")
    (tmp_path / "inbox").symlink_to(tmp_path / "disk")

    assert names(find_documents(tmp_path / "inbox", allowed_roots=[tmp_path / "inbox"])) == ["good.pdf"]


@pytest.mark.parametrize("asked", ["missing", "dangling", "round"])
def test_a_folder_that_is_not_there_is_an_error_of_the_request(asked: str, tmp_path: Path):
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "round").symlink_to(tmp_path / "round")

    with pytest.raises(TerminalError, match=asked):
        find_documents(tmp_path / asked)


def deny(monkeypatch: pytest.MonkeyPatch, denied: Path) -> None:
    real = os.scandir

    def scandir(path: object = ".") -> object:
        if Path(os.fspath(path)) == denied:  # type: ignore[arg-type]
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_folder_below_that_cannot_be_looked_into_is_told_and_the_rest_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "private").mkdir()
    good_pdf(tmp_path)
    deny(monkeypatch, tmp_path / "private")

    sound, private = find_documents(tmp_path)

    assert sound.fault == ""
    assert (private.name, private.fault) == ("private", "the folder cannot be read: Permission denied")


def test_a_folder_that_cannot_be_looked_into_is_not_taken_for_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    deny(monkeypatch, tmp_path)

    with pytest.raises(TerminalError, match="Permission denied"):
        find_documents(tmp_path)


# --- files that are being written -----------------------------------------------------------------------------


def test_old_files_cost_no_wait(tmp_path: Path):
    aged(good_pdf(tmp_path), 2.5)
    watch = Watch()

    assert watch.part(find_documents(tmp_path)) == (["good.pdf"], [])
    assert watch.slept == []


def test_a_young_file_that_does_not_change_is_complete_after_one_wait(tmp_path: Path):
    aged(good_pdf(tmp_path, "a.pdf"), 0.5)
    aged(good_pdf(tmp_path, "b.pdf"), 1.5)
    watch = Watch()

    assert watch.part(find_documents(tmp_path)) == (["a.pdf", "b.pdf"], [])
    assert watch.slept == [2.0]


def test_a_file_being_written_is_parted_from_complete_ones(tmp_path: Path):
    aged(good_pdf(tmp_path, "complete.pdf"), 60)
    with StillWritten(tmp_path) as upload:
        assert upload.grown()
        files = find_documents(tmp_path)

        stable, growing = wait_until_stable(files, quiet_s=0.5, sleep=lambda _: upload.grown() or None)

    assert names(stable) == ["complete.pdf"]
    assert names(growing) == ["uploading.pdf"]


def test_an_upload_that_ended_is_complete_the_next_time(tmp_path: Path):
    with StillWritten(tmp_path) as upload:
        upload.grown()
    aged(upload.path, 10)

    assert Watch().part(find_documents(tmp_path)) == (["uploading.pdf"], [])


def test_a_file_that_goes_away_meanwhile_is_told_when_it_is_opened(tmp_path: Path):
    path = aged(good_pdf(tmp_path), 0)
    files = find_documents(tmp_path)

    assert Watch(path.unlink).part(files) == (["good.pdf"], [])
    with pytest.raises(UnreadableDocument, match="No such file"):
        load_source(files[0], LIMITS)


def test_a_link_into_a_folder_beside_is_waited_for_as_well(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    original = aged(good_pdf(tmp_path / "b", "x.pdf"), 0)
    (tmp_path / "a" / "link.pdf").symlink_to(original)

    def grow() -> None:
        original.write_bytes(original.read_bytes() + b"more")

    assert Watch(grow).part(find_documents(tmp_path)) == ([], ["link.pdf", "x.pdf"])


def test_nobody_waits_for_what_cannot_be_opened_anyway(tmp_path: Path):
    (tmp_path / "folder.pdf").mkdir()
    (tmp_path / "link.pdf").symlink_to(tmp_path / "gone")
    watch = Watch()

    stable, _ = watch.part(find_documents(tmp_path))

    assert stable == ["folder.pdf", "link.pdf"]
    assert watch.slept == []


# --- what a file is -------------------------------------------------------------------------------------------


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4) + body + b"\x00\x00\x00\x08free"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\xef\xbb\xbf\r\n%PDF-1.4", "application/pdf"),
        (b"x" * 1000 + b"%PDF-1.4", "application/pdf"),
        (b"x" * 1024 + b"%PDF-1.4", "text/plain"),
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe1", "image/jpeg"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
        (b"II+\x00\x08\x00", "image/tiff"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", "application/octet-stream"),
        (ftyp(b"heic", b"mif1"), "image/heic"),
        (ftyp(b"mif1", b"mif1", b"heic"), "image/heic"),
        (ftyp(b"avif", b"mif1"), "image/avif"),
        (ftyp(b"mif1", b"avif"), "image/avif"),
        (ftyp(b"isom", b"mp41"), "video/mp4"),
        (b"GIF89a", "image/gif"),
        (b"BM\x46\x00\x00\x00\x00\x00\x00\x00", "image/bmp"),
        (b"BMW Rechnung 4711", "text/plain"),
        (b"PK\x03\x04", "application/zip"),
        (b"\xd0\xcf\x11\xe0", "application/msword"),
        (b"<!DOCTYPE HTML><p>", "text/html"),
        (b"  <html>", "text/html"),
        (b"<svg xmlns=''>", "image/svg+xml"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><svg/>", "image/svg+xml"),
        (b"<?xml version='1.0'?><Invoice/>", "application/xml"),
        ("Rechnung über 3 €".encode(), "text/plain"),
        (b"\x00\x01\x02", "application/octet-stream"),
        (b"", "text/plain"),
    ],
)
def test_first_bytes_tell_the_type(data: bytes, media_type: str):
    assert sniff(data) == media_type


def test_a_document_is_its_bytes(tmp_path: Path):
    original = good_pdf(tmp_path)
    duplicate_of(original)

    documents = [load_source(file, LIMITS) for file in find_documents(tmp_path)]

    assert [document.name for document, _ in documents] == ["duplicate.pdf", "good.pdf"]
    for document, data in documents:
        assert data == original.read_bytes()
        assert document.digest == digest_of(data)
        assert (document.media_type, document.size_bytes) == ("application/pdf", len(data))
    assert documents[0][0].uri != documents[1][0].uri


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "huge.pdf"
    with path.open("wb") as stream:
        stream.truncate(LIMITS.max_bytes + 1)
    file = only(tmp_path)

    def read(*_: object, **__: object) -> None:
        raise AssertionError("the file was opened")

    monkeypatch.setattr(Path, "open", read)
    with pytest.raises(UnreadableDocument, match="OCR_OPS_MAX_BYTES") as caught:
        load_source(file, LIMITS)
    assert caught.value.kind is ProblemKind.TOO_LARGE


def test_a_file_that_grew_over_the_limit_after_it_was_listed_is_refused(tmp_path: Path):
    path = good_pdf(tmp_path)
    file = only(tmp_path)
    limits = Limits(max_bytes=file.size_bytes)
    assert load_source(file, limits)[1] == path.read_bytes()

    path.write_bytes(path.read_bytes() + b"%")

    with pytest.raises(UnreadableDocument) as caught:
        load_source(file, limits)
    assert caught.value.kind is ProblemKind.TOO_LARGE


def test_text_called_a_pdf_is_told_by_both_names(tmp_path: Path):
    text_called_pdf(tmp_path)

    with pytest.raises(UnreadableDocument, match=r"named \.pdf but holds plain text") as caught:
        load_source(only(tmp_path), LIMITS)
    assert caught.value.kind is ProblemKind.WRONG_EXTENSION


def test_what_cannot_be_read_is_told_with_what_can(tmp_path: Path):
    (tmp_path / "sums.xlsx").write_bytes(b"PK\x03\x04")

    with pytest.raises(UnreadableDocument, match="ZIP archive or an office document; PDF, PNG") as caught:
        load_source(only(tmp_path), LIMITS)
    assert caught.value.kind is ProblemKind.UNSUPPORTED_TYPE


def test_a_file_that_breaks_while_it_is_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    good_pdf(tmp_path)
    file = only(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableDocument, match="cannot be read: Permission denied") as caught:
        load_source(file, LIMITS)
    assert caught.value.kind is ProblemKind.UNREADABLE_FILE


def run_as_a_user_whom_permissions_bind(program: str, *arguments: str) -> list[str]:
    """Run a program without root's right to open everything; the lines it printed."""
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*bound, sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_file_without_the_right_to_read_it_is_unreadable(tmp_path: Path):
    good_pdf(tmp_path, "a.pdf")
    locked_file(tmp_path)

    lines = run_as_a_user_whom_permissions_bind(LIST_AND_LOAD, str(tmp_path))

    assert lines[0] == "read a.pdf"
    assert lines[1].startswith("UnreadableDocument unreadable_file")
    assert lines[1].endswith("cannot be read: Permission denied")


def test_a_folder_without_the_right_to_read_it_is_an_error_of_the_request(tmp_path: Path):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0)

    (line,) = run_as_a_user_whom_permissions_bind(LIST_AND_LOAD, str(locked))

    assert line.startswith("TerminalError")
    assert line.endswith("locked cannot be read: Permission denied")
