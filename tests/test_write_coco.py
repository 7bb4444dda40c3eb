"""COCO as it is written: nothing that it can hold is lost, and a COCO set comes out as it went in."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from generate import datasets, make_pool
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from dsq.conversion import export
from dsq.formats import coco, read
from dsq.formats.coco import text as coco_text
from dsq.formats.coco.text import CHUNK, Derived, corners, numbers, write_list
from dsq.formats.layout import WriteOptions
from dsq.losses import Losses
from dsq.model import About, Dataset, build_dataset
from dsq.target import CountingTarget
from dsq.transform.merge import merge
from dsq.transform.remap import remap
from dsq.transform.resize import resize
from dsq.transform.split import split
from dsq.transform.subset import subset

FLAGS = ("difficult", "truncated", "occluded")
SLOW = settings(
    max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate)
)  # a shrunken example takes minutes


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pool(tmp_path_factory.mktemp("pool"))


@contextlib.contextmanager
def scratch() -> Any:
    """A folder for one example."""
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def names_in_target(dataset: Dataset, style: str | None = None) -> list[str]:
    return coco.write(dataset, CountingTarget("out"), WriteOptions(style=style), Losses())


def optional(value: Any) -> Any:
    return None if value is None or value is pd.NA or value != value else value


def told(dataset: Dataset, names: list[str], *, near: float = 0.0) -> dict[str, Any]:
    """What a dataset says of each image, by its name in the target; boxes by their ids, equal to others within
    `near` pixels.
    """
    classes = dict(zip(dataset.categories["category_id"], dataset.categories["name"], strict=True))
    found: dict[int, list[Any]] = {number: [] for number in dataset.images["image_id"]}
    for box in dataset.boxes.sort_values("box_id").itertuples():
        mask = None if box.segmentation is None else json.loads(bytes(box.segmentation))
        points = None if box.keypoints is None else json.loads(bytes(box.keypoints))
        flags = tuple(optional(getattr(box, flag)) for flag in FLAGS)
        sides: Any = (box.x, box.y, box.width, box.height)
        if near:
            sides = pytest.approx(sides, rel=0, abs=near)
        found[box.image_id].append(
            (box.box_id, classes[box.category_id], sides, box.crowd, flags, mask, points, optional(box.score))
        )
    return {
        name: (
            optional(image.split), image.label_state, image.width, image.height, found[image.image_id]
        )
        for name, image in zip(names, dataset.images.itertuples(), strict=True)
    }  # fmt: skip


def class_names(dataset: Dataset) -> list[str]:
    return dataset.categories["name"].tolist()


def canonical(document: Any) -> Any:
    """The document with its two lists in order of ids."""
    if not isinstance(document, dict):
        return document
    return {
        key: sorted(value, key=lambda row: (str(row.get("id")), json.dumps(row, sort_keys=True)))
        if key in ("images", "annotations") and isinstance(value, list)
        else value
        for key, value in document.items()
    }


def load(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def tree(path: Path) -> dict[str, bytes]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def evaluate(file: Path) -> float:
    """AP of a file's boxes taken as results against itself. Crowds, and boxes that cover nothing and so match nothing,
    are left aside; 1 for a file without others.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(file))
        flat = [each for each in truth.dataset["annotations"] if min(each["bbox"][2:]) <= 0]
        truth.dataset["annotations"] = [each for each in truth.dataset["annotations"] if each not in flat]
        truth.createIndex()
        boxes = [
            {key: each[key] for key in ("image_id", "category_id", "bbox")} | {"score": 1.0}
            for each in truth.dataset["annotations"]
            if not each["iscrowd"]
        ]
        if not boxes:
            return 1.0
        run = COCOeval(truth, truth.loadRes(boxes), "bbox")
        run.params.maxDets = [1, 10, 1000]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][..., 0, 2]
    return float(precision[precision > -1].mean())


# Round trips


