"""Tables by schema: what a column holds that is not given, and that a change to one touches no other."""

from __future__ import annotations

import pandas as pd
import pytest

from dsq.model import BOXES, IMAGES, build_dataset, make_table


def test_columns_that_are_not_given() -> None:
    table = make_table(BOXES, 2, box_id=[1, 2], image_id=1, category_id=1, x=0.0, y=0.0, width=1.0, height=1.0)
    assert (
        table[["segmentation", "keypoints", "extras", "area", "score", "source_id", "difficult"]].isna().all(axis=None)
    )
    assert not table["crowd"].any()
    assert table["origin_place"].tolist() == [-1, -1]
    kinds = [str(table[name].dtype) for name in ("segmentation", "score", "source_id", "difficult", "crowd")]
    assert kinds == ["object", "float64", "Int64", "boolean", "bool"]


def test_a_write_to_one_column_leaves_those_that_held_nothing_too() -> None:
    table = make_table(BOXES, 3, box_id=[1, 2, 3], image_id=1, category_id=1, x=0.0, y=0.0, width=1.0, height=1.0)
    other = table.copy(deep=False)
    table.loc[1, "segmentation"] = b"[]"
    table.loc[table["box_id"] > 1, "score"] = 0.5
    table.iloc[0, table.columns.get_loc("extras")] = b"{}"
    assert table["segmentation"].tolist() == [None, b"[]", None]
    assert table["keypoints"].isna().all()
    assert table["extras"].tolist() == [b"{}", None, None]
    assert table["area"].isna().all()
    assert table["score"].isna().tolist() == [True, False, False]
    pd.testing.assert_frame_equal(other, make_table(BOXES, 3, **{name: other[name].array for name in BOXES}))
    assert other[["segmentation", "extras", "score"]].isna().all(axis=None)


def test_a_written_column_of_a_dataset_leaves_the_others() -> None:
    data = build_dataset([("a.jpg", "cat", 1, 2, 3, 4)], images=["b.jpg"])
    images = data.images
    images.loc[0, "pixel_ops"] = "[]"
    assert images["extras"].isna().all()


def test_columns_without_a_default_are_asked_for() -> None:
    with pytest.raises(ValueError, match="image_id"):
        make_table(IMAGES, 1)
    with pytest.raises(KeyError, match="colour"):
        make_table(IMAGES, 0, colour=[])
