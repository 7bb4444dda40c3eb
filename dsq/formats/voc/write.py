"""Writing Pascal VOC: one XML an image, ImageSets and labelmap.txt.

A set that was read as VOC and not laid out anew keeps its files, folders, lists, elements, flags and numbers. Any
other becomes Annotations/, JPEGImages/ and ImageSets/, with labelmap.txt for the order of classes; its
coordinates are 1-based and inclusive and a stamp in <source><annotation> says so. Elements that VOC readers open
unasked are always there then: where nobody said whether an object is difficult or truncated, 0 is written and the
stamp says of which flags. Images that nothing is known of have no XML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.formats.layout import WriteOptions
from dsq.formats.leftovers import count_extras, says_more
from dsq.formats.naming import fresh_names
from dsq.formats.voc.files import infer_offset
from dsq.formats.voc.header import Headers, stamp_text
from dsq.formats.voc.layout import is_labelmap
from dsq.formats.voc.lists import keep_lists, make_labelmap, make_lists, read_lists, splits_read
from dsq.formats.voc.objects import PIECES, Objects
from dsq.formats.voc.text import escaped, plain
from dsq.formats.voc.xml import FLAGS, read_stamp
from dsq.losses import Losses
from dsq.model import Dataset, Table, text_or_none
from dsq.target import Target

Array = NDArray[Any]

_CHUNK = 5_000  # boxes
_END = "</annotation>\n"
_EXPECTED = ("difficult", "truncated")  # flags that readers open unasked
_COLUMNS = ("category_id", "x", "y", "width", "height", *FLAGS, "score", "segmentation", "extras")


class Layout(NamedTuple):
    """Where a row of images goes. names: its file. xmls: its XML, None where none is written. owner: the row whose
    XML holds its objects: itself but for a further record of one file. kept: everything stays where it was.
    """

    names: list[str]
    xmls: list[str | None]
    owner: Array
    kept: bool
    renamed: int = 0


def write(dataset: Dataset, target: Target, options: WriteOptions, losses: Losses) -> list[str]:
    """Write all XML files, lists and labelmap.txt; the name in the target of every image, in the table's order."""
    images = dataset.images
    row = pd.Index(images["image_id"]).get_indexer(pd.Index(dataset.boxes["image_id"]))
    crowd = dataset.boxes["crowd"].to_numpy(bool)
    losses.add("crowd-dropped", crowd.sum())
    held = np.bincount(row[~crowd], minlength=len(images)) > 0
    unsized = held & (images["unit"] == "relative").to_numpy(bool)
    losses.add("boxes-unsized", (unsized[row] & ~crowd).sum())
    due = (held & ~unsized) | (~held & (images["label_state"] == "background").to_numpy(bool))
    absent = images["member"].isna().to_numpy(bool)
    losses.add("images-emptied", ((images["label_state"] == "labelled").to_numpy(bool) & ~due & ~absent).sum())
    layout = _kept_layout(dataset, due) if options.style is None else None
    layout = layout or _fresh_layout(dataset, due)
    losses.add("images-renamed", layout.renamed)
    losses.add("records-united", (layout.owner != np.arange(len(images))).sum())
    losses.add("images-left-out", (absent & ~due).sum())
    classes = _class_names(dataset)
    losses.add("names-changed", sum(a != b for a, b in zip(classes, dataset.categories["name"], strict=True)))
    chosen = np.flatnonzero(due[row] & ~crowd)
    owner = layout.owner[row[chosen]]
    if (np.diff(owner) < 0).any():
        order = np.argsort(owner, kind="stable")
        chosen, owner = chosen[order], owner[order]
    boxes = dataset.boxes[list(_COLUMNS)]
    if len(chosen) != len(boxes) or (chosen != np.arange(len(boxes))).any():
        boxes = boxes.take(chosen)
    _write_side_files(dataset, layout, boxes, owner, classes, target, options, losses)
    _write_annotations(dataset, layout, boxes, owner, classes, target, options, losses)
    _count_losses(dataset, crowd, losses)
    return layout.names


