"""Sets whose flaw shows when boxes are compared: with a copy of the picture, or with another part of the set."""

from __future__ import annotations

import io
from dataclasses import replace

from layouts import Members, Picture, Yolo
from PIL import Image, ImageEnhance, ImageOps
from planting import Flaw, jpeg
from sets import FEW, FEW_TINY, QUALITY, Album, classes_of

Made = dict[str, tuple[Members, list[Flaw]]]


def sibling_sets() -> Made:
    """Both sets: name to members and rows."""
    return _stayed() | _exchanged()


def _opened(source: Picture) -> Image.Image:
    with Image.open(io.BytesIO(source.data)) as image:
        return image.convert("RGB")


def _stayed() -> Made:
    """Ten pictures, a mirrored copy whose boxes were not mirrored, and a darker one that lacks a box."""
    album = Album()
    train = album.fill("train", 7, "pothole", "crack")
    album.fill("val", 3, "pothole", "crack")
    mirrored = replace(train[0], stem="wharf_lane", data=jpeg(ImageOps.mirror(_opened(train[0])), QUALITY + 20))
    darker = ImageEnhance.Brightness(_opened(train[1])).enhance(0.8)
    lacking = replace(train[1], stem="tannery_row", data=jpeg(darker, QUALITY + 20), things=train[1].things[1:])
    pictures = [*album.pictures, mirrored, lacking]
    layout = Yolo(pictures, classes=classes_of(pictures))
    dataset = "stayed-behind-yolo.zip"
    rows = [
        Flaw(
            dataset,
            "untransformed-boxes",
            layout.image(mirrored),
            "1",
            "road_001.jpg mirrored, with its boxes as they were.",
            "",
        ),
        Flaw(
            dataset, "missing-label", layout.image(lacking), "", "road_002.jpg, darker, without its pothole's box.", ""
        ),
        Flaw(dataset, "tiny-validation-split", "", "", "Three pictures to validate on.", FEW),
    ]
    return {dataset: (layout.members(), rows)}


def _exchanged() -> Made:
    """Two towns; the labels of the southern one were numbered in another order."""
    album = Album()
    for k in range(26):
        spot = album.add("val" if k % 6 == 5 else "train", "pothole", "manhole", folder="south" if k % 2 else "north")
        if spot.folder == "south":
            other = {"pothole": "manhole", "manhole": "pothole"}
            spot.things = [replace(thing, name=other[thing.name]) for thing in spot.things]
    dataset = "class-order-yolo.zip"
    row = Flaw(
        dataset, "class-order-mismatch", "", "", "In south/ potholes are called manhole, and lids pothole.", FEW_TINY
    )
    return {dataset: (Yolo(album.pictures, classes=("pothole", "manhole")).members(), [row])}
