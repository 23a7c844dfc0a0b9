"""A failed run -> one sentence, and that sentence to a webhook or a mailer. Knows no Airflow; never raises for an address."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)

_WAIT_S = 10
_LONGEST = 500


def alert_words(context: Mapping[str, Any], what: str) -> str:
    """What happened to which run, without anything a document said."""
    run = context.get("dag_run")
    name = _told(run, "dag_id") or str(context.get("dag_id") or "a DAG")
    # a missed deadline brings the run as the REST API tells it
    run_id = str(context.get("run_id") or _told(run, "run_id") or _told(run, "dag_run_id"))
    reason = str(context.get("reason") or "")
    return f"ocr-ops: {name} {what}, run {run_id}{f' ({reason})' if reason else ''}"[:_LONGEST]


def _told(run: Any, name: str) -> str:
    value = run.get(name) if isinstance(run, Mapping) else getattr(run, name, "")
    return str(value or "")


def send(address: str, words: str, *, mail: Callable[[str, str], None]) -> bool:
    """Send a sentence to an `http(s)://` webhook (Slack, Mattermost and others take `{"text": ...}`) or an e-mail address.

    What goes wrong is logged without the address, which may be a secret; False then.
    """
    try:
        if address.startswith(("https://", "http://")):
            _post(address, words)
        else:
            mail(address, words)
    except Exception as problem:  # an alert that cannot be sent must not hide what it is about
        log.warning("an alert could not be sent: %s", type(problem).__name__)
        return False
    return True


def _post(url: str, words: str) -> None:
    body = json.dumps({"text": words}).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 - http(s) alone
    with urllib.request.urlopen(request, timeout=_WAIT_S):  # noqa: S310
        pass
