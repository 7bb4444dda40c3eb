"""Rules of the group labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dsq
from dsq.model import About, Dataset, build_dataset


def messages(data: Dataset, rule: str, **thresholds: Any) -> list[str]:
    return dsq.audit(data, select=[rule], thresholds={rule: thresholds}).messages()


def make_set(
    full: int = 0, empty: int = 0, silent: int = 0, format: str = "yolo", where: str = "{kind}/{n}.jpg"
) -> Dataset:
    """A set with so many labelled, background and unlabelled images."""
    boxes = [(where.format(kind="full", n=n), "cat", 10, 10, 20, 30) for n in range(full)]
    images: list[str | dict[str, Any]] = [where.format(kind="empty", n=n) for n in range(empty)]
    images += [{"file": where.format(kind="silent", n=n), "label_state": "unlabelled"} for n in range(silent)]
    return build_dataset(boxes, images=images, about=About(format=format))


def test_unlabelled_image_is_told_image_by_image() -> None:
    report = dsq.audit(make_set(full=9, silent=2), select=["unlabelled-image"])
    assert report.findings["image"].tolist() == ["silent/0.jpg", "silent/1.jpg"]
    assert set(report.findings["severity"]) == {"warning"}
    assert set(report.messages()) == {
        "no label file: label it; if it shows nothing to find: --no-label-file background"
    }


def test_unlabelled_image_names_what_the_format_lacks() -> None:
    assert "no XML" in messages(make_set(full=2, silent=1, format="voc"), "unlabelled-image")[0]
    assert messages(make_set(full=2, silent=1, format="coco"), "unlabelled-image") == []
    assert messages(make_set(full=2, empty=3), "unlabelled-image") == []


def test_unlabelled_image_leaves_what_cannot_be_read_to_malformed_record() -> None:
    broken = {"file": "b.jpg", "label_state": "unlabelled", "origin_file": "b.xml"}
    assert messages(build_dataset([("a.jpg", "cat", 1, 1, 9, 9)], images=[broken]), "unlabelled-image") == []


def test_unlabelled_image_of_most_images_is_told_once() -> None:
    report = dsq.audit(make_set(full=4, silent=8), select=["unlabelled-image"])
    assert report.messages() == [
        "8 of 12 images (67%) have no label file: label them; if they show nothing to find: --no-label-file background"
    ]
    assert report.findings["severity"].tolist() == ["warning"]
    assert len(messages(make_set(full=6, silent=6), "unlabelled-image")) == 6
    assert len(messages(make_set(full=6, silent=6), "unlabelled-image", most=0.4)) == 1
    assert len(messages(make_set(full=1, silent=3), "unlabelled-image")) == 3


def test_unlabelled_image_of_bare_pictures_is_a_fact() -> None:
    report = dsq.audit(make_set(silent=3, format="images"), select=["unlabelled-image"])
    assert report.messages() == ["3 images, and no annotation was recognised: only the pictures can be checked"]
    assert report.findings["severity"].tolist() == ["info"]


@pytest.mark.parametrize(
    ("full", "empty", "severities"),
    [(90, 10, []), (89, 11, ["info"]), (20, 20, ["info"]), (20, 21, ["warning"]), (10, 9, []), (0, 30, [])],
)
def test_too_many_backgrounds(full: int, empty: int, severities: list[str]) -> None:
    report = dsq.audit(make_set(full, empty), select=["too-many-backgrounds"])
    assert report.findings["severity"].tolist() == severities


def test_too_many_backgrounds_thresholds() -> None:
    assert messages(make_set(50, 50), "too-many-backgrounds", max_share=0.5) == []
    assert len(messages(make_set(2, 2), "too-many-backgrounds", min_images=4)) == 1
    assert len(messages(make_set(89, 11, 500), "too-many-backgrounds")) == 1, "unlabelled images are no labelled ones"


def test_suspicious_empties_of_the_whole_set() -> None:
    report = dsq.audit(make_set(empty=10), select=["suspicious-empties"])
    assert report.messages() == ["not one of 10 images holds a box: were polygons or rotated boxes left out on export?"]
    assert report.findings["severity"].tolist() == ["warning"]
    assert messages(make_set(empty=9), "suspicious-empties") == []


def set_with_folder(folder: str, empty: int = 12, full: int = 40, scattered: int = 0) -> Dataset:
    boxes = [(f"video1/{n}.jpg", "cat", 10, 10, 20, 30) for n in range(full)]
    images = [f"{folder}/{n}.jpg" for n in range(empty)] + [f"video1/e{n}.jpg" for n in range(scattered)]
    return build_dataset(boxes, images=images)


def test_suspicious_empties_in_a_folder() -> None:
    report = dsq.audit(set_with_folder("video2"), select=["suspicious-empties"])
    assert report.messages() == ["folder video2: 12 of 12 images are empty, 0% elsewhere: objects left out?"]
    assert report.findings[["severity", "confidence"]].iloc[0].tolist() == ["info", "medium"]


@pytest.mark.parametrize(
    "data",
    [
        set_with_folder("negatives"),
        set_with_folder("no_cats"),
        set_with_folder("video2", empty=9),
        set_with_folder("video2", scattered=4),
        set_with_folder("video2", full=5),
        set_with_folder("video1", empty=0),
    ],
)
def test_suspicious_empties_near_misses(data: Dataset) -> None:
    assert messages(data, "suspicious-empties") == []


def test_suspicious_empties_in_splits_and_sequences() -> None:
    boxes = [(f"full{n}.jpg", "cat", 10, 10, 20, 30) for n in range(30)]
    images = [{"file": f"test_{n:04d}.jpg", "split": "test"} for n in range(20)]
    assert messages(build_dataset(boxes, images=images), "suspicious-empties") == [
        "split test: 20 of 20 images are empty, 0% elsewhere: objects left out?"
    ]
    images = [{"file": f"gate_{n:04d}.jpg"} for n in range(20)]
    assert messages(build_dataset(boxes, images=images), "suspicious-empties") == [
        "sequence gate: 20 of 20 images are empty, 0% elsewhere: objects left out?"
    ]


def test_a_small_clean_set_is_quiet() -> None:
    report = dsq.audit(make_set(full=60, empty=4, where="images/{kind}{n}.jpg"), select=["labels"])
    assert report.messages() == []


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.randoms())
def test_any_mixture_of_states(full: int, empty: int, silent: int, random: Any) -> None:
    data = make_set(full, empty, silent)
    ids = dsq.audit(data, select=["labels"]).findings["finding_id"].tolist()
    assert len(ids) == len(set(ids))
    order = list(range(len(data)))
    random.shuffle(order)
    again = dsq.audit(data.replace(images=data.images.iloc[order].reset_index(drop=True)), select=["labels"])
    assert again.findings["finding_id"].tolist() == ids


def test_the_ships_without_a_label_file(shared_data: Path) -> None:
    report = dsq.audit(dsq.read(shared_data / "ships-yolov8"), select=["labels"])
    assert report.summary["rules"] == {"unlabelled-image": 88}
    assert all(image.startswith("train/") for image in report.findings["image"])
    told = dsq.read(shared_data / "ships-yolov8", no_label_file="background")
    assert "unlabelled-image" not in dsq.audit(told, select=["labels"]).summary["rules"]
