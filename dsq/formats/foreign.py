"""Annotations of other tools: recognised by their first bytes, so that they can be named and refused."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dsq.errors import ReadError
from dsq.formats.layout import Request, decode_text
from dsq.source import is_image

SAMPLE = 12  # files of a kind that are looked into
HEAD = 1 << 14  # bytes of each
_AGAIN = "Export them once more as COCO, Pascal VOC or YOLO from the tool that wrote them."
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"


class Foreign(NamedTuple):
    """Annotations that no format here reads: what they are, in words, the files that show it, what to do instead."""

    name: str
    files: list[str]
    hint: str


class _Kind(NamedTuple):
    name: str
    test: Callable[[str], bool]
    hint: str = _AGAIN


def _keys(*names: str) -> Callable[[str], bool]:
    """A test whether a text holds all of the JSON keys."""
    return lambda text: all(f'"{name}"' in text for name in names)


def _found(pattern: str) -> Callable[[str], bool]:
    searched = re.compile(pattern)
    return lambda text: searched.search(text) is not None


_JSON = (
    _Kind(
        "Datumaro JSON",
        _found(r'"dm_format_version"|"categories"\s*:\s*\{\s*"label"'),
        "Datumaro converts it to COCO, Pascal VOC or YOLO.",
    ),
    _Kind(
        "JSON of VGG Image Annotator (VIA)",
        _found(r'"_via_|"shape_attributes"'),
        "In VIA, Annotation > Export Annotations writes COCO.",
    ),
    _Kind(
        "Label Studio's own JSON",
        _found(r'"(?:rectangle|polygon|brush|ellipse|keypoint)labels"|"annotations"[^{}]*\{[^{}]*"result"'),
        "Export the project from Label Studio as COCO, Pascal VOC XML or YOLO.",
    ),
    _Kind("CreateML JSON", _keys("annotations", "coordinates", "label")),
    _Kind(
        "Supervisely JSON",
        _found(r'"classTitle"|"projectType"(?s:.*)"classes"|"description"\s*:[^{}]*"tags"\s*:(?s:.*)"objects"'),
        "Supervisely's apps export COCO, Pascal VOC and YOLO.",
    ),
    _Kind(
        "labelme JSON",
        _keys("shapes", "imagePath"),
        "Convert it first: labelme brings labelme2voc.py and labelme2coco.py among its examples.",
    ),
    _Kind("VoTT JSON", _found(r'"visitedAssets"|"asset"\s*:\s*\{(?s:.*)"regions"'), "VoTT exports Pascal VOC."),
    _Kind("Labelbox JSON", _found(r'"data_row"|"Labeled Data"')),
    _Kind("BDD100K JSON", _keys("labels", "box2d"), "Convert it to COCO first; bdd100k.label.to_coco does."),
    _Kind("V7 Darwin JSON", _keys("annotations", "bounding_box"), "V7 exports COCO, Pascal VOC and YOLO."),
    _Kind("a SageMaker manifest", _keys("source-ref")),
    _Kind("Cityscapes JSON", _keys("imgHeight", "objects", "polygon"), "Convert it to COCO first."),
    _Kind(
        "Ultralytics NDJSON",
        _found(r'"type"\s*:\s*"dataset"\s*,\s*"task"'),
        "Ultralytics converts it to its YOLO format.",
    ),
    _Kind("metadata.jsonl with boxes (Hugging Face)", _keys("file_name", "objects", "bbox"), "Write it as COCO first."),
)


def _holds_box_columns(text: str) -> bool:
    """Whether a table's header names the corners or sides of boxes, or its rows hold them without a header."""
    lines = [line for line in text.splitlines()[:3] if line.strip()]
    mark = max(",;\t", key=lambda each: lines[0].count(each)) if lines else ","
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    if not rows:
        return False
    header = {re.sub(r"[^a-z\d]", "", cell.lower()) for cell in rows[0]}
    sides = any(set(names.split()) <= header for names in ("x y w h", "x y width height"))
    return (
        any(set(names.split()) <= header for names in _CORNERS)
        or (sides and not header.isdisjoint(("class", "label", "category", "name", "classname", "labelname")))
        or all(map(_is_box_row, rows))
    )


