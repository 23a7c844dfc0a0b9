"""A bill as an A4 invoice: seller left or right, facts as a list or a row, a ruled table, totals below. Returns the drawing and its truth."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from ocr_ops.evaluate.synth.records import Bill, Line
from ocr_ops.evaluate.synth.sheet import Drawing, Sheet, money, printed_date
from ocr_ops.evaluate.synth.words import LABELS

WIDTH, HEIGHT, LEFT, RIGHT = 595.0, 842.0, 50.0, 545.0
QUANTITY, PRICE, RATE = 340.0, 415.0, 465.0
"""Right ends of the columns, in points; the amount ends at `RIGHT`."""


def draw_invoice(dice: Random, bill: Bill) -> tuple[Drawing, dict[str, Any]]:
    """Write the invoice; the truth holds what is printed and nothing else."""
    paper = Paper(dice, bill)
    paper.head()
    paper.table()
    paper.sums()
    paper.foot()
    return paper.sheet.drawing(), paper.truth


class Paper:
    """One invoice being written."""

    def __init__(self, dice: Random, bill: Bill) -> None:
        self.dice, self.bill = dice, bill
        labels = LABELS[bill.country.language]
        self.columns = labels["columns"]
        self.words = {name: dice.choice(some) for name, some in labels.items() if name != "columns"}
        self.sheet = Sheet(WIDTH, HEIGHT, dice.choice(("sans", "sans", "serif")), 10.0)
        self.sheet.y = 62
        self.signs = dice.random() < 0.5
        self.truth: dict[str, Any] = {"currency": bill.country.currency}

    def head(self) -> None:
        """Both parties and the facts, in one of two arrangements."""
        sheet = self.sheet
        self._party(
            LEFT,
            self.bill.seller.name,
            self.bill.seller.street,
            self.bill.seller.city,
            "/seller_name",
            title=True,
        )
        sheet.put(LEFT, f"{self.words['tax_id']}: {self.bill.seller.tax_id}", field="/seller_tax_id")
        sheet.y = 62
        sheet.put_right(RIGHT, self.words["invoice"], bold=True, scale=1.8)
        sheet.y = 165
        facts_left = self.dice.random() < 0.5
        facts, buyer = (LEFT, 330.0) if facts_left else (330.0, LEFT)
        top = sheet.y
        sheet.put(buyer, f"{self.words['buyer']}:", bold=True)
        sheet.down()
        self._party(buyer, self.bill.buyer.name, self.bill.buyer.street, self.bill.buyer.city, "/buyer_name")
        sheet.y = top
        self._facts(facts)
        sheet.y = max(sheet.y, top + 90) + 22
        self.truth |= {"seller_name": self.bill.seller.name, "buyer_name": self.bill.buyer.name}

    def _party(self, x: float, name: str, street: str, city: str, field: str, *, title: bool = False) -> None:
        self.sheet.put(x, name, field=field, bold=title, scale=1.3 if title else 1.0)
        for text in (street, city):
            self.sheet.down()
            self.sheet.put(x, text, field=field.replace("name", "address"))
        self.sheet.down()

    def _facts(self, x: float) -> None:
        form = self.dice.choice(self.bill.country.dates)
        facts = [
            ("invoice_number", self.bill.number, self.bill.number),
            ("issue_date", printed_date(self.bill.day, form), self.bill.day.isoformat()),
        ]
        if self.dice.random() < 0.6:
            facts.append(("due_date", printed_date(self.bill.due, form), self.bill.due.isoformat()))
        if self.dice.random() < 0.5:
            facts.append(("purchase_order", self.bill.order, self.bill.order))
        for name, text, value in facts:
            self.sheet.put(x, f"{self.words[name]}:", bold=self.signs)
            self.sheet.put(x + 112, text, field=f"/{name}")
            self.sheet.down()
            self.truth[name] = value

    def table(self) -> None:
        """The column titles, then an article a row."""
        sheet = self.sheet
        sheet.put(LEFT, self.columns[0], bold=True)
        for x, title in zip((QUANTITY, PRICE, RATE, RIGHT), self.columns[1:], strict=True):
            sheet.put_right(x, title, bold=True)
        sheet.down(1.2)
        sheet.rule(LEFT, RIGHT)
        for line in self.bill.lines:
            self._row(line)
        sheet.rule(LEFT, RIGHT)
        self.truth["line_items"] = [
            {
                "description": line.description,
                "quantity": str(line.quantity),
                "unit_price": str(line.unit_price),
                "tax_rate": str(line.rate),
                "line_total": str(line.total),
            }
            for line in self.bill.lines
        ]

    def _row(self, line: Line) -> None:
        country = self.bill.country
        self.sheet.put(LEFT, line.description)
        self.sheet.put_right(QUANTITY, str(line.quantity))
        self.sheet.put_right(PRICE, money(line.unit_price, country))
        self.sheet.put_right(RATE, f"{str(line.rate).replace('.', country.point)}%")
        self.sheet.put_right(RIGHT, money(line.total, country))
        self.sheet.down(1.2)

    def sums(self) -> None:
        """Net, tax of every rate, and the total; the tax's sum where there are several rates."""
        bill = self.bill
        self.sheet.down(0.4)
        self._sum(self.words["net_total"], bill.net, "/net_total")
        many = len(bill.taxes) > 1
        for rate, base, tax in bill.taxes:
            rate_text = str(rate).replace(".", bill.country.point)
            of = f" ({money(base, bill.country)})" if many else ""
            self._sum(f"{self.words['tax']} {rate_text}%{of}", tax, "" if many else "/tax_total")
        if many:
            self._sum(f"{self.words['total'].title()} {self.words['tax']}", bill.tax, "/tax_total")
        self._sum(self.words["grand_total"], bill.total, "/grand_total", bold=True)
        self.truth |= {"net_total": str(bill.net), "tax_total": str(bill.tax), "grand_total": str(bill.total)}

    def foot(self) -> None:
        """Terms of payment and the bank account."""
        self.sheet.down(1.5)
        self.sheet.put(LEFT, self.words["terms"])
        if iban := self.bill.seller.iban:
            self.sheet.down()
            grouped = " ".join(iban[n : n + 4] for n in range(0, len(iban), 4))
            self.sheet.put(LEFT, f"IBAN: {grouped}", field="/seller_iban")
            self.truth["seller_iban"] = iban

    def _sum(self, label: str, amount: Decimal, field: str, *, bold: bool = False) -> None:
        self.sheet.put(330, label, bold=bold)
        self.sheet.put_right(RIGHT, money(amount, self.bill.country, sign=self.signs), field=field, bold=bold)
        self.sheet.down(1.2)
