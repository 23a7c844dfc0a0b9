"""`ocr-ops demo`, `up` and `down`: the whole system on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ocr_ops.cli.console import ERR, OUT, line_row, outcome_table
from ocr_ops.local import demo as demonstration
from ocr_ops.local import stack
from ocr_ops.local.airflow_pools import ensure_pools
from ocr_ops.local.machine import PROJECT, Machine


def demo(
    folder: Annotated[
        Path, typer.Argument(help="Folder of documents; nothing in it is moved or changed.")
    ] = PROJECT / "samples",
    doc_type: Annotated[str, typer.Option("--doc-type", help="receipt, invoice or auto.")] = "auto",
) -> None:
    """Take a folder of documents to rows in Postgres through a real Airflow run, on this machine alone.

    Starts the embedded Postgres, brings both databases up to date, runs the DAG ingest_folder in process and prints
    what became of every document. Running it again is safe and quick: what is known is not read again.
    """
    machine = Machine.from_env(os.environ)
    result = demonstration.run(machine, folder.expanduser().resolve(), doc_type)
    OUT.print(outcome_table([line_row(line) for line in result.lines]))
    OUT.print(demonstration.next_steps(machine, result), markup=True, highlight=False)


def up(
    port: Annotated[
        int | None,
        typer.Option("--port", help="Port of the Airflow UI; unset: the last one, or the next that is free."),
    ] = None,
) -> None:
    """Start Airflow on localhost: UI, scheduler, DAG processor, triggerer, and the embedded Postgres.

    The scheduled DAG then watches var/landing: put documents there and they are loaded within a minute or two.
    """
    machine = Machine.from_env(os.environ)
    with ERR.status("starting") as status:
        url = stack.up(machine, port, lambda sentence: status.update(sentence))
    user, password = machine.airflow.login
    OUT.print(
        f"Airflow  {url}   user {user}, password {password}\n"
        f"landing  {machine.landing}   put documents here, or trigger ingest_folder in the UI\n"
        f"stop     make down",
        markup=False,
        highlight=False,
    )


def init_airflow() -> None:
    """Make the pools that settings and sources ask for in an Airflow of your own, the one this environment leads to.

    Safe to run again: pools that are there keep their slots. `up` and `demo` do the same for the Airflow on this machine.
    """
    made = ensure_pools(os.environ)
    for name, (slots, purpose) in made.items():
        OUT.print(f"{name}  {slots} slots  {purpose}", markup=False, highlight=False)
    ERR.print(f"{len(made)} pools made" if made else "all pools were there")


def down(
    delete: Annotated[
        bool,
        typer.Option(
            "--delete", help="Also delete all data of this checkout: databases, evidence, logs, secrets."
        ),
    ] = False,
) -> None:
    """Stop what `up` and `demo` started, the embedded Postgres included. Data stays."""
    machine = Machine.from_env(os.environ)
    with ERR.status("stopping") as status:
        stopped = stack.down(machine, lambda sentence: status.update(sentence))
        if delete:
            stack.delete(machine)
    ERR.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