@SLOW
@given(data=st.data())
def test_what_is_written_is_read(data: st.DataObject, pool: Path) -> None:
    dataset = data.draw(datasets(pool, keypoints=True, scores=data.draw(st.booleans()), undeclared=True))
    suffix = data.draw(st.sampled_from(["", ".zip"]))
    with scratch() as folder:
        losses = export(dataset, folder / f"out{suffix}", to="coco", images="copy" if suffix else "hardlink")
        assert losses.as_dict().keys() <= {"images-renamed"}, losses
        back = read(folder / f"out{suffix}")
    assert not len(back.problems)
    names = names_in_target(dataset)
    if back.about.format == "images":  # not one record: nothing says more than the pictures
        assert set(dataset.images["label_state"]) == {"unlabelled"}
    assert told(back, back.images["file"].tolist()) == told(dataset, names, near=1e-9)
    assert class_names(back) == class_names(dataset)
    assert back.categories["declared"].all()
    areas = back.boxes["area"].to_numpy()
    assert not np.isnan(areas).any()


@SLOW
@given(data=st.data())
def test_ids_are_usable_and_unique_over_all_files(data: st.DataObject, pool: Path) -> None:
    dataset = data.draw(datasets(pool))
    with scratch() as folder:
        export(dataset, folder / "out", to="coco", images="none")
        documents = [load(path) for path in (folder / "out").rglob("*.json")]
    for key, stated in (("images", dataset.images["image_id"]), ("annotations", dataset.boxes["box_id"])):
        ids = [row["id"] for document in documents for row in document[key]]
        assert len(ids) == len(set(ids))
        assert set(ids) <= set(stated)
    assert all(document["categories"] == documents[0]["categories"] for document in documents)
    assert [each["id"] for each in documents[0]["categories"]] == list(range(1, len(dataset.categories) + 1))


@SLOW
@given(data=st.data())
def test_written_twice_is_the_same_and_read_is_written_the_same(data: st.DataObject, pool: Path) -> None:
    dataset = data.draw(datasets(pool))
    with scratch() as folder:
        export(dataset, folder / "a", to="coco", images="hardlink")
        export(dataset, folder / "b.zip", to="coco")
        assert tree(folder / "a") == tree(folder / "b.zip")
        back = read(folder / "a")
        if back.about.format == "coco":
            assert not export(back, folder / "c.zip")
            assert tree(folder / "c.zip") == tree(folder / "a")


@SLOW
@given(data=st.data())
def test_pycocotools_finds_what_we_write_perfect(data: st.DataObject, pool: Path) -> None:
    dataset = data.draw(datasets(pool, inside=True))
    with scratch() as folder:
        export(dataset, folder / "out", to="coco", images="none")
        for file in (folder / "out").rglob("*.json"):
            assert evaluate(file) == pytest.approx(1.0)


# Identity


def content(**more: Any) -> dict[str, Any]:
    """A document with a bit of everything."""
    return {
        "licenses": [{"id": 3, "name": "CC"}],
        "info": {"year": 2024, "deep": [1, {"a": None}]},
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 64, "height": 48, "license": 3},
            {"id": 9, "file_name": "sub/b.jpg", "height": 48, "width": 64, "date_captured": "now"},
            {"id": 12, "file_name": "none.jpg", "width": 64, "height": 48},
        ],
        "categories": [
            {"id": 3, "name": "cat", "supercategory": "animal", "keypoints": ["nose"], "skeleton": []},
            {"id": 90, "name": "dog", "colour": "#fff"},
            {"id": 17, "name": "unused", "supercategory": None},
        ],
        "annotations": [
            {"id": 5, "image_id": 9, "category_id": 90, "bbox": [1.5, 2, 10.25, 12], "area": 61.5, "iscrowd": 0,
             "segmentation": [[1.5, 2, 11.75, 2, 11.75, 14]], "attributes": {"occluded": False, "colour": "red"}},
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0, 0, 64, 48], "area": 3072.0, "iscrowd": 1,
             "segmentation": {"size": [48, 64], "counts": [0, 3072]}, "attributes": {"occluded": True}},
            {"id": 3, "image_id": 7, "category_id": 3, "bbox": [0.1, 0.2, 0.3, 1e-7], "area": 1, "iscrowd": 0,
             "segmentation": [], "keypoints": [1, 2, 2], "num_keypoints": 1, "score": 0.5},
        ],
        "mine": "kept",
        **more,
    }  # fmt: skip


