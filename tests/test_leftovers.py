"""What another format loses beside the tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dsq
from dsq.formats.leftovers import count_extras, says_more
from dsq.formats.voc.xml import STAMP


def test_what_tools_fill_in_unasked_is_no_loss() -> None:
    source = f"<source><database>Unknown</database><annotation>{STAMP}1 unsaid=difficult</annotation></source>"
    filled = f"<folder>a</folder><path>/x/a.jpg</path>{source}<size><depth>3</depth></size><segmented>0</segmented>"
    unknown = "<database>Unknown</database><annotation>Unknown</annotation><image>Unknown</image>"
    filled += f"<source>{unknown}</source><filename>b.jpg</filename>"
    blobs = [None, filled.encode(), b"<pose>Unspecified</pose>", b"<pose>Left</pose>", b"<owner/>", b'{"id":1}', None]
    assert count_extras(np.array(blobs, object)) == 3
    said = b"<source><database>Unknown</database><annotation>VOC2007</annotation></source>"
    assert count_extras(np.array([said], object)) == 1


def test_how_a_record_spells_its_file_is_no_loss() -> None:
    """The image is called otherwise in any other format; what its record did not say is no more to be said."""
    blobs = [
        b'{"file_name":"a.jpg"}', b'{"dsq:absent":["iscrowd"]}', b'{"file_name":"a.jpg","dsq:absent":["width"]}',
        b'{"file_name":"a.jpg","license":1}', b'{"width":"640"}',
    ]  # fmt: skip
    assert count_extras(np.array(blobs, object)) == 2


def test_file_names_below_a_folder_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "images" / "train").mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(tmp_path / "images" / "train" / "a.jpg")
    images = [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}]
    boxes = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "train.json").write_text(json.dumps(document))
    data = dsq.read(tmp_path)
    assert data.images["extras"].notna().all()
    for to in ("voc", "yolo"):
        assert "extras-dropped" not in dsq.export(data, tmp_path.parent / to, to=to, dry_run=True).counts
    assert count_extras(np.empty(0, object)) == 0


@pytest.mark.parametrize(
    ("name", "raw", "more"),
    [
        ("a.json", b'{"images": [], "categories": [1]}', False),
        ("a.json", b'{"info": {}, "licenses": []}', False),
        ("a.json", b'{"info": {"year": 2017}}', True),
        ("data.yaml", b"path: .\nnames:\n  0: cat\nnc: 1\n", False),
        ("data.yaml", b"names: [cat]\nroboflow:\n  license: MIT\n", True),
        ("labelmap.txt", b"cat:::", False),
    ],
)
def test_documents_that_say_more(name: str, raw: bytes, more: bool) -> None:
    assert says_more(name, raw) is more
