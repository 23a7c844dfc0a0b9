"""What an e-invoice states against what the page shows: every difference that matters is a reason to look. Pure.

An e-invoice is exact, and may still be of another invoice or edited. So each of its critical values must stand on the page,
and no other reader may have read something else there. The account to pay to and the currency are no critical fields of
an invoice, but the first thing that a forger changes: they must not differ from what is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from ocr_ops.judge.evidence import NUMBERS, Paper, find_evidence
from ocr_ops.model import Candidate, FieldSpec, Kind, Match, Problem, ProblemKind, Reading, Schema, Stage

READER = "einvoice"
"""Name of the reader whose candidate states rather than reads."""
PAID_TO = frozenset({Kind.IBAN, Kind.CURRENCY})

Same = Callable[[Kind, str, str], bool]


def stated_doubts(schema: Schema, candidates: Sequence[Candidate], paper: Paper, same: Same) -> list[Problem]:
    """Where the e-invoice says something else than the page, a sentence each; none where there is no e-invoice."""
    stated = [one for one in candidates if one.reader == READER]
    others = [one for one in candidates if one.reader != READER]
    found = ((spec, reading) for one in stated for spec, reading in _header(schema, one))
    return [problem for spec, reading in found if (problem := _doubt(spec, reading, others, paper, same))]


def is_zero(spec: FieldSpec, value: str) -> bool:
    """Whether this is an amount of nothing: an invoice need not print that."""
    try:
        return spec.kind in NUMBERS and Decimal(value) == 0
    except InvalidOperation:
        return False


def _header(schema: Schema, candidate: Candidate) -> list[tuple[FieldSpec, Reading]]:
    specs = {spec.path: spec for spec in schema.fields if spec.critical or spec.kind in PAID_TO}
    return [(specs[reading.path], reading) for reading in candidate.readings if reading.path in specs]


def _doubt(
    spec: FieldSpec, reading: Reading, others: Sequence[Candidate], paper: Paper, same: Same
) -> Problem | None:
    read = next(
        (value for value in _read(spec, others, paper) if not same(spec.kind, value, reading.value)), None
    )
    on_page = find_evidence(paper, spec.path, spec.kind, reading.value).match is not Match.NOT_FOUND
    name = "the " + spec.path.strip("/").replace("_", " ")
    if read is not None:
        says = f"the page reads {read[:60]}"
    elif spec.critical and not on_page and not is_zero(spec, reading.value):
        says = "that does not stand on the page"
    else:
        return None
    detail = f"the e-invoice (XML) says {name} is {reading.value[:60]}; {says}"
    return Problem(Stage.VALIDATE, ProblemKind.XML_DISAGREES, detail, field=spec.path)


def _read(spec: FieldSpec, others: Sequence[Candidate], paper: Paper) -> list[str]:
    """Values that other readers have for the field and that stand on the page."""
    readings = (reading for other in others for reading in other.readings if reading.path == spec.path)
    return [
        reading.value
        for reading in readings
        if find_evidence(paper, spec.path, spec.kind, reading.value, reading.blocks).match
        is not Match.NOT_FOUND
    ]
