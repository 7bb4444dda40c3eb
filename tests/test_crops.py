"""Descriptors of boxes, and classes that two parts of a set exchange."""

from __future__ import annotations

import io
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import dsq
from dsq.analyse.assignment import assign_rows
from dsq.analyse.crops import MOST_OF_CLASS, Exchange, choose_crops, compare_crops, find_exchanges
from dsq.measure.crops import CROP_SIZE, SIDE, THUMB_SIZE, describe_crops, read_crops
from dsq.measure.decode import decode_large
from dsq.measure.probes import turn


@given(st.integers(1, 5), st.integers(0, 10_000))
def test_assignment_is_the_best_there_is(size: int, seed: int) -> None:
    worth = np.random.default_rng(seed).integers(-5, 6, (size, size)).astype(float)
    columns = assign_rows(worth)
    assert sorted(columns.tolist()) == list(range(size))
    rows = np.arange(size)
    assert worth[rows, columns].sum() == max(worth[rows, list(order)].sum() for order in permutations(range(size)))


def noisy(seed: int, count: int = 1) -> Any:
    """Smooth random crops (count, SIDE, SIDE, 3) uint8."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(0, 255, (count, 5, 5, 3)).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in small])


def test_descriptor_of_a_plain_crop_has_no_edges() -> None:
    described = describe_crops(np.full((2, SIDE, SIDE, 3), 77, np.uint8))
    assert described.shape == (2, CROP_SIZE) and described.dtype == np.uint8
    assert (described[:, :THUMB_SIZE] == 77).all() and not described[:, THUMB_SIZE:].any()
    assert describe_crops(np.empty((0, SIDE, SIDE, 3), np.uint8)).shape == (0, CROP_SIZE)


def test_edges_stand_in_the_bin_of_their_direction() -> None:
    upright = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    upright[:, :, SIDE // 2 :] = 200
    lying = upright.swapaxes(1, 2)
    edges = [describe_crops(crop)[0, THUMB_SIZE:].reshape(16, 8).astype(int).sum(0) for crop in (upright, lying)]
    assert [bins.argmax() for bins in edges] == [0, 4]


@pytest.mark.parametrize("orientation", range(8))
def test_turned_crops_are_alike_under_their_map(orientation: int) -> None:
    crop = noisy(3)
    turned = turn(crop[0].transpose(2, 0, 1), orientation).transpose(1, 2, 0)[None]
    linear = np.eye(2)
    if orientation & 4:
        linear = linear[::-1]
    if orientation & 1:
        linear = linear * [[-1], [1]]
    if orientation & 2:
        linear = linear * [[1], [-1]]
    maps = np.array([[*linear[0], 0, *linear[1], 0]])
    one, other, third = (describe_crops(pixels) for pixels in (crop, turned, noisy(4)))
    assert compare_crops(one, other, maps)[0] == pytest.approx(1, abs=0.01)
    assert compare_crops(one, third, maps)[0] < 0.7
    plain = describe_crops(np.full_like(crop, 9))
    assert np.isnan(compare_crops(one, plain, maps)[0])


def saved(folder: Path, name: str, image: Image.Image, **options: Any) -> str:
    image.save(folder / name, **options)
    return name


def test_crops_are_read_and_remembered(tmp_path: Path) -> None:
    picture = Image.new("RGB", (200, 100), (10, 10, 10))
    picture.paste((250, 250, 250), (100, 0, 200, 100))
    saved(tmp_path, "a.png", picture)
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    images = [{"file": name, "root": str(tmp_path)} for name in ("a.png", "broken.png", "gone.png")]
    data = dsq.build_dataset(images=images, size=(200, 100))
    rows = [0, 0, 0, 0, 1, 2]
    corners = np.array([[0, 0, 90, 90], [110, 0, 900, 90], [50, 50, 52, 90], [300, 0, 400, 9], [0, 0, 9, 9]])
    corners = np.concatenate([corners, corners[-1:]]).astype(float)
    contents = ["aa" * 32] * 4 + ["bb" * 32, None]
    cache = tmp_path / "cache"
    crops, there = read_crops(data, rows, corners, contents=contents, cache=cache)
    assert there.tolist() == [True, True, False, False, False, False]
    assert abs(int(crops[0, 0]) - 10) <= 1 and abs(int(crops[1, 0]) - 250) <= 1
    for name in ("a.png", "broken.png"):
        (tmp_path / name).unlink()
    again, still = read_crops(data, rows, corners, contents=contents, cache=cache)
    assert (again == crops).all() and (still == there).all()
    without, none = read_crops(data, rows, corners, cache=False)
    assert not without.any() and not none.any()


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "RGBA", "LA", "1", "I;16", "F"])
def test_large_pictures_of_any_mode_are_decoded(mode: str) -> None:
    grey = Image.linear_gradient("L").resize((90, 70))
    if mode in ("I;16", "F"):
        levels = np.asarray(grey).astype(np.uint16 if mode == "I;16" else np.float32) * 9
        image = Image.fromarray(levels)
    else:
        image = (grey.convert("RGBA") if mode in ("RGBA", "LA") else grey.convert("RGB")).convert(mode)
    out = io.BytesIO()
    image.save(out, "TIFF" if mode in ("CMYK", "F", "I;16") else "PNG")
    planes = decode_large(out.getvalue())
    assert planes.shape == (70, 90, 3) and planes.dtype == np.uint8
    assert planes[:10, :, 0].mean() < 60 and planes[-10:, :, 0].mean() > 190


def test_a_jpeg_is_reduced_as_it_is_decoded() -> None:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((401, 300)).convert("RGB").save(out, "JPEG")
    for scale, step in ((1, 1), (3, 2), (4, 4), (100, 8)):
        assert decode_large(out.getvalue(), scale).shape == (-(-300 // step), -(-401 // step), 3)


def drawn(kind: str, seed: int) -> Any:
    """A crop of one kind: a disc, upright bars, or nothing but noise."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE
    if kind == "disc":
        shape = np.hypot(down - 0.5, across - 0.5) < rng.uniform(0.25, 0.45)
    elif kind == "bars":
        shape = np.sin(across * rng.uniform(12, 20) + rng.uniform(0, 6)) > 0
    else:
        shape = rng.random((SIDE, SIDE)) > 0.5
    luma = np.where(shape, rng.uniform(150, 230), rng.uniform(20, 90)) + rng.normal(0, 8, (SIDE, SIDE))
    planes = np.stack([luma, *rng.uniform(110, 146, (2, 1, 1)) * np.ones((2, SIDE, SIDE))], 2)
    return planes.clip(0, 255).astype(np.uint8)


