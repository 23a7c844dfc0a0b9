"""Telling people that a run failed or is late."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseNotifier
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from ocr_ops.airflow_glue.connections import connection_of

ALERTS = "ocr_ops_alerts"
"""Connection whose password is a webhook's URL and whose login an e-mail address; or the setting OCR_OPS_ALERTS."""


class Alert(BaseNotifier):  # type: ignore[misc]
    """Tell people that a run failed: by e-mail (connection `smtp_default`) or to a webhook that takes `{"text": ...}`."""

    def __init__(self, what: str = "failed") -> None:
        super().__init__()
        self.what = what

    def notify(self, context: Any) -> None:
        """Send one sentence to every address; one that cannot be reached is logged and costs no other."""
        from ocr_ops.alerting import alert_words, send

        words = alert_words(context, self.what)
        for address in _alert_addresses(os.environ):
            send(address, words, mail=_send_mail)


def tell_late(context: Any = None, **_: Any) -> None:
    """What a deadline calls when a run takes longer than it should."""
    Alert("is late").notify(context or {})


def late_after(time: timedelta) -> DeadlineAlert | None:
    """Alert when a run has not ended so long after it was queued; the run goes on. None where `OCR_OPS_ALERTS` names nobody.

    `airflow dags test` of Airflow 3.3.2 fails on a DAG with a deadline, so there is none where nobody would hear of it.
    """
    if not os.environ.get("OCR_OPS_ALERTS"):
        return None
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, time, SyncCallback(tell_late))


def _alert_addresses(env: Mapping[str, str]) -> tuple[str, ...]:
    from ocr_ops.settings import Settings

    given = Settings.from_env(env).alerts
    if not given and (connection := connection_of(ALERTS)) is not None:
        given = ",".join(part for part in (connection.password, connection.login) if part)
    return tuple(part.strip() for part in given.split(",") if part.strip())


def _send_mail(to: str, words: str) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    SmtpNotifier(to=to, subject=words[:150], html_content=words).notify({})
