"""COCO documents as the tables of one dataset: classes united by name, ids made unique, boxes put to images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.formats.coco.document import Category, Document
from dsq.formats.coco.files import Matched, Problem
from dsq.formats.coco.values import ABSENT, FLAGS, STAND_IN, place_of
from dsq.formats.layout import Request, split_of_path
from dsq.model import BOXES, CATEGORIES, IMAGES, Table, make_table

Array: TypeAlias = NDArray[Any]

#: ids beyond it leave no room for those that are made
LARGEST = 1 << 62
#: ids that spread over less than so many numbers a row are looked up in a table
SPREAD = 16


@dataclass
class Classes:
    """The categories of all documents; lookup: for each document, (its category ids, their rows)."""

    names: list[str] = field(default_factory=list)
    above: list[str | None] = field(default_factory=list)
    source_ids: list[int] = field(default_factory=list)
    extras: list[bytes | None] = field(default_factory=list)
    declared: list[bool] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    lookup: list[tuple[Array, Array]] = field(default_factory=list)
    by_name: dict[str, list[int]] = field(default_factory=dict)

    def add(self, number: int, name: str, above: str | None, extras: bytes | None, declared: bool) -> int:
        """A new row; its position."""
        for column, value in (
            (self.names, name), (self.above, above), (self.source_ids, number), (self.extras, extras),
            (self.declared, declared),
        ):  # fmt: skip
            column.append(value)  # type: ignore[arg-type]
        return len(self.names) - 1

    def unite(self, categories: Sequence[Category]) -> dict[int, int]:
        """The rows of one document's categories, by id: those of the same name, and new ones for the others."""
        rows: dict[int, int] = {}
        mine: set[int] = set()
        for category in categories:
            same = [row for row in self.by_name.get(category.name, []) if row not in mine]
            exact = [row for row in same if self.source_ids[row] == category.id]
            row = (exact or same or [-1])[0]
            if row < 0:
                row = self.add(category.id, category.name, category.supercategory, category.extras, True)
                self.by_name.setdefault(category.name, []).append(row)
            mine.add(row)
            rows.setdefault(category.id, row)
        return rows

    def table(self) -> Table:
        """The categories table."""
        return make_table(
            CATEGORIES, len(self.names),
            category_id=self.ids, name=self.names, supercategory=self.above, declared=self.declared,
            source_id=integers(self.source_ids), extras=self.extras,
        )  # fmt: skip


def integers(values: Any) -> Any:
    """An Int column; numbers that only stand in for an id are NA."""
    data = np.asarray(values, np.int64)
    mask = data <= STAND_IN
    return pd.arrays.IntegerArray(np.where(mask, 0, data) if mask.any() else data, mask)


def unite_classes(documents: Sequence[Document]) -> Classes:
    """Categories united by name over the documents; ids kept where they are free, else made after the largest.

    Within one document two categories of one name stay two. An id that boxes use but no list declares becomes a
    category of its own, named by the id.
    """
    classes = Classes()
    unknown: dict[str, int] = {}
    for document in documents:
        rows = classes.unite(document.categories)
        for number in pd.unique(document.boxes["category_id"]).tolist():
            if number in rows:
                continue
            name = document.class_texts.get(number, str(number))
            declared = classes.by_name.get(name, []) if number in document.class_texts else []
            if not declared and name not in unknown:
                unknown[name] = classes.add(number, name, None, None, False)
            rows[number] = declared[0] if declared else unknown[name]
        classes.lookup.append((np.array(list(rows), np.int64), np.array(list(rows.values()), np.int64)))
    used: set[int] = set()
    for number in classes.source_ids:
        keep = STAND_IN < number < LARGEST and number not in used
        classes.ids.append(number if keep else STAND_IN)
        used.add(classes.ids[-1])
    following = max(used - {STAND_IN}, default=0) + 1
    for row, number in enumerate(classes.ids):
        if number == STAND_IN:
            classes.ids[row], following = max(following, 1), max(following, 1) + 1
    return classes


