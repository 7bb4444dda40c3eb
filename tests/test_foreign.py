"""Annotations of other tools are named and refused, and pictures alone are still pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dsq.errors import ReadError
from dsq.formats import read

BOX = {"x": 1, "y": 2, "width": 30, "height": 20}
VIA_REGION = {"shape_attributes": {"name": "rect", **BOX}, "region_attributes": {"class": "cat"}}
LABELME = {"version": "5.2.1", "flags": {}, "shapes": [], "imagePath": "0.jpg", "imageData": None}
SUPERVISELY = {"description": "", "tags": [], "size": {"height": 24, "width": 32}, "objects": []}
STUDIO = {"type": "rectanglelabels", "value": {**BOX, "rectanglelabels": ["cat"]}}
KITTI = "Car 0.00 0 -1.58 52.00 65.00 92.00 151.00 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
DOTA = "imagesource:GoogleEarth\ngsd:0.14\n26 95 81 95 81 174 26 174 small-vehicle 0\n"

FOREIGN: list[tuple[str, Any, str]] = [
    ("via_region_data.json", {"0.jpg1234": {"filename": "0.jpg", "regions": [VIA_REGION]}}, "VIA"),
    ("via.json", {"_via_settings": {}, "_via_img_metadata": {}}, "VIA"),
    ("0.json", LABELME, "labelme"),
    ("ds1/ann/0.jpg.json", SUPERVISELY, "Supervisely"),
    ("ann/0.jpg.json", {**SUPERVISELY, "objects": [{"classTitle": "cat", "geometryType": "rectangle"}]}, "Supervisely"),
    ("p.json", [{"id": 1, "data": {"image": "0.jpg"}, "annotations": [{"id": 1, "result": [STUDIO]}]}], "Label Studio"),
    ("min.json", [{"image": "0.jpg", "id": 1, "label": [{**BOX, "rectanglelabels": ["cat"]}]}], "Label Studio"),
    ("none.json", [{"id": 1, "annotations": [{"id": 2, "result": []}], "data": {"image": "0.jpg"}}], "Label Studio"),
    ("c.json", [{"image": "0.jpg", "annotations": [{"label": "cat", "coordinates": BOX}]}], "CreateML"),
    ("d.json", {"dm_format_version": "1.0", "categories": {}, "items": [{"id": "0", "annotations": []}]}, "Datumaro"),
    ("d.json", {"info": {}, "categories": {"label": {"labels": []}}, "items": [{"annotations": []}]}, "Datumaro"),
    ("x-asset.json", {"asset": {"id": "x", "name": "0.jpg"}, "regions": []}, "VoTT"),
    ("bdd.json", [{"name": "0.jpg", "labels": [{"category": "car", "box2d": {"x1": 1}}]}], "BDD100K"),
    ("a.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n0.jpg,32,24,cat,1,2,3,4\n", "CSV"),
    ("a.csv", "/data/0.jpg,1,2,30,20,cat\n/data/1.jpg,,,,,\n"[:24], "CSV"),
    ("a.csv", "image_id;x;y;w;h;label\n0.jpg;1;2;3;4;cat\n", "CSV"),
    ("a.csv", "cat,1,2,3,4,0.jpg,32,24\n", "CSV"),
    ("metadata.jsonl", {"file_name": "0.jpg", "objects": {"bbox": [[1, 2, 3, 4]], "categories": [0]}}, "Hugging Face"),
    ("label_2/0.txt", KITTI, "KITTI"),
    ("labelTxt/0.txt", DOTA, "DOTA"),
    ("train.txt", "data/0.jpg 1,2,30,20,0 5,5,9,9,1\ndata/1.jpg 1,2,30,20,0\n", "list of images with their boxes"),
    ("wider.txt", "0--Parade/0.jpg\n1\n449 330 122 149 0 0 0 0 0 0\n", "WIDER FACE"),
    ("set.vott", "{}", "VoTT"),
    ("train.tfrecord", "x", "TFRecord"),
]  # fmt: skip
NAMES = [f"{name}:{what}" for name, _, what in FOREIGN]


def pictures(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 24)).save(root / name)
    return root


def put(root: Path, name: str, content: Any) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(("name", "content", "what"), FOREIGN, ids=NAMES)
def test_foreign_annotations_are_named(tmp_path: Path, name: str, content: Any, what: str) -> None:
    path = put(pictures(tmp_path, "0.jpg", "images/1.jpg"), name, content)
    with pytest.raises(ReadError) as caught:
        read(tmp_path)
    assert name in str(caught.value) and what in str(caught.value)
    assert "which dsq does not read" in str(caught.value)
    assert caught.value.hint and "--format images" in caught.value.hint
    assert len(read(tmp_path, format="images").images) == 2
    with pytest.raises(ReadError, match="which dsq does not read") as named:
        read(path)
    assert what in str(named.value)
    assert "--format images" not in str(named.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README.txt", "Pictures of cats.\nTaken in 2024.\n"),
        ("metadata.csv", "file_name,width,height,label\n0.jpg,32,24,cat\n"),
        ("sizes.csv", "0.jpg,32,24,3\n"),
        ("exif.json", {"0.jpg": {"make": "x", "iso": 100}}),
        ("package.json", {"name": "site", "assets": {}, "categories": {}}),
        ("names.txt", "0.jpg\n"),
        ("empty.csv", ""),
    ],
)
def test_pictures_with_other_files_are_bare_images(tmp_path: Path, name: str, content: Any) -> None:
    put(pictures(tmp_path, "0.jpg"), name, content)
    data = read(tmp_path)
    assert data.about.format == "images"
    told = [notice.text for notice in data.about.notices]
    assert told == ([] if name == "README.txt" else [f"{name} was not recognised as annotations."])


def test_the_most_common_kind_is_named(tmp_path: Path) -> None:
    put(pictures(tmp_path, "0.jpg"), "boxes.csv", "xmin,ymin,xmax,ymax\n")
    for number in range(20):
        put(tmp_path, f"{number}.json", LABELME)
    with pytest.raises(ReadError, match=r"0\.json and others: labelme JSON"):
        read(tmp_path)


def test_a_dataset_beside_them_is_read(tmp_path: Path) -> None:
    put(pictures(tmp_path, "images/0.jpg"), "labels/0.txt", "0 .5 .5 .2 .2\n")
    put(tmp_path, "_annotations.csv", "xmin,ymin,xmax,ymax\n")
    assert read(tmp_path).about.format == "yolo"


def test_without_pictures(tmp_path: Path) -> None:
    put(tmp_path, "0.json", LABELME)
    with pytest.raises(ReadError, match="labelme") as caught:
        read(tmp_path)
    assert "--format images" not in str(caught.value)


def test_a_broken_file_of_ours_is_told_before_theirs(tmp_path: Path) -> None:
    put(pictures(tmp_path, "0.jpg"), "coco.json", '{"images": [{"id": 1}], "annotations": [')
    put(tmp_path, "boxes.csv", "xmin,ymin,xmax,ymax\n")
    with pytest.raises(ReadError) as caught:
        read(tmp_path)
    assert "coco.json" in str(caught.value)
