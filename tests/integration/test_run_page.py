"""The tab "Documents" of a run: what it shows, to whom, and that text of documents is only text there."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import HTTPException, Request
from fastapi.testclient import TestClient

from bench import Bench, ScriptedEngine, aged, bench, picture, run
from ocr_ops.airflow_glue.pages import OcrOpsPlugin, make_app
from ocr_ops.codec import digest_of

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
RUN = "manual__2026-11-21T13:00:00+00:00"


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Bench:
    made = bench(tmp_path, database_url, ScriptedEngine)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    picture(inbox, "a.png")
    (inbox / "<b>torn.pdf").write_bytes(b"%PDF-1.7 nothing")
    aged(*inbox.iterdir())
    run(made, inbox, RUN)
    return made


def client(shop: Bench, *allowed: str) -> TestClient:
    def guard(request: Request) -> None:
        if request.query_params.get("dag_id") not in allowed:
            raise HTTPException(403)

    return TestClient(make_app(guard, lambda: shop.settings))


def test_a_person_sees_counts_what_is_held_with_reasons_and_a_page_for_each_document(shop: Bench):
    browser = client(shop, "ingest_folder")

    page = browser.get("/run", params={"dag_id": "ingest_folder", "run_id": RUN})

    assert page.status_code == 200
    assert "<h1>2 documents</h1>" in page.text
    assert "<b>1</b>cannot be read" in page.text
    assert "&lt;b&gt;torn.pdf" in page.text
    assert "<b>torn" not in page.text
    assert page.text.index("torn") < page.text.index("a.png")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    links = [part.partition('"')[0].replace("&amp;", "&") for part in page.text.split('href="')[1:]]
    assert len(links) == 2
    for link in links:
        story = browser.get("/" + link)
        assert story.status_code == 200
        assert "What is kept" in story.text
        assert parse_qs(urlsplit(link).query)["run_id"] == [RUN]


def test_a_run_in_an_address_that_nobody_quoted_is_found(shop: Bench):
    assert "2 documents" in client(shop, "ingest_folder").get(f"/run?dag_id=ingest_folder&run_id={RUN}").text


def test_nobody_sees_documents_of_a_dag_that_they_may_not_see(shop: Bench):
    allowed, refused = client(shop, "other", "ingest_folder"), client(shop, "other")
    key = digest_of(
        (Path(shop.settings.audit_uri.removeprefix("file://")).parent / "inbox/a.png").read_bytes()
    )
    asked = {"dag_id": "ingest_folder", "run_id": RUN, "key": key}

    assert refused.get("/run", params=asked).status_code == 403
    assert refused.get("/document", params=asked).status_code == 403
    assert allowed.get("/document", params=asked).status_code == 200
    assert allowed.get("/document", params=asked | {"dag_id": "other"}).status_code == 404
    assert allowed.get("/document", params=asked | {"key": key[:20]}).status_code == 404
    assert "met no documents" in allowed.get("/run", params=asked | {"dag_id": "other"}).text


def test_every_address_of_the_plugin_asks_airflow_who_is_there():
    (mounted,) = OcrOpsPlugin().fastapi_apps

    answers = {
        route.path: TestClient(mounted["app"], raise_server_exceptions=False)
        .get(route.path, params={"dag_id": "x", "run_id": "y", "key": "z"})
        .status_code
        for route in mounted["app"].routes
    }

    assert set(answers) == {"/run", "/document"}
    assert set(answers.values()) == {401}
