import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_ops.geometry import around, to_grid, to_pixels, turned, turned_back, vertical_overlap
from ocr_ops.model import GRID_MAX, GridBox, PixelBox, PixelSize

HUNDREDTH = 0.005 + 1e-9
coordinates = st.floats(0, GRID_MAX).map(lambda value: round(value, 2))
quarter_turns = st.sampled_from((0, 90, 180, 270))
sizes = st.builds(PixelSize, st.integers(1, 20_000), st.integers(1, 20_000))
anywhere = st.floats(-1e6, 1e6)


@st.composite
def boxes(draw: st.DrawFn) -> GridBox:
    x1, x2 = sorted((draw(coordinates), draw(coordinates)))
    y1, y2 = sorted((draw(coordinates), draw(coordinates)))
    return GridBox(x1, y1, x2, y2)


def sides(box: GridBox | PixelBox) -> tuple[float, float, float, float]:
    return box.x1, box.y1, box.x2, box.y2


@given(boxes(), sizes)
def test_a_box_on_the_grid_lies_inside_the_picture(box: GridBox, size: PixelSize):
    pixels = to_pixels(box, size)

    assert 0 <= pixels.x1 <= pixels.x2 <= size.width
    assert 0 <= pixels.y1 <= pixels.y2 <= size.height


@given(sizes)
def test_the_whole_grid_is_the_whole_picture(size: PixelSize):
    assert to_pixels(GridBox(0, 0, GRID_MAX, GRID_MAX), size) == PixelBox(0, 0, size.width, size.height)


@given(boxes(), sizes)
def test_grid_to_pixels_and_back_is_off_by_half_a_pixel_at_most(box: GridBox, size: PixelSize):
    pixels = to_pixels(box, size)

    again = to_grid(*sides(pixels), size.width, size.height)

    for before, after, length in zip(sides(box), sides(again), (size.width, size.height) * 2, strict=True):
        assert abs(before - after) <= 0.5 * GRID_MAX / length + HUNDREDTH


@given(boxes(), st.floats(1, 1e5), st.floats(1, 1e5))
def test_any_unit_gives_the_same_place_on_the_grid(box: GridBox, width: float, height: float):
    kx, ky = width / GRID_MAX, height / GRID_MAX

    again = to_grid(box.x1 * kx, box.y1 * ky, box.x2 * kx, box.y2 * ky, width, height)

    assert sides(again) == pytest.approx(sides(box), abs=0.0101)


@given(anywhere, anywhere, anywhere, anywhere, st.floats(1, 1e5), st.floats(1, 1e5))
def test_what_stands_off_the_page_is_clipped_and_corners_are_put_in_order(
    x1: float, y1: float, x2: float, y2: float, width: float, height: float
):
    box = to_grid(x1, y1, x2, y2, width, height)

    assert 0 <= box.x1 <= box.x2 <= GRID_MAX
    assert 0 <= box.y1 <= box.y2 <= GRID_MAX
    assert box == to_grid(x2, y2, x1, y1, width, height)


@given(boxes(), quarter_turns)
def test_turning_back_undoes_turning(box: GridBox, degrees: int):
    assert sides(turned_back(turned(box, degrees), degrees)) == pytest.approx(sides(box), abs=1e-9)


@given(boxes(), quarter_turns, quarter_turns)
def test_two_turns_are_one_turn_of_their_sum(box: GridBox, first: int, second: int):
    assert sides(turned(turned(box, first), second)) == pytest.approx(
        sides(turned(box, first + second)), abs=1e-9
    )


@given(boxes(), quarter_turns)
def test_a_turned_box_keeps_its_order_and_its_sides(box: GridBox, degrees: int):
    after = turned(box, degrees)
    lengths = (box.x2 - box.x1, box.y2 - box.y1)

    assert 0 <= after.x1 <= after.x2 <= GRID_MAX
    assert 0 <= after.y1 <= after.y2 <= GRID_MAX
    expected = lengths if degrees in (0, 180) else lengths[::-1]
    assert (after.x2 - after.x1, after.y2 - after.y1) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("degrees", "corner"),
    [(0, (0, 0, 10, 20)), (90, (979, 0, 999, 10)), (180, (989, 979, 999, 999)), (270, (0, 989, 20, 999))],
)
def test_the_top_left_corner_goes_round_clockwise(degrees: int, corner: tuple[float, ...]):
    assert sides(turned(GridBox(0, 0, 10, 20), degrees)) == corner


@pytest.mark.parametrize("degrees", [1, 45, -30, 359])
def test_a_page_turns_by_quarter_turns_only(degrees: int):
    with pytest.raises(ValueError, match="quarter turns"):
        turned(GridBox(0, 0, 1, 1), degrees)


@given(st.lists(boxes(), min_size=1, max_size=5))
def test_the_box_around_touches_the_outermost_on_every_side(several: list[GridBox]):
    whole = around(tuple(several))

    assert whole.x1 in {box.x1 for box in several}
    assert whole.y2 in {box.y2 for box in several}
    assert all(whole.x1 <= box.x1 and whole.y1 <= box.y1 for box in several)
    assert all(whole.x2 >= box.x2 and whole.y2 >= box.y2 for box in several)


def test_there_is_no_box_around_nothing():
    with pytest.raises(ValueError, match="no box"):
        around(())


@given(boxes(), boxes())
def test_vertical_overlap_is_a_share_and_the_same_both_ways(one: GridBox, other: GridBox):
    share = vertical_overlap(one, other)

    assert 0 <= share <= 1
    assert share == vertical_overlap(other, one)


def test_vertical_overlap_is_measured_by_the_lower_box():
    assert vertical_overlap(GridBox(0, 0, 5, 100), GridBox(50, 90, 60, 110)) == 0.5
    assert vertical_overlap(GridBox(0, 0, 5, 100), GridBox(50, 20, 60, 40)) == 1.0
    assert vertical_overlap(GridBox(0, 0, 5, 10), GridBox(0, 10, 5, 20)) == 0.0
