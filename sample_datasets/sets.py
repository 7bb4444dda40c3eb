"""Flaws of a whole set, each in a small set of its own, in every format that can hold it."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace

from layouts import Coco, Layout, Members, Picture, Voc, Yolo
from PIL import Image, ImageEnhance, ImageOps
from planting import ALL, Flaw, jpeg, picture
from scenes import Scene, Thing
from streets import REPERTOIRE, Spot, overhead, spotted, street

SMALL = (80, 60)
QUALITY = 30
FEW = "too-few-images-per-class too-few-instances-per-class"
FEW_TINY = f"tiny-validation-split {FEW}"
BOTH = ("pothole", "crack")
PLACES = (
    "northgate", "southgate", "harbourside", "millbridge", "castlehill", "riverbend", "stationroad", "parkstreet",
    "oldmarket", "churchyard", "schoollane", "windmill",
)  # fmt: skip
Pictures = list[Picture]


@functools.cache
def _scene(kinds: tuple[str, ...], number: int) -> Scene:
    return street(f"small_{'_'.join(kinds)}_{number}", kinds, width=SMALL[0], height=SMALL[1])


class Album:
    """Small pictures, a fresh scene for each one asked for."""

    def __init__(self) -> None:
        self.pictures: Pictures = []
        self._used: dict[tuple[str, ...], int] = {}

    def add(self, split: str, *kinds: str, stem: str = "", folder: str = "") -> Picture:
        """Add a properly labelled picture with these things on it."""
        number = self._used[kinds] = self._used.get(kinds, 0) + 1
        stem = stem or f"{folder or 'road'}_{len(self.pictures) + 1:03d}"
        self.pictures.append(picture(stem, split, _scene(kinds, number), QUALITY))
        self.pictures[-1].folder = folder
        return self.pictures[-1]

    def fill(self, split: str, count: int, *kinds: str) -> Pictures:
        """Add several."""
        return [self.add(split, *kinds) for _ in range(count)]


def no_validation(a: Album) -> None:
    for kinds in REPERTOIRE:
        a.add("train", *kinds)


def tiny_validation(a: Album) -> None:
    a.fill("train", 13, *BOTH)
    a.fill("val", 2, *BOTH)


def class_missing(a: Album) -> None:
    a.fill("train", 10, *BOTH)
    a.fill("val", 5, "pothole")


def odd_ratio(a: Album) -> None:
    a.fill("train", 7, *BOTH)
    a.fill("val", 13, *BOTH)


def backgrounds(a: Album) -> None:
    for split, full, bare in (("train", 7, 8), ("val", 3, 4)):
        a.fill(split, full, *BOTH)
        a.fill(split, bare)


def empties(a: Album) -> None:
    for split, full, emptied in (("train", 8, 8), ("val", 3, 2)):
        for _ in range(full):
            a.add(split, *BOTH, stem=f"bridge_{len(a.pictures):03d}")
        for _ in range(emptied):
            a.add(split, "pothole", stem=f"tunnel_{len(a.pictures):03d}").things = []


def mostly_unlabelled(a: Album) -> None:
    for split, full, silent in (("train", 3, 8), ("val", 2, 2)):
        a.fill(split, full, *BOTH)
        for spot in a.fill(split, silent, "pothole"):
            spot.labelled = False


def two_towns(a: Album) -> None:
    for folder, count in (("north", 8), ("south", 20)):
        for k in range(count):
            spot = a.add("val" if k % 5 == 4 else "train", "pothole", "manhole", folder=folder)
            if folder == "south":
                spot.things = spot.things[:1]


def spelled_classes(a: Album) -> None:
    spots = [a.add("val" if k in (3, 7, 11) else "train", "pothole", "manhole") for k in range(14)]
    for k, name in {1: "Pothole", 4: "potholes", 8: "pot hole", 12: "pothle"}.items():
        spots[k].things[0] = replace(spots[k].things[0], name=name)


def one_class_rules(a: Album) -> None:
    grid: list[Spot] = [("pothole", 0.14 + 0.24 * (k % 4), 0.33 + 0.42 * (k // 4), 0.1) for k in range(8)]
    for k in range(14):
        crack: list[Spot] = [("crack", 0.5, 0.52, 0.08)] if k in (2, 12) else []
        scene = spotted(f"small_crowd_{k}", (*grid, *crack), width=SMALL[0], height=SMALL[1])
        a.pictures.append(picture(f"road_{k + 1:03d}", "val" if k > 9 else "train", scene, QUALITY))


def _version(source: Picture, split: str, number: int) -> Picture:
    """A copy of a picture as augmenting exporters write it: mirrored or darker, a hash in its name."""
    mark = hashlib.md5(f"{source.stem}/{number}".encode(), usedforsecurity=False).hexdigest()
    made = replace(source, split=split, stem=f"{source.stem}_jpg.rf.{mark}")
    if number == 0:
        return made
    with Image.open(io.BytesIO(source.data)) as image:
        if number == 1:
            changed = ImageOps.mirror(image)
            made.things = [_mirrored(thing, source.width) for thing in source.things]
        else:
            changed = ImageEnhance.Brightness(image).enhance(0.75)
        made.data = jpeg(changed, QUALITY)
    return made


def _mirrored(thing: Thing, width: int) -> Thing:
    x0, y0, x1, y1 = thing.box
    return Thing(thing.name, (width - x1, y0, width - x0, y1), tuple((width - x, y) for x, y in thing.outline))


def leaking_versions(a: Album) -> None:
    sources = [a.add("train", *BOTH, stem=f"crossing_{place}") for place in PLACES]
    a.pictures = [_version(p, "train" if k < 9 else "valid", 0) for k, p in enumerate(sources)]
    a.pictures += [_version(p, "valid", 1 + k % 2) for k, p in enumerate(sources[:3])]


def augmented_valid(a: Album) -> None:
    sources = [a.add("train", *BOTH) for _ in range(11)]
    a.pictures = [_version(p, "train", 0) for p in sources[:9]]
    a.pictures += [_version(p, "valid", number) for p in sources[9:] for number in range(3)]


@dataclass(frozen=True)
class SetFlaw:
    """A flaw of a whole set: its rule, how the pictures are made, what to say of it."""

    rule: str
    build: Callable[[Album], None]
    what: str
    also: str = FEW_TINY
    style: str = ""
    name: str = ""
    coco_rule: str = ""


SET_FLAWS: tuple[SetFlaw, ...] = (
    SetFlaw("no-validation-split", no_validation, "There is a training split and no other.", FEW),
    SetFlaw("tiny-validation-split", tiny_validation, "Two pictures to validate on.", f"split-ratio {FEW}"),
    SetFlaw("class-missing-from-split", class_missing, "crack occurs in train only."),
    SetFlaw("split-ratio", odd_ratio, "7 pictures to train on, 13 to validate."),
    SetFlaw(
        "too-many-backgrounds",
        backgrounds,
        "12 of 22 pictures are bare road.",
        f"suspicious-empties {FEW_TINY}",
    ),
    SetFlaw(
        "suspicious-empties",
        empties,
        "All ten tunnel pictures are said to show nothing; they show potholes.",
        f"too-many-backgrounds {FEW_TINY}",
    ),
    SetFlaw(
        "unlabelled-image",
        mostly_unlabelled,
        "10 of 15 pictures have no label at all.",
        name="unlabelled-majority",
        coco_rule="orphan-image",
    ),
    SetFlaw("class-coverage", two_towns, "north/ labels manholes, south/ shows them and never does."),
    SetFlaw(
        "class-name-variants",
        spelled_classes,
        "pothole is also spelled Pothole, potholes, pot hole and pothle.",
        f"class-missing-from-split {FEW_TINY}",
    ),
    SetFlaw("class-imbalance", one_class_rules, "112 potholes, 2 cracks."),
    SetFlaw(
        "same-source-in-two-splits",
        leaking_versions,
        "Three sources have one version in train and another in valid.",
        f"augmented-validation {FEW_TINY}",
        "roboflow",
    ),
    SetFlaw(
        "augmented-validation",
        augmented_valid,
        "valid holds three versions of each of its two sources.",
        style="roboflow",
    ),
)


def classes_of(pictures: Pictures) -> tuple[str, ...]:
    """The class names in order of first use."""
    return tuple(dict.fromkeys(thing.name for p in pictures for thing in p.things))


def laid_out(kind: str, pictures: Pictures, style: str = "") -> Layout:
    """The pictures in one format; the classes are those in use."""
    classes = classes_of(pictures)
    if kind == "voc":
        return Voc(pictures, style or "devkit")
    if kind == "coco":
        return Coco(pictures, style or "instances", classes)
    return Yolo(pictures, style or "ultralytics", classes)


def small_sets() -> dict[str, tuple[Members, list[Flaw]]]:
    """Every small set that is made alike in several formats: name to members and rows."""
    made = {}
    for flaw in SET_FLAWS:
        for kind in ALL:
            album = Album()
            flaw.build(album)
            dataset = f"{flaw.name or flaw.rule}-{kind}.zip"
            rule, also = flaw.rule, flaw.also
            if kind == "coco" and flaw.coco_rule:
                rule, also = flaw.coco_rule, f"{rule} {also}"
            row = Flaw(dataset, rule, "", "", flaw.what, also)
            made[dataset] = laid_out(kind, album.pictures, flaw.style).members(), [row]
    return made


def overhead_set() -> Members:
    """The production sample: 25 views from above, labelled, without splits."""
    names = [f"overhead_{k + 1:03d}" for k in range(25)]
    pictures = [picture(name, "", overhead(name)) for name in names]
    return Yolo(pictures, "plain", classes_of(pictures)).members()
