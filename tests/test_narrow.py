"""Links, what a trainer wrote, and files from outside the dataset whose text is never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import dsq
from dsq.errors import ReadError
from dsq.formats import read
from dsq.model import Dataset

ROW = "0 0.5 0.5 0.2 0.4\n"
XML = (
    "<annotation><filename>{0}.jpg</filename><size><width>100</width><height>50</height></size>"
    "<object><name>cat</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>20</xmax><ymax>{1}</ymax></bndbox></object>"
    "</annotation>"
)


def tree(root: Path, **files: str | None) -> Path:
    """Files below `root`, `__` for a slash and `_` for a dot; None makes a picture."""
    for key, content in files.items():
        path = root / key.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            Image.new("RGB", (100, 50)).save(path)
        else:
            path.write_text(content)
    return root


def yolo_tree(root: Path, images: str = "images", labels: str = "labels") -> Path:
    for split in ("train", "val"):
        for name in "ab":
            tree(root, **{f"{images}__{split}__{name}_jpg": None, f"{labels}__{split}__{name}_txt": ROW})
    return tree(root, data_yaml="train: images/train\nval: images/val\nnames: [cat]\n")


def link_files(source: Path, target: Path, *suffixes: str) -> Path:
    """The tree again, every file with one of the suffixes a link."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in suffixes:
                place.symlink_to(path)
            else:
                place.write_bytes(path.read_bytes())
    return target


def notices(data: Dataset, kind: str) -> list[str]:
    return [notice.text for notice in data.about.notices if notice.kind == kind]


def roles(data: Dataset) -> dict[str, str]:
    return dict(zip(data.files["file"], data.files["role"].astype(str), strict=True))


class TestLinksFromOutside:
    def test_labels_and_images(self, tmp_path: Path) -> None:
        source = yolo_tree(tmp_path / "source")
        by_file = read(link_files(source, tmp_path / "files", ".txt", ".jpg"))
        by_folder = tmp_path / "folders"
        by_folder.mkdir()
        for name in ("images", "labels"):
            (by_folder / name).symlink_to(source / name)
        tree(by_folder, data_yaml=(source / "data.yaml").read_text())
        for data in (by_file, read(by_folder)):
            assert data.about.format == "yolo"
            assert (len(data.images), len(data.boxes), len(data.problems)) == (4, 4, 0)

    def test_xml(self, tmp_path: Path) -> None:
        source = tree(tmp_path / "source", a_jpg=None, a_xml=XML.format("a", 20), b_jpg=None, b_xml=XML.format("b", 9))
        data = read(link_files(source, tmp_path / "set", ".xml"))
        assert (data.about.format, len(data.boxes), len(data.problems)) == ("voc", 2, 0)

    def test_json(self, tmp_path: Path) -> None:
        document = {
            "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 50}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}],
            "categories": [{"id": 1, "name": "cat"}],
        }
        source = tree(tmp_path / "source", a_jpg=None, instances_json=json.dumps(document))
        data = read(link_files(source, tmp_path / "set", ".json"))
        assert (data.about.format, len(data.boxes), len(data.problems)) == ("coco", 1, 0)

    @pytest.mark.parametrize("name", ["data.yaml", "train.txt", "classes.txt"])
    def test_settings_and_lists_are_not_read(self, tmp_path: Path, name: str) -> None:
        source = tree(tmp_path / "source", a_jpg=None, a_txt=ROW, data_yaml="names: [x]\ntrain: .\n")
        tree(source, train_txt="a.jpg\n", classes_txt="cat\n")
        for other in {"data.yaml", "train.txt", "classes.txt"} - {name}:
            (source / other).unlink()
        data = read(link_files(source, tmp_path / "set", Path(name).suffix))
        assert data.about.format == "yolo"
        assert len(data.boxes) == 1
        assert [row["file"] for row in data.problems.to_dict("records")] == [name]
        assert "link that leaves the dataset" in data.problems["what"].iloc[0]

    @pytest.mark.parametrize(
        ("name", "secret"),
        [
            ("a.txt", "0 .5 .5 .2 .2\n0 .5 .5 .2 .2\nhunter2 .5 .5 .2 .2\n"),
            ("a.xml", XML.format("a", "hunter2")),
            ("a.json", '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"id": 1, "image_id": 1,'
             ' "category_id": "hunter2", "bbox": ["hunter2", 1, 2, 3]}], "categories": []}'),
        ],
    )  # fmt: skip
    def test_their_text_is_never_quoted(self, tmp_path: Path, name: str, secret: str) -> None:
        source = tree(tmp_path / "source", a_jpg=None, b_jpg=None)
        (source / name).write_text(secret)
        plain = read(source)
        assert "hunter2" in " ".join(plain.problems["what"])
        data = read(link_files(source, tmp_path / "set", Path(name).suffix))
        assert len(data.problems) == len(plain.problems)
        assert set(data.problems["what"]) == {
            "something is wrong in it; it is linked from outside the dataset, so its text is not shown"
        }
        assert "hunter2" not in " ".join(dsq.audit(data).messages())

    @pytest.mark.parametrize(("name", "text"), [("a.json", '{"images": [hunter2'), ("a.xml", "<annotation>hunter2")])
    def test_nor_in_the_error_that_ends_it(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / "set").mkdir()
        (tmp_path / name).write_text(text)
        (tmp_path / "set" / name).symlink_to(tmp_path / name)
        try:
            told = " ".join(read(tmp_path / "set").problems["what"])
        except ReadError as error:
            told = f"{error}"
        assert "hunter2" not in told
        assert "linked from outside the dataset" in told


