"""What a language model is asked to answer, and what becomes of its answer. Pure and total.

In: a document type; a reply's text. Out: a JSON Schema fit for constrained decoding; readings in the schema's form, and
what is wrong with the rest. A reply is parsed, never evaluated; its numbers never become floats.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from ocr_ops.grammar.currency import currency_of
from ocr_ops.grammar.dates import find_dates, find_times
from ocr_ops.grammar.numbers import parse_number
from ocr_ops.model import FieldSpec, JsonObject, Kind, Problem, ProblemKind, Reading, Schema, Stage
from ocr_ops.schemas import violations

MOST_ROWS = 2000
MOST_FAULTS = 12
LONGEST_TEXT = 2000

_KEPT_KEYWORDS = ("type", "description", "enum", "items", "properties")
_NOT_THERE = frozenset({"", "null", "none", "n/a", "na", "nil", "-", "--", "unknown", "not printed"})
_PLAIN_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,6})?")
_NOUGHTS_AHEAD = re.compile(r"(?<![\d.])0+(?=\d)")
_MEASURED = re.compile(r"(-?\d[\d.,]{0,20}) ?(?:[^\W\d_]{1,12}\.?|%)")
"""A number and its unit: 6 Units, 12kg, 19 %."""
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO_TIME = re.compile(r"\d{2}:\d{2}(:\d{2})?")
_CODE = re.compile(r"[A-Z]{3}")
_FENCE = re.compile(r"```(?:json|JSON)?\s*\n?(.*?)```", re.DOTALL)
_MOST_STARTS = 20
_MOST_EXPONENT = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reply came to: values that fit, and what is wrong. `understood`: it held a JSON object of ours."""

    readings: tuple[Reading, ...]
    faults: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    understood: bool = True


@dataclass(frozen=True, slots=True)
class _Leaf:
    path: str
    spec: FieldSpec
    given: Any


def request_schema(schema: Schema) -> dict[str, Any]:
    """The document type as a model should be held to: no `x-` keywords, no bounds, every value may be null.

    Bounds and patterns are checked afterwards: servers differ in which they understand, and large repetition bounds
    blow up a grammar. A required field that may not be null would make the model invent one.
    """
    return _object(schema.document)


def request_parts(schema: Schema, limit: int) -> tuple[dict[str, Any], ...]:
    """The request's schema whole, or cut between fields into objects of about `limit` characters each."""
    whole = request_schema(schema)
    sizes = {name: len(json.dumps(part)) for name, part in whole["properties"].items()}
    if sum(sizes.values()) <= limit:
        return (whole,)
    parts: list[list[str]] = []
    room = 0
    for name, size in sizes.items():
        if not parts or size > room:
            parts.append([])
            room = limit
        parts[-1].append(name)
        room -= size
    return tuple(
        whole | {"properties": {name: whole["properties"][name] for name in names}, "required": names}
        for names in parts
    )


def merged(answers: Sequence[Answer]) -> Answer:
    """The answers to all parts of a record as one."""
    return Answer(
        readings=tuple(reading for answer in answers for reading in answer.readings),
        faults=tuple(fault for answer in answers for fault in answer.faults),
        problems=tuple(problem for answer in answers for problem in answer.problems),
        understood=any(answer.understood for answer in answers),
    )


