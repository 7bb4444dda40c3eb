"""Which format a source is read as, and what is said of the others that it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import dsq

XML = (
    "<annotation><filename>{0}.jpg</filename><size><width>64</width><height>48</height></size><object><name>cat</name>"
    "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></object></annotation>"
)


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Ten images, labelled in COCO, VOC and YOLO."""
    for folder in ("images", "labels", "annotations"):
        (tmp_path / folder).mkdir()
    for n in range(10):
        Image.new("RGB", (64, 48)).save(tmp_path / f"images/{n}.jpg")
        (tmp_path / f"labels/{n}.txt").write_text("0 .5 .5 .2 .2\n")
        (tmp_path / f"annotations/{n}.xml").write_text(XML.format(n))
    images = [{"id": n + 1, "file_name": f"{n}.jpg", "width": 64, "height": 48} for n in range(10)]
    boxes = [{"id": n + 1, "image_id": n + 1, "category_id": 1, "bbox": [2, 2, 9, 9]} for n in range(10)]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "coco.json").write_text(json.dumps(document))
    return tmp_path


def others(data: dsq.Dataset) -> list[str]:
    return [notice.text for notice in data.about.notices if notice.kind == "other-formats"]


def test_other_formats_are_told(several: Path) -> None:
    data = dsq.read(several)
    assert data.about.format == "coco"
    (text,) = others(data)
    assert text == (
        "it also holds 10 XML files with <annotation> in annotations (voc) and 10 text files in labels/ (yolo), "
        "which were not read; --format picks"
    )
    assert data.about.notices[0].text == text


def test_a_format_that_was_picked_needs_no_note(several: Path) -> None:
    for name in ("voc", "yolo", "coco"):
        data = dsq.read(several, format=name)
        assert data.about.format == name and not others(data)


def test_one_format_needs_no_note(several: Path) -> None:
    (several / "coco.json").unlink()
    for path in (several / "labels").iterdir():
        path.unlink()
    data = dsq.read(several)
    assert data.about.format == "voc" and not others(data)


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    """Three images of which nothing is said."""
    for n in range(3):
        (tmp_path / "JPEGImages").mkdir(exist_ok=True)
        Image.new("RGB", (64, 48)).save(tmp_path / f"JPEGImages/{n}.jpg")
    return tmp_path


def test_lists_of_image_sets_say_that_it_is_voc(unlabelled: Path) -> None:
    for place in ("ImageSets/Main", "ImageSets/Unlabelled"):
        root = unlabelled / place
        root.mkdir(parents=True)
        (root / "train.txt").write_text("0\n1\n")
        (root / "val.txt").write_text("2\n")
        data = dsq.read(unlabelled)
        assert data.about.format == "voc" and not len(data.problems)
        assert data.images["split"].tolist() == ["train", "train", "val"]
        assert set(data.images["label_state"]) == {"unlabelled"}
        out = unlabelled.parent / f"out-{root.name}"
        assert not dsq.export(data, out)
        assert dsq.read(out).images["split"].tolist() == ["train", "train", "val"]
        for path in root.iterdir():
            path.unlink()
    (root / "train.txt").write_text("elsewhere\n")
    assert dsq.read(unlabelled).about.format == "images"


@pytest.mark.parametrize("name", ["voc", "yolo"])
def test_a_format_that_is_named_is_taken_for_unlabelled_images(unlabelled: Path, name: str) -> None:
    assert dsq.read(unlabelled).about.format == "images"
    data = dsq.read(unlabelled, format=name)
    assert data.about.format == name and set(data.images["label_state"]) == {"unlabelled"}
    (notice,) = [notice for notice in data.about.notices if notice.kind == "no-annotations"]
    assert "3 images" in notice.text and "unlabelled" in notice.text
    assert dsq.export(data, unlabelled.parent / f"out-{name}").as_dict() == {}


def test_a_format_that_is_named_wrongly_is_refused(several: Path) -> None:
    (several / "coco.json").unlink()
    for gone, wrong, right in (("annotations", "voc", "yolo"), ("labels", "yolo", None)):
        for path in (several / gone).iterdir():
            path.unlink()
        if right is not None:
            with pytest.raises(dsq.ReadError, match="10 text files in labels/"):
                dsq.read(several, format=wrong)
    (several / "labels.csv").write_text("filename,xmin,ymin,xmax,ymax,class\n0.jpg,1,2,3,4,cat\n")
    with pytest.raises(dsq.ReadError, match="voc"):
        dsq.read(several, format="voc")


def test_real_sets_hold_one_format(shared_data: Path) -> None:
    for name in ("raccoon", "bccd", "coco-tiny", "ships-yolov8", "traffic-ground", "bccd-planted"):
        assert not others(dsq.read(shared_data / name)), name
