"""An audit store on a disk that is really full: the work stops with a reason, and goes on where it was once there is room.

The disk is a small file system in memory, mounted in a namespace of the test's own. Where the system allows no namespaces
it is the kernel's limit on the size of files that refuses the larger ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import INVOICE, aged

PROGRAM = Path(sys.executable).with_name("ocr-ops")
MANY = 3
NAMESPACES = (["unshare", "--user", "--map-root-user", "--mount"], ["unshare", "--mount"])
READ = '"$PROGRAM" process "$INBOX" --jsonl "$OUT/{0}.jsonl" > "$OUT/{0}.txt" 2>&1; echo $? > "$OUT/{0}.code"'
LEFT = 'find "$STORE" -name ".part-*" > "$OUT/torn.txt"; find "$STORE" -type f | wc -l > "$OUT/{0}.files"'
SMALL_DISK = "; ".join((
    'mount -t tmpfs -o size=300k tmpfs "$STORE"', READ.format("full"), LEFT.format("full"),
    'mount -o remount,size=60m "$STORE"', READ.format("room"), LEFT.format("room"),
))  # fmt: skip
SMALL_FILES = "; ".join((
    f"(ulimit -f 250; {READ.format('full')})", LEFT.format("full"), READ.format("room"), LEFT.format("room")
))  # fmt: skip


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two runs left: `full` on a full store, `room` once there was room."""
    folder = tmp_path_factory.mktemp("full")
    for name in ("store", "inbox", "out"):
        (folder / name).mkdir()
    for number in range(MANY):
        file = folder / "inbox" / f"{number}.pdf"
        file.write_bytes(INVOICE.read_bytes() + f"\n%% {number}".encode())
        aged(file)
    env = os.environ | {name.upper(): str(folder / name) for name in ("store", "inbox", "out")}
    env |= {"PROGRAM": str(PROGRAM), "OCR_OPS_AUDIT_URI": f"file://{folder / 'store'}"}
    subprocess.run(small_disk(), env=env, check=True, timeout=300)
    return folder / "out"


def small_disk() -> list[str]:
    """The command that reads the documents twice, first with too little room."""
    for namespace in NAMESPACES:
        mounts = [*namespace, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
        if subprocess.run(mounts, capture_output=True).returncode == 0:
            return [*namespace, "sh", "-c", SMALL_DISK]
    return ["bash", "-c", SMALL_FILES]


def said(out: Path, name: str) -> str:
    return (out / name).read_text()


def test_a_full_disk_stops_the_work_with_a_reason_and_is_worth_another_try(out: Path):
    assert said(out, "full.code") == "4\n"
    assert "the audit store at" in said(out, "full.txt")
    assert "Traceback" not in said(out, "full.txt")
    assert int(said(out, "full.files")) > 0


def test_once_there_is_room_every_document_is_read_and_nothing_torn_is_left(out: Path):
    found = [json.loads(line) for line in said(out, "room.jsonl").splitlines()]

    assert said(out, "room.code") == "0\n"
    assert [(one["name"], one["status"]) for one in found] == [(f"{n}.pdf", "accepted") for n in range(MANY)]
    assert said(out, "torn.txt") == ""
    assert int(said(out, "room.files")) > int(said(out, "full.files"))
