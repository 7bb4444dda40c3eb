"""The YOLO writer: round trips, the identity, what the trainer accepts, and what is told of losses."""

from __future__ import annotations

import json
import re
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsq.conversion import convert, export
from dsq.errors import ConfigError
from dsq.formats import read
from dsq.formats.layout import WriteOptions
from dsq.formats.naming import split_folders
from dsq.formats.yolo import write
from dsq.losses import Losses
from dsq.model import About, Dataset, build_dataset, text_or_none
from dsq.target import open_target
from dsq.transform.remap import remap
from dsq.transform.split import split
from dsq.transform.subset import subset

CLASSES = ("no", "Ärger: 1", "# x", '"q" \\', "1", " two ", "\u2028", "null")
SPLITS = (None, "train", "val", "test", "fold1", "a:b", "names")
FILES = st.builds(
    "{}{}{}".format,
    st.sampled_from(("", "a/", "images/", "train/", "../x/", "b\\c/", "labels/", "masks/", "d/images/", "é/")),
    st.sampled_from(("a", "A", "a.v1", "é", "x y", "#1", "con", "-f", "classes", "train", "a_png", "read me", "日本")),
    st.sampled_from((".jpg", ".png", ".JPG", ".jpeg")),
)


def picture(width: int, height: int) -> bytes:
    """A PNG whose header says its size, and nothing more."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Datasets as other formats give them: odd names, all label states, boxes in and out of their images."""
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    known = draw(st.lists(st.sampled_from(SPLITS), min_size=1, max_size=4))
    for file in draw(st.lists(FILES, unique=True, min_size=1, max_size=8)):
        width, height = draw(st.integers(1, 4000)), draw(st.integers(1, 4000))
        state = draw(st.sampled_from(("labelled", "labelled", "background", "unlabelled")))
        images.append(
            {
                "file": file, "width": width, "height": height, "split": draw(st.sampled_from(known)),
                "label_state": state,
            }
        )  # fmt: skip
        for _ in range(draw(st.integers(1, 4)) if state == "labelled" else 0):
            x0, x1 = sorted(draw(st.floats(-0.2, 1.2)) * width for _ in range(2))
            y0, y1 = sorted(draw(st.floats(-0.2, 1.2)) * height for _ in range(2))
            boxes.append(
                {
                    "file": file, "category": draw(st.sampled_from(CLASSES)),
                    "x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0,
                    "crowd": draw(st.integers(0, 9)) == 0, "difficult": draw(st.sampled_from((None, True, False))),
                }
            )  # fmt: skip
    order = draw(st.permutations(CLASSES))
    return build_dataset(boxes, images=images, classes=order)


def written(data: Dataset, place: Path, *, task: str = "detect", pictures: bool = True) -> tuple[list[str], Losses]:
    """Write it with pictures of the sizes that it says; the images' names and the losses."""
    losses = Losses()
    sizes = data.images[["width", "height"]].to_numpy(int, na_value=0)
    with open_target(place, overwrite=True) as target:
        names = write(data, target, WriteOptions(task=task), losses)
        for name, (width, height) in zip(names, sizes.tolist(), strict=True):
            if pictures and width and name not in target.names:
                target.write(name, picture(width, height))
    return names, losses


def expected(data: Dataset, names: list[str]) -> dict[str, tuple[Any, ...]]:
    """What a reader is to find: state, split and boxes of every image, cut to it."""
    images = data.images
    splits = text_or_none(images["split"])
    classes = dict(zip(data.categories["category_id"], data.categories["name"], strict=True))
    found = {}
    for row, image in enumerate(images.itertuples()):
        rows = []
        for box in data.boxes[data.boxes["image_id"] == image.image_id].itertuples():
            x0, x1 = np.clip([box.x / image.width, (box.x + box.width) / image.width], 0, 1)
            y0, y1 = np.clip([box.y / image.height, (box.y + box.height) / image.height], 0, 1)
            if not box.crowd and round(x1 * 1e9) > round(x0 * 1e9) and round(y1 * 1e9) > round(y0 * 1e9):
                corners = np.array([x0 * image.width, y0 * image.height, x1 * image.width, y1 * image.height])
                rows.append((classes[box.category_id], corners))
        state = image.label_state if rows or image.label_state != "labelled" else "unlabelled"
        kept = splits[row] if splits[row] not in ("a:b", "names") else None
        found[names[row]] = (state, kept, rows)
    return found


