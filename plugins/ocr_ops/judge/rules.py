"""A document type's rules on one set of values, in Decimal. Pure and total: values that do not parse do not apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from ocr_ops.model import RuleResult, RuleSpec, Schema

Values = Mapping[str, str]
"""Flat record: concrete JSON pointer -> value in schema form."""


def check_rules(schema: Schema, values: Values) -> tuple[RuleResult, ...]:
    """Every rule of the type on the record; a row-wise rule gives one result a row."""
    return tuple(result for rule in schema.rules for result in _check(rule, values))


def broken(rules: Sequence[RuleResult]) -> list[RuleResult]:
    """Rules that fail; not those whose parts add up to something else that is printed, as lines do to a subtotal."""
    added_up = {rule.fields[:-1] for rule in rules if rule.holds}
    return [rule for rule in rules if rule.holds is False and rule.fields[:-1] not in added_up]


def matching(pattern: str, values: Values) -> tuple[str, ...]:
    """Concrete pointers that a pattern with `*` stands for, in row order."""
    if "*" not in pattern:
        return (pattern,) if pattern in values else ()
    head, tail = pattern.split("/*/")
    rows = sorted({int(path.split("/")[2]) for path in values if path.startswith(f"{head}/")})
    return tuple(path for row in rows if (path := f"{head}/{row}/{tail}") in values)


def _check(rule: RuleSpec, values: Values) -> tuple[RuleResult, ...]:
    if rule.sum:
        return (_sum(rule, values),)
    if rule.product:
        return _products(rule, values)
    return (_not_after(rule, values),)


def _sum(rule: RuleSpec, values: Values) -> RuleResult:
    parts = [matching(pattern, values) for pattern in rule.sum]
    complete = all(parts) and rule.equals in values and all(_rows_complete(p, values) for p in rule.sum)
    fields = (*(path for part in parts for path in part), rule.equals)
    numbers = [_decimal(values.get(path, "")) for path in fields]
    known = [number for number in numbers if number is not None]
    if not complete or len(known) < len(numbers):
        return RuleResult(rule.id, None, fields, "not all of its fields were read")
    total, wanted = sum(known[:-1], Decimal(0)), known[-1]
    return RuleResult(
        rule.id,
        abs(total - wanted) <= Decimal(rule.tolerance),
        fields,
        f"{_added(known[:-1])} = {total}, printed {wanted}",
    )


def _added(numbers: list[Decimal]) -> str:
    shown = " + ".join(str(number) for number in numbers[:6])
    return shown + (f" + … ({len(numbers)} lines)" if len(numbers) > 6 else "")


def _rows_complete(pattern: str, values: Values) -> bool:
    """Whether every row has the column: a sum over rows with holes proves nothing."""
    if "*" not in pattern:
        return True
    head = pattern.split("/*/")[0]
    rows = {path.split("/")[2] for path in values if path.startswith(f"{head}/")}
    return len(rows) == len(matching(pattern, values)) > 0


def _products(rule: RuleSpec, values: Values) -> tuple[RuleResult, ...]:
    results = []
    for equals in matching(rule.equals, values):
        row = equals.split("/")[2]
        fields = (*(pattern.replace("*", row, 1) for pattern in rule.product), equals)
        numbers = [_decimal(values.get(path, "")) for path in fields]
        known = [number for number in numbers if number is not None]
        if len(known) < len(numbers):
            continue
        made = Decimal(1)
        for number in known[:-1]:
            made *= number
        holds = abs(made - known[-1]) <= Decimal(rule.tolerance)
        results.append(
            RuleResult(
                rule.id, holds, fields, f"{' x '.join(map(str, known[:-1]))} = {made}, printed {known[-1]}"
            )
        )
    return tuple(results)


def _not_after(rule: RuleSpec, values: Values) -> RuleResult:
    first, second = (values.get(path, "") for path in rule.not_after)
    if not first or not second:
        return RuleResult(rule.id, None, rule.not_after, "not all of its fields were read")
    return RuleResult(rule.id, first <= second, rule.not_after, f"{first} and {second}")


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