def allows_strict(schema: Mapping[str, Any]) -> bool:
    """Whether every object names all its fields as required and closes itself, as strict servers demand."""
    if schema.get("type") == "object":
        names = list(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False or sorted(schema.get("required", ())) != sorted(
            names
        ):
            return False
    inner = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return all(allows_strict(part) for part in inner)


def proposed_values(readings: Sequence[Reading]) -> dict[str, Any]:
    """Readings as a plain record, for the model to correct."""
    record: dict[str, Any] = {}
    rows: dict[str, dict[int, dict[str, str]]] = {}
    for reading in readings:
        parts = reading.path.strip("/").split("/")
        if len(parts) == 1:
            record[parts[0]] = reading.value
        elif len(parts) == 3 and parts[1].isdecimal():
            rows.setdefault(parts[0], {}).setdefault(int(parts[1]), {})[parts[2]] = reading.value
    return record | {name: [by_index[index] for index in sorted(by_index)] for name, by_index in rows.items()}


def answer_from(text: str, schema: Schema) -> Answer:
    """Read a reply; never raises on text."""
    record = _record(json_object(text), schema)
    if record is None:
        return Answer((), ("it holds no JSON object with the schema's fields",), understood=False)
    faults: list[tuple[str, str]] = []
    unknown: list[str] = []
    readings: list[Reading] = []
    for leaf in _leaves(record, schema, faults, unknown):
        reading = _reading(leaf, faults)
        if reading is not None:
            readings.append(reading)
    readings = _renumbered(readings)
    misfits = _misfits(readings, schema)
    bad = {path for path, _ in misfits}
    matters = {spec.path for spec in schema.fields if spec.critical or spec.required}
    faults += misfits
    return Answer(
        readings=tuple(_renumbered([reading for reading in readings if reading.path not in bad])),
        faults=tuple(f"{path}: {what}" for path, what in faults[:MOST_FAULTS]),
        problems=_problems([fault for fault in faults if fault[0] in matters], unknown),
    )


def json_object(text: str) -> Any:
    """The JSON value in a reply: the whole of it, a fenced part, or the first object in it; None when there is none."""
    text = text.rpartition("</think>")[2].strip()
    fenced = [match.group(1) for match in _FENCE.finditer(text)]
    for candidate in (text, *fenced[:3]):
        value = _loads(candidate)
        if isinstance(value, dict | list):
            return value
    starts = [match.start() for match in re.finditer(r"\{", text)][:_MOST_STARTS]
    return next((value for value in (_loads(text[start:], whole=False) for start in starts) if value), None)


def _object(spec: Mapping[str, Any]) -> dict[str, Any]:
    properties = {name: _part(part) for name, part in spec["properties"].items()}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _part(spec: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: spec[key] for key in _KEPT_KEYWORDS if key in spec}
    if spec.get("type") == "array":
        return kept | {"items": _object(spec["items"])}
    return kept | {"type": [spec.get("type", "string"), "null"]}


def _loads(text: str, *, whole: bool = True) -> Any:
    decoder = json.JSONDecoder(parse_float=_decimal, parse_int=_decimal, parse_constant=_refuse)
    try:
        if whole:
            return decoder.decode(text)
        return decoder.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as problem:
        raise ValueError("not a number") from problem
    # written out, 1e999999999 would fill the memory
    if abs(number.adjusted()) > _MOST_EXPONENT or len(text) > 2 * _MOST_EXPONENT:
        raise ValueError("a number out of all bounds")
    return number


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _record(value: Any, schema: Schema) -> JsonObject | None:
    """The record in a JSON value; small models wrap it in a list or under a name of their own."""
    names = set(schema.document["properties"])
    for _ in range(3):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, dict) and not names & set(value) and len(value) == 1:
            value = next(iter(value.values()))
    return value if isinstance(value, dict) and names & set(value) else None


def _leaves(
    record: JsonObject, schema: Schema, faults: list[tuple[str, str]], unknown: list[str]
) -> Iterator[_Leaf]:
    specs = {spec.path: spec for spec in schema.fields}
    for name, value in record.items():
        if f"/{name}" in specs:
            yield _Leaf(f"/{name}", specs[f"/{name}"], value)
        elif name in schema.document["properties"]:
            yield from _row_leaves(name, value, specs, faults, unknown)
        else:
            unknown.append(str(name))


