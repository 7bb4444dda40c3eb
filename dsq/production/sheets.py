"""Contact sheets: many pictures on one, each with a line under it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

from dsq.printing import printable

WIDTH, HEIGHT, MARGIN, HEAD, FOOT = 240, 180, 12, 44, 40  # px: of a cell's picture, around it, above all, below it
COLUMNS, MOST = 6, 96  # cells
PAPER, INK, FAINT, FRAME = (250, 250, 248), (28, 28, 30), (110, 110, 114), (214, 214, 210)


class Cell(NamedTuple):
    """A picture's bytes, or None where it cannot be had; the line under it and a fainter one."""

    load: Callable[[], Image.Image | None]
    line: str
    faint: str


def draw_sheet(title: str, cells: Sequence[Cell]) -> bytes:
    """A JPEG of the first MOST cells in rows of COLUMNS under a title."""
    shown = cells[:MOST]
    columns = max(1, min(COLUMNS, len(shown)))
    rows = -(-len(shown) // columns)
    across, down = WIDTH + MARGIN, HEIGHT + FOOT + MARGIN
    sheet = Image.new("RGB", (max(MARGIN + columns * across, 640), HEAD + rows * down + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    head, text, small = (ImageFont.load_default(size) for size in (20, 13, 12))
    more = f" (the first {MOST} of {len(cells):,})" if len(cells) > MOST else ""
    pen.text((MARGIN, MARGIN), _cut(pen, title + more, head, sheet.width - 2 * MARGIN), INK, head)
    for number, cell in enumerate(shown):
        left, top = MARGIN + number % columns * across, HEAD + number // columns * down
        picture = cell.load()
        if picture is None:
            pen.rectangle([left, top, left + WIDTH - 1, top + HEIGHT - 1], outline=FRAME)
        else:
            fitted = ImageOps.contain(picture, (WIDTH, HEIGHT), Image.Resampling.LANCZOS)
            sheet.paste(fitted, (left + (WIDTH - fitted.width) // 2, top + HEIGHT - fitted.height))
        pen.text((left, top + HEIGHT + 4), _cut(pen, cell.line, text, WIDTH), INK, text)
        pen.text((left, top + HEIGHT + 21), _cut(pen, cell.faint, small, WIDTH), FAINT, small)
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=88)
    return out.getvalue()


def _cut(pen: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, without its middle where it is too long."""
    text = printable(text)
    keep = len(text)
    while pen.textlength(text, font) > width and keep > 4:
        keep -= 1
        half = keep // 2
        text = f"{text[:half].rstrip('…')}…{text[-(keep - half) :].lstrip('…')}"
    return text
