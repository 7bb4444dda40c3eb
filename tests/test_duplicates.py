"""Images that show the same: real groups, planted copies, flat pictures, crowds, order, cache."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from pictures import draw, encode, put
from PIL import Image

import dsq
from dsq.analyse import duplicates, verify
from dsq.analyse.agreement import least_detail
from dsq.analyse.alignment import centred, relative
from dsq.analyse.duplicates import PARTNERS, find_pairs, group_pairs
from dsq.analyse.starts import TURNS, are_plausible, compose, frame_maps, invert, nearest_turn
from dsq.geometry import box_iou
from dsq.measure.images import measure_images
from dsq.measure.probes import turn
from dsq.model import Dataset, Table

ROOT = Path(__file__).resolve().parent.parent
MAP = ["m00", "m01", "m02", "m10", "m11", "m12"]


@pytest.fixture(scope="module")
def copies() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        return importlib.import_module("benchmarks.copies")


def pairs_of(dataset: Dataset) -> Table:
    measured = measure_images(dataset)
    return find_pairs(dataset, measured.table, measured.probes)


def groups(found: Table, kinds: tuple[str, ...] = ("exact", "near")) -> set[frozenset[str]]:
    """Stems of the images that hang together."""
    joined: dict[str, set[str]] = {}
    for a, b, kind in zip(found["image_a"], found["image_b"], found["kind"], strict=True):
        if kind in kinds:
            whole = joined.get(a, {a}) | joined.get(b, {b})
            for name in whole:
                joined[name] = whole
    return {frozenset(Path(name).stem for name in group) for group in joined.values()}


def source(name: str) -> str:
    return name.rsplit("/", 1)[-1].split(".rf.")[0]


# real sets


def test_raccoon(shared_data: Path) -> None:
    found = dsq.find_duplicates(dsq.read(shared_data / "raccoon"))
    exact = found[found["kind"] == "exact"]
    stems = zip(exact["image_a"].map(lambda f: Path(f).stem), exact["image_b"].map(lambda f: Path(f).stem), strict=True)
    assert {frozenset(pair) for pair in stems} == {
        frozenset({"raccoon-11", "raccoon-116"}),
        frozenset({"raccoon-120", "raccoon-83"}),
        frozenset({"raccoon-52", "raccoon-74"}),
        frozenset({"raccoon-65", "raccoon-98"}),
    }
    assert groups(found) == {
        frozenset({"raccoon-11", "raccoon-116"}),
        frozenset({"raccoon-120", "raccoon-83"}),
        frozenset({"raccoon-50", "raccoon-52", "raccoon-74"}),
        frozenset({"raccoon-65", "raccoon-98"}),
        frozenset({"raccoon-21", "raccoon-45"}),
        frozenset({"raccoon-51", "raccoon-85"}),
    }
    assert list(found.columns) == ["image_a", "image_b", "kind", "agreement"]
    assert (found["image_a"] < found["image_b"]).all()
    assert found["agreement"].between(0.88, 1).all()


def test_ships_versions_of_one_source(shared_data: Path) -> None:
    dataset = dsq.read(shared_data / "ships-yolov8")
    found = dsq.find_duplicates(dataset)
    assert (found["kind"] == "exact").sum() == 3
    near = found[found["kind"] != "same-scene"]
    names = dataset.images["file"][dataset.images["member"].notna()].map(source)
    versions = sum(count * (count - 1) // 2 for count in names.value_counts())
    of_one = sum(source(a) == source(b) for a, b in zip(near["image_a"], near["image_b"], strict=True))
    assert of_one == versions == 313
    # beside them one boat that was photographed twice
    assert len(near) - of_one <= 1


def test_pens_look_alike_but_two_are_the_same(shared_data: Path) -> None:
    found = dsq.find_duplicates(dsq.read(shared_data / "pen-zip" / "archive.zip"))
    assert groups(found) == {frozenset({"Image_1", "Image_28"})}
    assert len(found) == 1


@pytest.mark.parametrize("name", ["coco-tiny", "traffic-ground"])
def test_nothing_where_there_is_nothing(name: str, shared_data: Path) -> None:
    assert len(dsq.find_duplicates(dsq.read(shared_data / name))) == 0


def test_blood_cells_photographed_twice(shared_data: Path) -> None:
    found = pairs_of(dsq.read(shared_data / "bccd" / "BCCD"))
    assert 6 <= len(found) <= 7
    # the slide was moved, neither turned nor enlarged
    np.testing.assert_allclose(found[["m00", "m01", "m10", "m11"]], [[1, 0, 0, 1]] * len(found), atol=0.02)


# planted copies

REQUIRED = (
    "JPEG, quality 20", "half size", "brighter by 30", "contrast × 1.4", "gamma 0.6", "noise, σ 12",
    "blur, σ 1/300 of the side", "crop 5 %", "crop 15 %", "rotated 3°, black corners", "letterbox, grey",
    "letterbox, black", "flipped left to right", "flipped upside down", "turned by quarters",
    "mirrored at a diagonal", "text over it",
)  # fmt: skip


@pytest.fixture(scope="module")
def planted(shared_data: Path, copies: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    """Of 12 raccoons, the pairs (original, copy) of each kind, with the true maps."""
    folder = tmp_path_factory.mktemp("copies")
    rng = np.random.default_rng(0)
    truth: dict[tuple[str, str], tuple[str, np.ndarray]] = {}
    for path in sorted((shared_data / "raccoon" / "images").glob("*.jpg"))[60:72]:
        with Image.open(path) as image:
            picture = image.convert("RGB")
        picture.thumbnail((800, 800))
        put(folder / f"{path.stem}.jpg", copies.encode(picture))
        for number, kind in enumerate(copies.KINDS):
            if kind.name in REQUIRED:
                copy, map_ = kind.make(picture, rng)
                name = f"{path.stem}_{number:02}.jpg"
                put(folder / name, copies.encode(copy.convert("RGB"), 85))
                truth[f"{path.stem}.jpg", name] = kind.name, map_
    dataset = dsq.read(folder)
    files = dataset.images["file"].tolist()
    found: dict[str, list[dict[str, object]]] = {name: [] for name in REQUIRED}
    for row in pairs_of(dataset).to_dict("records"):
        one, other = (files[row[name]].rsplit("/", 1)[-1] for name in ("first", "second"))
        if (one, other) in truth:
            kind, map_ = truth[one, other]
            found[kind].append(row | {"truth": map_})
        assert one.split("_")[0].split(".")[0] == other.split("_")[0].split(".")[0], (one, other, row["kind"])
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


@pytest.mark.parametrize("kind", REQUIRED)
def test_planted_copies_are_found(planted: dict[str, Table], kind: str) -> None:
    if kind == "text over it":
        assert len(planted[kind]) >= 11
    else:
        assert planted[kind]["kind"].tolist() == ["near"] * 12


@pytest.mark.parametrize("kind", REQUIRED)
def test_boxes_can_be_mapped(planted: dict[str, Table], kind: str) -> None:
    rng = np.random.default_rng(1)
    corner = rng.uniform(0.2, 0.6, (20, 2))
    boxes = np.hstack([corner, corner + rng.uniform(0.1, 0.3, (20, 2))])
    ious = [
        box_iou(move(np.array([row[name] for name in MAP]).reshape(2, 3), boxes), move(row["truth"], boxes))
        for row in planted[kind].to_dict("records")
    ]
    assert np.median(ious) > 0.97
    assert np.quantile(ious, 0.05) > 0.9


def move(map_: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Boxes x0 y0 x1 y1 under a map: what encloses their corners."""
    corners = np.stack([boxes[:, [x, y]] for x in (0, 2) for y in (1, 3)], 1) @ map_[:, :2].T + map_[:, 2]
    return np.concatenate([corners.min(1), corners.max(1)], 1)


