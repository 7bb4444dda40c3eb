"""One change of a whole sample at a time, as another camera or hour would make it, and the words that name it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

Array = NDArray[Any]
Picture = Image.Image


@dataclass(frozen=True)
class Gap:
    """One change: its name, how it is made, and the themes of words (see `dsq.analyse.domains.words`) that name it."""

    name: str
    make: Callable[[Picture, np.random.Generator], Picture]
    themes: frozenset[str]


def _levels(change: Callable[[Array, np.random.Generator], Array]) -> Callable[[Picture, np.random.Generator], Picture]:
    """A change of levels 0 to 255 as floats."""

    def make(picture: Picture, rng: np.random.Generator) -> Picture:
        return Image.fromarray(np.clip(change(np.asarray(picture, np.float32), rng), 0, 255).astype(np.uint8))

    return make


def _blur(radius: float) -> Callable[[Picture, np.random.Generator], Picture]:
    return lambda picture, rng: picture.filter(ImageFilter.GaussianBlur(radius))


def _compress(picture: Picture, rng: np.random.Generator) -> Picture:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=25)
    return Image.open(out).convert("RGB")


def _scale(picture: Picture, share: float) -> Picture:
    size = max(8, round(picture.width * share)), max(8, round(picture.height * share))
    return picture.resize(size, Image.Resampling.BOX)


def _step_back(picture: Picture, rng: np.random.Generator) -> Picture:
    """Everything at .6 of its size; what comes into view is the picture mirrored."""
    small = np.asarray(_scale(picture, 0.6))
    rest = [(picture.height - small.shape[0]) // 2, (picture.width - small.shape[1]) // 2]
    sides = [(rest[0], picture.height - small.shape[0] - rest[0]), (rest[1], picture.width - small.shape[1] - rest[1])]
    return Image.fromarray(np.pad(small, [*sides, (0, 0)], mode="symmetric"))


def _step_near(picture: Picture, rng: np.random.Generator) -> Picture:
    """The middle at 1.5 times its size."""
    across, down = picture.width / 6, picture.height / 6
    box = (across, down, picture.width - across, picture.height - down)
    return picture.resize(picture.size, Image.Resampling.BICUBIC, box)


def _stamp(picture: Picture, rng: np.random.Generator) -> Picture:
    """A black bar with the camera's clock along the top."""
    out, high = picture.copy(), picture.height // 14
    pen = ImageDraw.Draw(out)
    pen.rectangle([0, 0, out.width, high], (0, 0, 0))
    pen.text((6, 1), f"CAM 02  2024-05-{rng.integers(10, 28)} 14:02:33", (255, 255, 255), ImageFont.load_default(high))
    return out


def _turn(operation: Image.Transpose) -> Callable[[Picture, np.random.Generator], Picture]:
    return lambda picture, rng: picture.transpose(operation)


#: with "detail" for scale: a picture cannot say how far away its objects are, but has more or fewer edges
GAPS = (
    Gap("levels + 15", _levels(lambda levels, rng: levels + 15), frozenset({"light"})),
    Gap("levels + 40", _levels(lambda levels, rng: levels + 40), frozenset({"light"})),
    Gap("levels − 25", _levels(lambda levels, rng: levels - 25), frozenset({"light"})),
    Gap("gamma 1.6", _levels(lambda levels, rng: 255 * (levels / 255) ** 1.6), frozenset({"light"})),
    Gap("blur 1 px", _blur(1), frozenset({"sharpness"})),
    Gap("blur 2.5 px", _blur(2.5), frozenset({"sharpness"})),
    Gap("noise 8", _levels(lambda levels, rng: levels + rng.normal(0, 8, levels.shape)), frozenset({"noise"})),
    Gap("JPEG 25", _compress, frozenset({"compression"})),
    Gap("half resolution", lambda picture, rng: _scale(picture, 0.5), frozenset({"resolution"})),
    Gap("zoom out × .6", _step_back, frozenset({"detail", "sharpness"})),
    Gap("zoom in × 1.5", _step_near, frozenset({"detail", "sharpness"})),
    Gap("saturation × .6", lambda picture, rng: ImageEnhance.Color(picture).enhance(0.6), frozenset({"colour"})),
    Gap("warm tint", _levels(lambda levels, rng: levels * np.array([1.1, 1, 0.88])), frozenset({"tint"})),
    Gap("camera's clock", _stamp, frozenset({"top edge", "scene"})),
    Gap("upside down", _turn(Image.Transpose.FLIP_TOP_BOTTOM), frozenset({"scene", "top edge", "bottom edge"})),
    Gap("rotated 90°", _turn(Image.Transpose.ROTATE_90), frozenset({"shape", "lines", "resolution"})),
)  # fmt: skip
