"""The 0-999 grid <-> pixels <-> PDF points, and quarter turns. Nothing else converts a coordinate."""

from __future__ import annotations

from ocr_ops.model import GRID_MAX, GridBox, PixelBox, PixelSize


def to_pixels(box: GridBox, size: PixelSize) -> PixelBox:
    """Scale from the grid to a picture; 999 is its far edge, as in the authors' scripts."""
    sx, sy = size.width / GRID_MAX, size.height / GRID_MAX
    return PixelBox(round(box.x1 * sx), round(box.y1 * sy), round(box.x2 * sx), round(box.y2 * sy))


def to_grid(x1: float, y1: float, x2: float, y2: float, width: float, height: float) -> GridBox:
    """Scale a rectangle in any unit (pixels, points) of a page of `width` x `height` to the grid, clipped to it.

    Kept to two decimals: a hundredth of a grid unit is under a tenth of a pixel on any page we read.
    """
    kx, ky = GRID_MAX / width, GRID_MAX / height
    xs = sorted((_on_grid(x1 * kx), _on_grid(x2 * kx)))
    ys = sorted((_on_grid(y1 * ky), _on_grid(y2 * ky)))
    return GridBox(xs[0], ys[0], xs[1], ys[1])


def _on_grid(value: float) -> float:
    return round(min(max(value, 0.0), float(GRID_MAX)), 2)


def from_area(box: GridBox, area: PixelBox, size: PixelSize) -> GridBox:
    """Where a box on the grid of a part of a picture lies on the grid of the whole; `area` is the part in pixels."""
    sx, sy = (area.x2 - area.x1) / GRID_MAX, (area.y2 - area.y1) / GRID_MAX
    return to_grid(
        area.x1 + box.x1 * sx,
        area.y1 + box.y1 * sy,
        area.x1 + box.x2 * sx,
        area.y1 + box.y2 * sy,
        size.width,
        size.height,
    )


def through(box: GridBox, way: tuple[float, ...], shown: PixelSize, page: PixelSize) -> GridBox:
    """The smallest box on a page around a box of the picture that was shown; `way` as in `Prepared.to_page`.

    Both boxes are on the grid of their own picture; what falls off the page is clipped.
    """
    if not way:
        return box
    sx, sy = shown.width / GRID_MAX, shown.height / GRID_MAX
    places = [_mapped(x * sx, y * sy, way) for x in (box.x1, box.x2) for y in (box.y1, box.y2)]
    xs, ys = [x for x, _ in places], [y for _, y in places]
    return to_grid(min(xs), min(ys), max(xs), max(ys), page.width, page.height)


def _mapped(x: float, y: float, way: tuple[float, ...]) -> tuple[float, float]:
    a, b, c, d, e, f, g, h, i = way
    depth = g * x + h * y + i
    return (a * x + b * y + c) / depth, (d * x + e * y + f) / depth


def turned(box: GridBox, degrees: int) -> GridBox:
    """Where a box of a page lies after the page was turned clockwise by 0, 90, 180 or 270 degrees."""
    m = GRID_MAX
    match degrees % 360:
        case 0:
            return box
        case 90:
            return GridBox(m - box.y2, box.x1, m - box.y1, box.x2)
        case 180:
            return GridBox(m - box.x2, m - box.y2, m - box.x1, m - box.y1)
        case 270:
            return GridBox(box.y1, m - box.x2, box.y2, m - box.x1)
    raise ValueError(f"pages turn by quarter turns, not by {degrees} degrees")


def turned_back(box: GridBox, degrees: int) -> GridBox:
    """Undo `turned`: from the upright picture to the page as the file has it."""
    return turned(box, -degrees)


def around(boxes: tuple[GridBox, ...]) -> GridBox:
    """The smallest box that holds all of `boxes`; ValueError when there is none."""
    if not boxes:
        raise ValueError("no box to go around")
    return GridBox(
        min(b.x1 for b in boxes), min(b.y1 for b in boxes), max(b.x2 for b in boxes), max(b.y2 for b in boxes)
    )


def vertical_overlap(a: GridBox, b: GridBox) -> float:
    """Shared height as a share of the smaller height, 0..1."""
    shared = min(a.y2, b.y2) - max(a.y1, b.y1)
    smaller = min(a.y2 - a.y1, b.y2 - b.y1)
    return max(0.0, shared) / smaller if smaller > 0 else 0.0
