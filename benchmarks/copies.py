"""Copies of an image as augmenters, editors and exporters make them, each with the map from its original."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

Array = NDArray[Any]
Picture = Image.Image
#: a copy and the (2, 3) map from relative coordinates of the original to those of the copy
Made = tuple[Picture, Array]
STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class Kind:
    """One way of copying: its name, how it is done, and the share of copies to be found (None: only measured)."""

    name: str
    make: Callable[[Picture, np.random.Generator], Made]
    target: float | None = None


def encode(picture: Picture, quality: int = 90) -> bytes:
    """The picture as a JPEG file."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _jpeg(quality: int) -> Callable[[Picture, np.random.Generator], Made]:
    def make(picture: Picture, rng: np.random.Generator) -> Made:
        return Image.open(io.BytesIO(encode(picture, quality))), STILL

    return make


def _levels(change: Callable[[Array, np.random.Generator], Array]) -> Callable[[Picture, np.random.Generator], Made]:
    """A change of the pixel values alone; `change` takes and gives levels as floats."""

    def make(picture: Picture, rng: np.random.Generator) -> Made:
        levels = change(np.asarray(picture, np.float32), rng)
        return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)), STILL

    return make


def _salt(levels: Array, rng: np.random.Generator) -> Array:
    """A twentieth of the pixels black or white."""
    hit = rng.random(levels.shape[:2]) < 0.05
    out = levels.copy()
    out[hit] = rng.integers(0, 2, (int(hit.sum()), 1)) * 255.0
    return out


def _saturate(picture: Picture, rng: np.random.Generator) -> Made:
    return ImageEnhance.Color(picture).enhance(rng.uniform(0.4, 1.8)), STILL


def _grey(picture: Picture, rng: np.random.Generator) -> Made:
    return picture.convert("L").convert("RGB"), STILL


def _blur(picture: Picture, rng: np.random.Generator) -> Made:
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 300)), STILL


def _resize(width: float, height: float) -> Callable[[Picture, np.random.Generator], Made]:
    def make(picture: Picture, rng: np.random.Generator) -> Made:
        size = max(16, round(picture.width * width)), max(16, round(picture.height * height))
        return picture.resize(size, Image.Resampling.BILINEAR), STILL

    return make


def _square(picture: Picture, rng: np.random.Generator) -> Made:
    return picture.resize((640, 640), Image.Resampling.BICUBIC), STILL


def _text(picture: Picture, rng: np.random.Generator) -> Made:
    out = picture.copy()
    width, height = out.size
    font = ImageFont.load_default(max(10, width / 9))
    ImageDraw.Draw(out).text((0.08 * width, 0.75 * height), "SAMPLE 2024", (255, 255, 255), font)
    return out, STILL


def _cutout(picture: Picture, rng: np.random.Generator) -> Made:
    """Three black squares, each a tenth of the image's sides."""
    out = picture.copy()
    pen = ImageDraw.Draw(out)
    for x, y in rng.uniform(0, 0.9, (3, 2)):
        corner = x * out.width, y * out.height
        pen.rectangle([corner, (corner[0] + 0.1 * out.width, corner[1] + 0.1 * out.height)], (0, 0, 0))
    return out, STILL


def cut(picture: Picture, share: float, rng: np.random.Generator) -> Made:
    """A part of `share` of each side at a random place."""
    width, height = max(8, round(picture.width * share)), max(8, round(picture.height * share))
    left, top = rng.integers(0, picture.width - width + 1), rng.integers(0, picture.height - height + 1)
    part = picture.crop((left, top, left + width, top + height))
    across, down = picture.width / width, picture.height / height
    return part, np.array([[across, 0, -left / width], [0, down, -top / height]])


def _crop(share: float) -> Callable[[Picture, np.random.Generator], Made]:
    return lambda picture, rng: cut(picture, share, rng)


