from dataclasses import replace

from builders import candidate, candidate_of, page_of
from ocr_ops.judge.evidence import paper_of
from ocr_ops.judge.witness import Witnessed, attest, claims_of, suits_a_glance
from ocr_ops.model import ProblemKind, Reading
from ocr_ops.schemas import load_schema

INVOICE = load_schema("invoice")
PAGE = page_of(
    "Invoice number RE-2025-0815 | Date 14 March 2025",
    "Net amount of all goods | 100.00 EUR",
    "VAT 19% of the net amount of all goods makes 19.00 EUR",
    "Grand total | 119.00 EUR",
)
PAPER = paper_of([PAGE])
VALUES = {
    "invoice_number": "RE-2025-0815",
    "issue_date": "2025-03-14",
    "net_total": "100.00",
    "tax_total": "19.00",
    "grand_total": "119.00",
    "seller_name": "nobody asks",
}


def claims(*candidates, text_pages=(1,)):
    return claims_of(INVOICE, candidates, [PAGE], PAPER, text_pages)


def claim_of(field: str, value: str):
    (claim,) = claims(candidate(**{field: value}))
    return claim


def test_there_is_a_claim_for_every_critical_value_and_no_other():
    found = {claim.field: claim.block for claim in claims(candidate(**VALUES))}

    assert set(found) == {"/invoice_number", "/issue_date", "/net_total", "/tax_total", "/grand_total"}
    assert found["/grand_total"] == "p001.b007"


def test_pages_that_an_engine_read_need_no_witness():
    assert claims(candidate(**VALUES), text_pages=()) == ()


def test_readers_that_agree_make_one_claim_and_rivals_two():
    same = claims(candidate(grand_total="119.00"), candidate("einvoice", grand_total="119.00"))
    rivals = claims(candidate(grand_total="119.00"), candidate("einvoice", grand_total="100.00"))

    assert len(same) == 1
    assert [claim.value for claim in rivals] == ["119.00", "100.00"]


def test_a_value_that_stands_nowhere_is_no_claim():
    assert claims(candidate(grand_total="919.00")) == ()


def test_the_near_place_is_about_the_values_own_words():
    claim = claim_of("tax_total", "19.00")

    width = claim.box.x2 - claim.box.x1
    assert claim.box.x1 + 0.7 * width < claim.near.x1
    assert claim.near.x2 <= claim.box.x2
    assert (claim.near.y1, claim.near.y2) == (claim.box.y1, claim.box.y2)


def test_a_date_of_three_words_is_looked_at_whole():
    claim = claim_of("issue_date", "2025-03-14")

    assert claim.near.x1 < claim.box.x1 + 0.4 * (claim.box.x2 - claim.box.x1)
    assert claim.near.x2 == claim.box.x2


def test_a_picture_that_shows_the_value_in_its_own_writing_agrees():
    assert attest(claim_of("grand_total", "119.00"), "119,00 €", PAPER).agrees
    assert attest(claim_of("issue_date", "2025-03-14"), "14.03.2025", PAPER).agrees
    assert attest(claim_of("invoice_number", "RE-2025-0815"), "RE-2O25-O8I5", PAPER).agrees


def test_a_picture_that_shows_another_digit_does_not():
    for read in ("119.80", "779.00", "1119.00", "11.900", "", "ABC.DE"):
        testimony = attest(claim_of("grand_total", "119.00"), read, PAPER)
        assert not testimony.agrees, read
    assert not attest(claim_of("invoice_number", "RE-2025-0815"), "RE-2025-0875", PAPER).agrees


def test_long_runs_of_a_digit_and_ideographs_are_nothing_for_a_glance():
    claim = claim_of("grand_total", "119.00")

    glanced = {
        value: suits_a_glance(replace(claim, value=value))
        for value in ("119.00", "2025-03-14", "RE-2025-0815")
    }
    read = {
        value: suits_a_glance(replace(claim, value=value))
        for value in ("4666.00", "11.10", "R 555", "京B1234")
    }

    assert all(glanced.values())
    assert not any(read.values())


def test_a_rate_is_no_witness_for_an_amount_and_a_value_must_show_as_often_as_the_text_has_it():
    assert not attest(claim_of("tax_total", "19.00"), "VAT 19% of the net amount makes 79.00", PAPER).agrees
    page = page_of("Total 119.00 to pay 119.00")
    twice = paper_of([page])
    (claim,) = claims_of(INVOICE, [candidate(grand_total="119.00")], [page], twice, (1,))

    assert attest(claim, "Total 119.00 to pay 119.00", twice).agrees
    assert not attest(claim, "Total 119.00 to pay 719.00", twice).agrees


def test_the_place_of_an_amount_is_not_its_rate():
    page = page_of("VAT 19% | 19.00 EUR")
    paper = paper_of([page])
    read = candidate_of("layout", {"/tax_total": "19.00"}, blocks=("p001.b001", "p001.b002"))

    (claim,) = claims_of(INVOICE, [read], [page], paper, (1,))

    assert claim.block == "p001.b002"


def test_a_doubt_says_what_the_text_and_what_the_picture_say():
    claim = claim_of("grand_total", "119.00")
    found = Witnessed(
        (attest(claim, "919.00 EUR", PAPER), attest(claim, "119.00", PAPER), attest(claim, "", PAPER))
    )

    another, nothing = found.doubts
    assert (another.kind, another.field, another.page) == (ProblemKind.NOT_IN_PICTURE, "/grand_total", 1)
    assert "119.00" in another.detail
    assert "919.00" in another.detail
    assert "shows nothing" in nothing.detail


def test_a_reader_without_a_place_is_asked_for_where_another_saw_the_value():
    stated = candidate("einvoice", net_total="100.00")
    read = candidate()
    placed = Reading("/net_total", "100.00", blocks=("p001.b004",), score=0.9)
    (claim,) = claims(type(read)("layout", "1", (placed,)), stated)

    assert claim.block == "p001.b004"
