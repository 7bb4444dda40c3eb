"""A set whose pictures, not its labels, are at fault."""

from __future__ import annotations

import io
from collections.abc import Callable

from layouts import Members, Picture, Yolo
from PIL import Image, ImageFilter
from planting import Flaw, jpeg
from sets import QUALITY, Album, classes_of

Made = dict[str, tuple[Members, list[Flaw]]]
Develop = Callable[[Image.Image], bytes]
GREY = (92, 96, 90)
DATASET = "bad-pictures-yolo.zip"


def _brighter(image: Image.Image, gain: float, lift: float = 0.0) -> bytes:
    return jpeg(image.point([min(round(level * gain + lift), 255) for level in range(256)] * 3), 75)


def _plain_jpeg(image: Image.Image) -> bytes:
    """A JPEG of one scan, which shows less the earlier it ends."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95)
    return stream.getvalue()


def _cut(image: Image.Image) -> bytes:
    data = _plain_jpeg(image)
    return data[: len(data) * 6 // 10]


def _holed(image: Image.Image) -> bytes:
    data = _plain_jpeg(image.resize((image.width * 2, image.height * 2)))
    start = len(data) - 900
    return data[:start] + bytes(700) + data[start + 700 :]


def _cmyk(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.convert("CMYK").save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


FAULTS: tuple[tuple[str, Develop, str], ...] = (
    ("truncated-image", _cut, "The file ends after six tenths."),
    ("truncated-image", _holed, "700 bytes within the pixels are zeros."),
    ("odd-mode", _cmyk, "Saved as CMYK."),
    ("odd-mode", lambda image: jpeg(image.convert("L"), QUALITY), "Saved as greyscale, the others in colour."),
    ("dark-image", lambda image: _brighter(image, 0.15), "Exposed a seventh as long as the others."),
    ("bright-image", lambda image: _brighter(image, 3.0, 60.0), "Burnt out."),
    ("blurry-image", lambda image: jpeg(image.filter(ImageFilter.GaussianBlur(2.5)), 75), "Out of focus."),
    ("low-information-image", lambda image: jpeg(Image.new("RGB", image.size, GREY), QUALITY), "Nothing but grey."),
)


def bad_pictures() -> Made:
    """The set: name to members and rows."""
    album = Album()
    album.fill("train", 26, "pothole", "crack")
    album.fill("val", 6, "pothole", "crack")
    layout = Yolo(album.pictures, classes=classes_of(album.pictures))
    chosen = iter(album.pictures[2:])
    rows = []
    for rule, develop, what in FAULTS:
        spot = next(chosen)
        with Image.open(io.BytesIO(spot.data)) as image:
            spot.data = develop(image.convert("RGB"))
        rows.append(Flaw(DATASET, rule, layout.image(spot), "", what, ""))
    strip, thumbnail = next(chosen), next(chosen)
    _shape(strip, (strip.width * 2, 24))
    _shape(thumbnail, (24, 18))
    rows += [
        Flaw(DATASET, "odd-aspect-image", layout.image(strip), "", "A strip of bare road.", ""),
        Flaw(DATASET, "odd-size-image", layout.image(thumbnail), "", "A thumbnail of bare road.", ""),
    ]
    return {DATASET: (Yolo(album.pictures, classes=layout.classes).members(), rows)}


def _shape(spot: Picture, size: tuple[int, int]) -> None:
    """Another size, and nothing on it."""
    with Image.open(io.BytesIO(spot.data)) as image:
        road = image.convert("RGB").crop((0, 0, image.width, image.height // 4))
    spot.data = jpeg(road.resize(size, Image.Resampling.BICUBIC), 75)
    (spot.width, spot.height), spot.things = size, []
