"""Verbs that look at the pixels: split --grouped, and what merge says of its sources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import dsq
from dsq.analyse.groups import settle_groups
from dsq.cli import group


def call(*arguments: object) -> Result:
    done = CliRunner().invoke(group, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def textured(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (8, 10, 3)).astype(np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def yolo(folder: Path, pictures: dict[str, Image.Image], names: Sequence[str] = ("cat",), quality: int = 90) -> Path:
    """A YOLO set with a box of the first class in the middle of each picture."""
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text(f"path: .\ntrain: images\nval: images\nnames: {json.dumps(list(names))}\n")
    for name, picture in pictures.items():
        picture.save(folder / "images" / f"{name}.jpg", quality=quality)
        (folder / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    return folder


WORDS = "anvil bramble cinder dapple elder fennel garnet hazel iris juniper kestrel linden".split()


def copies(folder: Path) -> Path:
    """Twelve pictures, each with a flipped and a brighter copy under names that have nothing in common."""
    pictures = {}
    for number, word in enumerate(WORDS):
        picture = textured(number)
        pictures[word] = picture
        pictures[f"p{word[::-1]}"] = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pictures[f"q{number * 7919 % 1000}x"] = Image.eval(picture, lambda level: min(level + 20, 255))
    return yolo(folder, pictures)


def parted(folder: Path) -> int:
    """How many of the twelve pictures stand in more than one split."""
    place = {path.stem: path.parent.name for path in folder.rglob("*.jpg")}
    trios = [(word, f"p{word[::-1]}", f"q{number * 7919 % 1000}x") for number, word in enumerate(WORDS)]
    return sum(len({place[name] for name in trio}) > 1 for trio in trios)


def test_copies_are_not_parted(tmp_path: Path) -> None:
    source = copies(tmp_path / "set")
    plain = call("split", source, "-o", tmp_path / "plain", "--ratios", "60/40", "--sequences", "none")
    assert plain.exit_code == 0 and parted(tmp_path / "plain") > 3
    done = call("split", source, "-o", tmp_path / "out", "--ratios", "60/40", "--sequences", "none", "--grouped")
    assert done.exit_code == 0, done.output
    assert parted(tmp_path / "out") == 0
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 36
    again = call("split", source, "-o", tmp_path / "again", "--ratios", "60/40", "--sequences", "none", "--grouped")
    assert again.output.replace("again", "out") == done.output


def test_groups_for_the_api(tmp_path: Path) -> None:
    data = dsq.read(copies(tmp_path / "set"))
    groups = dsq.group_duplicates(data)
    keys = [key for key in groups.keys if key is not None]
    assert len(keys) == 36 and sorted(np.unique(keys, return_counts=True)[1].tolist()) == [3] * 12
    assert groups.notes == []
    done = dsq.split(data, [0.5, 0.5], groups=[groups.keys])
    assert "12 groups of 36 images: given" in done.notes


def test_one_scene_of_most_images_is_cut_into_its_copies() -> None:
    scene, near = np.array([0, 0, 0, 0, 0, 1, 1, -1]), np.array([0, 0, -1, 1, 1, 2, 2, -1])
    settled = settle_groups(scene, near)
    one, other = settled.keys[0], settled.keys[3]
    assert settled.keys == [one, one, None, other, other, 1, 1, None] and len({one, other, 1}) == 3
    assert settled.notes == ["5 of 8 images show one scene: only near copies among them stay together"]
    few = settle_groups(np.array([0, 0, -1, -1]), np.array([-1, -1, -1, -1]))
    assert few.keys == [0, 0, None, None] and few.notes == []


def two_sources(tmp_path: Path) -> list[Path]:
    """Two sets of eight pictures; three of the second are smaller copies of the first's."""
    first = {word: textured(n) for n, word in enumerate(WORDS[:8])}
    second = {f"b{n}x{word}": textured(n + 100) for n, word in enumerate(WORDS[:5])}
    second |= {f"c{n}y": textured(n).resize((120, 90)) for n in range(3)}
    return [yolo(tmp_path / "north", first), yolo(tmp_path / "south", second, quality=70)]


def facts(*arguments: object) -> dict[str, Any]:
    done = call("merge", *arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_merge_tells_near_copies_across_its_sources(tmp_path: Path) -> None:
    sources = two_sources(tmp_path)
    done = call("merge", *sources, "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert "3 pairs of images show one picture in two sources; both were kept" in done.output
    assert "anvil.jpg (north) = images/" in done.output
    told = facts(*sources, "-o", tmp_path / "more")
    assert told["near_duplicate_count"] == 3 and told["class_order_mismatch"] == []
    pair = told["near_duplicates"][0]
    assert {pair["source_a"], pair["source_b"]} == {"north", "south"} and 0.8 <= pair["agreement"] <= 1
    assert len(list((tmp_path / "more").rglob("*.jpg"))) == 16


@pytest.mark.parametrize("options", [["--no-pixels"], ["--images", "none"]])
def test_merge_reads_no_pixels_where_none_are_wanted(
    tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = two_sources(tmp_path)

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("pixels were read")

    monkeypatch.setattr("dsq.scan.measure_images", refuse)
    told = facts(*sources, "-o", tmp_path / "out", *options)
    assert told["near_duplicates"] is None and told["near_duplicate_count"] is None
    if options != ["--no-pixels"]:
        done = call("merge", *sources, "-o", tmp_path / "more", *options)
        assert "were not looked for: no images are written" in done.output


def test_merge_tells_exchanged_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    sources = []
    for town, names in (("north", ["car", "person"]), ("south", ["person", "car"])):
        pictures = {}
        for number in range(14):
            noise = rng.integers(90, 130, (96, 96, 3)).astype(np.uint8)
            picture = Image.fromarray(noise)
            picture.paste((200, int(rng.integers(20, 60)), 40), (8, 8, 48, 28))
            picture.paste((40, 60, int(rng.integers(150, 220))), (60, 40, 80, 90))
            pictures[f"{town}{WORDS[number % 12]}{number}"] = picture
        folder = yolo(tmp_path / town, pictures, names)
        for path in (folder / "labels").iterdir():
            path.write_text("0 0.29 0.19 0.42 0.21\n1 0.73 0.68 0.21 0.52\n")
        sources.append(folder)
    done = call("merge", *sources, "-o", tmp_path / "out")
    assert "class-order-mismatch: names may be exchanged in a source:" in done.output
    assert "car in south looks like person in north" in done.output