def put(root: Path, name: str, document: Any, images: str | None = None) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document), "utf-8")
    for row in document.get("images") or []:
        if images is not None:
            picture(root / images / row["file_name"])


def picture(path: Path, size: tuple[int, int] = (64, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 60)).save(path)


def written(dataset: Dataset, out: Path, **options: Any) -> dict[str, int]:
    """The losses of writing it; of labels alone no images are asked for."""
    if dataset.images["member"].isna().all():
        options = {"images": "none", **options}
    return export(dataset, out, to="coco", **options).as_dict()


def same_documents(source: Path, out: Path) -> None:
    files = {name for name in tree(source) if name.endswith(".json")}
    assert {name for name in tree(out) if name.endswith(".json")} == files
    for name in files:
        assert canonical(load(out / name)) == canonical(load(source / name)), name


def test_identity_of_a_file_with_everything(tmp_path: Path) -> None:
    put(tmp_path / "set", "labels/all.json", content(), "pictures")
    picture(tmp_path / "set/pictures/unrecorded.jpg")
    assert written(read(tmp_path / "set"), tmp_path / "out") == {}
    same_documents(tmp_path / "set", tmp_path / "out")
    assert tree(tmp_path / "out").keys() == tree(tmp_path / "set").keys()
    assert list(load(tmp_path / "out/labels/all.json")) == list(content())


