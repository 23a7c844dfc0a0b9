"""Bring this machine's whole system up or down: databases, Airflow's home, its services."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ocr_ops import warehouse
from ocr_ops.local import services
from ocr_ops.local.airflow_pools import wanted_pools
from ocr_ops.local.machine import METADATA, Machine


def prepare(machine: Machine) -> None:
    """Start the embedded Postgres and bring warehouse, Airflow's metadata and pools up to date."""
    env = machine.environment(os.environ, database=True)
    machine.landing.mkdir(parents=True, exist_ok=True)
    machine.postgres.ensure_running()
    machine.postgres.ensure_database(METADATA)
    warehouse.migrate(env["OCR_OPS_DATABASE_URL"])
    home = machine.airflow
    home.ensure_migrated()
    home.ensure_pools(wanted_pools(env))


def airflow_environment(machine: Machine, *folders: Path) -> dict[str, str]:
    """Environment for an Airflow process here: Airflow's own settings and ours, with the roots it may read from."""
    return machine.airflow.env() | _our_environment(machine, *folders)


def _our_environment(machine: Machine, *folders: Path) -> dict[str, str]:
    ours = machine.environment(os.environ, database=True)
    roots = [machine.project, machine.var, Path.home(), *folders]
    ours.setdefault("OCR_OPS_ALLOWED_ROOTS", os.pathsep.join(dict.fromkeys(str(root) for root in roots)))
    return ours


def up(
    machine: Machine,
    port: int | None,
    progress: services.Progress,
    *,
    extra: Mapping[str, str] | None = None,
) -> str:
    """Prepare everything and start Airflow's services, `extra` in their environment; returns the UI's URL."""
    prepare(machine)
    # Airflow's own part of the environment is for services to make, once they have settled the port
    env = _our_environment(machine) | dict(extra or {})
    return services.up(machine.airflow, port, env=env, progress=progress)


def down(machine: Machine, progress: services.Progress) -> tuple[str, ...]:
    """Stop Airflow's services and the embedded Postgres; returns the names of what ran."""
    stopped = services.down(machine.airflow, progress=progress) if (machine.var / "airflow").is_dir() else ()
    server = machine.postgres
    if not server.is_running():
        return stopped
    server.stop()
    return (*stopped, "postgres")


def delete(machine: Machine) -> None:
    """Delete everything that runs wrote here, wherever the embedded server had to keep its data."""
    machine.postgres.remove()
    shutil.rmtree(machine.var, ignore_errors=True)
