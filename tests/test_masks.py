"""Areas and extents of masks, held against pycocotools."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as reference

from dsq import masks as module
from dsq.geometry import polygon_area
from dsq.masks import mask_extents

NUMBERS = ["area", "x0", "y0", "x1", "y1"]


def measure(*segmentations: Any) -> pd.DataFrame:
    """Extents of masks given as Python values; None stays None, bytes stay as they are."""
    raw = np.empty(len(segmentations), object)
    raw[:] = [s if s is None or isinstance(s, bytes) else json.dumps(s).encode() for s in segmentations]
    return mask_extents(raw)


def numbers(table: pd.DataFrame, row: int = 0) -> list[float]:
    return [float(value) for value in table[NUMBERS].iloc[row]]


def test_polygons() -> None:
    square = [10, 20, 30, 20, 30, 50, 10, 50]
    table = measure(None, [square], [square, [100.5, 0, 110.5, 0, 110.5, 10, 100.5, 10]])
    assert table["row"].tolist() == [1, 2]
    assert not table["rle"].any() and (table["error"] == "").all()
    assert numbers(table) == [600, 10, 20, 30, 50]
    assert numbers(table, 1) == [700, 10, 0, 110.5, 50]


def test_a_flat_list_is_one_polygon() -> None:
    table = measure([[0, 0, 4, 0, 4, 4]], [10, 20, 30, 20, 30, 50, 10, 50])
    assert numbers(table) == [8, 0, 0, 4, 4]
    assert numbers(table, 1) == [600, 10, 20, 30, 50]


def test_empty_lists_hold_no_mask() -> None:
    assert measure([], [[]], None).empty
    assert measure().empty
    assert measure([[]], [[0, 0, 4, 0, 4, 4]])["row"].tolist() == [1]


@pytest.mark.parametrize(
    "broken",
    [
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [["1", 2, 3, 4, 5, 6]],
        {"size": [10, 10]},
        {"size": [10], "counts": [100]},
        {"size": [10, 10], "counts": [50, 49]},
        {"size": [10, 10], "counts": [50, -10, 60]},
        {"size": [-10, -10], "counts": [50, 50]},
        {"size": [0, 0], "counts": [0, 0]},
        {"size": [10, 10], "counts": []},
        {"size": [10, 10], "counts": [100]},
        {"size": [10, 10], "counts": ""},
        {"size": [10, 10], "counts": "ooooooooooo"},
        {"size": [10, 10], "counts": "\u00e9"},
        {"size": [1 << 40, 1 << 40], "counts": [1 << 80]},
        {"size": [10, 10], "counts": {}},
        "mask",
        7,
        b"[[1,2",
    ],
    ids=repr,
)
def test_a_broken_mask_says_why_and_spoils_no_other(broken: Any) -> None:
    table = measure([[0, 0, 4, 0, 4, 4]], broken, {"size": [2, 2], "counts": [1, 2, 1]})
    assert table["row"].tolist() == [0, 1, 2]
    assert table["error"].ne("").tolist() == [False, True, False]
    assert table[NUMBERS].iloc[1].isna().all()
    assert numbers(table) == [8, 0, 0, 4, 4]
    assert numbers(table, 2) == [2, 0, 0, 2, 2]


def test_raw_values_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The COCO reader hands over what msgspec left undecoded; blocks may end anywhere."""
    monkeypatch.setattr(module, "BLOCK", 3)
    monkeypatch.setattr(module, "RUNS", 4)
    texts = [b"[[0,0,4,0,4,4]]", b'{"size":[2,2],"counts":[1,2,1]}'] * 5
    raw = np.array([*map(msgspec.Raw, texts), None], object)
    table = mask_extents(raw)
    assert table["rle"].tolist() == [False, True] * 5
    assert table["area"].tolist() == [8, 2] * 5


@st.composite
def bitmaps(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    seed, share = draw(st.integers(0, 10**6)), draw(st.sampled_from([0.02, 0.3, 0.9, 1.0]))
    bits = (np.random.default_rng(seed).random((height, width)) < share).astype(np.uint8)
    if not bits.any():
        bits[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = 1
    if draw(st.booleans()):
        bits = bits.repeat(30, 0)  # long runs take several characters
    return np.asfortranarray(bits)


def run_lengths(bits: np.ndarray[Any, Any]) -> list[int]:
    flat = bits.ravel(order="F")
    ends = np.flatnonzero(np.r_[flat[1:] != flat[:-1], True]) + 1
    counts = np.diff(np.r_[0, ends]).tolist()
    return counts if flat[0] == 0 else [0, *counts]


@settings(max_examples=60, deadline=None)
@given(st.lists(bitmaps(), min_size=1, max_size=5))
def test_run_lengths_are_those_of_pycocotools(pictures: list[np.ndarray[Any, Any]]) -> None:
    given_masks: list[Any] = []
    expected = []
    for bits in pictures:
        packed = reference.encode(bits)
        x, y, width, height = reference.toBbox(packed).tolist()
        expected += [[float(reference.area(packed)), x, y, x + width, y + height]] * 2
        size = list(packed["size"])
        given_masks.append({"size": size, "counts": packed["counts"].decode()})
        given_masks.append({"size": size, "counts": run_lengths(bits)})
    table = measure(*given_masks)
    assert table["rle"].all() and (table["error"] == "").all()
    np.testing.assert_array_equal(table[NUMBERS].to_numpy(), expected)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.integers(-500, 500), min_size=6, max_size=16).filter(lambda p: len(p) % 2 == 0),
        min_size=1,
    )
)
def test_polygon_area_is_the_shoelace(polygons: list[list[int]]) -> None:
    points = np.concatenate(polygons).astype(float)
    starts = np.cumsum([0] + [len(p) // 2 for p in polygons[:-1]])
    expected = []
    for polygon in polygons:
        x, y = np.array(polygon[0::2]), np.array(polygon[1::2])
        expected.append(abs(float(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y))) / 2)
    np.testing.assert_allclose(polygon_area(points[0::2], points[1::2], starts), expected)
    assert len(polygon_area(np.empty(0), np.empty(0), np.empty(0, np.int64))) == 0
