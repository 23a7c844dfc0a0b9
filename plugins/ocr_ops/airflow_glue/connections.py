"""Airflow's connections and the environment -> `Settings`, the workshop that every task works in, and its log."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocr_ops.pipeline.workshop import Event, Report, Workshop
    from ocr_ops.s3 import S3Access
    from ocr_ops.settings import Settings

PROJECT = Path(__file__).resolve().parents[3]
"""The checkout; a relative folder in the form is one of its folders, wherever Airflow's processes work."""

S3 = "ocr_ops_s3"
"""Connection for buckets that documents come from."""

log = logging.getLogger("ocr_ops")


def folder_of(name: str) -> Path:
    """The folder that a form, a source or a setting names."""
    return PROJECT / Path(name.removeprefix("file://")).expanduser()


def place_of(name: str) -> Path | str:
    """The folder, or the bucket, that a form or a source names."""
    return name.strip() if name.strip().startswith("s3://") else folder_of(name)


def workshop() -> Workshop:
    """Everything the steps need, from the environment and Airflow's connections."""
    from ocr_ops.pipeline.workshop import Workshop

    logging.getLogger("httpx2").setLevel(
        logging.WARNING
    )  # a line for every request would bury those of documents
    settings = airflow_settings(os.environ)
    return Workshop.from_settings(settings, progress_report(os.environ), bucket_access())


def airflow_settings(env: Mapping[str, str]) -> Settings:
    """Settings from `OCR_OPS_*`; what is not set there comes from the connections `ocr_ops_vllm`, `ocr_ops_llm` and
    `ocr_ops_warehouse`, where they exist."""
    from ocr_ops.settings import Settings

    merged = dict(env)
    for name, settings_of in _CONNECTIONS.items():
        if not env.get(_DECIDED_BY[name]) and (connection := connection_of(name)) is not None:
            merged.update(
                {key: value for key, value in settings_of(connection).items() if value and not env.get(key)}
            )
    return Settings.from_env(merged)


def bucket_access() -> S3Access | None:
    """How to get at buckets that documents come from: the connection `ocr_ops_s3`, an ordinary one of type `aws`.

    Without it boto3 looks in its own places: environment, profile, role.
    """
    from ocr_ops.s3 import S3Access

    if (connection := connection_of(S3)) is None:
        return None
    extra = connection.extra_dejson
    return S3Access(
        connection.login or "",
        connection.password or "",
        extra.get("aws_session_token", ""),
        extra.get("region_name", ""),
        extra.get("endpoint_url", ""),
    )


def connection_of(name: str) -> Any:
    """An Airflow connection by name, None where there is none."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return Connection.get(name)
    except AirflowNotFoundException:
        return None


def _base_url(connection: Any) -> str:
    host = connection.host or ""
    if "://" in host:
        return str(host)
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'http'}://{host}{port}/v1" if host else ""


_CONNECTIONS: dict[str, Any] = {
    "ocr_ops_vllm": lambda c: {"OCR_OPS_OCR_URLS": _base_url(c), "OCR_OPS_OCR_API_KEY": c.password},
    "ocr_ops_llm": lambda c: {
        "OCR_OPS_LLM_URL": _base_url(c),
        "OCR_OPS_LLM_API_KEY": c.password,
        "OCR_OPS_LLM_MODEL": c.extra_dejson.get("model", ""),
        "OCR_OPS_LLM_PROVIDER": c.extra_dejson.get("provider", ""),
        "OCR_OPS_LLM_REGION": c.extra_dejson.get("region", ""),
    },
    "ocr_ops_warehouse": lambda c: {
        "OCR_OPS_DATABASE_URL": c.get_uri().replace("postgres://", "postgresql+psycopg://")
    },
}
_DECIDED_BY = {
    "ocr_ops_vllm": "OCR_OPS_OCR_URLS",
    "ocr_ops_llm": "OCR_OPS_LLM_URL",
    "ocr_ops_warehouse": "OCR_OPS_DATABASE_URL",
}


def progress_report(env: Mapping[str, str]) -> Report:
    """Log one line a document, and append every event to `OCR_OPS_PROGRESS_FILE` where somebody watches it."""
    path = env.get("OCR_OPS_PROGRESS_FILE")

    def report(event: Event) -> None:
        if event.detail:
            log.info("%s: %s: %s", event.stage, event.name, event.detail)
        if path:
            from ocr_ops.codec import to_json

            with Path(path).open("ab") as file:
                file.write(to_json(event) + b"\n")

    return report
