"""Faults that show when boxes are carried from one copy of a picture to another, or from one part to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.copies import KINDS, Kind, encode
from benchmarks.planters.base import (
    WHOLE,
    Array,
    Fault,
    Field,
    Planted,
    Planter,
    change,
    draw_splits,
    images_table,
    keep_boxes,
    some_images,
    spoken,
)
from benchmarks.planters.twins import beside, opened, read_files, tied, usable
from dsq.geometry import box_iou
from dsq.model import Dataset

MOST = 30
TURNS = ("flipped left to right", "flipped upside down", "turned by quarters", "mirrored at a diagonal")
CUTS = ("letterbox, grey", "crop 15 %", "flipped, crop 5 %", "crop 5 %, letterbox")
CHANGES = ("JPEG, quality 50", "half size", "brighter by 30", "noise, σ 12", "flipped left to right", "crop 5 %")


def kinds(names: Sequence[str]) -> list[Kind]:
    """Ways of copying by their names."""
    known = {kind.name: kind for kind in KINDS}
    return [known[name] for name in names]


class Copied(NamedTuple):
    """`dataset` with copies at the end of `sound`; maps (n, 2, 3) and sizes (n, 2) in pixels of the copies;
    files: their names; old, new: positions of the boxes of the originals and of the copies, `copy` which copy's.
    """

    dataset: Dataset
    sound: Dataset
    maps: Array
    sizes: Array
    files: list[str]
    old: Array
    new: Array
    copy: Array


def copies(field: Field, ways: Sequence[Kind]) -> Copied | None:
    """Copies of some pictures that have boxes, and known sizes, in new files; their boxes are the originals'."""
    sound = spoken(field.dataset)
    images = sound.images
    able = images["image_id"].isin(sound.boxes["image_id"]) & images["width"].notna() & (images["unit"] == "px")
    rows = field.rng.permutation(np.intersect1d(usable(sound), np.flatnonzero(able.to_numpy(bool))))
    rows = rows[: int(np.clip(round(0.2 * len(rows)), 1, MOST))]
    if len(rows) < 4:
        return None
    made, maps, sizes = [], [], []
    for number, data in enumerate(read_files(sound, rows)):
        copy, map_ = ways[number % len(ways)].make(opened(data), field.rng)
        made.append(encode(copy))
        maps.append(map_)
        sizes.append(copy.size)
    files = [f"zz/{'abcdefghij'[n % 10]}{n:03}-{field.rng.integers(10**6):06}.jpg" for n in range(len(rows))]
    faulty = beside(sound, rows, made, files)
    table = faulty.images.copy()
    for column, name in enumerate(("width", "height")):
        table.loc[len(sound) :, name] = np.array(sizes)[:, column]
    result = tied(faulty.replace(images=table), faulty)
    ids = table["image_id"].to_numpy()[len(sound) :]
    new = np.flatnonzero(faulty.boxes["image_id"].isin(ids).to_numpy())
    copy_of = pd.Index(ids).get_indexer(pd.Index(faulty.boxes["image_id"].to_numpy()[new]))
    first = pd.Series(np.arange(len(sound.boxes))).groupby(sound.boxes["image_id"].to_numpy()).groups
    old = np.concatenate([np.asarray(first[image]) for image in sound.images["image_id"].to_numpy()[rows]])
    return Copied(result, sound, np.array(maps), np.array(sizes, float), files, old, new, copy_of)


def carried(made: Copied) -> tuple[Array, Array]:
    """Where the copies' boxes belong: corners (n, 4) in pixels, cut at the rim, and the share inside (n,)."""
    boxes = made.sound.boxes[["x", "y", "width", "height"]].to_numpy(float)[made.old]
    images = made.sound.images.set_index("image_id")[["width", "height"]]
    size = images.loc[made.sound.boxes["image_id"].to_numpy()[made.old]].to_numpy(float)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1) / np.tile(size, 2)
    maps = made.maps[made.copy]
    spots = np.stack([corners[:, [0, 2, 0, 2]], corners[:, [1, 1, 3, 3]], np.ones((len(corners), 4))], 1)
    moved = maps @ spots
    whole = np.concatenate([moved.min(2), moved.max(2)], 1) * np.tile(made.sizes[made.copy], 2)
    inside = np.clip(whole, 0, np.tile(made.sizes[made.copy], 2))
    area = np.prod(inside[:, 2:] - inside[:, :2], 1) / np.prod(whole[:, 2:] - whole[:, :2], 1)
    return inside, area