@pytest.mark.parametrize("orientation", range(8))
def test_orientation_is_that_of_turn(orientation: int, tmp_path: Path) -> None:
    picture = np.asarray(draw(3, (160, 120)))
    turned = turn(picture.transpose(2, 0, 1), orientation).transpose(1, 2, 0)
    put(tmp_path / "a.png", encode(Image.fromarray(picture), "PNG"))
    put(tmp_path / "b.bmp", encode(Image.fromarray(np.ascontiguousarray(turned)), "BMP"))
    found = pairs_of(dsq.read(tmp_path))
    assert found["kind"].tolist() == ["near"]
    assert found["orientation"].tolist() == [orientation]
    np.testing.assert_allclose(found[MAP].to_numpy().reshape(2, 3), TURNS[orientation], atol=1e-9)


# pictures with little in them


def test_blank_pictures_of_one_level_hang_together(tmp_path: Path) -> None:
    """The same pixels in other bytes, as often as it may be: bounded pairs, one group a level."""
    for number in range(120):
        level = 20 if number % 2 else 200
        size = (64 + number, 64)
        put(tmp_path / f"{number:03}.png", encode(Image.new("RGB", size, (level,) * 3), "PNG"))
    dataset = dsq.read(tmp_path)
    found = pairs_of(dataset)
    assert set(found["kind"]) == {"near"}
    assert len(found) <= 120 * PARTNERS
    labels = group_pairs(found, 120, "near")
    order = [int(Path(name).stem) % 2 for name in dataset.images["file"]]
    assert len({(label, kind) for label, kind in zip(labels.tolist(), order, strict=True)}) == 2
    assert (labels >= 0).all()


