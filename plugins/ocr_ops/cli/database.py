"""`ocr-ops db`: the warehouse's address, its migrations, its server."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ocr_ops import warehouse
from ocr_ops.cli.console import ERR
from ocr_ops.local.machine import WAREHOUSE, Machine

app = typer.Typer(
    help="The warehouse in Postgres: address, migrations, the embedded server.", no_args_is_help=True
)


@app.command("url")
def url(
    psql: Annotated[
        bool, typer.Option("--psql", help="In the form psql and other PostgreSQL tools take.")
    ] = False,
) -> None:
    """Print the warehouse's URL, starting the embedded server if it is down. It holds a password.

    Example:
      psql "$(ocr-ops db url --psql)"
    """
    address = Machine.from_env(os.environ).settings(os.environ, database=True).database_url
    print(address.replace("postgresql+psycopg://", "postgresql://") if psql else address)


@app.command("psql")
def psql() -> None:
    """Print the command line that opens psql on the embedded warehouse."""
    machine = Machine.from_env(os.environ)
    machine.warehouse_url()
    print(machine.postgres.psql_command(WAREHOUSE))


@app.command("migrate")
def migrate() -> None:
    """Bring the warehouse up to date: tables, views and roles. Forward only, safe to run again."""
    address = Machine.from_env(os.environ).settings(os.environ, database=True).database_url
    applied = warehouse.migrate(address)
    ERR.print(f"applied: {', '.join(applied)}" if applied else "up to date")


@app.command("current")
def current() -> None:
    """Print the migration the warehouse stands at; nothing where it has no tables of ours."""
    address = Machine.from_env(os.environ).settings(os.environ, database=True).database_url
    if (stands := warehouse.current(address)) is not None:
        print(stands)


@app.command("check")
def check() -> None:
    """Compare the warehouse with the tables this program declares. Exit code 1 when they differ."""
    address = Machine.from_env(os.environ).settings(os.environ, database=True).database_url
    differences = warehouse.check(address)
    for difference in differences:
        print(difference)
    ERR.print(f"{len(differences)} differences" if differences else "no difference")
    if differences:
        raise typer.Exit(1)


@app.command("stop")
def stop() -> None:
    """Stop the embedded server. Data stays; the next command that needs it starts it again."""
    Machine.from_env(os.environ).postgres.stop()
