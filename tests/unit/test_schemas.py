import json
import shutil
from pathlib import Path

import pytest

from ocr_ops.errors import UnknownSchema
from ocr_ops.model import Kind
from ocr_ops.schemas import FOLDER, doc_types, load_schema, violations

EXAMPLES = sorted(FOLDER.glob("*/examples/*.json"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the document types that a test may spoil."""
    return Path(shutil.copytree(FOLDER, tmp_path / "extraction_schemas"))


def spoil(folder: Path, change) -> None:
    path = folder / "receipt" / "v1.schema.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_receipts_and_invoices_are_known():
    assert {"invoice", "receipt"} <= set(doc_types())


def test_fields_carry_kind_and_criticality():
    by_path = {field.path: field for field in load_schema("receipt").fields}

    assert by_path["/total"].critical
    assert by_path["/total"].required
    assert by_path["/line_items/*/quantity"].kind is Kind.QUANTITY


def test_there_are_good_and_bad_examples_of_every_type():
    kinds = {(path.parent.parent.name, path.name.split("_")[0]) for path in EXAMPLES}

    assert kinds == {(name, verdict) for name in doc_types() for verdict in ("good", "bad")}


@pytest.mark.parametrize(
    "path", [p for p in EXAMPLES if p.name.startswith("good")], ids=lambda p: f"{p.parts[-3]}-{p.stem}"
)
def test_good_example_fits(path: Path):
    assert violations(load_schema(path.parents[1].name), json.loads(path.read_text())) == ()


@pytest.mark.parametrize(
    "path", [p for p in EXAMPLES if p.name.startswith("bad")], ids=lambda p: f"{p.parts[-3]}-{p.stem}"
)
def test_bad_example_is_refused(path: Path):
    assert violations(load_schema(path.parents[1].name), json.loads(path.read_text()))


def test_an_unknown_type_names_the_known_ones():
    with pytest.raises(UnknownSchema, match="invoice, receipt"):
        load_schema("menu")


def test_a_new_type_is_a_file(folder: Path):
    shutil.copytree(folder / "receipt", folder / "parking_ticket")

    assert load_schema("parking_ticket", folder=folder).doc_type == "parking_ticket"


def test_a_newer_version_wins_unless_one_is_named(folder: Path):
    shutil.copy(folder / "receipt" / "v1.schema.json", folder / "receipt" / "v2.schema.json")

    assert load_schema("receipt", folder=folder).version == 2
    assert load_schema("receipt", 1, folder).version == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["properties"]["total"].update({"x-kind": "cash"}), "cash"),
        (lambda d: d["properties"]["total"].update({"x-knid": "money"}), "x-knid"),
        (lambda d: d["x-rules"].append({"id": "r", "sum": ["/subtotal"], "equals": "/nowhere"}), "/nowhere"),
        (lambda d: d["x-rules"].append({"id": "r", "sum": ["/subtotal"]}), "valid under"),
        (lambda d: d.update({"type": "objekt"}), "objekt"),
        (lambda d: d.pop("additionalProperties"), "additionalProperties"),
    ],
)
def test_a_spoilt_schema_is_refused_with_its_place(folder: Path, change, words: str):
    spoil(folder, change)

    with pytest.raises(UnknownSchema, match=words):
        load_schema("receipt", folder=folder)


def test_a_fingerprint_follows_the_meaning_and_not_the_layout(folder: Path):
    spoil(folder, lambda d: None)

    assert load_schema("receipt", folder=folder).fingerprint == load_schema("receipt").fingerprint