def put(made: Copied, rows: Array, corners: Array) -> Dataset:
    """The set with other boxes for some of the copies' (positions in `new`)."""
    sides = {"x": corners[:, 0], "y": corners[:, 1]}
    sides |= {"width": corners[:, 2] - corners[:, 0], "height": corners[:, 3] - corners[:, 1]}
    return change(made.dataset, made.new[rows], **sides)


def stayed(names: Sequence[str], fractions: bool) -> Callable[[Field], Planted | None]:
    """Copies whose boxes keep their fractions of the picture, or their pixels; as look-alikes boxes moved along."""

    def plant(field: Field) -> Planted | None:
        made = copies(field, kinds(names))
        if made is None:
            return None
        inside, share = carried(made)
        seen = share >= 0.5
        faulty_copy = made.copy % 2 == 0 if len(names) % 2 else (made.copy // len(names)) % 2 == 0
        boxes = made.dataset.boxes[["x", "y", "width", "height"]].to_numpy(float)[made.new]
        place = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
        if fractions:
            images = made.sound.images.set_index("image_id")[["width", "height"]]
            size = images.loc[made.sound.boxes["image_id"].to_numpy()[made.old]].to_numpy(float)
            place *= np.tile(made.sizes[made.copy] / size, 2)
        place = np.where(faulty_copy[:, None], place, inside)
        dataset = put(made, np.arange(len(place)), place)
        keep = np.ones(len(dataset.boxes), bool)
        keep[made.new[~seen & ~faulty_copy]] = False
        faults = wrong_copies(made, faulty_copy & (box_iou(place, inside) < 0.5))
        decoys = len(np.unique(made.copy[~faulty_copy]))
        return Planted(tied(keep_boxes(dataset, keep), made.dataset), faults, made.sound, decoys)

    return plant


def wrong_copies(made: Copied, wrong: Array) -> list[Fault]:
    """A fault for every copy most of whose boxes are wrong."""
    share = pd.Series(wrong).groupby(made.copy).mean()
    return [frozenset([("image", made.files[copy])]) for copy in share.index[share > 0.5].tolist()]


def lost(field: Field) -> Planted | None:
    """Near copies that lack one box; as look-alikes copies whose boxes are drawn anew, or that lack a thing together
    with its box.
    """
    made = copies(field, kinds(CHANGES))
    if made is None:
        return None
    inside, share = carried(made)
    rng = field.rng
    sides = np.tile(inside[:, 2:] - inside[:, :2], 2)
    again = inside + rng.normal(0, 0.03, inside.shape) * sides
    place = np.where((made.copy % 3 == 1)[:, None], again, inside)
    dataset = put(made, np.arange(len(place)), np.clip(place, 0, np.tile(made.sizes[made.copy], 2)))
    keep = np.ones(len(dataset.boxes), bool)
    keep[made.new[share < 0.5]] = False
    faults: list[Fault] = []
    names = dict(zip(dataset.categories["category_id"], dataset.categories["name"], strict=True))
    root = str(dataset.images["root"].iloc[-1])
    for copy, file in enumerate(made.files):
        at = np.flatnonzero((made.copy == copy) & (share >= 0.95) & (sides[:, :2].min(1) >= 8))
        if copy % 3 == 1 or not len(at):
            continue
        if copy % 3 == 2:  # only what leaves room for other pixels beside it
            at = at[(sides[at, :2] <= 0.45 * made.sizes[copy]).all(1)]
            if not len(at):
                continue
        chosen = int(rng.choice(at))
        keep[made.new[chosen]] = False
        if copy % 3 == 0:
            name = names[int(dataset.boxes["category_id"].iloc[made.new[chosen]])]
            faults.append(frozenset([("image", file), ("class", name)]))
        else:
            cover(f"{root}/{copy}.jpg", inside[chosen], rng)
    kept = tied(keep_boxes(dataset, keep), made.dataset)
    return Planted(kept, faults, made.sound, len(made.files) - len(faults))


def cover(path: str, corners: Array, rng: np.random.Generator) -> None:
    """Paste other pixels of the picture, from above or below or from a side, over a box."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    x0, y0, x1, y1 = np.rint(corners).astype(int).tolist()
    width, height = max(x1 - x0, 1), max(y1 - y0, 1)
    left = int(rng.integers(picture.width - width + 1))
    top = int(rng.integers(picture.height - height + 1))
    while abs(left - x0) < width and abs(top - y0) < height:
        left, top = int(rng.integers(picture.width - width + 1)), int(rng.integers(picture.height - height + 1))
    picture.paste(picture.crop((left, top, left + width, top + height)), (x0, y0))
    Path(path).write_bytes(encode(picture))


def exchanged(size: int) -> Callable[[Field], Planted | None]:
    """Classes of one of two parts exchanged, by turns; both parts with their right names."""

    def plant(field: Field) -> Planted | None:
        rng = field.rng
        dataset = some_images(field, 0.9)
        part = draw_splits(rng, len(dataset), north=rng.uniform(0.35, 0.65), south=0.5)
        if rng.random() < 0.5:
            dataset = images_table(dataset, source=pd.Categorical(part))
        else:
            plain = [file.replace("/", "_") for file in dataset.images["file"]]
            dataset = images_table(dataset, file=[f"{name}/{file}" for name, file in zip(part, plain, strict=True)])
        of_image = pd.Series(part, index=dataset.images["image_id"])
        boxes = dataset.boxes
        table = pd.DataFrame({"category": boxes["category_id"], "image": boxes["image_id"]})
        table["part"] = of_image.loc[boxes["image_id"]].to_numpy()
        table = table[(boxes[["width", "height"]] >= 4).all(axis=1) & ~boxes["crowd"]]
        counts = table.groupby(["category", "part"])["image"].agg(["size", "nunique"])
        full = counts[(counts["size"] >= 12) & (counts["nunique"] >= 6)].reset_index()
        able = full["category"][full["category"].duplicated()].to_numpy()
        if len(able) < size:
            return None
        if not field.faulty:
            return Planted(dataset, [], None, 1)
        chosen = rng.permutation(able)[:size]
        following = dict(zip(chosen.tolist(), np.roll(chosen, -1).tolist(), strict=True))
        south = (of_image.loc[boxes["image_id"]] == "south").to_numpy()
        hit = np.flatnonzero(south & boxes["category_id"].isin(chosen).to_numpy())
        renamed = boxes["category_id"].iloc[hit].map(following).to_numpy()
        return Planted(change(dataset, hit, category_id=renamed), [WHOLE], None)

    return plant


PLANTERS = [
    Planter("untransformed-boxes", "turned, same fractions; boxes turned along", stayed(TURNS, True)),
    Planter("untransformed-boxes", "turned, same pixels; boxes turned along", stayed(TURNS, False)),
    Planter("untransformed-boxes", "half size, same pixels; boxes resized along", stayed(("half size",), False)),
    Planter("untransformed-boxes", "cut or padded, same pixels; boxes moved along", stayed(CUTS, False)),
    Planter("missing-label", "a box of a near copy dropped; drawn anew, or its object gone", lost, trials=2),
    Planter("class-order-mismatch", "two classes exchanged in a part; none", exchanged(2), trials=8, whole=True),
    Planter("class-order-mismatch", "three classes exchanged in a part; none", exchanged(3), trials=8, whole=True),
]
