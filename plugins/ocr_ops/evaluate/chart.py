"""Figures -> the risk-coverage curve as SVG.

Written by hand: it is two axes and one line. A plotting library would bring 100 MB for it, and its pictures are no more readable. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ocr_ops.evaluate.figures import CurvePoint, Figures

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 520, 260, 52, 18, 14, 40
"""The picture and its margins, in SVG units."""

COLOURS = ("#1668dc", "#0d9488", "#9333ea", "#d97706", "#475569")
LEAST_TOP = 0.05
"""The risk axis reaches at least this far, so that a flawless curve is not stretched."""


def curve_svg(parts: Sequence[Figures], *, aim: float = 0.01) -> str:
    """Risk over coverage of every source, its place of work as a dot, and the aimed risk as a dashed line."""
    top = max([LEAST_TOP, *(point.risk for part in parts for point in part.curve)])
    lines = "".join(_curve(part, COLOURS[n % len(COLOURS)], top) for n, part in enumerate(parts))
    names = "".join(
        f'<text x="{LEFT + 10}" y="{TOP + 14 * (n + 1)}" fill="{COLOURS[n % len(COLOURS)]}">{escape(part.source)}</text>'
        for n, part in enumerate(parts)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="11"><title>Wrong documents among the surest ones</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{_axes(top)}'
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(aim, top):.1f}" y2="{_y(aim, top):.1f}" stroke="#d62828" '
        f'stroke-dasharray="4 3"/>{lines}{names}</svg>\n'
    )


def _curve(part: Figures, colour: str, top: float) -> str:
    if not part.curve:
        return ""
    points = " ".join(f"{_x(point):.1f},{_y(point.risk, top):.1f}" for point in part.curve)
    line = f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
    if not part.accepted:
        return line
    here = part.curve[part.accepted - 1]
    return line + f'<circle cx="{_x(here):.1f}" cy="{_y(here.risk, top):.1f}" r="4" fill="{colour}"/>'


def _x(point: CurvePoint) -> float:
    return LEFT + point.covered * (WIDTH - LEFT - RIGHT)


def _y(risk: float, top: float) -> float:
    return HEIGHT - BOTTOM - risk / top * (HEIGHT - TOP - BOTTOM)


def _axes(top: float) -> str:
    marks = [
        f'<text x="{LEFT + share * (WIDTH - LEFT - RIGHT):.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{share:.0%}</text>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    marks += [
        f'<text x="{LEFT - 5}" y="{_y(top * part, top) + 4:.1f}" text-anchor="end">{top * part:.1%}</text>'
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(top * part, top):.1f}" y2="{_y(top * part, top):.1f}" stroke="#e2e8f0"/>'
        for part in (0.0, 0.5, 1.0)
    ]
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    title = f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">documents accepted, surest first (dot: as judged)</text>'
    return "".join(marks) + title + f'<text x="4" y="{TOP - 6}">with a wrong critical value</text>'