def _affine(picture: Picture, linear: Array, fill: bool) -> Made:
    """The image under `linear` (2, 2) about its centre; `fill`: black corners, else cut to what has none."""
    middle = np.array(picture.size) / 2
    back = np.linalg.inv(linear)
    offset = middle - back @ middle
    coefficients = (*back[0], offset[0], *back[1], offset[1])
    size = picture.size
    if not fill:  # mirror the surroundings in, then turn
        wide = np.pad(np.asarray(picture), ((size[1] // 2,) * 2, (size[0] // 2,) * 2, (0, 0)), mode="edge")
        margin = np.array([size[0] // 2, size[1] // 2])
        shift = offset + margin
        coefficients = (*back[0], shift[0], *back[1], shift[1])
        picture = Image.fromarray(wide)
    out = picture.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    scale = np.array(size, float)
    move = middle - linear @ middle
    return out, np.column_stack([linear * scale / scale[:, None], move / scale])


def _rotate(degrees: float, fill: bool = True) -> Callable[[Picture, np.random.Generator], Made]:
    def make(picture: Picture, rng: np.random.Generator) -> Made:
        angle = math.radians(degrees) * rng.choice([-1, 1])
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        return _affine(picture, turn, fill)

    return make


def _shear(picture: Picture, rng: np.random.Generator) -> Made:
    across, down = np.tan(np.radians(rng.uniform(-8, 8, 2)))
    return _affine(picture, np.array([[1, across], [down, 1]]), True)


def _letterbox(level: int) -> Callable[[Picture, np.random.Generator], Made]:
    def make(picture: Picture, rng: np.random.Generator) -> Made:
        """Padded to a square; a square is padded to 4:3."""
        width, height = picture.size
        side = max(width, height)
        frame = (side, side) if max(width, height) / min(width, height) > 1.05 else (round(side * 4 / 3), side)
        out = Image.new("RGB", frame, (level,) * 3)
        left, top = (frame[0] - width) // 2, (frame[1] - height) // 2
        out.paste(picture, (left, top))
        across, down = width / frame[0], height / frame[1]
        return out, np.array([[across, 0, left / frame[0]], [0, down, top / frame[1]]])

    return make


def turned(picture: Picture, orientation: int) -> Made:
    """The picture in one of the eight orientations of `dsq.measure.probes.turn`."""
    map_ = STILL
    if orientation & 4:
        picture = picture.transpose(Image.Transpose.TRANSPOSE)
        map_ = map_[::-1]
    if orientation & 1:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        map_ = map_ * [[-1], [1]] + [[0, 0, 1], [0, 0, 0]]
    if orientation & 2:
        picture = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        map_ = map_ * [[1], [-1]] + [[0, 0, 0], [0, 0, 1]]
    return picture, map_


def _turn(*orientations: int) -> Callable[[Picture, np.random.Generator], Made]:
    return lambda picture, rng: turned(picture, int(rng.choice(orientations)))


def _then(*steps: Callable[[Picture, np.random.Generator], Made]) -> Callable[[Picture, np.random.Generator], Made]:
    def make(picture: Picture, rng: np.random.Generator) -> Made:
        whole = np.eye(3)
        for step in steps:
            picture, map_ = step(picture, rng)
            whole = np.vstack([map_, [0, 0, 1]]) @ whole
        return picture, whole[:2]

    return make


_bright = _levels(lambda levels, rng: levels + 30)
KINDS = (
    Kind("JPEG, quality 50", _jpeg(50), 1.0),
    Kind("JPEG, quality 20", _jpeg(20), 1.0),
    Kind("half size", _resize(0.5, 0.5), 1.0),
    Kind("stretched to a square", _square, 1.0),
    Kind("grey", _grey, 1.0),
    Kind("brighter by 30", _bright, 1.0),
    Kind("darker by 30", _levels(lambda levels, rng: levels - 30), 1.0),
    Kind("contrast × 1.4", _levels(lambda levels, rng: (levels - 128) * 1.4 + 128), 1.0),
    Kind("gamma 0.6", _levels(lambda levels, rng: 255 * (levels / 255) ** 0.6), 1.0),
    Kind("saturation × 0.4–1.8", _saturate),
    Kind("blur, σ 1/300 of the side", _blur, 1.0),
    Kind("noise, σ 12", _levels(lambda levels, rng: levels + rng.normal(0, 12, levels.shape)), 1.0),
    Kind("5 % of pixels black or white", _levels(_salt)),
    Kind("crop 5 %", _crop(0.95), 1.0),
    Kind("crop 10 %", _crop(0.9)),
    Kind("crop 15 %", _crop(0.85), 0.88),
    Kind("crop 20 %", _crop(0.8)),
    Kind("rotated 3°, edges repeated", _rotate(3, fill=False), 1.0),
    Kind("rotated 3°, black corners", _rotate(3), 1.0),
    Kind("rotated 7°, black corners", _rotate(7)),
    Kind("rotated 15°, black corners", _rotate(15)),
    Kind("sheared up to 8°", _shear),
    Kind("letterbox, grey", _letterbox(114), 1.0),
    Kind("letterbox, black", _letterbox(0), 1.0),
    Kind("flipped left to right", _turn(1), 1.0),
    Kind("flipped upside down", _turn(2), 1.0),
    Kind("turned by quarters", _turn(3, 5, 6), 1.0),
    Kind("mirrored at a diagonal", _turn(4, 7), 1.0),
    Kind("text over it", _text, 0.98),
    Kind("three squares cut out", _cutout),
    Kind("flipped, brighter, JPEG", _then(_turn(1), _bright, _jpeg(60))),
    Kind("flipped, crop 5 %", _then(_turn(1), _crop(0.95))),
    Kind("flipped, crop 15 %", _then(_turn(1), _crop(0.85))),
    Kind("crop 5 %, letterbox", _then(_crop(0.95), _letterbox(114))),
    Kind("letterbox, square 640", _then(_letterbox(114), _square)),
)
