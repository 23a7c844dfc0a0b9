"""A seed -> what is billed: exact amounts that add up the way the layouts print them. Pure.

Prices on receipts of most countries include tax; in the United States, and on invoices, tax comes on top. Tax is rounded half up
per rate; some receipts are rounded to five cents, and then the total is what is paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from ocr_ops.evaluate.synth.words import ARTICLES, COUNTRIES, NAMES, STREETS, Country
from ocr_ops.grammar.identifiers import iban_holds

CENT = Decimal("0.01")
FIRST_DAY = date(2021, 1, 1)


@dataclass(frozen=True, slots=True)
class Line:
    """One article."""

    description: str
    quantity: int
    unit_price: Decimal
    rate: Decimal

    @property
    def total(self) -> Decimal:
        """Quantity times price, exact."""
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class Party:
    """A company that does not exist."""

    name: str
    street: str
    city: str
    tax_id: str
    iban: str


@dataclass(frozen=True, slots=True)
class Bill:
    """One invoice or receipt. `taxes`: (rate, base, tax) per rate; `gross` is before rounding, `total` what is to be paid."""

    country: Country
    seller: Party
    buyer: Party
    number: str
    order: str
    day: date
    due: date
    time: str
    lines: tuple[Line, ...]
    discount: Decimal
    taxes: tuple[tuple[Decimal, Decimal, Decimal], ...]
    included: bool
    net: Decimal
    tax: Decimal
    gross: Decimal
    rounding: Decimal
    paid: Decimal
    by_card: bool

    @property
    def total(self) -> Decimal:
        """What is to be paid."""
        return self.gross + self.rounding


def draw_bill(dice: Random, *, receipt: bool) -> Bill:
    """Invent a bill."""
    country = dice.choice(COUNTRIES)
    included = receipt and country.code != "US"
    lines = _lines(dice, country, receipt=receipt)
    taxes = _taxes(lines, included=included)
    # a discount is given on receipts with one rate only, so that its tax is beyond doubt
    discount = _discount(dice, lines) if receipt and included and len(taxes) == 1 else Decimal(0)
    if discount:
        rate = taxes[0][0]
        gross = sum((line.total for line in lines), Decimal(0)) - discount
        taxes = ((rate, gross - _tax_in(gross, rate), _tax_in(gross, rate)),)
    net, tax = sum((base for _, base, _ in taxes), Decimal(0)), sum((t for *_, t in taxes), Decimal(0))
    gross = net + tax
    rounding = (
        _to_five_cents(gross) - gross
        if receipt and (country.code == "CH" or dice.random() < 0.15)
        else Decimal(0)
    )
    day = FIRST_DAY + timedelta(days=dice.randrange(365 * 5))
    total = gross + rounding
    return Bill(
        country=country,
        seller=_party(dice, country),
        buyer=_party(dice, country),
        number=dice.choice(("{:06d}", "R-{:05d}", f"{day.year}-{{:04d}}")).format(dice.randrange(100, 9999)),
        order=f"PO-{dice.randrange(1000, 99999)}",
        day=day,
        due=day + timedelta(days=dice.choice((14, 30))),
        time=f"{dice.randrange(8, 21):02d}:{dice.randrange(60):02d}",
        lines=lines,
        discount=discount,
        taxes=taxes,
        included=included,
        net=net,
        tax=tax,
        gross=gross,
        rounding=rounding,
        paid=(total // 10 + 1) * 10,
        by_card=dice.random() < 0.5,
    )


def _lines(dice: Random, country: Country, *, receipt: bool) -> tuple[Line, ...]:
    count = dice.randrange(1, 11 if receipt else 16)
    names = dice.sample(ARTICLES[country.language], min(count, len(ARTICLES[country.language])))
    rates = country.rates if dice.random() < 0.35 else country.rates[:1]
    most = 4000 if receipt else 90000
    return tuple(
        Line(name, _quantity(dice), Decimal(dice.randrange(45, most)) * CENT, dice.choice(rates))
        for name in names
    )


def _quantity(dice: Random) -> int:
    return 1 if dice.random() < 0.55 else dice.randrange(2, 13)


def _taxes(lines: tuple[Line, ...], *, included: bool) -> tuple[tuple[Decimal, Decimal, Decimal], ...]:
    taxes = []
    for rate in sorted({line.rate for line in lines}):
        amount = sum((line.total for line in lines if line.rate == rate), Decimal(0))
        tax = _tax_in(amount, rate) if included else (amount * rate / 100).quantize(CENT, ROUND_HALF_UP)
        taxes.append((rate, amount - tax if included else amount, tax))
    return tuple(taxes)


def _tax_in(gross: Decimal, rate: Decimal) -> Decimal:
    return (gross * rate / (100 + rate)).quantize(CENT, ROUND_HALF_UP)


def _discount(dice: Random, lines: tuple[Line, ...]) -> Decimal:
    if dice.random() > 0.25:
        return Decimal(0)
    total = sum((line.total for line in lines), Decimal(0))
    return (total * dice.choice((5, 10)) / 100).quantize(CENT, ROUND_HALF_UP)


def _to_five_cents(amount: Decimal) -> Decimal:
    return (amount * 20).quantize(Decimal(1), ROUND_HALF_UP) / 20


def _party(dice: Random, country: Country) -> Party:
    first, trade, form = NAMES[country.language]
    pair = (dice.choice(first), dice.choice(trade))
    latin = country.language in ("fr", "es", "it", "nl")
    name = " ".join((*(reversed(pair) if latin else pair), dice.choice(form)))
    street = country.street.format(name=dice.choice(STREETS[country.language]), number=dice.randrange(1, 190))
    return Party(
        name, street, dice.choice(country.cities), _tax_id(dice, country.code), _iban(dice, country.code)
    )


def _digits(dice: Random, count: int) -> str:
    return "".join(str(dice.randrange(10)) for _ in range(count))


def _tax_id(dice: Random, code: str) -> str:
    """A number of the country's shape with right check digits; US and CH numbers carry none we print."""
    match code:
        case "DE":
            return "DE" + _mod_11_10(str(dice.randrange(1, 10)) + _digits(dice, 7))
        case "FR":
            siren = _luhn(_digits(dice, 8))
            return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}"
        case "IT":
            return "IT" + _luhn("0" + _digits(dice, 6) + "010")
        case "GB":
            body = str(dice.randrange(1, 10)) + _digits(dice, 6)
            weighted = sum(int(d) * w for d, w in zip(body, range(8, 1, -1), strict=True))
            return f"GB{body}{97 - weighted % 97:02d}"
        case "NL":
            return _dutch(dice)
        case "ES":
            return "ESB" + _luhn(_digits(dice, 7))
        case "CH":
            return f"CHE-{_digits(dice, 3)}.{_digits(dice, 3)}.{_digits(dice, 3)} MWST"
    return f"{_digits(dice, 2)}-{_digits(dice, 7)}"


def _luhn(body: str) -> str:
    doubled = [int(d) * (2 if place % 2 == 0 else 1) for place, d in enumerate(reversed(body))]
    return body + str(-sum(n // 10 + n % 10 for n in doubled) % 10)


def _mod_11_10(body: str) -> str:
    product = 10
    for digit in body:
        product = 2 * ((int(digit) + product) % 10 or 10) % 11
    return body + str((11 - product) % 10)


def _dutch(dice: Random) -> str:
    while True:
        body = _digits(dice, 8)
        check = sum(int(d) * w for d, w in zip(body, range(9, 1, -1), strict=True)) % 11
        if check < 10:
            return f"NL{body}{check}B{dice.randrange(1, 100):02d}"


def _iban(dice: Random, code: str) -> str:
    """An IBAN whose check digits hold; empty where the country has none."""
    length = {"DE": 18, "GB": 18, "FR": 23, "NL": 14, "ES": 20, "IT": 23, "CH": 17}.get(code)
    if length is None:
        return ""
    letters = {"GB": "EXMP", "NL": "EXMP", "IT": "X"}.get(code, "")
    body = letters + _digits(dice, length - len(letters))
    return next(iban for check in range(2, 99) if iban_holds(iban := f"{code}{check:02d}{body}"))