_CORNERS = (
    "xmin ymin xmax ymax", "x1 y1 x2 y2", "x0 y0 x1 y1", "left top right bottom", "bbox", "bboxes",
    "bboxx bboxy bboxwidth bboxheight", "bboxxmin bboxymin bboxxmax bboxymax", "regionshapeattributes",
    "rectanglelabels",
)  # fmt: skip


def _is_box_row(cells: Sequence[str]) -> bool:
    """Whether a row without a header holds an image, four numbers at least and the name of a class."""
    numbers = sum(re.fullmatch(_NUMBER, cell) is not None for cell in cells)
    images = sum(map(is_image, cells))
    return images == 1 and numbers >= 4 and len([cell for cell in cells if cell]) > numbers + images


def _rows_like(pattern: str, skipped: str = r"(?!)") -> Callable[[str], bool]:
    """A test whether the first lines of a text all match, but for those that are `skipped`."""
    wanted, passed = re.compile(pattern), re.compile(skipped)

    def test(text: str) -> bool:
        lines = [line.strip() for line in text.splitlines()[:6] if line.strip() and not passed.match(line)][:3]
        return bool(lines) and all(map(wanted.fullmatch, lines))

    return test


_TEXT = (
    _Kind(
        "KITTI labels",
        _rows_like(rf"[A-Za-z_]+(?:\s+{_NUMBER}){{14,15}}"),
        "Convert them to COCO first; Datumaro reads KITTI.",
    ),
    _Kind(
        "DOTA labels (four corners in pixels)",
        _rows_like(rf"(?:{_NUMBER}[\s,]+){{8}}[^\W\d][^\s,]*(?:[\s,]+\d)?", r"imagesource|gsd"),
        "Convert them first: convert_dota_to_yolo_obb of ultralytics.data.converter writes YOLO rows.",
    ),
    _Kind(
        "a list of images with their boxes",
        _rows_like(r"\S.*\.\w{3,4}(?:\s+\d+(?:,\d+){4})+"),
        "Convert it to COCO, Pascal VOC or YOLO first.",
    ),
    _Kind(
        "WIDER FACE labels",
        _found(rf"\A\S+\.\w{{3,4}}\s*\n\d+\s*\n{_NUMBER}(?: {_NUMBER}){{3,}}"),
        "Convert them to COCO first; Datumaro reads WIDER FACE.",
    ),
)  # fmt: skip


def _always(text: str) -> bool:
    return True


_TABLE = (_Kind("a CSV table of boxes (TensorFlow, RetinaNet, VIA …)", _holds_box_columns),)
_KINDS: tuple[tuple[tuple[str, ...], tuple[_Kind, ...]], ...] = (
    ((".json", ".jsonl", ".ndjson", ".manifest"), _JSON),
    ((".csv", ".tsv"), _TABLE),
    ((".txt",), _TEXT),
    ((".vott",), (_Kind("a VoTT project", _always, "VoTT exports Pascal VOC."),)),
    ((".tfrecord", ".record"), (_Kind("TFRecord", _always),)),
    ((".parquet",), (_Kind("Parquet", _always, "Write it as COCO, Pascal VOC or YOLO first."),)),
)


def find_foreign(request: Request) -> Foreign | None:
    """Annotations of another tool among the files, judged by the first bytes of a few of each kind."""
    found: dict[_Kind, list[str]] = {}
    for suffixes, kinds in _KINDS:
        names = request.with_suffix(*suffixes)
        for name in [names[i] for i in np.unique(np.linspace(0, len(names) - 1, SAMPLE).astype(int))] if names else []:
            try:
                text = decode_text(request.source.head(name, HEAD, follow=True))
            except ReadError:
                continue
            kind = next((kind for kind in kinds if kind.test(text)), None)
            if kind is not None:
                found.setdefault(kind, []).append(name)
    if not found:
        return None
    kind, files = max(found.items(), key=lambda item: len(item[1]))
    return Foreign(kind.name, files, kind.hint)


def refuse_foreign(request: Request, foreign: Foreign) -> ReadError:
    """What to say where such annotations are all that there is."""
    first, *others = foreign.files
    where = first if request.focus is not None else f"{first}{' and others' if others else ''}"
    what = f"{where}: {foreign.name}, which dsq does not read."
    alone = " `--format images` reads the pictures alone." if len(request.images) and request.focus is None else ""
    return ReadError(what, where=None if request.focus is not None else request.src, hint=foreign.hint + alone)
