"""Candidates of all readers -> one `Record`: what was found on paper, what the rules say, and whether to trust it.

A value that does not stand on paper is dropped, whoever proposed it. A critical value is trusted when it stands
there and something independent agrees: another reader, the document's arithmetic, or a second print of it.
Everything else holds the document back for a person, with the reason in words. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ocr_ops.grammar.dates import find_dates
from ocr_ops.grammar.words import fold
from ocr_ops.judge.calibration import Calibration
from ocr_ops.judge.choosing import (
    Chosen,
    choose,
    found_by,
    is_correction,
    pattern_of,
    same_value,
    values_of,
)
from ocr_ops.judge.evidence import Paper, paper_of, places_of
from ocr_ops.judge.line_sums import line_doubts
from ocr_ops.judge.rules import check_rules
from ocr_ops.judge.second_look import agreed_paths, look_doubts, put_right
from ocr_ops.judge.signs import Witnesses
from ocr_ops.judge.stated import READER, is_zero, stated_doubts
from ocr_ops.judge.witness import Testimony
from ocr_ops.model import (
    Candidate,
    Evidence,
    FieldSpec,
    Kind,
    Match,
    Problem,
    ProblemKind,
    Reading,
    ReadPage,
    Record,
    RuleResult,
    Schema,
    Stage,
    Status,
)

VERSION = "15"
"""Part of the step's key: change it with any change of judgement."""

SURE_READING = 0.7
"""Score of its reader from which a labelled code counts as found at its label."""

LIKELY = 0.5
"""Probability below which a value is more likely wrong than right."""

UNSAID = 0.5
"""How sure of a place a reader is taken to be that does not say it, where its values are weighed against others."""

MONTH_FIRST = frozenset({"USD", "CAD", "PHP", None})
"""Currencies of countries that write month/day; None: the document names no currency."""

_MONTHS = 12
_SLASHED = re.compile(r"(?<!\d)\d{1,2}(?= ?[/-])|(?<=[/-])\d{1,2}(?= ?[/-])")
"""Day and month of a date in digits; with points between them the day always comes first."""

_DAY_FIRST = re.compile(
    r"(?<![a-z])(?:rechnung|kassenbon|quittung|mwst|datum|facture|tva|echeance|factuur|btw|factura|fecha|vencimiento|importe|fattura|scontrino|imponibile|scadenza)",
)
"""Words of languages in which the day comes first, folded."""


def judge(
    schema: Schema,
    candidates: Sequence[Candidate],
    pages: Sequence[ReadPage],
    calibration: Calibration | None = None,
    looks: Sequence[Testimony] = (),
) -> Record:
    """Decide one document. `candidates` in the order of trust: between values that stand on paper the one that a sum
    confirms wins, else the later reader's. Without a calibration no value gets a probability. `looks`: places read again."""
    paper = paper_of(pages)
    specs = {spec.path: spec for spec in schema.fields}
    chosen, unseen = choose(schema, candidates, paper)
    problems = [problem for spec, readings in unseen for problem in _not_on_page(spec, readings)]
    chosen = _settled_by_arithmetic(schema, chosen)
    chosen = _settled_by_chance(schema, chosen, paper, calibration)
    chosen, left = put_right(schema, chosen, looks)
    values = values_of(chosen)
    rules = check_rules(schema, values)
    witnesses = Witnesses.of(paper, rules, agreed_paths(left, chosen))
    chosen = _weighed(specs, chosen, witnesses, calibration)
    problems += _page_problems(pages)
    problems += [problem for candidate in candidates for problem in candidate.problems]
    problems += stated_doubts(schema, candidates, paper, same_value)
    problems += look_doubts(left, rules)
    problems += _missing(schema, values)
    problems += _broken_rules(schema, rules)
    problems += line_doubts(rules, values, [one.evidence for one in chosen.values()], paper)
    problems += _untrusted(schema, chosen, rules, paper)
    problems += _improbable(schema, chosen, calibration)
    return Record(
        doc_type=schema.doc_type,
        schema_version=schema.version,
        schema_fingerprint=schema.fingerprint,
        status=Status.NEEDS_REVIEW if problems else Status.ACCEPTED,
        values=nested(values),
        evidence=tuple(one.evidence for one in chosen.values()),
        rules=rules,
        problems=tuple(problems),
        readers=tuple(f"{candidate.reader}/{candidate.version}" for candidate in candidates),
    )


