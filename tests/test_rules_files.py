"""The rules of the group `files`: each fires on its fault and stays quiet on a near miss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import dsq
from dsq.model import About, ClassList, Dataset
from dsq.registry import all_rules

YOLO = About(format="yolo")
COCO = About(format="coco")
RULES = sorted(name for name, rule in all_rules().items() if rule.group == "files")


def judge(data: Dataset, rule: str, **thresholds: Any) -> list[dict[str, Any]]:
    report = dsq.audit(data, select=[rule], thresholds={rule: thresholds})
    assert not report.not_checked
    return report.records


def picture(width: int = 640, height: int = 480, **facts: Any) -> dict[str, Any]:
    return {"width": width, "height": height, **facts}


def images_with_headers(**facts: Any) -> dict[str, Any]:
    return {"images": ["a.jpg"], "headers": {"a.jpg": picture(**facts)}}


def test_group_is_complete() -> None:
    assert RULES == [
        "annotation-id-zero",
        "class-list-disagreement",
        "duplicate-id",
        "duplicate-image-record",
        "exif-rotated",
        "filename-mismatch",
        "junk-file",
        "label-beside-image",
        "malformed-record",
        "misplaced-label",
        "missing-image",
        "orphan-annotation",
        "orphan-image",
        "path-outside-dataset",
        "predictions-as-labels",
        "size-mismatch",
        "unportable-path",
        "unreadable-image",
        "unreadable-label-file",
        "wrong-extension",
    ]


def test_clean_set_is_quiet() -> None:
    names = [f"images/{n}.jpg" for n in range(60)]
    data = dsq.build_dataset(
        [(name, ("cat", "dog", "bus")[n % 3], 10 + n, 20, 100, 80) for n, name in enumerate(names)],
        headers={name: picture(orientation=n % 2) for n, name in enumerate(names)},
        files=[(name, 1000, "image") for name in names],
        about=YOLO,
    )
    assert not dsq.audit(data, select=["files"]).records


@pytest.mark.parametrize("headers", [None, {}])
def test_empty_set_is_quiet(headers: dict[str, Any] | None) -> None:
    assert not dsq.audit(dsq.build_dataset(headers=headers), select=["files"]).records


class TestProblems:
    @pytest.mark.parametrize("rule", ["malformed-record", "duplicate-id", "path-outside-dataset"])
    def test_becomes_a_finding_of_its_kind(self, rule: str) -> None:
        data = dsq.build_dataset(problems=[(rule, "b/x.txt", "line 3", "why"), ("other", "c", "", "no")])
        (found,) = judge(data, rule)
        assert (found["message"], found["severity"]) == ("why", "error")
        assert found["origin"] == {"file": "b/x.txt", "line": 3, "id": None}
        assert found["image"] is None

    def test_knows_the_image_of_a_label_file_and_of_an_image(self) -> None:
        data = dsq.build_dataset(
            images=[{"file": "a.jpg", "origin_file": "a.txt"}, {"file": "b.jpg", "origin_file": "b.txt"}],
            problems=[("malformed-record", name, "", "") for name in ("b.txt", "a.jpg", "z.txt")],
        )
        found = {record["origin"]["file"]: record["image"] for record in judge(data, "malformed-record")}
        assert found == {"b.txt": "b.jpg", "a.jpg": "a.jpg", "z.txt": None}

    def test_a_file_about_several_images_names_none(self) -> None:
        images = [{"file": name, "origin_file": "labels.csv"} for name in ("a.jpg", "b.jpg")]
        data = dsq.build_dataset(images=images, problems=[("malformed-record", "labels.csv", "line 2", "bad")])
        assert judge(data, "malformed-record")[0]["image"] is None
        data = dsq.build_dataset(
            images=[{"file": "a.jpg", "origin_file": "a.json"}],
            problems=[("malformed-record", "a.json", "annotation id 4", "bad")],
        )
        assert judge(data, "malformed-record")[0]["image"] is None

    def test_obeys_ignores_by_image(self) -> None:
        data = dsq.build_dataset(
            images=[{"file": "old/a.jpg", "origin_file": "labels/a.txt"}],
            problems=[("malformed-record", "labels/a.txt", "line 1", "bad")],
        )
        rule = "malformed-record"
        assert not dsq.audit(data, select=[rule], per_path_ignores={"old/*": [rule]}).records

    def test_knows_the_record_that_a_place_in_a_json_names(self) -> None:
        images = [
            {"file": f"{n}.jpg", "origin_file": "a.json", "origin_place": n, "source_id": n} for n in (7, 8, 8)
        ] + [{"file": "nameless.jpg", "origin_file": "a.json", "origin_place": 9}]
        places = ("image id 7", "image id 8", "image id 9", "annotation id 7", "images[7]", "images[9]", "")
        data = dsq.build_dataset(images=images, problems=[("malformed-record", "a.json", p, p) for p in places])
        found = {record["message"]: record["image"] for record in judge(data, "malformed-record")}
        told = {"image id 7": "7.jpg", "images[9]": "nameless.jpg"}
        assert found == {place: told.get(place) for place in places}


@pytest.mark.parametrize("rule", ["missing-image", "duplicate-image-record"])
def test_what_a_list_file_names_wrongly_is_one_warning(rule: str) -> None:
    images: list[Any] = ["a.jpg", "a.jpg", {"file": "b.jpg", "member": None}]
    data = dsq.build_dataset(images=images, problems=[(rule, "train.txt", "", "why")])
    found = {record["message"]: record for record in judge(data, rule)}
    assert len(found) == 2
    assert found["why"]["severity"] == "warning"
    assert found["why"]["origin"]["file"] == "train.txt"


class TestPathOutsideDataset:
    def data(self, member: str | None) -> Dataset:
        images = ["b.jpg", {"file": "a.jpg", "member": member, "origin_file": "a.xml"}]
        return dsq.build_dataset(images=images, problems=[("path-outside-dataset", "a.xml", "filename", "/x/a.jpg")])

    def test_a_warning_where_the_image_was_found_all_the_same(self) -> None:
        assert judge(self.data("a.jpg"), "path-outside-dataset")[0]["severity"] == "warning"
        assert judge(self.data(None), "path-outside-dataset")[0]["severity"] == "error"

    def test_the_image_is_not_told_as_missing_too(self) -> None:
        assert not judge(self.data(None), "missing-image")
        alone = self.data(None).replace(images=self.data(None).images.iloc[1:].reset_index(drop=True))
        assert not judge(alone, "missing-image")


class TestOrphanAnnotation:
    def test_coco_annotation_without_image_is_an_error(self) -> None:
        data = dsq.build_dataset(
            problems=[("orphan-annotation", "a.json", "annotation id 17", "image_id 9 does not exist")],
            about=COCO,
        )
        (found,) = judge(data, "orphan-annotation")
        assert found["severity"] == "error"
        assert found["origin"] == {"file": "a.json", "line": None, "id": 17}

    def test_label_file_without_image_tells_what_is_lost(self) -> None:
        absent = {"member": None, "unit": "relative", "width": None, "height": None}
        data = dsq.build_dataset(
            [("b.jpg", "cat", 0.1, 0.1, 0.2, 0.2)] * 2,
            images=[
                "a.jpg",
                {"file": "b.jpg", "origin_file": "b.txt", **absent},
                {"file": "c.jpg", **absent},
            ],
            about=YOLO,
        )
        found = {record["image"]: record for record in judge(data, "orphan-annotation")}
        assert found["b.jpg"]["message"] == "label file without its image: 2 boxes lost"
        assert found["b.jpg"]["origin"]["file"] == "b.txt"
        assert found["c.jpg"]["message"] == "label file without its image: it is empty"
        assert {record["severity"] for record in found.values()} == {"warning"}

    def test_label_only_export_is_told_once(self) -> None:
        images = [{"file": f"{n}.jpg", "member": None} for n in range(5)]
        (found,) = judge(dsq.build_dataset(images=images, about=YOLO), "orphan-annotation")
        assert found["message"].startswith("a label-only export: none of the 5 label files")
        assert found["image"] is None

    def test_a_missing_image_of_another_format_is_none(self) -> None:
        data = dsq.build_dataset(images=["a.jpg", {"file": "b.jpg", "member": None}], about=COCO)
        assert not judge(data, "orphan-annotation")


class TestDuplicateImageRecord:
    def test_names_records_and_boxes(self) -> None:
        images = ["a.jpg", {"file": "a.jpg"}, "b.jpg"]
        data = dsq.build_dataset([("a.jpg", "cat", 1, 1, 9, 9)] * 3, images=images)
        (found,) = judge(data, "duplicate-image-record")
        assert found["message"] == "2 records name this file, with 3 boxes between them"
        assert (found["image"], found["images"]) == ("a.jpg", ["a.jpg"])

    def test_leaves_splits_to_their_own_rule(self) -> None:
        images = [{"file": "a.jpg", "split": "train"}, {"file": "a.jpg", "split": "val"}]
        assert not judge(dsq.build_dataset(images=images), "duplicate-image-record")
        assert judge(dsq.build_dataset(images=[*images, images[0]]), "duplicate-image-record")


def test_annotation_id_zero() -> None:
    box: dict[str, Any] = {"file": "a.jpg", "category": "cat", "x": 5, "y": 5, "width": 20, "height": 20}
    box["origin_file"] = "a.json"
    boxes = [{**box, "source_id": number} for number in (0, 1, None)]
    (found,) = judge(dsq.build_dataset(boxes), "annotation-id-zero")
    assert found["box_id"] == 1
    assert found["origin"]["id"] == 0
    assert not judge(dsq.build_dataset(boxes[1:]), "annotation-id-zero")


def test_annotation_id_zero_by_split() -> None:
    box: dict[str, Any] = {"category": "cat", "x": 5, "y": 5, "width": 20, "height": 20, "source_id": 0}
    places = {"train/a.jpg": "train", "train/b.jpg": "train", "val/c.jpg": "val", "d.jpg": None}

    def told(*files: str) -> list[tuple[str, str | None]]:
        images = [{"file": file, "split": places[file]} for file in files]
        boxes = [{**box, "file": file, "origin_file": f"{file}.json"} for file in files]
        found = judge(dsq.build_dataset(boxes, images=images), "annotation-id-zero")
        return [(record["severity"], record["image"]) for record in found]

    assert told("train/a.jpg", "train/b.jpg") == [("info", None)]
    assert told("train/a.jpg", "val/c.jpg") == [("warning", "val/c.jpg"), ("info", None)]
    assert told("d.jpg") == [("warning", "d.jpg")]


class TestPredictionsAsLabels:
    BOX: dict[str, Any] = {"file": "a.jpg", "category": "cat", "x": 5, "y": 5, "width": 20, "height": 20}  # noqa: RUF012

    def test_tells_the_share(self) -> None:
        boxes = [{**self.BOX, "score": score} for score in (0.5, 0.75, None, None)]
        (found,) = judge(dsq.build_dataset(boxes), "predictions-as-labels")
        assert found["message"].startswith("50% of the boxes have a confidence, 0.50 to 0.75")
        assert (found["severity"], found["confidence"]) == ("warning", "medium")

    @pytest.mark.parametrize("scores", [(1.0, 1.0), (0.5, None)])
    def test_six_columns_of_yolo_are_an_error_whatever_they_say(self, scores: tuple[float | None, ...]) -> None:
        boxes = [{**self.BOX, "score": s, "origin_file": "a.txt", "origin_place": n} for n, s in enumerate(scores, 1)]
        boxes.append({**self.BOX, "file": "b.jpg"})
        (found,) = judge(dsq.build_dataset(boxes, about=YOLO), "predictions-as-labels")
        assert (found["severity"], found["confidence"], found["image"]) == ("error", "high", "a.jpg")
        assert found["origin"] == {"file": "a.txt", "line": 1, "id": None}
        rows, span = ("2 rows have", "1.00") if scores[1] else ("1 row has", "0.50")
        expected = f"{rows} a sixth column ({span}), as predictions do: the trainer drops the image"
        assert found["message"] == expected

    def test_six_columns_of_most_images_are_told_once(self) -> None:
        boxes = [{**self.BOX, "file": f"{n}.jpg", "score": 0.05 * n} for n in range(1, 13)]
        (found,) = judge(dsq.build_dataset(boxes, about=YOLO), "predictions-as-labels")
        assert found["severity"] == "error"
        assert found["message"].startswith("12 of 12 images (100%)")

    @pytest.mark.parametrize("scores", [(None, None), (1.0, 1.0), (1.0, None)])
    def test_one_value_everywhere_is_quiet(self, scores: tuple[float | None, ...]) -> None:
        boxes = [{**self.BOX, "score": score} for score in scores]
        assert not judge(dsq.build_dataset(boxes), "predictions-as-labels")


@pytest.mark.parametrize("rule", ["misplaced-label", "unreadable-label-file"])
def test_labels_that_the_trainer_passes_over(rule: str) -> None:
    images = [{"file": f"{n}.jpg", "origin_file": f"{n}.txt"} for n in range(12)]
    problems = [(rule, f"{n}.txt", "", f"why {n}") for n in range(12)]
    (found,) = judge(dsq.build_dataset(images=images, problems=problems[:1]), rule)
    assert (found["message"], found["severity"], found["image"]) == ("why 0", "error", "0.jpg")
    (found,) = judge(dsq.build_dataset(images=images, problems=problems), rule)
    assert found["message"] == "12 of 12 images (100%): the set is so; first: why 0"
    assert found["severity"] == "error"


class TestClassLists:
    def test_a_count_that_is_not_that_of_the_names(self) -> None:
        lists = (ClassList("data.yaml", ("cat",)), ClassList("classes.txt", ("dog",)))
        problems = [("class-list-disagreement", "data.yaml", "line 2", "nc says 5")]
        for about in (YOLO, About(format="yolo", class_lists=lists)):
            found = judge(dsq.build_dataset(about=about, problems=problems), "class-list-disagreement")
            told = {(record["message"], record["severity"], record["origin"]["line"]) for record in found}
            assert ("nc says 5", "error", 2) in told
            assert len(found) == 1 + bool(about.class_lists)

    def told(self, *names: tuple[str, ...]) -> list[str]:
        lists = tuple(ClassList(file, some) for file, some in zip(("data.yaml", "b.txt", "c.txt"), names, strict=False))
        data = dsq.build_dataset(about=About(format="yolo", class_lists=lists))
        return [record["message"] for record in judge(data, "class-list-disagreement")]

    def test_equal_lists_are_quiet(self) -> None:
        assert self.told(("cat", "dog")) == []
        assert self.told(("cat", "dog"), ("cat", "dog"), ("cat", "dog")) == []

    @pytest.mark.parametrize(
        ("other", "message"),
        [
            (("dog", "cat", "bus"), "the names of data.yaml in another order: id 0 is dog here, cat there"),
            (("cat", "dog"), "1 name fewer (bus), held against data.yaml"),
            (("cat", "dog", "bus", "a", "b", "c", "d"), "4 names more (a, b, c, …), held against data.yaml"),
            (("cat", "Dog", "bus"), "not the names of data.yaml: id 1 is Dog here, dog there"),
            (("", "dog", ""), "2 names fewer (cat, bus), held against data.yaml"),
            (("", "", "", "cat", "dog", "bus"), "not the ids of data.yaml: cat is 3 here, 0 there"),
        ],
    )
    def test_says_how_they_differ(self, other: tuple[str, ...], message: str) -> None:
        assert self.told(("cat", "dog", "bus"), other) == [message]

    @pytest.mark.parametrize(
        ("other", "severity", "message"),
        [
            ({2: "dog", 1: "cat"}, None, ""),
            ({1: "cat"}, "warning", "1 name fewer (dog), held against a.json"),
            ({1: "cat", 2: "dog", 3: "bus"}, "warning", "1 name more (bus), held against a.json"),
            ({1: "dog"}, "error", "not the names of a.json: id 1 is dog here, cat there"),
            ({3: "dog"}, "error", "not the ids of a.json: dog is 3 here, 2 there"),
            ({"x": "dog"}, "warning", "2 names fewer (cat, dog), held against a.json"),
        ],
    )
    def test_coco_lists_are_compared_by_id(self, other: Any, severity: str | None, message: str) -> None:
        lists = {"a.json": {1: "cat", 2: "dog"}, "b.json": other}
        documents = {
            file: json.dumps({"categories": [{"id": n, "name": name} for n, name in names.items()]}).encode()
            for file, names in lists.items()
        }
        class_lists = tuple(ClassList(file, tuple(names.values())) for file, names in lists.items())
        about = About(format="coco", class_lists=class_lists, documents=documents)
        found = judge(dsq.build_dataset(about=about), "class-list-disagreement")
        assert [(f["severity"], f["message"]) for f in found] == ([(severity, message)] if severity else [])

    def test_voc_lists_do_no_harm(self) -> None:
        lists = ClassList("labelmap.txt", ("cat", "dog")), ClassList("b/labelmap.txt", ("dog", "cat"))
        data = dsq.build_dataset(about=About(format="voc", class_lists=lists))
        assert not judge(data, "class-list-disagreement")

    @given(st.lists(st.sampled_from("abcd"), max_size=5), st.lists(st.sampled_from("abcd"), max_size=5))
    @settings(max_examples=40, deadline=None)
    def test_speaks_exactly_when_they_differ(self, used: list[str], other: list[str]) -> None:
        assert bool(self.told(tuple(used), tuple(other))) == (used != other)


class TestMissingImage:
    def test_single_files_are_errors(self) -> None:
        data = dsq.build_dataset(images=["a.jpg", {"file": "b.jpg", "member": None}], about=COCO)
        (found,) = judge(data, "missing-image")
        assert (found["image"], found["severity"]) == ("b.jpg", "error")

    def test_no_image_at_all_is_one_warning(self) -> None:
        images = [{"file": f"{n}.jpg", "member": None} for n in range(3)]
        (found,) = judge(dsq.build_dataset(images=images), "missing-image")
        assert found["message"] == "none of the 3 image files is here: add --image-root DIR"
        assert found["severity"] == "warning"

    def test_quiet_where_all_are_there_and_for_yolo(self) -> None:
        assert not judge(dsq.build_dataset(images=["a.jpg"]), "missing-image")
        data = dsq.build_dataset(images=["a.jpg", {"file": "b.jpg", "member": None}], about=YOLO)
        assert not judge(data, "missing-image")

    def test_not_checked_without_the_listing(self) -> None:
        images = [{"file": "b.jpg", "member": None}]
        report = dsq.audit(dsq.build_dataset(images=images, about=About(listed=False)), select=["missing-image"])
        assert [lack.rule for lack in report.not_checked] == ["missing-image"]


class TestOrphanImage:
    def test_coco_image_without_record(self) -> None:
        images = [
            {"file": "a.jpg", "origin_file": "a.json"},
            {"file": "b.jpg", "label_state": "unlabelled"},
            {"file": "c.jpg", "label_state": "unlabelled", "origin_file": "a.json"},
        ]
        (found,) = judge(dsq.build_dataset(images=images, about=COCO), "orphan-image")
        assert (found["image"], found["severity"]) == ("b.jpg", "warning")
        assert not judge(dsq.build_dataset(images=images, about=YOLO), "orphan-image")

    def test_yolo_image_in_no_split_is_a_note(self) -> None:
        images = [{"file": "a.jpg", "split": "train"}, "b.jpg", {"file": "c.jpg", "member": None}]
        (found,) = judge(dsq.build_dataset(images=images, about=YOLO), "orphan-image")
        assert (found["image"], found["severity"]) == ("b.jpg", "info")
        assert not judge(dsq.build_dataset(images=["a.jpg", "b.jpg"], about=YOLO), "orphan-image")

    def test_strays_are_told_by_folder(self) -> None:
        listed = [
            "images/a.jpg",
            "images/b.jpg",
            "runs/p.png",
            "runs/q.png",
            "demo.jpg",
            "SegmentationClass/a.png",
        ]
        data = dsq.build_dataset(images=["images/a.jpg"], files=[(name, 1, "image") for name in listed])
        found = {record["message"]: record["severity"] for record in judge(data, "orphan-image")}
        assert found == {
            "1 image file in images belongs to nothing: b.jpg": "warning",
            "2 image files in runs belong to nothing: p.png, …": "info",
            "1 image file in the root belongs to nothing: demo.jpg": "info",
        }

    def test_same_name_under_another_root_is_a_stray(self) -> None:
        images = [{"file": "a.jpg", "root": "one"}, {"file": "b.jpg", "root": "one"}]
        data = dsq.build_dataset(images=images, files=[("a.jpg", 1, "image"), ("b.jpg", 1, "other")])
        (found,) = judge(data, "orphan-image")
        assert found["origin"]["file"] == "a.jpg"


class TestJunkFile:
    def test_counts_kinds(self) -> None:
        names = [
            "a/.DS_Store",
            ".DS_Store",
            "__MACOSX/._a.jpg",
            "x/._b.jpg",
            "l.cache",
            "Thumbs.db",
            "a.txt~",
        ]
        files = [(name, 1, "junk") for name in names]
        (found,) = judge(dsq.build_dataset(files=files), "junk-file")
        assert found["message"] == "7 junk files: .DS_Store (2), *.cache, *~ and 3 more"
        assert (found["severity"], found["value"]) == ("info", 7)

    def test_quiet_without(self) -> None:
        assert not judge(dsq.build_dataset(files=[("a.md", 1, "other")]), "junk-file")


class TestLabelBesideImage:
    @pytest.mark.parametrize(
        ("file", "label", "looked"),
        [
            ("images/a.jpg", "images/a.txt", "labels/"),
            ("d/images/train/a.jpg", "d/images/train/a.txt", "d/labels/train/"),
            ("images/images/a.jpg", "images/images/a.txt", "images/labels/"),
            ("images/a.jpg", "labels/a.txt", None),
            ("a.jpg", "a.txt", None),
            ("my images/a.jpg", "my images/a.txt", None),
            ("Images/a.jpg", "Images/a.txt", None),
            ("images/a.jpg", "images/a.xml", None),
            ("images/a.jpg", None, None),
        ],
    )
    def test_judges_the_path_as_the_trainer_does(self, file: str, label: str | None, looked: str | None) -> None:
        found = judge(dsq.build_dataset(images=[{"file": file, "origin_file": label}]), "label-beside-image")
        expected = [f"its label file lies beside it: the trainer looks in {looked}"] if looked else []
        assert [record["message"] for record in found] == expected

    def test_a_whole_set_is_told_once(self) -> None:
        images = [{"file": f"images/{n}.jpg", "origin_file": f"images/{n}.txt"} for n in range(12)]
        (found,) = judge(dsq.build_dataset(images=images), "label-beside-image")
        assert found["message"].startswith("12 of 12 images")
        assert found["severity"] == "error"


class TestUnreadableImage:
    def test_tells_the_reason(self) -> None:
        (found,) = judge(dsq.build_dataset(**images_with_headers(error="empty file")), "unreadable-image")
        assert (found["message"], found["severity"], found["image"]) == ("empty file", "error", "a.jpg")

    def test_a_format_that_only_pillow_lacks_is_a_warning(self) -> None:
        facts = {"error": "HEIF picture", "format": "HEIF"}
        (found,) = judge(dsq.build_dataset(**images_with_headers(**facts)), "unreadable-image")
        assert found["severity"] == "warning"
        data = dsq.build_dataset(images=["a.PFM"], headers={"a.PFM": {"error": "no image", "format": ""}})
        assert judge(data, "unreadable-image")[0]["severity"] == "warning"


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("a.jpg", "WEBP", "WebP file named .jpg"),
        ("a.JPG", "PNG", "PNG file named .jpg"),
        ("a.png", "JPEG", "JPEG file named .png"),
        ("a.JPG", "JPEG", None),
        ("a.jpeg", "MPO", None),
        ("a.jfif", "JPEG", None),
        ("a.mpo", "JPEG", None),
        ("a.tif", "TIFF", None),
        ("a.b.TIFF", "TIFF", None),
        ("a.dng", "TIFF", None),
        ("a.odd", "JPEG", None),
        ("a.jpg", "", None),
    ],
)
def test_wrong_extension(name: str, format: str, message: str | None) -> None:
    data = dsq.build_dataset(images=[name], headers={name: picture(format=format)})
    assert [found["message"] for found in judge(data, "wrong-extension")] == ([message] if message else [])


class TestSizeMismatch:
    def found(self, *boxes: tuple[float, float, float, float], real: tuple[int, int] = (1280, 960), **kw: Any) -> Any:
        data = dsq.build_dataset(
            [("a.jpg", "cat", *box) for box in boxes], images=["a.jpg"], headers={"a.jpg": picture(*real)}
        )
        return judge(data, "size-mismatch", **kw)

    def test_equal_sizes_are_quiet(self) -> None:
        assert not self.found((0, 0, 640, 480), real=(640, 480))

    @pytest.mark.parametrize(
        ("box", "real", "end", "severity"),
        [
            ((700, 500, 100, 100), (1280, 960), "file is 1280×960; the boxes fit the file", "warning"),
            ((500, 300, 100, 100), (320, 240), "file is 320×240; the boxes fit the declared size", "error"),
            ((10, 10, 100, 100), (1280, 960), "file is 1280×960; the boxes fit both", "warning"),
            ((-9, 10, 100, 100), (1280, 960), "file is 1280×960; the boxes fit neither", "error"),
            (None, (640, 479), "declared 640×480, file is 640×479", "warning"),
        ],
    )
    def test_says_which_size_the_boxes_fit(self, box: Any, real: Any, end: str, severity: str) -> None:
        (found,) = self.found(*([box] if box else []), real=real)
        assert found["message"].endswith(end)
        assert found["severity"] == severity
        assert found["evidence"]

    def test_tolerance(self) -> None:
        box = (541.0, 300.0, 100.0, 100.0)
        assert self.found(box)[0]["evidence"] == "boxes fit both"
        assert self.found(box, tolerance=0.5)[0]["evidence"] == "boxes fit the real size"

    def test_unknown_sizes_and_unreadable_files_are_left_alone(self) -> None:
        headers = {"a.jpg": picture(9, 9), "b.jpg": {"error": "empty file"}}
        images = [{"file": "a.jpg", "width": None, "height": None}, "b.jpg"]
        assert not judge(dsq.build_dataset(images=images, headers=headers), "size-mismatch")

    def test_boxes_without_a_known_size_say_nothing(self) -> None:
        image = {"file": "a.jpg", "unit": "relative"}
        data = dsq.build_dataset(
            [("a.jpg", "cat", 0.1, 0.1, 0.5, 0.5)], images=[image], headers={"a.jpg": picture(9, 9)}
        )
        assert judge(data, "size-mismatch")[0]["evidence"] == "no boxes"

    def test_an_exif_turn_is_another_rule(self) -> None:
        data = dsq.build_dataset(**images_with_headers(width=480, height=640, orientation=6))
        assert not judge(data, "size-mismatch")
        assert judge(data, "exif-rotated")
        data = dsq.build_dataset(**images_with_headers(width=480, height=640, orientation=3))
        assert judge(data, "size-mismatch")


class TestExifRotated:
    def found(self, *boxes: Any, size: Any = (640, 480), orientation: int = 6, about: About = COCO) -> Any:
        data = dsq.build_dataset(
            [("a.jpg", "cat", *box) for box in boxes],
            images=["a.jpg"],
            size=size,
            headers={"a.jpg": picture(orientation=orientation)},
            about=about,
        )
        return judge(data, "exif-rotated")

    def test_boxes_in_the_turned_frame_are_a_warning(self) -> None:
        (found,) = self.found((100, 400, 50, 200))
        assert (found["severity"], found["image"]) == ("warning", "a.jpg")
        assert found["message"].startswith("EXIF says turned right: the boxes fit the turned picture only")

    def test_a_declared_turned_size_is_a_warning(self) -> None:
        (found,) = self.found((100, 100, 50, 50), size=(480, 640))
        assert (found["severity"], found["evidence"]) == ("warning", "declared size")

    def test_boxes_prove_more_than_the_declared_size(self) -> None:
        (found,) = self.found((500, 100, 50, 50), size=(480, 640))
        assert found["severity"] == "info"

    @pytest.mark.parametrize("orientation", [2, 3, 4])
    def test_mirrors_keep_the_frame(self, orientation: int) -> None:
        (found,) = self.found((100, 400, 50, 200), orientation=orientation)
        assert found["severity"] == "info"

    @pytest.mark.parametrize("orientation", [0, 1])
    def test_upright_is_quiet(self, orientation: int) -> None:
        assert not self.found((100, 100, 50, 50), orientation=orientation)

    def test_yolo_fractions_tell_nothing(self) -> None:
        (found,) = self.found((500, 100, 50, 50), about=YOLO)
        assert (found["severity"], found["images"]) == ("info", ["a.jpg"])
        assert "look whether" in found["message"]

    def test_stored_frame_is_said_in_the_note(self) -> None:
        (found,) = self.found((500, 100, 50, 50))
        assert "the boxes of 1 fit the stored pixels only" in found["message"]


def draw(path: Path, size: tuple[int, int] = (64, 48), *, orientation: int = 0, format: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", size, (90, 120, 60)).save(path, format=format, exif=exif)


def told(folder: Path) -> set[tuple[str, str, str | None]]:
    report = dsq.audit(dsq.read(folder), select=["files"])
    assert not report.not_checked
    return {
        (record["rule"], record["severity"], record["image"] or (record["origin"] or {}).get("file"))
        for record in report.records
    }


def test_coco_folder(tmp_path: Path) -> None:
    for name in ("a", "alone"):
        draw(tmp_path / f"images/{name}.jpg")
    draw(tmp_path / "images/turned.jpg", orientation=6)
    draw(tmp_path / "images/web.jpg", format="WEBP")
    draw(tmp_path / "images/big.jpg", (128, 96))
    draw(tmp_path / "docs/demo.png")
    (tmp_path / "images/empty.jpg").write_bytes(b"")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    names = ["a.jpg", "turned.jpg", "web.jpg", "big.jpg", "empty.jpg", "gone.jpg", "../../out.jpg", "a.jpg"]
    boxes = [(1, [1, 1, 20, 20]), (2, [10, 40, 20, 20]), (4, [90, 50, 20, 20]), (99, [1, 1, 5, 5])]
    document = {
        "images": [{"id": n, "file_name": name, "width": 64, "height": 48} for n, name in enumerate(names, 1)],
        "annotations": [
            {"id": n, "image_id": image, "category_id": 1, "bbox": box, "iscrowd": 0}
            for n, (image, box) in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances.json").write_text(json.dumps(document))
    assert told(tmp_path) == {
        ("duplicate-image-record", "error", "images/a.jpg"),
        ("missing-image", "error", "images/gone.jpg"),
        ("orphan-annotation", "error", "annotations/instances.json"),
        ("path-outside-dataset", "error", "out.jpg"),
        ("unreadable-image", "error", "images/empty.jpg"),
        ("annotation-id-zero", "warning", "images/a.jpg"),
        ("exif-rotated", "warning", "images/turned.jpg"),
        ("orphan-image", "warning", "images/alone.jpg"),
        ("orphan-image", "info", "docs/demo.png"),
        ("size-mismatch", "warning", "images/big.jpg"),
        ("wrong-extension", "warning", "images/web.jpg"),
        ("junk-file", "info", ".DS_Store"),
    }


def test_yolo_folder(tmp_path: Path) -> None:
    draw(tmp_path / "images/a.jpg")
    draw(tmp_path / "images/b.jpg", orientation=6)
    (tmp_path / "images/a.txt").write_text("0 .5 .5 .2 .2 .9\n1 .5 .5 .2 .2 .8\n0 x y\n")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/b.txt").write_text("0 .5 .5 .2 .2\n")
    (tmp_path / "labels/gone.txt").write_text("0 .5 .5 .2 .2\n")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [cat, dog]\n")
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    assert told(tmp_path) == {
        ("label-beside-image", "error", "images/a.jpg"),
        ("malformed-record", "error", "images/a.jpg"),
        ("class-list-disagreement", "error", "classes.txt"),
        ("orphan-annotation", "warning", "images/gone.jpg"),
        ("predictions-as-labels", "error", "images/a.jpg"),
        ("exif-rotated", "info", None),
    }


class TestSharedData:
    """Counts that the developer data's readme states, and what its odd cases ask of these rules."""

    @pytest.mark.parametrize(
        ("name", "counts"),
        [
            ("raccoon", {}),
            ("bccd", {}),
            ("coco-tiny", {}),
            ("aerial-cars", {"missing-image": 2, "orphan-image": 1}),
            ("ships-yolov8", {"orphan-annotation": 34, "junk-file": 1}),
            ("pen-zip", {"wrong-extension": 10, "malformed-record": 2}),
            ("traffic-ground", {"annotation-id-zero": 2}),
            ("odd/datumaro-voc-no-images", {"missing-image": 1}),
            ("odd/datumaro-coco-all-tasks", {}),
            ("odd/labellint-sample-coco", {"duplicate-id": 1, "missing-image": 1, "orphan-annotation": 1}),
            ("odd/mmdetection-coco-wrong-format", {"duplicate-id": 1, "missing-image": 1}),
            ("odd/sahi-terrain-coco", {"missing-image": 2}),
            ("odd/labelformat-yolov8-weird-names", {}),
            ("odd/datumaro-yolo-strict", {}),
        ],
    )
    def test_counts(self, shared_data: Path, name: str, counts: dict[str, int]) -> None:
        assert dsq.audit(dsq.read(shared_data / name), select=["files"]).summary["rules"] == counts


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 3, 6, 8]),
            st.sampled_from([(640, 480), (480, 640), (320, 240)]),
            st.tuples(*[st.integers(-5, 300)] * 2, *[st.integers(0, 300)] * 2),
        ),
        min_size=1,
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=30, deadline=None)
def test_order_of_rows_does_not_matter(rows: list[Any], random: Any) -> None:
    headers = {f"{n}.jpg": picture(*size, orientation=turn) for n, (turn, size, _) in enumerate(rows)}
    boxes = [(f"{n}.jpg", "cat", *box) for n, (_, _, box) in enumerate(rows)]
    data = dsq.build_dataset(boxes, headers=headers)
    mixed = {}
    for name in ("images", "boxes", "headers"):
        table = getattr(data, name)
        order = list(range(len(table)))
        random.shuffle(order)
        mixed[name] = table.iloc[order].reset_index(drop=True)
    expected = dsq.audit(data, select=["files"]).findings.drop(columns="box_id")
    assert dsq.audit(data.replace(**mixed), select=["files"]).findings.drop(columns="box_id").equals(expected)
