"""Pictures with labels, written as Pascal VOC, COCO or YOLO: each a mapping of member name to bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from scenes import Thing

CLASSES = ("pothole", "crack", "manhole")
Members = dict[str, bytes]


@dataclass
class Picture:
    """One image file and what is said about it."""

    stem: str
    split: str
    data: bytes
    width: int
    height: int
    things: list[Thing]
    folder: str = ""
    labelled: bool = True
    shipped: bool = True
    listed: bool = True
    told_size: tuple[int, int] | None = None
    told_name: str | None = None

    @property
    def name(self) -> str:
        """File name with the sub-folder it lies in, if any."""
        return f"{self.folder}/{self.stem}.jpg" if self.folder else f"{self.stem}.jpg"


def area(thing: Thing) -> float:
    """The area an outline encloses; without an outline that of the box (0 where it is turned inside out)."""
    x0, y0, x1, y1 = thing.box
    if not thing.outline:
        return float(max(x1 - x0, 0) * max(y1 - y0, 0))
    ring = zip(thing.outline, (*thing.outline[1:], thing.outline[0]), strict=True)
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in ring)) / 2


def _by_split(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    splits: dict[str, list[Picture]] = {}
    for picture in pictures:
        splits.setdefault(picture.split, []).append(picture)
    return splits


def _number(value: float) -> str:
    return f"{value:g}"


def one_based(thing: Thing) -> tuple[float, float, float, float]:
    """xmin, ymin, xmax, ymax as VOC counts them: from 1, the last pixel included."""
    x0, y0, x1, y1 = thing.box
    return x0 + 1, y0 + 1, x1, y1


@dataclass
class Voc:
    """`JPEGImages`, `Annotations`, `ImageSets/Main` at the root; or a folder a split (style roboflow)."""

    pictures: list[Picture]
    style: str = "devkit"
    corners: Callable[[Thing], tuple[float, float, float, float]] = one_based
    xml: dict[str, str] = field(init=False)
    lists: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.xml = {self.label(p): self.write_xml(p) for p in self.pictures if p.labelled}
        self.lists = {
            split: [p.name[: -len(".jpg")] for p in group if p.listed]
            for split, group in _by_split(self.pictures).items()
        }

    def image(self, picture: Picture) -> str:
        return f"{'JPEGImages' if self.style == 'devkit' else picture.split}/{picture.name}"

    def label(self, picture: Picture) -> str:
        folder = "Annotations" if self.style == "devkit" else picture.split
        return f"{folder}/{picture.name[: -len('.jpg')]}.xml"

    def place(self, picture: Picture, number: int) -> str:
        """Which object of the file, from 1."""
        return str(number + 1)

    def write_xml(self, picture: Picture) -> str:
        width, height = picture.told_size or (picture.width, picture.height)
        lines = [
            "<annotation>",
            f"  <folder>{escape(picture.folder or 'JPEGImages')}</folder>",
            f"  <filename>{escape(picture.told_name or f'{picture.stem}.jpg')}</filename>",
            f"  <source><database>{escape(picture.folder or 'Unknown')}</database></source>",
            f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
            "  <segmented>0</segmented>",
        ]
        for thing in picture.things:
            x0, y0, x1, y1 = thing.box
            cut = int(x0 <= 0 or y0 <= 0 or x1 >= picture.width or y1 >= picture.height)
            values = zip(("xmin", "ymin", "xmax", "ymax"), self.corners(thing), strict=True)
            corners = "".join(f"<{tag}>{_number(value)}</{tag}>" for tag, value in values)
            lines += [
                "  <object>",
                f"    <name>{escape(thing.name)}</name><pose>Unspecified</pose>",
                f"    <truncated>{cut}</truncated><difficult>0</difficult>",
                f"    <bndbox>{corners}</bndbox>",
                "  </object>",
            ]
        return "\n".join([*lines, "</annotation>", ""])

    def members(self) -> Members:
        files = {self.image(p): p.data for p in self.pictures if p.shipped}
        files |= {name: text.encode() for name, text in self.xml.items()}
        if self.style == "devkit":
            lists = dict(self.lists)
            lists["trainval"] = sorted({stem for stems in lists.values() for stem in stems})
            files |= {f"ImageSets/Main/{k}.txt": ("\n".join(v) + "\n").encode() for k, v in lists.items()}
        return files


@dataclass
class Coco:
    """`annotations/instances_<split>.json` and `images/<split>/`; or `_annotations.coco.json` (roboflow)."""

    pictures: list[Picture]
    style: str = "instances"
    classes: tuple[str, ...] = CLASSES
    outlines: bool = True
    edit: Callable[[dict[str, Any], Thing, Picture], None] | None = None
    docs: dict[str, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.docs, self._ids = {}, dict[tuple[str, str, int], int]()
        image_id = next_id = 0
        for split, group in _by_split(self.pictures).items():
            images: list[dict[str, Any]] = []
            annotations: list[dict[str, Any]] = []
            if self.style == "roboflow":
                image_id = next_id = 0
            for picture in (p for p in group if p.labelled):
                image_id += 1
                width, height = picture.told_size or (picture.width, picture.height)
                name = picture.told_name or picture.name
                images.append({"id": image_id, "file_name": name, "width": width, "height": height})
                for number, thing in enumerate(picture.things):
                    next_id += 1
                    self._ids[picture.split, picture.name, number] = next_id
                    annotations.append(self._annotation(next_id, image_id, thing, picture))
            categories = [{"id": k + 1, "name": name, "supercategory": "road"} for k, name in enumerate(self.classes)]
            info = {"description": "Rendered street scenes, Apache-2.0", "version": "1.0"}
            self.docs[split] = {
                "info": info,
                "licenses": [],
                "categories": categories,
                "images": images,
                "annotations": annotations,
            }

    def _annotation(self, number: int, image_id: int, thing: Thing, picture: Picture) -> dict[str, Any]:
        x0, y0, x1, y1 = thing.box
        record: dict[str, Any] = {
            "id": number,
            "image_id": image_id,
            "category_id": self.classes.index(thing.name) + 1,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": area(thing),
            "iscrowd": 0,
        }
        if thing.outline and self.outlines:
            record["segmentation"] = [[value for point in thing.outline for value in point]]
        if self.edit is not None:
            self.edit(record, thing, picture)
        return record

    def image(self, picture: Picture) -> str:
        folder = f"images/{picture.split}" if self.style == "instances" else picture.split
        return f"{folder}/{picture.name}"

    def json_name(self, split: str) -> str:
        return f"annotations/instances_{split}.json" if self.style == "instances" else f"{split}/_annotations.coco.json"

    def record(self, picture: Picture) -> dict[str, Any]:
        """The image record of a picture."""
        return next(r for r in self.docs[picture.split]["images"] if r["file_name"] == picture.name)

    def annotation(self, picture: Picture, number: int) -> dict[str, Any]:
        """The annotation record of one thing of a picture."""
        wanted = self._ids[picture.split, picture.name, number]
        return next(r for r in self.docs[picture.split]["annotations"] if r["id"] == wanted)

    def place(self, picture: Picture, number: int) -> str:
        """The annotation's id."""
        return str(self._ids[picture.split, picture.name, number])

    def members(self) -> Members:
        files = {self.image(p): p.data for p in self.pictures if p.shipped}
        return files | {self.json_name(split): _lines_of_json(doc) for split, doc in self.docs.items()}


