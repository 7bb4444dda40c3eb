"""Faults of classes: their names, and how often each occurs where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.planters.base import (
    WHOLE,
    Array,
    Fault,
    Field,
    Planted,
    Planter,
    add_classes,
    change,
    draw_splits,
    images_table,
    keep_boxes,
    replicate,
    some_images,
    spoken,
)
from dsq.model import Dataset

UNLIKE = "gazebo heron walrus forklift tricycle chimney lantern mailbox scarecrow windmill".split()


def used(dataset: Dataset, least: int = 1) -> list[tuple[int, str, int]]:
    """(id, name, boxes) of the classes with at least `least` boxes, the most frequent first."""
    counts = dataset.boxes["category_id"].value_counts()
    names = dict(zip(dataset.categories["category_id"].tolist(), dataset.categories["name"].tolist(), strict=True))
    pairs = zip(counts.index.tolist(), counts.tolist(), strict=True)
    return [(number, names[number], count) for number, count in pairs if count >= least]


def split_class(field: Field, dataset: Dataset, number: int, name: str) -> Dataset:
    """A part of a class's boxes under a new class of another name."""
    dataset, (made,) = add_classes(dataset, [name])
    rows = np.flatnonzero((dataset.boxes["category_id"] == number).to_numpy())
    some = field.rng.permutation(rows)[: max(int(field.rng.uniform(0.1, 0.6) * len(rows)), 1)]
    return change(dataset, some, category_id=made)


def respell(name: str, rng: np.random.Generator) -> str:
    """The name in another case, with other separators, or with a blank at its end."""
    ways = [name.upper(), name.title(), name + " ", " " + name, name.lower()]
    ways += [name.replace(" ", mark) for mark in ("_", "-", "")] if " " in name else [name.capitalize()]
    return str(rng.choice([way for way in ways if way != name]))


