"""The tab "Documents" on the page of a run in Airflow's UI: what became of its documents, and a page for each of them.

Airflow mounts what a plugin brings without asking who is there, so every address here asks Airflow's own authorisation
for the right to see runs of the DAG, and shows only what that DAG's run met.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from airflow.plugins_manager import AirflowPlugin

from ocr_ops.airflow_glue.connections import airflow_settings
from ocr_ops.sources import run_name

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ocr_ops.settings import Settings

PREFIX = "/ocr-ops"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class OcrOpsPlugin(AirflowPlugin):  # type: ignore[misc]
    """Mount the pages on the API server."""

    name = "ocr_ops"
    external_views: ClassVar[list[dict[str, str]]] = [
        {
            "name": "Documents",
            "href": f"{PREFIX}/run?dag_id={{DAG_ID}}&run_id={{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "ocr-ops-documents",
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """Made where they are asked for, in the API server, so that other processes do without FastAPI."""
        from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
        from airflow.api_fastapi.core_api.security import requires_access_dag

        guard = requires_access_dag("GET", DagAccessEntity.RUN)
        return [{"name": "ocr-ops", "url_prefix": PREFIX, "app": make_app(guard)}]


def make_app(guard: Callable[..., Any], settings: Callable[[], Settings] | None = None) -> FastAPI:
    """The pages; `guard` is a FastAPI dependency that refuses who may not see the runs of `dag_id`."""
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    app = FastAPI(
        title="ocr-ops", dependencies=[Depends(guard)], docs_url=None, redoc_url=None, openapi_url=None
    )
    known = settings or partial(airflow_settings, os.environ)

    def run(dag_id: str, run_id: str) -> HTMLResponse:
        return HTMLResponse(run_page(known(), dag_id, run_id), headers=_HEADERS)

    def document(dag_id: str, run_id: str, key: str) -> HTMLResponse:
        page = document_page(known(), dag_id, run_id, key)
        if page is None:
            return HTMLResponse("There is no such document in this run.", 404, headers=_HEADERS)
        return HTMLResponse(page, headers=_HEADERS)

    app.get("/run")(run)
    app.get("/document")(document)
    return app


def run_page(settings: Settings, dag_id: str, run_id: str) -> str:
    """What became of the documents of a run, in HTML."""
    from ocr_ops.pipeline.run_page import MOST_LINES, run_html
    from ocr_ops.warehouse import DocumentLine, Warehouse

    with Warehouse(settings.database_url, pool_size=1) as warehouse:
        summary, lines = warehouse.page_of_run(dag_id, _run_name(dag_id, run_id), most=MOST_LINES)

    def link(line: DocumentLine) -> str:
        # relative: Airflow may be mounted below a path of its own
        return "document?" + urlencode({"dag_id": dag_id, "run_id": run_id, "key": line.document_key})

    return run_html(summary, lines, link)


def document_page(settings: Settings, dag_id: str, run_id: str, key: str) -> str | None:
    """The story of a document in HTML; None where that run of that DAG did not meet it."""
    from datetime import UTC, datetime

    from ocr_ops.audit import open_store
    from ocr_ops.pipeline.story_page import kept_of, story_html
    from ocr_ops.warehouse import Warehouse

    with Warehouse(settings.database_url, pool_size=1) as warehouse:
        if not warehouse.was_met(dag_id, _run_name(dag_id, run_id), key):
            return None
        story = warehouse.document(key)
    if story is None:
        return None
    store = open_store(settings.audit_uri)
    return story_html(story, kept_of(store, story), written_at=datetime.now(UTC))


def _run_name(dag_id: str, given: str) -> str:
    """What the warehouse calls a run. In an address that nobody quoted a `+` became a blank; no name of a run has one."""
    return run_name(dag_id, given.replace(" ", "+"))
