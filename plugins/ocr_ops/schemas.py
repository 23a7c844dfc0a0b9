"""Document types: `extraction_schemas/<type>/v<N>.schema.json` -> `Schema`, and records checked against it.

A file is checked against JSON Schema 2020-12 and against our own meta-schema before anything uses it. Raises
`UnknownSchema` with the place of every fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError

from ocr_ops.codec import canonical_json, digest_of, from_json
from ocr_ops.errors import UnknownSchema
from ocr_ops.judge.calibration import Calibration
from ocr_ops.model import FieldSpec, Kind, RuleSpec, Schema

FOLDER = Path(__file__).resolve().parents[2] / "extraction_schemas"
"""Where document types live unless a caller says otherwise."""

_CALIBRATION = re.compile(r"v(\d+)\.json\Z")
_FILE_NAME = re.compile(r"v(\d+)\.schema\.json\Z")


def doc_types(folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of all document types, sorted."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and _versions(path)))


@lru_cache(maxsize=64)
def load_schema(doc_type: str, version: int | None = None, folder: Path = FOLDER) -> Schema:
    """Read one document type, the newest version unless one is named; UnknownSchema when it cannot be used."""
    versions = _versions(folder / doc_type)
    if not versions or (version is not None and version not in versions):
        known = ", ".join(doc_types(folder)) or "none"
        raise UnknownSchema(
            f"there is no document type {doc_type!r} (version {version or 'newest'}); known: {known}"
        )
    number = version or max(versions)
    return _checked(doc_type, number, versions[number], folder / "meta.schema.json")


@lru_cache(maxsize=8)
def load_calibration(folder: Path = FOLDER) -> Calibration | None:
    """The newest `calibration/v<N>.json` beside the document types, or None where there is none; UnknownSchema when it is damaged."""
    found = {
        int(m.group(1)): p
        for p in (folder / "calibration").glob("v*.json")
        if (m := _CALIBRATION.match(p.name))
    }
    if not found:
        return None
    path = found[max(found)]
    try:
        return from_json(Calibration, path.read_bytes())
    except (OSError, ValueError) as problem:
        raise UnknownSchema(f"{path} is not a calibration: {problem}") from problem


def violations(schema: Schema, values: Any) -> tuple[str, ...]:
    """What is wrong with a record, as "pointer: reason"; empty when it fits."""
    validator = Draft202012Validator(schema.document, format_checker=FormatChecker())
    return tuple(_fault(error) for error in sorted(validator.iter_errors(values), key=lambda e: e.json_path))


def _versions(folder: Path) -> dict[int, Path]:
    matches = ((_FILE_NAME.match(path.name), path) for path in folder.glob("v*.schema.json"))
    return {int(match.group(1)): path for match, path in matches if match}


def _checked(doc_type: str, version: int, path: Path, meta_path: Path) -> Schema:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(document)
    except (OSError, ValueError, SchemaError) as problem:
        raise UnknownSchema(f"{path.name} of {doc_type} is not a JSON Schema: {problem}") from problem
    meta = json.loads(meta_path.read_text(encoding="utf-8"))
    faults = [_fault(error) for error in Draft202012Validator(meta).iter_errors(document)]
    if faults:
        raise UnknownSchema(f"{path.name} of {doc_type}: " + "; ".join(faults))
    schema = Schema(
        doc_type=doc_type,
        version=version,
        fingerprint=digest_of(canonical_json(document)),
        document=document,
        fields=tuple(_fields(document)),
        rules=tuple(_rule(rule) for rule in document.get("x-rules", ())),
        type_words=_words(document.get("x-type-words", {})),
    )
    _check_pointers(schema)
    return schema


def _fault(error: Any) -> str:
    pointer = "/" + "/".join(str(part) for part in error.absolute_path)
    return f"{pointer}: {error.message[:300]}"


def _fields(document: dict[str, Any]) -> Iterator[FieldSpec]:
    required = set(document["required"])
    for name, spec in document["properties"].items():
        if spec.get("type") == "array":
            for column, leaf in spec["items"]["properties"].items():
                yield _leaf(f"/{name}/*/{column}", leaf, required=False)
        else:
            yield _leaf(f"/{name}", spec, required=name in required)


def _leaf(path: str, spec: dict[str, Any], *, required: bool) -> FieldSpec:
    return FieldSpec(
        path=path,
        kind=Kind(spec["x-kind"]),
        required=required,
        critical=bool(spec.get("x-critical", False)),
        labels=_words(spec.get("x-labels", {})),
        role=spec.get("x-role", ""),
    )


def _words(by_language: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {language: tuple(words) for language, words in by_language.items()}


def _rule(spec: dict[str, Any]) -> RuleSpec:
    return RuleSpec(
        id=spec["id"],
        sum=tuple(spec.get("sum", ())),
        product=tuple(spec.get("product", ())),
        not_after=tuple(spec.get("not_after", ())),
        equals=spec.get("equals", ""),
        tolerance=spec.get("tolerance", "0.01"),
    )


def _check_pointers(schema: Schema) -> None:
    known = {field.path for field in schema.fields}
    for rule in schema.rules:
        used = (*rule.sum, *rule.product, *rule.not_after, *((rule.equals,) if rule.equals else ()))
        unknown = [pointer for pointer in used if pointer not in known]
        if unknown:
            raise UnknownSchema(
                f"rule {rule.id} of {schema.doc_type} names fields that do not exist: {', '.join(unknown)}"
            )