def misspell(name: str, rng: np.random.Generator) -> str:
    """The plural or singular, or a slip inside the longest word where that has seven letters or more."""
    longest = max(name.split(), key=len)
    if len(longest) >= 7 and rng.random() < 0.5:
        at = int(rng.integers(1, len(longest) - 2))
        parts = longest[:at], longest[at], longest[at + 1], longest[at + 2 :]
        left_out, twice = parts[0] + "".join(parts[2:]), parts[0] + parts[1] * 2 + "".join(parts[2:])
        slip = [left_out, twice, parts[0] + parts[2] + parts[1] + parts[3]][int(rng.integers(3))]
        if slip != longest:
            return name.replace(longest, slip)
    if name.endswith("s") and not name.endswith(("ss", "us", "is")) and len(name) > 4:
        return name[:-1]
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def variants(spell: Callable[[str, np.random.Generator], str]) -> Callable[[Field], Planted | None]:
    def plant(field: Field) -> Planted | None:
        sound = spoken(field.dataset)
        classes = [(number, name) for number, name, _ in used(sound, 2) if len(name) > 2]
        chosen = field.rng.permutation(len(classes))[: max(len(classes) // 4, 1)]
        faulty = sound
        faults: list[Fault] = []
        taken = set(sound.categories["name"])
        for at in chosen.tolist():
            number, name = classes[at]
            other = spell(name, field.rng)
            if other in taken:
                continue
            taken.add(other)
            faulty = split_class(field, faulty, number, other)
            faults.append(frozenset([("name", name), ("name", other)]))
        decoys = [str(word) for word in field.rng.permutation(UNLIKE)[: len(faults)] if word not in taken]
        for word in decoys:
            number, name = classes[int(field.rng.integers(len(classes)))]
            new = word if field.rng.random() < 0.5 else f"{name} {field.rng.integers(2, 9)}"
            if new not in taken:
                taken.add(new)
                faulty = split_class(field, faulty, number, new)
        return Planted(faulty, faults, sound, len(decoys)) if faults else None

    return plant


def unused(field: Field) -> Planted:
    sound = spoken(field.dataset)
    names = [str(word) for word in field.rng.permutation(UNLIKE)[:4]]
    faulty, ids = add_classes(sound, names)
    rows = field.rng.permutation(len(faulty.boxes))[:2]
    faulty = change(faulty, rows, category_id=np.array(ids[2:]))
    faults: list[Fault] = [frozenset([("class", name)]) for name in names[:2]]
    return Planted(faulty, faults, sound, 2)


def root_class(field: Field) -> Planted | None:
    """Half the trials with Roboflow's root; half with a hierarchy that people made, whose root has boxes or none."""
    if field.format != "coco":
        return None
    sound = spoken(field.dataset)
    table = sound.categories
    sound = sound.replace(categories=table.assign(supercategory="thing"))
    root = str(field.rng.choice(UNLIKE))
    faulty, (made,) = add_classes(sound, [root])
    table = faulty.categories.copy()
    table["supercategory"] = root
    table.loc[table["category_id"] == made, "supercategory"] = "none" if field.faulty else None
    faulty = faulty.replace(categories=table)
    faults: list[Fault] = [frozenset([("class", root)])] if field.faulty else []
    return Planted(faulty, faults, sound, 0 if field.faulty else 1)


def imbalance(field: Field) -> Planted | None:
    """Boxes dealt out to two to six classes at random: evenly enough, or one class rare or ruling."""
    rng = field.rng
    dataset = some_images(field)
    total = len(dataset.boxes)
    if total < 150:
        return None
    classes = int(rng.integers(2, 7))
    names = [str(word) for word in rng.permutation(UNLIKE)[:classes]]
    dataset, ids = add_classes(dataset.replace(categories=dataset.categories.iloc[:0]), names)
    if not field.faulty:
        shares = rng.uniform(0.3, 1, classes)
        counts = np.maximum(np.floor(shares / shares.sum() * total).astype(int), 1)
    elif classes == 2 or rng.random() < 0.6:
        rare = max(int(total / (rng.uniform(1.2, 5) * 50 * (classes - 1) + 1)), 1)
        counts = np.r_[rare, np.full(classes - 1, (total - rare) // (classes - 1))]
        if counts[1] <= 52 * rare:
            return None
    else:
        ruling = int(rng.uniform(0.83, 0.95) * total)
        counts = np.r_[np.full(classes - 1, max((total - ruling) // (classes - 1), 1)), ruling]
    dealt = np.repeat(ids, counts)[:total]
    dealt = np.r_[dealt, np.full(total - len(dealt), ids[-1])]
    faulty = change(dataset, np.arange(total), category_id=rng.permutation(dealt))
    return Planted(faulty, [WHOLE] if field.faulty else [], None, int(not field.faulty))


def _numbers(field: Field, per_image: bool) -> Planted | None:
    """Sets copied until their three largest classes reach every tier; in one of two or three, few are left."""
    tier = 1500 if per_image else 10000
    dataset = spoken(field.dataset)
    chosen = [number for number, _, _ in used(dataset)[:3]]
    keep = dataset.boxes["category_id"].isin(chosen).to_numpy()
    dataset = keep_boxes(dataset, keep)
    pairs = dataset.boxes[["image_id", "category_id"]]
    counted = pairs.drop_duplicates() if per_image else pairs
    counts = counted["category_id"].value_counts()
    if counts.min() < tier / 60:
        rare = set(counts.index[counts < tier / 60])
        keep = ~dataset.boxes["category_id"].isin(rare).to_numpy()
        dataset = keep_boxes(dataset, keep)
        counts = counts.drop(list(rare))
    if len(counts) == 0:
        return None
    sound = replicate(dataset, int(tier * 1.1 // counts.min() + 1))
    number = int(field.rng.choice(counts.index))
    name = sound.categories.set_index("category_id")["name"][number]
    of_class = (sound.boxes["category_id"] == number).to_numpy()
    left = int(np.exp(field.rng.uniform(0, np.log(tier * 0.9))))
    if per_image:
        images = field.rng.permutation(sound.boxes.loc[of_class, "image_id"].unique())[:left]
        keep = ~of_class | sound.boxes["image_id"].isin(images).to_numpy()
    else:
        keep = ~of_class
        keep[field.rng.permutation(np.flatnonzero(of_class))[:left]] = True
    faulty = keep_boxes(sound, keep)
    return Planted(faulty, [frozenset([("class", name)])], sound, len(counts) - 1)


def few_images(field: Field) -> Planted | None:
    return _numbers(field, per_image=True)


def few_boxes(field: Field) -> Planted | None:
    return _numbers(field, per_image=False)


def coverage(field: Field) -> Planted | None:
    """Two parts, by folder or as two sources; a class that one of them never labels."""
    rng = field.rng
    dataset = some_images(field, 0.9)
    count = len(dataset)
    if count < 60:
        return None
    part = draw_splits(rng, count, north=rng.uniform(0.35, 0.65), south=0.5)
    if rng.random() < 0.5:
        dataset = images_table(dataset, source=pd.Categorical(part))
    else:
        files = [f"{name}/{file.replace('/', '_')}" for name, file in zip(part, dataset.images["file"], strict=True)]
        dataset = images_table(dataset, file=files, source=pd.Categorical(["one"] * count))
    south = dataset.images["image_id"][part == "south"]
    rate = dataset.boxes[["image_id", "category_id"]].drop_duplicates()["category_id"].value_counts() / count
    expected = rate * len(south)
    able = expected.index[expected >= 16]
    if len(able) == 0:
        return None
    number = int(rng.choice(able))
    name = dataset.categories.set_index("category_id")["name"][number]
    table = dataset.boxes
    hit = ((table["category_id"] == number) & table["image_id"].isin(south)).to_numpy()
    return Planted(keep_boxes(dataset, ~hit), [frozenset([("class", name)])], dataset)


def missing_from_split(field: Field) -> Planted | None:
    """A class taken out of val, or out of train; beside it one taken out of test, which is no fault."""
    rng = field.rng
    dataset = some_images(field, 0.9)
    splits = draw_splits(rng, len(dataset), train=0.5, val=0.3, test=0.2)
    sound = images_table(dataset, split=pd.Categorical(splits))
    where = pd.Series(splits, index=sound.images["image_id"])
    split = sound.boxes["image_id"].map(where).to_numpy()
    table = pd.crosstab(sound.boxes["category_id"].to_numpy(), split)
    names = sound.categories.set_index("category_id")["name"]
    if len(table) < 2 or not {"train", "val", "test"} <= set(table.columns):
        return None
    lacking = "val" if rng.random() < 0.5 else "train"
    able = table.index[(table["train"] >= 12) & (table["val"] >= 1)]
    if len(able) == 0:
        return None
    number = int(rng.choice(able))
    others = table.index[(table["train"] > 0) & (table["val"] > 0) & (table["test"] > 0) & (table.index != number)]
    category = sound.boxes["category_id"].to_numpy()
    hit = (category == number) & (split == lacking)
    decoys = 0
    if len(others):
        hit |= (category == int(rng.choice(others))) & (split == "test")
        decoys = 1
    faulty = keep_boxes(sound, ~hit)
    return Planted(faulty, [frozenset([("class", names[number])])], sound, decoys)


def crowds(field: Field) -> Planted | None:
    dataset = some_images(field)
    if len(dataset.boxes) < 10:
        return None
    share = field.rng.uniform(0.55, 1) if field.faulty else field.rng.uniform(0, 0.35)
    flags: Array = field.rng.random(len(dataset.boxes)) < share
    if field.faulty and flags.mean() < 0.5:
        return None
    faulty = dataset.replace(boxes=dataset.boxes.assign(crowd=flags))
    return Planted(faulty, [WHOLE] if field.faulty else [], None, int(not field.faulty))


def predictions(field: Field) -> Planted:
    """Confidences for all boxes or a part; as a look-alike none, or 1.0 for each (in YOLO no trainer reads that)."""
    dataset = some_images(field)
    count = len(dataset.boxes)
    if field.faulty:
        scores = field.rng.uniform(0.2, 1, count).round(3)
        scores[field.rng.random(count) < field.rng.choice([0, 0.5])] = np.nan
        scores[:2] = 0.31, 0.83
    else:
        scores = np.full(count, np.nan if field.format == "yolo" else field.rng.choice([1.0, np.nan]))
    faulty = dataset.replace(boxes=dataset.boxes.assign(score=scores))
    return Planted(faulty, [WHOLE] if field.faulty else [], None, int(not field.faulty))


def whole(rule: str, what: str, plant: Callable[[Field], Planted | None]) -> Planter:
    return Planter(rule, what, plant, trials=8, whole=True)


def each(rule: str, what: str, plant: Callable[[Field], Planted | None], trials: int = 8) -> Planter:
    return replace(whole(rule, what, plant), whole=False, trials=trials)


PLANTERS = [
    each("class-name-variants", "case, separators, blanks", variants(respell)),
    each("class-name-variants", "plurals and slips of the pen", variants(misspell)),
    each("unused-class", "classes without a box", unused),
    each("placeholder-root-class", "a Roboflow root; another root", root_class),
    whole("class-imbalance", "ratios of 60–250, or one class over 83 %", imbalance),
    each("too-few-images-per-class", "one class of a large set cut to 1–1,350 images", few_images, 3),
    each("too-few-instances-per-class", "one class of a large set cut to 1–9,000 boxes", few_boxes, 3),
    each("class-coverage", "a class taken out of one part of two", coverage),
    each("class-missing-from-split", "a class taken out of val or train", missing_from_split),
    whole("crowd-everywhere", "55–100 % of the boxes; up to 35 %", crowds),
    whole("predictions-as-labels", "confidences for all or half; 1.0 or none", predictions),
]
