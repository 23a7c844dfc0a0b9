"""`make demo` in a clone that nobody has touched: real Postgres, real Airflow, real OCR, killed and repeated.

The packages of the environment that runs the tests are linked into the clone, so that the test needs no registry;
everything else is made by the clone's own commands.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = Path(sys.prefix)
TIMEOUT_S = 600

pytestmark = [pytest.mark.slow, pytest.mark.airflow, pytest.mark.ocr, pytest.mark.postgres]


def linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def link_environment(clone: Path) -> None:
    """Give the clone an environment of its own, made of links to installed files."""
    venv = clone / ".venv"
    shutil.copytree(PACKAGES, venv, symlinks=True, copy_function=linked)
    for script in (venv / "bin").iterdir():
        if (
            script.is_file()
            and not script.is_symlink()
            and script.read_bytes().startswith(b"#!" + str(PACKAGES).encode())
        ):
            text = script.read_bytes().replace(str(PACKAGES).encode(), str(venv).encode(), 1)
            script.unlink()
            script.write_bytes(text)
            script.chmod(0o755)
    (pointer,) = venv.glob("lib/python*/site-packages/__editable__*ocr_ops*.pth")
    pointer.unlink()
    pointer.write_text(f"{clone / 'plugins'}\n")
    (venv / ".installed").unlink(missing_ok=True)
    (venv / ".installed").touch()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh clone below a folder that only its owner may enter, as a home folder is."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    folder = home / "ocr-ops"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(folder)], check=True, timeout=60)
    link_environment(folder)
    yield folder
    for var in ("var", "var-killed"):
        subprocess.run(
            [folder / ".venv/bin/ocr-ops", "down"], env=environment(folder, var), timeout=120, check=False
        )


def environment(clone: Path, var: str = "var") -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(clone.parent),
        "COLUMNS": "200",
        "OCR_OPS_VAR": str(clone / var),
        "LANG": "C.UTF-8",
    }


def make_demo(clone: Path, var: str = "var", *arguments: str) -> str:
    done = subprocess.run(
        ["make", "demo", *arguments],
        cwd=clone,
        env=environment(clone, var),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def first_run(clone: Path) -> str:
    """What the first `make demo` prints."""
    return make_demo(clone)


def rows(clone: Path, query: str, var: str = "var", database: str = "ocr_ops") -> list[tuple[Any, ...]]:
    command = [clone / ".venv/bin/ocr-ops", "db", "url", "--psql"]
    url = subprocess.run(
        command, env=environment(clone, var), capture_output=True, text=True, timeout=60, check=True
    ).stdout
    with psycopg.connect(url.strip(), dbname=database) as connection:
        return connection.execute(query.encode()).fetchall()


def truths() -> dict[str, dict[str, str]]:
    lines = (PROJECT / "samples" / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    return {entry["file"]: entry["truth"] for entry in map(json.loads, lines)}


CONTENT = {
    "documents": "select name, doc_type, status, party, document_date, total, currency, reasons, digest from marts.documents order by name",
    "receipts": "select to_jsonb(r) - 'loaded_at' from marts.receipts_all r order by document_key",
    "invoices": "select to_jsonb(i) - 'loaded_at' from marts.invoices_all i order by document_key",
    "fields": "select document_key, field, value, match, page, raw from extraction.fields order by document_key, position",
}


def test_every_sample_is_in_the_table(first_run: str):
    documents = [path for path in (PROJECT / "samples").iterdir() if path.suffix in (".pdf", ".jpg", ".png")]

    assert len(documents) >= 12
    assert all(path.name in first_run for path in documents)


def test_at_least_eight_of_ten_totals_are_right(clone: Path, first_run: str):
    found = dict(rows(clone, "select name, total from marts.documents"))
    wanted = {name: Decimal(truth.get("total") or truth["grand_total"]) for name, truth in truths().items()}

    right = [name for name, total in wanted.items() if found.get(name) == total]

    assert len(wanted) == 10
    assert len(right) >= 8, {name: (found.get(name), wanted[name]) for name in wanted}


def test_no_accepted_sample_has_a_wrong_total(clone: Path, first_run: str):
    accepted = dict(rows(clone, "select name, total from marts.documents where status = 'accepted'"))
    wanted = {name: Decimal(truth.get("total") or truth["grand_total"]) for name, truth in truths().items()}

    assert accepted
    assert all(wanted[name] == total for name, total in accepted.items())


def test_broken_documents_are_quarantined_with_a_reason(clone: Path, first_run: str):
    found = dict(rows(clone, "select name, reasons from marts.documents where status = 'quarantined'"))

    assert set(found) == {"broken.pdf", "notes.pdf"}
    assert all(reasons for reasons in found.values())


def test_a_second_run_sees_that_nothing_is_new(clone: Path, first_run: str):
    before = {name: rows(clone, query) for name, query in CONTENT.items()}

    printed = make_demo(clone)

    assert "0 of them new" in printed
    assert {name: rows(clone, query) for name, query in CONTENT.items()} == before


def test_the_run_is_recorded_in_airflow(clone: Path, first_run: str):
    loads = "select count(*) from task_instance where task_id = 'batch.load' and state = 'success'"

    assert rows(clone, "select state from dag_run where dag_id = 'ingest_folder'", database="airflow") == [
        ("success",)
    ]
    assert rows(clone, loads, database="airflow")[0][0] >= 3


def test_the_folders_above_keep_their_permissions(clone: Path, first_run: str):
    assert clone.parent.stat().st_mode & 0o777 == 0o700


def test_the_evidence_is_whole(clone: Path, first_run: str):
    done = subprocess.run(
        [clone / ".venv/bin/ocr-ops", "audit", "verify"],
        env=environment(clone),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "0 broken" in done.stderr


def test_a_run_killed_in_the_middle_and_repeated_gives_the_rows_of_a_clean_one(clone: Path, first_run: str):
    var = clone / "var-killed"
    process = subprocess.Popen(
        ["make", "demo"],
        cwd=clone,
        env=environment(clone, var.name),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    progress = var / "demo-progress.jsonl"
    deadline = time.monotonic() + TIMEOUT_S
    while process.poll() is None and not (progress.exists() and b'"stage":"load"' in progress.read_bytes()):
        assert time.monotonic() < deadline, "the run never loaded anything"
        time.sleep(0.05)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    loaded = rows(clone, "select count(*) from ingest.documents", var.name)[0][0]
    make_demo(clone, var.name)

    assert 0 < loaded < 12
    assert {name: rows(clone, query, var.name) for name, query in CONTENT.items()} == {
        name: rows(clone, query) for name, query in CONTENT.items()
    }


def test_a_folder_of_ones_own_with_a_single_document_is_one_batch_that_ends_well(
    clone: Path, first_run: str, tmp_path: Path
):
    shutil.copy(PROJECT / "samples" / "invoice_fr_two_pages.pdf", tmp_path / "my invoice.pdf")
    with (tmp_path / "my invoice.pdf").open("ab") as file:
        file.write(b"%another copy\n")

    printed = make_demo(clone, "var", f"FOLDER={tmp_path}")

    assert "my invoice.pdf" in printed
    states = rows(clone, "select state from dag_run where dag_id = 'ingest_folder'", database="airflow")
    assert states == [("success",), ("success",)]
