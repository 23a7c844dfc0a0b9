"""`ocr-ops` as a person calls it: real processes, an embedded Postgres of their own, nothing outside one folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bad_documents import BAD, duplicate_of
from bench import INVOICE, aged
from ocr_ops.local.machine import Machine

pytestmark = pytest.mark.postgres

KEYS = {
    "source",
    "name",
    "sha256",
    "doc_type",
    "status",
    "record",
    "evidence",
    "rules",
    "problems",
    "timings",
}
SOME_BAD = ("empty", "torn_pdf", "text_called_pdf", "dangling_link", "encrypted_pdf")


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("commands") / "var"
    yield folder
    Machine(folder).postgres.remove()


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invoice, its copy, and five files that nobody can read."""
    folder = tmp_path_factory.mktemp("inbox")
    for name in SOME_BAD:
        BAD[name].build(folder)
    duplicate_of(Path(shutil.copyfile(INVOICE, folder / "invoice.pdf")), "invoice_again.pdf")
    aged(*folder.iterdir())
    return folder


def ocr_ops(
    var: Path, *words: str | Path, code: int = 0, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment of its own; AssertionError unless it ends with `code`."""
    env = {"PATH": os.environ["PATH"], "HOME": str(var.parent), "LANG": "C.UTF-8", "OCR_OPS_VAR": str(var)}
    command = [Path(sys.executable).with_name("ocr-ops"), *words]
    done = subprocess.run(
        command, env=env | settings, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def ingested(var: Path, inbox: Path) -> str:
    """What the first `ingest` prints."""
    return ocr_ops(var, "ingest", inbox).stderr


def test_process_writes_one_object_a_document_and_bad_ones_are_no_failure(tmp_path: Path, inbox: Path):
    out = tmp_path / "out.jsonl"

    done = ocr_ops(tmp_path / "var", "process", inbox, "--jsonl", out)

    lines = {line["name"]: line for line in map(json.loads, out.read_text().splitlines())}
    assert set(lines) == {path.name for path in inbox.iterdir()}
    assert all(set(line) == KEYS for line in lines.values())
    good = lines.pop("invoice.pdf")
    assert (good["status"], good["doc_type"], good["record"]["grand_total"]) == (
        "accepted",
        "invoice",
        "4.11",
    )
    assert good["evidence"]["/grand_total"]["page"] == 1
    assert len(good["sha256"]) == 64
    assert {line["status"] for line in lines.values()} == {"quarantined"}
    assert all(len(line["problems"][0]["detail"].split()) >= 3 for line in lines.values())
    assert "4.11 USD" in done.stderr
    assert done.stdout == ""


def test_several_processes_give_what_one_gives_in_the_same_order(tmp_path: Path, inbox: Path):
    def told(jobs: int) -> list[dict[str, object]]:
        done = ocr_ops(tmp_path / f"var{jobs}", "process", inbox, "--jobs", str(jobs), "--jsonl", "-")
        return [json.loads(line) | {"timings": None} for line in done.stdout.splitlines()]

    assert len(told(1)) > 4
    assert told(2) == told(1)


def test_process_to_standard_output_prints_json_and_nothing_else(tmp_path: Path):
    done = ocr_ops(tmp_path / "var", "process", INVOICE, INVOICE.parent / INVOICE.name, "--jsonl", "-")

    [line] = done.stdout.splitlines()
    assert json.loads(line)["record"]["grand_total"] == "4.11"


def test_a_document_named_several_times_is_read_once(tmp_path: Path, inbox: Path):
    done = ocr_ops(
        tmp_path / "var", "process", inbox / "invoice.pdf", inbox / "invoice.pdf", inbox, "--jsonl", "-"
    )

    names = [json.loads(line)["name"] for line in done.stdout.splitlines()]
    assert len(names) == len(set(names)) == len(list(inbox.iterdir()))


@pytest.mark.parametrize(
    ("words", "settings", "code", "said"),
    [
        (("process", "nowhere"), {}, 3, "nowhere"),
        (("process", "[/red] [bold"), {}, 3, "[/red] [bold"),
        (("process", "samples", "--doc-type", "menu"), {}, 2, "menu"),
        (("process", "samples", "--ocr", "vllm"), {}, 2, "OCR_OPS_OCR_URLS"),
        (("process", str(INVOICE), "--jsonl", "no/such/folder.jsonl"), {}, 2, "no/such/folder.jsonl"),
        (("process", "samples", "--no-such-option"), {}, 2, "no-such-option"),
        (("audit", "verify"), {"OCR_OPS_AUDIT_URI": "gs://bucket"}, 2, "OCR_OPS_AUDIT_URI"),
        (("process", str(INVOICE)), {"OCR_OPS_DPI": "many"}, 2, "OCR_OPS_DPI"),
        (("process", str(INVOICE)), {"OCR_OPS_AUDIT_URI": "file:///dev/null/audit"}, 3, "/dev/null/audit"),
        (
            ("ingest", str(INVOICE)),
            {"OCR_OPS_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none"},
            4,
            "Postgres",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_the_promised_exit_code(
    tmp_path: Path, words: tuple[str, ...], settings: dict[str, str], code: int, said: str
):
    done = ocr_ops(tmp_path / "var", *words, code=code, **settings)

    assert said in done.stderr.replace("\n", " ")
    assert not (tmp_path / "var" / "postgres").exists(), "a server was started for it"


def test_ingest_loads_everything_once(var: Path, inbox: Path, ingested: str):
    again = ocr_ops(var, "ingest", inbox).stderr
    with_reprocess = ocr_ops(var, "ingest", inbox, "--reprocess").stderr

    assert all(path.name in ingested for path in inbox.iterdir())
    assert "nothing new" in again
    assert "invoice_again.pdf" in with_reprocess
    url = ocr_ops(var, "db", "url", "--psql").stdout.strip()
    with psycopg.connect(url) as connection:
        rows = connection.execute("select name, status from marts.documents").fetchall()
    assert sorted(name for name, _ in rows) == sorted(path.name for path in inbox.iterdir())
    assert dict(rows)["invoice.pdf"] == "accepted"


def test_db_commands_say_where_it_is_and_stop_it(var: Path, ingested: str):
    migrated = ocr_ops(var, "db", "migrate")
    command = ocr_ops(var, "db", "psql").stdout
    address = ocr_ops(var, "db", "url").stdout.strip()
    ocr_ops(var, "db", "stop")
    ocr_ops(var, "db", "stop")

    assert "up to date" in migrated.stderr
    assert address.startswith("postgresql+psycopg://")
    assert "psql" in command and "ocr_ops" in command
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address.replace("+psycopg", ""), connect_timeout=5)
    assert ocr_ops(var, "db", "url").stdout.strip()


def test_audit_show_tells_where_every_value_stands_and_exports_files(
    var: Path, ingested: str, tmp_path: Path
):
    story = json.loads(ocr_ops(var, "audit", "show", "invoice.pdf", "--json").stdout)
    printed = ocr_ops(var, "audit", "show", "invoice.pdf", "--export", tmp_path / "out").stdout
    unknown = ocr_ops(var, "audit", "show", "no such document", code=1).stderr
    page = tmp_path / "story.html"
    line = ocr_ops(var, "audit", "show", "invoice.pdf/1", "--html", page).stdout

    assert "page/1/blocks" in line and "/grand_total" not in line
    assert "data:image/" in page.read_text() and "4.11" in page.read_text()
    assert [row["kind"] for row in story["chain"]] == ["loaded"]
    assert {"step/open", "step/judge", "page/1/blocks"} <= {row["role"] for row in story["links"]}
    fields = {row["field"]: row for row in story["fields"]}
    assert (fields["/grand_total"]["value"], fields["/grand_total"]["page"]) == ("4.11", 1)
    assert {"source", "html", "record", "manifest"} <= {row["role"] for row in story["links"]}
    assert "/grand_total" in printed and "4.11" in printed
    assert {"document.html", "source.pdf", "page-1-overlay.jpg"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert "marts.documents" in unknown


def test_audit_verify_finds_a_changed_byte(var: Path, inbox: Path, tmp_path: Path):
    ocr_ops(tmp_path / "var", "process", INVOICE)
    verify = ("audit", "verify", "--store-only", "--json")
    assert json.loads(ocr_ops(tmp_path / "var", *verify).stdout)["broken"] == []
    victim = max((tmp_path / "var/audit/objects").rglob("*"), key=lambda path: path.stat().st_size)
    victim.chmod(0o600)
    victim.write_bytes(victim.read_bytes()[:-1] + b"\x00")

    broken = json.loads(ocr_ops(tmp_path / "var", *verify, code=1).stdout)["broken"]

    assert [(one["kind"], Path(one["path"]).name) for one in broken] == [("changed", victim.name)]


def test_audit_verify_proves_what_was_ingested_against_an_anchor_in_another_place(
    var: Path, ingested: str, tmp_path: Path
):
    ocr_ops(var, "audit", "anchor", "--to", tmp_path)
    (anchor,) = tmp_path.glob("ocr-ops-anchor-*.json")

    proof = json.loads(ocr_ops(var, "audit", "verify", "--anchor", anchor, "--sample", "3", "--json").stdout)
    other = anchor.with_name("other.json")
    other.write_text(anchor.read_text().replace('"sequence":', '"sequence":9'))
    wrong = json.loads(ocr_ops(var, "audit", "verify", "--anchor", other, "--json", code=1).stdout)

    assert (
        proof["broken"] == [] and proof["objects"] == 3 and proof["anchors"] == 2 and proof["manifests"] > 0
    )
    assert [(one["kind"], one["path"]) for one in wrong["broken"]] == [("anchor", str(other))]


def test_doctor_looks_at_everything_and_says_what_to_do(var: Path, ingested: str, tmp_path: Path):
    well = json.loads(ocr_ops(var, "doctor", "--json").stdout)
    ill = json.loads(
        ocr_ops(
            var, "doctor", "--json", code=1, OCR_OPS_LLM_URL="http://127.0.0.1:1/v1", OCR_OPS_DPI="150"
        ).stdout
    )
    unset = json.loads(ocr_ops(var, "doctor", "--json", code=1, OCR_OPS_OCR_ENGINE="vllm").stdout)

    assert {"python", "packages", "disk", "postgres", "embedded OCR", "LLM"} <= {one["name"] for one in well}
    assert all(one["ok"] for one in well), well
    assert [one["name"] for one in ill if not one["ok"]] == ["LLM"]
    assert all(one["advice"] for one in (*ill, *unset) if not one["ok"])
    assert "OCR_OPS_OCR_URLS" in unset[0]["seen"]
