"""Rows and columns of a table paired one to one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def assign_rows(worth: Array) -> Array:
    """The column of each row of a square table (n, n) so that every column is taken once and the sum is largest.

    Shortest augmenting paths over dual prices, n³ steps.
    """
    size = len(worth)
    row_price, column_price = np.zeros(size + 1), np.zeros(size + 1)
    taken_by = np.zeros(size + 1, np.int64)  # row of each column, both from 1; 0: none
    for row in range(1, size + 1):
        taken_by[0] = row
        column = 0
        least = np.full(size + 1, np.inf)
        came_from = np.zeros(size + 1, np.int64)
        used = np.zeros(size + 1, bool)
        while taken_by[column]:
            used[column] = True
            cost = -worth[taken_by[column] - 1] - row_price[taken_by[column]] - column_price[1:]
            better = ~used[1:] & (cost < least[1:])
            least[1:][better], came_from[1:][better] = cost[better], column
            following = int(np.where(used, np.inf, least)[1:].argmin()) + 1
            step = least[following]
            row_price[taken_by[used]] += step
            column_price[used] -= step
            least[~used] -= step
            column = following
        while column:
            taken_by[column] = taken_by[came_from[column]]
            column = int(came_from[column])
    columns = np.empty(size, np.int64)
    columns[taken_by[1:] - 1] = np.arange(size)
    return columns
