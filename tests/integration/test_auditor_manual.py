"""What docs/auditors.md tells an auditor to type does what it says, with psql's SQL and the shell's tools."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from audit_builder import NOW, add_document
from databases import execute, fresh_database
from ocr_ops.audit import AuditStore
from ocr_ops.pipeline import retention
from ocr_ops.pipeline.retention_policy import read_policy
from ocr_ops.warehouse import migrate

pytestmark = pytest.mark.postgres

MANUAL = Path("docs/auditors.md")


def blocks(language):
    text = (Path(__file__).parents[2] / MANUAL).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def template(postgres_server):
    with fresh_database(postgres_server.url("postgres")) as url:
        migrate(url)
        yield url


@pytest.fixture
def url(postgres_server, template):
    with fresh_database(postgres_server.url("postgres"), template) as url:
        yield url


@pytest.fixture
def store(tmp_path):
    return AuditStore(tmp_path / "var/audit")


def test_the_query_over_all_rows_prints_those_that_do_not_fit(url, store):
    for number in range(1, 5):
        add_document(url, store, number)
    (query,) = (block for block in blocks("sql") if "row_number" in block)
    query = query.replace(":", r"\:")  # SQLAlchemy's own sign for parameters

    assert execute(url, query) == []
    changed = "update audit.chain set at = at - interval '1 s' where sequence = 2"
    assert execute(url, "set session_replication_role = replica", changed, query) == [(2,)]
    gone = "delete from audit.chain where sequence = 3"
    assert [row[0] for row in execute(url, "set session_replication_role = replica", gone, query)] == [2, 4]


def test_the_row_by_hand_gives_its_hash(url, store):
    add_document(url, store, 1)
    (shell,) = (block for block in blocks("sh") if "sha256sum\n" in block and "psql" in block)
    query = re.search(r'-Atc "(select concat_ws.*?)" \| sha256sum', shell, re.DOTALL)[1].replace('\\"', '"')
    ((line,),) = execute(url, query.replace("sequence = 9", "sequence = 1").replace(":", r"\:"))
    found = subprocess.run(
        ["sha256sum"], input=f"{line}\n", capture_output=True, text=True, check=True
    ).stdout

    assert execute(url, "select hash from audit.chain") == [(f"sha256:{found[:64]}",)]


def test_the_loop_over_plain_files_names_the_changed_one(tmp_path, store):
    good, bad = store.put(b"good"), store.put(b"bad")
    (loops,) = (block for block in blocks("sh") if "find ." in block)
    plain = loops.partition("find . -name '*.zst'")[0]

    def run():
        return subprocess.run(
            ["bash", "-c", plain], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    assert run() == ""
    path = next((store.place.root / "objects").glob(f"*/{bad.removeprefix('sha256:')}"))
    path.chmod(0o600)
    path.write_bytes(b"b4d")
    assert run() == f"changed: ./{path.parent.name}/{path.name}\n" and good


def test_the_policy_shown_can_be_read_once_it_names_documents():
    (policy,) = blocks("yaml")

    assert read_policy(policy.replace("sha256:…", "sha256:" + "0" * 64).encode()).rules[0].years == 10


def test_the_query_over_tombstones_tells_what_was_removed(url, store):
    kept = add_document(url, store, 1)
    policy = f"version: 1\nerasures: [{{name: request 1, documents: ['{kept['source']}']}}]".encode()
    retention.carry_out(store, url, retention.plan(store, url, policy, now=NOW), by="somebody")
    (query,) = (block for block in blocks("sql") if "'erased'" in block)

    ((_, document, rule, by, roles, digests),) = execute(url, query.replace("::", r"\:\:"))
    assert (document, rule, by) == (kept["source"], "request 1", "somebody")
    assert roles == ["manifest", "record", "source"] and set(digests) == set(kept.values())