def test_blank_pictures_of_two_colours_do_not(tmp_path: Path) -> None:
    put(tmp_path / "a.png", encode(Image.new("RGB", (64, 64), (118, 118, 118)), "PNG"))
    put(tmp_path / "b.png", encode(Image.new("RGB", (64, 64), (240, 60, 90)), "PNG"))
    assert len(pairs_of(dsq.read(tmp_path))) == 0


def test_dark_water_is_not_all_one_picture(tmp_path: Path) -> None:
    """A small light thing on a dark ground, at another place and of another form each time."""
    rng = np.random.default_rng(0)
    for number in range(40):
        ground = rng.normal(22, 1.5, (240, 320))
        ground += np.linspace(-3, 3, 320) * rng.uniform(-1, 1)
        y, x = rng.integers(40, 200), rng.integers(40, 280)
        ground[y : y + rng.integers(4, 24), x : x + rng.integers(4, 40)] += rng.uniform(60, 200)
        put(tmp_path / f"{number:02}.png", encode(Image.fromarray(ground.clip(0, 255).astype(np.uint8)), "PNG"))
        if number < 10:
            put(
                tmp_path / f"{number:02}c.jpg",
                encode(Image.fromarray(ground.clip(0, 255).astype(np.uint8)), quality=92),
            )
    found = dsq.find_duplicates(dsq.read(tmp_path))
    near = found[found["kind"] == "near"]
    pairs = [(Path(a).stem, Path(b).stem) for a, b in zip(near["image_a"], near["image_b"], strict=True)]
    assert all(a.rstrip("c") == b.rstrip("c") for a, b in pairs)
    assert len(pairs) >= 8


# how it is done


def make_family(folder: Path) -> Dataset:
    """Three pictures, each with a copy, one of them twice, and one broken file twice."""
    for number in range(3):
        picture = draw(number, (320, 240))
        put(folder / f"{number}.jpg", encode(picture, quality=90))
        put(folder / f"{number}_small.jpg", encode(picture.resize((200, 150)), quality=80))
    put(folder / "1_again.jpg", (folder / "1.jpg").read_bytes())
    for name in ("broken", "broken_too"):
        put(folder / f"{name}.jpg", b"\xff\xd8\xff no picture")
    return dsq.read(folder)


def test_copies_of_a_picture_have_its_pairs(tmp_path: Path) -> None:
    found = dsq.find_duplicates(make_family(tmp_path))
    pairs = {
        (Path(a).name, Path(b).name): kind
        for a, b, kind in zip(found["image_a"], found["image_b"], found["kind"], strict=True)
    }
    assert pairs == {
        ("0.jpg", "0_small.jpg"): "near",
        ("1.jpg", "1_again.jpg"): "exact",
        ("1.jpg", "1_small.jpg"): "near",
        ("1_again.jpg", "1_small.jpg"): "near",
        ("2.jpg", "2_small.jpg"): "near",
        ("broken.jpg", "broken_too.jpg"): "exact",
    }