def _kept_layout(dataset: Dataset, due: Array) -> Layout | None:
    """The layout that was read, where every XML to be written has its name and every split its place in it."""
    about, images = dataset.about, dataset.images
    if about.format != "voc" or not about.root or images["source"].nunique() > 1:
        return None
    files = images["file"].tolist()
    origins = text_or_none(images["origin_file"]).tolist()
    xmls = [name if is_due else None for name, is_due in zip(origins, due.tolist(), strict=True)]
    written = [name for name in xmls if name is not None]
    if len(written) != due.sum() or len(set(written)) != len(written):
        return None
    members = [origin or file for origin, file in zip(origins, files, strict=True)]
    if splits_read(read_lists(about.documents), members, files) != text_or_none(images["split"]).tolist():
        return None
    return Layout(files, xmls, np.arange(len(images)), True)


def _fresh_layout(dataset: Dataset, due: Array) -> Layout:
    names, renamed = fresh_names(dataset, folder="JPEGImages", by_split=False, pair_by_stem=True)
    first: dict[str, int] = {}
    owners = list(range(len(names)))
    xmls: list[str | None] = [None] * len(names)
    for row in np.flatnonzero(due).tolist():
        owners[row] = first.setdefault(names[row], row)
        if owners[row] == row:
            xmls[row] = f"Annotations/{_stem(names[row])}.xml"
    owner = np.array(owners, np.int64)
    return Layout(names, xmls, owner, False, renamed)


def _stem(name: str) -> str:
    """The path below JPEGImages without its suffix."""
    path = name.removeprefix("JPEGImages/")
    dot = path.rfind(".")
    return path[:dot] if dot > path.rfind("/") + 1 else path


def _class_names(dataset: Dataset) -> list[str]:
    """The names as XML holds them and a reader finds them: no two alike, none empty."""
    taken: set[str] = set()
    names = []
    for name in dataset.categories["name"].tolist():
        base = plain(name).replace("\r\n", "\n").strip() or "_"
        found, number = base, 2
        while found in taken:
            found, number = f"{base}_{number}", number + 1
        taken.add(found)
        names.append(found)
    return names


def _write_side_files(
    dataset: Dataset, layout: Layout, boxes: Table, owner: Array, classes: list[str], target: Target,
    options: WriteOptions, losses: Losses,
) -> None:  # fmt: skip
    """ImageSets and labelmap.txt; what of classes, splits and documents is lost."""
    about, images = dataset.about, dataset.images
    splits = text_or_none(images["split"]).tolist()
    files: dict[str, bytes] = {}
    if layout.kept:
        origins = text_or_none(images["origin_file"]).tolist()
        members = [origin or name for origin, name in zip(origins, layout.names, strict=True)]
        lists = keep_lists(about, members, lambda: _signs(dataset, boxes, owner, classes))
        losses.add("documents-dropped", lists.left_out)
        losses.add("class-lists-corrected", lists.corrected)
        files = lists.files
    elif options.style is None:
        has_xml = [layout.xmls[row] is not None for row in layout.owner.tolist()]
        there = (images["member"].notna().to_numpy() | has_xml).tolist()
        listed = [split if named else None for split, named in zip(splits, there, strict=True)]
        lists = make_lists(listed, [_stem(name) for name in layout.names], has_xml)
        losses.add("splits-renamed", lists.renamed)
        losses.add("splits-dropped", lists.lost)
        files = lists.files
    else:
        losses.add("splits-dropped", sum(split is not None for split in splits))
    if not layout.kept:
        losses.add("documents-dropped", sum(says_more(*each) for each in about.documents.items()))
    maps = {name: data for name, data in about.documents.items() if is_labelmap(name)}
    used = set(boxes["category_id"].unique().tolist())
    in_use = sorted(
        name for name, code in zip(classes, dataset.categories["category_id"].tolist(), strict=True) if code in used
    )
    if options.style is None:
        found, order = _class_files(dataset, classes, in_use, maps if layout.kept else {}, kept=layout.kept)
        files |= found
    else:
        order = in_use
    _count_classes(dataset, classes, in_use, order, losses)
    for name, data in files.items():
        target.write(name, data)


