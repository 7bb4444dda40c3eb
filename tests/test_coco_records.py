"""COCO as text and records: every spelling is read, nothing is lost in silence."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsq.errors import ReadError
from dsq.formats import read
from dsq.formats.coco import json as coco_json
from dsq.model import Dataset

RLE = {"size": [48, 64], "counts": [96, 10, 38, 10, 2918]}
PACKED = {"size": [48, 64], "counts": "P3:V1:ndk2"}


def record(number: int = 1, image: int = 1, **more: Any) -> dict[str, Any]:
    base = {"id": number, "image_id": image, "category_id": 1, "bbox": [1, 2, 10.5, 12], "area": 126.0, "iscrowd": 0}
    return {key: value for key, value in (base | more).items() if value is not ...}


def image(number: int = 1, **more: Any) -> dict[str, Any]:
    base = {"id": number, "file_name": f"{number}.jpg", "width": 64, "height": 48}
    return {key: value for key, value in (base | more).items() if value is not ...}


def document(records: list[Any], images: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    listed = [image()] if images is None else images
    return {"images": listed, "annotations": records, "categories": [{"id": 1, "name": "cat"}], **more}


def load(tmp_path: Path, content: Any) -> Dataset:
    file = tmp_path / "labels.json"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return read(file)


def said(data: Dataset, kind: str = "malformed-record") -> list[tuple[str, str]]:
    rows = data.problems[data.problems["kind"] == kind]
    return list(zip(rows["place"], rows["what"], strict=True))


def corners(data: Dataset) -> list[list[float]]:
    return [list(row) for row in data.boxes[["x", "y", "width", "height"]].itertuples(index=False)]


def extras(table: Any, row: int = 0) -> Any:
    blob = table["extras"].tolist()[row]
    return None if blob is None else json.loads(blob)


def test_plain_record(tmp_path: Path) -> None:
    data = load(tmp_path, document([record(17, segmentation=[[1, 2, 11, 2, 11, 14]])]))
    row = data.boxes.iloc[0]
    assert corners(data) == [[1, 2, 10.5, 12]]
    assert (row["box_id"], row["image_id"], row["category_id"]) == (17, 1, 1)
    assert (row["area"], row["crowd"], row["origin_file"], row["origin_place"]) == (126, False, "labels.json", 17)
    assert json.loads(bytes(row["segmentation"])) == [[1, 2, 11, 2, 11, 14]]
    assert math.isnan(row["score"])
    assert row["extras"] is None
    assert not len(data.problems)
    assert data.images["extras"].tolist() == [None]


def test_masks_of_every_kind_are_kept(tmp_path: Path) -> None:
    masks = [[[1, 1, 5, 1, 5, 5]], RLE, PACKED, [], [[]]]
    records = [record(i, segmentation=mask, iscrowd=int(isinstance(mask, dict))) for i, mask in enumerate(masks, 1)]
    data = load(tmp_path, document([*records, record(6)]))
    kept = data.boxes["segmentation"].tolist()
    assert [json.loads(bytes(blob)) for blob in kept[:5]] == masks
    assert kept[5] is None
    assert data.boxes["crowd"].tolist() == [False, True, True, False, False, False]


def test_unknown_keys_are_kept(tmp_path: Path) -> None:
    records = [
        record(1, attributes={"occluded": True}, score=0.5, keypoints=[1, 2, 2]),
        record(2, attributes={"deep": [{"a": 1}, {"b": 2}]}, note="50 % of }, { it"),
        record(3, 1, **{'quo"te': 1}),
        record(4),
    ]
    images = [image(1, license=3, extra={"name": "x"}), image(2, date_captured="now"), image(3)]
    content = document(records, images, info={"year": 2024}, licenses=[{"id": 3}], mine=[1, 2])
    data = load(tmp_path, content)
    assert extras(data.boxes) is None  # the flags are columns
    assert data.boxes["occluded"].tolist()[0] is True
    assert data.boxes["occluded"].isna().tolist() == [False, True, True, True]
    assert extras(data.boxes, 1) == {"attributes": {"deep": [{"a": 1}, {"b": 2}]}, "note": "50 % of }, { it"}
    assert extras(data.boxes, 2) == {'quo"te': 1}
    assert extras(data.boxes, 3) is None
    assert data.boxes["score"].tolist()[0] == 0.5
    assert [blob and json.loads(blob) for blob in data.boxes["keypoints"]] == [[1, 2, 2], None, None, None]
    assert extras(data.images) == {"license": 3, "extra": {"name": "x"}}
    assert extras(data.images, 1) == {"date_captured": "now"}
    rest = json.loads(data.about.documents["labels.json"])
    kept = {key: content[key] for key in ("info", "licenses", "mine", "categories")}
    assert rest == {**kept, "images": 3, "annotations": 4}
    assert not len(data.problems)


def test_flags_in_attributes(tmp_path: Path) -> None:
    said: list[Any] = [
        {"occluded": True, "difficult": False}, {"truncated": 1}, {"truncated": 0.3, "occluded": "yes"}, {}, [],
        {"difficult": True, "colour": "red"}, {"difficult": None},
    ]  # fmt: skip
    records = [record(i, attributes=attributes) for i, attributes in enumerate(said, 1)]
    for more in ([], [record(8, iscrowd="0")]):  # typed, and record by record
        data = load(tmp_path, document([*records, *more]))
        flags = {
            name: [None if value is pd.NA else bool(value) for value in data.boxes[name]][:7]
            for name in ("difficult", "truncated", "occluded")
        }
        assert flags["difficult"] == [False, None, None, None, None, True, None]
        assert flags["truncated"] == [None, True, None, None, None, None, None]
        assert flags["occluded"] == [True, None, None, None, None, None, None]
        assert [extras(data.boxes, row) for row in range(7)] == [None, *({"attributes": each} for each in said[1:])]


def test_missing_keys(tmp_path: Path) -> None:
    data = load(tmp_path, document([record(1, iscrowd=..., area=...), record(2)], [image(1, width=..., height=...)]))
    assert data.boxes["crowd"].tolist() == [False, False]
    assert data.boxes["area"].isna().tolist() == [True, False]
    assert extras(data.boxes) == {"dsq:absent": ["iscrowd"]}
    assert extras(data.boxes, 1) is None
    assert data.images["width"].isna().all()
    assert extras(data.images) == {"dsq:absent": ["width", "height"]}
    assert {notice.kind for notice in data.about.notices} == {"iscrowd-missing", "area-missing"}
    assert not len(data.problems)


def test_null_values(tmp_path: Path) -> None:
    odd = record(1, iscrowd=None, area=None, segmentation=None, keypoints=None, score=None)
    data = load(tmp_path, document([odd, record(2)], [image(1, width=None, height=None)]))
    assert extras(data.boxes) == dict.fromkeys(["iscrowd", "area", "segmentation", "keypoints", "score"])
    assert data.boxes["segmentation"].tolist() == [None, None]
    assert extras(data.images) == {"width": None, "height": None}
    assert not len(data.problems)


def test_numbers_as_text_or_fractions(tmp_path: Path) -> None:
    odd = record("7", "1", category_id=1.0, bbox=["1", 2, "10.5", 12], area="126", iscrowd=False)
    data = load(tmp_path, document([odd, record(8)], [image("1", width="64", height=48.0)]))
    assert data.boxes["box_id"].tolist() == [7, 8]
    assert corners(data) == [[1, 2, 10.5, 12]] * 2
    assert data.boxes["area"].tolist() == [126, 126]
    assert data.images["width"].tolist() == [64]
    assert extras(data.boxes) == {
        "id": "7", "image_id": "1", "category_id": 1.0, "bbox": ["1", 2, "10.5", 12], "area": "126", "iscrowd": False,
    }  # fmt: skip
    whats = " ".join(what for _, what in said(data))
    for word in ("its id is text", "image_id is text", "category_id is a fraction", "bbox holds text", "area is text"):
        assert word in whats
    assert {place for place, _ in said(data)} == {'annotation id "7"', 'image id "1"'}


def test_text_ids(tmp_path: Path) -> None:
    content = {
        "images": [image("img_a", file_name="a.jpg"), image("img_b", file_name="b.jpg")],
        "annotations": [record("x1", "img_b", category_id="cat"), record("x2", "img_a", category_id="cow")],
        "categories": [{"id": 1, "name": "cat"}],
    }
    data = load(tmp_path, content)
    assert data.images["image_id"].tolist() == [1, 2]
    assert data.images["source_id"].isna().all()
    assert data.boxes["image_id"].tolist() == [2, 1]
    assert data.boxes["origin_place"].tolist() == [0, 1]
    names = dict(zip(data.categories["category_id"], data.categories["name"], strict=True))
    assert [names[number] for number in data.boxes["category_id"]] == ["cat", "cow"]
    assert data.categories["declared"].tolist() == [True, False]


def test_boxes_that_cannot_be_read(tmp_path: Path) -> None:
    bad = [
        record(1, bbox=[1, 2, 3]), record(2, bbox=[1, 2, 3, 4, 5]), record(3, bbox="1 2 3 4"),
        record(4, bbox=[1, 2, None, 4]), record(5, bbox=[1, 2, 1e300, 4]), record(6, bbox=...),
        record(7, category_id=...), record(8, ...), record(9, bbox=[1, 2, "wide", 4]), record(10, bbox=[True, 0, 1, 1]),
        5, None,
    ]  # fmt: skip
    data = load(tmp_path, document([*bad, record(99)], [image(1), image(2)]))
    assert data.boxes["box_id"].tolist() == [99]
    places = [place for place, _ in said(data)]
    assert places == [f"annotation id {i}" for i in range(1, 11)] + ["annotations[10]", "annotations[11]"]
    assert data.images["label_state"].tolist() == ["labelled", "background"]


def test_an_image_whose_boxes_were_lost_is_no_background(tmp_path: Path) -> None:
    data = load(tmp_path, document([record(1, bbox=[1, 2])]))
    assert data.images["label_state"].tolist() == ["labelled"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "1e308", "nan"])
def test_coordinates_that_are_no_numbers(tmp_path: Path, value: str) -> None:
    text = json.dumps(document([record(1), record(2, bbox=[5, 6, 7, 8]), record(3)]))
    data = load(tmp_path, text.replace("[5, 6, 7, 8]", f"[5, {value}, {value}, 8]"))
    assert data.boxes["box_id"].tolist() == [1, 3]
    [(place, what)] = said(data)
    assert place == "annotation id 2"
    assert "no coordinate" in what


def test_other_numbers_that_are_none(tmp_path: Path) -> None:
    text = json.dumps(document([record(1, area=77), record(2, score=88)]))
    data = load(tmp_path, text.replace("77", "NaN").replace("88", "Infinity"))
    assert data.boxes["area"].isna().tolist() == [True, False]
    assert data.boxes["score"].isna().all()
    assert [place for place, _ in said(data)] == ["annotation id 1", "annotation id 2"]


def test_box_from_its_mask(tmp_path: Path) -> None:
    records = [
        record(1, bbox=..., segmentation=[[3, 4, 13, 4, 13, 10], [20, 5, 22, 5, 22, 30]]),
        record(2, bbox=None, segmentation=RLE, iscrowd=1), record(3, bbox=[], segmentation=[[1, 2, 3]]), record(4),
    ]  # fmt: skip
    data = load(tmp_path, document(records))
    assert data.boxes["box_id"].tolist() == [1, 2, 4]
    assert corners(data)[:2] == [[3, 4, 19, 26], [2, 0, 2, 10]]
    lines = dict(said(data))
    assert "extents of its mask" in lines["annotation id 1"]
    assert "left out" in lines["annotation id 3"]


def test_orphans(tmp_path: Path) -> None:
    data = load(tmp_path, document([record(1, 9), record(2), record(3, -5)]))
    assert data.boxes["box_id"].tolist() == [2]
    assert [place for place, _ in said(data, "orphan-annotation")] == ["annotation id 1", "annotation id 3"]


def test_duplicate_ids(tmp_path: Path) -> None:
    images = [image(5), image(5, file_name="other.jpg"), image(6)]
    data = load(tmp_path, document([record(3, 5), record(3, 5), record(3, 6), record(4, 6)], images))
    assert data.images["image_id"].tolist() == [1, 2, 3]
    assert data.images["source_id"].tolist() == [5, 5, 6]
    assert data.boxes["box_id"].tolist() == [1, 2, 3, 4]
    assert data.boxes["source_id"].tolist() == [3, 3, 3, 4]
    assert data.boxes["image_id"].tolist() == [1, 1, 3, 3]
    assert data.images["label_state"].tolist() == ["labelled", "background", "labelled"]
    lines = dict(said(data, "duplicate-id"))
    assert "3 annotations" in lines["annotation id 3"]
    assert "5.jpg and other.jpg" in lines["image id 5"]


def test_id_zero_and_large_ids(tmp_path: Path) -> None:
    data = load(tmp_path, document([record(0), record(2**61)]))
    assert data.boxes["box_id"].tolist() == [0, 2**61]
    assert data.boxes["source_id"].tolist() == [0, 2**61]
    data = load(tmp_path, document([record(2**70), record(7)]))
    assert data.boxes["box_id"].tolist() == [1, 2]
    assert data.boxes["source_id"].isna().tolist() == [True, False]


def test_missing_ids(tmp_path: Path) -> None:
    data = load(tmp_path, document([record(...), record(...)], [image(1), image(..., file_name="b.jpg")]))
    assert data.boxes["box_id"].tolist() == [1, 2]
    assert data.boxes["origin_place"].tolist() == [0, 1]
    assert data.boxes["source_id"].isna().all()
    assert data.images["label_state"].tolist() == ["labelled", "unlabelled"]
    places = [place for place, _ in said(data)]
    assert places == ["images[1]", "annotations[0]", "annotations[1]"]


def test_missing_file_name(tmp_path: Path) -> None:
    images = [image(1, file_name=...), image(2, file_name=None, coco_url="http://x.org/a/b.jpg")]
    data = load(tmp_path, document([record(1, 1), record(2, 2)], images))
    assert data.images["file"].tolist() == ["1", "b.jpg"]
    assert len(data.boxes) == 2
    assert [place for place, _ in said(data)] == ["image id 1", "image id 2"]


def test_many_odd_records_are_one_row(tmp_path: Path) -> None:
    data = load(tmp_path, document([record(str(i)) for i in range(1, 1001)]))
    assert len(data.boxes) == 1000
    assert said(data) == [('annotation id "1" and 999 more', "its id is text, not a whole number")]


def test_odd_lists(tmp_path: Path) -> None:
    data = load(tmp_path, document([]) | {"annotations": {"a": 1}, "categories": "none"})
    assert len(data.images) == 1
    assert len(said(data)) == 2
    data = load(tmp_path, document([]) | {"annotations": None, "categories": None})
    assert not len(data.problems)
    data = load(tmp_path, document([record(1)]) | {"categories": [{"id": 1}, {"name": "x"}, 5, {"id": "2", "name": 3}]})
    assert data.categories["name"].tolist() == ["1", "x", "3"]
    assert len(said(data)) == 5


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_encodings(tmp_path: Path, codec: str) -> None:
    content = document([record(1)], [image(1, file_name="Grüße/Füße.jpg", note="é")])
    data = load(tmp_path, json.dumps(content, ensure_ascii=False).encode(codec))
    assert data.images["file"].tolist() == ["Grüße/Füße.jpg"]
    assert len(data.boxes) == 1


def test_line_ends_and_spaces(tmp_path: Path) -> None:
    text = json.dumps(document([record(i) for i in range(5)]), indent=2).replace("\n", "\r\n")
    assert len(load(tmp_path, text.replace(":", " \t:\r\n ")).boxes) == 5


def test_text_that_is_not_quite_json(tmp_path: Path) -> None:
    text = json.dumps(document([record(1, note="odd")]))
    assert extras(load(tmp_path, text.replace("odd", "two\nlines")).boxes) == {"note": "two\nlines"}
    assert extras(load(tmp_path, text.replace("odd", "\\ud800")).boxes) == {"note": "?"}
    assert len(load(tmp_path, text + " \n\0\0").boxes) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[: len(text) // 2], "ends in the middle, at byte"),
        (lambda text: "", "no COCO file was found|is empty"),
        (lambda text: text.replace('"area"', "area", 1), "not valid JSON.*at byte"),
        (lambda text: text.replace("[1, 2, 10.5, 12]", "[1, 2, 10.5, 12,]", 1), "not valid JSON.*at byte.*line 1"),
        (lambda text: text.replace('"iscrowd": 0', '"iscrowd": ' + "[" * 50_000), "not valid JSON|nested too deeply"),
    ],
)
def test_broken_text_is_one_paragraph(tmp_path: Path, change: Any, words: str) -> None:
    with pytest.raises(ReadError, match=words) as caught:
        load(tmp_path, change(json.dumps(document([record(1), record(2)]))))
    assert "labels.json" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_nested_too_deeply(tmp_path: Path) -> None:
    text = json.dumps(document([record(1, note=0)])).replace('"note": 0', '"note": ' + "[" * 50_000 + "]" * 50_000)
    with pytest.raises(ReadError, match="nested too deeply"):
        load(tmp_path, text)


def test_json_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no COCO file"):
        load(tmp_path, {"version": "5.0", "shapes": []})
    with pytest.raises(ReadError, match="labelme JSON, which dsq does not read"):
        load(tmp_path, {"version": "5.0", "shapes": [], "imagePath": "a.jpg"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text('}],[{": \\é', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab}[", max_size=3), inner, max_size=3),
    max_leaves=8,
)
numbers = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)
records = st.fixed_dictionaries(
    {
        "image_id": st.integers(1, 3), "category_id": st.integers(1, 2),
        "bbox": st.lists(numbers, min_size=4, max_size=4),
    },
    optional={
        "area": numbers, "iscrowd": st.integers(0, 1), "segmentation": json_values, "attributes": json_values,
        "z": json_values,
    },
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.lists(records, max_size=25),
    other=json_values,
    batch=st.sampled_from([64, 200, 1000]),
    indent=st.sampled_from([None, 0, 2]),
    order=st.permutations(["info", "images", "annotations", "categories"]),
)
def test_nothing_is_lost_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: list[Any], other: Any, batch: int, indent: Any, order: Any
) -> None:
    monkeypatch.setattr(coco_json, "BATCH", batch)
    listed = [{"id": i, **one} for i, one in enumerate(content)]
    whole = document(listed, [image(i, extra=other) for i in (1, 2, 3)], info=other)
    data = load(tmp_path, json.dumps({key: whole[key] for key in order}, indent=indent))
    rebuilt = []
    for row, blob, mask in zip(
        data.boxes.to_dict("records"), data.boxes["extras"], data.boxes["segmentation"], strict=True
    ):
        said = json.loads(blob) if blob else {}
        absent = said.pop("dsq:absent", [])
        one = {
            "id": row["source_id"], "image_id": row["image_id"], "category_id": row["category_id"],
            "bbox": [row["x"], row["y"], row["width"], row["height"]], **said,
        }  # fmt: skip
        if "iscrowd" not in absent:
            one["iscrowd"] = int(row["crowd"])
        if not math.isnan(row["area"]):
            one["area"] = row["area"]
        if mask is not None:
            one["segmentation"] = json.loads(bytes(mask))
        rebuilt.append(one)
    assert rebuilt == listed
    assert [json.loads(blob) for blob in data.images["extras"]] == [{"extra": other}] * 3
    assert json.loads(data.about.documents["labels.json"])["info"] == other
