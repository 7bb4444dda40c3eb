"""What every installed rule owes."""

from __future__ import annotations

import doctest
import re
from typing import Any

import numpy as np
import pytest

import dsq
from dsq.model import Dataset
from dsq.registry import all_rules
from dsq.rule import Rule

RULES = list(all_rules().values())
each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])


@each_rule
def test_page(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert rule.summary.endswith(".") and len(rule.summary) <= 100
    assert len(rule.page.splitlines()) >= 5
    for threshold in rule.thresholds:
        assert f"`{threshold}`" in rule.page, f"{threshold} is not explained"


@each_rule
def test_example_holds(rule: Rule) -> None:
    example = doctest.DocTestParser().get_doctest(rule.page, {}, rule.name, None, None)
    assert example.examples, "the page has no example"
    assert any("messages()" in e.source or "findings" in e.source for e in example.examples)
    output: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=output.append)
    assert not output, "".join(output)


@each_rule
@pytest.mark.parametrize(
    "empty",
    [dsq.build_dataset(), dsq.build_dataset(size=None), dsq.build_dataset(headers={}, classes=[])],
    ids=["nothing", "no size", "no headers"],
)
def test_empty_dataset_is_quiet(rule: Rule, empty: Dataset) -> None:
    assert dsq.audit(empty, select=[rule.name]).messages() == []


def messy() -> Dataset:
    """Many faults at once, deterministic."""
    rng = np.random.default_rng(5)
    boxes: list[dict[str, Any]] = []
    for number in range(60):
        file = f"{'train' if number % 4 else 'val'}/im{number // 2}_jpg.rf.{number:02x}.jpg"
        for _ in range(int(rng.integers(0, 5))):
            x, y, w, h = rng.uniform(-20, 600), rng.uniform(-20, 440), rng.normal(60, 60), rng.normal(60, 60)
            category = ["cat", "Cat", "dog", "dogs"][int(rng.integers(0, 4))]
            boxes.append({"file": file, "category": category, "x": x, "y": y, "width": w, "height": h})
            if rng.random() < 0.2:
                boxes.append({**boxes[-1], "x": x + 0.5})
    images = [
        {
            "file": f"{'train' if n % 4 else 'val'}/im{n // 2}_jpg.rf.{n:02x}.jpg",
            "split": "train" if n % 4 else "val",
        }
        for n in range(60)
    ]
    return dsq.build_dataset(boxes, images=images)


@each_rule
def test_order_of_rows_does_not_matter(rule: Rule) -> None:
    data = messy()
    rng = np.random.default_rng(1)
    shuffled = data.replace(
        images=data.images.sample(frac=1, random_state=rng).reset_index(drop=True),
        boxes=data.boxes.sample(frac=1, random_state=rng).reset_index(drop=True),
    )
    first = dsq.audit(data, select=[rule.name]).records
    second = dsq.audit(shuffled, select=[rule.name]).records
    drop = ("box_id", "origin", "group")
    for one, other in zip(first, second, strict=True):
        assert {k: v for k, v in one.items() if k not in drop} == {k: v for k, v in other.items() if k not in drop}


@each_rule
def test_inputs_are_left_alone(rule: Rule) -> None:
    data = messy()
    images, boxes = data.images.copy(deep=True), data.boxes.copy(deep=True)
    dsq.audit(data, select=[rule.name]).records  # noqa: B018
    assert images.equals(data.images) and boxes.equals(data.boxes)


def test_the_issue_list_is_complete() -> None:
    """Rules are never renamed or dropped: their names are in people's settings."""
    promised = """
    unreadable-image missing-image orphan-image orphan-annotation malformed-record duplicate-id
    duplicate-image-record size-mismatch path-outside-dataset wrong-extension junk-file label-beside-image
    class-list-disagreement predictions-as-labels annotation-id-zero exif-rotated degenerate-box
    box-outside-image duplicate-box two-classes-one-object tiny-box whole-image-box odd-aspect-box
    box-polygon-mismatch area-mismatch crowd-everywhere border-sliver box-convention unlabelled-image
    too-many-backgrounds suspicious-empties class-name-variants unused-class undeclared-class
    placeholder-root-class class-imbalance too-few-images-per-class too-few-instances-per-class class-coverage
    no-validation-split tiny-validation-split class-missing-from-split split-ratio same-source-in-two-splits
    augmented-validation exact-duplicate near-duplicate same-scene conflicting-duplicates low-variance
    sequence-frames single-condition leakage val-like-train
    """.split()
    assert set(promised) <= set(all_rules())
