import pytest

from ocr_ops.judge.rules import check_rules, matching
from ocr_ops.schemas import load_schema

INVOICE = load_schema("invoice")

GOOD = {
    "/net_total": "300.00",
    "/tax_total": "57.00",
    "/grand_total": "357.00",
    "/issue_date": "2026-02-01",
    "/due_date": "2026-03-01",
    "/line_items/0/quantity": "2",
    "/line_items/0/unit_price": "100.00",
    "/line_items/0/line_total": "200.00",
    "/line_items/1/line_total": "100.00",
}


def verdicts(values: dict[str, str]) -> dict[str, bool | None]:
    return {result.rule: result.holds for result in check_rules(INVOICE, values)}


def test_every_rule_of_a_right_invoice_holds():
    assert verdicts(GOOD) == {
        "net_and_tax_make_gross": True,
        "lines_make_net": True,
        "quantity_times_price_makes_line": True,
        "due_not_before_issue": True,
    }


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("/grand_total", "358.00", "net_and_tax_make_gross"),
        ("/grand_total", "3570.0", "net_and_tax_make_gross"),
        ("/line_items/1/line_total", "10.00", "lines_make_net"),
        ("/line_items/0/unit_price", "100.10", "quantity_times_price_makes_line"),
        ("/due_date", "2026-01-31", "due_not_before_issue"),
    ],
)
def test_one_wrong_value_breaks_its_rule(field: str, value: str, rule: str):
    assert verdicts(GOOD | {field: value})[rule] is False


def test_a_rule_with_a_missing_field_does_not_apply():
    values = {path: value for path, value in GOOD.items() if path != "/tax_total"}

    assert verdicts(values)["net_and_tax_make_gross"] is None


def test_a_sum_over_rows_with_a_hole_proves_nothing():
    assert verdicts(GOOD | {"/line_items/2/description": "fee"})["lines_make_net"] is None


def test_a_difference_of_rounding_is_tolerated():
    assert verdicts(GOOD | {"/grand_total": "357.02"})["net_and_tax_make_gross"] is True


def test_cents_are_added_exactly():
    cents = {f"/line_items/{row}/line_total": "0.10" for row in range(30)}

    (result,) = [
        r for r in check_rules(INVOICE, {"/net_total": "3.00"} | cents) if r.rule == "lines_make_net"
    ]

    assert result.holds
    assert "3.00, printed 3.00" in result.detail


def test_rows_come_in_the_order_of_their_numbers():
    values = {f"/line_items/{row}/line_total": "1" for row in (10, 2, 1)}

    assert [path.split("/")[2] for path in matching("/line_items/*/line_total", values)] == ["1", "2", "10"]


def test_a_value_that_is_no_number_does_not_apply():
    assert verdicts(GOOD | {"/tax_total": "nineteen"})["net_and_tax_make_gross"] is None