def held(data: Dataset) -> dict[str, tuple[Any, ...]]:
    """The same of a dataset that was read."""
    classes = dict(zip(data.categories["category_id"], data.categories["name"], strict=True))
    splits = text_or_none(data.images["split"])
    found = {}
    for row, image in enumerate(data.images.itertuples()):
        boxes = data.boxes[data.boxes["image_id"] == image.image_id]
        corners = boxes[["x", "y", "width", "height"]].to_numpy()
        corners[:, 2:] += corners[:, :2]
        found[image.file] = (
            image.label_state,
            splits[row],
            [(classes[number], corner) for number, corner in zip(boxes["category_id"], corners, strict=True)],
        )
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=datasets())
def test_round_trip(tmp_path: Path, data: Dataset) -> None:
    names, losses = written(data, tmp_path / "out")
    back = read(tmp_path / "out", format="yolo")
    assert problems(back) == []
    assert back.categories["name"].tolist() == data.categories["name"].tolist()
    wanted, found = expected(data, names), held(back)
    lost = 0
    assert found.keys() == wanted.keys()
    for name, (state, part, boxes) in wanted.items():
        assert found[name][:2] == (state, part), name
        assert [one[0] for one in found[name][2]] == [one[0] for one in boxes]
        for (_, there), (_, corner) in zip(found[name][2], boxes, strict=True):
            assert np.abs(there - corner).max() < 1e-5
        lost += len(boxes)
    assert losses.counts.get("boxes-dropped", 0) == (~data.boxes["crowd"]).sum() - lost
    assert losses.counts.get("crowd-dropped", 0) == data.boxes["crowd"].sum()
    strange = data.images["split"].isin(["a:b", "names"]).sum()
    assert losses.counts.get("splits-dropped", 0) == strange
    for label in (tmp_path / "out" / "labels").rglob("*.txt"):
        accept(label, len(CLASSES))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(data=datasets())
def test_what_was_read_is_written_as_it_is(tmp_path: Path, data: Dataset) -> None:
    written(data, tmp_path / "one")
    first = read(tmp_path / "one", format="yolo")
    assert not export(first, tmp_path / "two", overwrite=True, to="yolo")
    assert same(first, read(tmp_path / "two", format="yolo"))
    assert files(tmp_path / "one") == files(tmp_path / "two") or rewritten(tmp_path)


def rewritten(place: Path) -> bool:
    """Whether two trees differ in the decimals of label files alone."""
    one, two = files(place / "one"), files(place / "two")
    others = {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)}
    return all(
        np.allclose(np.array(one[name].split(), float), np.array(two[name].split(), float), rtol=0, atol=1e-14)
        for name in others
        if name.endswith(".txt")
    ) and all(name.endswith(".txt") for name in others)


def files(place: Path) -> dict[str, bytes]:
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def problems(data: Dataset) -> list[tuple[str, ...]]:
    return [tuple(row) for row in data.problems.astype(object).to_numpy().tolist()]


def same(one: Dataset, two: Dataset) -> bool:
    """Equal in value: names, states, splits, classes, order, and numbers to 1e-9."""
    for column in ("file", "split", "label_state", "origin_file", "unit"):
        assert text_or_none(one.images[column]).tolist() == text_or_none(two.images[column]).tolist(), column
    columns = ["category_id", "name", "declared"]
    assert one.categories[columns].equals(two.categories[columns])
    assert one.boxes["category_id"].tolist() == two.boxes["category_id"].tolist()
    assert one.boxes["origin_file"].astype(object).tolist() == two.boxes["origin_file"].astype(object).tolist()
    for column in ("x", "y", "width", "height", "score"):
        a, b = one.boxes[column].to_numpy(), two.boxes[column].to_numpy()
        assert np.allclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True), column
    for column in ("segmentation", "keypoints"):
        for a, b in zip(one.boxes[column], two.boxes[column], strict=True):
            assert (a is None) == (b is None)
            assert a is None or np.allclose(np.ravel(json.loads(a)), np.ravel(json.loads(b)), rtol=1e-9, atol=1e-9)
    return True


def accept(label: Path, classes: int, keypoints: int = 0) -> None:
    """The trainer's own check of a label file, any violation of which drops the whole image."""
    rows = [line.split() for line in label.read_text("utf-8").strip().splitlines()]
    if any(len(row) > 6 for row in rows) and not keypoints:
        assert all(len(row) >= 7 and len(row) % 2 for row in rows)
    else:
        assert all(len(row) == 5 + keypoints for row in rows)
    values = np.array([value for row in rows for value in row[1:]], np.float32)
    assert values.size == 0 or (values.min() >= 0 and values.max() <= 1)
    assert all(row[0].isdigit() and int(row[0]) < classes for row in rows)


