"""How vLLM tiles a picture for DeepSeek-OCR and DeepSeek-OCR-2: what it costs, what size fills it. Pure arithmetic.

The rule is the server's, not ours to choose: a picture larger than one tile is stretched to the grid of 2 to 6 tiles
whose shape is nearest, and a global view is added.
"""

from __future__ import annotations

from dataclasses import dataclass

from ocr_ops.model import PixelSize

MOST_TILES = 6
LONGEST_RATIO = 6.0
"""Height over width beyond which a picture no longer fits any grid and is squeezed."""
_LARGE_PX = 100_000
_GRIDS = sorted(
    {
        (columns, rows)
        for columns in range(1, MOST_TILES + 1)
        for rows in range(1, MOST_TILES + 1)
        if 2 <= columns * rows <= MOST_TILES
    },
    key=lambda grid: grid[0] * grid[1],
)


@dataclass(frozen=True, slots=True)
class Tiling:
    """One model's constants: side of a tile in pixels, tokens of the global view, tokens a row and a tile add."""

    tile_px: int
    global_tokens: int
    newline_tokens: bool

    def grid(self, size: PixelSize) -> tuple[int, int]:
        """Columns and rows of tiles that a picture is cut into; (0, 0) when the global view alone is used."""
        if max(size.width, size.height) <= self.tile_px:
            return 0, 0
        best, least = _GRIDS[0], float("inf")
        for columns, rows in _GRIDS:
            off = abs(size.width / size.height - columns / rows)
            larger = size.width * size.height > 0.5 * self.tile_px**2 * columns * rows
            if off < least or (off == least and larger):
                best, least = (columns, rows), off
        return best

    def scale(self, width: float, height: float) -> float:
        """Pixels per unit of length at which a page of `width` x `height` fills its tiles: more is not looked at.

        A page too long for any grid is read in parts, each one tile wide; a page too wide for any is shown on a larger
        sheet, as wide as all tiles.
        """
        if height > LONGEST_RATIO * width:
            return self.tile_px / width
        if width > LONGEST_RATIO * height:
            return MOST_TILES * self.tile_px / width
        large = _LARGE_PX / max(width, height)
        columns, rows = self.grid(PixelSize(round(width * large), round(height * large)))
        return max(columns * self.tile_px / width, rows * self.tile_px / height)

    def tokens(self, size: PixelSize) -> int:
        """Tokens of the prompt that the picture takes."""
        columns, rows = self.grid(size)
        if self.newline_tokens:
            return self.global_tokens + 10 * rows * (10 * columns + 1) * bool(columns)
        return self.global_tokens + 144 * columns * rows


DEEPSEEK_OCR = Tiling(tile_px=640, global_tokens=273, newline_tokens=True)
DEEPSEEK_OCR_2 = Tiling(tile_px=768, global_tokens=257, newline_tokens=False)


def expected_tokens(model: str, size: PixelSize, prompt: str) -> tuple[int, int]:
    """Fewest and most prompt tokens that a picture and a prompt take; (0, 0) for a model whose name is not known."""
    name = _plain(model)
    if "deepseek" not in name or "ocr" not in name:
        return 0, 0
    vision = tiling_of(model).tokens(size)
    return vision + 2 + len(prompt) // 8, vision + most_text_tokens(prompt)


def most_text_tokens(prompt: str) -> int:
    """No fewer tokens than a prompt takes, its begin and its line break included."""
    dense = sum(not character.isascii() or character.isdigit() for character in prompt)
    return 4 + len(prompt) // 3 + dense


def tiling_of(model: str) -> Tiling:
    """The tiling of a served model by its name; names that do not say are taken for DeepSeek-OCR."""
    return DEEPSEEK_OCR_2 if "ocr-2" in _plain(model) else DEEPSEEK_OCR


def _plain(model: str) -> str:
    return model.lower().replace("_", "-")