def test_order_of_rows_and_workers_do_not_matter(tmp_path: Path) -> None:
    dataset = make_family(tmp_path / "set")
    want = dsq.find_duplicates(dataset, cache=False)
    shuffled = dataclasses.replace(dataset, images=dataset.images.sample(frac=1, random_state=1).reset_index(drop=True))
    pd.testing.assert_frame_equal(dsq.find_duplicates(shuffled, cache=False), want)
    pd.testing.assert_frame_equal(dsq.find_duplicates(dataset, workers=2, cache=False), want)
    pd.testing.assert_frame_equal(dsq.find_duplicates(shuffled, cache=tmp_path / "cache"), want)
    pd.testing.assert_frame_equal(dsq.find_duplicates(dataset, cache=tmp_path / "cache"), want)


def test_a_second_look_reads_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_family(tmp_path / "set")
    want = dsq.find_duplicates(dataset, cache=tmp_path / "cache")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture was read again")

    monkeypatch.setattr(verify, "read_thumbs", refuse)
    pd.testing.assert_frame_equal(dsq.find_duplicates(dataset, cache=tmp_path / "cache"), want)
    with pytest.raises(AssertionError):
        dsq.find_duplicates(dataset, cache=False)


def test_few_thumbs_at_hand_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_family(tmp_path)
    want = dsq.find_duplicates(dataset, cache=False)
    monkeypatch.setattr(verify, "AT_HAND", 1)
    monkeypatch.setattr(verify, "TOGETHER", 2)
    pd.testing.assert_frame_equal(dsq.find_duplicates(dataset, cache=False), want)


def test_frames_of_a_still_camera_are_bounded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    still = np.asarray(draw(5, (96, 72)), np.float32)
    for number in range(150):
        frame = (still + rng.normal(0, 2, still.shape)).clip(0, 255).astype(np.uint8)
        put(tmp_path / f"{number:03}.png", encode(Image.fromarray(frame), "PNG"))
    for number in range(20):
        put(tmp_path / f"other{number}.png", encode(draw(100 + number), "PNG"))
    dataset = dsq.read(tmp_path)
    found = pairs_of(dataset)
    labels = group_pairs(found, len(dataset.images), "near")
    camera = np.array(["other" not in name for name in dataset.images["file"]])
    assert len(set(labels[camera].tolist())) == 1
    assert (labels[~camera] == -1).all()
    assert len(found) <= 150 * (PARTNERS / 2 + 1)


def test_exact_copies_are_bounded(tmp_path: Path) -> None:
    data = encode(draw(1))
    for number in range(100):
        put(tmp_path / f"{number:03}.jpg", data)
    found = pairs_of(dsq.read(tmp_path))
    assert set(found["kind"]) == {"exact"}
    assert np.bincount(np.r_[found["first"], found["second"]]).max() <= PARTNERS + 1
    assert (group_pairs(found, 100, "exact") == 0).all()


def test_no_images_no_pairs() -> None:
    found = dsq.find_duplicates(dsq.build_dataset([("a.jpg", "cat", 1, 1, 5, 5)]))
    assert list(found.columns) == ["image_a", "image_b", "kind", "agreement"]
    assert len(found) == 0


def test_maps() -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 1, (20, 2, 3))
    np.testing.assert_allclose(relative(centred(maps)), maps, atol=1e-12)
    np.testing.assert_allclose(compose(maps, invert(maps)), [[[1, 0, 0], [0, 1, 0]]] * 20, atol=1e-9)
    assert nearest_turn(TURNS).tolist() == list(range(8))
    assert are_plausible(TURNS).all()
    frames = np.array([[0.25, 0.75, 0.0, 1.0]])
    np.testing.assert_allclose(frame_maps(frames), [[[2, 0, -0.5], [0, 1, 0]]])
    angle = np.radians(45)
    turned = np.array([[[np.cos(angle), -np.sin(angle), 0.5], [np.sin(angle), np.cos(angle), 0.0]]])
    assert not are_plausible(turned).any()
    assert not are_plausible(np.array([[[0.3, 0, 0], [0, 0.3, 0]]])).any()


def test_the_less_there_is_the_more_alike_it_must_be() -> None:
    wanted = least_detail(np.arange(0, 65))
    assert (np.diff(wanted) <= 0).all()
    assert wanted[3] > 0.98
    assert wanted[-1] == pytest.approx(0.6)


def test_kinds_are_in_order() -> None:
    assert duplicates.KINDS == ("exact", "near", "same-scene")