def one_image(*boxes: Any, **image: Any) -> Dataset:
    """One image of 100 × 50 with boxes, as mappings or as corners."""
    rows = []
    for box in boxes:
        row = {"file": "a.jpg", "category": "x"} | (box if isinstance(box, dict) else {})
        if not isinstance(box, dict):
            row |= dict(zip(("x", "y", "width", "height"), box, strict=True))
        rows.append({"x": 10.0, "y": 5.0, "width": 20.0, "height": 10.0} | row)
    classes = ["x"] if not boxes else None
    return build_dataset(rows, images=[{"file": "a.jpg", **image}], size=(100, 50), classes=classes)


def label(place: Path, name: str = "labels/a.txt") -> str:
    return (place / name).read_text()


def test_a_row_has_nine_decimals(tmp_path: Path) -> None:
    _, losses = written(one_image((10, 5, 20, 10), (0, 0, 100, 50)), tmp_path / "out")
    assert label(tmp_path / "out") == (
        "0 0.2000000000 0.2000000000 0.200000000 0.200000000\n0 0.5000000000 0.5000000000 1.000000000 1.000000000\n"
    )
    assert not losses


def test_ids_of_more_digits(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(1200)]
    boxes = [
        {"file": "a.jpg", "category": f"c{n}", "x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}
        for n in (9, 10, 99, 100, 1199, 0)
    ]
    written(build_dataset(boxes, classes=names, size=(100, 50)), tmp_path / "out")
    rows = [line.split(" ", 1) for line in label(tmp_path / "out").splitlines()]
    assert [number for number, _ in rows] == ["9", "10", "99", "100", "1199", "0"]
    assert {rest for _, rest in rows} == {"0.0250000000 0.0800000000 0.030000000 0.080000000"}


def test_boxes_are_cut_to_their_image(tmp_path: Path) -> None:
    boxes = (
        (-10, -10, 20, 20),
        (90, 40, 20, 20),
        (200, 10, 5, 5),
        (10, 10, 0, 5),
        (50, 10, -5, 5),
        (0, 0, 100.0005, 50),
    )
    _, losses = written(one_image(*boxes), tmp_path / "out")
    assert losses.as_dict() == {"boxes-clipped": 2, "boxes-dropped": 3}
    assert label(tmp_path / "out").splitlines() == [
        "0 0.0500000000 0.1000000000 0.100000000 0.200000000",
        "0 0.9500000000 0.9000000000 0.100000000 0.200000000",
        "0 0.5000000000 0.5000000000 1.000000000 1.000000000",
    ]


def test_background_unlabelled_and_emptied(tmp_path: Path) -> None:
    images = [{"file": "b.jpg"}, {"file": "u.jpg", "label_state": "unlabelled"}]
    crowd = {"file": "c.jpg", "category": "x", "x": 1.0, "y": 1.0, "width": 9.0, "height": 9.0, "crowd": True}
    _, losses = written(build_dataset([crowd], images=images), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "labels").iterdir()) == ["b.txt"]
    assert label(tmp_path / "out", "labels/b.txt") == ""
    assert losses.as_dict() == {"crowd-dropped": 1, "images-emptied": 1}


