"""What Airflow's lineage collector is told of a load."""

from __future__ import annotations

import pytest
from airflow.sdk.lineage import HookLineageCollector

from ocr_ops.airflow_glue.lineage import note

pytestmark = pytest.mark.airflow

PLACES = ["file:///data/in/a.pdf", "file:///data/in/b.pdf"]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("postgresql+psycopg://ann:secret@db.example:6543/books", "postgres://db.example:6543/books"),
        ("postgresql://db.example/books", "postgres://db.example:5432/books"),
    ],
)
def test_files_are_inputs_and_tables_with_their_rows_outputs_without_any_secret(url: str, server: str):
    collector = HookLineageCollector()

    note(collector, object(), [*PLACES, "   "], url, rows=2)

    found = collector.collected_assets
    assert [one.asset.uri for one in found.inputs] == PLACES
    assert [(one.asset.uri, one.asset.extra) for one in found.outputs] == [
        (f"{server}/ingest/documents", {"rows": 2}),
        (f"{server}/extraction/records", {"rows": 2}),
    ]
