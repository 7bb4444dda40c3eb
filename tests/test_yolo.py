"""The YOLO reader: layouts, configs, splits, rows, and what it says of what it cannot read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from dsq.formats import read
from dsq.formats.layout import open_request
from dsq.formats.yolo import pairs, sniff
from dsq.formats.yolo.config import parse_yaml
from dsq.formats.yolo.rows import MOST_BAD, parse_labels, quote
from dsq.model import Dataset

WIDTH, HEIGHT = 100, 50
ROW = "0 0.5 0.5 0.2 0.4\n"


def picture(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 60)).save(path)


def tree(root: Path, files: dict[str, str | bytes | None]) -> Path:
    """Make files below `root`; None makes a picture."""
    for name, content in files.items():
        path = root / name
        if content is None:
            picture(path)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def yolo(root: Path, files: dict[str, str | bytes | None] | None = None, **options: object) -> Dataset:
    return read(tree(root, files or {}), format="yolo", **options)  # type: ignore[arg-type]


def kinds(data: Dataset) -> list[str]:
    return [notice.kind for notice in data.about.notices]


def told(data: Dataset, kind: str) -> str:
    """The one notice of a kind."""
    (text,) = [notice.text for notice in data.about.notices if notice.kind == kind]
    return text


def problems(data: Dataset) -> list[tuple[str, ...]]:
    return [tuple(row) for row in data.problems.astype(object).to_numpy().tolist()]


def splits(data: Dataset) -> dict[str, object]:
    values = data.images["split"].astype(object)
    return dict(zip(data.images["file"], values.where(values.notna(), None), strict=True))


def states(data: Dataset) -> dict[str, str]:
    return dict(zip(data.images["file"], data.images["label_state"].astype(str), strict=True))


def names(data: Dataset) -> dict[int, str]:
    return dict(zip(data.categories["category_id"].tolist(), data.categories["name"], strict=True))


def roles(data: Dataset) -> dict[str, str]:
    return dict(zip(data.files["file"], data.files["role"].astype(str), strict=True))


def corners(data: Dataset) -> list[list[float]]:
    return np.round(data.boxes[["x", "y", "width", "height"]].to_numpy(), 9).tolist()


def box_texts(tmp_path: Path, text: str | bytes, config: str = "names: [a, b, c]\n") -> Dataset:
    """One image with these label rows."""
    return yolo(tmp_path, {"images/a.jpg": None, "labels/a.txt": text, "data.yaml": config})


# layouts


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/a.jpg", "labels/a.txt"),
        ("images/train/x/a.b.JPG", "labels/train/x/a.b.txt"),
        ("train/images/a.png", "train/labels/a.txt"),
        ("images/images/a.png", "images/labels/a.txt"),
        ("a.jpg", "a.txt"),
        ("obj_train_data/sub/a.jpeg", "obj_train_data/sub/a.txt"),
    ],
)
def test_label_lies_where_the_trainer_looks(tmp_path: Path, image: str, label: str) -> None:
    picture(tmp_path / "p.jpg")
    (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "p.jpg").rename(tmp_path / image)
    data = yolo(tmp_path, {label: ROW})
    assert data.images["file"].tolist() == [image]
    assert data.images["origin_file"].tolist() == [label]
    assert corners(data) == [[40, 15, 20, 20]]
    assert data.boxes["origin_file"].tolist() == [label]
    assert data.boxes["origin_place"].tolist() == [1]
    assert not problems(data)
    assert roles(data) == {image: "image", label: "annotation"}


def test_label_found_by_stem_is_said(tmp_path: Path) -> None:
    data = yolo(
        tmp_path,
        {"Images/cam1/a.jpg": None, "Images/cam2/a.jpg": None, "Labels/cam1/a.txt": ROW, "Labels/cam2/a.txt": ""},
    )
    assert states(data) == {"Images/cam1/a.jpg": "labelled", "Images/cam2/a.jpg": "background"}
    assert problems(data) == [
        ("misplaced-label", f"Labels/cam{n}/a.txt", "", f"it lies in Labels/cam{n}: the trainer looks in Images/cam{n}")
        for n in (1, 2)
    ]


@pytest.mark.parametrize(
    ("label", "what"),
    [
        ("labels/a.TXT", "it is called a.TXT: the trainer looks for labels/a.txt, and case counts on Linux"),
        ("Labels/a.txt", "it lies in Labels: the trainer looks in labels, and case counts on Linux"),
        ("annotations/a.txt", "it lies in annotations: the trainer looks in labels"),
        ("A.txt", "it lies in the root: the trainer looks in labels for a.txt"),
    ],
)
def test_label_where_the_trainer_does_not_look(tmp_path: Path, label: str, what: str) -> None:
    data = yolo(tmp_path, {"images/a.jpg": None, label: ROW})
    assert len(data.boxes) == 1
    assert problems(data) == [("misplaced-label", label, "", what)]


def test_darknet_looks_in_labels_for_the_images_of_voc(tmp_path: Path) -> None:
    files = {"VOC/JPEGImages/a.jpg": None, "VOC/labels/a.txt": ROW}
    assert [row[0] for row in problems(yolo(tmp_path, files))] == ["misplaced-label"]
    data = yolo(tmp_path, {"voc.data": "names = voc.names\nclasses = 1\n", "voc.names": "cat\n"})
    assert not problems(data)


def test_labels_of_images_from_elsewhere_are_not_misplaced(tmp_path: Path) -> None:
    tree(tmp_path / "set", {"annotations/a.txt": ROW})
    tree(tmp_path / "pictures", {"a.jpg": None})
    data = read(tmp_path / "set", format="yolo", image_root=tmp_path / "pictures")
    assert not problems(data)
    assert told(data, "label-by-stem") == "1 label file was found for its image by name (a.jpg: annotations/a.txt)."


def test_label_of_another_split_is_not_taken(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"train/pics/a.jpg": None, "val/txt/a.txt": ROW})
    assert states(data)["train/pics/a.jpg"] == "unlabelled"
    assert data.images["member"].isna().sum() == 1


def test_one_label_file_serves_images_of_one_stem(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"images/a.jpg": None, "images/a.png": None, "labels/a.txt": ROW + ROW})
    assert data.boxes["image_id"].tolist() == [1, 1, 2, 2]
    assert data.boxes["origin_place"].tolist() == [1, 2, 1, 2]
    assert "labels/a.txt" in told(data, "shared-label-file")


def test_second_label_file_is_a_problem(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"images/a.jpg": None, "labels/a.txt": ROW, "images/a.txt": ROW})
    assert len(data.boxes) == 1
    assert [row[:2] for row in problems(data)] == [("malformed-record", "images/a.txt")]


def test_states_and_the_meaning_of_no_label_file(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {f"images/{name}.jpg": None for name in "abcde"}
    files |= {"labels/a.txt": ROW, "labels/b.txt": "", "labels/c.txt": " \r\n\n", "labels/d.txt": "rubbish\n"}
    data = yolo(tmp_path, files)
    wanted = ["labelled", "background", "background", "labelled", "unlabelled"]
    assert list(states(data).values()) == wanted
    assert data.images["origin_file"].isna().tolist() == [False] * 4 + [True]
    said = read(tmp_path, format="yolo", no_label_file="background")
    assert list(states(said).values()) == [*wanted[:4], "background"]
    assert said.about.no_label_file == "background"


def test_orphan_labels_become_images_that_are_not_there(tmp_path: Path) -> None:
    data = yolo(
        tmp_path,
        {"train/images/a.jpg": None, "train/labels/a.txt": ROW, "train/labels/b.txt": "1 0.5 0.5 1 1\n"},
    )
    orphan = data.images[data.images["member"].isna()].iloc[0]
    assert orphan["file"] == "train/images/b.jpg"
    assert orphan["unit"] == "relative"
    assert orphan["split"] == "train"
    assert orphan["origin_file"] == "train/labels/b.txt"
    assert corners(data) == [[40, 15, 20, 20], [0, 0, 1, 1]]
    assert data.headers is not None
    assert data.headers["image_id"].tolist() == [1]


def test_labels_alone(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"labels/a.txt": ROW, "labels/b.txt": "", "classes.txt": "cat\n"})
    assert data.images["file"].tolist() == ["images/a.jpg", "images/b.jpg"]
    assert set(data.images["unit"]) == {"relative"}
    assert data.images["width"].isna().all()
    assert list(states(data).values()) == ["labelled", "background"]
    assert names(data) == {0: "cat"}


def test_image_root_supplies_the_images(tmp_path: Path) -> None:
    tree(tmp_path / "labels", {"train/a.txt": ROW, "val/a.txt": ""})
    tree(tmp_path / "pics", {"train/a.jpg": None, "val/a.jpg": None})
    data = read(tmp_path / "labels", format="yolo", image_root=tmp_path / "pics")
    assert data.images["file"].tolist() == ["train/a.jpg", "val/a.jpg"]
    assert data.images["root"].tolist() == [str(tmp_path / "pics")] * 2
    assert list(states(data).values()) == ["labelled", "background"]
    assert corners(data) == [[40, 15, 20, 20]]


def test_a_single_label_file(tmp_path: Path) -> None:
    data = read(tree(tmp_path, {"a.txt": ROW, "b.txt": ROW}) / "a.txt")
    assert data.images["file"].tolist() == ["a.jpg"]
    assert not data.about.listed


def test_texts_that_are_no_labels(tmp_path: Path) -> None:
    data = yolo(
        tmp_path,
        {
            "images/a.jpg": None, "labels/a.txt": ROW, "README.roboflow.txt": "0 0.5 0.5 0.1 0.1 is a row",
            "requirements.txt": "numpy\n", "words.txt": "nothing\nhere\n", "empty.txt": "", "classes.txt": "cat\n",
            "images/notes on light.txt": "taken\nat night",
        },
    )  # fmt: skip
    assert data.images["file"].tolist() == ["images/a.jpg"]
    assert len(data.problems) == 0
    part = roles(data)
    assert part.pop("images/a.jpg") == "image"
    assert part.pop("labels/a.txt") == "annotation"
    assert part.pop("classes.txt") == "config"
    assert set(part.values()) == {"other"}


def test_label_of_an_image_called_like_prose(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"license-1.jpg": None, "license-1.txt": ROW, "classes.jpg": None, "classes.txt": ROW})
    assert len(data.boxes) == 2
    assert data.about.class_lists == ()


def test_empty_label_of_an_image_called_like_prose(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"notebook_1.jpg": None, "notebook_1.txt": "", "a.jpg": None, "a.txt": ROW})
    assert states(data) == {"a.jpg": "labelled", "notebook_1.jpg": "background"}


def test_empty_texts_beside_labels(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"set/a.txt": ROW, "set/b.txt": "", "set/test.txt": "", "c.txt": ""})
    assert states(data) == {"set/a.jpg": "labelled", "set/b.jpg": "background"}


def test_unreadable_image_has_no_size(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"a.jpg": b"not a picture", "a.txt": ROW})
    assert data.images["unit"].tolist() == ["relative"]
    assert data.images["width"].isna().all()
    assert data.headers is not None
    assert data.headers["error"].iloc[0]
    assert corners(data) == [[0.4, 0.3, 0.2, 0.4]]


def test_junk_is_left_alone(tmp_path: Path) -> None:
    data = yolo(
        tmp_path,
        {"images/a.jpg": None, "labels/a.txt": ROW, "labels/#temp": "x", "__MACOSX/labels/._a.txt": ROW},
    )
    assert len(data.images) == 1
    assert roles(data)["__MACOSX/labels/._a.txt"] == "junk"


def test_masks_are_no_images(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {"images/a.jpg": None, "labels/a.txt": ROW, "masks/a.jpg": None}
    data = yolo(tmp_path / "set", files)
    assert states(data) == {"images/a.jpg": "labelled"}
    assert roles(data)["masks/a.jpg"] == "other"
    labelled = {"mask/images/a.jpg": None, "mask/labels/a.txt": ROW, "mask/images/b.jpg": None}
    assert len(yolo(tmp_path / "faces", labelled).images) == 2


def test_zip_with_a_folder_too_many(tmp_path: Path) -> None:
    tree(tmp_path / "in", {"images/a.jpg": None, "labels/a.txt": ROW, "data.yaml": "train: images\nnames: [x]\n"})
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted((tmp_path / "in").rglob("*.*")):
            archive.write(path, "export/set/" + path.relative_to(tmp_path / "in").as_posix())
    data = read(tmp_path / "set.zip", format="yolo")
    assert splits(data) == {"export/set/images/a.jpg": "train"}
    assert names(data) == {0: "x"}
    assert "path-resolved" not in kinds(data)


# splits


def four(root: Path, **more: str) -> Path:
    """Images in images/{one,two}, with labels."""
    files: dict[str, str | bytes | None] = {}
    for folder in ("one", "two"):
        for name in "ab":
            files |= {f"images/{folder}/{name}.jpg": None, f"labels/{folder}/{name}.txt": ROW}
    return tree(root, files | {name.replace("_", "."): text for name, text in more.items()})


@pytest.mark.parametrize("key", ["val", "valid", "validation", "validate", "dev"])
@pytest.mark.parametrize(
    "places",
    [
        "train: images/one\n{key}: images/two",
        "path: .\ntrain: images/one/\n{key}: ./images/two",
        "path: {root}\ntrain: images/one\n{key}: [images/two]",
        "train: {root}/images/one\n{key}: {root}/images/two",
        "train: [images/one/*.jpg]\n{key}: images/two/**/*.jpg",
    ],
)
def test_places_as_written(tmp_path: Path, key: str, places: str) -> None:
    four(tmp_path, data_yaml=places.format(root=tmp_path, key=key) + "\nnames: {0: x}\n")
    data = yolo(tmp_path)
    assert set(splits(data).values()) == {"train", "val"}
    assert splits(data)["images/two/a.jpg"] == "val"
    assert "path-resolved" not in kinds(data)
    assert ("yaml-key" in kinds(data)) == (key in ("valid", "validate", "dev"))


@pytest.mark.parametrize(
    "places",
    [
        "train: ../images/one\nval: ../images/two",
        "path: /content/drive/MyDrive/set\ntrain: images/one\nval: images/two",
        "path: ../datasets/set\ntrain: images/one\nval: images/two",
        "train: C:\\data\\set\\images\\one\nval: D:/set/images/two",
        "train: /home/dev/train/set/images/one\nval: images/TWO",
    ],
)
def test_places_found_by_looking(tmp_path: Path, places: str) -> None:
    data = yolo(four(tmp_path, data_yaml=places + "\nnames: [x]\n"))
    assert set(splits(data).values()) == {"train", "val"}
    text = told(data, "path-resolved")
    if places.startswith("path:"):
        path = places.splitlines()[0]
        assert text == f"{path} leads out of the dataset, the yaml's own folder was taken."
    else:
        assert "images/one was taken" in text
    assert len(data.problems) == 0


def test_valid_means_val(tmp_path: Path) -> None:
    data = yolo(
        tmp_path,
        {
            "train/images/a.jpg": None, "validate/images/b.jpg": None,
            "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: [x]\n",
        },
    )  # fmt: skip
    assert splits(data) == {"train/images/a.jpg": "train", "validate/images/b.jpg": "val"}
    assert "validate/images was taken (tried ../valid/images, valid/images)" in told(data, "path-resolved")
    assert "test: ../test/images" in told(data, "split-absent")
    assert len(data.problems) == 0


def test_split_without_images_is_a_problem_that_lists_what_was_tried(tmp_path: Path) -> None:
    data = yolo(
        tmp_path,
        {"images/a.jpg": None, "labels/a.txt": ROW, "data.yaml": "names: [x]\ntrain: images\nval: ../valid/images"},
    )
    assert splits(data) == {"images/a.jpg": "train"}
    ((kind, file, place, what),) = problems(data)
    assert (kind, file, place) == ("malformed-record", "data.yaml", "line 3")
    assert "tried ../valid/images, valid/images, any folder named val" in what


def test_path_that_is_not_there(tmp_path: Path) -> None:
    data = yolo(four(tmp_path, data_yaml="path: set\ntrain: images/one\nval: images/two\nnames: [x]\n"))
    assert told(data, "path-resolved") == "path: set is not there, the yaml's own folder was taken."
    data = yolo(four(tmp_path, data_yaml="path: set\ntrain: images/one\nval: ../images/two\nnames: [x]\n"))
    assert "val: ../images/two" not in told(data, "path-resolved")


def test_pictures_beside_the_splits_are_left_out(tmp_path: Path) -> None:
    files = {"docs/logo.png": None, "images/spare/a.jpg": None, "extra/b.jpg": None, "extra/b.txt": ROW}
    data = yolo(four(tree(tmp_path, files), data_yaml="train: images/one\nval: images/two\nnames: [x]"))
    assert splits(data)["extra/b.jpg"] is None
    assert splits(data)["images/spare/a.jpg"] is None
    assert "docs/logo.png" not in splits(data)
    assert roles(data)["docs/logo.png"] == "image"
    data = yolo(four(tmp_path, data_yaml="names: [x]"))
    assert "docs/logo.png" in splits(data)


def test_images_outside_the_splits_stay(tmp_path: Path) -> None:
    data = yolo(four(tmp_path, data_yaml="train: images/one\nnames: [x]"))
    assert splits(data)["images/two/a.jpg"] is None
    assert len(data.images) == 4


def test_image_in_two_splits(tmp_path: Path) -> None:
    data = yolo(four(tmp_path, data_yaml="train: images\nval: images/two\nnames: [x]"))
    assert list(splits(data).values()) == ["train", "train", "val", "val"]
    ((kind, file, _, what),) = problems(data)
    assert (kind, file) == ("image-in-two-splits", "data.yaml")
    assert "2 images" in what
    same = yolo(four(tmp_path, data_yaml="train: images/one\nval: images/one\nnames: [x]"))
    assert list(splits(same).values()) == ["train", "train", None, None]
    assert told(same, "same-images-in-two-splits").startswith("train and val are the same 2 images")


def test_a_set_that_is_not_split(tmp_path: Path) -> None:
    data = yolo(four(tmp_path, data_yaml="train: images\nval: images\nnames: [x]"))
    assert list(splits(data).values()) == [None] * 4
    assert problems(data) == []


def test_the_folder_tells_which_of_two_splits_it_is(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"data.yaml": "train: images/val\nval: images/val\nnames: [x]", "images/val/a.jpg": None})
    assert splits(data) == {"images/val/a.jpg": "val"}


def test_a_split_of_another_name(tmp_path: Path) -> None:
    text = "train: images/fold1\nval: images/fold1\nfold1: images/fold1\nfold2: images/fold2\nnames: [x]"
    data = yolo(tmp_path, {"data.yaml": text, "images/fold1/a.jpg": None, "images/fold2/b.jpg": None})
    assert splits(data) == {"images/fold1/a.jpg": "fold1", "images/fold2/b.jpg": "fold2"}


def test_folders_name_splits_without_a_config(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"images/train2017/a.jpg": None, "valid/images/b.jpg": None, "x/c.jpg": None, "x/c.txt": ROW})
    assert splits(data) == {"images/train2017/a.jpg": "train", "valid/images/b.jpg": "val", "x/c.jpg": None}


def test_lists_name_splits(tmp_path: Path) -> None:
    four(tmp_path)
    data = yolo(
        tmp_path,
        {
            "train.txt": "./images/one/a.jpg\nimages/one/b.jpg\r\n\n",
            "val.txt": "data/images/two/a.jpg\nimages/two/gone.jpg\n../../etc/passwd.jpg\n",
            "train1.txt": "images/two/b.jpg\n",
        },
    )
    assert list(splits(data).values()) == ["train", "train", "val", None]
    assert "train1.txt" in told(data, "list-skipped")
    assert "data/images/two/a.jpg is images/two/a.jpg" in told(data, "path-resolved")
    assert [row[:2] for row in problems(data)] == [
        ("missing-image", "val.txt"),
        ("path-outside-dataset", "val.txt"),
    ]
    assert "1 of 3 images" in problems(data)[0][3]
    assert {roles(data)[name] for name in ("train.txt", "val.txt", "train1.txt")} == {"config"}
    assert len(data.images) == 4


def test_list_entry_of_another_split_is_missing(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"images/val/a.jpg": None, "labels/val/a.txt": ROW, "train.txt": "images/train/a.jpg\n"})
    assert splits(data) == {"images/val/a.jpg": "val"}
    assert "1 of 1 images" in problems(data)[0][3]


def test_list_that_names_an_image_twice(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"images/a.jpg": None, "labels/a.txt": ROW, "train.txt": "images/a.jpg\nimages/a.jpg\n"})
    assert [row[:2] for row in problems(data)] == [("duplicate-image-record", "train.txt")]
    assert len(data.images) == 1


def test_a_yaml_that_was_named_and_leads_out(tmp_path: Path) -> None:
    tree(tmp_path, {"pics/a.jpg": None, "cfg/data.yaml": "path: ../other\ntrain: x\nnames: [a]"})
    data = read(tmp_path / "cfg" / "data.yaml")
    ((kind, file, place, what),) = problems(data)
    assert (kind, file, place) == ("malformed-record", "data.yaml", "line 2")
    assert "tried ../other/x, x, other/x, any folder named train" in what
    assert what.endswith("give the folder that holds both")


def test_yaml_names_a_list(tmp_path: Path) -> None:
    lists = {"train.txt": "images/one/a.jpg\nimages/two/a.jpg\n", "sets/v.txt": f"{tmp_path}/images/one/b.jpg\n"}
    four(tmp_path, data_yaml="train: train.txt\nval: [sets/v.txt]\nnames: [x]")
    data = yolo(tmp_path, dict(lists))
    assert list(splits(data).values()) == ["train", "val", "train", None]
    assert kinds(data) == []


def test_darknet(tmp_path: Path) -> None:
    data = yolo(
        tmp_path,
        {
            "obj.data": "classes = 2\ntrain = data/train.txt\nvalid = data/val.txt\nnames = data/obj.names\n",
            "obj.names": "cat\ndog\n",
            "train.txt": "data/obj_train_data/a.jpg\n",
            "val.txt": "data/obj_val_data/b.jpg\n",
            "obj_train_data/a.jpg": None, "obj_train_data/a.txt": ROW,
            "obj_val_data/b.jpg": None, "obj_val_data/b.txt": "1 0.5 0.5 1 1",
        },
    )  # fmt: skip
    assert list(splits(data).values()) == ["train", "val"]
    assert names(data) == {0: "cat", 1: "dog"}
    assert "path-resolved" in kinds(data)
    assert len(data.problems) == 0
    assert roles(data)["obj.data"] == "config"


def test_two_configs(tmp_path: Path) -> None:
    four(tmp_path, data_yaml="train: nowhere\nval: neither\nnames: [x]")
    data = yolo(tmp_path, {"cfg/set.yaml": "path: ..\ntrain: images/one\nval: images/two\nnames: [y]\n"})
    text = told(data, "two-configs")
    assert text.startswith("cfg/set.yaml was taken, not data.yaml: 2 of the 2 places")
    assert "classes of data.yaml are others" in text
    assert names(data) == {0: "y"}
    assert [each.file for each in data.about.class_lists] == ["cfg/set.yaml", "data.yaml"]
    assert list(data.about.documents) == ["cfg/set.yaml", "data.yaml"]
    named = read(tmp_path / "data.yaml")
    assert names(named) == {0: "x"}
    assert "two-configs" not in kinds(named)


def test_other_yaml_files_are_no_configs(tmp_path: Path) -> None:
    data = yolo(
        tmp_path,
        {
            "a.jpg": None, "a.txt": ROW, "hyp.yaml": "lr0: 0.01\n", "model.yaml": "nc: 3\nbackbone: []\nhead: []\n",
            "broken.yaml": "a: [1\n", "list.yaml": "- 1\n",
        },
    )  # fmt: skip
    assert kinds(data) == ["class-names-unknown"]
    assert len(data.problems) == 0


def test_zip_in_a_folder_with_the_yaml_beside_it(tmp_path: Path) -> None:
    tree(tmp_path / "in", {"images/a.jpg": None, "labels/a.txt": ROW})
    (tmp_path / "out").mkdir()
    with zipfile.ZipFile(tmp_path / "out" / "archive.zip", "w") as archive:
        for path in sorted((tmp_path / "in").rglob("*.*")):
            archive.write(path, path.relative_to(tmp_path / "in").as_posix())
    tree(tmp_path / "out", {"data.yaml": "train: images\nnames: [pen]\n"})
    data = read(tmp_path / "out", format="yolo")
    assert names(data) == {0: "pen"}
    assert splits(data) == {"images/a.jpg": "train"}
    assert "data.yaml lies beside it" in told(data, "archive-inside")
    assert kinds(read(tmp_path / "out" / "archive.zip", format="yolo")) == ["class-names-unknown"]


# class names


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ("names: [cat, 'big dog']", {0: "cat", 1: "big dog"}),
        ("names:\n- cat\n- dog", {0: "cat", 1: "dog"}),
        ("names: {0: cat, 2: dog}", {0: "cat", 2: "dog"}),
        ("names:\n  - 0: cat\n  - 1: dog", {0: "cat", 1: "dog"}),
        ("names: {cat: 0, dog: 3}", {0: "cat", 3: "dog"}),
        ("names: cat", {0: "cat"}),
        ("names: ['1', 2, 0x3]", {0: "1", 1: "2", 2: "0x3"}),
        ("names: [a, a]", {0: "a", 1: "a"}),
        ("names: words.txt", {0: "bird", 1: "fish"}),
        ("nc: 3\ntrain: images", {0: "0", 1: "1", 2: "2"}),
    ],
)
def test_names(tmp_path: Path, config: str, wanted: dict[int, str]) -> None:
    data = yolo(
        tmp_path,
        {"images/a.jpg": None, "labels/a.txt": ROW, "data.yaml": config, "words.txt": "bird\nfish\n"},
    )
    assert names(data) == wanted
    assert data.categories["declared"].all()
    assert ("class-names-unknown" in kinds(data)) == (wanted[0] == "0")
    assert ("duplicate-class-name" in kinds(data)) == (wanted == {0: "a", 1: "a"})
    assert len(data.problems) == 0


def test_yaml_booleans_stay_text(tmp_path: Path) -> None:
    data = box_texts(tmp_path, ROW, "names: [yes, No, on, 'off', true, y, ~, 'null']\n")
    assert list(names(data).values()) == ["yes", "No", "on", "off", "true", "y", "~", "null"]
    texts = [notice.text for notice in data.about.notices if notice.kind == "yaml-boolean-name"]
    assert len(texts) == 6
    assert "class 0 is called yes" in texts[0]
    assert "boolean true" in texts[0]
    assert "boolean false" in texts[1]


def test_undeclared_ids(tmp_path: Path) -> None:
    data = box_texts(tmp_path, "0 .5 .5 1 1\n7 .5 .5 1 1\n1 .5 .5 1 1", "names: {0: a, 3: b}")
    assert names(data) == {0: "a", 1: "1", 3: "b", 7: "7"}
    assert data.categories["declared"].tolist() == [True, False, True, False]
    assert data.boxes["category_id"].tolist() == [0, 7, 1]
    assert data.about.class_lists[0].names == ("a", "", "", "b")


def test_bad_names_are_problems(tmp_path: Path) -> None:
    data = box_texts(tmp_path, ROW, "names:\n  0: a\n  -1: b\n  x: c\n  0: d\n  1: [e]\n")
    assert names(data) == {0: "a"}
    assert [row[2] for row in problems(data)] == ["line 3", "line 4", "line 5", "line 6"]


def test_every_class_list_is_kept(tmp_path: Path) -> None:
    notes = json.dumps({"categories": [{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}]})
    data = yolo(
        tmp_path,
        {
            "images/a.jpg": None, "labels/a.txt": ROW, "data.yaml": "names: [x, y]",
            "classes.txt": "cat\r\ndog\r\n\r\n", "sub/obj.names": "\ufeffdog\n\ncat", "notes.json": notes,
            "train/_darknet.labels": "a\n",
        },
    )  # fmt: skip
    assert [(each.file, each.names) for each in data.about.class_lists] == [
        ("data.yaml", ("x", "y")),
        ("classes.txt", ("cat", "dog")),
        ("notes.json", ("cat", "dog")),
        ("sub/obj.names", ("dog", "1", "cat")),
        ("train/_darknet.labels", ("a",)),
    ]
    assert names(data) == {0: "x", 1: "y"}


def test_label_studio(tmp_path: Path) -> None:
    data = yolo(
        tmp_path,
        {
            "images/a.jpg": None, "labels/a.txt": ROW, "classes.txt": "cat\n",
            "notes.json": '{"categories": [{"id": 0, "name": "cat"}], "info": {}}',
        },
    )  # fmt: skip
    assert names(data) == {0: "cat"}
    assert roles(data)["notes.json"] == "config"


def test_nc_against_names(tmp_path: Path) -> None:
    kind, place = "class-list-disagreement", ("data.yaml", "line 1")
    for names, count in (("[a]", 1), ("{0: a, 2: b}", 2)):
        what = f"nc says 3 classes, names has {count}: the trainer refuses to start"
        assert problems(box_texts(tmp_path, ROW, f"nc: 3\nnames: {names}")) == [(kind, *place, what)]
    assert not problems(box_texts(tmp_path, ROW, "nc: 2\nnames: [a, b]"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    data = yolo(
        tmp_path,
        {
            "images/a.jpg": None,
            "labels/a.txt": "0 0.5 0.5 0.2 0.4\r\n1 0.5 0.5 1 1".encode(encoding),
            "data.yaml": "names:\r\n- Äpfel\r\n- b\r\n".encode(encoding),
        },
    )
    assert names(data) == {0: "Äpfel", 1: "b"}
    assert len(data.boxes) == 2


# hostile configs


@pytest.mark.parametrize(
    ("config", "place", "what"),
    [
        ("train: images\nnames: !!python/object/apply:os.system ['touch x']\n", "line 2", "!!python/object"),
        ("names: [a, !evil b]\n", "line 1", "!evil"),
        ("names: [a\ntrain: images\n", "line 2", "not valid YAML"),
        ("names:\n\t- a\n", "line 2", "not valid YAML"),
        ("names: " + "[" * 3000 + "]" * 3000, "", "nested too deeply"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ) + "names: *i\n", "", "aliases"),
    ],
    ids=["python", "tag", "syntax", "tab", "depth", "laughs"],
)  # fmt: skip
def test_hostile_yaml_is_refused(tmp_path: Path, config: str, place: str, what: str) -> None:
    data = box_texts(tmp_path, ROW, config)
    ((kind, file, where, text),) = problems(data)
    assert (kind, file, where) == ("malformed-record", "data.yaml", place)
    assert what in text
    assert len(data.boxes) == 1
    assert kinds(data) == ["class-names-unknown"]
    assert not (tmp_path / "x").exists()


def test_download_is_never_run(tmp_path: Path) -> None:
    data = box_texts(tmp_path, ROW, "names: [a]\ndownload: |\n  import os; os.system('touch pwned')\n")
    assert "never run" in told(data, "yaml-download")


def test_huge_numbers_in_a_config_do_no_harm(tmp_path: Path) -> None:
    data = box_texts(tmp_path, ROW, "nc: 999999999999\nnames: {1000000000: a, 0: b}\nkpt_shape: [9999999999, 3]\n")
    assert names(data) == {0: "b", 1000000000: "a"}
    assert [row[2] for row in problems(data)] == ["line 1", "line 3"]


def test_label_reached_by_a_link_that_leaves_the_dataset(tmp_path: Path) -> None:
    tree(tmp_path / "set", {"a.jpg": None, "b.jpg": None, "b.txt": ROW})
    (tmp_path / "secret.txt").write_text("my secret\n")
    (tmp_path / "set" / "a.txt").symlink_to(tmp_path / "secret.txt")
    data = read(tmp_path / "set", format="yolo")
    what = "something is wrong in it; it is linked from outside the dataset, so its text is not shown"
    assert problems(data) == [("malformed-record", "a.txt", "line 1", what)]
    assert states(data)["a.jpg"] == "labelled"


# rows


def test_rows_of_every_kind(tmp_path: Path) -> None:
    text = "0 0.5 0.5 0.2 0.4\n\n1.0 .5\t.5 .2 .4 0.9  \n2 0.1 0.2 0.3 0.2 0.3 0.6\n0 0 0 1 0 1 1 0 1\n"
    data = box_texts(tmp_path, text)
    assert corners(data) == [[40, 15, 20, 20], [40, 15, 20, 20], [10, 10, 20, 20], [0, 0, 100, 50]]
    assert data.boxes["category_id"].tolist() == [0, 1, 2, 0]
    assert data.boxes["origin_place"].tolist() == [1, 3, 4, 5]
    assert data.boxes["score"].fillna(-1).tolist() == [-1, 0.9, -1, -1]
    masks = data.boxes["segmentation"].tolist()
    assert masks[:2] == [None, None]
    np.testing.assert_allclose(json.loads(masks[2]), [[10, 10, 30, 10, 30, 30]])
    assert json.loads(masks[3]) == [[0, 0, 100, 0, 100, 50, 0, 50]]
    assert "labels/a.txt line 5" in told(data, "ambiguous-rows")
    assert "1 label file mixes" in told(data, "mixed-rows")
    assert len(data.problems) == 0


@pytest.mark.parametrize(
    ("shape", "row", "wanted"),
    [
        ("[2, 3]", "0 .5 .5 .2 .4 .1 .2 2 0 0 0", [10, 10, 2, 0, 0, 0]),
        ("[3, 2]", "0 .5 .5 .2 .4 .1 .2 .3 .4 .5 .6", [10, 10, 2, 30, 20, 2, 50, 30, 2]),
    ],
)
def test_pose(tmp_path: Path, shape: str, row: str, wanted: list[float]) -> None:
    data = box_texts(tmp_path, row, f"names: [a]\nkpt_shape: {shape}\n")
    assert corners(data) == [[40, 15, 20, 20]]
    np.testing.assert_allclose(json.loads(data.boxes["keypoints"].iloc[0]), wanted)


@pytest.mark.parametrize(
    "row",
    [
        "0,0.5,0.5,0.2,0.4", "0, 0.5, 0.5, 0.2, 0.4", "0;0,5;0,5;0,2;0,4", "0 0,5 0,5 0,2 0,4", "0;0.5;0.5;0.2;0.4;",
        "0\t0,5\t0,5\t0,2\t0,4",
    ],
)  # fmt: skip
def test_commas_and_semicolons(tmp_path: Path, row: str) -> None:
    data = box_texts(tmp_path, f"0 0.5 0.5 0.2 0.4\n{row}\n")
    assert corners(data) == [[40, 15, 20, 20]] * 2
    what = "commas or semicolons stand in its numbers: the trainer cannot read it"
    assert problems(data) == [("unreadable-label-file", "labels/a.txt", "", what)]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (ROW.encode("utf-8-sig"), "it begins with a byte order mark"),
        (b"\xef\xbb\xbf", "it begins with a byte order mark"),
        (ROW.encode("utf-16"), "it is written in UTF-16, not in UTF-8"),
        (ROW.encode("utf-16-be"), "it is written in UTF-16, not in UTF-8"),
        (ROW.encode() + b"\x80 0.5 0.5 0.2 0.4\n", "it is not written in UTF-8"),
        (ROW.encode() + "Ärger 0.5 0.5 0.2 0.4\n".encode(), ""),
        (ROW.replace("\n", "\r").encode(), ""),
        ("# Größe\n".encode("cp1252"), ""),
    ],
)
def test_texts_that_the_trainer_cannot_read(tmp_path: Path, data: bytes, what: str) -> None:
    tree(tmp_path, {"images/a.jpg": None, "labels/a.txt": data})
    told = [row[3] for row in problems(read(tmp_path, format="yolo")) if row[0] == "unreadable-label-file"]
    assert told == ([f"{what}: the trainer cannot read it"] if what else [])


def test_a_misplaced_label_is_not_called_unreadable_too(tmp_path: Path) -> None:
    data = yolo(tmp_path, {"images/a.jpg": None, "txt/a.txt": ROW.encode("utf-8-sig")})
    assert [row[0] for row in problems(data)] == ["misplaced-label"]


def test_line_ends(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        data = box_texts(tmp_path, end.join([ROW.strip(), "", ROW.strip()]))
        assert data.boxes["origin_place"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("0 0.5 0.5 0.2", "4 columns"),
        ("5", "1 column in"),
        ("0 .1 .2 .3 .4 .5 .6 .7", "8 columns"),
        ("0 " + ".5 " * 55, "kpt_shape"),
        ("-1 0.5 0.5 0.2 0.2", "not a whole number"),
        ("0.5 0.5 0.5 0.2 0.2", "not a whole number"),
        ("1e10 0.5 0.5 0.2 0.2", "not a whole number"),
        ("car 0.5 0.5 0.2 0.2", "'car' is not a number"),
        ("0 nan 0.5 0.2 0.2", "'nan' is not a number"),
        ("0 0.5 inf 0.2 0.2", "'inf' is not a number"),
        ("0 0.5 1e308 0.2 0.2", "beyond 1e9"),
        ("0 0.5 1e999 0.2 0.2", "beyond 1e9"),
        ("0 0.5 0.5 0.2 1_0", "'1_0' is not a number"),
        ("0 0.5 0.5-0.2 0.2 1", "'0.5-0.2' is not a number"),
        ("0 0.5 0.5 0.2 0.2 \x00\x1b[31m", r"'\x00\x1b[31m' is not a number"),
        ("word" * 100, "…"),
    ],
)
def test_bad_rows(tmp_path: Path, row: str, what: str) -> None:
    data = box_texts(tmp_path, f"{ROW}{row}\n{ROW}")
    ((kind, file, place, text),) = problems(data)
    assert (kind, file, place) == ("malformed-record", "labels/a.txt", "line 2")
    assert what in text
    assert text.isprintable()
    assert max(len(part) for part in text.split("'")) <= 40 or "word" not in text
    assert data.boxes["origin_place"].tolist() == [1, 3]


def test_only_bad_rows_is_not_background(tmp_path: Path) -> None:
    data = box_texts(tmp_path, "0 0.5\n")
    assert states(data) == {"images/a.jpg": "labelled"}
    assert len(data.boxes) == 0
    assert len(data.problems) == 1


def test_values_outside_the_image_are_kept(tmp_path: Path) -> None:
    data = box_texts(tmp_path, "0 1.5 -0.5 0.2 0.4\n0 320 240 10 -10\n")
    assert corners(data) == [[140, -35, 20, 20], [31500, 12250, 1000, -500]]
    assert len(data.problems) == 0


def test_many_bad_lines_are_counted() -> None:
    found = parse_labels([b"1 2\n" * (MOST_BAD + 50), b"x\n" * (MOST_BAD + 7)])
    assert len(found.bad) == 2 * MOST_BAD + 2
    assert found.bad[MOST_BAD].what.startswith("50 more lines")
    assert found.bad[-1].what.startswith("7 more lines")


def test_quote() -> None:
    assert quote("a\tb") == r"'a\tb'"
    assert len(quote("x" * 500)) == 40
    assert quote("\u202e") == r"'\u202e'"


NUMBERS = st.floats(-2, 2).map(lambda value: f"{value:.6f}")
LINES = st.one_of(
    st.just(""),
    st.tuples(st.integers(0, 90).map(str), NUMBERS, NUMBERS, NUMBERS, NUMBERS).map(" ".join),
    st.tuples(st.integers(-1, 9).map(str), st.lists(NUMBERS, max_size=12).map(" ".join)).map(" ".join),
)


@given(st.lists(st.lists(LINES, max_size=6), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_reading_all_at_once_is_reading_one_by_one(files: list[list[str]], end: str) -> None:
    plain = [end.join(lines).encode() for lines in files]
    fast = parse_labels(plain)
    slow = parse_labels([b"\xef\xbb\xbf" + text for text in plain])
    assert all(np.array_equal(one, other) for one, other in zip(fast.rows, slow.rows, strict=True))
    assert fast.bad == slow.bad
    assert fast.blank.tolist() == slow.blank.tolist() == [not text.strip() for text in plain]
    alone = [parse_labels([text]) for text in plain]
    assert [bad.line for each in alone for bad in each.bad] == [bad.line for bad in fast.bad]
    assert sum(len(each.rows.line) for each in alone) == len(fast.rows.line)


def test_batches_are_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        "",
        ROW,
        "1 .1 .1 .5 .1 .5 .5\n" + ROW * 3,
        "2 .5 .5 .1 .1 .9\n",
        "0 .5 .5 .1 .1 " + ".2 .3 2 " * 2 + "\n",
        "x\n",
        ROW * 40,
    ]
    files: dict[str, str | bytes | None] = {"data.yaml": "names: [a, b, c]\nkpt_shape: [2, 3]\n"}
    for number, text in enumerate(texts):
        files |= {f"images/{number}.jpg": None, f"labels/{number}.txt": text}
    files["images/1.png"] = None  # a second image of one label file
    whole = yolo(tmp_path, files)
    assert len(whole.boxes) == 48
    for batch in (1, 2, 3):
        monkeypatch.setattr(pairs, "BATCH", batch)
        parts = yolo(tmp_path)
        for table in ("images", "boxes", "categories", "problems"):
            pd.testing.assert_frame_equal(getattr(whole, table), getattr(parts, table))


@given(st.lists(st.one_of(st.binary(max_size=60), st.text(alphabet="0123456789.,;-e \n\r\t\x00x", max_size=40))))
def test_any_text_parses_or_is_told(texts: list[bytes | str]) -> None:
    data = [text.encode() if isinstance(text, str) else text for text in texts]
    found = parse_labels(data, (2, 2))
    assert all(np.isfinite(values).all() for values in (*found.rows[4:8], found.rows.values))
    for bad in found.bad:
        assert bad.what.isprintable()
        assert len(bad.what) < 250


@given(st.one_of(st.text(max_size=80), st.text(alphabet="names:trainvl[]{}-!&*'\"\\Ux019 \n", max_size=80)))
@example('names: "\\UFFFFFFFF"')
@example("names: &a [*a]")
def test_any_yaml_is_read_or_refused(text: str) -> None:
    config, refused = parse_yaml("data.yaml", text)
    assert config is None or not refused


# recognition


def sure(root: Path) -> float:
    match = sniff(open_request(root, image_root=None, voc_offset=None, no_label_file="unlabelled", progress=None))
    return match.sure if match else 0.0


def test_sniff(tmp_path: Path) -> None:
    assert sure(tree(tmp_path / "1", {"images/a.jpg": None, "labels/a.txt": ROW, "data.yaml": "names: [a]"})) == 0.9
    assert sure(tree(tmp_path / "2", {"a.jpg": None, "a.txt": ROW})) == 0.8
    assert sure(tree(tmp_path / "3", {"labels/a.txt": "0 .1 .1 .2 .2 .3 .3"})) == 0.8
    assert sure(tree(tmp_path / "4", {"images/a.jpg": None, "labels/a.txt": ""})) == 0.4
    assert sure(tree(tmp_path / "5", {"images/a.jpg": None, "data.yaml": "train: images\nnames: [a]"})) == 0.5
    assert sure(tree(tmp_path / "6", {"a.jpg": None, "README.txt": "hello", "list.txt": "a\nb"})) == 0
    assert sure(tree(tmp_path / "7", {"a.jpg": None, "Main/train.txt": "2007_01 -1\n2007_02  1\n"})) == 0


def test_progress_is_told(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    tree(tmp_path, {"a.jpg": None, "a.txt": ROW})
    read(tmp_path, format="yolo", progress=lambda *args: seen.append(args))
    assert ("reading labels", 1, 1) in seen
    assert ("reading image headers", 1, 1) in seen


# real sets


def test_ships(shared_data: Path) -> None:
    data = read(shared_data / "ships-yolov8")
    images, boxes = data.images, data.boxes
    there = images["member"].notna()
    assert (there.sum(), (~there).sum(), len(boxes)) == (567, 34, 708)
    assert boxes["segmentation"].notna().sum() == 112
    unlabelled = images[images["label_state"] == "unlabelled"]
    assert set(unlabelled["split"]) == {"train"}
    assert len(unlabelled) == 88
    counts = images[there]["split"].value_counts().to_dict()
    assert counts == {"train": 405, "val": 99, "test": 63}
    odd = boxes[boxes["category_id"] > 0]
    assert (len(odd), odd["category_id"].min(), odd["category_id"].max()) == (188, 1, 44)
    assert data.categories["declared"].sum() == 1
    assert len(data.categories) == 27
    assert set(images[~there]["unit"]) == {"relative"}
    assert "validate/images was taken" in told(data, "path-resolved")
    assert list(roles(data).values()).count("junk") == 9
    assert len(data.problems) == 0
    assert images["origin_file"].notna().sum() == 513


def test_pen(shared_data: Path) -> None:
    folder, archive = read(shared_data / "pen-zip"), read(shared_data / "pen-zip" / "archive.zip")
    for data in (folder, archive):
        assert (len(data.images), len(data.boxes)) == (40, 44)
        assert set(data.images["unit"]) == {"px"}
        assert data.images["split"].isna().all()
    assert names(folder) == {0: "PEN"}
    assert {"archive-inside", "split-absent"} <= set(kinds(folder))
    assert [row[2] for row in problems(folder)] == ["line 1", "line 2"]
    assert kinds(archive) == ["class-names-unknown"]
    assert len(archive.problems) == 0


def test_aerial_cars(shared_data: Path) -> None:
    data = read(shared_data / "aerial-cars")
    assert (len(data.images), len(data.boxes), len(data.problems)) == (19, 569, 2)
    assert names(data) == {0: "car", 1: "truck", 2: "bus", 3: "minibus", 4: "cyclist"}
    assert data.images["split"].value_counts().to_dict() == {"train": 5, "test": 1}
    assert "full2.txt" in told(data, "list-skipped")
    assert "train1.txt" in told(data, "list-skipped")
    assert {row[0] for row in problems(data)} == {"missing-image"}


def test_odd_ones(shared_data: Path) -> None:
    odd = shared_data / "odd"
    relaxed = read(odd / "datumaro-kaggle-relaxed-yolo")
    assert names(relaxed) == {1: "1", 2: "2", 3: "3", 4: "4"}
    assert kinds(relaxed) == ["class-names-unknown"]
    roboflow = read(odd / "datumaro-roboflow-yolo")
    assert splits(roboflow)["val/images/val_001.jpg"] == "val"
    assert kinds(roboflow) == ["path-resolved"]
    strict = read(odd / "datumaro-yolo-strict")
    assert (len(strict.images), len(strict.boxes), len(strict.categories)) == (1, 2, 10)
    assert set(splits(strict).values()) == {"train"}
    assert set(kinds(strict)) == {"path-resolved"}
    weird = read(odd / "labelformat-yolov8-weird-names")
    assert (len(weird.images), len(weird.boxes)) == (2, 16)
    assert names(weird)[1] == "bicycle with space"
    assert "images/a-difficult subfolder/a-weird Filename.asdf.jpg" in splits(weird)
    assert set(splits(weird).values()) == {"train"}
    assert kinds(weird) == []
