"""Single lines of type read by the recogniser alone, on one thread: whole, or cut down for a quick look at plain values.

In: crops around one level line each. Out: their texts. It neither searches for text nor loads RapidOCR. Three cuts more than halve a quick
look's time: the middle rows of a crop at the scale that they would have whole, no white beside the ink, and no ideographs among the
letters (nine tenths of them, so the last layer shrinks by as much). What a quick look fails to see it may have misread: whoever
asks reads again with the whole. It merges long runs of one digit more readily, so it must not be asked for those. Not safe for two
threads at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ocr_ops.engines.rapid import (
    LINE_HEIGHT_PX,
    LINES_AT_ONCE,
    RECOGNISER_FILE,
    Picture,
    line_input,
    model_path,
    spell,
)
from ocr_ops.errors import TerminalError

QUICK_REVISION = "1"
"""Part of what decides a quick reading: raise it when the same crops may read otherwise."""

ONE_THREAD = {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
"""Where OpenVINO pins its one thread, every process on a machine computes on the same core."""

ROWS = 32
"""Rows of the line that are looked at, of the recogniser's 48."""
SHRINK = 16
"""The recogniser's last convolutions see one row for that many, and average over all of them."""
FIRST_KANA, FIRST_WIDE, LAST_WIDE = 0x3040, 0xFF00, 0xFFEF
"""Letters from the first on are left out, apart from wide forms of the rest: what a doubtful colon is often read as."""
QUICK_WIDTHS = (160, 256, 384, 512, 768, 1024, 1536, 2048, 3072)
"""Input widths of quick looks: most values fit into the first, so that those of a page are read together; each number of lines at each width
costs a process a fresh start once, so steps are few."""
PAPER_BESIDE = 1 / 6
"""White kept beside the ink, in heights of the crop."""
LEAST_INK = 40
"""Difference (0..255) between the lightest and the darkest dot of a column that holds ink."""


class LineReader:
    """The recogniser, whole or cut down, on one thread: so small a picture takes half the processor time so, and other documents keep
    the other cores. TerminalError when its file is missing or built otherwise."""

    def __init__(self, *, quick: bool) -> None:
        # Imported late, like RapidOCR: only a process that reads pictures should pay it.
        from openvino import Core

        core = Core()
        core.set_property("CPU", ONE_THREAD)
        model = core.read_model(model_path(RECOGNISER_FILE))
        letters = _letters_of(model)
        self._letters = _cut_down(model, letters) if quick else letters
        self._quick = quick
        self._request: Any = core.compile_model(model, "CPU").create_infer_request()

    def read_many(self, crops: Sequence[Picture], widths: Sequence[int]) -> list[str]:
        """Read lines, each as it would be read alone; those of one input width together, which takes less time."""
        inputs = [self._input(crop, widths) for crop in crops]
        texts: dict[int, str] = {}
        for width in {one.shape[2] for one in inputs}:
            places = [n for n, one in enumerate(inputs) if one.shape[2] == width]
            for start in range(0, len(places), LINES_AT_ONCE):
                part = places[start : start + LINES_AT_ONCE]
                texts.update(zip(part, self._read_together([inputs[n] for n in part]), strict=True))
        return [texts[n] for n in range(len(crops))]

    def _input(self, crop: Picture, widths: Sequence[int]) -> npt.NDArray[np.float32]:
        return (
            line_input(_middle(_without_white(crop)), widths, ROWS)
            if self._quick
            else line_input(crop, widths)
        )

    def _read_together(self, inputs: Sequence[npt.NDArray[np.float32]]) -> list[str]:
        self._request.infer([np.stack(inputs)])
        return [spell(one, self._letters).text for one in self._request.get_output_tensor().data]


def _letters_of(model: Any) -> list[str]:
    """What the model's scores stand for: nothing, its letters, the blank."""
    told = model.get_rt_info()
    if "framework" not in told or "character" not in told["framework"]:
        raise TerminalError(f"the OCR model {RECOGNISER_FILE} does not say its letters")
    return ["", *told["framework"]["character"].value.splitlines(), " "]


def _cut_down(model: Any, letters: Sequence[str]) -> list[str]:
    """Change the model into the quick one; the letters that are left."""
    kept = [n for n, letter in enumerate(letters) if all(map(_is_plain, letter))]
    _cut_letters(model, len(letters), kept)
    _cut_rows(model)
    return [letters[n] for n in kept]


def _is_plain(character: str) -> bool:
    return ord(character) < FIRST_KANA or FIRST_WIDE <= ord(character) <= LAST_WIDE


def _without_white(crop: Picture) -> Picture:
    lightest, darkest = (
        cv2.reduce(crop, 0, how).reshape(crop.shape[1], -1) for how in (cv2.REDUCE_MAX, cv2.REDUCE_MIN)
    )
    inked = np.flatnonzero(lightest.max(axis=1).astype(int) - darkest.min(axis=1) > LEAST_INK)
    if not len(inked):
        return crop
    paper = round(PAPER_BESIDE * crop.shape[0])
    return crop[:, max(0, int(inked[0]) - paper) : int(inked[-1]) + 1 + paper]


def _middle(crop: Picture) -> Picture:
    beyond = round(crop.shape[0] * (1 - ROWS / LINE_HEIGHT_PX) / 2)
    return np.ascontiguousarray(crop[beyond : crop.shape[0] - beyond])


def _cut_letters(model: Any, count: int, kept: Sequence[int]) -> None:
    """Leave letters out of the last layer: columns of its weights and of what is added to them."""
    from openvino import opset14

    wide = [
        (node.input(n), node.input_value(n).get_node())
        for node in model.get_ordered_ops()
        if node.get_type_name() in ("MatMul", "Add")
        for n in (0, 1)
        if node.input_value(n).get_node().get_type_name() == "Constant"
    ]
    last = [(at, node) for at, node in wide if list(node.get_output_shape(0))[-1:] == [count]]
    if len(last) != 2:
        raise TerminalError(f"the OCR model {RECOGNISER_FILE} has another last layer than this release knows")
    for at, node in last:
        fewer = np.ascontiguousarray(node.get_data()[..., kept])
        at.replace_source_output(opset14.constant(fewer).output(0))


def _cut_rows(model: Any) -> None:
    """Take lines of `ROWS` rows: the mean over all rows is the only layer that counts them."""
    from openvino import PartialShape, opset14

    means = [node for node in model.get_ordered_ops() if node.get_type_name() == "AvgPool"]
    if [list(node.get_attributes()["kernel"]) for node in means] != [[LINE_HEIGHT_PX // SHRINK, 2]]:
        raise TerminalError(f"the OCR model {RECOGNISER_FILE} has other layers than this release knows")
    window = [ROWS // SHRINK, 2]
    fewer = opset14.avg_pool(
        means[0].input_value(0), window, [0, 0], [0, 0], window, True, "floor", "explicit"
    )
    means[0].output(0).replace(fewer.output(0))
    model.reshape(PartialShape([-1, 3, ROWS, -1]))
