"""The `ocr-ops` command: one file a subject, gathered here."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from ocr_ops.cli import audit, calibrate, database, doctor, documents, evaluate, reading, stack
from ocr_ops.cli.console import ERR
from ocr_ops.errors import OcrOpsError, SettingsError, TransientError, UnknownSchema

EPILOG = """Exit codes: 0 done (whatever became of single documents), 1 something was found broken (doctor, audit verify),
2 wrong use or settings, 3 the world is broken for good (refused key, unknown model), 4 try again later."""

app = typer.Typer(
    name="ocr-ops",
    help="Invoices and receipts to rows in Postgres, with evidence for every value.\n\n"
    "Start with [bold]ocr-ops process samples --jsonl out.jsonl[/bold] (no database, no Airflow), or [bold]make demo[/bold].",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    add_completion=False,
)
app.command("process")(documents.process)
app.command("ingest")(documents.ingest)
app.command("ocr")(reading.read_file)
app.command("eval")(evaluate.evaluate_datasets)
app.command("synth")(evaluate.synthesise)
app.command("calibrate")(calibrate.calibrate)
app.add_typer(database.app, name="db")
app.add_typer(audit.app, name="audit")
app.command("doctor")(doctor.doctor)
app.command("demo")(stack.demo)
app.command("up")(stack.up)
app.command("down")(stack.down)
app.command("init-airflow")(stack.init_airflow)


def main() -> None:
    """Run the command; errors of ours become one line that says what to do, and an exit code."""
    try:
        app()
    except OcrOpsError as problem:
        ERR.print(f"[red]error:[/red] {escape(str(problem))}", highlight=False)
        sys.exit(exit_code(problem))


def exit_code(problem: OcrOpsError) -> int:
    """The code that `EPILOG` promises for an error."""
    if isinstance(problem, SettingsError | UnknownSchema):
        return 2
    return 4 if isinstance(problem, TransientError) else 3


if __name__ == "__main__":
    main()
