"""A small evaluation against stored figures: it fails when accuracy falls or something wrong is accepted that was not before.

Samples of real documents and a few drawn ones, through the real pipeline with real OCR. Better figures pass; `UPDATE_GOLDEN=1` stores
them, and the difference is read before it is committed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golden_files import GOLDEN, SWITCH
from ocr_ops.audit import AuditStore
from ocr_ops.evaluate.dataset import read_dataset
from ocr_ops.evaluate.figures import Figures, figures_of
from ocr_ops.evaluate.run import Evaluated, evaluate
from ocr_ops.evaluate.synth.dataset import write_dataset
from ocr_ops.evaluate.synth.wear import Wear
from ocr_ops.pipeline.journey import Order
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.settings import Settings

pytestmark = pytest.mark.ocr

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
STORED = GOLDEN / "accuracy" / "figures.json"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> list[Evaluated]:
    folder = tmp_path_factory.mktemp("gate")
    drawn = write_dataset(folder / "synth", count=4, seed=11, wear=Wear.LIGHT)
    shop = Workshop(Settings(), AuditStore(folder / "audit"))
    cases = [*read_dataset(SAMPLES / "truth.jsonl"), *read_dataset(drawn)]
    return list(evaluate(shop, Order(), cases))


def figures_by_group(done: list[Evaluated]) -> Iterator[tuple[str, Figures]]:
    for group, synthetic in (("samples", False), ("synth", True)):
        scores = [one.score for one in done if one.score.source.startswith("synth") is synthetic]
        yield group, figures_of(group, scores)


def plain(part: Figures) -> dict[str, Any]:
    """What is stored: counts alone, so that it is the same on every machine."""
    return {
        "documents": part.documents,
        "accepted": part.accepted,
        "false_accepts": part.false_accepts.hits,
        "pages_lost": part.pages_lost,
        "evidence_in_place": part.evidence.hits,
        "line_item_f1": round(part.lines.f1, 3) if part.lines else None,
        "right": {name: one.exact.hits for name, one in sorted(part.fields.items())},
    }


def worse(now: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    """In words, every figure that got worse."""
    more_is_worse = {"false_accepts", "pages_lost"}
    found = []
    for name, was in stored.items():
        if name == "right":
            found += [
                f"right {field}: {now['right'].get(field, 0)}, was {n}"
                for field, n in was.items()
                if now["right"].get(field, 0) < n
            ]
        elif was is not None and (now[name] > was if name in more_is_worse else now[name] < was):
            found.append(f"{name}: {now[name]}, was {was}")
    return found


def test_no_figure_is_worse_than_the_stored_one(done: list[Evaluated]):
    now = {group: plain(part) for group, part in figures_by_group(done)}
    if os.environ.get(SWITCH) == "1":
        STORED.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    stored = json.loads(STORED.read_text(encoding="utf-8"))

    assert {group: worse(now[group], was) for group, was in stored.items()} == {group: [] for group in stored}


def test_nothing_wrong_is_accepted(done: list[Evaluated]):
    wrong = [
        (one.score.id, one.score.wrong_critical)
        for one in done
        if one.score.accepted and one.score.wrong_critical
    ]

    assert wrong == []


def test_the_gate_notices_each_figure_that_falls():
    was = {"accepted": 9, "false_accepts": 0, "line_item_f1": 0.9, "right": {"total": 5}}

    assert worse({**was, "false_accepts": 1}, was) == ["false_accepts: 1, was 0"]
    assert worse({**was, "accepted": 8}, was) == ["accepted: 8, was 9"]
    assert worse({**was, "line_item_f1": 0.8}, was) == ["line_item_f1: 0.8, was 0.9"]
    assert worse({**was, "right": {}}, was) == ["right total: 0, was 5"]
    assert worse({"accepted": 10, "false_accepts": 0, "line_item_f1": 1.0, "right": {"total": 6}}, was) == []
