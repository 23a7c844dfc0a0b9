"""The file that names where documents are picked up from: what it says, and how it says what is wrong with it."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from ocr_ops.errors import SettingsError
from ocr_ops.pools import OCR_POOL, pools_for
from ocr_ops.schemas import doc_types
from ocr_ops.sources import Source, configured_sources, own_pools, read_sources, run_name

EXAMPLE = Path(__file__).parents[2] / "docs" / "sources.example.yaml"
TYPES = ("invoice", "receipt")


def read(text: str) -> tuple[Source, ...]:
    return read_sources(text, name="sources.yaml", doc_types=TYPES)


def fault(*lines: str) -> str:
    text = "\n".join(("version: 1", "sources:", *lines, ""))
    with pytest.raises(SettingsError) as refused:
        read(text)
    return str(refused.value)


def test_without_a_file_the_landing_folder_is_the_only_source():
    assert configured_sources({}, doc_types=TYPES) == (Source(),)
    assert configured_sources({"OCR_OPS_LANDING_FOLDER": "/drop"}, doc_types=TYPES) == (
        Source(folder="/drop"),
    )
    assert Source().dag_id == "ingest_landing_zone"


def test_the_example_in_the_documentation_is_a_valid_file_that_shows_every_key():
    text = EXAMPLE.read_text()

    sources = read_sources(text, name=EXAMPLE.name, doc_types=doc_types())

    assert sources[0].dag_id == "ingest_landing_zone"
    assert len(sources) > 1
    assert all(f" {field.name}:" in text for field in fields(Source))


def test_a_source_keeps_what_the_file_says_and_takes_the_rest_from_the_defaults():
    (source,) = read(
        "version: 1\nsources:\n- {name: acme, folder: /in/acme, doc_type: invoice, tenant: acme, engine: vllm}"
    )

    assert source == Source("acme", "/in/acme", "invoice", engine="vllm", tenant="acme")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("every 1 minute", timedelta(minutes=1)),
        ("every 6 hours", timedelta(hours=6)),
        ("none", None),
        ("@daily", "@daily"),
        ("*/15 6-20 * * 1-5", "*/15 6-20 * * 1-5"),
        ("0,30 8 1 */3 *", "0,30 8 1 */3 *"),
    ],
)
def test_schedules_are_words_cron_or_none(text: str, wanted: object):
    (source,) = read(f"version: 1\nsources:\n- name: a\n  folder: f\n  schedule: '{text}'\n")

    assert source.every == wanted


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  doc_type: menu", "doc_type is 'menu', must be one of: auto, invoice, receipt"),
        ("  engine: tesseract", "engine is 'tesseract', must be one of: as configured, embedded, vllm"),
        ("  schedule: 61 * * * *", "schedule is '61 * * * *', must be"),
        ("  schedule: '*/0 * * * *'", "schedule is"),
        ("  schedule: 9-5 * * * *", "schedule is"),
        ("  schedule: '* * * *'", "schedule is"),
        ("  schedule: every 0 minutes", "schedule is"),
        ("  schedule: 5", "schedule is 5"),
        ("  tenant: ../other", "tenant is '../other'"),
        ("  batch_size: -1", "batch_size is -1, must be a whole number from 0 to 500"),
        ("  readers: 99", "readers is 99, must be a whole number from 0 to 64"),
        ("  priority: urgent", "priority is 'urgent', must be one of: low, normal, high"),
        ("  batch_size: true", "batch_size is True"),
        ("  colour: red", "'colour' is not known; known: name, folder"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(line: str, words: str):
    assert fault("- name: acme", "  folder: in", line).startswith(f"sources.yaml line 5: {words}")


@pytest.mark.parametrize("folder", ["s3://bucket", "s3://bucket/in/2026", "s3://my.bucket/Büro"])
def test_a_folder_may_be_a_bucket(folder: str):
    (source,) = read(f"version: 1\nsources:\n- {{name: acme, folder: '{folder}'}}")

    assert source.folder == folder


@pytest.mark.parametrize("folder", ["gs://bucket", "https://host/in"])
def test_another_store_is_refused_with_what_to_do_instead(folder: str):
    assert "mount it, or copy from it" in fault("- name: acme", f"  folder: {folder}")


@pytest.mark.parametrize("folder", ["s3://", "s3:///in", "s3://UPPER/in", "s3://key@bucket/in"])
def test_a_bucket_without_a_name_is_refused(folder: str):
    assert "must name a bucket" in fault("- name: acme", f"  folder: {folder}")


def test_a_source_with_places_of_its_own_has_a_pool_and_others_share_one():
    text = (
        "version: 1\nsources:\n- {name: a, folder: in, readers: 2, priority: high}\n- {name: b, folder: in}"
    )

    own, shared = read(text)

    assert (own.pool, own.weight, shared.pool, shared.weight) == ("ocr_ops_ocr_a", 100, OCR_POOL, 10)
    assert own_pools((own, shared)) == {"ocr_ops_ocr_a": 2}
    assert pools_for(ocr_servers=True, own={"ocr_ops_ocr_a": 2})["ocr_ops_ocr_a"][0] == 2


@pytest.mark.parametrize("name", ["Acme", "9lives", "a-b", "folder", "x" * 41, "5"])
def test_a_name_that_would_be_no_dag_or_another_one_is_refused(name: str):
    assert "line 3: name is" in fault(f"- name: {name}", "  folder: in")


def test_every_fault_of_a_file_is_named_at_once_in_the_order_of_lines():
    words = fault(
        "- folder: in", "  engine: x", "- name: a", "  folder: in", "- name: a", "  folder: in", "- 5"
    )

    assert [part.split(":")[0] for part in words.split("; ")] == [
        f"sources.yaml line {line}" for line in (3, 4, 7, 9)
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: expected `version: 1` and a list"),
        ("- a", "line 1: expected `version: 1` and a list"),
        ("version: 2\nsources: [{name: a, folder: b}]", "line 1: expected `version: 1`"),
        ("version: 1\nsources: []", "line 2: expected a list `sources`"),
        ("version: 1\nsources: [{name: a, folder: b}]\nextra: 1", "line 3: 'extra' is not known"),
        ("version: 1\nsources: [\n", "line 3: this is not YAML"),
        ("version: 1\nsources:\n- !!python/object:os.system {}", "line 3"),
    ],
)
def test_a_file_of_another_shape_is_refused_with_the_line(text: str, words: str):
    with pytest.raises(SettingsError, match=f"sources.yaml {words}".replace("(", r"\(")):
        read(text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"OCR_OPS_SOURCES=.*nowhere\.yaml cannot be read: No such file"):
        configured_sources({"OCR_OPS_SOURCES": str(tmp_path / "nowhere.yaml")}, doc_types=TYPES)


def test_runs_of_two_sources_on_one_schedule_are_two_runs_in_the_warehouse():
    hour = "scheduled__2026-11-21T13:00:00+00:00"

    names = [run_name(Source(name).dag_id, hour) for name in ("acme", "other", "landing_zone")]

    assert names == [f"ingest_acme {hour}", f"ingest_other {hour}", hour]
    assert run_name("ingest_folder", "manual__1") == "manual__1"
    assert run_name("monitor_quality", hour) == hour
