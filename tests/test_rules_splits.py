"""Rules of the group splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import dsq
from dsq.model import About, Dataset, build_dataset
from dsq.render.text import render_text


def audit(data: Dataset, rule: str, **thresholds: Any) -> Any:
    return dsq.audit(data, select=[rule], thresholds={rule: thresholds})


def make_set(splits: Mapping[str | None, Mapping[str, int] | int], **about: Any) -> Dataset:
    """Images by split: so many of one class, or of each class, one box in each."""
    images, boxes = [], []
    for split, counts in splits.items():
        for name, count in ({"cat": counts} if isinstance(counts, int) else counts).items():
            files = [f"{split}/{name}-{n}.jpg" for n in range(count)]
            images += [{"file": file, "split": split} for file in files]
            boxes += [(file, name, 10, 10, 20, 30) for file in files]
    return build_dataset(boxes, images=images, about=About(**about))


def make_files(files: Mapping[str, str], **more: Any) -> Dataset:
    """Images without boxes: file -> split."""
    return build_dataset(images=[{"file": file, "split": split} for file, split in files.items()], **more)


def severities(data: Dataset, rule: str, **thresholds: Any) -> list[str]:
    return audit(data, rule, **thresholds).findings["severity"].tolist()


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"train": 5}, ["warning"]),
        ({"train": 5, "test": 5}, ["warning"]),
        ({None: 5}, ["info"]),
        ({"default": 5}, ["info"]),
        ({"trainval": 5}, ["info"]),
        ({"All": 3, None: 5}, ["info"]),
        ({"default": 5, "train": 5}, ["warning"]),
        ({"trainval": 5, "test": 5}, []),
        ({"train": 5, "val": 1}, []),
        ({"val": 5}, []),
        ({"camera1": 5}, []),
        ({}, []),
    ],
)
def test_no_validation_split(splits: dict[str | None, int], expected: list[str]) -> None:
    assert severities(make_set(splits), "no-validation-split") == expected


def test_no_validation_split_beside_a_test_split() -> None:
    assert audit(make_set({"train": 5, "test": 5}), "no-validation-split").messages() == [
        "train and test, but no val: the best model would be chosen on test"
    ]


def test_one_list_of_all_images_is_no_split() -> None:
    assert audit(make_set({"default": 5}), "no-validation-split").messages() == [
        "no splits yet: set about a fifth aside for validation"
    ]


def test_an_annotation_file_alone_is_not_judged() -> None:
    assert severities(make_set({"train": 5}, listed=False), "no-validation-split") == []


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"train": 40, "val": 5}, ["warning"]),
        ({"train": 40, "val": 6}, ["info"]),
        ({"train": 350, "val": 6}, ["warning"]),
        ({"train": 60, "val": 12}, ["info"]),
        ({"train": 400, "val": 99}, ["info"]),
        ({"train": 400, "val": 100}, []),
        ({"train": 40}, []),
        ({"val": 4}, []),
    ],
)
def test_tiny_validation_split(splits: dict[str | None, int], expected: list[str]) -> None:
    assert severities(make_set(splits), "tiny-validation-split") == expected


def test_tiny_validation_split_says_how_far_the_score_can_be_trusted() -> None:
    assert audit(make_set({"train": 60, "val": 25}), "tiny-validation-split").messages() == [
        "val is 25 images with 25 boxes: recall of two models differs by chance by up to 20 points"
    ]
    data = make_set({"train": 20})
    empty = {"file": "val/0.jpg", "split": "val"}
    with_empty = build_dataset(
        [(file, "cat", 1, 1, 9, 9) for file in data.images["file"]],
        images=[*({"file": file, "split": "train"} for file in data.images["file"]), empty],
    )
    assert audit(with_empty, "tiny-validation-split").messages() == [
        "val is 1 image with 0 boxes: there is nothing to measure"
    ]


def test_tiny_validation_split_thresholds() -> None:
    data = make_set({"train": 60, "val": 12})
    assert severities(data, "tiny-validation-split", min_images=12) == []
    assert severities(data, "tiny-validation-split", few=12) == ["warning"]
    assert severities(data, "tiny-validation-split", min_share=0.3) == ["warning"]
    assert severities(data, "tiny-validation-split", max_points=30) == []


@pytest.mark.parametrize(
    ("train", "other", "expected"),
    [
        ({"cat": 5}, {"val": {"cat": 1, "dog": 1}}, ["dog: in val (1), not in train: it is never learned"]),
        ({"cat": 5}, {"test": {"dog": 2}}, ["dog: in test (2), not in train: it is never learned"]),
        (
            {"cat": 5, "dog": 10},
            {"val": {"cat": 5}},
            ["dog: in train (10), not in val: it is never measured"],
        ),
        ({"cat": 5, "dog": 9}, {"val": {"cat": 5}}, []),
        ({"cat": 5, "dog": 90}, {"test": {"cat": 5}}, []),
        ({"cat": 5, "dog": 9}, {"val": {"cat": 1, "dog": 1}}, []),
        ({}, {"val": {"cat": 50}}, []),
    ],
)
def test_class_missing_from_split(
    train: dict[str, int], other: dict[str | None, dict[str, int]], expected: list[str]
) -> None:
    assert audit(make_set({"train": train, **other}), "class-missing-from-split").messages() == expected


def test_class_missing_from_split_of_most_is_told_once() -> None:
    many = {f"c{n}": 10 for n in range(10)}
    data = make_set({"train": many, "val": {"c0": 3, "c1": 3, "new": 1}})
    assert audit(data, "class-missing-from-split").messages() == [
        "new: in val (1), not in train: it is never learned",
        "8 of 10 classes of train are not in val: c2, c3, c4, c5, c6 and 3 more",
    ]
    assert len(audit(data, "class-missing-from-split", most=0.8).messages()) == 9
    assert len(audit(data, "class-missing-from-split", min_boxes=11).messages()) == 1


@pytest.mark.parametrize(
    ("splits", "fires"),
    [
        ({"train": 48, "val": 12}, False),
        ({"train": 30, "val": 30}, False),
        ({"train": 29, "val": 31}, True),
        ({"train": 2900, "val": 120}, True),
        ({"train": 2900, "val": 500}, False),
        ({"train": 2900, "val": 99}, False),
        ({"train": 5, "val": 14}, False),
        ({"train": 5, "test": 50}, False),
        ({"train": 40, "val": 20, "test": 40}, True),
    ],
)
def test_split_ratio(splits: dict[str | None, int], fires: bool) -> None:
    assert bool(severities(make_set(splits), "split-ratio")) is fires


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"t/north-gate_jpg.rf.01.jpg": "train", "v/north-gate_jpg.rf.02.jpg": "val"}, ["error"]),
        ({"t/image_jpg.rf.01.jpg": "train", "v/image_jpg.rf.02.jpg": "val"}, ["warning"]),
        ({"t/north-gate_jpg.rf.01.jpg": "train", "t/north-gate_jpg.rf.02.jpg": "train"}, []),
        ({"t/north-gate_jpg.rf.01.jpg": "train", "v/south-gate_jpg.rf.01.jpg": "val"}, []),
        ({"t/0001.jpg": "train", "v/0001.jpg": "val"}, []),
        ({"t/frame_0001.jpg": "train", "v/frame_0001.jpg": "val"}, []),
        ({"t/IMG_20240102_101112.jpg": "train", "v/IMG_20240102_101112.png": "val"}, ["info"]),
        ({"t/0001.jpg": "train", "v/0001_flip.jpg": "val"}, ["warning"]),
        ({"t/0001.jpg": "train", "v/0001_flip.jpg": "val", "v/0001.jpg": "val"}, []),
        ({"t/0001.jpg": "train", "t/0001_flip.jpg": "train", "v/0002.jpg": "val"}, []),
    ],
)
def test_same_source_in_two_splits(files: dict[str, str], expected: list[str]) -> None:
    assert severities(make_files(files), "same-source-in-two-splits") == expected


def test_same_source_names_the_pictures() -> None:
    files = {f"{split}/north-gate_jpg.rf.0{n}.jpg": split for n, split in enumerate(["val", "train", "train"])}
    found = audit(make_files(files), "same-source-in-two-splits").findings.iloc[0]
    assert found["images"] == sorted(files)
    assert found["group"] == "north-gate_jpg"
    assert found["message"] == "2 in train, 1 in val: versions of one picture; the score is inflated"


def test_one_file_in_two_splits() -> None:
    problem = ("image-in-two-splits", "a.jpg", "", "listed in train and val")
    report = audit(make_files({"a.jpg": "train", "b.jpg": "val"}, problems=[problem]), "same-source-in-two-splits")
    assert report.messages() == ["listed in train and val"]
    assert report.findings["images"].tolist() == [["a.jpg"]]
    assert report.findings["severity"].tolist() == ["error"]
    images = [{"file": "a.jpg", "split": split, "image_id": n} for n, split in enumerate(["train", "val"], 1)]
    for problems in ([], [problem]):
        data = build_dataset(images=images, problems=problems)
        assert severities(data, "same-source-in-two-splits") == ["error"]


def test_augmented_validation() -> None:
    rule = "augmented-validation"
    versions = {f"v/north-gate_jpg.rf.0{n}.jpg": "val" for n in range(2)}
    plain = {f"v/{n}.jpg": "val" for n in range(48)}
    assert audit(make_files({**versions, **plain}), rule).messages() == []
    assert len(audit(make_files({**versions, **plain}), rule, min_share=0.01).messages()) == 1
    report = audit(make_files({**versions, "v/x.jpg": "val"}), rule)
    assert report.messages() == ["2 versions of one picture in val: keep one"]
    assert report.findings["images"].tolist() == [sorted(versions)]
    training = {f"t/north-gate_jpg.rf.0{n}.jpg": "train" for n in range(9)}
    assert audit(make_files({**training, "v/1.jpg": "val"}), rule).messages() == []


def test_augmented_validation_by_names() -> None:
    report = audit(
        make_files({"v/1.jpg": "test", "v/1_blur.jpg": "test", "v/2_hflip.jpg": "test"}), "augmented-validation"
    )
    assert report.findings["images"].tolist() == [["v/1.jpg", "v/1_blur.jpg"], ["v/2_hflip.jpg"]]
    assert report.messages() == [
        "2 versions of one picture in test: keep one",
        "an augmented copy in test, by its name: measure on plain pictures",
    ]


def test_augmented_validation_leaves_missing_images_out() -> None:
    missing = [{"file": f"v/north-gate_jpg.rf.0{n}.jpg", "split": "val", "member": None} for n in range(2)]
    there = {"file": "v/1.jpg", "split": "val"}
    assert audit(build_dataset(images=[*missing, there]), "augmented-validation").messages() == []
    assert len(audit(build_dataset(images=missing), "augmented-validation").messages()) == 1


def test_a_small_clean_set_has_no_warning() -> None:
    classes = {"pothole": 18, "manhole": 16, "crack": 14}
    data = make_set({"train": classes, "val": {name: count // 4 for name, count in classes.items()}})
    assert set(dsq.audit(data, select=["splits"]).findings["severity"]) <= {"info"}
    assert dsq.audit(build_dataset(), select=["splits", "labels", "classes"]).messages() == []


def test_no_version_of_the_ships_crosses_a_split(shared_data: Path) -> None:
    data = dsq.read(shared_data / "ships-yolov8")
    report = dsq.audit(data, select=["same-source-in-two-splits", "augmented-validation"])
    assert report.messages() == []
    assert report.scan.stems["source"][report.scan.present].nunique() == 357


def test_the_traffic_set_cannot_measure_cars(shared_data: Path) -> None:
    report = dsq.audit(dsq.read(shared_data / "traffic-ground"), select=["splits"])
    assert set(report.messages()) == {
        "car: in train (72), not in val: it is never measured",
        "val is 6 images with 8 boxes: recall of two models differs by chance by up to 35 points",
    }


def train_only(folder: Path, text: str) -> Path:
    """Four pictures below images/train with a box each, and a data.yaml."""
    for name in ("images", "labels"):
        (folder / name / "train").mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (64, 48), (number * 60, 90, 200)).save(folder / f"images/train/{number}.png")
        (folder / f"labels/train/{number}.txt").write_text("0 .5 .5 .2 .2\n")
    (folder / "data.yaml").write_text(f"{text}names: [cat]\n")
    return folder


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (
            "# The set has no val split: val names other images. Split it before training.\n",
            ("warning", "no-validation-split"),
        ),
        ("# A comment of somebody else.\n", ("error", "same-source-in-two-splits")),
    ],
)
def test_val_that_is_train_is_told_once(tmp_path: Path, comment: str, expected: tuple[str, str]) -> None:
    train_only(tmp_path, f"{comment}train: images/train\nval: images/train\n")
    rules = ["no-validation-split", "same-source-in-two-splits", "split-ratio"]
    report = dsq.audit(dsq.read(tmp_path), select=rules)
    assert [(record["severity"], record["rule"]) for record in report.records] == [expected]
    assert render_text(report).count("are the same 4 images") == (expected[0] == "error")


def test_what_is_written_without_val_is_no_leak(tmp_path: Path) -> None:
    data = dsq.read(train_only(tmp_path / "set", "train: images/train\n"))
    dsq.export(data, tmp_path / "out", to="voc")
    dsq.export(dsq.read(tmp_path / "out"), tmp_path / "back", to="yolo")
    assert "val: images/train" in (tmp_path / "back/data.yaml").read_text()
    report = dsq.audit(dsq.read(tmp_path / "back"), select=["no-validation-split", "same-source-in-two-splits"])
    assert [record["rule"] for record in report.records] == ["no-validation-split"]
