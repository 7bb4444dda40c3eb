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


def test_real_sets_hold_one_format(shared_data: Path) -> None:
    for name in ("raccoon", "bccd", "coco-tiny", "ships-yolov8", "traffic-ground", "bccd-planted"):
        assert not others(dsq.read(shared_data / name)), name
