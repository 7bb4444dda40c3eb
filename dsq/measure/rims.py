"""Crops around boxes, all of one size: the box in the middle, a ring of its surroundings about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Array = NDArray[Any]

#: pixels of a crop: its side, of that the ring at each end, the box in the middle
SIDE, RING = 96, 20
BOX = SIDE - 2 * RING
#: chroma is cut half as finely
COARSE = SIDE // 2
_MOST_REDUCED = 64


class Crops(NamedTuple):
    """luma (n, SIDE, SIDE), chroma (n, 2, COARSE, COARSE) uint8; beyond (n, 4) float32: the share of the ring that lies
    outside of the image to the left, top, right and bottom, where its last pixels are repeated.
    """

    luma: Array
    chroma: Array
    beyond: Array


class Levels:
    """The planes of an image and their halvings, made when a crop asks for them."""

    def __init__(self, planes: Array, size: tuple[int, int]) -> None:
        """planes: (height, width, 3) luma and chroma, perhaps reduced; size: stored width and height."""
        from PIL import Image

        self.size = size
        height, width = planes.shape[:2]
        self._scale = size[0] / width, size[1] / height
        bands = Image.frombytes("YCbCr", (width, height), planes.tobytes()).split()
        self._levels: dict[tuple[int, int], Image] = {(band, 1): plane for band, plane in enumerate(bands)}

    def cut(self, corners: Array) -> Crops:
        """Crops of boxes (n, 4) in stored pixels; a side is taken to be 2 px at least."""
        count = len(corners)
        luma = np.empty((count, SIDE, SIDE), np.uint8)
        chroma = np.empty((count, 2, COARSE, COARSE), np.uint8)
        beyond = np.empty((count, 4), np.float32)
        for number, (x0, y0, x1, y1) in enumerate(corners.tolist()):
            x, y = (
                Span((x0 + x1) / 2, max(x1 - x0, 2.0), self.size[0]),
                Span((y0 + y1) / 2, max(y1 - y0, 2.0), self.size[1]),
            )
            factor = _reduction(min(x.step / self._scale[0], y.step / self._scale[1]))
            self._fill(0, factor, x.pixels(SIDE), y.pixels(SIDE), luma[number])
            for band in (1, 2):
                self._fill(band, factor * 2, x.pixels(COARSE), y.pixels(COARSE), chroma[number, band - 1])
            beyond[number] = x.before, y.before, x.after, y.after
        return Crops(luma, chroma, beyond)

    def _fill(self, band: int, factor: int, x: Pixels, y: Pixels, crop: Array) -> None:
        """Resample a part of a plane into a crop, and repeat its last pixels where the image ends."""
        level = self._reduced(band, min(factor, _MOST_REDUCED))
        across, down = level.width / self.size[0], level.height / self.size[1]
        box = (x.low * across, y.low * down, min(x.high * across, level.width), min(y.high * down, level.height))
        part = level.resize((x.last - x.first, y.last - y.first), 2, box=box)  # 2: bilinear, over areas
        inner = np.frombuffer(part.tobytes(), np.uint8).reshape(part.height, part.width)
        if inner.shape == crop.shape:
            crop[:] = inner
            return
        ends = ((y.first, len(crop) - y.last), (x.first, len(crop) - x.last))
        crop[:] = np.pad(inner, ends, mode="edge")

    def _reduced(self, band: int, factor: int) -> Image:
        key = band, factor
        if key not in self._levels:
            level = self._reduced(band, factor // 2)
            self._levels[key] = level.reduce(2) if min(level.size) > 1 else level
        return self._levels[key]


class Pixels(NamedTuple):
    """Which pixels of a crop lie inside the image along an axis, and from where to where they reach in it."""

    first: int
    last: int
    low: float
    high: float


class Span:
    """A crop along one axis. step: stored pixels a pixel. before, after: shares of the ring beyond the image."""

    def __init__(self, centre: float, length: float, size: int) -> None:
        self.size = size
        self.step = length / BOX
        self.start = centre - SIDE / 2 * self.step
        whole = self.pixels(SIDE)
        self.before, self.after = min(whole.first / RING, 1.0), min((SIDE - whole.last) / RING, 1.0)

    def pixels(self, count: int) -> Pixels:
        """The pixels of a crop with `count` of them; at least one of them, and a part of the image, is inside."""
        step = self.step * SIDE / count
        first = min(max(int(np.ceil(-self.start / step - 0.5)), 0), count - 1)
        last = min(max(int(np.floor((self.size - self.start) / step + 0.5)), first + 1), count)
        low = min(max(self.start + first * step, 0.0), self.size - 0.5)
        return Pixels(first, last, low, max(min(self.start + last * step, float(self.size)), low + 0.5))


def _reduction(step: float) -> int:
    """The power of two that an image can be reduced by without losing what a crop of this step shows."""
    factor = 1
    while factor * 2 <= step and factor < _MOST_REDUCED:
        factor *= 2
    return factor
