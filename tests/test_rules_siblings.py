"""missing-label: a copy of the picture has a box that is lacking. class-order-mismatch: names that are exchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import dsq
from dsq.model import Dataset
from dsq.scan import Scan

RULE = "missing-label"
ONE, TWO, THREE = (10.0, 10.0, 100.0, 80.0), (300.0, 100.0, 60.0, 90.0), (480.0, 300.0, 80.0, 80.0)
Boxes = list[tuple[Any, ...]]


def build(given: dict[str, Boxes], **images: Any) -> Dataset:
    """Boxes by file; a class name may stand before the four numbers."""
    named = [(file, box if isinstance(box[0], str) else ("cat", *box)) for file, part in given.items() for box in part]
    rows = [(file, *box) for file, box in named]
    return dsq.build_dataset(rows, images=[{"file": file, **images} for file in given])


def scene(seed: int, things: Boxes = (ONE, TWO, THREE)) -> Image.Image:  # type: ignore[assignment]
    """A street of patches with things on it, 640 × 480."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(60, 200, (12, 16, 3)).astype(np.uint8))
    picture = small.resize((640, 480), Image.Resampling.BICUBIC)
    for number, (x, y, w, h) in enumerate(things):
        pattern = np.random.default_rng(100 + number).integers(0, 256, (4, 4, 3)).astype(np.uint8)
        part = Image.fromarray(pattern).resize((int(w), int(h)), Image.Resampling.NEAREST)
        picture.paste(part, (int(x), int(y)))
    return picture


def told(folder: Path, given: dict[str, Boxes], pictures: dict[str, Image.Image] | None = None) -> list[dict[str, Any]]:
    """Findings of copies of a scene, by their pixels; each file is packed differently."""
    images = []
    for number, file in enumerate(given):
        picture = (pictures or {}).get(file, scene(1))
        picture.save(folder / file, quality=90 - number)
        images.append({"file": file, "root": str(folder), "width": picture.width, "height": picture.height})
    named = [(file, box if isinstance(box[0], str) else ("cat", *box)) for file, part in given.items() for box in part]
    data = dsq.build_dataset([(file, *box) for file, box in named], images=images)
    return dsq.audit(data, select=["missing-label", "conflicting-duplicates"]).records


def test_a_box_that_a_copy_has_is_missing(tmp_path: Path) -> None:
    found = told(tmp_path, {"a.jpg": [ONE, TWO, THREE], "b.jpg": [ONE, TWO]})
    assert [(r["rule"], r["image"], r["category"]) for r in found] == [(RULE, "b.jpg", "cat")]
    assert (found[0]["severity"], found[0]["confidence"], found[0]["evidence"]) == ("info", "medium", "sibling")
    assert found[0]["proposed_bbox"] == pytest.approx(THREE, abs=4) and found[0]["value"] > 0.9
    assert found[0]["bbox"] is None


def test_background_lacks_it_too_and_unlabelled_says_nothing(tmp_path: Path) -> None:
    assert [r["image"] for r in told(tmp_path, {"a.jpg": [], "b.jpg": [TWO]})] == ["a.jpg"]
    data = dsq.build_dataset([("a.jpg", "cat", *ONE)], images=[{"file": "b.jpg", "label_state": "unlabelled"}])
    assert dsq.audit(Scan(data, duplicates=[("a.jpg", "b.jpg", "near")]), select=[RULE]).records == []


def test_a_picture_without_any_label_is_told_once(tmp_path: Path) -> None:
    found = told(tmp_path, {"a.jpg": [], "b.jpg": [ONE, TWO, THREE], "c.jpg": [ONE, TWO, THREE]})
    assert [(r["image"], r["message"]) for r in found] == [("a.jpg", "no label at all; its copy b.jpg has 3 boxes")]
    assert (found[0]["category"], found[0]["proposed_bbox"]) == (None, None)


def test_where_a_box_is_lacking_is_said(tmp_path: Path) -> None:
    found = told(tmp_path, {"a.jpg": [ONE], "b.jpg": [ONE, ("dog", *TWO), THREE]})
    x, y = found[0]["proposed_bbox"][:2]
    assert found[0]["message"] == f"cat at ({x:.0f}, {y:.0f}): has a box in b.jpg, the same picture, and none here"
    assert [record["category"] for record in found] == ["cat", "dog"]


@pytest.mark.parametrize(
    "other",
    [
        [ONE],
        [(14.0, 12.0, 96.0, 84.0)],  # drawn anew
        [("dog", *ONE)],  # another class
        [(10.0, 10.0, 50.0, 80.0), (60.0, 10.0, 50.0, 80.0)],  # two where there is one
        [(0.0, 0.0, 300.0, 300.0)],  # one around it
        [TWO],  # each has one that the other lacks
    ],
)
def test_what_has_a_counterpart_or_contradicts_is_not_missing(tmp_path: Path, other: Boxes) -> None:
    assert RULE not in {record["rule"] for record in told(tmp_path, {"a.jpg": [ONE], "b.jpg": other})}


def test_what_is_left_to_other_rules() -> None:
    crowd = {"file": "a.jpg", "category": "cat", "x": 10, "y": 10, "width": 90, "height": 80, "crowd": True}
    near = [("a.jpg", "b.jpg", "near")]
    data = dsq.build_dataset([crowd], images=["b.jpg"])
    assert dsq.audit(Scan(data, duplicates=near), select=[RULE]).records == []
    data = dsq.build_dataset([("a.jpg", "cat", *ONE)], images=["b.jpg"])
    for kind, pixels in (("exact", {}), ("same-scene", {}), ("near", {"b.jpg": {"orientation": 6}})):
        scan = Scan(data, duplicates=[("a.jpg", "b.jpg", kind)], pixels=pixels)
        assert dsq.audit(scan, select=[RULE]).records == []


