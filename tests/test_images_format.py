"""Bare images: a folder or zip of pictures."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from dsq.errors import ReadError
from dsq.formats import read


def picture(path: Path, size: tuple[int, int] = (64, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def test_pictures_are_unlabelled_images(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "a.jpg")
    picture(tmp_path / "b.PNG", (10, 20))
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / ".DS_Store").write_text("x")
    data = read(tmp_path)
    assert data.about.format == "images"
    assert data.about.why == ("3 pictures, no annotations that were recognised",)
    assert data.images["file"].tolist() == ["b.PNG", "broken.jpg", "train/a.jpg"]
    assert set(data.images["label_state"]) == {"unlabelled"}
    assert data.images["width"].tolist()[::2] == [10, 64]
    assert data.images["width"].isna().tolist() == [False, True, False]
    assert data.images["split"].tolist()[2] == "train"
    assert data.images["split"].isna().sum() == 2
    assert data.headers is not None
    assert data.headers["image_id"].tolist() == [1, 2, 3]
    assert len(data.boxes) == len(data.categories) == len(data.problems) == 0
    assert sorted(data.files["role"]) == ["image", "image", "image", "junk", "other"]


def test_zip_of_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(tmp_path / "a.jpg", "in/a.jpg")
        archive.writestr("../../evil.jpg", b"x")
    data = read(tmp_path / "set.zip")
    assert data.images["member"].tolist() == ["in/a.jpg"]
    assert data.images["source"].tolist() == ["set"]
    assert data.problems["kind"].tolist() == ["path-outside-dataset"]


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(ReadError, match="no dataset was recognised"):
        read(tmp_path)
    with pytest.raises(ReadError, match="could be read as images"):
        read(tmp_path, format="images")


def test_any_annotation_is_surer(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    assert read(tmp_path).about.format == "yolo"
    assert read(tmp_path, format="images").about.format == "images"
