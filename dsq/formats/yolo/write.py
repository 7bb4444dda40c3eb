"""Write YOLO: label files beside images, a data.yaml, and for a YOLO source the layout it had."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from dsq.errors import ConfigError
from dsq.folder import Entry
from dsq.formats.layout import Request, WriteOptions, decode_text, escapes
from dsq.formats.leftovers import count_extras
from dsq.formats.naming import UNASSIGNED, fresh_names, split_folders
from dsq.formats.yolo.boxes import Rows, detect_rows, place_boxes, read_rows, segment_rows
from dsq.formats.yolo.choice import choose_config, find_configs
from dsq.formats.yolo.config import is_class_list, is_config, parse_yaml
from dsq.formats.yolo.documents import is_key, make_yaml, names_of, settle
from dsq.formats.yolo.pairs import label_path
from dsq.formats.yolo.splits import Tree
from dsq.losses import Losses
from dsq.model import Dataset, text_or_none
from dsq.source import Source
from dsq.target import Target

Array: TypeAlias = NDArray[Any]

FOLDER = "images"
STEP = 2000  # label files between two words of progress


class Layout(NamedTuple):
    """Where things go: a name an image, its label file (None: it gets none), and the other files."""

    names: list[str]
    labels: list[str | None]
    documents: Mapping[str, bytes]


def write(dataset: Dataset, target: Target, options: WriteOptions, losses: Losses) -> list[str]:
    """Write label files and data.yaml; the name in the target of every image.

    A dataset that was read from YOLO keeps its layout, its class ids and the kind of each row, unless its splits
    are others now; `task` "segment" makes polygons of all rows. Any other gets `images/<split>`, `labels/<split>`,
    class ids from 0, and rows of one kind, cut to their image. ConfigError for a style.
    """
    if options.style is not None:
        raise ConfigError(f"the style {options.style} has no YOLO labels.", hint="Choose --to voc or --to coco.")
    crowd = dataset.boxes["crowd"].to_numpy(bool)
    losses.add("crowd-dropped", crowd.sum())
    if crowd.any():
        dataset = dataset.replace(boxes=dataset.boxes[~crowd].reset_index(drop=True))
    as_read = dataset.about.format == "yolo"
    numbers = _class_numbers(dataset, as_read)
    _count(dataset, numbers, losses, as_read=as_read)
    boxes = place_boxes(dataset, numbers, losses)
    if as_read and options.task != "segment":
        rows = read_rows(boxes, _pose_shape(dataset), losses)
    else:
        losses.add("scores-dropped", dataset.boxes["score"].notna().sum())
        rows = segment_rows(boxes, losses) if options.task == "segment" else detect_rows(boxes, losses)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows.image, minlength=len(dataset.images)))])
    said = _said(dataset, starts, losses)
    layout = _kept(dataset, target, numbers, said) if as_read else None
    if layout is not None and not _agree(layout, rows, starts):
        layout = None
    shared = layout is not None
    if layout is None:
        layout = _fresh(dataset, numbers, said, losses)
    _write_labels(layout, rows, starts, target, options, shared=shared)
    for name, data in layout.documents.items():
        target.write(name, data)
    return layout.names


def _class_numbers(dataset: Dataset, as_read: bool) -> Array:
    """The class id in label files of every category: YOLO's own, else from 0 in the table's order."""
    if as_read:
        return dataset.categories["category_id"].to_numpy(np.int64)
    return np.arange(len(dataset.categories))


def _count(dataset: Dataset, numbers: Array, losses: Losses, *, as_read: bool) -> None:
    """Count what no YOLO file holds."""
    boxes, images, categories = dataset.boxes, dataset.images, dataset.categories
    flags = np.zeros(len(boxes), bool)
    for name in ("difficult", "truncated", "occluded"):
        flags |= boxes[name].to_numpy(bool, na_value=False)
    losses.add("flags-dropped", flags.sum())
    area, size = boxes["area"].to_numpy(), (boxes["width"] * boxes["height"]).to_numpy()
    losses.add("areas-dropped", (np.abs(area - size) > 1e-6 * np.abs(size) + 1e-9).sum())
    losses.add(
        "extras-dropped", sum(count_extras(table["extras"].to_numpy(object)) for table in (boxes, images, categories))
    )
    losses.add("ids-changed", int(boxes["source_id"].notna().sum()) + int(images["source_id"].notna().sum()))
    above = [name for name in text_or_none(categories["supercategory"]) if name]
    losses.add("supercategories-dropped", len(above))
    losses.add_class_ids(categories["source_id"], numbers)
    if not as_read:
        losses.add("documents-dropped", _entries(dataset))


def _entries(dataset: Dataset) -> int:
    """The entries of another format's documents that are neither records, classes nor splits."""
    held = {one.file for one in dataset.about.class_lists}
    count = 0
    for file, raw in dataset.about.documents.items():
        if file.lower().endswith(".json"):
            entries = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            count += len(entries.keys() - {"images", "annotations", "categories"})
        else:
            count += file not in held and "/ImageSets/" not in f"/{file}"
    return count