def _row_leaves(
    name: str,
    value: Any,
    specs: Mapping[str, FieldSpec],
    faults: list[tuple[str, str]],
    unknown: list[str],
) -> Iterator[_Leaf]:
    if value is None:
        return
    if not isinstance(value, list) or len(value) > MOST_ROWS:
        faults.append((f"/{name}", f"is not a list of at most {MOST_ROWS} entries"))
        return
    for index, row in enumerate(value):
        if not isinstance(row, dict):
            faults.append((f"/{name}/{index}", "is not an object"))
            continue
        for column, cell in row.items():
            spec = specs.get(f"/{name}/*/{column}")
            if spec is None:
                unknown.append(f"{name}.{column}")
            else:
                yield _Leaf(f"/{name}/{index}/{column}", spec, cell)


def _reading(leaf: _Leaf, faults: list[tuple[str, str]]) -> Reading | None:
    given = leaf.given
    if isinstance(given, Decimal):
        given = format(given, "f")
    if given is None:
        return None
    if not isinstance(given, str) or len(given) > LONGEST_TEXT:
        faults.append((leaf.path, "is neither a short text nor null"))
        return None
    raw = " ".join(given.split())
    if raw.casefold() in _NOT_THERE:
        return None
    value = _in_schema_form(raw, leaf.spec.kind)
    return Reading(leaf.path, value, raw=raw)


def _in_schema_form(text: str, kind: Kind) -> str:
    """A value in the schema's form where that is clear; as it came where it is not, for the schema to refuse."""
    match kind:
        case Kind.MONEY:
            return _number(text)
        case Kind.QUANTITY | Kind.RATE:
            measured = _MEASURED.fullmatch(text)
            return _number(measured[1] if measured else text)
        case Kind.DATE:
            return _date(text)
        case Kind.TIME:
            times = find_times(text)
            return times[0].iso if len(times) == 1 and not _ISO_TIME.fullmatch(text) else text
        case Kind.CURRENCY:
            code = text.upper()
            return code if _CODE.fullmatch(code) else currency_of(text) or text
        case Kind.IBAN:
            return text.replace(" ", "").upper()
    return text


def _number(text: str) -> str:
    if _PLAIN_NUMBER.fullmatch(text):
        return _NOUGHTS_AHEAD.sub("", text)
    number = parse_number(text)
    return text if number is None else format(number, "f")


def _date(text: str) -> str:
    if _ISO_DATE.fullmatch(text):
        return text
    dates = find_dates(text)
    # 03/04 may be either day: better ask again than guess
    return dates[0].iso if len(dates) == 1 and dates[0].sure else text


def _renumbered(readings: Sequence[Reading]) -> list[Reading]:
    """Rows numbered from 0 without gaps, where empty rows were dropped."""
    numbers: dict[str, dict[str, int]] = {}
    done = []
    for reading in readings:
        parts = reading.path.split("/")
        if len(parts) == 4:
            rows = numbers.setdefault(parts[1], {})
            parts[2] = str(rows.setdefault(parts[2], len(rows)))
        done.append(replace(reading, path="/".join(parts)))
    return done


def _misfits(readings: Sequence[Reading], schema: Schema) -> list[tuple[str, str]]:
    """What the full schema says of the values; a required field that is not printed is not the model's fault."""
    relaxed = replace(schema, document={**schema.document, "required": []})
    found = (fault.partition(": ") for fault in violations(relaxed, proposed_values(readings)))
    return [(path, what) for path, _, what in found]


def _problems(faults: Sequence[tuple[str, str]], unknown: Sequence[str]) -> tuple[Problem, ...]:
    found = [
        Problem(
            Stage.EXTRACT,
            ProblemKind.MODEL_REPLY,
            "the language model's value does not fit the field",
            field=path,
        )
        for path in dict.fromkeys(path for path, _ in faults[:MOST_FAULTS])
    ]
    if unknown:
        names = ", ".join(sorted({name[:40] for name in unknown})[:5])
        detail = f"the language model answered with fields that do not exist: {names}"
        found.append(Problem(Stage.EXTRACT, ProblemKind.MODEL_REPLY, detail))
    return tuple(found)
