"""Flaws that all three formats can hold: planted into the pictures before any format is written."""

from __future__ import annotations

import io
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace

from layouts import Layout, Picture
from PIL import Image
from scenes import Scene, Thing
from streets import HEIGHT, REPERTOIRE, WIDTH, Spot, spotted, street

COUNT = 70
BACKGROUNDS = (11, 28, 45, 66)
PORTRAITS = (15, 40)
PLACED: dict[int, Spot] = {
    15: ("pothole", 0.5, 0.82, 0.25),
    59: ("pothole", 0.9, 0.6, 0.24),
    62: ("manhole", 0.45, 0.93, 0.19),
    65: ("pothole", 0.1, 0.62, 0.22),
}
"""Scenes with one thing at a stated place: low in a portrait, or cut by the border."""
ALL = ("voc", "coco", "yolo")


@dataclass(frozen=True)
class Flaw:
    """A row of flaws.csv."""

    dataset: str
    rule: str
    image: str
    place: str
    what: str
    also: str


@dataclass(frozen=True)
class Mark:
    """A flaw planted in a picture, before it is known how a format names the picture."""

    rule: str
    picture: Picture
    number: int | None
    what: str
    also: str = ""
    formats: tuple[str, ...] = ALL

    def row(self, dataset: str, layout: Layout) -> Flaw:
        """The row of flaws.csv in one format's words."""
        place = "" if self.number is None else layout.place(self.picture, self.number)
        return Flaw(dataset, self.rule, layout.image(self.picture), place, self.what, self.also)


@dataclass
class Field:
    """Pictures to plant in, those still untouched, one that got lost, and the marks made so far."""

    pictures: list[Picture]
    free: list[Picture]
    stray: Picture
    marks: list[Mark] = field(default_factory=list)

    def take(self, *kinds: str, split: str = "train") -> Picture:
        """The next untouched picture of a split with exactly these things on it."""
        for k, picture in enumerate(self.free):
            if picture.split == split and tuple(t.name for t in picture.things) == kinds:
                return self.free.pop(k)
        raise LookupError(f"no untouched picture of {split} shows {kinds}")

    def copy(self) -> Field:
        """A copy to go on planting in, for one format."""
        return deepcopy(self)


def jpeg(image: Image.Image, quality: int = 48, exif: Image.Exif | None = None) -> bytes:
    """JPEG bytes of an image."""
    stream = io.BytesIO()
    extra = {} if exif is None else {"exif": exif}
    gradual = image.width > 160
    image.save(stream, "JPEG", quality=quality, optimize=True, progressive=gradual, **extra)
    return stream.getvalue()


def picture(stem: str, split: str, scene: Scene, quality: int = 48) -> Picture:
    """A properly labelled picture of a scene."""
    size = scene.image.size
    return Picture(stem, split, jpeg(scene.image, quality), *size, list(scene.things))


def street_set() -> list[Picture]:
    """The 70 street scenes without any flaw: 54 to train and 16 to validate, four of them bare road."""
    pictures = []
    for k in range(COUNT):
        kinds = () if k in BACKGROUNDS else ("pothole",) if k in PORTRAITS else REPERTOIRE[k % 10]
        stem = f"street_{k + 1:04d}"
        wide, high = (HEIGHT, WIDTH) if k in PORTRAITS else (WIDTH, HEIGHT)
        if k in PLACED:
            scene = spotted(stem, (PLACED[k],), width=wide, height=high)
        else:
            scene = street(stem, kinds, width=wide, height=high)
        split = "val" if k % 9 in (2, 6) else "train"
        pictures.append(picture(stem, split, scene))
    return sorted(pictures, key=lambda p: p.split)


def plant_common(pictures: list[Picture]) -> Field:
    """Plant what any format can hold, one flaw a picture."""
    sideways = [p for p in pictures if p.width < p.height]
    stray = next(p for p in reversed(pictures) if p.split == "train" and len(p.things) == 2)
    kept = [p for p in pictures if p is not stray]
    ground = Field(kept, [p for p in kept if p not in sideways], stray)
    _plant_files(ground, sideways)
    for rule, kinds, change, number, what, also in BOX_FLAWS:
        spot = ground.take(*kinds)
        spot.things = change(spot.things)
        ground.marks.append(Mark(rule, spot, number, what, also))
    spot = ground.take("pothole", "pothole")
    spot.labelled = False
    nothing = "The picture shows two potholes, but nothing was said about it."
    ground.marks += [
        Mark("unlabelled-image", spot, None, nothing, "", ("voc", "yolo")),
        Mark("orphan-image", spot, None, f"{nothing} No record names the file.", "unlabelled-image", ("coco",)),
    ]
    return ground


