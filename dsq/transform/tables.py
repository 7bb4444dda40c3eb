"""Tables of one schema, one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dsq.model import Table, make_table


def stack(schema: Mapping[str, str], tables: Sequence[Table]) -> Table:
    """Rows of all tables in order; categories of categorical columns united in order of first appearance."""
    count = sum(map(len, tables))
    columns = {name: _join(kind, [table[name] for table in tables]) for name, kind in schema.items()}
    return make_table(schema, count, **(columns if tables else {}))


def _join(kind: str, parts: Sequence[pd.Series[Any]]) -> Any:
    if kind == "cat":
        return _join_categories([pd.Categorical(part) for part in parts])
    if kind in ("Int", "flag"):
        arrays = [part.array for part in parts]
        mask = np.concatenate([np.asarray(array.isna()) for array in arrays])
        if kind == "Int":
            data = np.concatenate([array.to_numpy(np.int64, na_value=0) for array in arrays])
            return pd.arrays.IntegerArray(data, mask)
        data = np.concatenate([array.to_numpy(np.bool_, na_value=False) for array in arrays])
        return pd.arrays.BooleanArray(data, mask)
    return np.concatenate([part.to_numpy(object if kind in ("text", "blob") else None) for part in parts])


def _join_categories(parts: Sequence[pd.Categorical[Any]]) -> pd.Categorical[Any]:
    places: dict[Any, int] = {}
    codes = []
    for part in parts:
        own = [places.setdefault(value, len(places)) for value in part.categories.tolist()]
        table = np.array([*own, -1], np.int64)  # the last for -1: not said
        codes.append(table[part.codes])
    joined = np.concatenate(codes)
    return pd.Categorical.from_codes(joined, categories=pd.Index(list(places), dtype=object))
