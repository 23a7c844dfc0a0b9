import json
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ocr_ops.cli.audit import _document_and_line
from ocr_ops.cli.documents import as_json
from ocr_ops.cli.main import app, main
from ocr_ops.model import Outcome, Problem, ProblemKind, Stage, Status

PROJECT = Path(__file__).parents[2]
DOCS = "\n".join(
    path.read_text(encoding="utf-8")
    for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
)


def commands() -> dict[str, object]:
    """Every command by the words that call it."""
    root = get_command(app)
    found = {}
    for name, command in root.commands.items():
        below = getattr(command, "commands", None)
        found |= {f"{name} {child}": one for child, one in below.items()} if below else {name: command}
    return found


COMMANDS = commands()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_is_documented(name: str):
    assert f"ocr-ops {name}" in DOCS or f"make {name}" in DOCS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_of_a_command_says_what_it_does_and_explains_every_option(name: str):
    result = CliRunner().invoke(app, [*name.split(), "--help"])

    assert result.exit_code == 0
    assert len(COMMANDS[name].help) > 40
    assert all(
        option.help for option in COMMANDS[name].params if option.name != "help" and hasattr(option, "help")
    )


def test_without_words_the_command_teaches():
    result = CliRunner().invoke(app, [])

    assert "process" in result.output
    assert "make demo" in result.output


def test_a_missing_folder_is_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    monkeypatch.setattr("sys.argv", ["ocr-ops", "process", str(tmp_path / "nowhere")])
    monkeypatch.setenv("OCR_OPS_VAR", str(tmp_path / "var"))

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 3
    assert "nowhere" in capsys.readouterr().err.replace("\n", "")


def test_an_unknown_document_type_names_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    monkeypatch.setattr("sys.argv", ["ocr-ops", "process", str(tmp_path), "--doc-type", "menu"])
    monkeypatch.setenv("OCR_OPS_VAR", str(tmp_path / "var"))

    with pytest.raises(SystemExit):
        main()

    assert "invoice, receipt" in capsys.readouterr().err.replace("\n", " ")


def test_the_public_form_of_a_quarantined_document_has_every_key():
    reason = Problem(Stage.FIND, ProblemKind.EMPTY_FILE, "the file is empty")

    printed = as_json(Outcome("file:///x.pdf", "x.pdf", None, Status.QUARANTINED, problems=(reason,)))

    assert json.loads(json.dumps(printed)) == {
        "source": "file:///x.pdf",
        "name": "x.pdf",
        "sha256": None,
        "doc_type": None,
        "status": "quarantined",
        "record": None,
        "evidence": {},
        "rules": [],
        "problems": [
            {
                "stage": "find",
                "kind": "empty_file",
                "detail": "the file is empty",
                "page": None,
                "field": None,
            }
        ],
        "timings": {},
    }


@pytest.mark.parametrize(
    ("asked", "document", "line"),
    [
        ("invoice.pdf", "invoice.pdf", ""),
        ("invoice.pdf/3", "invoice.pdf", "/line_items/2/"),
        ("invoice_lines/sha256:abc/12", "sha256:abc", "/line_items/11/"),
        ("marts.receipt_lines/a.jpg/1", "a.jpg", "/line_items/0/"),
        ("invoice.pdf/0", "invoice.pdf/0", ""),
    ],
)
def test_audit_show_takes_a_document_or_one_of_its_lines(asked: str, document: str, line: str):
    assert _document_and_line(asked) == (document, line)
