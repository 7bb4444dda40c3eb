"""Classes renamed, merged, dropped, reordered; parts of a dataset."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sets import CLASSES, datasets, said, shuffled

import dsq
from dsq.errors import ConfigError
from dsq.model import About
from dsq.transform.remap import remap
from dsq.transform.subset import subset


def pets(format: str = "none") -> dsq.Dataset:
    boxes = [
        ("a.jpg", "cat", 1, 1, 10, 10), ("a.jpg", "poodle", 5, 5, 10, 10), ("b.jpg", "dog", 1, 1, 10, 10),
        ("c.jpg", "poodle", 1, 1, 10, 10),
    ]  # fmt: skip
    return dsq.build_dataset(boxes, classes=["cat", "dog", "poodle"], images=["d.jpg"], about=About(format=format))


def names_by_box(data: dsq.Dataset) -> list[str]:
    names = dict(zip(data.categories["category_id"], data.categories["name"], strict=True))
    return [names[number] for number in data.boxes["category_id"]]


def test_classes_merge_and_keep_their_place() -> None:
    done = remap(pets(), {"poodle": "dog"})
    assert done.dataset.categories["name"].tolist() == ["cat", "dog"]
    assert names_by_box(done.dataset) == ["cat", "dog", "dog", "dog"]
    assert done.changes.to_dict("records") == [{"old": "poodle", "new": "dog", "what": "merged", "boxes": 2}]
    assert done.emptied == []


def test_names_are_swapped_at_once() -> None:
    done = remap(pets(), {"cat": "dog", "dog": "cat"})
    assert done.dataset.categories["name"].tolist() == ["dog", "cat", "poodle"]
    assert names_by_box(done.dataset) == ["dog", "poodle", "cat", "poodle"]
    assert done.changes["what"].tolist() == ["renamed", "renamed"]


@pytest.mark.parametrize(("emptied", "states"), [("background", 4), ("unlabelled", 4), ("drop", 3)])
def test_dropped_class(emptied: str, states: int) -> None:
    done = remap(pets(), {"poodle": None}, emptied=emptied)
    assert len(done.dataset) == states
    assert done.emptied == ["c.jpg"]
    assert len(done.dataset.boxes) == 2
    if emptied != "drop":
        found = dict(zip(done.dataset.images["file"], done.dataset.images["label_state"], strict=True))
        assert found == {"a.jpg": "labelled", "b.jpg": "labelled", "c.jpg": emptied, "d.jpg": "background"}


def test_order() -> None:
    done = remap(pets(), {"poodle": "hound"}, order=["hound", "cat"])
    assert done.dataset.categories["name"].tolist() == ["hound", "cat", "dog"]
    assert done.dataset.categories["category_id"].tolist() == [1, 2, 3]
    assert names_by_box(done.dataset) == ["cat", "hound", "dog", "hound"]


def test_yolo_ids_close_up_and_others_stay() -> None:
    assert remap(pets("yolo"), {"dog": None}).dataset.categories["category_id"].tolist() == [0, 1]
    assert remap(pets("coco"), {"dog": None}).dataset.categories["category_id"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"mapping": {"poodel": "dog"}}, "poodle"),
        ({"mapping": {"Cat": "x"}}, "cat"),
        ({"order": ["doge"]}, "dog"),
        ({"order": ["cat", "cat"]}, "twice"),
        ({"mapping": {"cat": " "}}, "empty"),
        ({"emptied": "gone"}, "background"),
        ({"mapping": {"poodle": "dog"}, "order": ["poodle"]}, "poodle"),
    ],
)
def test_unknown_names_are_refused(options: dict[str, object], hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        remap(pets(), **options)  # type: ignore[arg-type]


def test_two_classes_of_one_name_stay_two() -> None:
    data = pets()
    data = data.replace(categories=data.categories.assign(name=["cat", "cat", "poodle"]))
    assert remap(data, {"poodle": "dog"}).dataset.categories["name"].tolist() == ["cat", "cat", "dog"]
    assert remap(data, {"poodle": "cat"}).dataset.categories["name"].tolist() == ["cat"]
    assert remap(data, {"cat": "puss"}).dataset.categories["name"].tolist() == ["puss", "poodle"]


def test_what_the_source_spelled_of_the_class_is_forgotten() -> None:
    data = pets()
    extras = [b'{"category_id":"3","note":1}' if c == 3 else b'{"category_id":"1"}' for c in data.boxes["category_id"]]
    data = data.replace(boxes=data.boxes.assign(extras=extras))
    found = remap(data, {"poodle": "dog"}).dataset.boxes["extras"].tolist()
    assert found == [b'{"category_id":"1"}', b'{"note":1}', b'{"category_id":"1"}', b'{"note":1}']


@given(datasets())
@settings(max_examples=40, deadline=None)
def test_identity(data: dsq.Dataset) -> None:
    done = remap(data, {name: name for name in CLASSES}, order=CLASSES)
    assert done.dataset is data
    assert len(done.changes) == 0


@given(datasets(), st.integers(0, 9), st.permutations(CLASSES))
@settings(max_examples=40, deadline=None)
def test_row_order_and_back(data: dsq.Dataset, seed: int, names: list[str]) -> None:
    forth = dict(zip(CLASSES, names, strict=True))
    there = remap(data, forth).dataset
    assert said(there) == said(remap(shuffled(data, seed), forth).dataset)
    assert said(remap(there, {new: old for old, new in forth.items()}).dataset) == said(data)


def test_subset_by_class_drops_what_it_empties() -> None:
    done = subset(pets(), classes=["cat"])
    assert done.dataset.images["file"].tolist() == ["d.jpg", "a.jpg"]
    assert done.dataset.categories["name"].tolist() == ["cat"]
    assert done.emptied == ["b.jpg", "c.jpg"]
    assert done.left_out == {"classes": {"images": 2, "boxes": 3}}
    kept = subset(pets(), classes=["cat"], emptied="background")
    assert kept.dataset.images["label_state"].tolist() == ["background", "labelled", "background", "background"]


def test_subset_by_split_source_and_state() -> None:
    images = [
        {"file": f"{n}.jpg", "split": ["train", "val", None][n % 3], "source": "ab"[n % 2], "label_state": "unlabelled"}
        for n in range(12)
    ]
    data = dsq.build_dataset(images=images)
    assert len(subset(data, splits=["train"]).dataset) == 4
    assert len(subset(data, splits=["none", "val"]).dataset) == 8
    assert len(subset(data, sources=["a"], splits=["val"]).dataset) == 2
    assert len(subset(data, states=["labelled"]).dataset) == 0
    for options in (
        {"splits": ["trian"]},
        {"sources": ["c"]},
        {"states": ["empty"]},
        {"classes": ["x"]},
        {"count": -1},
    ):
        with pytest.raises(ConfigError):
            subset(data, **options)  # type: ignore[arg-type]


def test_subset_takes_files_headers_and_problems_along() -> None:
    data = dsq.build_dataset(
        images=[{"file": f"{n}.jpg", "root": "/r", "split": "train" if n else "val"} for n in range(3)],
        files=[(f"{n}.jpg", 5, "image") for n in range(3)],
        headers={f"{n}.jpg": {} for n in range(3)},
        problems=[("malformed-record", f"{n}.jpg", "", "bad") for n in range(3)]
        + [("malformed-record", "x", "", "bad")],
    )
    data = data.replace(files=data.files.assign(root=pd.Categorical(["/r"] * 3)))
    part = subset(data, splits=["train"]).dataset
    assert [len(table) for table in (part.images, part.files, part.problems)] == [2, 2, 3]
    assert part.headers is not None and len(part.headers) == 2


@given(datasets(), st.integers(0, 12), st.booleans(), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_count(data: dsq.Dataset, count: int, stratified: bool, seed: int) -> None:
    part = subset(data, count=count, stratified=stratified, seed=seed).dataset
    assert len(part) == min(count, len(data))
    assert set(part.boxes["image_id"]) <= set(part.images["image_id"])
    again = subset(shuffled(data, seed), count=count, stratified=stratified, seed=seed).dataset
    assert said(part) == said(again)
    assert set(map(str, said(part))) <= set(map(str, said(data)))


def test_stratified_count_keeps_shares() -> None:
    boxes = [(f"{n}.jpg", "yak" if n % 10 == 0 else "car", 0, 0, 9, 9) for n in range(200)]
    part = subset(dsq.build_dataset(boxes), count=50).dataset
    assert sorted(part.boxes["category_id"].value_counts().tolist()) == [5, 45]


def test_numbers_go_round_among_declared_classes() -> None:
    data = pets("coco")
    table = data.categories.assign(source_id=[4, 7, 99], declared=[True, True, False], name=["cat", "dog", "99"])
    done = remap(data.replace(categories=table), order=["dog", "cat"]).dataset.categories
    assert done["name"].tolist() == ["dog", "cat", "99"]
    assert done["source_id"].tolist() == [4, 7, 99]


def test_undeclared_yolo_classes_keep_their_number_unless_they_get_a_name() -> None:
    data = pets("yolo")
    table = data.categories.assign(category_id=[0, 1, 7], declared=[True, True, False], name=["cat", "dog", "7"])
    boxes = data.boxes.assign(category_id=[0, 7, 1, 7])
    data = data.replace(categories=table, boxes=boxes)
    done = remap(data, {"cat": None}).dataset
    columns = ["category_id", "name", "declared"]
    assert done.categories[columns].to_numpy().tolist() == [[0, "dog", True], [7, "7", False]]
    assert names_by_box(done) == ["7", "dog", "7"]
    named = remap(data, {"7": "emu"}).dataset
    assert named.categories[columns].to_numpy().tolist() == [
        [0, "cat", True], [1, "dog", True], [2, "emu", True],
    ]  # fmt: skip
    assert names_by_box(subset(data, classes=["7", "dog"]).dataset) == ["7", "dog", "7"]