def test_unknown_sizes(tmp_path: Path) -> None:
    box = {"category": "x", "x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}
    images = [{"file": "r.jpg", "unit": "relative"}, {"file": "p.jpg"}]
    data = build_dataset([{"file": "r.jpg", **box}, {"file": "p.jpg", **box}], images=images, size=None)
    _, losses = written(data, tmp_path / "out", pictures=False)
    assert label(tmp_path / "out", "labels/r.txt") == "0 0.2500000000 0.4000000000 0.300000000 0.400000000\n"
    assert not (tmp_path / "out" / "labels" / "p.txt").exists()
    assert losses.as_dict() == {"boxes-unsized": 1, "images-emptied": 1}


def test_two_records_of_one_file_share_a_label_file(tmp_path: Path) -> None:
    data = one_image((10, 5, 20, 10), (0, 0, 100, 50))
    images = data.images.loc[[0, 0]].reset_index(drop=True).assign(image_id=[1, 2])
    data = data.replace(images=images, boxes=data.boxes.assign(image_id=[2, 1]))
    names, _ = written(data, tmp_path / "out")
    assert names == ["images/a.jpg"] * 2
    assert [row.split()[3] for row in label(tmp_path / "out").splitlines()] == ["1.000000000", "0.200000000"]


def test_what_is_lost_is_counted(tmp_path: Path) -> None:
    box = {
        "segmentation": b"[[1,1,9,1,9,9]]", "keypoints": b"[1,2,2]", "difficult": True, "truncated": False,
        "area": 7.0, "score": 0.5, "extras": b"{}", "source_id": 4,
    }  # fmt: skip
    data = one_image(box, {"segmentation": b"[]"}, extras=b"{}", source_id=9)
    categories = data.categories.assign(supercategory="s", source_id=[1])
    about = About(format="coco", documents={"a.json": b'{"info":{},"images":1,"licenses":[],"categories":[]}'})
    _, losses = written(data.replace(categories=categories, about=about), tmp_path / "out")
    assert losses.notes == {"class-ids-shifted": 1}
    assert losses.as_dict() == {
        "polygons-dropped": 1, "keypoints-dropped": 1, "flags-dropped": 1, "scores-dropped": 1, "areas-dropped": 1,
        "extras-dropped": 2, "documents-dropped": 2, "supercategories-dropped": 1, "ids-changed": 2,
    }  # fmt: skip


RECTANGLE = b"[[10,5,30,5,30,15,10,15]]"


def test_segment_rows(tmp_path: Path) -> None:
    data = one_image(
        {"segmentation": RECTANGLE},
        {},
        {"segmentation": b'{"size":[50,100],"counts":[1,2,4997]}'},
        {"segmentation": b"[[10,5,12,5,10,7],[20,15,30,15,30,13]]"},
        {"segmentation": b"[[-10,5,30,5,30,15]]", "x": -10.0, "width": 40.0},
        {"segmentation": b"[[60,5,90,5,90,15]]"},
    )
    _, losses = written(data, tmp_path / "out", task="segment")
    rows = [line.split() for line in label(tmp_path / "out").splitlines()]
    assert rows[0] == rows[1] == rows[2]
    assert rows[0] == ["0", "0.100000000", "0.100000000", "0.300000000", "0.100000000", "0.300000000", "0.300000000",
                       "0.100000000", "0.300000000"]  # fmt: skip
    assert [len(row) for row in rows] == [9, 9, 9, 1 + 2 * 8, 7, 7]
    assert losses.as_dict() == {"masks-simplified": 2, "masks-made": 1, "boxes-from-masks": 1, "boxes-clipped": 1}
    accept(tmp_path / "out" / "labels" / "a.txt", 1)
    back = read(tmp_path / "out")
    assert back.boxes[["x", "y", "width", "height"]].round(9).iloc[3].tolist() == [10, 5, 20, 10]
    assert json.loads(back.boxes["segmentation"][0]) == json.loads(RECTANGLE)


def test_parts_of_a_mask_are_joined_at_the_nearest_points(tmp_path: Path) -> None:
    mask = b"[[0,0,10,0,10,10,0,10],[20,10,30,10,30,20,20,20]]"
    written(
        one_image({"segmentation": mask, "x": 0.0, "y": 0.0, "width": 30.0, "height": 20.0}),
        tmp_path / "out",
        task="segment",
    )
    points = json.loads(read(tmp_path / "out").boxes["segmentation"][0])[0]
    assert np.round(points, 6).tolist() == [0, 0, 10, 0, 10, 10, 20, 10, 30, 10, 30, 20, 20, 20, 20, 10, 10, 10, 0, 10]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(data=datasets(), seed=st.integers(0, 99))
def test_segment_round_trip(tmp_path: Path, data: Dataset, seed: int) -> None:
    random = np.random.default_rng(seed)
    masks = np.full(len(data.boxes), None, object)
    for row, box in enumerate(data.boxes.itertuples()):
        if random.random() < 0.7:
            points = random.random((random.integers(3, 9), 2)) * [box.width, box.height] + [box.x, box.y]
            masks[row] = json.dumps([points.ravel().tolist()]).encode()
    data = data.replace(boxes=data.boxes.assign(segmentation=masks))
    _, losses = written(data, tmp_path / "out", task="segment")
    back = read(tmp_path / "out", format="yolo")
    assert back.boxes["segmentation"].notna().all()
    whole = (~data.boxes["crowd"]).sum()
    assert len(back.boxes) == whole - losses.counts.get("boxes-dropped", 0)
    for path in (tmp_path / "out" / "labels").rglob("*.txt"):
        accept(path, len(CLASSES))


def config(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((place / "data.yaml").read_text("utf-8"))
    return found


def test_data_yaml(tmp_path: Path) -> None:
    images = [{"file": f"{n}.jpg", "split": part} for n, part in enumerate(("train", "val", "test", "fold1", None))]
    data = build_dataset(
        [("0.jpg", "no", 0, 0, 9, 9)], images=images, classes=["yes", "no", "ünï 'q'", "1", "\x85 \udc80"]
    )
    written(data, tmp_path / "out")
    assert config(tmp_path / "out") == {
        "train": "images/train", "val": "images/val", "test": "images/test", "fold1": "images/fold1",
        "unassigned": "images/unassigned",
        "nc": 5, "names": ["yes", "no", "ünï 'q'", "1", "\x85 \udc80"],
    }  # fmt: skip
    assert list(split_folders(data.images)) == ["train", "val", "test", "fold1", None]


@pytest.mark.parametrize(
    ("parts", "train", "val"),
    [
        ((None,), "images", "images"),
        (("train",), "images/train", "images/train"),
        (("val",), "images/val", "images/val"),
        (("train", "test"), "images/train", "images/train"),
        (("val", None), "images/val", "images/val"),
        ((None, "test"), "images/test", "images/test"),
        (("fold1", "fold2"), "images/fold1", "images/fold1"),
    ],
)
def test_splits_that_the_trainer_asks_for(tmp_path: Path, parts: tuple[str | None, ...], train: str, val: str) -> None:
    data = build_dataset(images=[{"file": f"{n}.jpg", "split": part} for n, part in enumerate(parts)], classes=["x"])
    written(data, tmp_path / "out")
    assert (config(tmp_path / "out")["train"], config(tmp_path / "out")["val"]) == (train, val)
    back = read(tmp_path / "out")
    assert {
        Path(file).name: part
        for file, part in zip(back.images["file"], text_or_none(back.images["split"]), strict=True)
    } == {f"{n}.jpg": part for n, part in enumerate(parts)}
    assert problems(back) == []
    assert [notice.kind for notice in back.about.notices] == ["split-placeholder"]


def test_same_input_same_bytes(tmp_path: Path) -> None:
    data = build_dataset([("b/1.jpg", "y", 1, 2, 3, 4), ("a.jpg", "x", 5, 6, 7, 8)], images=["c.jpg"])
    for name in ("one", "two"):
        written(data, tmp_path / name)
        written(data, tmp_path / f"{name}.zip")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    shutil.unpack_archive(tmp_path / "one.zip", tmp_path / "unpacked")
    assert files(tmp_path / "unpacked") == files(tmp_path / "one")


def test_dry_run_counts_the_same(tmp_path: Path) -> None:
    data = one_image((-10, -10, 20, 20), (200, 10, 5, 5), member=None)
    dry = export(data, tmp_path / "out", to="yolo", dry_run=True, images="none")
    assert not (tmp_path / "out").exists()
    assert dry == export(data, tmp_path / "out", to="yolo", images="none")


def test_no_style(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no YOLO labels"):
        export(one_image((10, 5, 20, 10)), tmp_path / "out", to="yolo", style="alwaysai")


SETS = (
    "ships-yolov8", "pen-zip", "aerial-cars", "odd/datumaro-kaggle-relaxed-yolo", "odd/datumaro-roboflow-yolo",
    "odd/datumaro-yolo-strict", "odd/labelformat-yolov8-weird-names",
)  # fmt: skip


class TestIdentity:
    @pytest.mark.parametrize("name", SETS)
    @pytest.mark.parametrize("suffix", ["", ".zip"])
    def test_real_sets(self, shared_data: Path, tmp_path: Path, name: str, suffix: str) -> None:
        place = tmp_path / f"out{suffix}"
        first = read(shared_data / name)
        losses = export(first, place)
        assert losses.counts.keys() <= {"problems-left-out", "images-missing"}
        second = read(place)
        if name == "pen-zip":  # its data.yaml names folders that are not there: it gets one that does not
            assert problems(second) == [] and second.about.documents["data.yaml"].startswith(b"# The set is not split")
            assert second.images["file"].tolist() == first.images["file"].tolist()
            return
        assert same(first, second)
        assert _without_places(second) == _without_places(first)
        assert sorted(zip(first.problems["kind"], first.problems["file"], strict=True)) == sorted(
            zip(second.problems["kind"], second.problems["file"], strict=True)
        )

    def test_numbers_are_those_that_were_read(self, shared_data: Path, tmp_path: Path) -> None:
        root = shared_data / "ships-yolov8"
        export(read(root), tmp_path / "out", images="none")
        compared = 0
        for path in (tmp_path / "out").rglob("*.txt"):
            ours = np.array(path.read_text().split(), float)
            theirs = np.array((root / path.relative_to(tmp_path / "out")).read_text().split(), float)
            assert np.abs(ours - theirs).max(initial=0) <= 6e-15
            compared += len(ours)
        assert compared > 3000

    def test_kinds_of_rows(self, tmp_path: Path) -> None:
        pose = "path: .\ntrain: images\nval: images\nkpt_shape: [2, 3]\nnames: [a, b]\nlicense: CC0\nextra: {a: [1]}\n"
        rows = {
            "box": "0 0.5 0.5 0.2 0.4\n1 0.1 0.00002 0.1 0.00004\n",
            "scored": "0 0.5 0.5 0.2 0.4 0.875\n",
            "polygon": "1 0.1 0.1 0.3 0.1 0.3 0.4\n",
            "mixed": "0 0.5 0.5 0.2 0.4\n1 0.1 0.1 0.3 0.1 0.3 0.4\n",
            "pose": "0 0.5 0.5 0.2 0.4 0.45 0.5 2 0.55 0.5 0\n",
            "outside": "0 0.98 0.98 0.2 0.2\n0 -0.5 0.5 0.1 0.1\n7 0.5 0.5 0.1 0.1\n",
            "long": "0 0.12345678901234 0.5 0.3333333333333333 0.25\n",
            "pixels": "0 320 240 64 48\n",
        }
        root = sources(
            tmp_path / "in", {"data.yaml": pose, **{f"labels/{name}.txt": text for name, text in rows.items()}}
        )
        for name in rows:
            (root / "images" / f"{name}.png").write_bytes(picture(417, 333))
        first = read(root)
        assert not export(first, tmp_path / "out")
        assert same(first, read(tmp_path / "out"))
        for name, text in rows.items():
            found = label(tmp_path / "out", f"labels/{name}.txt")
            lines = [[float(word) for word in line.split()] for line in found.splitlines()]
            assert np.allclose(
                [number for row in lines for number in row], np.array(text.split(), float), rtol=1e-14, atol=1e-14
            )
            if name not in ("long", "pixels", "pose"):
                assert found == text
        assert (tmp_path / "out" / "data.yaml").read_text() == pose

    def test_flat_and_label_only(self, tmp_path: Path) -> None:
        root = sources(tmp_path / "in", {"a.txt": "3 0.5 0.5 0.2 0.4\n", "b.txt": "", "c.txt": "1 0.5 0.5 0.1 0.1\n"})
        (root / "a.png").write_bytes(picture(30, 20))
        (root / "b.jpg").write_bytes(picture(30, 20))
        (root / "d.jpg").write_bytes(picture(30, 20))
        first = read(root, format="yolo")
        assert export(first, tmp_path / "out").as_dict() == {"images-missing": 1}
        assert same(first, read(tmp_path / "out", format="yolo"))
        assert sorted(files(tmp_path / "out")) == ["a.png", "a.txt", "b.jpg", "b.txt", "c.txt", "d.jpg"]

    def test_images_that_share_a_label_file(self, tmp_path: Path) -> None:
        root = sources(tmp_path / "in", {"a.txt": "3 0.5 0.5 0.2 0.4\n"})
        (root / "a.png").write_bytes(picture(30, 20))
        (root / "a.jpg").write_bytes(picture(60, 50))
        first = read(root, format="yolo")
        assert not export(first, tmp_path / "out")
        assert files(tmp_path / "out").keys() == {"a.jpg", "a.png", "a.txt"}
        assert same(first, read(tmp_path / "out", format="yolo"))
        boxes = first.boxes.assign(x=[1.0, 2.0])
        losses = export(first.replace(boxes=boxes), tmp_path / "apart")
        assert losses.as_dict() == {"images-renamed": 1}
        assert sorted(files(tmp_path / "apart")) == [
            "data.yaml", "images/a.jpg", "images/a_png.png", "labels/a.txt", "labels/a_png.txt",
        ]  # fmt: skip

    def test_missing_label_files_that_mean_background_are_made(self, tmp_path: Path) -> None:
        root = sources(
            tmp_path / "in", {"labels/a.txt": "0 0.5 0.5 0.2 0.4\n", "images/a.png": None, "images/b.png": None}
        )
        export(read(root, no_label_file="background"), tmp_path / "out")
        assert label(tmp_path / "out", "labels/b.txt") == ""
        assert read(tmp_path / "out").images["label_state"].tolist() == ["labelled", "background"]


def _without_places(data: Dataset) -> dict[str, bytes]:
    """The documents but for the lines of a data.yaml that say where the images lie."""
    lines = re.compile(rb"^(?:train|val|test): .*$", re.MULTILINE)
    return {name: lines.sub(b"", raw) if name.endswith(".yaml") else raw for name, raw in data.about.documents.items()}


def sources(root: Path, contents: dict[str, str | None]) -> Path:
    """Files below `root`; None makes a picture."""
    (root / "images").mkdir(parents=True)
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(40, 30) if text is None else text.encode())
    return root


SPLIT = {
    "train/images/a.png": None, "train/labels/a.txt": "0 0.5 0.5 0.2 0.4\n",
    "train/images/b.png": None, "train/labels/b.txt": "1 0.1 0.1 0.3 0.1 0.3 0.4\n",
    "valid/images/c.png": None, "valid/labels/c.txt": "",
}  # fmt: skip
ROBOFLOW = """train: ../train/images
val: ../valid/images
test: ../test/images
nc: 3
names: ['x', 'y', 'z']
roboflow:
  license: CC0
"""


class TestSameFormatChanged:
    """A YOLO set of which something is other than it was read."""

    def test_paths_never_lead_back_to_the_source(self, tmp_path: Path) -> None:
        root = sources(tmp_path / "in", dict(SPLIT))
        text = (
            f"# mine\npath: {root}\ntrain: train/images\nval: {root}/valid/images\nnc: 2\nnames: [x, y]\nlicense: CC0\n"
        )
        (root / "data.yaml").write_text(text)
        first = read(root)
        assert not export(first, tmp_path / "out")
        assert config(tmp_path / "out") == {
            "train": "train/images", "val": "valid/images", "nc": 2, "names": ["x", "y"], "license": "CC0",
        }  # fmt: skip
        assert same(first, read(tmp_path / "out"))

    @pytest.mark.parametrize("suffix", ["", ".zip"])
    def test_places_are_those_of_the_written_folders(self, shared_data: Path, tmp_path: Path, suffix: str) -> None:
        """`val: ../valid/images` of a set whose folder is validate; what lies beside the copy is none of its."""
        (tmp_path / "train" / "images").mkdir(parents=True)
        place = tmp_path / f"out{suffix}"
        export(read(shared_data / "ships-yolov8"), place)
        text = read(place).about.documents["data.yaml"].decode()
        assert text.startswith("train: train/images\nval: validate/images\ntest: test/images\n\nnc: 1\n")
        assert "path-resolved" not in [notice.kind for notice in read(place).about.notices]

    def test_only_what_moved_is_another_in_the_yaml(self, tmp_path: Path) -> None:
        text = "# mine\ntrain: ['../train/images', extra]  # two\nval: \"../vaild/images\"\nnames: {0: x, 1: y}\n"
        root = sources(tmp_path / "in", {**SPLIT, "extra/d.png": None, "data.yaml": text.replace("vaild", "valid")})
        first = read(root)
        export(first, tmp_path / "out")
        told = label(tmp_path / "out", "data.yaml")
        assert told == "# mine\ntrain: [train/images, extra]  # two\nval: valid/images\nnames: {0: x, 1: y}\n"
        assert same(first, read(tmp_path / "out"))

    def test_a_place_that_several_folders_stand_for(self, tmp_path: Path) -> None:
        held = {"train/images/a.png": None, "train/labels/a.txt": "0 0.5 0.5 0.2 0.4\n"}
        held |= {f"{side}/valid/{kind}.png": None for side in ("left", "right") for kind in "cd"}
        text = "train: train/images\nval: ../val\nnames: [x]\n"
        root = sources(tmp_path / "in", {**held, "data.yaml": text})
        first = read(root)
        export(first, tmp_path / "out")
        assert config(tmp_path / "out")["val"] == ["left/valid", "right/valid"]
        assert same(first, read(tmp_path / "out"))

    def test_lists_never_lead_back_to_the_source(self, tmp_path: Path) -> None:
        root = sources(tmp_path / "in", {"set/a.png": None, "set/a.txt": "0 0.5 0.5 0.2 0.4\n", "set/b.png": None})
        (root / "cfg").mkdir()
        (root / "cfg" / "train.txt").write_text(f"{root}/set/a.png\nset/b.png\n/gone.png\n")
        data = (
            "classes = 1\ntrain = /elsewhere/cfg/train.txt\nvalid = cfg/train.txt\nnames = cfg/obj.names\nbackup = b/\n"
        )
        (root / "obj.data").write_text(data)
        (root / "cfg" / "obj.names").write_text("x\n")
        first = read(root)
        export(first, tmp_path / "out")
        assert label(tmp_path / "out", "cfg/train.txt") == "./../set/a.png\nset/b.png\n/gone.png\n"
        assert label(tmp_path / "out", "obj.data") == data.replace("/elsewhere/", "")
        assert same(first, read(tmp_path / "out"))

    def test_renamed_classes(self, tmp_path: Path) -> None:
        root = sources(tmp_path / "in", {**SPLIT, "data.yaml": ROBOFLOW, "classes.txt": "x\ny\nz\n"})
        changed = remap(read(root), {"x": "no", "z": None}).dataset
        export(changed, tmp_path / "out")
        assert label(tmp_path / "out", "train/labels/a.txt") == "0 0.5 0.5 0.2 0.4\n"
        assert label(tmp_path / "out", "classes.txt") == "no\ny\n"
        found = config(tmp_path / "out")
        assert (found["nc"], found["names"], found["roboflow"]) == (2, ["no", "y"], {"license": "CC0"})
        assert found["val"] == "valid/images"
        assert same(changed, read(tmp_path / "out"))

    def test_renamed_classes_that_no_file_names(self, tmp_path: Path) -> None:
        root = sources(tmp_path / "in", {"images/a.png": None, "labels/a.txt": "0 0.5 0.5 0.2 0.4\n"})
        changed = remap(read(root), {"0": "x"}).dataset
        export(changed, tmp_path / "out")
        assert label(tmp_path / "out", "classes.txt") == "x\n"
        assert same(changed, read(tmp_path / "out"))

    def test_names_with_gaps(self, tmp_path: Path) -> None:
        text = "train: train/images\nval: valid/images\nnames:\n  0: x\n  5: y\n"
        root = sources(
            tmp_path / "in",
            {**SPLIT, "data.yaml": text, "train/labels/b.txt": "5 0.5 0.5 0.1 0.1\n9 0.5 0.5 0.1 0.1\n"},
        )
        first = read(root)
        export(first, tmp_path / "out")
        assert same(first, read(tmp_path / "out"))
        export(split(first, {"train": 0.5, "val": 0.5}).dataset, tmp_path / "other")
        assert config(tmp_path / "other")["names"] == {0: "x", 5: "y"}
        assert read(tmp_path / "other").categories["declared"].tolist() == [True, True, False]

    def test_other_splits(self, tmp_path: Path) -> None:
        root = sources(tmp_path / "in", {**SPLIT, "data.yaml": ROBOFLOW + "kpt_shape: [1, 3]\ndownload: x\n"})
        changed = split(read(root), {"train": 0.4, "val": 0.3, "test": 0.3}).dataset
        assert not export(changed, tmp_path / "out")
        found = config(tmp_path / "out")
        assert [found.pop(name) for name in ("train", "val", "test")] == ["images/train", "images/val", "images/test"]
        assert found == {"nc": 3, "names": ["x", "y", "z"], "roboflow": {"license": "CC0"}, "kpt_shape": [1, 3]}
        back = read(tmp_path / "out")
        parts = dict(zip(map(Path, changed.images["file"]), changed.images["split"], strict=True))
        assert {
            Path(file).name: part for file, part in zip(back.images["file"], back.images["split"], strict=True)
        } == {path.name: part for path, part in parts.items()}
        assert back.boxes["segmentation"].notna().sum() == 1

    def test_a_split_taken_out(self, tmp_path: Path) -> None:
        root = sources(tmp_path / "in", {**SPLIT, "data.yaml": ROBOFLOW})
        part = subset(read(root), splits=["train"]).dataset
        export(part, tmp_path / "out")
        assert sorted(files(tmp_path / "out")) == [
            "data.yaml", "images/train/a.png", "images/train/b.png", "labels/train/a.txt", "labels/train/b.txt",
        ]  # fmt: skip
        assert problems(read(tmp_path / "out")) == []

    def test_segment_makes_polygons_of_all(self, tmp_path: Path) -> None:
        root = sources(tmp_path / "in", {**SPLIT, "data.yaml": ROBOFLOW})
        assert export(read(root), tmp_path / "out", task="segment").as_dict() == {"masks-made": 1}
        assert len(label(tmp_path / "out", "train/labels/a.txt").split()) == 9
        assert read(tmp_path / "out").boxes["segmentation"].notna().all()


class TestOtherFormats:
    def test_coco(self, shared_data: Path, tmp_path: Path) -> None:
        first = read(shared_data / "coco-tiny")
        losses = export(first, tmp_path / "out.zip", to="yolo")
        back = read(tmp_path / "out.zip")
        crowd = int(first.boxes["crowd"].sum())
        assert losses.counts["crowd-dropped"] == crowd
        assert len(back.boxes) == len(first.boxes) - crowd - losses.counts.get("boxes-dropped", 0)
        assert len(back.images) == len(first.images)
        assert back.categories["name"].tolist() == first.categories["name"].tolist()
        assert back.images["split"].value_counts().to_dict() == first.images["split"].value_counts().to_dict()
        ours, theirs = (
            expected(
                first,
                [
                    f"images/{s}/{Path(f).name}"
                    for s, f in zip(first.images["split"], first.images["file"], strict=True)
                ],
            ),
            held(back),
        )
        assert ours.keys() == theirs.keys()
        worst = max(
            np.abs(a[1] - b[1]).max()
            for name, (_, _, boxes) in ours.items()
            for a, b in zip(boxes, theirs[name][2], strict=True)
        )
        assert worst < 1e-6

    @pytest.mark.parametrize("task", ["detect", "segment"])
    @pytest.mark.parametrize("name", ["coco-tiny", "traffic-ground", "raccoon", "bccd", "odd/labellint-sample-coco"])
    def test_the_trainer_drops_no_image(self, shared_data: Path, tmp_path: Path, name: str, task: str) -> None:
        convert(shared_data / name, tmp_path / "out", to="yolo", images="none", task=task)
        found = config(tmp_path / "out")
        labels = sorted((tmp_path / "out" / "labels").rglob("*.txt"))
        assert labels
        for path in labels:
            accept(path, found["nc"])