def nested(values: dict[str, str]) -> dict[str, Any]:
    """Flat pointers -> the record's own shape; rows are numbered anew without gaps."""
    record: dict[str, Any] = {}
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for path, value in values.items():
        parts = path.strip("/").split("/")
        if len(parts) == 1:
            record[parts[0]] = value
        else:
            rows.setdefault((parts[0], parts[1]), {})[parts[2]] = value
    for (table, _), row in sorted(rows.items(), key=lambda item: (item[0][0], int(item[0][1]))):
        record.setdefault(table, []).append(row)
    return record


def _settled_by_arithmetic(schema: Schema, chosen: dict[str, Chosen]) -> dict[str, Chosen]:
    """Where readers dispute a value, take the one with which a rule holds that does not hold with the other."""
    settled = dict(chosen)
    for path, one in chosen.items():
        if not one.rivals or _arithmetic_holds(path, check_rules(schema, values_of(settled))):
            continue
        for rival in one.rivals:
            trial = settled | {path: rival}
            if _arithmetic_holds(path, check_rules(schema, values_of(trial))):
                settled[path] = replace(rival, rivals=(one,))
                break
    return settled


def _settled_by_chance(
    schema: Schema, chosen: dict[str, Chosen], paper: Paper, calibration: Calibration | None
) -> dict[str, Chosen]:
    """A value that is more likely wrong than right gives way to a correction that is likelier than it."""
    corrections = {path: found for path, one in chosen.items() if (found := _correction_of(one)) is not None}
    if not corrections or calibration is None:
        return chosen
    specs = {spec.path: spec for spec in schema.fields}
    witnesses = Witnesses.of(paper, check_rules(schema, values_of(chosen)))
    disputed = _weighed(specs, {path: chosen[path] for path in corrections}, witnesses, calibration)
    instead = _weighed(specs, corrections, witnesses, calibration)
    settled = dict(chosen)
    for path, one in disputed.items():
        chance, other = one.evidence.probability, instead[path].evidence.probability
        if chance is not None and other is not None and chance < min(LIKELY, other):
            settled[path] = corrections[path]
    return settled


def _correction_of(one: Chosen) -> Chosen | None:
    """What the language model would have in the place of a value; how sure it is, nobody knows."""
    rival = next(filter(is_correction, one.rivals), None)
    if rival is None:
        return None
    return replace(rival, reading=replace(rival.reading, score=UNSAID), rivals=(replace(one, rivals=()),))


def _weighed(
    specs: dict[str, FieldSpec],
    chosen: dict[str, Chosen],
    witnesses: Witnesses,
    calibration: Calibration | None,
) -> dict[str, Chosen]:
    """Every value with what speaks for it, and the probability that follows."""
    weighed = {}
    for path, one in chosen.items():
        cell = path not in specs
        spec = specs[pattern_of(path)]
        signs = witnesses.signs(
            spec.kind,
            one.reading.value,
            one.evidence,
            readers=found_by(spec, one),
            rivals=len(one.rivals),
            label=one.reading.score,
            cell=cell,
        )
        probability = calibration.probability(spec.kind, signs, cell=cell) if calibration else None
        seen = one.evidence
        evidence = Evidence(seen.field, seen.match, seen.page, seen.blocks, seen.raw, probability, signs)
        weighed[path] = Chosen(one.reading, evidence, one.readers, one.rivals)
    return weighed


def _improbable(schema: Schema, chosen: dict[str, Chosen], calibration: Calibration | None) -> list[Problem]:
    problems = []
    for spec in schema.fields if calibration else ():
        sure = chosen[spec.path].evidence.probability if spec.path in chosen else None
        least = calibration.least(schema.doc_type, spec.path) if calibration else 0.0
        if spec.critical and sure is not None and sure < least:
            words = f"{_name(spec)} is right with a chance of {sure:.1%} only; {least:.1%} is asked for"
            problems.append(_problem(ProblemKind.IMPROBABLE, spec, words))
    return problems


def _page_problems(pages: Sequence[ReadPage]) -> list[Problem]:
    return [problem for page in pages for problem in page.problems]


def _missing(schema: Schema, values: dict[str, str]) -> list[Problem]:
    return [
        _problem(ProblemKind.MISSING, spec, f"{_name(spec)} was not found on the document")
        for spec in schema.fields
        if spec.required and spec.path not in values
    ]


def _not_on_page(spec: FieldSpec, readings: Sequence[tuple[str, Reading]]) -> list[Problem]:
    stated_nothing = all(reader == READER and is_zero(spec, reading.value) for reader, reading in readings)
    if not (spec.required or spec.critical) or stated_nothing:
        return []
    return [
        _problem(
            ProblemKind.NOT_ON_PAGE, spec, f"the value proposed for {_name(spec)} does not stand on the page"
        )
    ]