def build_tables(
    request: Request,
    documents: Sequence[Document],
    matched: Sequence[Matched],
    classes: Classes,
    problems: list[Problem],
) -> tuple[Table, Table]:
    """The tables of images and of boxes; what cannot be put in them is added to `problems`."""
    others = unrecorded(request, matched)
    ids = unique_ids([document.images["id"] for document in documents], len(others))
    states: list[Array] = []
    parts: dict[str, list[Array]] = {name: [] for name in ("row", "category", *_BOX_COLUMNS, "document")}
    first = 0
    for place, document in enumerate(documents):
        problems += _repeated(document)
        row, found = rows_of(document.images["id"], document.boxes["image_id"])
        problems += _orphans(document, ~found)
        boxes = document.boxes
        if not found.all():
            row, boxes = row[found], {key: values[found] for key, values in boxes.items()}
        states.append(_label_states(document, row))
        parts["row"].append(row + first)
        keys, rows = classes.lookup[place]
        parts["category"].append(rows[rows_of(keys, boxes["category_id"])[0]])
        parts["document"].append(np.full(len(row), place, np.int16))
        for name in _BOX_COLUMNS:
            parts[name].append(boxes[name])
        first += len(document.images["id"])
    names = [document.name for document in documents]
    images = _images_table(request, documents, matched, others, ids, np.concatenate(states), problems)
    joined = {name: values[0] if len(values) == 1 else np.concatenate(values) for name, values in parts.items()}
    del parts
    stated = joined["id"]
    places = np.where(stated > STAND_IN, stated, joined["index"])
    boxes_table = make_table(
        BOXES, len(stated),
        box_id=unique_ids([stated], 0),
        image_id=ids[joined["row"]],
        category_id=np.array(classes.ids, np.int64)[joined["category"]],
        x=joined["x"], y=joined["y"], width=joined["width"], height=joined["height"],
        crowd=joined["crowd"], area=joined["area"], score=joined["score"],
        **{flag: pd.arrays.BooleanArray(joined[flag] == 1, joined[flag] < 0) for flag in FLAGS},
        segmentation=joined["segmentation"], keypoints=joined["keypoints"], extras=joined["extras"],
        origin_file=pd.Categorical.from_codes(joined["document"], categories=pd.Index(names, dtype=object)),
        origin_place=places, source_id=integers(stated),
    )  # fmt: skip
    return images, boxes_table


_BOX_COLUMNS = (
    "id", "x", "y", "width", "height", "area", "crowd", "segmentation", "keypoints", "score", *FLAGS, "extras", "index"
)  # fmt: skip


def unique_ids(parts: Sequence[Array], more: int) -> Array:
    """One id a row: those given where all are usable and none occurs twice, else from 1; then `more` made ones."""
    stated = np.concatenate(parts) if parts else np.empty(0, np.int64)
    low, high = (int(stated.min()), int(stated.max())) if len(stated) else (0, 0)
    if low > STAND_IN and high < LARGEST and not _has_repeats(stated):
        following = max(high, 0) + 1
        return np.concatenate([stated, np.arange(following, following + more)])
    return np.arange(1, len(stated) + more + 1)


