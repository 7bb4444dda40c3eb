"""Where pixels go when an image is turned, resized and padded; boxes that follow them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.model import Table

Array = NDArray[Any]

#: EXIF orientation -> x' = a·x + b·y + c·w + d·h, y' likewise, in a stored frame of w × h
_TURNS = np.array(
    [
        [1, 0, 0, 0, 0, 1, 0, 0],
        [1, 0, 0, 0, 0, 1, 0, 0],
        [-1, 0, 1, 0, 0, 1, 0, 0],
        [-1, 0, 1, 0, 0, -1, 0, 1],
        [1, 0, 0, 0, 0, -1, 0, 1],
        [0, 1, 0, 0, 1, 0, 0, 0],
        [0, -1, 0, 1, 1, 0, 0, 0],
        [0, -1, 0, 1, -1, 0, 1, 0],
        [0, 1, 0, 0, -1, 0, 1, 0],
    ],
    float,
)


@dataclass(frozen=True)
class Moves:
    """One move an image, (n,) arrays: turned by the EXIF orientation `orient` (1: not), resized from
    `width` × `height` (of the frame that the boxes are in, before the turn) to `new_width` × `new_height`, put
    at `left`, `top` of a frame of `full_width` × `full_height`. All in pixels.
    """

    orient: Array
    width: Array
    height: Array
    new_width: Array
    new_height: Array
    left: Array
    top: Array
    full_width: Array
    full_height: Array

    @property
    def coefficients(self) -> Array:
        """(n, 6) a b c d e f of x' = a·x + b·y + c, y' = d·x + e·y + f."""
        turn = _TURNS[self.orient]
        swapped = self.orient >= 5
        x_scale = self.new_width / np.where(swapped, self.height, self.width)
        y_scale = self.new_height / np.where(swapped, self.width, self.height)
        found = np.empty((len(turn), 6))
        for row, scale, shift in ((0, x_scale, self.left), (1, y_scale, self.top)):
            part = turn[:, 4 * row : 4 * row + 4]
            found[:, 3 * row] = part[:, 0] * scale
            found[:, 3 * row + 1] = part[:, 1] * scale
            found[:, 3 * row + 2] = (part[:, 2] * self.width + part[:, 3] * self.height) * scale + shift
        return found


def move_boxes(boxes: Table, coefficients: Array) -> dict[str, Array]:
    """New columns x, y, width, height and area; coefficients (n, 6): the move of each box's image.

    A negative width or height stays one.
    """
    x, y = boxes["x"].to_numpy(), boxes["y"].to_numpy()
    width, height = boxes["width"].to_numpy(), boxes["height"].to_numpy()
    a, b, c, d, e, f = coefficients.T
    return {
        "x": a * (x + (a < 0) * width) + b * (y + (b < 0) * height) + c,
        "y": d * (x + (d < 0) * width) + e * (y + (e < 0) * height) + f,
        "width": np.abs(a) * width + np.abs(b) * height,
        "height": np.abs(d) * width + np.abs(e) * height,
        "area": boxes["area"].to_numpy() * np.abs(a * e - b * d),
    }
