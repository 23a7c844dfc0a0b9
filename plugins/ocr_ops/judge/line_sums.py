"""Line items that do not add up to what they should: either a line was read wrongly or is missing, or a total is wrong. Pure.

In: the rules' results, the record's values and evidence, the paper. Out: at most one `Problem`, on the rows. Header values that other
sums confirm stay as they are; the rows do not, and so the document waits for a person. In order are rows whose sum is itself
printed, as it is where a discount or a charge stands between it and the net amount, and rows in groups that end with their sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from ocr_ops.judge.evidence import Paper, places_of
from ocr_ops.model import Evidence, Kind, Problem, ProblemKind, RuleResult, Stage


def line_doubts(
    rules: Sequence[RuleResult], values: Mapping[str, str], evidence: Sequence[Evidence], paper: Paper
) -> list[Problem]:
    """A sentence for rows that add up to nothing that the document prints; nothing where they do, or cannot be added."""
    sums = [rule for rule in rules if _is_of_rows(rule)]
    failing = [rule for rule in sums if rule.holds is False]
    if not failing or any(rule.holds for rule in sums) or is_explained(failing[0], values, evidence, paper):
        return []
    table = failing[0].fields[0].split("/")[1]
    wanted = " and ".join(
        f"{values[rule.fields[-1]]} ({rule.fields[-1].strip('/').replace('_', ' ')})" for rule in failing
    )
    rows = len(failing[0].fields) - 1
    verb = "makes" if rows == 1 else "make"
    made = f"{rows} of them {verb} {_total(failing[0], values)}, printed are {wanted}"
    return [
        Problem(
            Stage.VALIDATE,
            ProblemKind.RULE_FAILED,
            f"the {table.replace('_', ' ')} do not add up: {made}",
            field=f"/{table}",
        )
    ]


def is_explained(
    rule: RuleResult, values: Mapping[str, str], evidence: Sequence[Evidence], paper: Paper
) -> bool:
    """Whether what the rows add up to is another amount of the record, or is printed outside the rows."""
    made = _total(rule, values)
    if _has_subtotals([Decimal(values[path]) for path in rule.fields[:-1]], Decimal(values[rule.fields[-1]])):
        return True
    if any("/" not in path.strip("/") and _same(value, made) for path, value in values.items()):
        return True
    table = rule.fields[0].split("/")[1]
    rows = {block for one in evidence if one.field.startswith(f"/{table}/") for block in one.blocks}
    return len(rule.fields) > 2 and any(
        place.block not in rows for place in places_of(paper, Kind.MONEY, str(made))
    )


def _is_of_rows(rule: RuleResult) -> bool:
    """Whether a result is of a sum over all rows of a table."""
    parts = [path.strip("/").split("/") for path in rule.fields[:-1]]
    return bool(parts) and all(len(part) == 3 for part in parts) and "/" not in rule.fields[-1].strip("/")


def _total(rule: RuleResult, values: Mapping[str, str]) -> Decimal:
    return sum((Decimal(values[path]) for path in rule.fields[:-1]), Decimal(0))


def _has_subtotals(amounts: Sequence[Decimal], wanted: Decimal) -> bool:
    """Whether the rows are several groups that each end with their own sum, and these sums make what is wanted."""
    group: list[Decimal] = []
    sums: list[Decimal] = []
    for amount in amounts:
        if len(group) > 1 and amount == sum(group):
            sums.append(amount)
            group = []
        else:
            group.append(amount)
    return len(sums) > 1 and not group and sum(sums) == wanted


def _same(value: str, made: Decimal) -> bool:
    try:
        return Decimal(value) == made
    except InvalidOperation:
        return False