def rows_of(keys: Array, wanted: Array) -> tuple[Array, Array]:
    """(first row whose key is the wanted one, whether there is any)."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    low, high = int(keys.min()), int(keys.max())
    if high - low < SPREAD * (len(keys) + len(wanted)):
        rows = np.full(high - low + 2, -1, np.int32)  # the last is for keys out of range
        rows[keys[::-1] - low] = np.arange(len(keys) - 1, -1, -1)
        inside = (wanted >= low) & (wanted <= high)
        found: Array = rows[wanted - low if inside.all() else np.where(inside, wanted - low, -1)]
        return found, found >= 0
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    place = np.minimum(np.searchsorted(ordered, wanted), len(keys) - 1)
    return order[place], ordered[place] == wanted


def _has_repeats(ids: Array) -> bool:
    if not len(ids):
        return False
    low, high = int(ids.min()), int(ids.max())
    if high - low < SPREAD * len(ids):
        return bool((np.bincount(ids - low) > 1).any())
    ordered = np.sort(ids)
    return bool((ordered[1:] == ordered[:-1]).any())


def _repeated(document: Document) -> list[Problem]:
    """Ids that occur twice in one document."""
    problems: list[Problem] = []
    ids = document.boxes["id"]
    values, counts = _repeats(ids)
    for number, count in zip(values.tolist(), counts.tolist(), strict=True):
        what = f"id {number} is used by {count} annotations; all boxes are kept, under ids of their own"
        problems.append(("duplicate-id", document.name, f"annotation id {number}", what))
    ids = document.images["id"]
    for number in _repeats(ids)[0].tolist():
        names = document.images["name"][ids == number].tolist()
        what = f"id {number} is used by {' and '.join(names[:4])}; its boxes are taken for {names[0]}"
        problems.append(("duplicate-id", document.name, f"image id {number}", what))
    return problems


def _repeats(ids: Array) -> tuple[Array, Array]:
    if not _has_repeats(ids):
        return ids[:0], ids[:0]
    values, counts = np.unique(ids, return_counts=True)
    return values[counts > 1], counts[counts > 1]


def _orphans(document: Document, lost: Array) -> list[Problem]:
    rows = np.flatnonzero(lost)
    columns = (document.boxes[name][rows].tolist() for name in ("id", "image_id", "index"))
    return [
        ("orphan-annotation", document.name, place_of("annotation", number, index),
         f"its image_id {image if image > STAND_IN else 'is no number and'} belongs to no image record; "
         "the box was left out")
        for number, image, index in zip(*columns, strict=True)
    ]  # fmt: skip


def _label_states(document: Document, rows: Array) -> Array:
    """0 labelled, 1 background, 2 unlabelled for each image record; rows: the image of each box."""
    ids = document.images["id"]
    states = np.full(len(ids), 2 if document.task == "image records only" else 1, np.int8)
    if document.nameless:
        states[np.isin(ids, document.nameless)] = 2
    states[rows] = 0
    if document.lost:
        lost, found = rows_of(ids, np.array(document.lost, np.int64))
        states[lost[found]] = 0
    return states


def unrecorded(request: Request, matched: Sequence[Matched]) -> list[str]:
    """Image files that no record names, in the folders where recorded images lie or from which documents name them,
    sorted.
    """
    known = {name for match in matched for name in match.member if name is not None}
    folders = {name.rpartition("/")[0] for name in known}
    homes = tuple({f"{match.home}/" for match in matched if match.home})
    return sorted(
        name
        for name in request.images.places
        if name not in known and (name.rpartition("/")[0] in folders or name.startswith(homes))
    )


def _images_table(
    request: Request,
    documents: Sequence[Document],
    matched: Sequence[Matched],
    others: list[str],
    ids: Array,
    states: Array,
    problems: list[Problem],
) -> Table:
    places = request.images.places
    file = [name for match in matched for name in match.file] + others
    member: list[str | None] = [name for match in matched for name in match.member]
    splits = _splits(documents, matched, problems)
    by_folder: dict[str, set[str | None]] = {}
    for name, split in zip(member, splits, strict=True):
        if name is not None and others:
            by_folder.setdefault(name.rpartition("/")[0], set()).add(split)
    for document, match in zip(documents, matched, strict=True):
        if match.home:
            split = document.split or split_of_path(f"{match.home}/")
            by_folder.setdefault(match.home, set()).add(split)
    for name in others:
        folder = name.rpartition("/")[0]
        while folder and folder not in by_folder:
            folder = folder.rpartition("/")[0]
        around = by_folder.get(folder, set())
        splits.append(next(iter(around)) if len(around) == 1 else split_of_path(name))
    member += others
    count, more = len(file), len(others)
    names = [document.name for document in documents]
    made = np.full(more, STAND_IN)
    nothing = np.zeros(more, np.int64)
    width, height = (
        np.concatenate([*(document.images[side] for document in documents), nothing]) for side in ("width", "height")
    )
    _fill_sizes(request, member, width, height)
    origin = np.repeat(np.arange(len(documents)), [len(match.file) for match in matched])
    index = np.concatenate([document.images["index"] for document in documents])
    stated = np.concatenate([document.images["id"] for document in documents])
    where = np.concatenate([np.where(stated > STAND_IN, stated, index), np.full(more, -1)])
    extras = [blob for pair in zip(documents, matched, strict=True) for blob in _with_names(*pair)]
    return make_table(
        IMAGES, count,
        image_id=ids, file=file,
        root=pd.Categorical([places[name] if name is not None else None for name in member]),
        member=member,
        width=pd.arrays.IntegerArray(width, width == 0), height=pd.arrays.IntegerArray(height, height == 0),
        split=pd.Categorical(splits),
        label_state=pd.Categorical.from_codes(
            np.concatenate([states, np.full(more, 2, np.int8)]),
            pd.Index(["labelled", "background", "unlabelled"], dtype=object),
        ),
        source=request.dataset_name,
        extras=extras + [None] * more,
        origin_file=pd.Categorical.from_codes(
            np.concatenate([origin, np.full(more, -1)]).astype(np.int16), pd.Index(names, dtype=object)
        ),
        origin_place=where, source_id=integers(np.concatenate([stated, made])),
    )  # fmt: skip


def _splits(documents: Sequence[Document], matched: Sequence[Matched], problems: list[Problem]) -> list[str | None]:
    """The split of each record: of its file's name or folder, else of its image's folder.

    An image that documents put in several splits is a problem, told once.
    """
    splits: list[str | None] = []
    seen: dict[str, dict[str | None, str]] = {}
    for document, match in zip(documents, matched, strict=True):
        if document.split is not None or not any("/" in name for name in match.file):
            own: list[str | None] = [document.split] * len(match.file)
        else:
            folders = [name.rpartition("/")[0] for name in match.file]
            known = {folder: split_of_path(f"{folder}/") for folder in set(folders)}
            own = [known[folder] for folder in folders]
        if len(documents) > 1:
            for name, split in zip(match.member, own, strict=True):
                if name is not None:
                    seen.setdefault(name, {}).setdefault(split, document.name)
        splits += own
    for name, places in seen.items():
        if len(places) > 1:
            what = " and ".join(f"in {split or 'no split'} by {by}" for split, by in places.items())
            problems.append(("image-in-two-splits", name, "", f"one file, {what}: the score is inflated"))
    return splits


def _fill_sizes(request: Request, member: Sequence[str | None], width: Array, height: Array) -> None:
    """Take sizes that no record states from the headers of the images."""
    rows = [row for row in np.flatnonzero((width == 0) | (height == 0)).tolist() if member[row] is not None]
    headers = request.image_headers([name for row in rows if (name := member[row]) is not None]) if rows else []
    for row, header in zip(rows, headers, strict=True):
        width[row] = width[row] or header.width
        height[row] = height[row] or header.height


def _with_names(document: Document, match: Matched) -> list[bytes | None]:
    """Extras of the image records; where the file is not called as the record says, its file_name is in there."""
    packed: list[bytes | None] = []
    for blob, stated, file in zip(
        document.images["extras"].tolist(), document.images["name"].tolist(), match.file, strict=True
    ):
        if stated != file and (blob is None or not _tells_name(blob)):
            name = b'{"file_name":' + msgspec.json.encode(stated)
            packed.append(name + (b"}" if blob is None else b"," + blob[1:]))
        else:
            packed.append(blob)
    return packed


def _tells_name(blob: bytes) -> bool:
    """Whether extras hold a file_name of their own, or say that the record has none."""
    if b'"file_name"' not in blob:
        return False
    record = msgspec.json.decode(blob, type=dict[str, msgspec.Raw])
    return "file_name" in record or b'"file_name"' in bytes(record.get(ABSENT, b""))
