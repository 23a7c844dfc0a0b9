"""From signs to probabilities, thresholds, and how they are fitted."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from builders import candidate, page_of
from ocr_ops.codec import from_json, to_json
from ocr_ops.errors import UnknownSchema
from ocr_ops.evaluate.fit import HUMBLE, Example, Limits, fit_weights, threshold
from ocr_ops.evaluate.score import DocumentScore, FieldScore
from ocr_ops.judge.calibration import LIMIT, SIGNS, Calibration, Weights, group_of
from ocr_ops.judge.decide import judge
from ocr_ops.model import Kind, ProblemKind, ReadPage, Record, Status
from ocr_ops.schemas import FOLDER, load_calibration, load_schema

RECEIPT = load_schema("receipt")
LINES = ("ALPHA BOOKS LTD", "Date: 14/03/2025 18:05", "Subtotal | 33.50", "VAT 20% | 6.70", "TOTAL | 40.20")
VALUES = {
    "merchant_name": "ALPHA BOOKS LTD",
    "date": "2025-03-14",
    "subtotal": "33.50",
    "tax_total": "6.70",
    "total": "40.20",
}
EVEN = Weights(-4.0, (1.0,) * len(SIGNS))


def calibration(**least: float) -> Calibration:
    groups = dict.fromkeys(("money", "date", "code", "text", "cell"), EVEN)
    return Calibration(1, SIGNS, groups, {"receipt": {f"/{name}": p for name, p in least.items()}})


def judged(*lines: str, score: float | None = 0.99, **least: float) -> Record:
    page: ReadPage = page_of(*(lines or LINES), score=score)
    return judge(RECEIPT, [candidate(**VALUES)], [page], calibration(**least))


def signs(record: Record, field: str) -> dict[str, float]:
    (evidence,) = [one for one in record.evidence if one.field == field]
    return dict(zip(SIGNS, evidence.signs, strict=True))


def test_every_value_of_a_record_ends_with_a_probability():
    record = judged()

    assert len(record.evidence) == len(VALUES)
    assert all(one.probability is not None and 0 < one.probability < 1 for one in record.evidence)


def test_without_a_calibration_there_are_signs_but_no_probability():
    record = judge(RECEIPT, [candidate(**VALUES)], [page_of(*LINES)])

    assert {one.probability for one in record.evidence} == {None}
    assert {len(one.signs) for one in record.evidence} == {len(SIGNS)}


def test_signs_say_what_the_judge_knows_of_a_total():
    known = signs(judged(*LINES, "CASH | 40.20"), "/total")

    assert known == {
        "found": 1, "sums": 1, "unbroken": 1, "readers": 0, "prints": 0.5, "ocr": 0.9, "label": 0.9, "alone": 1, "settled": 1,
    }  # fmt: skip


def test_a_damaged_page_lowers_the_sign_of_the_engine():
    assert signs(judged(score=0.95), "/date")["ocr"] == 0.5
    assert signs(judged(score=0.5), "/date")["ocr"] == 0
    assert signs(judged(score=None), "/date")["ocr"] == 0.5


def test_dates_that_compete_share_the_sign():
    assert signs(judged(*LINES, "valid until 31.12.2025"), "/date")["alone"] == 0.5


def test_a_total_with_its_rounded_self_below_is_not_settled():
    above = signs(judged(*LINES, "Rounding | 0.02", "To pay | 40.22"), "/total")
    below = signs(judged("before rounding 40.18", *LINES), "/total")

    assert (above["settled"], below["settled"]) == (0, 1)


def test_a_sum_that_was_paid_with_the_next_round_coin_is_settled():
    handed_over = signs(judged(*LINES, "CASH | 40.25", "CHANGE | 0.05"), "/total")
    rounded = signs(judged(*LINES, "ROUNDING | 0.05", "CASH | 40.25", "CHANGE | 0.05"), "/total")

    assert (handed_over["settled"], rounded["settled"]) == (1, 0)


def test_what_a_summary_says_again_below_does_not_unsettle_the_rounded_total():
    assert (
        signs(judged("Total | 40.18", "Rounding | 0.02", *LINES, "GST summary | 40.18"), "/total")["settled"]
        == 1
    )


def test_a_value_below_the_threshold_holds_the_document_in_words():
    record = judged(total=0.995)

    assert record.status is Status.NEEDS_REVIEW
    assert [problem.kind for problem in record.problems] == [ProblemKind.IMPROBABLE]
    assert "99.5% is asked for" in record.problems[0].detail


def test_a_value_at_the_threshold_passes():
    assert judged(total=0.5).status is Status.ACCEPTED


def test_more_of_a_sign_never_lowers_a_probability():
    weights = load_calibration(FOLDER).groups if load_calibration(FOLDER) else {"even": EVEN}

    for group in weights.values():
        for some in product((0.0, 1.0), repeat=len(SIGNS)):
            for place, sign in enumerate(some):
                if sign == 0.0:
                    more = (*some[:place], 1.0, *some[place + 1 :])
                    assert group.probability(more) >= group.probability(some)


def test_probabilities_stay_clear_of_certainty():
    assert Weights(900.0, EVEN.weights).probability((1.0,) * len(SIGNS)) == LIMIT
    assert Weights(-700.0, EVEN.weights).probability((0.0,) * len(SIGNS)) == pytest.approx(1 - LIMIT)


@pytest.mark.parametrize("weights", [(1.0,), (-0.1, *(1.0,) * (len(SIGNS) - 1))])
def test_weights_that_could_punish_evidence_are_refused(weights: tuple[float, ...]):
    with pytest.raises(ValueError, match="none below 0"):
        Weights(0.0, weights)


def test_a_calibration_of_other_signs_is_refused():
    with pytest.raises(ValueError, match="ocr-ops calibrate"):
        replace(calibration(), signs=("found",))


def test_a_calibration_survives_its_file(tmp_path: Path):
    (tmp_path / "calibration").mkdir()
    for version in (1, 2):
        made = replace(calibration(total=0.9), version=version)
        (tmp_path / "calibration" / f"v{version}.json").write_bytes(to_json(made))

    assert load_calibration(tmp_path) == made
    assert from_json(Calibration, to_json(made)) == made


def test_a_damaged_calibration_is_named(tmp_path: Path):
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "v1.json").write_text("{}")

    with pytest.raises(UnknownSchema, match="is not a calibration"):
        load_calibration(tmp_path)


def test_groups_follow_the_kind_of_value():
    assert group_of(Kind.MONEY, cell=False) == "money"
    assert group_of(Kind.MONEY, cell=True) == "cell"
    assert group_of(Kind.TEXT, cell=True) == "cell_text"
    assert group_of(Kind.IBAN, cell=False) == "code"
    assert group_of(Kind.DATE, cell=False) == "date"
    assert group_of(Kind.ADDRESS, cell=False) == "text"


def examples(right: int, wrong: int, sign: str) -> list[Example]:
    """Right values have everything; wrong ones lack one sign."""
    full = dict.fromkeys(SIGNS, 1.0)
    lacking = tuple((full | {sign: 0.0}).values())
    return [Example("money", tuple(full.values()), True)] * right + [Example("money", lacking, False)] * wrong


@pytest.mark.parametrize("sign", SIGNS)
def test_fitting_learns_the_sign_that_wrong_values_lack(sign: str):
    weights = fit_weights(examples(100, 10, sign))

    assert max(zip(weights.weights, SIGNS, strict=True))[1] == sign
    assert weights.fitted_on == (100, 10)
    assert min(weights.weights) >= 0


def test_fitting_twice_gives_the_same_numbers():
    assert fit_weights(examples(30, 3, "ocr")) == fit_weights(examples(30, 3, "ocr"))


def test_what_was_seen_right_a_hundred_times_is_probable_but_not_certain():
    weights = fit_weights(examples(100, 0, "ocr"))

    assert 0.9 < weights.probability((1.0,) * len(SIGNS)) < 0.9999
    assert weights.probability((0.0,) * len(SIGNS)) < 0.5


def scores(*values: tuple[float, bool]) -> list[DocumentScore]:
    return [
        DocumentScore(
            str(n), "shop", "receipt", "receipt", Status.ACCEPTED, (FieldScore("total", "1", "1" if right else "2", right, True, p),)
        )
        for n, (p, right) in enumerate(values)
    ]  # fmt: skip


def test_a_threshold_lets_the_allowed_share_of_wrong_values_pass():
    some = scores((0.5, False), (0.6, True), *[(0.9, True)] * 98)

    assert threshold(some, "total", Limits(wrong=0.0, held=0.1)) == 0.55
    assert threshold(some, "total", Limits(wrong=0.02, held=0.0)) == 0.0


def test_a_threshold_holds_no_more_than_it_may():
    some = scores(*[(0.9, True)] * 60, (0.9, False), *[(0.95, True)] * 39)

    assert threshold(some, "total", Limits(wrong=0.0, held=0.1)) == 0.0


def test_a_threshold_holds_the_least_sure_even_where_none_was_wrong():
    some = scores((0.2, True), *[(0.9, True)] * round(1 / HUMBLE))

    assert threshold(some, "total", Limits()) == 0.55


def test_held_documents_and_other_fields_do_not_count():
    held = [replace(score, status=Status.NEEDS_REVIEW) for score in scores((0.1, False))]

    assert threshold(held, "total", Limits()) == 0.0
    assert threshold(scores((0.1, False)), "date", Limits()) == 0.0
