"""Faults of pictures that are there more than once: copies in files of their own, beside the set's own files."""

from __future__ import annotations

import io
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.copies import KINDS, encode
from benchmarks.planters.base import (
    WHOLE,
    Array,
    Fault,
    Field,
    Planted,
    Planter,
    add_images,
    draw_splits,
    keep_boxes,
    keep_images,
    set_split,
    spoken,
)
from dsq.model import Dataset
from dsq.source import open_source

#: copies that are near by METHODS' list: nothing is cut off, turned or covered
PLAIN = [kind for kind in KINDS if kind.name in ("JPEG, quality 50", "half size", "brighter by 30", "gamma 0.6")]
MOST = 40
Picture = Image.Image


def read_files(dataset: Dataset, rows: Array) -> list[bytes]:
    """The image files at `rows`."""
    table = dataset.images.iloc[rows]
    found: dict[int, bytes] = {}
    for root, part in table.assign(at=np.arange(len(rows))).groupby("root", observed=True):
        with open_source(str(root)) as source:
            found |= {at: source.read(member) for at, member in zip(part["at"], part["member"], strict=True)}
    return [found[at] for at in range(len(rows))]


def opened(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")


def beside(dataset: Dataset, rows: Array, data: Sequence[bytes], files: Sequence[str], **columns: Any) -> Dataset:
    """Copies of the images at `rows` and their boxes, whose pixels are `data`; the files go with the dataset."""
    folder = Path(tempfile.mkdtemp(prefix="dsq-planted-"))
    for number, content in enumerate(data):
        (folder / f"{number}.jpg").write_bytes(content)
    members = [f"{number}.jpg" for number in range(len(data))]
    made = add_images(dataset, rows, files, root=str(folder), member=members, **columns)
    weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
    return made


def tied(made: Dataset, base: Dataset) -> Dataset:
    """`made`, with which go the files of the dataset it was made of."""
    weakref.finalize(made, id, base)
    return made


def usable(dataset: Dataset) -> Array:
    """Positions of images whose file is there, that say something and stand in no group of names."""
    images = dataset.images
    return np.flatnonzero((images["member"].notna() & images["root"].notna()).to_numpy())


def _draw(field: Field, parts: int, share: float = 0.1) -> tuple[Dataset, list[Array]] | None:
    """The spoken part of a set and `parts` draws of different images."""
    dataset = spoken(field.dataset)
    order = field.rng.permutation(usable(dataset))
    count = int(np.clip(round(share * len(order)), 1, MOST))
    if len(order) < 2 * parts * count:
        return None
    return dataset, [order[number * count : (number + 1) * count] for number in range(parts)]


def _names(kind: str, count: int) -> list[str]:
    """File names that share nothing with those of a set: no counter, no stem."""
    words = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath")
    return [f"{kind}/{words[n % 8]}-{words[n // 8 % 8]}-{words[n // 64 % 8]}.jpg" for n in range(count)]


def _pairs(dataset: Dataset, rows: Array, names: Sequence[str]) -> list[Fault]:
    files = dataset.images["file"].to_numpy()[rows].tolist()
    return [frozenset([("image", one), ("image", other)]) for one, other in zip(files, names, strict=False)]


def _recoded(data: bytes, rng: np.random.Generator) -> bytes:
    return encode(PLAIN[0].make(opened(data), rng)[0])


def _changed(data: bytes, rng: np.random.Generator) -> tuple[bytes, tuple[int, int]]:
    """A near copy whose boxes stay at their fractions, and its size."""
    picture, _ = PLAIN[int(rng.integers(len(PLAIN)))].make(opened(data), rng)
    return encode(picture), picture.size


def scaled(dataset: Dataset, made: Dataset, rows: Array, sizes: Sequence[tuple[int, int]]) -> Dataset:
    """The last images of `made`, copies of those at `rows`, with other sizes, and their boxes scaled to them."""
    images = made.images.copy()
    ids = images["image_id"].to_numpy()[len(dataset.images) :]
    old = dataset.images[["width", "height"]].to_numpy(float, na_value=np.nan)[rows]
    new = np.array(sizes, float).reshape(-1, 2)
    for column, name in enumerate(("width", "height")):
        images.loc[len(dataset.images) :, name] = new[:, column].astype(np.int64)
    factor = pd.DataFrame(np.where(np.isfinite(old), new / old, 1.0), index=ids)
    boxes = made.boxes.copy()
    mine = boxes["image_id"].isin(ids).to_numpy()
    ratio = factor.loc[boxes["image_id"].to_numpy()[mine]].to_numpy()
    for name, column in (("x", 0), ("y", 1), ("width", 0), ("height", 1)):
        boxes.loc[mine, name] = boxes[name].to_numpy()[mine] * ratio[:, column]
    found = made.replace(images=images, boxes=boxes)
    return tied(found, made)


def exact(field: Field) -> Planted | None:
    drawn = _draw(field, 2)
    if drawn is None:
        return None
    sound, (faults, decoys) = drawn
    data = read_files(sound, faults) + [_recoded(one, field.rng) for one in read_files(sound, decoys)]
    names = _names("again", len(data))
    faulty = beside(sound, np.r_[faults, decoys], data, names)
    return Planted(faulty, _pairs(sound, faults, names), sound, len(decoys))


def near(field: Field) -> Planted | None:
    drawn = _draw(field, 1)
    if drawn is None:
        return None
    sound, (faults,) = drawn
    made = [_changed(data, field.rng) for data in read_files(sound, faults)]
    names = _names("again", len(made))
    faulty = scaled(sound, beside(sound, faults, [data for data, _ in made], names), faults, [size for _, size in made])
    return Planted(faulty, _pairs(sound, faults, names), sound)


def covered(picture: Picture, rng: np.random.Generator, share: float) -> Picture:
    """A thing of the picture's own colours in front of a part of it, at its left or right."""
    width = round(picture.width * share)
    left = int(rng.choice([0, picture.width - width]))
    cells = rng.permutation(np.asarray(picture.resize((8, 12))).reshape(-1, 3)).reshape(12, 8, 3)
    out = picture.copy()
    out.paste(Image.fromarray(cells).resize((width, picture.height), Image.Resampling.NEAREST), (left, 0))
    return out


def scene(field: Field) -> Planted | None:
    drawn = _draw(field, 1)
    if drawn is None:
        return None
    sound, (faults,) = drawn
    data = [encode(covered(opened(one), field.rng, 0.22)) for one in read_files(sound, faults)]
    names = _names("again", len(data))
    return Planted(beside(sound, faults, data, names), _pairs(sound, faults, names), sound)


def conflict(field: Field) -> Planted | None:
    """Exact copies whose boxes lie a quarter off, lack one, or are of another class; decoys a pixel off."""
    drawn = _draw(field, 2)
    if drawn is None or not len(drawn[0].boxes):
        return None
    sound, (faults, decoys) = drawn
    with_boxes = sound.images["image_id"].isin(sound.boxes["image_id"]).to_numpy()
    faults = faults[with_boxes[faults]]
    rows = np.r_[faults, decoys]
    names = _names("again", len(rows))
    made = beside(sound, rows, read_files(sound, rows), names)
    ids = made.images["image_id"].to_numpy()[len(sound.images) :]
    boxes = made.boxes.copy()
    new = np.isin(boxes["image_id"], ids[len(faults) :])
    boxes["x"] = boxes["x"].to_numpy() + new
    drop, widths = np.zeros(len(boxes), bool), boxes["width"].to_numpy(copy=True)
    for image in ids[: len(faults)].tolist():
        at = np.flatnonzero((boxes["image_id"] == image).to_numpy())
        chosen = int(field.rng.choice(at))
        way = int(field.rng.integers(3))
        others = np.setdiff1d(sound.categories["category_id"].to_numpy(), [boxes["category_id"].iloc[chosen]])
        if way == 0:
            drop[chosen] = True
        elif way == 1 and len(others):
            boxes.loc[chosen, "category_id"] = int(field.rng.choice(others))
        else:
            widths[chosen] *= 0.75
    faulty = keep_boxes(made.replace(boxes=boxes.assign(width=widths)), ~drop)
    tied(faulty, made)
    return Planted(faulty, _pairs(sound, faults, names), sound, len(decoys))


def leak(field: Field) -> Planted | None:
    """Copies of pictures of train in val; as look-alikes in train."""
    drawn = _draw(field, 2)
    if drawn is None:
        return None
    sound, (faults, decoys) = drawn
    splits = draw_splits(field.rng, len(sound), train=0.7, val=0.3)
    splits[np.r_[faults, decoys]] = "train"
    sound = set_split(sound, splits)
    data = [
        one if n % 2 else _recoded(one, field.rng) for n, one in enumerate(read_files(sound, np.r_[faults, decoys]))
    ]
    names = _names("again", len(data))
    where = np.repeat(np.array(["val", "train"], object), [len(faults), len(decoys)])
    faulty = beside(sound, np.r_[faults, decoys], data, names, split=where)
    return Planted(faulty, _pairs(sound, faults, names), sound, len(decoys))


def _some(field: Field, most: int) -> Dataset | None:
    """At most so many images of a set; None for fewer than 12."""
    dataset = spoken(field.dataset)
    rows = np.sort(field.rng.permutation(usable(dataset))[:most])
    return keep_images(dataset, rows) if len(rows) >= 12 else None


def look_alike(field: Field) -> Planted | None:
    """A val of train's pictures with something in front of them, or of other pictures."""
    dataset = _some(field, 60)
    if dataset is None or len(dataset) < 24:
        return None
    count = len(dataset) // 2
    splits = np.repeat(np.array(["train", "val"], object), [count, len(dataset) - count])
    dataset = set_split(dataset, splits)
    if not field.faulty:
        return Planted(dataset, [], None, 1)
    train = np.arange(count)
    data = [encode(covered(opened(one), field.rng, 0.22)) for one in read_files(dataset, train)]
    only = keep_images(dataset, train)
    return Planted(beside(only, train, data, _names("again", count), split="val"), [WHOLE], None)


def repeated(field: Field) -> Planted | None:
    """Every picture two or three times more, changed a little."""
    dataset = _some(field, 30)
    if dataset is None or not field.faulty:
        return None if dataset is None or len(dataset) < 20 else Planted(dataset, [], None, 1)
    rows = np.tile(np.arange(len(dataset)), int(field.rng.integers(2, 4)))
    data = [
        _recoded(one, field.rng) if n % 2 else _changed(one, field.rng)[0]
        for n, one in enumerate(read_files(dataset, rows))
    ]
    return Planted(
        beside(keep_boxes(dataset, np.zeros(len(dataset.boxes), bool)), rows, data, _names("again", len(data))),
        [WHOLE],
        None,
    )


def _frames(picture: Picture, count: int) -> list[bytes]:
    """A window over the picture that moves on by a hundredth a frame."""
    width, height = round(picture.width * 0.8), round(picture.height * 0.9)
    steps = np.linspace(0, picture.width * 0.01 * count, count)
    tops = np.linspace(0, picture.height * 0.05, count)
    return [
        encode(picture.crop((int(x), int(y), int(x) + width, int(y) + height)))
        for x, y in zip(steps, tops, strict=True)
    ]


def clips(field: Field) -> Planted | None:
    """Runs of frames, five to fifteen; as look-alikes pictures that are numbered and have nothing in common."""
    dataset = spoken(field.dataset)
    if len(usable(dataset)) < 40:
        return None
    order = field.rng.permutation(usable(dataset))
    chosen = order[: max(len(order) // 100, 1)]
    rest = np.sort(order[len(chosen) :])
    sound = keep_images(dataset, rest)
    sound = sound.replace(images=sound.images.assign(file=[f"photo_{n:05}.jpg" for n in range(len(sound))]))
    data: list[bytes] = []
    names: list[str] = []
    faults: list[Fault] = []
    for number, row in enumerate(chosen.tolist()):
        made = _frames(opened(read_files(dataset, np.array([row]))[0]), int(field.rng.integers(5, 16)))
        mine = [f"clip{'abcdefgh'[number % 8]}/frame_{n:04}.jpg" for n in range(len(made))]
        faults.append(frozenset(("image", name) for name in mine))
        data, names = data + made, names + mine
    faulty = beside(sound, np.zeros(len(data), np.int64), data, names)
    return Planted(faulty, faults, sound, len(sound))


def _stamped(data: bytes, camera: str, taken: str) -> bytes:
    exif = Image.Exif()
    exif[0x0110] = camera
    exif.get_ifd(0x8769)[0x9003] = taken
    stream = io.BytesIO()
    opened(data).save(stream, "JPEG", quality=90, exif=exif.tobytes())
    return stream.getvalue()


def one_camera(field: Field) -> Planted | None:
    """All by one camera, or in one hour; by three cameras on several days."""
    dataset = _some(field, 40)
    if dataset is None or len(dataset) < 20:
        return None
    rng, data = field.rng, []
    way = int(rng.integers(3))
    for number, one in enumerate(read_files(dataset, np.arange(len(dataset)))):
        camera = "Acme 1" if field.faulty and way != 1 else f"Acme {number % 3}"
        day = 1 if field.faulty and way != 0 else 1 + number % 9
        hour = 10 if field.faulty and way != 0 else int(rng.integers(24))
        data.append(_stamped(one, camera, f"2024:05:{day:02} {hour:02}:{int(rng.integers(60)):02}:00"))
    bare = keep_boxes(dataset, np.zeros(len(dataset.boxes), bool))
    made = beside(bare, np.arange(len(bare)), data, _names("again", len(data)))
    faulty = keep_images(made, np.arange(len(bare), 2 * len(bare)))
    tied(faulty, made)
    return Planted(faulty, [WHOLE] if field.faulty else [], None, int(not field.faulty))


def whole(rule: str, what: str, plant: Callable[[Field], Planted | None]) -> Planter:
    return Planter(rule, what, plant, trials=4, whole=True)


PLANTERS = [
    Planter("exact-duplicate", "files copied; copies compressed anew", exact),
    Planter("near-duplicate", "compressed anew, half size, brighter", near),
    Planter("same-scene", "something in front of a fifth of the picture", scene),
    Planter("conflicting-duplicates", "copies with other labels; boxes a pixel off", conflict),
    Planter("leakage", "copies in val; copies in train", leak),
    Planter("sequence-frames", "runs of 5–15 frames; numbered pictures", clips),
    whole("val-like-train", "a val of train's scenes; of other pictures", look_alike),
    whole("low-variance", "every picture three or four times", repeated),
    whole("single-condition", "one camera, one hour; three on nine days", one_camera),
]