def _pose_shape(dataset: Dataset) -> tuple[int, int] | None:
    for file, raw in dataset.about.documents.items():
        config = parse_yaml(file, decode_text(raw))[0] if is_config(file) else None
        if config is not None and config.keypoints is not None:
            return config.keypoints
    return None


def _said(dataset: Dataset, starts: Array, losses: Losses) -> Array:
    """(images,) bool: whether the image gets a label file."""
    state = dataset.images["label_state"]
    emptied = (state == "labelled").to_numpy(bool) & (starts[1:] == starts[:-1])
    absent = dataset.images["member"].isna().to_numpy(bool)
    losses.add("images-emptied", (emptied & ~absent).sum())
    said: Array = (state != "unlabelled").to_numpy(bool) & ~emptied
    losses.add("images-left-out", (absent & ~said).sum())
    losses.add("sizes-dropped", (absent & said & dataset.images["width"].notna().to_numpy(bool)).sum())
    return said


def _fresh(dataset: Dataset, numbers: Array, said: Array, losses: Losses) -> Layout:
    """images/<split>/…, labels/<split>/… and a data.yaml."""
    folders = split_folders(dataset.images)
    lost = [name for name, folder in folders.items() if name is not None and not is_key(name, f"{FOLDER}/{folder}")]
    if lost:
        gone = dataset.images["split"].isin(lost)
        losses.add("splits-dropped", gone.sum())
        dataset = dataset.replace(images=dataset.images.assign(split=dataset.images["split"].mask(gone)))
        folders = split_folders(dataset.images)
    names, renamed = fresh_names(dataset, folder=FOLDER, by_split=True, pair_by_stem=True)
    losses.add("images-renamed", renamed)
    places = {split or UNASSIGNED: f"{FOLDER}/{folder}" for split, folder in folders.items()} or {"": FOLDER}
    labels = [label_path(name) if each else None for name, each in zip(names, said.tolist(), strict=True)]
    first = next(iter(dataset.about.documents), "")
    kept = dataset.about.format == "yolo" and is_config(first) and not first.lower().endswith(".data")
    text = make_yaml(_declared(dataset, numbers), places, dataset.about.documents[first] if kept else None)
    return Layout(names, labels, {"data.yaml": text})


def _declared(dataset: Dataset, numbers: Array) -> dict[int, str]:
    """Class names by id; those that a YOLO source does not declare are left out, as their ids speak for them."""
    table = dataset.categories
    if dataset.about.format == "yolo":
        chosen = table["declared"].to_numpy(bool)
        numbers, table = numbers[chosen], table[chosen]
    return dict(sorted(zip(numbers.tolist(), table["name"].tolist(), strict=True)))


