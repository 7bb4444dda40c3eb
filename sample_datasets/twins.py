"""Two sets of pictures that have much in common: copies in all ways, and the frames of one camera."""

from __future__ import annotations

import io
from dataclasses import replace

from layouts import Members, Picture, Yolo
from PIL import Image, ImageDraw, ImageEnhance
from planting import Flaw, jpeg, picture
from scenes import Thing, seeded
from sets import FEW, FEW_TINY, QUALITY, Album, classes_of
from streets import street

Made = dict[str, tuple[Members, list[Flaw]]]
FRAMES, WIDE, SHARP = 20, (96, 72), 55


def twin_sets() -> Made:
    """Both sets: name to members and rows."""
    return _copies() | _frames()


def _opened(source: Picture) -> Image.Image:
    with Image.open(io.BytesIO(source.data)) as image:
        return image.convert("RGB")


def _bigger(source: Picture, stem: str, split: str = "") -> Picture:
    """A brighter copy at one and a half times the size."""
    image = ImageEnhance.Brightness(_opened(source)).enhance(1.2)
    width, height = source.width * 3 // 2, source.height * 3 // 2
    things = [_scaled(thing) for thing in source.things]
    data = jpeg(image.resize((width, height), Image.Resampling.BICUBIC), QUALITY)
    return replace(source, stem=stem, split=split or source.split, data=data, width=width, height=height, things=things)


def _scaled(thing: Thing) -> Thing:
    x0, y0, x1, y1 = (value * 3 // 2 for value in thing.box)
    return Thing(thing.name, (x0, y0, x1, y1), tuple((x * 3 // 2, y * 3 // 2) for x, y in thing.outline))


def _blocked(source: Picture, stem: str, left: int, width: int, exif: Image.Exif | None = None) -> Picture:
    """The picture with a lorry full of crates before a part of it, and without the things that it hides."""
    image = _opened(source)
    pen = ImageDraw.Draw(image)
    right, height = left + width, source.height
    shade = seeded(stem)
    pen.rectangle((left, 0, right, height - 8), fill=tuple(int(v) for v in shade.randint(90, 130, 3)))
    for top in range(4, height - 16, 10):
        for side in range(left + 2, right - 8, 9):
            grey = int(shade.randint(70, 170))
            pen.rectangle((side, top, side + 7, top + 8), fill=(grey, grey, grey))
    for wheel in (left + 4, right - 12):
        pen.ellipse((wheel, height - 14, wheel + 8, height - 6), fill=(60, 60, 60))
    things = [thing for thing in source.things if thing.box[2] <= left or thing.box[0] >= right]
    return replace(source, stem=stem, data=jpeg(image, SHARP, exif), things=things)


def _crisp(stem: str, kinds: tuple[str, ...]) -> Picture:
    """A picture in hard light."""
    made = picture(stem, "train", street(f"small_{stem}", kinds, width=WIDE[0], height=WIDE[1]), 90)
    return replace(made, data=jpeg(ImageEnhance.Contrast(_opened(made)).enhance(2), 80))


def _copies() -> Made:
    """Twelve pictures and ten copies of them: each way of copying is another rule's."""
    album = Album()
    train = album.fill("train", 8, "pothole", "crack")
    bridge = _crisp("old_bridge", ("pothole", "pothole", "crack"))
    album.fill("val", 3, "pothole", "crack")
    again = replace(train[0], stem="depot_north")
    bigger = _bigger(train[1], "quarry_lane")
    other = replace(train[2], stem="harbour_gate")
    other.things = [replace(thing, name="crack" if thing.name == "pothole" else "pothole") for thing in other.things]
    blocked = _blocked(bridge, "new_bridge", 4, 24)
    leaked = replace(train[3], stem="castle_hill", split="val")
    brighter = _bigger(train[4], "river_bend", "val")
    more = [_bigger(train[k], stem) for k, stem in ((5, "park_row"), (6, "dock_side"), (7, "elm_drive"))]
    pictures = [*album.pictures, bridge, again, bigger, other, blocked, leaked, brighter, *more]
    layout = Yolo(pictures, classes=classes_of(pictures))
    dataset = "copies-yolo.zip"
    told = (
        ("exact-duplicate", again, "The same file as road_001.jpg, with the same labels."),
        ("near-duplicate", bigger, "road_002.jpg, larger and brighter."),
        ("conflicting-duplicates", other, "The same file as road_003.jpg; pothole and crack are swapped."),
        ("same-scene", blocked, "old_bridge.jpg with a lorry in front."),
        ("leakage", leaked, "The same file as road_004.jpg, which is in train."),
        ("leakage", brighter, "road_005.jpg, which is in train, larger and brighter."),
    )
    rows = [Flaw(dataset, rule, layout.image(spot), "", what, "") for rule, spot, what in told]
    rows.append(Flaw(dataset, "low-variance", "", "", "21 files show 13 pictures.", FEW_TINY))
    return {dataset: (layout.members(), rows)}


def _frames() -> Made:
    """One camera over one street: a lorry passes before it, and the frames are dealt out to train and val."""
    view = _crisp("cam", ("pothole", "pothole", "crack"))
    exif = Image.Exif()
    exif[0x0110] = "Roadcam 2"
    pictures = []
    for number in range(FRAMES):
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 10:{number:02d}:00"
        frame = _blocked(view, f"cam_{number + 1:04d}", 1 + number * 40 // FRAMES, 26, exif)
        pictures.append(replace(frame, split="val" if number % 2 else "train"))
    dataset = "frames-yolo.zip"
    rows = [
        Flaw(dataset, "sequence-frames", "", "", "All pictures are frames of one sequence.", FEW_TINY),
        Flaw(dataset, "val-like-train", "", "", "Every second frame is in val, its neighbours in train.", FEW),
        Flaw(dataset, "single-condition", "", "", "One camera, one place, one hour.", ""),
    ]
    return {dataset: (Yolo(pictures, classes=classes_of(pictures)).members(), rows)}