def test_one_finding_a_place_and_the_many_are_believed(tmp_path: Path) -> None:
    found = told(tmp_path, {"a.jpg": [ONE, TWO], "b.jpg": [ONE, TWO], "c.jpg": [ONE]})
    assert [(r["image"], r["confidence"]) for r in found] == [("c.jpg", "medium")]
    found = told(tmp_path, {"a.jpg": [ONE, TWO], "b.jpg": [ONE], "c.jpg": [ONE], "d.jpg": [ONE]})
    assert sorted((r["image"], r["confidence"]) for r in found) == [(f"{n}.jpg", "low") for n in "bcd"]


@pytest.mark.parametrize("method", list(Image.Transpose))
def test_boxes_are_carried_into_turned_copies(tmp_path: Path, method: Image.Transpose) -> None:
    expected = []
    for x, y, w, h in (ONE, TWO, THREE):
        mask = Image.new("L", (640, 480))
        mask.paste(255, (int(x), int(y), int(x + w), int(y + h)))
        left, top, right, bottom = mask.transpose(method).getbbox()  # type: ignore[misc]
        expected.append((left, top, right - left, bottom - top))
    pictures = {"b.jpg": scene(1).transpose(method)}
    found = told(tmp_path, {"a.jpg": [ONE, TWO, THREE], "b.jpg": expected[:2]}, pictures)
    assert [(r["rule"], r["image"]) for r in found] == [(RULE, "b.jpg")]
    assert found[0]["proposed_bbox"] == pytest.approx(expected[2], abs=8)


def test_what_has_left_the_picture_is_not_missing(tmp_path: Path) -> None:
    given = {"a.jpg": [ONE, TWO, THREE], "b.jpg": [ONE, TWO]}
    assert told(tmp_path, given, {"b.jpg": scene(1, [ONE, TWO])}) == []  # it drove away
    cut = scene(1).crop((0, 0, 475, 480))
    assert RULE not in {record["rule"] for record in told(tmp_path, given, {"b.jpg": cut})}


def parts(swap: bool, separable: bool = True, count: int = 24) -> Dataset:
    """Rendered cars and people of two sources; in the second the names are exchanged."""
    rng = np.random.default_rng(7)
    images, boxes = [], []
    for number in range(count):
        source = "south" if number % 2 else "north"
        file = f"{source}/{number}.png"
        images.append({"file": file, "source": source, "width": 96, "height": 96})
        shapes = [(8.0, 8.0, 40.0, 20.0), (60.0, 40.0, 20.0, 50.0)] if separable else [(8.0, 8.0, 30.0, 30.0)] * 2
        names = ["car", "person"]
        if swap and source == "south":
            names.reverse()
        for name, box in zip(names, shapes, strict=True):
            boxes.append((file, name, *(np.array(box) + rng.uniform(-2, 2, 4))))
    return dsq.build_dataset(boxes, images=images)


def rendered(tmp_path: Path, data: Dataset) -> Dataset:
    rng = np.random.default_rng(3)
    for row in data.images.itertuples():
        picture = Image.fromarray(rng.integers(90, 130, (96, 96, 3)).astype(np.uint8))
        picture.paste((200, int(rng.integers(20, 60)), 40), (8, 8, 48, 28))
        picture.paste((40, 60, int(rng.integers(150, 220))), (60, 40, 80, 90))
        (tmp_path / row.file).parent.mkdir(exist_ok=True)
        picture.save(tmp_path / row.file)
    return data.replace(images=data.images.assign(root=pd.Categorical([str(tmp_path)] * len(data))))


def order_findings(data: Dataset) -> list[dict[str, Any]]:
    return dsq.audit(data, select=["class-order-mismatch"]).records


def test_exchanged_names_are_told(tmp_path: Path) -> None:
    found = order_findings(rendered(tmp_path, parts(swap=True)))
    assert [record["message"] for record in found] == [
        "car in south looks like person in north, person like car: numbered in another order in one of the two?"
    ]
    assert found[0]["severity"] == "warning" and found[0]["evidence"] == "crops"


def test_right_names_few_crops_and_twins_are_quiet(tmp_path: Path) -> None:
    assert order_findings(rendered(tmp_path, parts(swap=False))) == []
    assert order_findings(rendered(tmp_path, parts(swap=True, count=20))) == []
    assert order_findings(rendered(tmp_path, parts(swap=True, separable=False))) == []


def test_folders_are_parts_and_the_odd_one_is_named(tmp_path: Path) -> None:
    data = rendered(tmp_path, parts(swap=True, count=56))
    one = data.replace(images=data.images.assign(source=pd.Categorical(["set"] * len(data))))
    assert len(order_findings(one)) == 1
    north = [n for n, file in enumerate(data.images["file"]) if file.startswith("north")]
    source = data.images["source"].astype(object).to_numpy().copy()
    source[north[14:]] = "west"
    more = parts(swap=True, count=56)
    three = rendered(tmp_path, more.replace(images=more.images.assign(source=pd.Categorical(source))))
    messages = [record["message"] for record in order_findings(three)]
    assert len(messages) == 2 and all("another order in south?" in message for message in messages)


def test_crops_are_read_once(tmp_path: Path) -> None:
    data = rendered(tmp_path, parts(swap=True))
    first = order_findings(data)
    scan = Scan(data)
    scan.pixels  # noqa: B018
    for row in data.images.itertuples():
        (tmp_path / row.file).unlink()
    assert dsq.audit(scan, select=["class-order-mismatch"]).records == first
