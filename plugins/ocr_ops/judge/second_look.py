"""Where a rule fails, which places to read once more, and what the judge makes of what was read there. Pure.

In: what the readers propose and the pages; then what a second look read, by whoever calls this. Out: claims to look at, values put right,
and doubts. A second look counts only when the line as it is and the line enlarged say the same. It puts a value right only where a rule
that failed holds with it and no rule that held fails: two readings of the paper and the arithmetic against one slip. That it agrees makes
a value likelier, and confirms nothing that only sums can confirm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ocr_ops.grammar.dates import find_dates
from ocr_ops.judge.choosing import Chosen, choose, pattern_of, values_of
from ocr_ops.judge.evidence import NUMBERS, Paper, numbers_in, places_of
from ocr_ops.judge.line_sums import is_explained
from ocr_ops.judge.rules import broken, check_rules
from ocr_ops.judge.witness import Claim, Testimony, attest, doubt_of
from ocr_ops.model import Candidate, Evidence, Kind, Match, Problem, Reading, ReadPage, RuleResult, Schema

READER = "second_look"
"""Name under which a value stands that a second look put right."""

MOST_PLACES = 12
"""Places looked at because of failing rules, the least confident ones first: where more is wrong, a person has to look anyway."""

NO_SCORE = 0.95
"""Where an engine gives no confidence, its values are looked at as if it had this one."""


def failing_claims(
    schema: Schema,
    candidates: Sequence[Candidate],
    pages: Sequence[ReadPage],
    paper: Paper,
    exact_pages: Collection[int],
) -> tuple[Claim, ...]:
    """Numbers and dates of rules that fail and that no other rule confirms, where an engine read them; not on `exact_pages`."""
    if all(page.image.number in exact_pages for page in pages):
        return ()
    chosen, _ = choose(schema, candidates, paper)
    values = values_of(chosen)
    rules = check_rules(schema, values)
    evidence = [one.evidence for one in chosen.values()]
    failing = [rule for rule in broken(rules) if not _is_explained(rule, values, evidence, paper)]
    upheld = {path for rule in rules if rule.holds for path in rule.fields}
    asked = dict.fromkeys(path for rule in failing for path in rule.fields if path not in upheld)
    kinds = {spec.path: spec.kind for spec in schema.fields}
    scores = {block.id: block.score for page in pages for block in page.blocks}
    found = [
        claim
        for path in asked
        if (claim := _claim(path, kinds[pattern_of(path)], chosen[path], paper)) is not None
    ]
    seen = [claim for claim in found if claim.page not in exact_pages]
    return tuple(sorted(seen, key=lambda claim: scores.get(claim.block) or NO_SCORE)[:MOST_PLACES])


def looked_again(claim: Claim, reads: Sequence[str], paper: Paper) -> Testimony:
    """What readings of one place say: the doubting one counts; `instead` where all of them show the same other value."""
    told = min((attest(claim, read, paper) for read in reads), key=lambda one: one.agrees)
    if told.agrees:
        return told
    others = {_instead(claim, read, paper) for read in reads}
    return replace(told, instead=others.pop() or "") if len(others) == 1 else told


def put_right(
    schema: Schema, chosen: Mapping[str, Chosen], looks: Iterable[Testimony]
) -> tuple[dict[str, Chosen], tuple[Testimony, ...]]:
    """The chosen values with those replaced that a second look read otherwise and the rules confirm; and the looks left over."""
    right, left = dict(chosen), []
    for look in looks:
        one = right.get(look.claim.field)
        if one is None or not look.instead or one.reading.value != look.claim.value:
            left.append(look)
            continue
        trial = right | {look.claim.field: _replaced(one, look)}
        if _mends(
            check_rules(schema, values_of(right)), check_rules(schema, values_of(trial)), look.claim.field
        ):
            right = trial
        else:
            left.append(look)
    return right, tuple(left)


def look_doubts(looks: Iterable[Testimony], rules: Sequence[RuleResult]) -> list[Problem]:
    """A sentence for every second look that read otherwise; those that a failing rule asked for count while it fails."""
    failing = {path for rule in broken(rules) for path in rule.fields}
    return [
        doubt_of(look)
        for look in looks
        if not look.agrees and (not look.claim.of_rule or look.claim.field in failing)
    ]


def agreed_paths(looks: Iterable[Testimony], chosen: Mapping[str, Chosen]) -> frozenset[str]:
    """Fields whose value a second look read again."""
    return frozenset(
        look.claim.field
        for look in looks
        if look.agrees
        and look.claim.field in chosen
        and chosen[look.claim.field].reading.value == look.claim.value
    )


def _is_explained(
    rule: RuleResult, values: Mapping[str, str], evidence: Sequence[Evidence], paper: Paper
) -> bool:
    of_rows = all(path.count("/") > 1 for path in rule.fields[:-1]) and rule.fields[-1].count("/") == 1
    return of_rows and is_explained(rule, values, evidence, paper)


def _claim(path: str, kind: Kind, one: Chosen, paper: Paper) -> Claim | None:
    places = [
        place for place in places_of(paper, kind, one.reading.value) if place.block in one.evidence.blocks
    ]
    if not places:
        return None
    place = places[0]
    box = place.box
    return Claim(path, kind, one.reading.value, place.page, place.block, box, box, again=True, of_rule=True)


def _instead(claim: Claim, read: str, paper: Paper) -> str | None:
    """The one value of its kind that a reading shows."""
    if claim.kind in NUMBERS:
        numbers = numbers_in(paper, claim.kind, read)
        return numbers[0].text if len(numbers) == 1 else None
    days = find_dates(read, paper.order) if claim.kind is Kind.DATE else ()
    return days[0].iso if len(days) == 1 else None


def _replaced(one: Chosen, look: Testimony) -> Chosen:
    claim = look.claim
    evidence = Evidence(claim.field, Match.NORMALISED, claim.page, (claim.block,), look.read)
    reading = Reading(claim.field, look.instead, look.read, (claim.block,), one.reading.score)
    return Chosen(reading, evidence, (READER,), (one,))


def _mends(before: Sequence[RuleResult], after: Sequence[RuleResult], path: str) -> bool:
    """Whether a rule with this field holds that failed, and none is lost."""
    held, holds = (
        {(rule.rule, rule.fields) for rule in rules if rule.holds and path in rule.fields}
        for rules in (before, after)
    )
    failed = {(rule.rule, rule.fields) for rule in before if rule.holds is False and path in rule.fields}
    return held <= holds and bool(failed & holds)
