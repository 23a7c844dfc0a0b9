"""Attachments of a document -> what its e-invoice states, as a candidate whose readings claim no place on the page.

In: names and bytes of the files in or beside a document. Out: a `Candidate`, or None where none of them is an
e-invoice. Several e-invoices in one document must agree; one that cannot be read, or that differs from another, is a
problem of the candidate. Whether the page says the same is the judge's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ocr_ops.einvoice import BadXml, EInvoice, is_einvoice_name, looks_like_einvoice, read_einvoice
from ocr_ops.judge.choosing import same_value
from ocr_ops.judge.stated import READER
from ocr_ops.model import Candidate, Problem, ProblemKind, Reading, Schema, Stage

VERSION = "1"
"""Part of the step's key: change it when the same XML gives another candidate."""

DOC_TYPE = "invoice"
"""What a document that brings an e-invoice is, where nobody says otherwise."""

Files = Sequence[tuple[str, bytes]]


def may_be_einvoice(name: str, data: bytes) -> bool:
    """Whether a file is named like an e-invoice or opens like one."""
    return is_einvoice_name(name) or looks_like_einvoice(data)


def read_einvoices(files: Files, schema: Schema) -> Candidate | None:
    """Read files that may be e-invoices; of several the one that states most counts."""
    problems: list[Problem] = []
    found: list[EInvoice] = []
    for name, data in files:
        try:
            read = read_einvoice(data)
        except BadXml as problem:
            detail = f"the e-invoice {name[:60]} was not read: {problem}"
            problems.append(Problem(Stage.EXTRACT, ProblemKind.BAD_XML, detail))
        else:
            found += [read] if read is not None else []
    if not found and not problems:
        return None
    found.sort(key=lambda one: len(one.readings), reverse=True)
    problems += (problem for other in found[1:] for problem in _differences(found[0], other, schema))
    readings = found[0].readings if found else ()
    profile = f"{found[0].syntax} {found[0].profile}" if found else ""
    return Candidate(READER, VERSION, readings, tuple(problems), profile)


def _differences(one: EInvoice, other: EInvoice, schema: Schema) -> Iterator[Problem]:
    mine, theirs = _by_path(one.readings), _by_path(other.readings)
    for spec in schema.fields:
        first, second = mine.get(spec.path), theirs.get(spec.path)
        if not spec.critical or first is None or second is None or same_value(spec.kind, first, second):
            continue
        name = spec.path.strip("/").replace("_", " ")
        words = (
            f"the document holds two e-invoices; one says the {name} is {first[:60]}, the other {second[:60]}"
        )
        yield Problem(Stage.EXTRACT, ProblemKind.XML_DISAGREES, words, field=spec.path)


def _by_path(readings: Sequence[Reading]) -> dict[str, str]:
    return {reading.path: reading.value for reading in readings}