def test_identity_of_many_files_whose_ids_overlap(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        put(tmp_path / "set", f"{name}/_annotations.coco.json", content(split=name), name)
    put(tmp_path / "set", "empty/_annotations.coco.json", content(images=[], annotations=[]), "empty")
    put(tmp_path / "set", "extra/_annotations.coco.json", {"images": content()["images"], "annotations": []}, "extra")
    other = content(categories=[{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}])
    for box in other["annotations"]:
        box["category_id"] = 1
    put(tmp_path / "set", "more/_annotations.coco.json", other, "more")
    assert written(read(tmp_path / "set"), tmp_path / "out") == {}
    same_documents(tmp_path / "set", tmp_path / "out")


BOX = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    "odd",
    [
        {"annotations": [BOX]},
        {"annotations": [{**BOX, "iscrowd": None, "area": None}]},
        {"annotations": [{"id": "1", "image_id": "7", "category_id": 3.0, "bbox": ["1", 2, 3, 4], "iscrowd": False}]},
        {"annotations": [{**BOX, "category_id": 44, "area": "12"}]},
        {"annotations": [{**BOX, "category_id": "cat", "segmentation": None}]},
        {"annotations": [{**BOX, "attributes": {"truncated": 1}}]},
        {"annotations": [{**BOX, "x": {"id": 5, "area": 1}}]},
        {"annotations": [{"id": -1, "image_id": -7, "category_id": -3, "bbox": [1, 2, 3, 4]}],
         "images": [{"id": -7, "file_name": "a.jpg"}], "categories": [{"id": -3, "name": "cat"}]},
        {"images": [{"id": 7, "file_name": "a.jpg", "width": 0, "height": "48", "meta": {"file_name": "x"}}],
         "annotations": []},
        {"images": [{"id": 7, "coco_url": "http://x/a.jpg", "width": 64.5}], "annotations": []},
        {"images": [{"id": "a7", "file_name": "./sub/../a.jpg", "width": 64, "height": 48}], "annotations": [
            {"id": "b1", "image_id": "a7", "category_id": 3, "bbox": [1, 2, 3, 4]}]},
        {"images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "a.jpg"}], "annotations": []},
        {"categories": [{"id": "3", "name": "cat"}, {"id": 90, "name": 5}, {"id": 17, "name": "cat"}]},
        {"categories": []},
        {"annotations": []},
        {"categories": [{"id": 3, "name": "cat"}, {"id": 90, "name": "cat"}, {"id": 3, "name": "dog"}]},
    ],
)  # fmt: skip
def test_identity_of_odd_records(tmp_path: Path, odd: dict[str, Any]) -> None:
    put(tmp_path / "set", "all.json", content(**odd), "pictures" if "images" not in odd else None)
    picture(tmp_path / "set/pictures/a.jpg")
    losses = written(read(tmp_path / "set"), tmp_path / "out")
    assert losses.keys() <= {"problems-left-out"}
    same_documents(tmp_path / "set", tmp_path / "out")


def test_a_box_that_only_the_mask_told_is_written(tmp_path: Path) -> None:
    box = {"image_id": 7, "category_id": 3, "iscrowd": 0, "area": 5, "segmentation": [[1, 1, 9, 1, 9, 9]]}
    put(tmp_path / "set", "all.json", content(annotations=[{"id": 1, **box}, {"id": 2, **box, "bbox": []}]))
    assert written(read(tmp_path / "set"), tmp_path / "out") == {"problems-left-out": 2}
    assert [row["bbox"] for row in load(tmp_path / "out/all.json")["annotations"]] == [[1, 1, 8, 8]] * 2


def test_annotation_id_zero_and_missing_ids_are_made(tmp_path: Path) -> None:
    box = {"image_id": 0, "category_id": 0, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
    size = {"width": 64, "height": 48}
    images = [{"id": 0, "file_name": "a.jpg", **size}, {"file_name": "b.jpg", **size}]
    records = [{"id": 0, **box}, {"id": 4, **box}, {**box}]
    classes = [{"id": 0, "name": "cat"}]
    put(tmp_path / "set", "all.json", content(images=images, annotations=records, categories=classes))
    losses = written(read(tmp_path / "set"), tmp_path / "out")
    assert losses["annotation-id-zero"] == 1
    assert losses["ids-changed"] == 2
    document = load(tmp_path / "out/all.json")
    assert [row["id"] for row in document["annotations"]] == [5, 4, 6]
    assert [row["id"] for row in document["images"]] == [0, 1]
    assert [row["image_id"] for row in document["annotations"]] == [0, 0, 0]
    assert [row["id"] for row in document["categories"]] == [0]


def test_identity_of_a_file_named_alone(tmp_path: Path) -> None:
    put(tmp_path / "set", "annotations/instances_val2017.json", content(), "val2017")
    data = read(tmp_path / "set/annotations/instances_val2017.json")
    assert written(data, tmp_path / "out.zip") == {}
    got = tree(tmp_path / "out.zip")
    assert canonical(json.loads(got["instances_val2017.json"])) == canonical(content())
    assert "sub/b.jpg" in got


def test_identity_of_real_sets(shared_data: Path, tmp_path: Path) -> None:
    for name in ("coco-tiny", "traffic-ground", "odd/labellint-sample-coco", "odd/sahi-terrain-coco"):
        source, out = shared_data / name, tmp_path / name.replace("/", "_")
        data = read(source)
        losses = written(data, out, images="none")
        assert losses.keys() <= {"annotation-id-zero", "problems-left-out"}
        for file in data.about.documents:
            before, after = load(source / file), load(out / file)
            assert len(data.problems) or _with_zero_renamed(before) == canonical(after), file
            if "problems-left-out" not in losses:
                assert evaluate(out / file) == pytest.approx(1.0)


REAL = ("bccd", "raccoon", "ships-yolov8", "pen-zip", "aerial-cars", "coco-tiny", "traffic-ground")


@pytest.mark.parametrize("name", REAL)
def test_pycocotools_finds_real_sets_perfect_after_conversion(shared_data: Path, tmp_path: Path, name: str) -> None:
    twice = merge([read(shared_data / name)] * 2).dataset
    export(twice, tmp_path / "out", to="coco", images="none")
    files = list((tmp_path / "out").rglob("*.json"))
    assert files
    for file in files:
        assert evaluate(file) == pytest.approx(1.0), file.name


@pytest.mark.parametrize(
    "name", [f"{name}-{kind}.zip" for name in ("potholes", "clean") for kind in ("coco", "voc", "yolo")]
)
def test_pycocotools_finds_the_samples_perfect(samples: Path, tmp_path: Path, name: str) -> None:
    export(read(samples / name), tmp_path / "out", to="coco", style="alwaysai")
    (file,) = (tmp_path / "out").rglob("*.json")
    assert evaluate(file) == pytest.approx(1.0)


def _with_zero_renamed(document: Any) -> Any:
    for box in document["annotations"]:
        if box["id"] == 0:
            box["id"] = max(each["id"] for each in document["annotations"]) + 1
    return canonical(document)


def test_identity_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    text = json.dumps(content(note="é猫"), ensure_ascii=False)
    (tmp_path / "set/all.json").write_bytes(text.encode("utf-16"))
    assert written(read(tmp_path / "set"), tmp_path / "out") == {}
    assert canonical(load(tmp_path / "out/all.json")) == canonical(json.loads(text))


# What was changed since it was read


def test_changes_are_written_and_the_rest_is_kept(tmp_path: Path) -> None:
    put(tmp_path / "set", "all.json", content(), "pictures")
    data = read(tmp_path / "set")
    boxes = data.boxes.copy()
    boxes.loc[0, "x"] = 2.5
    boxes.loc[1, "occluded"] = False
    boxes.loc[0, "occluded"] = True
    assert written(data.replace(boxes=boxes), tmp_path / "out") == {}
    wanted = content()
    wanted["annotations"][0]["bbox"][0] = 2.5
    wanted["annotations"][0]["attributes"]["occluded"] = True
    wanted["annotations"][1]["attributes"]["occluded"] = False
    assert canonical(load(tmp_path / "out/all.json")) == canonical(wanted)


def test_a_changed_value_beats_its_old_spelling(tmp_path: Path) -> None:
    box = {"id": "1", "image_id": 7, "category_id": 3, "bbox": ["1", 2, 3, 4], "area": "12", "iscrowd": False}
    put(tmp_path / "set", "all.json", content(annotations=[box]))
    data = read(tmp_path / "set")
    changed = data.boxes.assign(x=5.0, area=11.0, crowd=True, category_id=90)
    written(data.replace(boxes=changed), tmp_path / "out")
    assert load(tmp_path / "out/all.json")["annotations"] == [
        {"id": "1", "image_id": 7, "category_id": 90, "bbox": [5, 2, 3, 4], "area": 11, "iscrowd": 1}
    ]


def test_classes_renamed_and_dropped(tmp_path: Path) -> None:
    for name in ("train", "valid"):
        put(tmp_path / "set", f"{name}/_annotations.coco.json", content(), name)
    data = remap(read(tmp_path / "set"), {"dog": "wolf", "unused": None}).dataset
    assert written(data, tmp_path / "out") == {}
    for name in ("train", "valid"):
        document = load(tmp_path / f"out/{name}/_annotations.coco.json")
        assert [(each["id"], each["name"]) for each in document["categories"]] == [(3, "cat"), (90, "wolf")]
        assert document["annotations"] == content()["annotations"]


def test_a_subset_leaves_files_out_that_lost_all_their_images(tmp_path: Path) -> None:
    for name in ("train", "valid"):
        put(tmp_path / "set", f"{name}/_annotations.coco.json", content(), name)
    part = subset(read(tmp_path / "set"), splits=["val"]).dataset
    assert written(part, tmp_path / "out") == {}
    assert {name for name in tree(tmp_path / "out") if name.endswith(".json")} == {"valid/_annotations.coco.json"}


def test_resized_images_have_their_new_size(tmp_path: Path) -> None:
    images = [{"id": 7, "file_name": "a.jpg", "width": "64"}]
    box = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [2, 4, 8, 8], "iscrowd": 0, "area": 64}
    put(tmp_path / "set", "all.json", content(images=images, annotations=[box]), ".")
    data = resize(read(tmp_path / "set"), (32, 24)).dataset
    written(data, tmp_path / "out")
    document = load(tmp_path / "out/all.json")
    assert document["images"] == [{"id": 7, "file_name": "a.jpg", "width": 32, "height": 24}]
    assert document["annotations"][0]["bbox"] == [1, 2, 4, 4]
    with Image.open(tmp_path / "out/a.jpg") as image:
        assert image.size == (32, 24)


def test_a_new_split_gets_new_files_with_the_old_ids(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(1, 11)]
    images = [{"id": 10 * i, "file_name": n, "width": 64, "height": 48, "license": 3} for i, n in enumerate(names, 1)]
    rest = {"category_id": 90, "bbox": [1, 2, 3, 4], "area": 9, "iscrowd": 0}
    boxes = [{"id": i, "image_id": 10 * i, **rest} for i in range(1, 11)]
    put(tmp_path / "set", "all.json", content(images=images, annotations=boxes), "pictures")
    parts = split(read(tmp_path / "set"), (0.8, 0.2)).dataset
    assert written(parts, tmp_path / "out") == {}
    documents = [load(tmp_path / f"out/annotations/instances_{name}.json") for name in ("train", "val")]
    assert sorted((row for d in documents for row in d["images"]), key=lambda row: row["id"]) == images
    assert sorted((row for d in documents for row in d["annotations"]), key=lambda row: row["id"]) == boxes
    for document in documents:
        assert {key: document[key] for key in ("licenses", "info", "mine")} == {
            key: content()[key] for key in ("licenses", "info", "mine")
        }
        assert [each["id"] for each in document["categories"]] == [3, 90, 17]
        assert document["categories"][0]["keypoints"] == ["nose"]
    back = read(tmp_path / "out")
    assert back.images["split"].value_counts().to_dict() == {"train": 8, "val": 2}


def test_merged_sets_whose_top_levels_differ(tmp_path: Path) -> None:
    put(tmp_path / "a", "all.json", content(), "pictures")
    put(tmp_path / "b", "all.json", content(info={"year": 1999}), "pictures")
    both = merge([read(tmp_path / "a"), read(tmp_path / "b")]).dataset
    losses = written(both, tmp_path / "out")
    assert losses["documents-dropped"] == 2
    document = load(tmp_path / "out/annotations/instances.json")
    assert document["info"] == {}
    assert document["licenses"] == content()["licenses"]
    assert len(document["images"]) == 6
    assert len({row["id"] for row in document["annotations"]}) == 6
    assert [each["id"] for each in document["categories"]] == [3, 90, 17]


# Other formats and odd sets


def test_layout_of_a_set_without_splits(tmp_path: Path, pool: Path) -> None:
    data = build_dataset([("images/a/x.jpg", "cat", 1, 2, 3, 4)], images=["images/b/y.jpg"])
    assert written(data.replace(images=data.images.assign(member=None)), tmp_path / "out") == {}
    assert list(tree(tmp_path / "out")) == ["annotations/instances.json"]
    document = load(tmp_path / "out/annotations/instances.json")
    assert document["info"] == {}
    assert document["licenses"] == []
    assert sorted(row["file_name"] for row in document["images"]) == ["a/x.jpg", "b/y.jpg"]
    assert document["annotations"] == [
        {"id": 1, "image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
    ]


def test_alwaysai_style(tmp_path: Path) -> None:
    put(tmp_path / "my set", "train/_annotations.coco.json", content(), "train")
    losses = written(read(tmp_path / "my set"), tmp_path / "out.zip", style="alwaysai")
    assert losses == {"splits-dropped": 3}
    got = tree(tmp_path / "out.zip")
    assert set(got) == {"Annotations/my set.json", "JPEGImages/a.jpg", "JPEGImages/sub/b.jpg", "JPEGImages/none.jpg"}
    document = json.loads(got["Annotations/my set.json"])
    assert canonical(document)["annotations"] == canonical(content())["annotations"]
    assert [row["file_name"] for row in document["images"]] == ["a.jpg", "sub/b.jpg", "none.jpg"]


@pytest.mark.parametrize("source", ["train", "a_val", "captions_x", "a/b", None])
def test_alwaysai_name_means_nothing_to_a_reader(tmp_path: Path, source: str | None) -> None:
    data = build_dataset([("a.jpg", "cat", 1, 2, 3, 4)])
    images = data.images.assign(member=None, source=pd.Categorical([source]))
    written(data.replace(images=images), tmp_path / "out", style="alwaysai")
    name = "a_b" if source == "a/b" else "annotations"
    assert list(tree(tmp_path / "out")) == [f"Annotations/{name}.json"]
    assert read(tmp_path / "out").images["split"].isna().all()


def test_yolo_becomes_one_based_and_keeps_its_polygons(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / f"set/images/{name}.jpg", (640, 480))
    (tmp_path / "set/labels").mkdir()
    (tmp_path / "set/labels/a.txt").write_text("0 0.5 0.5 0.25 0.5\n2 0.1 0.1 0.3 0.1 0.3 0.4\n")
    (tmp_path / "set/labels/b.txt").write_text("")
    (tmp_path / "set/data.yaml").write_text("train: images\nval: images\nnames: [ant, bee, cow]\nlicense: CC0\n")
    losses = written(read(tmp_path / "set"), tmp_path / "out", images="none")
    assert losses == {"documents-dropped": 1}
    document = load(tmp_path / "out/annotations/instances.json")
    assert [row["file_name"] for row in document["images"]] == ["a.jpg", "b.jpg"]
    assert [(each["id"], each["name"]) for each in document["categories"]] == [(1, "ant"), (2, "bee"), (3, "cow")]
    first, second = document["annotations"]
    assert first == {
        "id": 1, "image_id": 1, "category_id": 1, "bbox": [240, 120, 160, 240], "area": 38400, "iscrowd": 0
    }  # fmt: skip
    assert second["segmentation"] == [[64.0, 48.0, 192.0, 48.0, 192.0, 192.0]]
    assert second["area"] == pytest.approx(128 * 144 / 2)


def test_boxes_of_images_of_unknown_size_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "set/labels").mkdir(parents=True)
    (tmp_path / "set/labels/a.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (tmp_path / "set/labels/b.txt").write_text("")
    losses = written(read(tmp_path / "set", format="yolo"), tmp_path / "out")
    assert losses == {"boxes-unsized": 1, "images-left-out": 1}
    (file,) = tree(tmp_path / "out")
    document = load(tmp_path / "out" / file)
    assert [row for row in document["images"] if "width" in row or row["file_name"] == "a.jpg"] == []
    assert document["annotations"] == []


def test_images_without_a_size_or_box(tmp_path: Path) -> None:
    images = [{"file": "b.jpg", "label_state": "labelled"}]
    data = build_dataset([("a.jpg", "cat", 1, 2, 3, 4)], images=images, size=None)
    losses = written(data.replace(images=data.images.assign(member=None)), tmp_path / "out", images="copy")
    assert losses == {"images-left-out": 1, "images-missing": 1}
    assert load(tmp_path / "out/annotations/instances.json")["images"] == [{"id": 2, "file_name": "a.jpg"}]


def test_elements_of_voc_are_counted_as_lost(tmp_path: Path) -> None:
    box = {"file": "a.jpg", "category": "cat", "x": 1, "y": 2, "width": 3, "height": 4, "extras": b"<pose>Left</pose>"}
    data = build_dataset([box], images=[{"file": "a.jpg", "extras": b"<folder>x</folder><owner/>"}])
    data = data.replace(images=data.images.assign(member=None), about=About(format="voc"))
    assert written(data, tmp_path / "out") == {"extras-dropped": 2}


def test_arithmetic_leaves_no_noise_in_numbers(tmp_path: Path) -> None:
    box = {"file": "a.jpg", "category": "cat", "x": 0.1 + 0.2, "y": 1 / 3, "width": 1.1 * 1.1, "height": 2.0}
    data = build_dataset([box])
    written(data.replace(images=data.images.assign(member=None)), tmp_path / "out")
    (row,) = load(tmp_path / "out/annotations/instances.json")["annotations"]
    assert row["bbox"] == [0.3, 1 / 3, 1.21, 2.0]
    assert row["area"] == 2.42


def test_an_all_unlabelled_split_is_found_again(tmp_path: Path, pool: Path) -> None:
    images = [
        {
            "file": f"{split or '.'}/{name}.jpg", "root": str(pool), "member": "64x48.jpg", "split": split,
            "label_state": state,
        }
        for split, name, state in (
            ("train", "a", "background"), ("train", "deep/er/b", "unlabelled"), ("test", "c", "unlabelled"),
            (None, "d", "unlabelled"),
        )
    ]  # fmt: skip
    data = build_dataset(images=images, size=(64, 48), classes=["cat"])
    assert written(data, tmp_path / "out") == {}
    back = read(tmp_path / "out")
    found = zip(back.images["file"], map(optional, back.images["split"]), back.images["label_state"], strict=True)
    assert sorted(found) == [
        ("images/test/c.jpg", "test", "unlabelled"),
        ("images/train/a.jpg", "train", "background"),
        ("images/train/deep/er/b.jpg", "train", "unlabelled"),
        ("images/unassigned/d.jpg", None, "unlabelled"),
    ]


def test_progress_and_dry_run(tmp_path: Path) -> None:
    data = build_dataset([("a.jpg", "cat", 1, 2, 3, 4)] * (CHUNK + 1))
    data = data.replace(images=data.images.assign(member=None))
    seen: list[tuple[str, int, int]] = []
    written(data, tmp_path / "out", progress=lambda *told: seen.append(told))
    assert seen[-1] == ("writing annotations/instances.json", CHUNK + 1, CHUNK + 1)
    assert written(data, tmp_path / "dry", dry_run=True) == {}
    assert not (tmp_path / "dry").exists()


# Text


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.just({"x": [1]})), max_size=5), st.integers(0, 3))
def test_lists_in_pieces_are_one_list(extras: list[Any], more: int) -> None:
    count = len(extras) + more
    blobs = np.empty(count, object)
    blobs[: len(extras)] = [None if each is None else msgspec.json.encode(each) for each in extras]
    ids = np.arange(count)
    whole = {1: b'{"mine":true}'} if count > 1 else {}
    text = b"".join(write_list({"id": numbers(ids)}, ids, blobs, whole))
    wanted = [{"id": row, **(each or {})} for row, each in enumerate([*extras, *[None] * more])]
    if whole:
        wanted[1] = {"mine": True}
    assert json.loads(text) == wanted


