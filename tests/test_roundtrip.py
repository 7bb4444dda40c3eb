"""There and back between all formats: nothing changes that the losses do not list, and the books balance."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from generate import datasets, make_pool
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from dsq.conversion import export
from dsq.errors import ReadError
from dsq.formats import read
from dsq.model import Dataset, build_dataset, text_or_none

FORMATS = ("voc", "coco", "yolo")
PAIRS = list(permutations(FORMATS, 2))
#: what a box may move by: pixels on images up to 4000
PRECISION = {"voc": 1e-9, "coco": 1e-9, "yolo": 1e-3}
FLAGS = ("difficult", "truncated", "occluded")
#: losses by which records leave a table
BOXES_GONE = ("crowd-dropped", "difficult-dropped", "boxes-dropped", "boxes-unsized")
IMAGES_GONE = ("images-left-out", "records-united")


class Box(NamedTuple):
    name: str
    corners: tuple[float, ...]  # x0 y0 x1 y1
    crowd: bool
    flags: tuple[bool | None, ...]


class Picture(NamedTuple):
    width: int | None
    height: int | None
    split: str | None
    state: str
    boxes: list[Box]


Set = dict[str, Picture]


def held(data: Dataset) -> Set:
    """What a dataset says of each image, by file."""
    names = dict(zip(data.categories["category_id"], data.categories["name"], strict=True))
    boxes: dict[int, list[Box]] = {}
    for box in data.boxes.itertuples():
        flags = tuple(None if flag is pd.NA else bool(flag) for flag in (getattr(box, each) for each in FLAGS))
        corners = (box.x, box.y, box.x + box.width, box.y + box.height)
        boxes.setdefault(box.image_id, []).append(Box(names[box.category_id], corners, box.crowd, flags))
    splits = text_or_none(data.images["split"])
    found = {}
    for row, image in enumerate(data.images.itertuples()):
        sides = [None if side is pd.NA else int(side) for side in (image.width, image.height)]
        found[image.file] = Picture(*sides, splits[row], image.label_state, boxes.get(image.image_id, []))
    assert len(found) == len(data.images)
    return found


def cut(box: Box, width: int, height: int) -> Box:
    """The part of a box that lies in its image."""
    corners = np.clip(box.corners, 0, [width, height, width, height]).tolist()
    return box._replace(corners=tuple(corners))


def through(pictures: Set, to: str) -> tuple[Set, Counter[str]]:
    """What a format keeps of a set, from what is known of the format alone, and what it loses."""
    losses: Counter[str] = Counter()
    found = {}
    for file, picture in pictures.items():
        boxes = picture.boxes
        if to != "coco":
            losses["crowd-dropped"] += sum(box.crowd for box in boxes)
            boxes = [box for box in boxes if not box.crowd]
        if to == "yolo":
            assert picture.width and picture.height
            whole, boxes = boxes, []
            for box in whole:
                losses["flags-dropped"] += True in box.flags
                inside = cut(box, picture.width, picture.height)
                x0, y0, x1, y1 = (
                    round(corner / side * 1e9)
                    for corner, side in zip(inside.corners, (picture.width, picture.height) * 2, strict=True)
                )
                if x1 <= x0 or y1 <= y0:
                    losses["boxes-dropped"] += 1
                    continue
                losses["boxes-clipped"] += bool(np.abs(np.subtract(inside.corners, box.corners)).max() > 1e-3)
                boxes.append(inside._replace(flags=(None, None, None)))
        state = picture.state
        if state == "labelled" and not boxes:
            losses["images-emptied"] += 1
            state = "unlabelled"
        found[file] = picture._replace(boxes=boxes, state=state)
    return found, +losses


def same(found: Set, wanted: Set, within: float) -> None:
    """Equal but for the order of images, and for box corners by `within` pixels."""
    assert found.keys() == wanted.keys()
    for file, picture in wanted.items():
        there = found[file]
        assert there[:-1] == picture[:-1], file
        assert [box._replace(corners=()) for box in there.boxes] == [box._replace(corners=()) for box in picture.boxes]
        for mine, theirs in zip(there.boxes, picture.boxes, strict=True):
            assert np.abs(np.subtract(mine.corners, theirs.corners)).max() <= within, (file, mine, theirs)


def books(before: Dataset, after: Dataset, losses: Mapping[str, int]) -> None:
    """Whether the losses sum up to the difference, in images, boxes, label states and splits."""

    def lost(*kinds: str) -> int:
        return sum(losses.get(kind, 0) for kind in kinds)

    states = [data.images["label_state"].astype(str).value_counts() for data in (before, after)]
    was, now = ({state: int(count.get(state, 0)) for state in ("labelled", "background", "unlabelled")}
                for count in states)  # fmt: skip
    assert len(after.images) == len(before.images) - lost(*IMAGES_GONE)
    assert len(after.boxes) == len(before.boxes) - lost(*BOXES_GONE)
    nameless = before.images["member"].isna() & (before.images["label_state"] == "unlabelled")  # always left out
    assert now["labelled"] == was["labelled"] - lost("images-emptied", "images-left-out") + nameless.sum()
    assert now["background"] == was["background"]
    assert now["unlabelled"] == was["unlabelled"] + lost("images-emptied") - nameless.sum()
    absent = int(before.images["member"].isna().sum())
    assert lost("images-missing") == absent - lost("images-left-out")
    unknown = [int(data.images["width"].isna().sum()) for data in (before, after)]
    assert unknown[1] <= unknown[0] + lost("sizes-dropped")
    splits = [Counter(text_or_none(data.images["split"]).tolist()) for data in (before, after)]
    assert (splits[0] - splits[1]).total() == lost("images-left-out", "splits-dropped", "splits-renamed")
    if after.about.format == "images":  # not one label: read as pictures, which have no classes
        return
    known, kept = (data.categories["name"].tolist() for data in (before, after))
    assert set(kept) <= set(known) or lost("names-changed")
    assert len(kept) == len(known) - lost("unused-classes-dropped")


class Step(NamedTuple):
    """What came back, the losses, and the old name of every image by its new one."""

    data: Dataset
    losses: dict[str, int]
    names: dict[str, str]


def step(data: Dataset, place: Path, to: str, images: str = "copy") -> Step:
    """Write it as `to`, read it again, and hold the losses against the difference."""
    given: list[str] = []

    def note(names: list[str]) -> Mapping[str, bytes]:
        given.extend(names)
        return {}

    losses = export(data, place, to=to, images=images, beside=note).as_dict()
    try:
        back = read(place, format=to)
    except ReadError:  # pictures alone
        back = read(place)
        assert len(back) == len(data) and set(back.images["label_state"]) == {"unlabelled"}
        reject()
    assert back.problems.empty
    books(data, back, losses)
    return Step(back, losses, dict(zip(given, data.images["file"], strict=True)))


def renamed(pictures: Set, names: Mapping[str, str]) -> Set:
    """By the names that the images had before."""
    return {names[file]: picture for file, picture in pictures.items()}


def there_and_back(data: Dataset, folder: Path, a: str, b: str, turn: int) -> None:
    """From a set in the format a to b and to a again: equal but for what b and a are known to lose."""
    first = step(data, folder / f"there{('', '.zip')[turn]}", b, "copy" if turn else "hardlink")
    wanted, lost = through(held(data), b)
    same(renamed(held(first.data), first.names), wanted, PRECISION[b])
    listed(first.losses, lost)
    last = step(first.data, folder / f"back{('.zip', '')[turn]}", a)
    names = {new: first.names[old] for new, old in last.names.items()}
    again, more = through(wanted, a)
    same(renamed(held(last.data), names), again, PRECISION[b] + PRECISION[a])
    listed(last.losses, more)


def listed(losses: Mapping[str, int], known: Counter[str]) -> None:
    """Whether losses of boxes, flags and states are told, and no more of them than there are."""
    for kind in {*BOXES_GONE, "boxes-clipped", "flags-dropped", "images-emptied"}:
        assert losses.get(kind, 0) == known[kind], kind


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pool(tmp_path_factory.mktemp("pool"))


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize(("a", "b"), PAIRS)
@settings(max_examples=20)
@given(draw=st.data(), turn=st.sampled_from((0, 1)))
def test_there_and_back(pool: Path, a: str, b: str, draw: Any, turn: int) -> None:
    made = draw.draw(datasets(pool, most=5))
    with scratch() as folder:
        start = step(made, folder / f"start{('', '.zip')[turn]}", a)
        wanted, lost = through(held(made), a)
        same(renamed(held(start.data), start.names), wanted, PRECISION[a])
        listed(start.losses, lost)
        there_and_back(start.data, folder, a, b, turn)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_clean_samples(samples: Path, tmp_path: Path, a: str, b: str) -> None:
    for turn in (0, 1):
        (tmp_path / str(turn)).mkdir()
        there_and_back(read(samples / f"clean-{a}.zip"), tmp_path / str(turn), a, b, turn)


@pytest.mark.parametrize("to", FORMATS)
def test_precision_on_a_large_image(tmp_path: Path, to: str) -> None:
    """Boxes anywhere on 4000 × 3000 pixels, in a set without image files."""
    corners = np.sort(np.random.default_rng(5).uniform(0, 1, (500, 2, 2)), axis=1) * [4000, 3000]
    rows = [("a.jpg", "x", *low, *(high - low)) for low, high in corners]
    data = build_dataset(rows, size=(4000, 3000))
    export(data, tmp_path / "set", to=to, images="none")
    sides = ["x", "y", "width", "height"]
    found = read(tmp_path / "set", format=to).boxes[sides].to_numpy()
    found = found * ([4000, 3000] * 2 if to == "yolo" else 1)
    assert np.abs(found - data.boxes[sides].to_numpy()).max() <= PRECISION[to]


REAL = (
    "aerial-cars", "bccd", "bccd-planted/labels_with_planted_errors.json", "coco-tiny", "pen-zip/archive.zip",
    "raccoon", "ships-yolov8", "traffic-ground", "odd/datumaro-coco-all-tasks",
    "odd/datumaro-kaggle-relaxed-voc-samedir", "odd/datumaro-kaggle-relaxed-yolo", "odd/datumaro-roboflow-yolo",
    "odd/datumaro-voc-no-images", "odd/datumaro-yolo-strict", "odd/labelformat-yolov8-weird-names",
    "odd/labellint-sample-coco", "odd/mmdetection-coco-wrong-format", "odd/sahi-terrain-coco",
)  # fmt: skip


def test_all_real_sets_are_named(shared_data: Path) -> None:
    folders = {path.parent for path in shared_data.rglob("*") if path.is_file()} - {shared_data, shared_data / "odd"}
    known = [shared_data / name for name in REAL]
    for folder in folders:
        assert any(folder == each or each in folder.parents or folder == each.parent for each in known), folder


@pytest.mark.parametrize("name", REAL)
def test_real_sets_go_round(shared_data: Path, tmp_path: Path, name: str) -> None:
    """To VOC, COCO, YOLO and VOC: images, boxes, backgrounds and unlabelled images are all there, or listed."""
    data = read(shared_data / name)
    for number, to in enumerate(("voc", "coco", "yolo", "voc")):
        place = tmp_path / f"{number}{('', '.zip')[number % 2]}"
        losses = export(data, place, to=to, images="hardlink" if number == 2 else "copy").as_dict()
        if losses.get("images-left-out", 0) == len(data.images):
            with pytest.raises(ReadError):
                read(place)
            return
        back = read(place)
        books(data, back, losses)
        data = back
