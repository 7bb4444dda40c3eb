"""Boxes of two pictures laid on each other."""

from __future__ import annotations

import numpy as np
import pytest

import dsq
from dsq.analyse import couples
from dsq.scan import Scan

STILL = np.array([1.0, 0, 0, 0, 1, 0])


def data() -> Scan:
    rng = np.random.default_rng(0)
    boxes = []
    for number in range(6):
        for _ in range(number):
            x, y = rng.uniform(0, 500), rng.uniform(0, 380)
            boxes.append((f"{number}.jpg", "cat" if rng.random() < 0.5 else "dog", x, y, 100, 80))
    return Scan(dsq.build_dataset(boxes, images=[f"{number}.jpg" for number in range(6)]))


def test_an_image_matches_itself() -> None:
    labels = data().labels
    rows = np.arange(6)
    found = labels.compare(rows, rows, np.tile(STILL, (6, 1)))
    assert (found.couples["one"] == found.couples["other"]).all() and (found.couples["iou"] > 0.999).all()
    assert len(found.couples) == 15 and found.lone.empty and not found.count_lone(6).any()


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = data().labels
    first, second = (part.ravel() for part in np.meshgrid(np.arange(6), np.arange(6)))
    affine = np.tile([-1.0, 0, 1, 0, 1, 0], (36, 1))
    whole = labels.compare(first, second, affine)
    monkeypatch.setattr(couples, "AT_ONCE", 3)
    parts = labels.compare(first, second, affine)
    for one, other in zip(whole, parts, strict=True):
        keys = list(one.columns)
        assert one.sort_values(keys, ignore_index=True).equals(other.sort_values(keys, ignore_index=True))
    none = labels.compare(first[:0], second[:0], affine[:0])
    assert none.couples.empty and none.lone.empty


def test_lone_boxes_stand_where_the_other_picture_would_have_them() -> None:
    scan = Scan(dsq.build_dataset([("a.jpg", "cat", 64, 48, 128, 96)], images=["a.jpg", "b.jpg"]))
    mirrored = np.array([[-1.0, 0, 1, 0, 1, 0]])
    for first, second, side in ((0, 1, 0), (1, 0, 1)):
        lone = scan.labels.compare(np.array([first]), np.array([second]), mirrored).lone
        assert lone[["pair", "side"]].to_numpy().tolist() == [[0, side]]
        assert lone[["x0", "y0", "x1", "y1"]].to_numpy() == pytest.approx(np.array([[0.7, 0.1, 0.9, 0.3]]))
    beyond = np.array([[1.0, 0, 0.85, 0, 1, 0]])  # what is shifted out of the picture is not looked for
    assert scan.labels.compare(np.array([0]), np.array([1]), beyond).lone.empty


def test_what_covers_a_place() -> None:
    boxes = [("a.jpg", "cat", 0, 0, 320, 480), ("a.jpg", "dog", 320, 0, 320, 480)]
    labels = Scan(dsq.build_dataset(boxes, images=["a.jpg", "b.jpg"])).labels
    corners = np.array([[0.1, 0.1, 0.3, 0.3], [0.4, 0.1, 0.6, 0.3], [0.7, 0, 0.9, 1], [0.1, 0.1, 0.3, 0.3]])
    shares = labels.covered(np.array([0, 0, 0, 1]), corners, np.array([1, 1, 1, 1]))
    assert shares == pytest.approx([1, 0.5, 0, 0])
