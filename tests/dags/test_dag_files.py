import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ocr_ops.pools import LLM_POOL, OCR_POOL, POOLS, WAREHOUSE_POOL
from ocr_ops.priorities import WEIGHTS
from ocr_ops.schemas import doc_types

PROJECT = Path(__file__).parents[2]

pytestmark = pytest.mark.airflow


def parse(home: Path, **env: str) -> dict[str, Any]:
    """What Airflow sees in dags/, parsed without database, connections and network."""
    env |= {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    command = [sys.executable, str(Path(__file__).with_name("bag.py")), str(PROJECT / "dags")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=True)
    parsed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return parsed


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The DAGs of a set-up without a sources file."""
    return parse(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The DAGs of the sources file in the documentation, with somebody to tell."""
    example = PROJECT / "docs" / "sources.example.yaml"
    return parse(
        tmp_path_factory.mktemp("airflow"), OCR_OPS_SOURCES=str(example), OCR_OPS_ALERTS="ops@example.org"
    )


def test_every_dag_file_parses(bag: dict[str, Any]):
    assert bag["errors"] == {}
    assert set(bag["dags"]) == {path.stem for path in (PROJECT / "dags").glob("*.py")}


def test_every_dag_alerts_when_it_fails_and_where_somebody_is_named_when_it_is_late(
    bag: dict[str, Any], several: dict[str, Any]
):
    assert [name for name, dag in bag["dags"].items() if not dag["tells_failure"]] == []
    assert [name for name, dag in several["dags"].items() if not dag["tells_delay"]] == []
    assert [name for name, dag in bag["dags"].items() if dag["tells_delay"]] == []


def test_the_plugin_folder_is_scanned_without_errors(bag: dict[str, Any]):
    assert bag["plugin_errors"] == {}


def test_parsing_imports_nothing_heavy(bag: dict[str, Any]):
    assert bag["heavy"] == []


@pytest.mark.parametrize("dag_id", ["ingest_folder", "ingest_landing_zone"])
def test_batches_flow_through_read_extract_and_load_on_their_own(bag: dict[str, Any], dag_id: str):
    downstream = {name: task["downstream"] for name, task in bag["dags"][dag_id]["tasks"].items()}

    summed_up: dict[str, list[str]] = {"summary": []} if dag_id == "ingest_folder" else {}

    assert downstream == summed_up | {
        "find": ["batch.read"],
        "batch.read": ["batch.extract"],
        "batch.extract": ["batch.load"],
        "batch.load": ["announce_rows", *summed_up],
        "announce_rows": [],
    }


@pytest.mark.parametrize("dag_id", ["ingest_folder", "ingest_landing_zone"])
def test_scarce_things_are_bounded_by_pools(bag: dict[str, Any], dag_id: str):
    tasks = bag["dags"][dag_id]["tasks"]

    assert [tasks[f"batch.{step}"]["pool"] for step in ("read", "extract", "load")] == [
        OCR_POOL,
        LLM_POOL,
        WAREHOUSE_POOL,
    ]
    assert {OCR_POOL, LLM_POOL, WAREHOUSE_POOL} == set(POOLS)


def test_every_task_retries_by_the_class_of_its_error(bag: dict[str, Any]):
    tasks = {(name, one): task for name, dag in bag["dags"].items() for one, task in dag["tasks"].items()}

    assert [key for key, task in tasks.items() if not task["has_policy"]] == []
    assert [key for key, task in tasks.items() if not task["retries"]] == []


def test_dags_do_not_catch_up_and_explain_themselves(bag: dict[str, Any]):
    assert [name for name, dag in bag["dags"].items() if dag["catchup"] or len(dag["doc"]) < 100] == []


def test_the_landing_zone_is_never_read_by_two_runs_at_once(bag: dict[str, Any]):
    assert bag["dags"]["ingest_landing_zone"]["max_active_runs"] == 1


def test_the_form_offers_every_document_type(bag: dict[str, Any]):
    assert bag["dags"]["ingest_folder"]["params"]["doc_type"]["enum"] == ["auto", *doc_types()]


def test_every_field_of_every_form_has_a_title_and_help(bag: dict[str, Any]):
    params = {
        (name, one): schema for name, dag in bag["dags"].items() for one, schema in dag["params"].items()
    }

    silent = [
        key for key, schema in params.items() if not schema.get("title") or len(schema["description_md"]) < 25
    ]
    assert silent == []


def test_the_form_asks_for_what_a_run_needs(bag: dict[str, Any]):
    assert set(bag["dags"]["ingest_folder"]["params"]) == {
        "folder", "doc_type", "dry_run", "engine", "priority", "batch_size", "limit", "tenant", "reprocess"
    }  # fmt: skip


def test_processing_again_asks_before_it_settles(bag: dict[str, Any]):
    downstream = {
        name: task["downstream"] for name, task in bag["dags"]["reprocess_documents"]["tasks"].items()
    }

    assert downstream == {
        "choose": ["batch.read"],
        "batch.read": ["batch.extract"],
        "batch.extract": ["batch.load"],
        "batch.load": ["report"],
        "report": ["ask", "who_decides"],
        "who_decides": ["ask", "settle"],
        "ask": ["settle"],
        "settle": [],
    }


def test_every_source_of_the_file_is_a_dag_of_its_own(several: dict[str, Any], bag: dict[str, Any]):
    assert several["errors"] == {}
    assert set(several["dags"]) - set(bag["dags"]) == {"ingest_acme_invoices", "ingest_acme_receipts"}
    acme = several["dags"]["ingest_acme_invoices"]
    assert acme["schedule"] == "*/15 6-20 * * 1-5"
    assert acme["max_active_runs"] == 1
    assert acme["tags"] == ["acme", "ingest", "ocr-ops"]
    assert "/data/acme/invoices" in acme["doc"]
    assert acme["tasks"]["batch.read"]["pool"] == "ocr_ops_ocr_acme_invoices"
    assert {task["weight"] for task in acme["tasks"].values()} == {WEIGHTS["high"]}
    assert {task["weight"] for task in bag["dags"]["ingest_folder"]["tasks"].values()} == {WEIGHTS["normal"]}


def test_a_wrong_sources_file_is_an_import_error_that_names_the_line(tmp_path: Path):
    file = tmp_path / "sources.yaml"
    file.write_text("version: 1\nsources:\n- name: acme\n  folder: in\n  engine: tesseract\n")

    parsed = parse(tmp_path / "airflow", OCR_OPS_SOURCES=str(file))

    (place,) = parsed["errors"]
    assert place.endswith("ingest_landing_zone.py")
    assert "sources.yaml line 5: engine is 'tesseract'" in parsed["errors"][place]
    assert "ingest_folder" in parsed["dags"]


def test_buckets_are_reached_by_the_connection_of_airflow_where_there_is_one(tmp_path: Path):
    script = "from ocr_ops.airflow_glue.connections import bucket_access\nprint(bucket_access())"
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT / "plugins"),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW_CONN_OCR_OPS_S3": json.dumps(
            {
                "conn_type": "aws",
                "login": "key",
                "password": "hidden",
                "extra": {"region_name": "eu-central-1", "endpoint_url": "http://minio:9000"},
            }
        ),
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120, check=True
    )

    assert "key" in done.stdout
    assert "http://minio:9000" in done.stdout
    assert "eu-central-1" in done.stdout
    assert "hidden" not in done.stdout
