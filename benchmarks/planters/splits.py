"""Faults of splits and of what is said about whole images."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from benchmarks.planters.base import (
    WHOLE,
    Array,
    Fault,
    Field,
    Planted,
    Planter,
    add_images,
    draw_splits,
    images_table,
    keep_boxes,
    keep_images,
    replicate,
    set_split,
    some_images,
    spoken,
)
from dsq.model import Dataset

SOUND = ({"train": 0.7, "val": 0.2, "test": 0.1}, {"train": 0.8, "val": 0.2}, {"train": 0.6, "val": 0.2, "test": 0.2})


def choose_shares(field: Field) -> dict[str, float]:
    return SOUND[int(field.rng.integers(len(SOUND)))]


def told(field: Field, faulty: Dataset) -> Planted:
    """A trial about the whole set."""
    return Planted(faulty, [WHOLE] if field.faulty else [], None, int(not field.faulty))


def no_validation(field: Field) -> Planted:
    dataset = some_images(field)
    names = draw_splits(field.rng, len(dataset), **choose_shares(field))
    if field.faulty:
        names[names == "val"] = field.rng.choice(["train", "test"])
    else:
        names[:2] = "train", "val"
    return told(field, set_split(dataset, names))


def tiny_validation(field: Field) -> Planted | None:
    """A val of 1 to 60 images with under 300 boxes; a look-alike of 100 images or more."""
    dataset = spoken(field.dataset)
    dataset = replicate(dataset, 600 // len(dataset) + 1) if len(dataset) < 600 else dataset
    count = len(dataset)
    per_image = len(dataset.boxes) / count
    most = int(min(60, 250 / per_image))
    if most < 1:
        return None
    size = int(field.rng.integers(1, most + 1)) if field.faulty else int(field.rng.integers(100, count // 2))
    names = field.rng.permutation(np.repeat(np.array(["val", "train"], object), [size, count - size]))
    return told(field, set_split(dataset, names))


def ratio(field: Field) -> Planted | None:
    dataset = some_images(field)
    if len(dataset) < 20:
        return None
    if field.faulty:
        train = field.rng.uniform(0.1, 0.45)
        shares = {"train": train, "val": (1 - train) / 2, "test": (1 - train) / 2}
    else:
        train = field.rng.uniform(0.55, 0.9)
        shares = {"train": train, "val": 1 - train}
    return told(field, set_split(dataset, draw_splits(field.rng, len(dataset), **shares)))


def _named(file: str) -> tuple[str, str, str]:
    """(folder with slash, stem, suffix) of a file; the stem without Roboflow's hash."""
    folder, slash, name = file.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    return folder + slash, stem.partition(".rf.")[0], dot + suffix


def _hash(rng: np.random.Generator) -> str:
    return rng.bytes(16).hex()


def _versions(field: Field, files: list[str]) -> tuple[list[str], list[str]]:
    """Names of pictures and of a second Roboflow version of each."""
    parts = [_named(file) for file in files]
    return tuple(  # type: ignore[return-value]
        [f"{folder}{stem}_jpg.rf.{_hash(field.rng)}{suffix}" for folder, stem, suffix in parts] for _ in range(2)
    )


def _copies(field: Field, files: list[str]) -> tuple[list[str], list[str]]:
    """Names of pictures and of an augmented copy of each."""
    endings = ["_hflip", "_rot90", "_augmented_1", "_flip", "_blur", "-noise", "_aug_2", "_bright"]
    parts = [_named(file) for file in files]
    starts = [folder + re.sub(r"_(jpe?g|png)$", "", stem) for folder, stem, _ in parts]
    ends = field.rng.choice(endings, len(files))
    plain = [start + suffix for start, (_, _, suffix) in zip(starts, parts, strict=True)]
    copied = [start + end + suffix for start, end, (_, _, suffix) in zip(starts, ends, parts, strict=True)]
    return plain, copied


def _long_names(field: Field, files: list[str]) -> tuple[list[str], list[str]]:
    """A time stamp as the name, in two folders."""
    stamps = [f"IMG_{20200101 + 97 * n}_{100000 + int(field.rng.integers(130000))}" for n in range(len(files))]
    return [f"a/{stamp}.jpg" for stamp in stamps], [f"b/{stamp}.jpg" for stamp in stamps]


def _one_file(field: Field, files: list[str]) -> tuple[list[str], list[str]]:
    return files, files


def _counters(count: int, two: bool) -> tuple[list[str], list[str]]:
    """Names that prove nothing: what two cameras call a picture, or two shots of one place."""
    numbers = [f"{n:04d}" for n in range(1, count + 1)]
    return [f"c/{n}.jpg" for n in numbers], [f"d/{n}.jpg" if two else f"c/{n}_2.jpg" for n in numbers]


Naming = Callable[[Field, list[str]], tuple[list[str], list[str]]]


