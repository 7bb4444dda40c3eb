"""Rules about names that records state: unportable-path, filename-mismatch, path-outside-dataset told once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import dsq
from dsq.model import About, Dataset
from dsq.names import stated_name


def judge(data: Dataset, rule: str) -> list[dict[str, Any]]:
    return dsq.audit(data, select=[rule]).records


def coco(pairs: dict[str, str | None], **more: Any) -> Dataset:
    """Images by file, with the name that the record states (None: the same)."""
    images = [
        {
            "file": file,
            "origin_file": "a.json",
            "extras": None if name is None else json.dumps({"file_name": name}).encode(),
            **more,
        }
        for file, name in pairs.items()
    ]
    return dsq.build_dataset(images=images, about=About(format="coco"))


def voc(pairs: dict[str, str | None], **more: Any) -> Dataset:
    images = [
        {
            "file": file,
            "origin_file": f"{file.rpartition('.')[0]}.xml",
            "extras": None if name is None else f"<filename>{name}</filename><folder/>".encode(),
            **more,
        }
        for file, name in pairs.items()
    ]
    return dsq.build_dataset(images=images, about=About(format="voc"))


def test_stated_name() -> None:
    assert stated_name(None) is None
    assert stated_name(b"<folder>x</folder>") is None
    assert stated_name(b"<filename>a&amp;b.jpg</filename><path>x</path>") == "a&b.jpg"
    assert stated_name(b'{"license":1}') is None
    assert stated_name(b'{"file_name":"x\\\\a.jpg","license":1}') == "x\\a.jpg"
    assert stated_name(b'{"file_name":7}') is None


class TestUnportablePath:
    @pytest.mark.parametrize(
        ("file", "name", "told"),
        [
            ("images/train/a.jpg", "images\\train\\a.jpg", "with backslashes (images\\train\\a.jpg)"),
            ("images/a.jpg", "A.JPG", "in another case than the file (A.JPG is images/a.jpg)"),
            ("images/Sub/a.jpg", "sub/a.jpg", "in another case than the file (sub/a.jpg is images/Sub/a.jpg)"),
            ("images/a.jpg", "other/A.jpg", "in another case"),
            ("images/a.jpg", "a.jpg", None),
            ("images/a.jpg", "./a.jpg", None),
            ("images/a.jpg", "other/a.jpg", None),
            ("images/a.jpg", "a.jpeg", None),
            ("images/a.jpg", None, None),
        ],
    )
    def test_names(self, file: str, name: str | None, told: str | None) -> None:
        found = judge(coco({file: name, "images/b.jpg": None}), "unportable-path")
        assert [record["severity"] for record in found] == (["warning"] if told else [])
        assert all(told in record["message"] for record in found if told)

    def test_once_for_an_annotation_file_and_kind(self) -> None:
        pairs: dict[str, str | None] = {f"images/{n}.jpg": f"images\\{n}.jpg" for n in range(20)}
        pairs |= {f"images/x{n}.jpg": f"X{n}.jpg" for n in range(3)}
        found = judge(coco(pairs), "unportable-path")
        assert [(record["value"], record["origin"]["file"]) for record in found] == [(20, "a.json"), (3, "a.json")]

    def test_once_for_a_voc_set(self) -> None:
        found = judge(voc({f"JPEGImages/{n}.jpg": f"{n}.JPG" for n in range(5)}), "unportable-path")
        assert [(record["value"], record["origin"]) for record in found] == [(5, None)]

    def test_backslashes_are_told_without_images(self) -> None:
        assert judge(coco({"images/a.jpg": "images\\a.jpg"}, member=None), "unportable-path")
        assert not judge(coco({"images/a.jpg": "A.jpg"}, member=None), "unportable-path")

    def test_names_that_lead_outside_are_told_by_their_own_rule(self, tmp_path: Path) -> None:
        Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg")
        document = {"images": [{"id": 1, "file_name": "C:\\me\\a.jpg", "width": 64, "height": 48}]}
        (tmp_path / "x.json").write_text(json.dumps(document | {"annotations": [], "categories": []}))
        data = dsq.read(tmp_path)
        assert not judge(data, "unportable-path") and judge(data, "path-outside-dataset")

    def test_read_from_a_coco_file(self, tmp_path: Path) -> None:
        (tmp_path / "images/train").mkdir(parents=True)
        names = ["images\\train\\a.jpg", "images/train/B.JPG"]
        for name in ("a.jpg", "b.jpg"):
            Image.new("RGB", (64, 48)).save(tmp_path / "images/train" / name)
        images = [{"id": n, "file_name": name, "width": 64, "height": 48} for n, name in enumerate(names, 1)]
        document = {"images": images, "annotations": [], "categories": []}
        (tmp_path / "train.json").write_text(json.dumps(document))
        data = dsq.read(tmp_path)
        assert data.images["member"].notna().all()
        assert len(judge(data, "unportable-path")) == 2
        assert not judge(data, "filename-mismatch")


class TestFilenameMismatch:
    @pytest.mark.parametrize(
        ("name", "level"),
        [
            ("DSC0001.JPG", "warning"),
            ("b.jpg", "error"),
            ("photos/b.jpg", "error"),
            ("a.png", "info"),
            ("a.jpeg", "info"),
            ("a", None),
            ("A.jpg", None),
            ("a.jpg", None),
            ("some/folder/a.jpg", None),
            (None, None),
        ],
    )
    def test_voc(self, name: str | None, level: str | None) -> None:
        pairs = {"JPEGImages/a.jpg": name, **{f"JPEGImages/{each}.jpg": None for each in "bcd"}}
        found = judge(voc(pairs), "filename-mismatch")
        assert [(record["severity"], record["image"]) for record in found] == (
            [(level, "JPEGImages/a.jpg")] if level else []
        )

    @pytest.mark.parametrize(
        ("name", "level"),
        [("a.jpeg", "warning"), ("a", "warning"), ("x/a.jpg", None), ("a%201.jpg", None), ("A.jpg", None)],
    )
    def test_coco(self, name: str, level: str | None) -> None:
        found = judge(coco({"images/a.jpg": name, "images/b.jpg": None, "images/c.jpg": None}), "filename-mismatch")
        assert [record["severity"] for record in found] == (
            [level] if level else ["warning"] if name == "a%201.jpg" else []
        )

    def test_a_stem_with_dots_has_no_extension(self) -> None:
        assert not judge(voc({"a.v1.jpg": "a.v1", "b.jpg": None, "c.jpg": None}), "filename-mismatch")
        assert judge(voc({"a.v1.jpg": "a", "b.jpg": None, "c.jpg": None}), "filename-mismatch")

    def test_what_most_share_is_told_once(self) -> None:
        (found,) = judge(voc({f"r_{n}.jpg": f"DSC{n:05}.JPG" for n in range(20)}), "filename-mismatch")
        assert (found["severity"], found["value"], found["image"]) == ("warning", 20, None)
        assert "r_0.xml says DSC00000.JPG, the image is r_0.jpg" in found["message"]
        (found,) = judge(voc({f"r_{n}.jpg": f"r_{(n + 1) % 20}.jpg" for n in range(20)}), "filename-mismatch")
        assert (found["severity"], found["value"]) == ("error", 20)
        (found,) = judge(voc({f"r_{n}.jpg": f"r_{n}.png" for n in range(20)}), "filename-mismatch")
        assert (found["severity"], found["value"]) == ("info", 20)

    def test_images_that_are_not_there_are_left_alone(self) -> None:
        assert not judge(voc({"a.jpg": "x.jpg"}, member=None), "filename-mismatch")

    def test_other_formats_are_left_alone(self) -> None:
        data = voc({"a.jpg": "x.jpg"})
        assert not judge(data.replace(about=About(format="yolo")), "filename-mismatch")

    def test_read_from_xml(self, tmp_path: Path) -> None:
        box = "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"
        size = "<size><width>64</width><height>48</height></size>"
        stated = {"a": "b.jpg", "b": "b.jpg", "c": "c", "d": "gone.jpg", "e": "C:\\x\\e.jpg", "f": "f.JPG"}
        for stem, name in stated.items():
            Image.new("RGB", (64, 48)).save(tmp_path / f"{stem}.jpg")
            content = f"<filename>{name}</filename>{size}<object><name>x</name><bndbox>{box}</bndbox></object>"
            (tmp_path / f"{stem}.xml").write_text(f"<annotation>{content}</annotation>")
        data = dsq.read(tmp_path)
        told = {(found["severity"], found["image"]) for found in judge(data, "filename-mismatch")}
        assert told == {("error", "a.jpg"), ("warning", "d.jpg")}
        assert not [notice for notice in data.about.notices if notice.kind == "filename-differs"]
        assert not [kind for kind in data.problems["kind"] if kind != "path-outside-dataset"]
        (found,) = judge(data, "unportable-path")
        assert "f.JPG is f.jpg" in found["message"]


def test_paths_out_of_a_voc_set_are_told_once_where_most_are_so() -> None:
    def data(count: int) -> Dataset:
        images = [{"file": f"{n}.jpg", "origin_file": f"{n}.xml"} for n in range(10)]
        problems = [("path-outside-dataset", f"{n}.xml", "filename", f"'C:/x/{n}.jpg' leads out") for n in range(count)]
        return dsq.build_dataset(images=images, problems=problems)

    (found,) = judge(data(10), "path-outside-dataset")
    assert (found["severity"], found["value"]) == ("warning", 10)
    assert found["message"] == "10 names like this: 'C:/x/0.jpg' leads out"
    assert [found["image"] for found in judge(data(3), "path-outside-dataset")] == ["0.jpg", "1.jpg", "2.jpg"]
