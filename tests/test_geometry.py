"""Box and pair maths against the plain way of doing it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dsq.geometry import box_area, box_iou, intersect, pairs_within


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 50))
def test_pairs_within(group: list[int], chunk: int) -> None:
    found = [
        pair for left, right in pairs_within(np.array(group, np.int64), chunk) for pair in zip(left, right, strict=True)
    ]
    expected = {pair for pair in combinations(range(len(group)), 2) if group[pair[0]] == group[pair[1]]}
    assert len(found) == len(expected)
    assert {(int(i), int(j)) for i, j in found} == expected


def test_intersection_area_and_iou() -> None:
    one = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [5, 5, 5, 5]], float)
    two = np.array([[5, 5, 15, 15], [20, 20, 30, 30], [0, 0, 10, 10], [5, 5, 5, 5]], float)
    assert intersect(one, two).tolist() == [25, 0, 100, 0]
    assert box_area(one).tolist() == [100, 100, 100, 0]
    assert box_area(np.array([[5.0, 5, 1, 9]])).tolist() == [0]
    np.testing.assert_allclose(box_iou(one, two), [25 / 175, 0, 1, 0])