def parted(kinds: dict[int, tuple[str, ...]], each: int = 20) -> dict[str, Any]:
    """Arguments for find_exchanges: `each` crops of every class and part, two an image."""
    rows = [(part, label, n) for part, names in kinds.items() for label in range(len(names)) for n in range(each)]
    crops = np.stack([drawn(kinds[part][label], 1000 * part + 100 * label + n) for part, label, n in rows])
    table = np.array(rows)
    return {
        "crops": describe_crops(crops),
        "sides": np.random.default_rng(0).uniform(0.1, 0.3, (len(rows), 2)),
        "category": table[:, 1] + 5,
        "part": table[:, 0],
        "image": table[:, 0] * 1000 + table[:, 2] // 2,
    }


def clear(found: list[Exchange]) -> list[tuple[int, ...]]:
    return [e.classes for e in found if e.gain >= 0.6 and e.separation >= 0.65 and e.chance <= 0.01 and e.agreed]


def test_exchanged_classes_are_found() -> None:
    found = find_exchanges(**parted({0: ("disc", "bars"), 1: ("bars", "disc")}), least=12, images=6)
    assert clear(found) == [(5, 6)]
    assert found[0].gain == pytest.approx(1, abs=0.25) and found[0].crops == 20
    kinds = {0: ("disc", "bars", "noise"), 1: ("bars", "noise", "disc")}
    assert clear(find_exchanges(**parted(kinds), least=12, images=6)) == [(5, 6, 7)]


def test_equal_or_inseparable_classes_are_quiet() -> None:
    assert find_exchanges(**parted({0: ("disc", "bars"), 1: ("disc", "bars")}), least=12, images=6) == []
    assert not clear(find_exchanges(**parted({0: ("noise", "noise"), 1: ("noise", "noise")}), least=12, images=6))
    assert find_exchanges(**parted({0: ("disc", "bars"), 1: ("bars", "disc")}, 10), least=12, images=6) == []
    assert find_exchanges(**parted({0: ("disc", "bars"), 1: ("bars", "disc")}), least=12, images=11) == []


def test_the_odd_one_of_three_parts_takes_part_in_every_exchange() -> None:
    kinds = {0: ("disc", "bars"), 1: ("bars", "disc"), 2: ("disc", "bars")}
    found = find_exchanges(**parted(kinds), least=12, images=6)
    assert [(e.first, e.second) for e in found] == [(0, 1), (1, 2)]


def test_crops_are_chosen_by_name_and_bounded() -> None:
    rng = np.random.default_rng(0)
    count = 900
    category, part, image = rng.integers(0, 3, count), rng.integers(-1, 2, count), rng.integers(0, 40, count)
    category[category == 2] = np.where(part[category == 2] == 0, 2, 3)  # classes of one part alone
    keys = [f"box {n}" for n in range(count)]
    chosen = choose_crops(keys, category, part, image, least=12)
    sizes = {(c, p): int(((category[chosen] == c) & (part[chosen] == p)).sum()) for c in range(4) for p in (-1, 0, 1)}
    assert sizes == {(c, p): MOST_OF_CLASS if c < 2 and p >= 0 else 0 for c in range(4) for p in (-1, 0, 1)}
    for c, p in ((0, 0), (1, 1)):  # one an image before a second
        mine = image[chosen][(category[chosen] == c) & (part[chosen] == p)]
        assert np.bincount(mine).max() <= 2
    order = rng.permutation(count)
    again = choose_crops([keys[at] for at in order], category[order], part[order], image[order], least=12)
    assert sorted(order[again].tolist()) == chosen.tolist()
