"""The one model: a dataset as a handful of tables.

Boxes are half-open, absolute pixels, 0-based, in the frame of the stored pixels. Where the size of an image is
unknown its boxes stay in fractions of the image and `images.unit` says "relative".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

Table: TypeAlias = pd.DataFrame

_COPIES_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3

#: column -> kind. int and float never hold NA; Int, flag, text, cat and blob may.
IMAGES = {
    "image_id": "int",  # unique key
    "file": "text",  # posix name in this dataset
    "root": "cat",  # folder or zip that holds the bytes
    "member": "text",  # name inside that root; None: no such file was found
    "width": "Int",
    "height": "Int",  # as declared (VOC, COCO) or as stored in the file (YOLO); NA: unknown
    "unit": "cat",  # px | relative: the unit of this image's boxes
    "split": "cat",  # train | val | test | any other name; NA: none said
    "label_state": "cat",  # labelled | background | unlabelled
    "source": "cat",  # the delivery it came from
    "pixel_ops": "text",  # what a writer still has to do to the pixels; None: nothing
    "extras": "blob",  # what the format says beyond the columns, as raw bytes
    "origin_file": "cat",  # the annotation file that speaks of it
    "origin_place": "int",  # line, element or id in that file; -1: none
    "source_id": "Int",  # the source's own id
}
BOXES = {
    "box_id": "int",
    "image_id": "int",
    "category_id": "int",
    "x": "float",
    "y": "float",
    "width": "float",
    "height": "float",
    "crowd": "bool",
    "difficult": "flag",
    "truncated": "flag",
    "occluded": "flag",
    "area": "float",  # as declared; NaN: not said
    "score": "float",  # NaN: not a prediction
    "segmentation": "blob",  # raw JSON in COCO's form, in the box's unit; None: no mask
    "keypoints": "blob",  # raw JSON [x, y, v, ...]; None: none
    "extras": "blob",
    "origin_file": "cat",
    "origin_place": "int",
    "source_id": "Int",
}
CATEGORIES = {
    "category_id": "int",
    "name": "text",
    "supercategory": "text",
    "declared": "bool",  # False: boxes use it, but no class list names it
    "source_id": "Int",
    "extras": "blob",
}
PROBLEMS = {
    "kind": "cat",  # the rule that speaks of it: malformed-record, duplicate-id, orphan-annotation, ...
    "file": "text",
    "place": "text",  # "line 3", "object 2", "annotation id 17"; "" where the file itself is the place
    "what": "text",
}
FILES = {
    "file": "text",
    "root": "cat",
    "size": "int",  # bytes
    "role": "cat",  # image | annotation | config | junk | other
}
HEADERS = {
    "image_id": "int",
    "width": "int",
    "height": "int",
    "format": "text",
    "mode": "text",
    "orientation": "int",
    "frames": "int",
    "size": "int",
    "error": "text",  # "" where the header reads well
}


def column(kind: str, values: Any, length: int) -> Any:
    """One column of `kind` from an array, a sequence or a scalar (repeated `length` times)."""
    if values is None or isinstance(values, str | bytes | int | float | bool):
        if kind == "cat":
            codes = np.full(length, -1 if values is None else 0, np.int8)
            known: list[str] = [] if values is None else [str(values)]
            return pd.Categorical.from_codes(codes, categories=pd.Index(known, dtype=object))
        if kind in ("Int", "flag"):
            data = _filled(length, values or 0, np.int64 if kind == "Int" else np.bool_)
            mask = np.full(length, values is None)
            if kind == "Int":
                return pd.arrays.IntegerArray(data, mask)
            return pd.arrays.BooleanArray(data, mask)
        if values is None and kind == "float":
            values = np.nan
        dtypes = {"int": np.int64, "float": np.float64, "bool": np.bool_}
        return _filled(length, values, dtypes.get(kind, object))
    if kind == "cat":
        return values if isinstance(values, pd.Categorical) else pd.Categorical(values)
    if kind == "Int":
        return values if isinstance(values, pd.arrays.IntegerArray) else pd.array(values, dtype="Int64")
    if kind == "flag":
        return values if isinstance(values, pd.arrays.BooleanArray) else pd.array(values, dtype="boolean")
    if kind in ("text", "blob"):
        if isinstance(values, np.ndarray) and values.dtype == object:
            return values
        out = np.empty(len(values), object)
        out[:] = values if isinstance(values, list) else list(values)
        return out
    dtype = {"int": np.int64, "float": np.float64, "bool": np.bool_}[kind]
    return np.asarray(values, dtype)


def _filled(length: int, value: Any, dtype: Any) -> np.ndarray[Any, Any]:
    """The value `length` times. Zeros take no memory until something is written over them."""
    return np.full(length, value, dtype) if value or dtype is object else np.zeros(length, dtype)


DEFAULTS: Mapping[str, Any] = {
    "unit": "px",
    "label_state": "labelled",
    "crowd": False,
    "declared": True,
    "origin_place": -1,
    "place": "",
    "orientation": 0,
    "frames": 1,
    "error": "",
}


def make_table(schema: Mapping[str, str], length: int, **columns: Any) -> Table:
    """A table of `schema` with `length` rows; a column not given holds its default or NA.

    Columns of one kind that hold nothing have their memory together until pandas writes to one (copy on write).
    Raises KeyError for a column that the schema does not know, ValueError where NA meets a column without it.
    """
    for name in columns:
        if name not in schema:
            raise KeyError(f"no column {name!r} in this table")
    index = pd.RangeIndex(length)
    data: dict[str, Any] = {}
    nothing: dict[str, pd.Series[Any]] = {}
    for name, kind in schema.items():
        values = columns.get(name, DEFAULTS.get(name))
        if values is None and kind in ("int", "bool"):
            if length:
                raise ValueError(f"column {name!r} has no default")
            values = []
        if values is None and kind in ("text", "blob", "float") and _COPIES_ON_WRITE:
            shared = "float" if kind == "float" else "object"
            if shared not in nothing:
                nothing[shared] = pd.Series(column(kind, None, length), index=index, copy=False)
            data[name] = nothing[shared]
        else:
            data[name] = column(kind, values, length)
    return pd.DataFrame(data, index=index, copy=False)


def text_or_none(series: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """A text or categorical column as an object array of str and None."""
    values = series.astype(object).to_numpy(object).copy()
    values[series.isna().to_numpy()] = None
    return values


@dataclass(frozen=True)
class Notice:
    """Something the reader decided or noticed and a person should know: `kind` is a stable name."""

    kind: str
    text: str
    file: str = ""


@dataclass(frozen=True)
class ClassList:
    """A list of class names as one file states it, in its order (index = class id for YOLO)."""

    file: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class About:
    """Where a dataset came from and how it was understood."""

    format: str = "none"  # voc | coco | yolo | images | none
    root: str = ""
    why: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    class_lists: tuple[ClassList, ...] = ()
    documents: Mapping[str, bytes] = field(default_factory=dict)  # file -> what belongs to no row, raw
    voc_offset: int | None = None  # 0 or 1 for VOC
    listed: bool = True  # the reader saw the whole listing of files
    no_label_file: str = "unlabelled"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Tables `images`, `boxes`, `categories`, `problems`, `files` (see the schemas above) and `about`.

    `headers` holds what image headers say, a row an image file, where they have been read already.
    Never changed in place: `replace(boxes=...)` makes a new one.
    """

    images: Table
    boxes: Table
    categories: Table
    problems: Table
    files: Table
    about: About = field(default_factory=About)
    headers: Table | None = None

    def replace(self, **changes: Any) -> Dataset:
        """A new dataset with some tables exchanged."""
        return replace(self, **changes)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return (
            f"<Dataset {self.about.format}: {len(self.images):,} images, {len(self.boxes):,} boxes, "
            f"{len(self.categories):,} categories, {len(self.problems):,} problems>"
        )

    def _repr_html_(self) -> str:
        from html import escape

        head = f"<p><b>{escape(repr(self)[1:-1])}</b></p>"
        parts = [("images", self.images), ("boxes", self.boxes), ("categories", self.categories)]
        tables = "".join(f"<p>{name}</p>{table.head(3).to_html()}" for name, table in parts)
        return head + tables


