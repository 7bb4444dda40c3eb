"""Diff: images and boxes added, removed, moved, relabelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sets import datasets, shuffled

import dsq
from dsq.errors import ConfigError
from dsq.transform.diff import diff
from dsq.transform.remap import remap
from dsq.transform.resize import resize

Rows = list[tuple[str, str, float, float, float, float]]
BASE: Rows = [("a.jpg", "cat", 10, 10, 40, 40), ("a.jpg", "dog", 200, 200, 40, 40), ("b.jpg", "cat", 10, 10, 40, 40)]


def made(boxes: Rows, **options: Any) -> dsq.Dataset:
    return dsq.build_dataset(boxes, classes=["cat", "dog"], **options)


def changes(old: dsq.Dataset, new: dsq.Dataset, **options: Any) -> list[tuple[str, Any, Any]]:
    table = diff(old, new, **options).boxes
    return [
        (row.what, *(v if isinstance(v, str) else None for v in (row.old_class, row.new_class)))
        for row in table.itertuples()
    ]


def test_kinds_of_change() -> None:
    old = made(BASE)
    assert not diff(old, old)
    assert diff(old, old).same_boxes == 3
    assert changes(old, made([*BASE, ("a.jpg", "cat", 400, 300, 20, 20)])) == [("added", None, "cat")]
    assert changes(old, made(BASE[1:], images=["a.jpg"])) == [("removed", "cat", None)]
    assert changes(old, made([("a.jpg", "cat", 13, 10, 40, 40), *BASE[1:]])) == [("moved", "cat", "cat")]
    assert changes(old, made([("a.jpg", "dog", 10, 10, 40, 40), *BASE[1:]])) == [("relabelled", "cat", "dog")]
    assert changes(old, made([("a.jpg", "dog", 13, 10, 40, 40), *BASE[1:]])) == [("moved+relabelled", "cat", "dog")]
    far = made([("a.jpg", "cat", 90, 10, 40, 40), *BASE[1:]])
    assert changes(old, far) == [("added", None, "cat"), ("removed", "cat", None)]


def test_moves_are_told_with_both_boxes() -> None:
    row = diff(made(BASE), made([("a.jpg", "cat", 20, 10, 40, 40), *BASE[1:]])).boxes.iloc[0]
    assert [row[f"old_{side}"] for side in ("x", "y", "width", "height")] == [10, 10, 40, 40]
    assert [row[f"new_{side}"] for side in ("x", "y", "width", "height")] == [20, 10, 40, 40]
    assert row["iou"] == pytest.approx(0.6)
    assert row["file"] == "a.jpg"


def test_thresholds() -> None:
    moved = made([("a.jpg", "cat", 20, 10, 40, 40), *BASE[1:]])
    assert changes(made(BASE), moved, iou=0.7) == [("added", None, "cat"), ("removed", "cat", None)]
    assert changes(made(BASE), moved, tolerance=10) == []
    for options in ({"iou": 0}, {"iou": 1.1}, {"tolerance": -1}, {"tolerance": float("nan")}):
        with pytest.raises(ConfigError):
            diff(made(BASE), moved, **options)  # type: ignore[arg-type]


def test_boxes_over_each_other_keep_their_classes() -> None:
    one = made([("a.jpg", "cat", 10, 10, 40, 40), ("a.jpg", "dog", 11, 11, 40, 40)])
    two = made([("a.jpg", "dog", 12, 12, 40, 40), ("a.jpg", "cat", 11.5, 11, 40, 40)])
    assert changes(one, two) == [("moved", "cat", "cat"), ("moved", "dog", "dog")]


def test_boxes_without_area_are_paired_by_place() -> None:
    data = made([("a.jpg", "cat", 10, 10, 0, 40)])
    assert not diff(data, data)


def test_images_added_removed_and_their_facts() -> None:
    old = made(BASE, images=[{"file": "a.jpg", "split": "train"}, {"file": "c.jpg", "label_state": "unlabelled"}])
    new = made(BASE[:2], images=[{"file": "a.jpg", "split": "val", "width": 1280}, "c.jpg", "d.jpg"])
    found = diff(old, new)
    assert found.images.astype(object).where(found.images.notna(), None).to_numpy().tolist() == [
        ["added", "d.jpg", None, "0 boxes"], ["label-state", "c.jpg", "unlabelled", "background"],
        ["removed", "b.jpg", "1 boxes", None], ["resized", "a.jpg", "640×480", "1280×480"],
        ["split", "a.jpg", "train", "val"],
    ]  # fmt: skip
    assert found.same_images == 0
    assert found.summary["images"] == {"added": 1, "label-state": 1, "removed": 1, "resized": 1, "split": 1}


def test_images_are_paired_by_content_then_by_name() -> None:
    old = made([("x/a.jpg", "cat", 1, 1, 9, 9), ("x/b.jpg", "dog", 1, 1, 9, 9)])
    new = made([("x/b.jpg", "cat", 1, 1, 9, 9), ("x/z.jpg", "dog", 1, 1, 9, 9)])
    old = old.replace(images=old.images.assign(root="/old"))
    new = new.replace(images=new.images.assign(root="/new"))
    hashes = {
        ("/old", "x/a.jpg"): "1", ("/new", "x/b.jpg"): "1", ("/old", "x/b.jpg"): "2", ("/new", "x/z.jpg"): "2",
    }  # fmt: skip
    found = diff(old, new, hashes=hashes)
    assert found.images[["what", "old", "new"]].to_numpy().tolist() == [
        ["renamed", "x/a.jpg", "x/b.jpg"], ["renamed", "x/b.jpg", "x/z.jpg"],
    ]  # fmt: skip
    assert found.same_boxes == 2
    assert diff(old, new).summary["boxes"] == {"relabelled": 1}


def test_folders_of_formats_do_not_count() -> None:
    old, new = made([("images/train/a.jpg", "cat", 1, 1, 9, 9)]), made([("JPEGImages/a.png", "cat", 1, 1, 9, 9)])
    assert not diff(old, new)
    twice = made([("cam1/a.jpg", "cat", 1, 1, 9, 9), ("cam2/a.jpg", "cat", 1, 1, 9, 9)])
    assert diff(twice, made([("cam3/a.jpg", "cat", 1, 1, 9, 9)])).summary["images"] == {"added": 1, "removed": 2}


def test_flags_and_classes() -> None:
    old = made([])
    box = {"file": "a.jpg", "category": "cat", "x": 1, "y": 1, "width": 9, "height": 9}
    old, new = (dsq.build_dataset([box | {"difficult": flag}]) for flag in (True, False))
    assert diff(old, new).summary["boxes"] == {"flags": 1}
    assert not diff(old, dsq.build_dataset([box]))
    found = diff(made(BASE), dsq.build_dataset(BASE, classes=["cat", "dog", "emu"]))
    assert found.classes.to_numpy().tolist() == [["added", "emu", 0]]


def test_relative_boxes_are_compared_in_pixels() -> None:
    image = {"file": "a.jpg", "unit": "relative", "width": None, "height": None}
    old = dsq.build_dataset([("a.jpg", "cat", 0.25, 0.5, 0.25, 0.25)], images=[image], size=None)
    assert not diff(old, dsq.build_dataset([("a.jpg", "cat", 160, 240, 160, 120)]))
    assert diff(dsq.build_dataset([("a.jpg", "cat", 160, 240, 161, 120)]), old).summary["boxes"] == {"moved": 1}


@given(datasets(), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_a_dataset_does_not_differ_from_itself(data: dsq.Dataset, seed: int) -> None:
    found = diff(data, shuffled(data, seed))
    assert not found
    assert (found.same_images, found.same_boxes) == (len(data), len(data.boxes))


@given(datasets(), datasets(), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_books_balance_and_row_order_does_not_matter(a: dsq.Dataset, b: dsq.Dataset, seed: int) -> None:
    found = diff(a, b)
    again = diff(shuffled(a, seed), shuffled(b, seed + 1))
    pd.testing.assert_frame_equal(found.boxes, again.boxes)
    pd.testing.assert_frame_equal(found.images, again.images)
    back = diff(b, a)
    mirror = {"added": "removed", "removed": "added"}
    assert {mirror.get(k, k): v for k, v in found.summary["boxes"].items()} == back.summary["boxes"]
    stems = [{file.rpartition("/")[2] for file in data.images["file"]} for data in (a, b)]
    both = stems[0] & stems[1]
    if len(both) == len(a) == len(b):
        paired = len(found.boxes) - found.summary["boxes"].get("added", 0)
        assert paired + found.same_boxes == len(a.boxes)


def test_real_set_after_a_change(shared_data: Path) -> None:
    data = dsq.read(shared_data / "coco-tiny")
    assert not diff(data, data, hashes=dsq.content_hashes([data, data]))
    people = int((data.boxes["category_id"] == 1).sum())
    found = diff(data, remap(data, {"person": "human"}).dataset)
    assert found.summary["boxes"]["relabelled"] + found.summary["boxes"].get("moved+relabelled", 0) >= people - 5
    assert found.same_boxes + len(found.boxes) == len(data.boxes)
    smaller = diff(data, resize(data, (320, 320)).dataset, tolerance=0.05)
    assert smaller.summary == {"images": {"resized": 160}, "boxes": {}, "classes": {}}
