"""untransformed-boxes: copies that were moved while their boxes were not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import dsq
from dsq.model import Dataset
from dsq.scan import Scan

RULE = "untransformed-boxes"
WIDTH, HEIGHT = 640, 480
MAPS: dict[int, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    1: ((-1, 0, 1), (0, 1, 0)),
    2: ((1, 0, 0), (0, -1, 1)),
    3: ((-1, 0, 1), (0, -1, 1)),
    4: ((0, 1, 0), (1, 0, 0)),
    5: ((0, -1, 1), (1, 0, 0)),
    6: ((0, 1, 0), (-1, 0, 1)),
    7: ((0, -1, 1), (-1, 0, 1)),
}
BOXES = [(200.0, 40.0, 120.0, 90.0), (400.0, 60.0, 80.0, 150.0)]
Boxes = list[tuple[float, float, float, float]]


def columns(orientation: int) -> dict[str, Any]:
    over, down = MAPS[orientation]
    names = ("m00", "m01", "m02", "m10", "m11", "m12")
    return {"orientation": orientation, **dict(zip(names, over + down, strict=True))}


def moved(boxes: Boxes, orientation: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Boxes:
    """Where the boxes belong in a copy of `size`."""
    linear = np.array(MAPS[orientation], float)
    found = []
    for x, y, w, h in boxes:
        corners = np.array([[x / WIDTH, y / HEIGHT, 1], [(x + w) / WIDTH, (y + h) / HEIGHT, 1]]) @ linear.T
        (x0, y0), (x1, y1) = corners.min(0) * size, corners.max(0) * size
        found.append((x0, y0, x1 - x0, y1 - y0))
    return found


def build(given: dict[str, Boxes], sizes: dict[str, tuple[int, int]] | None = None, name: str = "cat") -> Dataset:
    images = []
    for file in given:
        width, height = (sizes or {}).get(file, (WIDTH, HEIGHT))
        images.append({"file": file, "width": width, "height": height})
    return dsq.build_dataset([(file, name, *box) for file, boxes in given.items() for box in boxes], images=images)


def records(data: Dataset, pairs: list[Any], **options: Any) -> list[dict[str, Any]]:
    return dsq.audit(Scan(data, duplicates=pairs, **options), select=[RULE]).records


@pytest.mark.parametrize("orientation", MAPS)
def test_boxes_that_stayed_are_told_and_moved_ones_not(orientation: int) -> None:
    turned = orientation >= 4
    size = (HEIGHT, WIDTH) if turned else (WIDTH, HEIGHT)
    pair = ("a.jpg", "b.jpg", "near", columns(orientation))
    right = moved(BOXES, orientation, size)
    found = records(build({"a.jpg": BOXES, "b.jpg": BOXES}, {"b.jpg": size}), [pair])
    assert [record["image"] for record in found] == ["b.jpg"] * 2
    proposed = sorted(record["proposed_bbox"] for record in found)
    assert np.allclose(proposed, sorted(right), atol=0.01)
    assert found[0]["evidence"] == "sibling" and found[0]["severity"] == "warning"
    assert records(build({"a.jpg": BOXES, "b.jpg": right}, {"b.jpg": size}), [pair]) == []


def test_same_fractions_after_a_quarter_turn() -> None:
    size = (HEIGHT, WIDTH)
    across, down = size[0] / WIDTH, size[1] / HEIGHT
    same = [(x * across, y * down, w * across, h * down) for x, y, w, h in BOXES]
    found = records(build({"a.jpg": BOXES, "b.jpg": same}, {"b.jpg": size}), [("a.jpg", "b.jpg", "near", columns(5))])
    assert len(found) == 2 and "turned by 90°" in found[0]["message"]


def test_a_resized_copy_whose_boxes_kept_their_pixels() -> None:
    half = [(x / 2, y / 2, w / 2, h / 2) for x, y, w, h in BOXES]
    sizes = {"b.jpg": (WIDTH // 2, HEIGHT // 2)}
    pair = ("a.jpg", "b.jpg", "near")
    found = records(build({"a.jpg": BOXES[:1], "b.jpg": BOXES[:1]}, sizes), [pair])
    assert [(r["image"], r["proposed_bbox"]) for r in found] == [("b.jpg", list(half[0]))]
    assert "before the picture was resized: compare a.jpg" in found[0]["message"]
    assert records(build({"a.jpg": BOXES, "b.jpg": half}, sizes), [pair]) == []


def test_a_cut_copy() -> None:
    cut = {"m00": 1.25, "m02": -0.25, "m11": 1.25, "m12": -0.25}
    found = records(build({"a.jpg": BOXES[1:], "b.jpg": BOXES[1:]}), [("a.jpg", "b.jpg", "near", cut)])
    assert [record["image"] for record in found] == ["b.jpg"] and "cut or shifted" in found[0]["message"]


def test_what_fits_both_places_proves_nothing() -> None:
    pair = ("a.jpg", "b.jpg", "near", columns(1))
    middle = [(WIDTH / 2 - 50, 100.0, 100.0, 80.0)]
    assert records(build({"a.jpg": middle, "b.jpg": middle}), [pair]) == []
    twins = [(100.0, 100.0, 60.0, 60.0), (WIDTH - 160.0, 100.0, 60.0, 60.0)]
    assert records(build({"a.jpg": twins, "b.jpg": twins}), [pair]) == []
    nearly = [(WIDTH / 2 - 10, 100.0, 12.0, 12.0)]  # the places lie closer than the map is right
    assert records(build({"a.jpg": nearly, "b.jpg": nearly}), [pair]) == []


def test_chance_hits_among_moved_boxes_are_quiet() -> None:
    pair = ("a.jpg", "b.jpg", "near", columns(1))
    right = moved(BOXES, 1)
    crowd = [*BOXES, (20.0, 300.0, 50.0, 50.0)]
    assert records(build({"a.jpg": crowd, "b.jpg": [*right, crowd[2]]}), [pair]) == []


def test_other_classes_and_same_scenes_are_not_compared() -> None:
    boxes = [("a.jpg", "cat", *BOXES[0]), ("b.jpg", "dog", *BOXES[0])]
    assert records(dsq.build_dataset(boxes), [("a.jpg", "b.jpg", "near", columns(1))]) == []
    data = build({"a.jpg": BOXES, "b.jpg": BOXES})
    assert records(data, [("a.jpg", "b.jpg", "same-scene", columns(1))]) == []
    unknown = dsq.build_dataset([(file, "cat", 0.1, 0.1, 0.2, 0.2) for file in ("a.jpg", "b.jpg")], size=None)
    assert records(unknown, [("a.jpg", "b.jpg", "near", columns(1))]) == []


def test_exif_is_left_to_its_own_rule() -> None:
    data = build({"a.jpg": BOXES, "b.jpg": BOXES})
    pair = ("a.jpg", "b.jpg", "near", columns(5))
    assert records(data, [pair], pixels={"b.jpg": {"orientation": 6}}) == []
    assert len(records(data, [pair], pixels={"a.jpg": {"orientation": 1}})) == 2


def test_the_picture_that_others_contradict_is_the_wrong_one() -> None:
    right = moved(BOXES, 1)
    mirrored = columns(1)
    data = build({"a.jpg": BOXES, "b.jpg": right, "c.jpg": right})
    pairs = [("a.jpg", "b.jpg", "near", mirrored), ("a.jpg", "c.jpg", "near", mirrored), ("b.jpg", "c.jpg", "near")]
    assert records(data, pairs) == []
    data = build({"a.jpg": right, "b.jpg": right, "c.jpg": BOXES, "d.jpg": right})
    pairs = [
        ("a.jpg", "b.jpg", "near", mirrored), ("a.jpg", "c.jpg", "near"), ("a.jpg", "d.jpg", "near", mirrored),
        ("b.jpg", "c.jpg", "near", mirrored), ("b.jpg", "d.jpg", "near"), ("c.jpg", "d.jpg", "near", mirrored),
    ]  # fmt: skip
    assert {record["image"] for record in records(data, pairs)} == {"a.jpg"}


def test_a_name_or_a_size_tells_the_copy() -> None:
    pair = ("b.jpg", "b_hflip.jpg", "near", columns(1))
    assert {r["image"] for r in records(build({"b.jpg": BOXES, "b_hflip.jpg": BOXES}), [pair])} == {"b_hflip.jpg"}
    data = build({"b_hflip.jpg": BOXES, "c.jpg": BOXES})
    assert {r["image"] for r in records(data, [("b_hflip.jpg", "c.jpg", "near", columns(1))])} == {"b_hflip.jpg"}
    sizes = {"a.jpg": (WIDTH // 2, HEIGHT // 2)}
    data = build({"a.jpg": BOXES[:1], "b.jpg": BOXES[:1]}, sizes)
    assert [r["image"] for r in records(data, [("a.jpg", "b.jpg", "near")])] == ["a.jpg"]


def textured(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (9, 12, 3)).astype(np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def test_real_files(tmp_path: Path) -> None:
    """Mirrored copies are found by their pixels; of two, the boxes of one stayed behind."""
    images, boxes = [], []
    for number in range(4):
        picture = textured(number)
        box = (20.0 + 10 * number, 30.0, 60.0, 80.0)
        picture.paste((250, 20, 20), (int(box[0]), 30, int(box[0]) + 60, 110))
        picture.save(tmp_path / f"{number}.jpg", quality=92)
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / f"{number}_hflip.jpg", quality=80)
        facts = {"root": str(tmp_path), "width": 320, "height": 240}
        images += [{"file": file, **facts} for file in (f"{number}.jpg", f"{number}_hflip.jpg")]
        boxes += [(f"{number}.jpg", "cat", *box)]
        there = box if number < 2 else (320 - box[0] - box[2], *box[1:])
        boxes += [(f"{number}_hflip.jpg", "cat", *there)]
    rules = [RULE, "conflicting-duplicates", "missing-label"]
    report = dsq.audit(dsq.build_dataset(boxes, images=images), select=rules)
    told = [(record["rule"], record["image"]) for record in report.records]
    assert told == [(RULE, "0_hflip.jpg"), (RULE, "1_hflip.jpg")]
    x, y, width, height = report.records[0]["proposed_bbox"]
    assert (x, y, width, height) == pytest.approx((240, 30, 60, 80), abs=6)