def _signs(dataset: Dataset, boxes: Table, owner: Array, classes: list[str]) -> dict[str, dict[int, int]]:
    """For each class the rows of images that hold it: 1, or 0 where all its boxes are difficult."""
    found: dict[str, dict[int, int]] = {name: {} for name in classes}
    label = pd.Index(dataset.categories["category_id"]).get_indexer(pd.Index(boxes["category_id"]))
    sure = ~boxes["difficult"].fillna(False).to_numpy(bool)
    for place, row, is_sure in zip(label.tolist(), owner.tolist(), sure.tolist(), strict=True):
        held = found[classes[place]]
        held[row] = max(held.get(row, 0), int(is_sure))
    return found


def _class_files(
    dataset: Dataset, classes: list[str], in_use: list[str], maps: dict[str, bytes], *, kept: bool
) -> tuple[dict[str, bytes], list[str]]:
    """Every labelmap.txt, the first with all classes where they need one, and the order of classes as it reads."""
    declared = dataset.categories["declared"].to_numpy(bool)
    listed = [name for name, said in zip(classes, declared, strict=True) if said]
    if not maps and (not classes or (kept and classes == in_use == listed)):
        return {}, in_use
    first = next(iter(maps), "labelmap.txt")
    data = make_labelmap(listed, in_use, maps.get(first))
    order = [name for name in listed if name in in_use or name != "background"]
    return {**maps, first: data}, order + [name for name in in_use if name not in listed]


def _count_classes(dataset: Dataset, classes: list[str], in_use: list[str], order: list[str], losses: Losses) -> None:
    """order: the classes as they are read again."""
    losses.add("unused-classes-dropped", len(set(classes) - set(order) - set(in_use)))
    numbers = dict(zip(classes, dataset.categories["source_id"].tolist(), strict=True))
    there = [(place, numbers[name]) for place, name in enumerate(order) if numbers[name] is not pd.NA]
    losses.add("class-ids-changed", min(sum(place + start != own for place, own in there) for start in (0, 1)))
    losses.add("supercategories-dropped", dataset.categories["supercategory"].notna().sum())


def _write_annotations(
    dataset: Dataset, layout: Layout, boxes: Table, owner: Array, classes: list[str], target: Target,
    options: WriteOptions, losses: Losses,
) -> None:  # fmt: skip
    """Write all XML files. boxes: in order. owner (boxes,): the row of the image in whose XML each goes."""
    images = dataset.images
    extras = [blob if blob and blob[:1] == b"<" else None for blob in images["extras"].tolist()]
    convention = _Convention.of(dataset, layout, boxes, owner, extras)
    objects = Objects(
        boxes,
        [escaped(name) for name in classes],
        pd.Index(dataset.categories["category_id"]).get_indexer(pd.Index(boxes["category_id"])),
        convention.offsets[owner],
        convention.flags,
        exact=layout.kept,
        fresh=not layout.kept,
        polygons=options.task == "segment" or dataset.about.format == "voc",
    )
    headers = Headers(fresh=not layout.kept)
    widths = images["width"].fillna(0).tolist()
    heights = images["height"].fillna(0).tolist()
    corrected = [True] * len(images) if not layout.kept else images["pixel_ops"].notna().tolist()
    bounds = np.searchsorted(owner, np.arange(len(images) + 1)).tolist()
    rows = [at for at, xml in enumerate(layout.xmls) if xml is not None]
    done = 0
    for part in _chunks(rows, bounds):
        first = bounds[part[0]]
        pieces = objects.pieces(first, bounds[part[-1] + 1])
        for at in part:
            folder, _, name = layout.names[at].rpartition("/")
            lead, mark, tail = headers.header(
                extras[at], folder, convention.stamps[at], widths[at], heights[at], corrected=corrected[at]
            )
            inner = "".join(pieces[PIECES * (bounds[at] - first) : PIECES * (bounds[at + 1] - first)])
            text = f"{lead}{escaped(name) if mark else ''}{tail}{inner}{_END}"
            target.write(layout.xmls[at] or "", text.encode())
        done += len(part)
        if options.progress is not None:
            options.progress("writing annotations", done, len(rows))
    losses.add("polygons-dropped", objects.masks_lost)