def _doubled(field: Field, naming: Naming, first: str, second: str) -> Planted | None:
    """Pictures of the split `first` once more in `second`, by their names; and other pictures that share a counter."""
    dataset = some_images(field, 0.9)
    rng, count = field.rng, len(dataset)
    if count < 15:
        return None
    splits = draw_splits(rng, count, train=0.6, val=0.4)
    order = rng.permutation(np.flatnonzero(splits == first))
    many = max(int(0.15 * len(order)), 1)
    faults, decoys = order[:many], order[many : 2 * many]
    others = np.setdiff1d(np.flatnonzero(splits == second), order[: 2 * many])[: len(decoys)]
    decoys = decoys[: len(others)]
    files = dataset.images["file"].to_numpy(copy=True)
    files[faults], again = naming(field, files[faults].tolist())
    files[decoys], files[others] = _counters(len(decoys), first != second)
    sound = images_table(set_split(dataset, splits), file=files)
    faulty = add_images(sound, faults, again, split=second)
    pairs = zip(files[faults].tolist(), again, strict=True)
    found: list[Fault] = [frozenset([("image", a), ("image", b)]) for a, b in pairs]
    return Planted(faulty, found, sound, len(decoys))


def doubled(naming: Naming, first: str = "train", second: str = "val") -> Callable[[Field], Planted | None]:
    return lambda field: _doubled(field, naming, first, second)


def backgrounds(field: Field) -> Planted | None:
    """Objects taken off a share of the images: 12 to 70 %, or up to 9 %."""
    dataset = some_images(field)
    dataset = keep_labelled(dataset)
    if len(dataset) < 25:
        return None
    share = field.rng.uniform(0.12, 0.7) if field.faulty else field.rng.uniform(0, 0.09)
    empty = field.rng.permutation(len(dataset))[
        : int(np.ceil(share * len(dataset)) if field.faulty else share * len(dataset))
    ]
    return told(field, emptied(dataset, empty))


def keep_labelled(dataset: Dataset) -> Dataset:
    return keep_images(dataset, (dataset.images["label_state"] == "labelled").to_numpy(bool))


def emptied(dataset: Dataset, rows: Array) -> Dataset:
    """The boxes of the images at `rows` left out."""
    lost = dataset.boxes["image_id"].isin(dataset.images["image_id"].to_numpy()[rows]).to_numpy()
    return keep_boxes(dataset, ~lost)


def empties(field: Field) -> Planted | None:
    """A folder, a split or a series without a box; as a look-alike empties anywhere, or a folder of negatives."""
    rng = field.rng
    dataset = keep_labelled(some_images(field, 0.9))
    count = len(dataset)
    if count < 60:
        return None
    parts = draw_splits(rng, count, a=0.4, b=0.35, c=0.25)
    kind = int(rng.integers(3))
    numbers = [f"{n:05d}" for n in range(count)]
    meant = not field.faulty and rng.random() < 0.5
    titles = {"a": "street", "b": "yard", "c": "negatives" if meant else "quay"}
    titled = np.array([titles[part] for part in parts], object)
    if kind == 0:
        dataset = set_split(dataset, titled)
    elif kind == 1:
        dataset = images_table(dataset, file=[f"{part}/{n}.jpg" for part, n in zip(titled, numbers, strict=True)])
    else:
        dataset = images_table(dataset, file=[f"{part}_{n}.jpg" for part, n in zip(titled, numbers, strict=True)])
    last = np.flatnonzero(parts == "c")
    if field.faulty or meant:
        rows = last[: int(np.ceil(rng.uniform(0.92, 1) * len(last)))]
    else:
        rows = rng.permutation(count)[: int(rng.uniform(0, 0.4) * count)]
    return told(field, emptied(dataset, rows))


def whole(rule: str, what: str, plant: Callable[[Field], Planted | None]) -> Planter:
    return Planter(rule, what, plant, trials=8, whole=True)


TWO = "same-source-in-two-splits"
PLANTERS = [
    whole("no-validation-split", "val given to train or test; three usual splits", no_validation),
    whole("tiny-validation-split", "a val of 1–60 images; of 100 and more", tiny_validation),
    whole("split-ratio", "10–45 % in train; 55–90 %", ratio),
    Planter(TWO, "Roboflow versions", doubled(_versions), trials=2),
    Planter(TWO, "one file listed in both", doubled(_one_file), trials=2),
    Planter(TWO, "augmented copies", doubled(_copies), trials=2),
    Planter(TWO, "one time stamp in two folders", doubled(_long_names), trials=2),
    Planter("augmented-validation", "Roboflow versions in val", doubled(_versions, "val", "val"), trials=2),
    Planter("augmented-validation", "augmented copies in val", doubled(_copies, "val", "val"), trials=2),
    whole("too-many-backgrounds", "12–70 % of the images; up to 9 %", backgrounds),
    whole("suspicious-empties", "a folder, split or series; scattered or meant", empties),
]
