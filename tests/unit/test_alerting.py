"""A failed run becomes a sentence, and the sentence reaches a webhook or a mailer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from ocr_ops.alerting import alert_words, send

WORDS = "ocr-ops: verify_audit failed, run r 1 (3 broken)"


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The address of a server on this machine, and what was posted to it; `/refuse` answers 500."""
    posted: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/refuse" else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()
    thread.join()
    server.server_close()


def no_mail(to: str, words: str) -> None:
    raise AssertionError("nobody is to be mailed")


def test_a_sentence_names_the_dag_the_run_and_the_reason():
    run = SimpleNamespace(dag_id="verify_audit", run_id="r 1")

    assert alert_words({"dag_run": run, "reason": "3 broken"}, "failed") == WORDS
    late = {"dag_run": {"dag_id": "d", "dag_run_id": "r"}}
    assert alert_words(late, "is late") == "ocr-ops: d is late, run r"
    assert alert_words({}, "failed").startswith("ocr-ops: a DAG failed")
    assert len(alert_words({"reason": "x" * 9000}, "failed")) == 500


def test_a_webhook_gets_the_sentence_as_text(webhook: tuple[str, list[dict[str, str]]]):
    address, posted = webhook

    assert send(address, WORDS, mail=no_mail)
    assert posted == [{"text": WORDS}]


def test_any_other_address_is_mailed():
    mailed: list[tuple[str, str]] = []

    assert send("ops@example.org", WORDS, mail=lambda to, words: mailed.append((to, words)))
    assert mailed == [("ops@example.org", WORDS)]


def test_an_alert_that_cannot_be_sent_is_logged_without_the_secret_in_its_address(
    webhook: tuple[str, list[dict[str, str]]], caplog: pytest.LogCaptureFixture
):
    secret = f"{webhook[0]}/refuse"

    assert not send(secret, WORDS, mail=no_mail)
    assert not send("ops@example.org", WORDS, mail=no_mail)

    assert len(caplog.records) == 2
    assert secret not in caplog.text