def _chunks(rows: Sequence[int], bounds: Sequence[int]) -> Iterator[Sequence[int]]:
    """Parts of `rows` with some thousand boxes each; bounds: the first box of each row, and the end."""
    start = 0
    for place in range(1, len(rows) + 1):
        if place == len(rows) or bounds[rows[place] + 1] - bounds[rows[start]] > _CHUNK or place - start == _CHUNK:
            yield rows[start:place]
            start = place


class _Convention(NamedTuple):
    """offsets (images,): 0 or 1. flags (boxes, 3): 0, 1 or 2 (left out). stamps: what goes into <source><annotation>
    of each image; None: nothing new.
    """

    offsets: Array
    flags: Array
    stamps: list[str | None]

    @classmethod
    def of(
        cls, dataset: Dataset, layout: Layout, boxes: Table, owner: Array, extras: Sequence[bytes | None]
    ) -> _Convention:
        """From the set's own convention, stamps that its files bear, and what its boxes leave unsaid."""
        count = len(dataset.images)
        taken = dataset.about.voc_offset if dataset.about.format == "voc" else 1
        taken = 1 if taken is None else taken
        offsets = np.full(count, taken)
        stamped = np.full(count, not layout.kept)
        zeroed = np.full(count, -1 if not layout.kept else 0)
        if layout.kept:
            stamps = [read_stamp(blob) if blob else (None, 0) for blob in extras]
            own = np.array([taken if offset is None else offset for offset, _ in stamps], np.int64)
            offsets[:] = own
            stamped |= [offset is not None for offset, _ in stamps]
            zeroed = np.array([bits for _, bits in stamps], np.int64)
            bare = ~stamped[owner]
            low = boxes[["x", "y"]].to_numpy(float)[bare] + taken
            corners = np.column_stack([low, low])
            if len(low) and infer_offset(corners, np.zeros_like(low))[0] != taken:
                stamped[:] = True
        said = boxes[list(FLAGS)]
        flags = np.empty((len(boxes), len(FLAGS)), np.int64)
        unsaid = np.zeros(count, np.int64)
        for place, flag in enumerate(FLAGS):
            missing = said[flag].isna().to_numpy(bool)
            flags[:, place] = said[flag].fillna(False).to_numpy(bool)
            flags[missing, place] = 2
            if flag in _EXPECTED and missing.any():
                silent = np.bincount(owner, minlength=count) > 0
                silent[owner[~missing]] = False
                silent &= zeroed >> place & 1 == 1
                flags[missing & silent[owner], place] = 0
                unsaid |= silent.astype(np.int64) << place
        names = {
            bits: [flag for place, flag in enumerate(FLAGS) if bits >> place & 1] for bits in np.unique(unsaid).tolist()
        }
        texts = [
            stamp_text(offset, names[bits]) if has_one else None
            for offset, bits, has_one in zip(offsets.tolist(), unsaid.tolist(), stamped.tolist(), strict=True)
        ]
        if layout.kept:
            texts = [
                None if text and blob and f"<annotation>{text}</annotation>".encode() in blob else text
                for text, blob in zip(texts, extras, strict=True)
            ]
        return cls(offsets, flags, texts)


def _count_losses(dataset: Dataset, crowd: Array, losses: Losses) -> None:
    """What VOC has no element for, whatever the layout; of boxes that are no crowd."""
    images, boxes, categories = dataset.images, dataset.boxes, dataset.categories
    losses.add("keypoints-dropped", (boxes["keypoints"].notna().to_numpy() & ~crowd).sum())
    area = boxes["area"].to_numpy(float)
    whole = boxes["width"].to_numpy(float) * boxes["height"].to_numpy(float)
    losses.add("areas-dropped", ((np.abs(area - whole) > 1e-6 * np.abs(whole) + 1e-9) & ~crowd).sum())
    for table in (images, boxes, categories):
        blobs = table["extras"].to_numpy(object)
        others = np.array([blob is not None and blob[:1] != b"<" for blob in blobs.tolist()], bool)
        losses.add("extras-dropped", count_extras(blobs[others]))
    numbered = (boxes["source_id"].notna().to_numpy() & ~crowd).sum()
    losses.add("ids-changed", int(images["source_id"].notna().sum()) + int(numbered))