def _plant_files(ground: Field, sideways: list[Picture]) -> None:
    page = ground.take("pothole")
    page.data = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"
    empty = ground.take("crack")
    empty.data = b""
    webp = ground.take("manhole")
    with Image.open(io.BytesIO(webp.data)) as image:
        stream = io.BytesIO()
        image.save(stream, "WEBP", quality=40, method=4)
    webp.data = stream.getvalue()
    stored, shown = sideways
    upright = list(shown.things)
    for spot in sideways:
        _lay_on_side(spot)
    shown.things, shown.told_size = upright, (shown.height, shown.width)
    says = "EXIF says to turn the picture by 90 degrees when it is shown;"
    turned = f"{says} its box was drawn on the turned picture."
    ground.marks += [
        Mark("unreadable-image", page, None, "A web server's error page, saved as .jpg."),
        Mark("unreadable-image", empty, None, "The image file has no bytes."),
        Mark("wrong-extension", webp, None, "A WebP file that is named .jpg."),
        Mark("exif-rotated", stored, None, f"{says} its box fits the pixels as they are stored.", "odd-aspect-box"),
        Mark("exif-rotated", shown, None, turned, "size-mismatch box-outside-image odd-aspect-box", ("voc", "coco")),
        Mark("exif-rotated", shown, None, turned, "odd-aspect-box", ("yolo",)),
    ]


def _lay_on_side(spot: Picture) -> None:
    """Store an upright picture turned left, with the EXIF tag that turns it back; boxes go along."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(spot.data)) as image:
        spot.data = jpeg(image.transpose(Image.Transpose.ROTATE_90), exif=exif)
    wide = spot.width
    spot.width, spot.height = spot.height, spot.width
    turned = []
    for thing in spot.things:
        x0, y0, x1, y1 = thing.box
        outline = tuple((y, wide - x) for x, y in thing.outline)
        turned.append(Thing(thing.name, (y0, wide - x1, y1, wide - x0), outline))
    spot.things = turned


Things = list[Thing]


def _boxed(thing: Thing, x0: int, y0: int, x1: int, y1: int) -> Thing:
    return replace(thing, box=(x0, y0, x1, y1), outline=())


def _turned_over(things: Things) -> Things:
    x0, y0, x1, y1 = things[0].box
    return [_boxed(things[0], x1, y0, x0, y1), *things[1:]]


def _flat(things: Things) -> Things:
    x0, y0, x1, _ = things[-1].box
    return [*things[:-1], _boxed(things[-1], x0, y0, x1, y0)]


def _moved(things: Things, left: int) -> Things:
    x0, y0, x1, y1 = things[0].box
    return [_boxed(things[0], left, y0, left + x1 - x0, y1), *things[1:]]


def _nudged(things: Things) -> Things:
    x0, y0, x1, y1 = things[0].box
    return [*things, _boxed(things[0], x0 + 1, y0, x1 + 1, y1)]


def _strip(things: Things) -> Things:
    middle = (things[0].box[1] + things[0].box[3]) // 2
    return [_boxed(things[0], 20, middle - 3, 300, middle + 4), *things[1:]]


BoxFlaw = tuple[str, tuple[str, ...], Callable[[Things], Things], int, str, str]
BOX_FLAWS: tuple[BoxFlaw, ...] = (
    (
        "degenerate-box",
        ("pothole",),
        _turned_over,
        0,
        "Left and right edge are swapped: the width is negative.",
        "",
    ),
    ("degenerate-box", ("pothole", "crack"), _flat, 1, "The crack's box has no height.", ""),
    (
        "box-outside-image",
        ("pothole",),
        lambda things: _moved(things, WIDTH - 60),
        0,
        "A good part of the box lies beyond the right edge.",
        "",
    ),
    (
        "box-outside-image",
        ("pothole", "manhole"),
        lambda things: _moved(things, WIDTH + 12),
        0,
        "The whole box lies beyond the right edge.",
        "",
    ),
    (
        "duplicate-box",
        ("pothole",),
        lambda things: [*things, things[0]],
        1,
        "The same pothole twice, to the digit.",
        "",
    ),
    (
        "duplicate-box",
        ("pothole", "pothole"),
        _nudged,
        2,
        "The first pothole again, one pixel to the right.",
        "",
    ),
    (
        "two-classes-one-object",
        ("pothole",),
        lambda things: [*things, replace(things[0], name="manhole")],
        1,
        "One object, labelled as pothole and as manhole with the same box.",
        "",
    ),
    (
        "tiny-box",
        ("pothole", "crack"),
        lambda things: [*things, Thing("pothole", (20, 30, 22, 32))],
        2,
        "A slip of the mouse: a box of 2 by 2 pixels.",
        "",
    ),
    (
        "whole-image-box",
        ("manhole",),
        lambda things: [_boxed(things[0], 0, 0, WIDTH, HEIGHT)],
        0,
        "The lid's box covers the whole picture.",
        "",
    ),
    ("odd-aspect-box", ("pothole",), _strip, 0, "A pothole's box of 280 by 7 pixels.", ""),
    (
        "border-sliver",
        ("pothole", "manhole"),
        lambda things: [*things, Thing("crack", (WIDTH - 4, 100, WIDTH, 140))],
        2,
        "A box of 4 by 40 pixels at the right edge: what cropping left of a label.",
        "odd-aspect-box tiny-box",
    ),
)