def _broken_rules(schema: Schema, rules: Iterable[RuleResult]) -> list[Problem]:
    results = tuple(rules)
    confirmed = {field for result in results if result.holds for field in result.fields}
    critical = {spec.path for spec in schema.fields if spec.critical}
    problems = []
    for result in results:
        at_stake = critical & set(result.fields)
        if result.holds is False and at_stake - confirmed:
            words = result.rule.replace("_", " ")
            problems.append(
                Problem(
                    Stage.VALIDATE, ProblemKind.RULE_FAILED, f"{words}: {result.detail}", field=min(at_stake)
                )
            )
    return problems


def _untrusted(
    schema: Schema, chosen: dict[str, Chosen], rules: Sequence[RuleResult], paper: Paper
) -> list[Problem]:
    problems = []
    for spec in schema.fields:
        one = chosen.get(spec.path)
        if one is None or not (spec.critical or spec.required):
            continue
        if one.evidence.match is Match.FUZZY and spec.critical:
            problems.append(
                _problem(
                    ProblemKind.UNCONFIRMED, spec, f"{_name(spec)} stands on the page only in a damaged form"
                )
            )
        if not spec.critical:
            continue
        if one.rivals and not (
            _arithmetic_holds(spec.path, rules) and _sums_decide(spec.path, schema, chosen)
        ):
            problems.append(
                _problem(ProblemKind.READERS_DISAGREE, spec, f"readers disagree about {_name(spec)}")
            )
        elif (doubt := _doubt(spec, one, rules, paper)) is not None:
            problems.append(_problem(ProblemKind.UNCONFIRMED, spec, doubt))
    return problems


def _doubt(spec: FieldSpec, one: Chosen, rules: Sequence[RuleResult], paper: Paper) -> str | None:
    """Why a critical value that stands on paper is still not trusted, or None when something independent agrees."""
    if found_by(spec, one) > 1:
        return None
    if spec.kind is Kind.DATE and _reads_two_ways(one.reading.value, paper):
        return f"{_name(spec)} could be read day first or month first"
    if _arithmetic_holds(spec.path, rules):
        return None
    printed = len(
        {(place.page, round(place.row / 4)) for place in places_of(paper, spec.kind, one.reading.value)}
    )
    if spec.kind is Kind.MONEY:
        # noughts stand everywhere: repeats of nothing confirm nothing
        repeated = printed > 2 and not is_zero(spec, one.reading.value)
        return (
            None
            if repeated
            else f"nothing on the document confirms {_name(spec)}: its sums could not be checked"
        )
    if spec.kind is Kind.DATE:
        return _date_doubt(spec, one, printed, paper)
    if one.reading.score < SURE_READING and printed < 2:
        return f"{_name(spec)} stands on the page, but not beside words that name it"
    return None


def _date_doubt(spec: FieldSpec, one: Chosen, printed: int, paper: Paper) -> str | None:
    dates = [
        d for _, segment in paper.segments for d in find_dates(segment.text, paper.order) if not d.compact
    ]
    distinct = {d.iso for d in dates}
    if one.reading.score >= SURE_READING:
        return None
    if len(distinct) > 1 and printed < 2:
        return f"the document prints {len(distinct)} dates and only one of them once is {_name(spec)}"
    return None


def _reads_two_ways(day: str, paper: Paper) -> bool:
    """Whether a date in digits is another day month first, on paper where that is usual and no other date tells which is meant."""
    dates = [d for _, segment in paper.segments for d in find_dates(segment.text, paper.order)]
    told = any(int(number) > _MONTHS for d in dates for number in _SLASHED.findall(d.raw))
    shown = [d for d in dates if d.iso == day]
    if told or not shown or any(d.sure or "." in d.raw for d in shown) or paper.currency not in MONTH_FIRST:
        return False
    return not any(_DAY_FIRST.search(fold(segment.text)) for _, segment in paper.segments)


def _sums_decide(path: str, schema: Schema, chosen: dict[str, Chosen]) -> bool:
    """Whether no other reader's values would add up just as well: a document may print a second set of sums."""
    for reader in {name for rival in chosen[path].rivals for name in rival.readers}:
        theirs = {
            other: next((rival for rival in one.rivals if reader in rival.readers), one)
            for other, one in chosen.items()
        }
        if _arithmetic_holds(path, check_rules(schema, values_of(theirs))):
            return False
    return True


def _arithmetic_holds(path: str, rules: Sequence[RuleResult]) -> bool:
    return any(result.holds and path in result.fields for result in rules)


def _problem(kind: ProblemKind, spec: FieldSpec, detail: str) -> Problem:
    return Problem(Stage.VALIDATE, kind, detail, field=spec.path)


def _name(spec: FieldSpec) -> str:
    return "the " + spec.path.strip("/").replace("_", " ")
