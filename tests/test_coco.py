"""COCO as files: which JSON is read, where its images lie, and what becomes of ids, classes and splits."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import dsq
from dsq.errors import ReadError
from dsq.formats import read
from dsq.model import Dataset
from dsq.render.text import render_text

CATEGORIES = [{"id": 1, "name": "cat", "supercategory": "animal"}, {"id": 3, "name": "dog"}]


def picture(path: Path, size: tuple[int, int] = (64, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 60)).save(path)


def box(number: int, image: int, category: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "image_id": image, "category_id": category, "bbox": [1, 2, 10, 12], "area": 120, "iscrowd": 0,
        **more,
    }  # fmt: skip


def document(names: list[str], first: int = 1, per_image: int = 1, **more: Any) -> dict[str, Any]:
    images = [{"id": first + i, "file_name": name, "width": 64, "height": 48} for i, name in enumerate(names)]
    boxes = [box(first + i, first + i // per_image) for i in range(per_image * len(names))]
    return {"images": images, "annotations": boxes, "categories": CATEGORIES, **more}


def put(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path


def notices(dataset: Dataset, kind: str) -> dict[str, str]:
    return {notice.file: notice.text for notice in dataset.about.notices if notice.kind == kind}


def problems(dataset: Dataset, kind: str) -> list[tuple[str, str]]:
    rows = dataset.problems[dataset.problems["kind"] == kind]
    return list(zip(rows["place"], rows["what"], strict=True))


def column(dataset: Dataset, name: str) -> list[Any]:
    values = dataset.images[name].tolist()
    return [None if value is None or value != value else value for value in values]


def test_coco_2017_layout(tmp_path: Path) -> None:
    for split, first in (("train", 1), ("val", 5)):
        names = [f"{first + i}.jpg" for i in range(3)]
        put(tmp_path / f"annotations/instances_{split}2017.json", document(names, first))
        for name in names:
            picture(tmp_path / f"{split}2017" / name)
    data = read(tmp_path)
    assert data.about.format == "coco"
    assert column(data, "file") == [f"train2017/{i}.jpg" for i in (1, 2, 3)] + [f"val2017/{i}.jpg" for i in (5, 6, 7)]
    assert column(data, "member") == column(data, "file")
    assert column(data, "split") == ["train"] * 3 + ["val"] * 3
    assert data.images["image_id"].tolist() == [1, 2, 3, 5, 6, 7]
    assert data.boxes["box_id"].tolist() == [1, 2, 3, 5, 6, 7]
    assert set(data.images["root"]) == {str(tmp_path)}
    assert set(data.images["source"]) == {tmp_path.name}
    assert not len(data.problems)
    assert not data.about.notices
    assert data.files["role"].value_counts().to_dict() == {"image": 6, "annotation": 2}


def test_cvat_layout_takes_the_image_of_its_own_split(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        put(tmp_path / f"annotations/instances_{split}.json", document(["1.jpg"]))
        picture(tmp_path / f"images/{split}/1.jpg")
    data = read(tmp_path)
    assert column(data, "file") == ["images/train/1.jpg", "images/validation/1.jpg"]
    assert column(data, "split") == ["train", "val"]
    assert data.images["image_id"].tolist() == [1, 2]
    assert data.boxes["image_id"].tolist() == [1, 2]


def test_roboflow_ids_start_again_in_each_split(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        content = document(["a.jpg", f"{split}.jpg"], first=0)
        put(tmp_path / split / "_annotations.coco.json", content)
        for name in ("a.jpg", f"{split}.jpg"):
            picture(tmp_path / split / name)
    data = read(tmp_path)
    assert data.images["image_id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert data.images["source_id"].tolist() == [0, 1] * 3
    assert data.boxes["box_id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert data.boxes["source_id"].tolist() == [0, 1] * 3
    assert data.boxes["origin_place"].tolist() == [0, 1] * 3
    assert sorted(data.images["split"]) == ["test"] * 2 + ["train"] * 2 + ["val"] * 2
    assert data.categories["name"].tolist() == ["cat", "dog"]
    assert not len(data.problems)


def test_roboflow_without_images_keeps_the_folders_apart(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        put(tmp_path / split / "_annotations.coco.json", document(["a.jpg"]))
    data = read(tmp_path)
    assert column(data, "file") == ["train/a.jpg", "valid/a.jpg"]
    assert data.images["member"].isna().all()


def test_one_json_anywhere(tmp_path: Path) -> None:
    put(tmp_path / "deep/down/result.json", document(["a.jpg", "sub/b.jpg"]))
    picture(tmp_path / "pictures/a.jpg")
    picture(tmp_path / "pictures/sub/b.jpg")
    data = read(tmp_path)
    assert column(data, "file") == ["pictures/a.jpg", "pictures/sub/b.jpg"]
    assert column(data, "split") == [None, None]


def test_alwaysai_zip(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("Annotations/labels.json", json.dumps(document(["a.jpg"])))
        archive.write(tmp_path / "a.jpg", "JPEGImages/a.jpg")
    data = read(tmp_path / "set.zip")
    assert column(data, "member") == ["JPEGImages/a.jpg"]
    assert set(data.images["source"]) == {"set"}


def test_label_studio_notes_are_no_coco(tmp_path: Path) -> None:
    put(tmp_path / "notes.json", {"categories": [{"id": 0, "name": "cat"}], "info": {"year": 2024}})
    picture(tmp_path / "images/a.jpg")
    assert read(tmp_path).about.format == "images"


@pytest.mark.parametrize("images", ["annotations", "images", "images/val2017", "val2017", "annotations/val"])
def test_file_alone_finds_images_beside(tmp_path: Path, images: str) -> None:
    names = [f"{i}.jpg" for i in range(30)]
    file = put(tmp_path / "set/annotations/instances_val2017.json", document(names))
    for name in names:
        picture(tmp_path / "set" / images / name)
    data = read(file)
    assert data.images["member"].notna().all()
    assert set(data.images["split"]) == {"val"}
    assert set(data.images["root"]) == {str(tmp_path / "set" / images)}
    assert data.about.listed


def test_file_alone_looks_no_further_than_beside(tmp_path: Path) -> None:
    file = put(tmp_path / "set/annotations/instances_val2017.json", document(["a.jpg"]))
    picture(tmp_path / "val2017/a.jpg")
    assert read(file).images["member"].isna().all()


def test_file_alone_with_folders_in_its_names(tmp_path: Path) -> None:
    file = put(tmp_path / "labels/all.json", document(["train/a.jpg", "val/a.jpg", "../train/b.jpg"]))
    for name in ("train/a.jpg", "val/a.jpg", "train/b.jpg"):
        picture(tmp_path / name)
    data = read(file)
    assert column(data, "file") == ["train/a.jpg", "val/a.jpg", "train/b.jpg"]
    assert column(data, "split") == ["train", "val", "train"]


def test_file_alone_without_images(tmp_path: Path) -> None:
    data = read(put(tmp_path / "train.json", document(["x/a.jpg", "b.jpg"])))
    assert column(data, "file") == ["x/a.jpg", "b.jpg"]
    assert data.images["member"].isna().all()
    assert data.images["width"].tolist() == [64, 64]
    assert set(data.images["unit"]) == {"px"}
    assert set(data.images["split"]) == {"train"}
    assert not data.about.listed


def test_file_alone_in_a_split_folder(tmp_path: Path) -> None:
    file = put(tmp_path / "valid/_annotations.coco.json", document(["a.jpg"]))
    assert column(read(file), "split") == ["val"]


def test_image_root(tmp_path: Path) -> None:
    file = put(tmp_path / "x/labels.json", document(["a.jpg", "b.jpg"]))
    picture(tmp_path / "far/away/a.jpg")
    data = read(file, image_root=tmp_path / "far")
    assert column(data, "member") == ["away/a.jpg", None]
    assert column(data, "root") == [str(tmp_path / "far"), None]


def test_instances_beside_other_tasks(tmp_path: Path) -> None:
    names = ["a.jpg"]
    captions = document(names) | {"annotations": [{"id": 1, "image_id": 1, "caption": "a cat"}]}
    others = ("captions", "person_keypoints", "panoptic", "stuff", "image_info", "labels")
    for task in others:
        put(tmp_path / f"annotations/{task}_train.json", captions if task == "captions" else document(names))
    put(tmp_path / "annotations/instances_train.json", document(names))
    data = read(tmp_path)
    assert len(data.boxes) == 1
    assert set(notices(data, "skipped-file")) == {f"annotations/{task}_train.json" for task in others}
    roles = dict(zip(data.files["file"], data.files["role"], strict=True))
    assert roles["annotations/instances_train.json"] == "annotation"
    assert roles["annotations/captions_train.json"] == "other"


def test_other_tasks_are_known_by_content(tmp_path: Path) -> None:
    base = document(["a.jpg", "b.jpg"])
    put(tmp_path / "one.json", base)
    put(tmp_path / "two.json", base | {"annotations": [{"id": 1, "image_id": 1, "caption": "x"}]})
    put(tmp_path / "three.json", base | {"annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": [{}]}]})
    put(tmp_path / "four.json", base | {"annotations": [{"id": 1, "image_id": 1, "category_id": 1}]})
    put(tmp_path / "five.json", {"images": base["images"], "categories": []})
    data = read(tmp_path)
    assert len(data.boxes) == 2
    assert set(notices(data, "skipped-file")) == {"two.json", "three.json", "four.json", "five.json"}
    assert not len(data.problems)


def test_keypoints_are_read_where_no_instances_are(tmp_path: Path) -> None:
    points = {"keypoints": [1, 2, 2], "num_keypoints": 1}
    content = document(["a.jpg"]) | {"annotations": [box(7, 1, **points)]}
    put(tmp_path / "annotations/person_keypoints_val2017.json", content)
    data = read(tmp_path)
    assert json.loads(data.boxes["keypoints"][0]) == [1, 2, 2]
    assert json.loads(data.boxes["extras"][0]) == {"num_keypoints": 1}
    assert column(data, "split") == ["val"]
    put(tmp_path / "annotations/mine.json", document(["a.jpg"]))
    data = read(tmp_path)
    assert data.boxes["keypoints"].isna().all()
    assert set(notices(data, "skipped-file")) == {"annotations/person_keypoints_val2017.json"}


@pytest.mark.parametrize(("task", "words"), [("caption", "captions"), ("segments_info", "panoptic")])
def test_other_tasks_alone_are_an_error(tmp_path: Path, task: str, words: str) -> None:
    content = document(["a.jpg"]) | {"annotations": [{"id": 1, "image_id": 1, task: []}]}
    with pytest.raises(ReadError, match=words):
        read(put(tmp_path / "x.json", content))


def test_image_info_alone_is_unlabelled(tmp_path: Path) -> None:
    data = read(put(tmp_path / "image_info_test2017.json", {"images": document(["a.jpg"])["images"]}))
    assert column(data, "label_state") == ["unlabelled"]
    assert column(data, "split") == ["test"]
    assert notices(data, "no-annotations")


def test_files_over_the_same_images_are_not_doubled(tmp_path: Path) -> None:
    names = [f"{i}.jpg" for i in range(6)]
    for name in names:
        picture(tmp_path / "images" / name)
    put(tmp_path / "all.json", document(names, per_image=2))
    put(tmp_path / "part.json", document(names[:3]))
    put(tmp_path / "backup/all.json", document(names))
    data = read(tmp_path)
    assert len(data.images) == 6
    assert len(data.boxes) == 12
    said = notices(data, "skipped-file")
    assert set(said) == {"part.json", "backup/all.json"}
    assert "3 images, 3 boxes" in said["part.json"]
    assert "all.json" in said["part.json"]


def test_splits_win_over_the_file_that_joins_them(tmp_path: Path) -> None:
    names = [f"{i}.jpg" for i in range(10)]
    for name in names:
        picture(tmp_path / "images" / name)
    put(tmp_path / "annotations/trainval.json", document(names))
    put(tmp_path / "annotations/train.json", document(names[:7]))
    put(tmp_path / "annotations/val.json", document(names[7:], first=8))
    data = read(tmp_path)
    assert data.images["split"].value_counts().to_dict() == {"train": 7, "val": 3}
    assert set(notices(data, "skipped-file")) == {"annotations/trainval.json"}
    (tmp_path / "annotations/val.json").unlink()
    data = read(tmp_path)
    assert len(data.images) == 10
    assert set(notices(data, "skipped-file")) == {"annotations/train.json"}


def test_an_image_in_two_splits_is_said(tmp_path: Path) -> None:
    for i in range(7):
        picture(tmp_path / f"images/{i}.jpg")
    put(tmp_path / "train.json", document([f"{i}.jpg" for i in range(4)]))
    put(tmp_path / "val.json", document([f"{i}.jpg" for i in range(3, 7)], first=20))
    data = read(tmp_path)
    assert column(data, "file").count("images/3.jpg") == 2
    [(place, what)] = problems(data, "image-in-two-splits")
    assert place == ""
    assert what == "one file, in train by train.json and in val by val.json: the score is inflated"
    report = dsq.audit(data, select=["same-source-in-two-splits"])
    assert report.messages() == [what], "one leak, one finding"
    assert report.records[0]["images"] == ["images/3.jpg"]
    assert " = " not in render_text(report)


def test_classes_unite_by_name(tmp_path: Path) -> None:
    one = document(["a.jpg"]) | {
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 9, "name": "cow"}]
    }
    two = document(["b.jpg"], first=5) | {
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "ant"},
                       {"id": 9, "name": "cow"}, {"id": 4, "name": "bee"}],
        "annotations": [box(5, 5, 1), box(6, 5, 2), box(7, 5, 9), box(8, 5, 4)],
    }  # fmt: skip
    put(tmp_path / "train.json", one)
    put(tmp_path / "val.json", two)
    data = read(tmp_path)
    ids = dict(zip(data.categories["name"], data.categories["category_id"], strict=True))
    assert ids == {"cat": 1, "dog": 2, "cow": 9, "ant": 10, "bee": 4}
    assert data.boxes["category_id"].tolist() == [1, 2, 10, 9, 4]
    assert [row.names for row in data.about.class_lists] == [("cat", "dog", "cow"), ("dog", "ant", "cow", "bee")]


def test_unknown_category_is_undeclared(tmp_path: Path) -> None:
    content = document(["a.jpg"]) | {"annotations": [box(1, 1, 99), box(2, 1, 1)]}
    data = read(put(tmp_path / "x.json", content))
    rows = data.categories.set_index("name")
    assert rows.loc["99", "declared"] == False  # noqa: E712
    assert rows.loc["99", "category_id"] == 99
    assert rows["declared"].sum() == 2
    assert data.boxes["category_id"].tolist() == [99, 1]


def test_category_id_with_two_names(tmp_path: Path) -> None:
    twice = [{"id": 2, "name": "person"}, {"id": 2, "name": "pedestrian"}, {"id": 3, "name": "car"}]
    content = document(["a.jpg"]) | {"categories": twice, "annotations": [box(1, 1, 2)]}
    data = read(put(tmp_path / "x.json", content))
    assert data.categories["name"].tolist() == ["person", "pedestrian", "car"]
    assert data.categories["category_id"].tolist() == [2, 4, 3]
    assert data.boxes["category_id"].tolist() == [2]
    [(place, what)] = problems(data, "duplicate-id")
    assert place == "category id 2"
    assert "person and pedestrian" in what


def test_category_extras_and_gaps(tmp_path: Path) -> None:
    categories = [{"id": 4, "name": "x", "skeleton": [[1, 2]], "keypoints": ["a", "b"]}, {"id": 90, "name": "y"}]
    data = read(put(tmp_path / "x.json", document(["a.jpg"]) | {"categories": categories}))
    assert json.loads(data.categories["extras"][0]) == {"skeleton": [[1, 2]], "keypoints": ["a", "b"]}
    assert data.categories["category_id"].tolist()[:2] == [4, 90]


def test_image_matching(tmp_path: Path) -> None:
    names = ["sub/a.jpg", "b.JPEG", "c%20d.png", "win\\e.png", "./f.jpg", "gone.jpg", "/home/me/g.jpg"]
    file = document(names)
    put(tmp_path / "labels.json", file)
    for name in ("img/sub/a.jpg", "img/b.jpg", "img/c d.png", "img/win/e.png", "img/f.jpg", "img/g.jpg"):
        picture(tmp_path / name)
    data = read(tmp_path)
    found = column(data, "member")
    assert found[:6] == ["img/sub/a.jpg", "img/b.jpg", "img/c d.png", "img/win/e.png", "img/f.jpg", None]
    assert found[6] == "img/g.jpg", "what it names is not opened; what ends like it is taken"
    [(place, what)] = problems(data, "path-outside-dataset")
    assert (place, what) == ("image id 7", "/home/me/g.jpg leads out of the dataset; taken was img/g.jpg")
    named = {json.loads(blob)["file_name"] for blob in data.images["extras"].tolist() if blob}
    assert named == {"sub/a.jpg", "b.JPEG", "c%20d.png", "win\\e.png", "./f.jpg", "gone.jpg", "/home/me/g.jpg"}


def test_names_that_lead_outside(tmp_path: Path) -> None:
    picture(tmp_path / "secret.jpg")
    picture(tmp_path / "set/images/b.jpg")
    put(tmp_path / "set/annotations/x.json", document(["../../secret.jpg", "../images/b.jpg", "C:\\a\\c.jpg"]))
    data = read(tmp_path / "set")
    assert column(data, "member") == [None, "images/b.jpg", None]
    assert column(data, "file") == ["secret.jpg", "images/b.jpg", "a/c.jpg"]
    assert [place for place, _ in problems(data, "path-outside-dataset")] == ["image id 1", "image id 3"]


def absolute(tmp_path: Path, names: list[str], files: list[str], **more: Any) -> Dataset:
    """A set whose records are called so and whose images are those files."""
    for name in files:
        picture(tmp_path / name)
    put(tmp_path / "labels.json", document(names))
    return read(tmp_path, **more)


def test_absolute_names_are_matched_inside(tmp_path: Path) -> None:
    names = [f"/home/me/set/images/{n}.jpg" for n in range(20)]
    data = absolute(tmp_path, names, [f"images/{n}.jpg" for n in range(20)])
    assert column(data, "member") == [f"images/{n}.jpg" for n in range(20)]
    report = dsq.audit(data, select=["path-outside-dataset", "orphan-image", "missing-image"])
    assert [(found["rule"], found["severity"], found["value"]) for found in report.records] == [
        ("path-outside-dataset", "warning", 20)
    ]
    assert report.messages() == [
        "20 names like this: /home/me/set/images/0.jpg leads out of the dataset; taken was images/0.jpg"
    ]


def test_absolute_names_of_two_kinds_are_told_by_kind(tmp_path: Path) -> None:
    names = ["/home/me/a.jpg", "C:\\me\\b.jpg", "../../c.jpg", "/x/d.jpg", "/x/e.jpg"]
    data = absolute(tmp_path, names, ["images/a.jpg", "images/b.jpg", "images/f.jpg"])
    assert column(data, "member")[:5] == ["images/a.jpg", "images/b.jpg", None, None, None]
    report = dsq.audit(data, select=["path-outside-dataset", "orphan-image", "missing-image"])
    told = [(found["rule"], found["severity"], found["value"]) for found in report.records]
    assert told == [
        ("path-outside-dataset", "error", 3),
        ("orphan-image", "warning", None),
        ("path-outside-dataset", "warning", 2),
    ]


@pytest.mark.parametrize(
    ("names", "files", "found"),
    [
        (["/x/one/a.jpg", "/x/two/a.jpg"], ["one/a.jpg", "two/a.jpg"], ["one/a.jpg", "two/a.jpg"]),
        (["/x/one/a.jpg", "/x/two/a.jpg"], ["one/a.jpg"], ["one/a.jpg", None]),
        (["/x/one/a.jpg", "/x/two/a.jpg"], ["a.jpg"], [None, None]),
        (["/x/a.jpg"], ["one/a.jpg", "two/a.jpg"], [None]),
        (["/x/train/a.jpg"], ["val/a.jpg"], [None]),
        (["/test/of/ours/train/a.jpg"], ["train/a.jpg"], ["train/a.jpg"]),
        (["/x/a.jpg", "a.jpg"], ["images/a.jpg"], [None, "images/a.jpg"]),
    ],
    ids=["longest end", "one of two", "none", "ambiguous", "other split", "far folder", "taken"],
)
def test_what_an_absolute_name_is_matched_to(
    tmp_path: Path, names: list[str], files: list[str], found: list[str | None]
) -> None:
    assert column(absolute(tmp_path, names, files), "member")[: len(names)] == found


def test_absolute_names_of_records_without_usable_ids(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    put(tmp_path / "x.json", {"images": [{"id": "one", "file_name": "/x/a.jpg"}], "annotations": [], "categories": []})
    (found,) = dsq.audit(read(tmp_path), select=["path-outside-dataset", "missing-image"]).records
    assert (found["severity"], found["image"]) == ("warning", "images/a.jpg")


def test_absolute_names_of_a_file_given_alone(tmp_path: Path) -> None:
    absolute(tmp_path, ["/x/y/a.jpg"], ["images/a.jpg"])
    assert column(read(tmp_path / "labels.json"), "member") == ["a.jpg"]
    picture(tmp_path / "far/deep/a.jpg")
    (tmp_path / "images/a.jpg").unlink()
    data = read(tmp_path / "labels.json", image_root=tmp_path / "far")
    assert column(data, "member") == ["deep/a.jpg"]


def test_unrecorded_images_are_unlabelled(tmp_path: Path) -> None:
    put(tmp_path / "labels.json", document(["a.jpg"]) | {"annotations": []})
    for name in ("images/a.jpg", "images/b.jpg", "masks/a.png", "cover.jpg"):
        picture(tmp_path / name, (30, 20))
    data = read(tmp_path)
    assert column(data, "file") == ["images/a.jpg", "images/b.jpg"]
    assert column(data, "label_state") == ["background", "unlabelled"]
    assert column(data, "origin_file") == ["labels.json", None]
    assert data.images["source_id"].tolist()[0] == 1
    assert data.images["source_id"].isna().tolist() == [False, True]
    assert data.images["width"].tolist() == [64, 30]


def test_two_records_for_one_file(tmp_path: Path) -> None:
    put(tmp_path / "x.json", document(["a.jpg", "a.jpg"]))
    picture(tmp_path / "a.jpg")
    data = read(tmp_path)
    assert column(data, "file") == ["a.jpg", "a.jpg"]
    assert data.boxes["image_id"].tolist() == [1, 2]


def test_predictions(tmp_path: Path) -> None:
    results = [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]
    file = put(tmp_path / "results.json", results)
    with pytest.raises(ReadError, match="predictions"):
        read(file)
    with pytest.raises(ReadError, match=r"predictions.*annotation file"):
        read(tmp_path)
    put(tmp_path / "labels.json", document(["a.jpg"]))
    data = read(tmp_path)
    assert set(notices(data, "predictions-file")) == {"results.json"}
    assert len(data.boxes) == 1


def test_broken_beside_others_is_a_problem(tmp_path: Path) -> None:
    put(tmp_path / "train.json", document(["a.jpg"]))
    whole = json.dumps(document(["b.jpg"]))
    (tmp_path / "val.json").write_text(whole[:-40])
    data = read(tmp_path)
    assert len(data.images) == 1
    row = data.problems.iloc[0]
    assert (row["kind"], row["file"]) == ("malformed-record", "val.json")
    assert "ends in the middle" in row["what"]
    (tmp_path / "train.json").unlink()
    with pytest.raises(ReadError, match="ends in the middle"):
        read(tmp_path)


def test_forced_format_without_json(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    with pytest.raises(ReadError, match="no COCO file"):
        read(tmp_path, format="coco")


def test_no_image_records(tmp_path: Path) -> None:
    content = document(["a.jpg"])
    del content["images"]
    with pytest.raises(ReadError, match="no image records"):
        read(put(tmp_path / "x.json", content))


@pytest.mark.parametrize(
    ("folder", "images", "boxes", "splits"),
    [
        ("coco-tiny", 160, 1520, {"train": 80, "val": 80}),
        ("traffic-ground", 97, 434, {"train": 91, "val": 6}),
        ("odd/datumaro-coco-all-tasks", 2, 3, {"train": 1, "val": 1}),
        ("odd/mmdetection-coco-wrong-format", 1, 2, {}),
        ("odd/labellint-sample-coco", 3, 10, {}),
        ("odd/sahi-terrain-coco", 3, 22, {}),
    ],
)
def test_real_sets(shared_data: Path, folder: str, images: int, boxes: int, splits: dict[str, int]) -> None:
    data = read(shared_data / folder)
    assert data.about.format == "coco"
    assert (len(data.images), len(data.boxes)) == (images, boxes)
    assert data.images["split"].value_counts().to_dict() == splits


def test_odd_sets_say_what_is_odd(shared_data: Path) -> None:
    tasks = read(shared_data / "odd/datumaro-coco-all-tasks")
    assert len(notices(tasks, "skipped-file")) == 12
    assert tasks.categories["category_id"].tolist() == [1, 2, 4]
    flawed = read(shared_data / "odd/labellint-sample-coco")
    assert [place for place, _ in problems(flawed, "duplicate-id")] == ["category id 2"]
    assert [place for place, _ in problems(flawed, "orphan-annotation")] == ["annotation id 2006"]
    assert flawed.categories.set_index("name").loc["99", "declared"] == False  # noqa: E712
    twice = read(shared_data / "odd/mmdetection-coco-wrong-format")
    assert [place for place, _ in problems(twice, "duplicate-id")] == ["annotation id 1"]
    assert twice.boxes["source_id"].tolist() == [1, 1]
    terrain = read(shared_data / "odd/sahi-terrain-coco")
    assert len(notices(terrain, "skipped-file")) == 2
    assert terrain.images["member"].notna().sum() == 1