def test_numbers() -> None:
    rows = np.arange(3)

    def texts(*given: Any) -> list[bytes]:
        return [msgspec.json.encode(value) for value in numbers(*given)(rows) if value is not msgspec.UNSET]

    assert texts(np.array([1.0, 2.0, 3.0])) == [b"1", b"2", b"3"]
    assert texts(np.array([1.0, np.nan, 3.0])) == [b"1", b"3"]
    assert texts(np.array([1.0, 2.5, 3.0])) == [b"1.0", b"2.5", b"3.0"]
    assert texts(np.array([1.0, 2.0, 1e300])) == [b"1.0", b"2.0", b"1e300"]
    assert texts(np.array([1, 2, 3]), np.array([True, False, False])) == [b"2", b"3"]


def test_numbers_that_are_worked_out_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coco_text, "PART", 2)
    rows = np.array([4, 0, 3])
    for held in (
        np.arange(5),
        np.arange(5.0),
        np.array([1.0, 2.0, np.nan, 4.0, 5.0]),
        np.array([1, 2, 3, 4, 0.5]),
        np.array([np.nan, 1.5, 2, 3, 4]),
        np.empty(0),
    ):
        made = Derived(len(held), held.dtype, held.__getitem__)
        some = rows[rows < len(held)]
        assert numbers(made)(some) == numbers(held)(some)
        assert str(list(corners([made, made])(some))) == str(list(corners([held, held])(some)))


@pytest.mark.parametrize(("rows", "lost"), [((0, 1, 2), {}), ((0, 2), {"class-ids-changed": 1})])
def test_class_ids_from_one_are_no_loss(tmp_path: Path, rows: tuple[int, ...], lost: dict[str, int]) -> None:
    (tmp_path / "set").mkdir()
    picture(tmp_path / "set/a.jpg", (640, 480))
    (tmp_path / "set/a.txt").write_text("".join(f"{row} 0.5 0.5 0.25 0.5\n" for row in rows))
    if not lost:
        (tmp_path / "set/classes.txt").write_text("ant\nbee\ncow\n")
    losses = export(read(tmp_path / "set", format="yolo"), tmp_path / "out", to="coco")
    assert losses.counts == lost
    assert losses.notes == ({} if lost else {"class-ids-shifted": 3})
    if not lost:
        export(read(tmp_path / "set", format="yolo"), tmp_path / "strict", to="coco", strict=True)
