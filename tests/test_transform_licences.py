"""Images of merged COCO sets name the licence that they had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

import dsq
from dsq.transform.merge import merge


def coco(root: Path, documents: dict[str, tuple[dict[str, Any], list[dict[str, Any]] | None]]) -> dsq.Dataset:
    """A COCO set: by file name of its JSON the image record and the licences (None: no such list)."""
    for number, (name, (more, licences)) in enumerate(documents.items(), 1):
        file = f"{root.name}-{number}.png"
        root.mkdir(exist_ok=True)
        Image.new("RGB", (64, 48), (number, 2, 3)).save(root / file)
        boxes = [{"id": number, "image_id": number, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}]
        document = {
            "images": [{"id": number, "file_name": file, "width": 64, "height": 48, **more}],
            "annotations": boxes, "categories": [{"id": 1, "name": "cat"}], "info": {"year": number},
        }  # fmt: skip
        if licences is not None:
            document["licenses"] = licences
        (root / name).write_text(json.dumps(document))
    return dsq.read(root)


def named(place: Path) -> dict[str, Any]:
    """The name of the licence of each image, as COCO's tools look it up."""
    found = {}
    for path in place.rglob("*.json"):
        document = json.loads(path.read_text())
        licences = {each["id"]: each["name"] for each in document["licenses"]}
        assert len(licences) == len(document["licenses"])
        for image in document["images"]:
            found[image["file_name"]] = licences[image["license"]] if "license" in image else None
    return found


MIT, CC, GPL = {"id": 1, "name": "MIT"}, {"id": 1, "name": "CC"}, {"id": 7, "name": "GPL", "url": "x"}


def test_lists_that_differ_become_one(tmp_path: Path) -> None:
    one = coco(tmp_path / "one", {"a.json": ({"license": 1}, [MIT, GPL])})
    two = coco(tmp_path / "two", {"b.json": ({"license": 1}, [CC])})
    three = coco(tmp_path / "three", {"c.json": ({"license": 3}, [{"url": "x", "name": "GPL", "id": 3}])})
    done = merge([one, two, three]).dataset
    losses = dsq.export(done, tmp_path / "out", to="coco").as_dict()
    assert named(tmp_path / "out") == {"one-1.png": "MIT", "two-1.png": "CC", "three-1.png": "GPL"}
    assert "licences-dropped" not in losses
    again = merge([merge([one, two]).dataset, three]).dataset
    dsq.export(again, tmp_path / "again", to="coco")
    assert named(tmp_path / "again") == named(tmp_path / "out")


def test_equal_lists_and_other_keys_stay(tmp_path: Path) -> None:
    one = coco(tmp_path / "one", {"a.json": ({"license": 7, "taken": "now"}, [MIT, GPL])})
    two = coco(tmp_path / "two", {"b.json": ({"license": 9}, [MIT, GPL])})
    done = merge([one, two]).dataset
    assert [json.loads(blob) for blob in done.images["extras"]] == [{"license": 7, "taken": "now"}, {"license": 9}]


def test_a_licence_that_no_list_explains(tmp_path: Path) -> None:
    one = coco(tmp_path / "one", {"a.json": ({"license": 5}, [MIT])})
    two = coco(tmp_path / "two", {"b.json": ({}, [{"id": 5, "name": "CC"}])})
    done = merge([one, two]).dataset
    dsq.export(done, tmp_path / "out", to="coco")
    assert named(tmp_path / "out") == {"one-1.png": None, "two-1.png": None}
    assert [notice.kind for notice in done.about.notices] == ["licences-unknown"]


def test_beside_another_format(tmp_path: Path) -> None:
    one = coco(tmp_path / "one", {"a.json": ({"license": 7}, [MIT, GPL])})
    labels = tmp_path / "yolo"
    labels.mkdir()
    Image.new("RGB", (64, 48), (9, 9, 9)).save(labels / "y.png")
    (labels / "y.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    losses = dsq.export(merge([one, dsq.read(labels)]).dataset, tmp_path / "out", to="coco").as_dict()
    assert named(tmp_path / "out") == {"one-1.png": "GPL", "y.png": None}
    assert losses["documents-dropped"] == 1  # its info


def test_one_set_whose_files_have_other_lists(tmp_path: Path) -> None:
    """Dealt out anew, no file of the set lays it out any more: what cannot be told is lost by name."""
    data = coco(tmp_path / "one", {"train.json": ({"license": 1}, [MIT]), "val.json": ({"license": 1}, [CC])})
    dsq.export(data, tmp_path / "same", to="coco")
    assert sorted(named(tmp_path / "same").values()) == ["CC", "MIT"]
    losses = dsq.export(dsq.split(data, [1, 1]).dataset, tmp_path / "out", to="coco").as_dict()
    assert losses["licences-dropped"] == 2
    assert set(named(tmp_path / "out").values()) == {None}
    joined = merge([data, coco(tmp_path / "two", {"b.json": ({"license": 1}, [GPL | {"id": 1}])})]).dataset
    dsq.export(joined, tmp_path / "joined", to="coco")
    assert named(tmp_path / "joined") == {"one-1.png": "MIT", "one-2.png": "CC", "two-1.png": "GPL"}


def test_lists_that_are_none(tmp_path: Path) -> None:
    one = coco(tmp_path / "one", {"a.json": ({"license": "x"}, [])})
    odd = coco(tmp_path / "odd", {"b.json": ({"license": 1}, ["MIT"])})  # type: ignore[list-item]
    bare = coco(tmp_path / "bare", {"c.json": ({"license": 1}, None)})
    done = merge([one, odd, bare]).dataset
    dsq.export(done, tmp_path / "out", to="coco")
    assert json.loads((tmp_path / "out/annotations/instances.json").read_text())["licenses"] == []
