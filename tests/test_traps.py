"""What converters are known to get wrong, one small set a trap, through dsq.convert."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dsq.conversion import convert
from dsq.formats import read

SIDES = ["x", "y", "width", "height"]


def picture(path: Path, size: tuple[int, int] = (640, 480)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (30, 90, 160)).save(path)


def make_coco(root: Path, boxes: dict[str, list[dict[str, Any]]], classes: dict[int, str]) -> Path:
    """A COCO set with these boxes by image, and pictures of 640 × 480."""
    for name in boxes:
        picture(root / "images" / name)
    images = [{"id": number, "file_name": name, "width": 640, "height": 480} for number, name in enumerate(boxes, 10)]
    rows = [
        {"iscrowd": 0, "area": row["bbox"][2] * row["bbox"][3], "image_id": number, **row}
        for number, held in enumerate(boxes.values(), 10)
        for row in held
    ]
    rows = [{"id": number, **row} for number, row in enumerate(rows, 1)]
    categories = [{"id": number, "name": name} for number, name in classes.items()]
    (root / "all.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": categories}))
    return root


def make_voc(root: Path, objects: dict[str, str], files: dict[str, str] | None = None) -> Path:
    """A VOC set of 640 × 480 pictures; objects: the inside of each XML by stem. files: <filename> that differ."""
    (root / "Annotations").mkdir(parents=True)
    for stem, inside in objects.items():
        file = (files or {}).get(stem, f"{stem}.jpg")
        picture(root / "JPEGImages" / file)
        size = "<size><width>640</width><height>480</height><depth>3</depth></size>"
        text = f"<annotation><filename>{file}</filename>{size}{inside}</annotation>"
        (root / "Annotations" / f"{stem}.xml").write_text(text)
    return root


def make_object(name: str, *corners: float, more: str = "") -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name>{more}<bndbox>{inner}</bndbox></object>"


def make_yolo(root: Path, labels: dict[str, str | None], names: tuple[str, ...] = ("ant", "bee", "cow")) -> Path:
    """A YOLO set of 640 × 480 pictures; labels: rows by stem, None for no label file."""
    (root / "labels").mkdir(parents=True)
    for stem, rows in labels.items():
        picture(root / "images" / f"{stem}.jpg")
        if rows is not None:
            (root / "labels" / f"{stem}.txt").write_text(rows)
    (root / "data.yaml").write_text(f"train: images\nval: images\nnames: {list(names)}\n")
    return root


def load(place: Path) -> Any:
    (file,) = place.rglob("*.json")
    return json.loads(file.read_text())


def box(*sides: float, category: int = 1, **more: Any) -> dict[str, Any]:
    return {"bbox": list(sides), "category_id": category, **more}


CROWD = box(100, 0, 50, 100, iscrowd=1, segmentation={"size": [480, 640], "counts": [0, 307200]})


@pytest.mark.parametrize("to", ["yolo", "voc"])
def test_crowds_are_no_objects(tmp_path: Path, to: str) -> None:
    source = make_coco(tmp_path / "set", {"a.jpg": [box(1, 2, 30, 40), CROWD], "b.jpg": [CROWD]}, {1: "person"})
    losses = convert(source, tmp_path / "out", to=to)
    found = read(tmp_path / "out")
    assert losses.counts["crowd-dropped"] == 2 and losses.counts["images-emptied"] == 1
    assert found.boxes[SIDES].round(6).to_numpy().tolist() == [[1, 2, 30, 40]]
    states = dict(zip(found.images["file"].str[-5:], found.images["label_state"], strict=True))
    assert states == {"a.jpg": "labelled", "b.jpg": "unlabelled"}, "a crowd is no background either"


@pytest.mark.parametrize("to", ["yolo", "voc"])
@pytest.mark.parametrize("other", ["1.png", "1.JPG", "sub/1.jpg"])
def test_images_of_one_stem_keep_their_own_boxes(tmp_path: Path, to: str, other: str) -> None:
    held = {"1.jpg": [box(10, 20, 30, 40)], other: [box(50, 60, 70, 80)]}
    losses = convert(make_coco(tmp_path / "set", held, {1: "x"}), tmp_path / "out.zip", to=to)
    found = read(tmp_path / "out.zip")
    assert len(found) == 2
    assert sorted(found.boxes["x"].round(6)) == [10, 50]
    assert found.boxes["image_id"].nunique() == 2
    assert losses.counts.get("images-renamed", 0) == ("/" not in other)


@pytest.mark.parametrize("to", ["yolo", "voc", "coco"])
def test_subfolders_stay(tmp_path: Path, to: str) -> None:
    held = {"a/1.jpg": [box(1, 2, 3, 4)], "b/1.jpg": [box(5, 6, 7, 8)]}
    convert(make_coco(tmp_path / "set", held, {1: "x"}), tmp_path / "out", to=to)
    found = read(tmp_path / "out")
    names = [name.split("/", 1)[1] for name in found.images["file"]] if to != "coco" else held
    assert sorted(names) == ["a/1.jpg", "b/1.jpg"]
    assert found.images["member"].notna().all() and len(found.boxes) == 2


def test_background_and_unlabelled_are_told_apart(tmp_path: Path) -> None:
    source = make_yolo(tmp_path / "set", {"1": "0 0.5 0.5 0.2 0.2\n", "empty": "", "unknown": None})
    wanted = {"1": "labelled", "empty": "background", "unknown": "unlabelled"}
    for number, to in enumerate(("coco", "voc", "yolo")):
        out = tmp_path / str(number)
        convert(source, out, to=to)
        images = read(out).images
        stems = images["file"].str.extract(r"(\w+)\.jpg$")[0]
        assert dict(zip(stems, images["label_state"], strict=True)) == wanted, to
        source = out


def test_category_ids_with_gaps(tmp_path: Path) -> None:
    classes = {90: "toothbrush", 3: "car", 17: "never"}
    held = {"a.jpg": [box(1, 2, 3, 4, category=3), box(5, 6, 7, 8, category=90)]}
    source = make_coco(tmp_path / "set", held, classes)
    losses = convert(source, tmp_path / "out", to="yolo")
    rows = (tmp_path / "out" / "labels" / "a.txt").read_text().splitlines()
    assert [row.split()[0] for row in rows] == ["1", "0"]
    found = read(tmp_path / "out")
    assert found.categories["name"].tolist() == ["toothbrush", "car", "never"]
    assert losses.counts["class-ids-changed"] == 3
    convert(source, tmp_path / "same", to="coco")
    assert {each["id"]: each["name"] for each in load(tmp_path / "same")["categories"]} == classes


def test_voc_counts_from_one(tmp_path: Path) -> None:
    whole, half = make_object("dog", 1, 1, 640, 480), make_object("dog", 48.5, 240.2, 195.9, 371.0)
    convert(make_voc(tmp_path / "set", {"a": whole + half}), tmp_path / "coco", to="coco")
    found = [row["bbox"] for row in load(tmp_path / "coco")["annotations"]]
    assert found == [[0, 0, 640, 480], [47.5, 239.2, 148.4, 131.8]]
    convert(tmp_path / "coco", tmp_path / "voc", to="voc")
    text = (tmp_path / "voc" / "Annotations" / "a.xml").read_text()
    assert "<xmin>1</xmin>" in text and "<ymax>480</ymax>" in text and "<xmin>48.5</xmin>" in text


def test_voc_that_counts_from_zero(tmp_path: Path) -> None:
    source = make_voc(tmp_path / "set", {"a": make_object("dog", 0, 0, 640, 480) + make_object("dog", 10, 20, 30, 40)})
    for offset in ("auto", 0):
        convert(source, tmp_path / "out", to="coco", overwrite=True, voc_offset=offset)
        found = [row["bbox"] for row in load(tmp_path / "out")["annotations"]]
        assert found == [[0, 0, 640, 480], [10, 20, 20, 20]]


def test_flags_survive_where_there_is_a_place(tmp_path: Path) -> None:
    flags = "<truncated>1</truncated><difficult>1</difficult><occluded>1</occluded>"
    plain = "<truncated>0</truncated><difficult>0</difficult>"
    inside = make_object("dog", 1, 1, 9, 9, more=flags) + make_object("dog", 3, 3, 9, 9, more=plain)
    source = make_voc(tmp_path / "set", {"a": inside})
    assert not convert(source, tmp_path / "coco", to="coco")
    losses = convert(tmp_path / "coco", tmp_path / "voc", to="voc")
    assert losses.counts.keys() <= {"ids-changed", "extras-dropped"}
    columns = ["difficult", "truncated", "occluded"]
    for place in ("coco", "voc"):
        rows = read(tmp_path / place).boxes[columns].astype(object)
        assert rows.iloc[0].tolist() == [True, True, True]
        assert rows.iloc[1, :2].tolist() == [False, False]
    assert convert(source, tmp_path / "yolo", to="yolo").counts["flags-dropped"] == 1
    dropped = convert(source, tmp_path / "easy", to="yolo", difficult="drop")
    assert dropped.counts["difficult-dropped"] == 1 and len(read(tmp_path / "easy").boxes) == 1


def test_no_rounding(tmp_path: Path) -> None:
    sides = [10.25, 20.503, 30.333333333, 40.77]
    source = make_coco(tmp_path / "set", {"a.jpg": [box(*sides)]}, {1: "x"})
    for to, within in (("voc", 1e-9), ("yolo", 1e-6)):
        convert(source, tmp_path / to, to=to)
        assert read(tmp_path / to).boxes[SIDES].iloc[0].tolist() == pytest.approx(sides, abs=within, rel=0)


def test_boxes_past_the_edge_and_without_a_side(tmp_path: Path) -> None:
    held = {"a.jpg": [box(630, 470, 40, 40), box(5, 5, 0, 10), box(1, 2, 3, 4)]}
    source = make_coco(tmp_path / "set", held, {1: "x"})
    losses = convert(source, tmp_path / "yolo", to="yolo")
    assert losses.counts["boxes-clipped"] == 1 and losses.counts["boxes-dropped"] == 1
    found = read(tmp_path / "yolo").boxes[SIDES].round(5).to_numpy().tolist()
    assert found == [[630, 470, 10, 10], [1, 2, 3, 4]]
    losses = convert(source, tmp_path / "voc", to="voc")
    assert not losses.counts.keys() & {"boxes-clipped", "boxes-dropped"}
    assert read(tmp_path / "voc").boxes[SIDES].to_numpy().tolist() == [row["bbox"] for row in held["a.jpg"]]


def test_polygon_rows_and_unknown_classes(tmp_path: Path) -> None:
    labels = {"poly": "1 0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4\n", "seven": "7 0.5 0.5 0.1 0.1\n0 0.98 0.98 0.2 0.2\n"}
    convert(make_yolo(tmp_path / "set", {**labels, "plain": "0 0.5 0.5 0.5 0.5\n"}), tmp_path / "out", to="coco")
    document = load(tmp_path / "out")
    names = {each["id"]: each["name"] for each in document["categories"]}
    files = {each["id"]: each["file_name"] for each in document["images"]}
    found = {(files[row["image_id"]], names[row["category_id"]]): row for row in document["annotations"]}
    assert found.keys() == {("poly.jpg", "bee"), ("seven.jpg", "7"), ("seven.jpg", "ant"), ("plain.jpg", "ant")}
    assert found["poly.jpg", "bee"]["bbox"] == [64, 48, 128, 144]
    assert found["poly.jpg", "bee"]["segmentation"] == [[64, 48, 192, 48, 192, 192, 64, 192]]
    assert found["seven.jpg", "ant"]["bbox"] == [563.2, 422.4, 128, 96]
    assert "segmentation" not in found["plain.jpg", "ant"]


def test_bad_rows_cost_no_other(tmp_path: Path) -> None:
    rows = "0 0.5 0.5 0.1 0.1\nnonsense\n0 0.5 nan 0.1 0.1\n0 0.5 0.5\n2 0.1 0.1 0.05 0.05\n"
    source = make_yolo(tmp_path / "set", {"a": rows, "b": "1 0.5 0.5 0.2 0.2\n"})
    losses = convert(source, tmp_path / "out", to="coco")
    assert losses.counts["problems-left-out"] == 3
    assert len(load(tmp_path / "out")["annotations"]) == 3


def test_an_xml_that_names_another_file(tmp_path: Path) -> None:
    objects = {"f": make_object("dog", 10, 20, 30, 40), "a": make_object("dog", 1, 1, 640, 480)}
    convert(make_voc(tmp_path / "set", objects, {"f": "g.jpg"}), tmp_path / "out", to="coco")
    document = load(tmp_path / "out")
    assert sorted(each["file_name"] for each in document["images"]) == ["a.jpg", "g.jpg"]
    assert (tmp_path / "out" / "images" / "g.jpg").is_file()
