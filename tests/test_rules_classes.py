"""Rules of the group classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dsq
from dsq.model import About, Dataset, Notice, build_dataset


def audit(data: Dataset, rule: str, **thresholds: Any) -> Any:
    return dsq.audit(data, select=[rule], thresholds={rule: thresholds})


def make_set(counts: Mapping[str, int], classes: Sequence[str] | None = None, format: str = "none") -> Dataset:
    """So many images of each class, one box in each."""
    boxes = [(f"{row}-{n}.jpg", name, 10, 10, 20, 30) for row, name in enumerate(counts) for n in range(counts[name])]
    return build_dataset(boxes, classes=classes, about=About(format=format))


def levels(data: Dataset) -> list[tuple[str, str]]:
    found = audit(data, "class-name-variants").findings
    return list(zip(found["severity"], found["confidence"], strict=True))


@pytest.mark.parametrize(
    "names",
    [
        ("car", "Car"),
        ("stop sign", "stop_sign"),
        ("stop-sign", "StopSign"),
        ("T-shirt", "tshirt"),
        ("class1", "class_1"),
        ("car", "cаr"),  # the second with a Cyrillic letter
        ("car", "car\u200b"),
        ("car", " car"),
        ("ﬁsh", "fish"),
    ],
)
def test_spellings_of_one_name(names: tuple[str, str]) -> None:
    assert levels(make_set(dict.fromkeys(names, 3))) == [("warning", "high")]


@pytest.mark.parametrize(
    "names",
    [
        ("car", "cat"),
        ("A", "a"),
        ("class1", "class2"),
        ("player_1", "player_11"),
        ("lane 1_1", "lane 11"),
        ("left arrow", "right arrow"),
        ("class_a", "class_b"),
        ("typeA", "typeB"),
        ("typea", "typeb"),
        ("mountain", "fountain"),
        ("plane", "planet"),
        ("male", "female"),
        ("bus", "bu"),
        ("glass", "gla"),
        ("no_helmet", "helmet"),
        ("truck", "trunk"),
        ("", "-"),
        ("+", "-"),
        ("hat", "hut"),
        ("नमक", "नमकीन"),
    ],
)
def test_names_that_differ(names: tuple[str, str]) -> None:
    assert levels(make_set(dict.fromkeys(names, 3))) == []


@pytest.mark.parametrize(
    "names",
    [
        ("helmet", "helmets"),
        ("Helmet", "helmets"),
        ("berry", "berries"),
        ("box", "boxes"),
        ("bus", "buses"),
        ("ski", "skis"),
        ("pony", "ponies"),
        ("pothole", "pothle"),
        ("traffic light", "traffic lihgt"),
        ("bicycle", "bicylce"),
        ("motorbike", "motorrbike"),
    ],
)
def test_plurals_and_slips_are_hints(names: tuple[str, str]) -> None:
    assert levels(make_set(dict.fromkeys(names, 3))) == [("info", "low")]


def test_variants_are_told_with_their_boxes() -> None:
    report = audit(make_set({"car": 3, "CAR": 1, "Car": 2, "bus": 2}), "class-name-variants")
    assert report.messages() == ["'CAR' (1 box), 'Car' (2 boxes), 'car' (3 boxes) read as one class: give it one name"]


def test_one_spelling_speaks_for_the_others() -> None:
    report = audit(
        make_set(dict.fromkeys(["Pothole", "pot hole", "pothole", "pothle", "potholes"], 1)), "class-name-variants"
    )
    assert report.messages() == [
        "'Pothole' (1 box), 'pot hole' (1 box), 'pothole' (1 box) read as one class: give it one name",
        "'pothle' (1 box), 'pothole' (1 box): one class written in two ways (a slip)?",
        "'pothole' (1 box), 'potholes' (1 box): one class written in two ways (singular and plural)?",
    ]


def test_min_length_of_slips() -> None:
    data = make_set({"sedan": 1, "sdean": 1})
    assert not audit(data, "class-name-variants").messages()
    assert audit(data, "class-name-variants", min_length=5).messages()


def test_hidden_characters_and_truth_values() -> None:
    assert audit(make_set({"car\u200b": 1}), "class-name-variants").messages() == [
        "the name 'car\\u200b' holds a character one cannot see (U+200B)"
    ]
    assert "space" in audit(make_set({"car ": 1}), "class-name-variants").messages()[0]
    about = About(notices=(Notice("yaml-boolean-name", "class 1 is 'False' in YAML", "data.yaml"),))
    report = audit(build_dataset(about=about), "class-name-variants")
    assert report.findings["origin"].iloc[0]["file"] == "data.yaml"
    assert report.findings["severity"].tolist() == ["warning"]


def test_ids_that_stand_for_names_are_no_variants() -> None:
    assert levels(make_set({"cat": 1, "100001": 1, "100002": 1}, classes=["cat"])) == []


@given(st.lists(st.text("abcA_- s1\u200b", max_size=7), unique=True, max_size=6))
def test_any_names(names: list[str]) -> None:
    report = audit(make_set(dict.fromkeys(names, 1)), "class-name-variants")
    again = audit(make_set(dict.fromkeys(names[::-1], 1)), "class-name-variants")
    assert report.messages() == again.messages()


def test_unused_class() -> None:
    data = make_set({"cat": 2}, classes=["dog", "cat", "ant"])
    assert audit(data, "unused-class").messages() == [
        "ant: declared, but no box uses it",
        "dog: declared, but no box uses it",
    ]
    assert not audit(make_set({"cat": 2}), "unused-class").messages()
    assert not audit(build_dataset(images=["a.jpg"], classes=["cat"]), "unused-class").messages()


def test_unused_class_of_most_is_told_once() -> None:
    classes = [f"c{n}" for n in range(10)]
    data = make_set(dict.fromkeys(classes[:4], 1), classes=classes)
    assert audit(data, "unused-class").messages() == [
        "6 of 10 declared classes have no box: c4, c5, c6, c7, c8 and 1 more"
    ]
    assert len(audit(data, "unused-class", most=0.6).messages()) == 6
    assert len(audit(make_set(dict.fromkeys(classes[:5], 1), classes=classes), "unused-class").messages()) == 5


def make_undeclared(format: str, classes: Sequence[str] = ("cat", "dog"), **image: Any) -> Dataset:
    line = {"x": 1, "y": 1, "width": 9, "height": 9, "origin_file": "labels/a.txt", "file": "a.jpg"}
    boxes = [{**line, "category": name, "origin_place": n} for n, name in [(4, "7"), (2, "7"), (1, "cat"), (3, "44")]]
    return build_dataset(boxes, images=[{"file": "a.jpg", **image}], classes=classes, about=About(format=format))


def test_undeclared_class_once_for_image_and_class() -> None:
    report = audit(make_undeclared("yolo"), "undeclared-class")
    assert sorted(report.messages()) == [
        "id 44, but 2 classes are declared: the trainer drops the image",
        "id 7, but 2 classes are declared: the trainer drops the image",
    ]
    found = report.findings.set_index("category")
    assert found.at["7", "origin"] == {"file": "labels/a.txt", "line": 2, "id": None}
    assert found.at["7", "value"] == 2
    assert set(found["severity"]) == {"error"}


def test_undeclared_class_by_format() -> None:
    assert "category_id 7 is in no category" in audit(make_undeclared("coco"), "undeclared-class").messages()
    alone = audit(make_undeclared("yolo", member=None), "undeclared-class").messages()
    assert "id 7, but 2 classes are declared" in alone
    assert audit(make_undeclared("coco", classes=()), "undeclared-class").messages()
    assert not audit(make_undeclared("yolo", classes=()), "undeclared-class").messages()
    assert not audit(make_set({"cat": 2}), "undeclared-class").messages()


def make_rooted(root: str = "none", parent: str = "vehicles", used: bool = False) -> Dataset:
    boxes = [("a.jpg", "car", 10, 10, 20, 30)] + [("b.jpg", "vehicles", 10, 10, 20, 30)] * used
    data = build_dataset(boxes, classes=["vehicles", "car"])
    return data.replace(categories=data.categories.assign(supercategory=[root, parent]))


def test_placeholder_root_class() -> None:
    assert len(audit(make_rooted(), "placeholder-root-class").messages()) == 1
    assert audit(make_rooted(), "unused-class").messages() == []
    for other in (make_rooted(root="things"), make_rooted(parent="none"), make_rooted(used=True)):
        assert audit(other, "placeholder-root-class").messages() == []
    assert len(audit(make_rooted(parent="none"), "unused-class").messages()) == 1


@pytest.mark.parametrize(
    ("counts", "fires"),
    [
        ({"car": 102, "bus": 2}, True),
        ({"car": 100, "bus": 2}, False),
        ({"car": 90, "bus": 1}, False),
        ({"car": 81, "bus": 10, "van": 9}, True),
        ({"car": 80, "bus": 10, "van": 10}, False),
        ({"car": 90, "bus": 10}, False),
        ({"car": 500}, False),
    ],
)
def test_class_imbalance(counts: dict[str, int], fires: bool) -> None:
    assert bool(audit(make_set(counts), "class-imbalance").messages()) is fires


def test_class_imbalance_leaves_undeclared_classes_out() -> None:
    assert not audit(make_set({"car": 120, "9": 1}, classes=["car"]), "class-imbalance").messages()
    assert audit(make_set({"car": 12, "bus": 2}), "class-imbalance", max_ratio=5, min_boxes=1).messages() == [
        "car has 6 times the boxes of bus (12 to 2)"
    ]


def test_too_few_images_per_class() -> None:
    rule = "too-few-images-per-class"
    assert audit(make_set({"crack": 80, "hole": 120, "patch": 30}), rule).messages() == [
        "3 of 3 classes under 300 images (1 under 50): patch (30), crack (80), hole (120)"
    ]
    assert audit(make_set({"crack": 80, "hole": 120}), rule, tiers=(100,)).messages() == [
        "crack: 80 of the 100 images advised"
    ]
    report = audit(make_set({"crack": 49, "hole": 50}), rule, tiers=(50,))
    assert report.findings[["category", "value", "threshold", "severity"]].values.tolist() == [
        ["crack", 49, 50, "info"]
    ]
    assert audit(make_set({"crack": 49}), rule).messages() == ["crack: 49 of the 50 images advised"]
    assert audit(make_set({"crack": 49}), rule, tiers=()).messages() == []
    assert audit(make_set({"crack": 49}), rule, tiers=(49,)).messages() == []


def test_too_few_instances_per_class() -> None:
    rule = "too-few-instances-per-class"
    boxes = [("a.jpg", "cat", 10 * n, 10, 5, 5) for n in range(10)]
    assert audit(build_dataset(boxes), rule).messages() == ["cat: 10 of the 10,000 boxes advised"]
    assert audit(build_dataset(boxes), rule, tiers=(10,)).messages() == []
    assert audit(build_dataset(boxes[:9]), rule, tiers=(10,)).messages() == ["cat: 9 of the 10 boxes advised"]


def make_merged(b_images: int = 40, bus: int = 30, folder: str = "b", extra: Sequence[Any] = ()) -> Dataset:
    boxes = [(f"train/a/{n}.jpg", "car", 10, 10, 20, 30) for n in range(40)]
    boxes += [(f"train/a/{n}.jpg", "bus", 50, 50, 20, 30) for n in range(bus)]
    boxes += [(f"train/{folder}/{n}.jpg", "car", 10, 10, 20, 30) for n in range(b_images)]
    return build_dataset([*boxes, *extra])


def test_class_coverage_by_folder() -> None:
    assert audit(make_merged(), "class-coverage").messages() == [
        "bus: 30 boxes in a, none in 40 images of b: labelled there?"
    ]


@pytest.mark.parametrize(
    "data",
    [
        make_merged(b_images=19),
        make_merged(bus=9),
        make_merged(folder="car"),
        make_merged(extra=[("train/b/0.jpg", "bus", 1, 1, 9, 9)]),
        make_merged(extra=[(f"train/c{n}/0.jpg", "car", 1, 1, 9, 9) for n in range(7)]),
        build_dataset(
            [(f"images/train/{n}.jpg", name, 1, 1, 9, 9) for n in range(40) for name in ("car", "bus")]
            + [(f"images/val2017/{n}.jpg", "car", 1, 1, 9, 9) for n in range(40)]
        ),
    ],
)
def test_class_coverage_near_misses(data: Dataset) -> None:
    assert audit(data, "class-coverage").messages() == []


def test_class_coverage_by_source() -> None:
    data = make_merged(folder="a/x")
    sources = ["cars.zip" if "/x/" in file else "buses.zip" for file in data.images["file"]]
    data = data.replace(images=data.images.assign(source=sources))
    assert audit(data, "class-coverage").messages() == [
        "bus: 30 boxes in buses.zip, none in 40 images of cars.zip: labelled there?"
    ]
    assert audit(data, "class-coverage", min_images=41).messages() == []
    assert audit(data, "class-coverage", min_expected=31).messages() == []


def test_a_small_clean_set_has_no_warning() -> None:
    data = make_set({"pothole": 30, "manhole": 28, "crack": 25}, classes=["pothole", "manhole", "crack"])
    assert set(dsq.audit(data, select=["classes"]).findings["severity"]) <= {"info"}


def test_ids_beyond_the_list_of_the_ships(shared_data: Path) -> None:
    found = audit(dsq.read(shared_data / "ships-yolov8"), "undeclared-class").findings
    assert found["value"].sum() == 188
    assert set(found["category"]) <= {str(number) for number in range(1, 45)}
    assert found["category"].nunique() == 26


def test_names_and_roots_of_real_sets(shared_data: Path) -> None:
    report = audit(dsq.read(shared_data / "odd" / "labellint-sample-coco"), "class-name-variants")
    assert report.messages() == ["'Car' (1 box), 'car' (5 boxes) read as one class: give it one name"]
    report = audit(dsq.read(shared_data / "traffic-ground"), "placeholder-root-class")
    assert report.findings["category"].tolist() == ["vehicles"]
    coco = dsq.read(shared_data / "coco-tiny")
    assert dsq.audit(coco, select=["class-name-variants", "placeholder-root-class", "class-coverage"]).messages() == []


def test_names_that_yaml_reads_as_truth_values(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("names: [yes, no]\ntrain: images\n")
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"")
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    found = audit(dsq.read(tmp_path), "class-name-variants").findings
    assert found["severity"].unique().tolist() == ["warning"]
    assert found["origin"].iloc[0]["file"] == "data.yaml"