class _Copy(Source):
    """What will be in the target, for the reader to look at: documents, and the names of all images."""

    def __init__(self, root: str, documents: Mapping[str, bytes], files: Sequence[str]) -> None:
        entries = [Entry(name, len(data), False) for name, data in documents.items()]
        super().__init__(root, entries + [Entry(name, 1, False) for name in files], [])
        self.documents = documents

    def _place(self, entry: Entry) -> tuple[str, None]:
        return f"{self.root}/{entry.name}", None

    def _load(self, entry: Entry) -> bytes:
        return self.documents[entry.name]

    def _start(self, entry: Entry, count: int) -> bytes:
        return self._load(entry)[:count]

    def _stream(self, entry: Entry) -> IO[bytes]:
        return io.BytesIO(self._load(entry))


def _kept(dataset: Dataset, target: Target, numbers: Array, said: Array) -> Layout | None:
    """The layout of the source, where a reader would find the splits and classes of `dataset` in it."""
    images, about = dataset.images, dataset.about
    files: list[str] = images["file"].tolist()
    unplaced = said.any() and images["origin_file"].isna().all()
    if unplaced or len(set(files)) < len(files) or any(map(escapes, files)):
        return None
    origins = text_or_none(images["origin_file"]).tolist()
    labels = [
        (origin or label_path(file)) if each else None
        for file, origin, each in zip(files, origins, said.tolist(), strict=True)
    ]
    tree = Tree(sorted(files))
    names = _declared(dataset, numbers)
    documents = settle(dataset, tree, str(Path(about.root).absolute()), names)
    if {*documents} & {*files, *labels}:
        return None
    request = Request(target.path, _Copy(target.path, documents, files))
    configs, problems = find_configs(request)
    loose = [name for name in documents if not (is_config(name) or is_class_list(name))]
    config, splits = choose_config(request, tree, configs, loose, [])
    problems += [*splits.problems, *(config.problems if config is not None else ())]
    known = Counter(zip(dataset.problems["kind"], dataset.problems["file"], strict=True))
    now = Counter((kind, file) for kind, file, _, _ in problems)
    wanted = dict(zip(files, text_or_none(images["split"]).tolist(), strict=True))
    if now - known or splits.split.tolist() != [wanted[file] for file in tree.row]:
        return None
    if splits.empty:  # a trainer would not start
        return None
    given = config.names if config is not None and config.names else dict(enumerate(names.values()))
    if given != names and names_of(dataset) != names:  # a list has no gaps
        return None
    return Layout(files, labels, documents)


def _agree(layout: Layout, rows: Rows, starts: Array) -> bool:
    """Whether images that share a label file have the same rows."""
    first: dict[str, int] = {}
    for at, label in enumerate(layout.labels):
        if label is not None:
            one = first.setdefault(label, at)
            if one != at and rows.text(starts[one], starts[one + 1]) != rows.text(starts[at], starts[at + 1]):
                return False
    return True


def _write_labels(
    layout: Layout, rows: Rows, starts: Array, target: Target, options: WriteOptions, *, shared: bool
) -> None:
    """The label files. Images that have one together: their rows are the same (shared), or all of them go in."""
    labels, bounds = layout.labels, starts.tolist()
    groups: dict[str, list[int]] = {}
    if len(set(labels)) < len(labels) and not shared:
        for at, label in enumerate(labels):
            if label is not None:
                groups.setdefault(label, []).append(at)
        groups = {label: places for label, places in groups.items() if len(places) > 1}
    for at, label in enumerate(labels):
        if at % STEP == 0 and options.progress is not None:
            options.progress("writing labels", at, len(labels))
        if label is None or label in target.names:
            continue
        data = rows.text(bounds[at], bounds[at + 1])
        if label in groups:
            data = b"".join(rows.text(bounds[each], bounds[each + 1]) for each in groups[label])
        target.write(label, data)