def _lines_of_json(doc: dict[str, Any]) -> bytes:
    """JSON with one record a line."""

    def shown(value: object) -> str:
        if isinstance(value, list) and value:
            return "[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "\n]"
        return json.dumps(value, separators=(",", ":"))

    return ("{" + ",\n".join(f'"{key}":{shown(value)}' for key, value in doc.items()) + "}\n").encode()


def centred(number: int, thing: Thing, picture: Picture) -> str:
    """A row as the trainer wants it: class, centre and size as fractions."""
    x0, y0, x1, y1 = thing.box
    width, height = picture.told_size or (picture.width, picture.height)
    values = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
    return " ".join([str(number), *(f"{value:.6f}" for value in values)])


@dataclass
class Yolo:
    """`data.yaml`, `images/<split>`, `labels/<split>`; styles ultralytics, roboflow, lists, plain."""

    pictures: list[Picture]
    style: str = "ultralytics"
    classes: tuple[str, ...] = CLASSES
    row: Callable[[int, Thing, Picture], str] = centred
    rows: dict[str, list[str]] = field(init=False)
    yaml: str = field(init=False)
    lists: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = {
            self.label(p): [self.row(self.classes.index(t.name), t, p) for t in p.things]
            for p in self.pictures
            if p.labelled
        }
        groups = _by_split(self.pictures)
        names = "".join(f"  {k}: {name}\n" for k, name in enumerate(self.classes))
        self.lists = {split: [f"./{self.image(p)}" for p in group] for split, group in groups.items()}
        if self.style == "roboflow":
            paths = "".join(f"{'val' if s == 'valid' else s}: ../{s}/images\n" for s in groups)
        elif self.style == "lists":
            paths = "path: .\n" + "".join(f"{s}: {s}.txt\n" for s in groups)
        else:
            paths = "path: .\n" + "".join(f"{s}: images/{s}\n" for s in groups)
        self.yaml = f"{paths}nc: {len(self.classes)}\nnames:\n{names}"

    def image(self, picture: Picture) -> str:
        return self._path(picture, "images", "jpg")

    def label(self, picture: Picture) -> str:
        return self._path(picture, "labels", "txt")

    def _path(self, picture: Picture, kind: str, suffix: str) -> str:
        name = f"{picture.name[: -len('jpg')]}{suffix}"
        if self.style == "roboflow":
            return f"{picture.split}/{kind}/{name}"
        return f"{kind}/{picture.split}/{name}" if self.style == "ultralytics" else f"{kind}/{name}"

    def place(self, picture: Picture, number: int) -> str:
        """The line of the label file, from 1."""
        return str(number + 1)

    def members(self) -> Members:
        files = {self.image(p): p.data for p in self.pictures if p.shipped}
        files |= {name: "".join(f"{row}\n" for row in rows).encode() for name, rows in self.rows.items()}
        if self.style == "plain":
            return files | {"classes.txt": "".join(f"{name}\n" for name in self.classes).encode()}
        if self.style == "lists":
            files |= {f"{k}.txt": "".join(f"{e}\n" for e in v).encode() for k, v in self.lists.items()}
        return files | {"data.yaml": self.yaml.encode()}


Layout = Voc | Coco | Yolo