class TestOneFolderTwice:
    def test_the_name_of_the_layout_is_kept(self, tmp_path: Path) -> None:
        yolo_tree(tmp_path, images="data-images")
        (tmp_path / "images").symlink_to("data-images")
        data = read(tmp_path)
        assert data.images["file"].tolist() == [f"images/{s}/{n}.jpg" for s in ("train", "val") for n in "ab"]
        assert (len(data.boxes), len(data.problems)) == (4, 0)
        assert not any(name.startswith("data-images") for name in data.files["file"])
        assert notices(data, "linked-twice") == [
            "data-images and images are one folder through a link; its files were taken once, under images."
        ]
        assert not dsq.audit(data, select=["files"]).records

    def test_else_the_folder_itself(self, tmp_path: Path) -> None:
        yolo_tree(tmp_path)
        (tmp_path / "pictures").symlink_to("images")
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "again").symlink_to("../images/train")
        data = read(tmp_path)
        assert {name.partition("/")[0] for name in data.images["file"]} == {"images"}
        (text,) = [text for text in notices(data, "linked-twice") if "pictures" in text]
        assert text.endswith("under images.")

    def test_a_split_that_is_another_is_left_for_the_rules(self, tmp_path: Path) -> None:
        tree(tmp_path, images__train__street0042_jpg=None, labels__train__street0042_txt=ROW)
        for folder in ("images", "labels"):
            (tmp_path / folder / "val").symlink_to("train")
        tree(tmp_path, data_yaml="train: images/train\nval: images/val\nnames: [cat]\n")
        data = read(tmp_path)
        assert len(data.images) == 2
        assert not notices(data, "linked-twice")
        assert set(data.images["split"]) == {"train", "val"}


class TestOutputOfATrainer:
    @pytest.mark.parametrize(
        "mark", ["runs__detect__train__args_yaml", "runs__detect__train__results_csv", "runs__predict2__labels__a_txt"]
    )
    def test_runs_are_no_data(self, tmp_path: Path, mark: str) -> None:
        yolo_tree(tmp_path)
        tree(tmp_path, **{mark: ROW, "runs__detect__train__plot_jpg": None, "runs__predict2__a_jpg": None})
        data = read(tmp_path)
        assert (len(data.images), len(data.boxes), len(data.problems)) == (4, 4, 0)
        assert notices(data, "trainer-output") == ["runs/ holds what a trainer wrote: 3 files, no part of the dataset."]
        assert {role for name, role in roles(data).items() if name.startswith("runs/")} == {"other"}
        assert not dsq.audit(data, select=["files", "unlabelled-image"]).records

    def test_a_folder_of_that_name_alone_is_data(self, tmp_path: Path) -> None:
        tree(tmp_path, runs__images__a_jpg=None, runs__labels__a_txt=ROW)
        assert len(read(tmp_path).boxes) == 1
        tree(tmp_path, runs__predict__labels__a_txt=ROW, runs__predict__a_jpg=None)
        assert len(read(tmp_path).boxes) == 2

    def test_pictures_beside_the_splits_are_one_note_a_folder(self, tmp_path: Path) -> None:
        yolo_tree(tmp_path)
        tree(tmp_path, docs__logo_jpg=None, docs__plot_png=None)
        report = dsq.audit(read(tmp_path), select=["files", "unlabelled-image"])
        assert [(record["rule"], record["severity"]) for record in report.records] == [("orphan-image", "info")]
        assert report.messages() == ["2 image files in docs belong to nothing: logo.jpg, …"]


def test_images_of_labels_alone_are_called_as_the_list_says(tmp_path: Path) -> None:
    tree(tmp_path, obj__train__data__a_txt=ROW)
    (tmp_path / "obj" / "train" / "data").rename(tmp_path / "obj_train_data")
    tree(tmp_path, obj_data="classes = 1\ntrain = data/train.txt\nnames = data/obj.names\n", obj_names="cat\n")
    tree(tmp_path, train_txt="data/obj_train_data/a.PNG\n")
    data = read(tmp_path)
    assert data.images["file"].tolist() == ["obj_train_data/a.PNG"]
    assert data.images["split"].tolist() == ["train"]
    assert "found by name" not in str(data.about.notices)
    assert not len(data.problems)
    report = dsq.audit(data)
    assert ("unreadable-image", "no image file was found; add --image-root DIR") in report.not_checked
