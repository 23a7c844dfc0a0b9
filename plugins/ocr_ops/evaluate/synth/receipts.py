"""A bill as a till slip: narrow, monospaced or not, three ways of writing an article. Returns the drawing and its truth."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from ocr_ops.evaluate.synth.records import Bill, Line
from ocr_ops.evaluate.synth.sheet import Drawing, Sheet, money, printed_date
from ocr_ops.evaluate.synth.words import LABELS

WIDTH, MARGIN = 226.0, 12.0
"""An 80 mm roll, in points."""

RIGHT = WIDTH - MARGIN


def draw_receipt(dice: Random, bill: Bill) -> tuple[Drawing, dict[str, Any]]:
    """Write the slip; the truth holds what is printed and nothing else."""
    slip = Slip(dice, bill)
    slip.head()
    slip.articles(dice.choice((slip.one_row, slip.two_rows, slip.price_first)))
    slip.sums()
    slip.foot()
    return slip.sheet.drawing(cut=True), slip.truth


class Slip:
    """One slip being written."""

    def __init__(self, dice: Random, bill: Bill) -> None:
        self.dice, self.bill = dice, bill
        self.words = {
            name: dice.choice(some)
            for name, some in LABELS[bill.country.language].items()
            if name != "columns"
        }
        rows = 26 + 2 * len(bill.lines) + 2 * len(bill.taxes)
        self.sheet = Sheet(WIDTH, rows * 13.5, dice.choice(("mono", "mono", "sans")), 8.0)
        self.sheet.y = 26
        self.truth: dict[str, Any] = {"currency": bill.country.currency}

    def head(self) -> None:
        """Merchant, its place and tax number, then number, date and time."""
        sheet, bill = self.sheet, self.bill
        sheet.put_middle(bill.seller.name, field="/merchant_name", bold=True, scale=1.25)
        sheet.down(1.2)
        for text in (bill.seller.street, bill.seller.city):
            sheet.put_middle(text, field="/merchant_address")
            sheet.down()
        sheet.put_middle(f"{self.words['tax_id']}: {bill.seller.tax_id}", field="/merchant_tax_id")
        sheet.down(1.5)
        form = self.dice.choice(bill.country.dates)
        sheet.put(MARGIN, f"{self.words['receipt_number']}: {bill.number}", field="/receipt_number")
        if self.dice.random() < 0.5:
            sheet.down()
        label = f"{self.words['date']}: " if self.dice.random() < 0.6 else ""
        sheet.put_right(RIGHT, f"{label}{printed_date(bill.day, form)} {bill.time}", field="/date")
        sheet.down(1.5)
        self.truth |= {
            "merchant_name": bill.seller.name,
            "merchant_address": f"{bill.seller.street}, {bill.seller.city}",
            "date": bill.day.isoformat(),
            "receipt_number": bill.number,
        }

    def articles(self, write: Callable[[Line], None]) -> None:
        """All articles, then the discount as a row that is no article."""
        self.sheet.rule(MARGIN, RIGHT)
        for line in self.bill.lines:
            write(line)
            self.sheet.down()
        self.truth["line_items"] = [self._said(line, write) for line in self.bill.lines]
        self.sheet.rule(MARGIN, RIGHT)

    def _said(self, line: Line, write: Callable[[Line], None]) -> dict[str, str]:
        """An article as printed: where the price comes first, a single piece shows no quantity."""
        count = {} if write == self.price_first and line.quantity == 1 else {"quantity": str(line.quantity)}
        return {"description": line.description, **count, "line_total": str(line.total)}

    def one_row(self, line: Line) -> None:
        """Quantity, article and its total on one row."""
        self.sheet.put(MARGIN, f"{line.quantity} x {line.description}")
        self._amount(line)

    def two_rows(self, line: Line) -> None:
        """The article, and below it quantity times price."""
        self.sheet.put(MARGIN, line.description)
        self.sheet.down()
        self.sheet.put(MARGIN + 10, f"{line.quantity} x {money(line.unit_price, self.bill.country)}")
        self._amount(line)

    def price_first(self, line: Line) -> None:
        """The article with its total; quantity and price below it only where there are several."""
        self.sheet.put(MARGIN, line.description)
        self._amount(line)
        if line.quantity > 1:
            self.sheet.down()
            self.sheet.put(MARGIN + 10, f"{line.quantity} x {money(line.unit_price, self.bill.country)}")

    def sums(self) -> None:
        """Discount, net and tax or the tax included, rounding, and the total."""
        bill = self.bill
        if bill.discount:
            self._row(self.words["discount"], -bill.discount)
        if not bill.included:
            self._row(self.words["subtotal"], bill.net, field="/subtotal")
            self.truth["subtotal"] = str(bill.net)
        if not bill.included:
            self._taxes()
        if bill.rounding:
            self._row(self.words["rounding"], bill.rounding)
        self._row(
            f"{self.words['total']} {bill.country.currency}", bill.total, field="/total", bold=True, scale=1.3
        )
        self.truth |= {"total": str(bill.total), "tax_total": str(bill.tax)}
        self.sheet.down(0.4)
        self._paid()
        if bill.included:
            self._taxes()

    def foot(self) -> None:
        """A friendly word."""
        self.sheet.down()
        self.sheet.put_middle(self.words["thanks"])

    def _taxes(self) -> None:
        word = self.words["included" if self.bill.included else "tax"]
        many = len(self.bill.taxes) > 1
        for rate, _, tax in self.bill.taxes:
            self._row(
                f"{word} {str(rate).replace('.', self.bill.country.point)}%",
                tax,
                field="" if many else "/tax_total",
            )
        if many:
            self._row(f"{self.words['tax']} {self.words['total']}", self.bill.tax, field="/tax_total")

    def _paid(self) -> None:
        if self.bill.by_card:
            self._row(self.words["card"], self.bill.total)
            return
        self._row(self.words["cash"], self.bill.paid)
        self._row(self.words["change"], self.bill.paid - self.bill.total)

    def _amount(self, line: Line) -> None:
        self.sheet.put_right(RIGHT, money(line.total, self.bill.country))

    def _row(
        self, label: str, amount: Any, *, field: str = "", bold: bool = False, scale: float = 1.0
    ) -> None:
        self.sheet.put(MARGIN, label, bold=bold, scale=scale)
        self.sheet.put_right(RIGHT, money(amount, self.bill.country), field=field, bold=bold, scale=scale)
        self.sheet.down(scale)