def _record_columns(schema: Mapping[str, str], records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    used = dict.fromkeys(key for record in records for key in record)
    return {key: [record.get(key, DEFAULTS.get(key)) for record in records] for key in used if key in schema}


def build_dataset(
    boxes: Iterable[tuple[str, str, float, float, float, float] | Mapping[str, Any]] = (),
    *,
    images: Iterable[str | Mapping[str, Any]] = (),
    size: tuple[int, int] | None = (640, 480),
    classes: Sequence[str] | None = None,
    problems: Iterable[tuple[str, str, str, str]] = (),
    files: Iterable[tuple[str, int, str]] = (),
    headers: Mapping[str, Mapping[str, Any]] | None = None,
    about: About | None = None,
) -> Dataset:
    """A dataset from plain records: for tests, examples and tables of your own.

    boxes: `(file, class name, x, y, width, height)` in pixels, or mappings with `file`, `category` and columns of
    `boxes`. images: file names or mappings with `file` and columns of `images`; images that only boxes name are
    added; an image without boxes is background unless it says otherwise. size: (width, height) of images that say
    none; None: unknown. classes: names in order (default: sorted). problems: `(kind, file, place, what)`.
    files: `(file, bytes, role)`. headers: file -> columns of the headers table.
    """
    keys = ("file", "category", "x", "y", "width", "height")
    rows: list[dict[str, Any]] = [
        dict(box) if isinstance(box, Mapping) else dict(zip(keys, box, strict=True)) for box in boxes
    ]
    known: dict[str, dict[str, Any]] = {}
    listed: list[dict[str, Any]] = []
    for image in images:
        record: dict[str, Any] = {"file": image} if isinstance(image, str) else dict(image)
        listed.append(record)
        known.setdefault(record["file"], record)
    unnamed = dict.fromkeys(row["file"] for row in rows if row["file"] not in known)
    listed += [known.setdefault(file, {"file": file}) for file in unnamed]
    with_boxes = {row["file"] for row in rows}
    for number, record in enumerate(listed, 1):
        record.setdefault("image_id", number)
        record.setdefault("member", record["file"])
        record.setdefault("label_state", "labelled" if record["file"] in with_boxes else "background")
        if size is not None:
            record.setdefault("width", size[0])
            record.setdefault("height", size[1])
    names = list(classes) if classes is not None else sorted({row["category"] for row in rows})
    undeclared = sorted({row["category"] for row in rows} - set(names))
    ids = {name: number for number, name in enumerate(names + undeclared, 1)}
    for number, row in enumerate(rows, 1):
        row.setdefault("box_id", number)
        row["image_id"] = known[row.pop("file")]["image_id"]
        row["category_id"] = ids[row.pop("category")]
    stated = list(problems)
    seen = list(files)
    head = [{"image_id": known[name]["image_id"], **facts} for name, facts in (headers or {}).items()]
    for record in head:
        for key, default in (("width", 0), ("height", 0), ("size", 0), ("format", "JPEG"), ("mode", "RGB")):
            record.setdefault(key, default)
    return Dataset(
        images=make_table(IMAGES, len(listed), **_record_columns(IMAGES, listed)),
        boxes=make_table(BOXES, len(rows), **_record_columns(BOXES, rows)),
        categories=make_table(
            CATEGORIES,
            len(ids),
            category_id=list(ids.values()),
            name=list(ids),
            declared=[name in names for name in ids],
        ),
        problems=make_table(
            PROBLEMS,
            len(stated),
            **{key: [row[i] for row in stated] for i, key in enumerate(("kind", "file", "place", "what"))},
        ),
        files=make_table(
            FILES,
            len(seen),
            **{key: [row[i] for row in seen] for i, key in enumerate(("file", "size", "role"))},
        ),
        about=about or About(format="none", root=""),
        headers=make_table(HEADERS, len(head), **_record_columns(HEADERS, head)) if headers is not None else None,
    )
