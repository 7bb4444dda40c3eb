"""The most different images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import dsq
from dsq.analyse.diversity import HASHES, LEVELS, Signatures, pick_diverse, read_signatures
from dsq.cli import group
from dsq.errors import ConfigError


def families(sizes: list[int], seed: int = 0, flips: int = 3) -> tuple[Signatures, list[int]]:
    """Signatures of a few families whose members differ in some bits, and the family of each."""
    rng = np.random.default_rng(seed)
    rows, levels, kin = [], [], []
    for family, size in enumerate(sizes):
        head, level = rng.integers(1, 2**63, len(HASHES), dtype=np.uint64), rng.normal(100, 30, len(LEVELS))
        for _ in range(size):
            row = head.copy()
            for bit in rng.integers(0, 64, flips).tolist():
                row[int(rng.integers(len(HASHES)))] ^= np.uint64(1) << np.uint64(bit)
            rows.append(row)
            levels.append(level + rng.normal(0, 0.5, len(LEVELS)))
            kin.append(family)
    return Signatures(np.array(rows, np.uint64), np.array(levels, np.float32)), kin


def test_one_of_each_family_comes_first() -> None:
    signatures, kin = families([30, 5, 1, 12])
    names = [f"{n}" for n in range(len(kin))]
    chosen, apart = pick_diverse(signatures, 4, names)
    assert {kin[row] for row in chosen.tolist()} == {0, 1, 2, 3}
    assert apart[0] == np.inf and (apart[1:] > 0.3).all()
    more, apart = pick_diverse(signatures, 8, names)
    assert more[:4].tolist() == chosen.tolist() and (apart[4:] < 0.1).all() and (np.diff(apart) <= 0).all()


def test_a_crop_is_no_other_picture() -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(1, 2**63, (3, len(HASHES)), dtype=np.uint64)
    hashes[1, 0] = hashes[0, 9]  # the whole of the second is a crop of the first
    chosen, apart = pick_diverse(Signatures(hashes, np.ones((3, len(LEVELS)), np.float32)), 3, ["a", "b", "c"])
    assert chosen.tolist() == [0, 2, 1] and apart[2] == 0


@given(st.integers(0, 9), st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(count: int, seed: int) -> None:
    signatures, _ = families([3, 2, 2], flips=1)
    signatures.levels[4] = np.nan  # unreadable
    names = [f"{n}.jpg" for n in range(7)]
    order = np.random.default_rng(seed).permutation(7)
    chosen, _ = pick_diverse(signatures, count, names)
    again, _ = pick_diverse(signatures.take(order), count, [names[at] for at in order])
    assert [names[row] for row in chosen] == [names[order[row]] for row in again]
    assert len(set(chosen.tolist())) == min(count, 6) and 4 not in chosen.tolist()


def blank(count: int) -> Signatures:
    return Signatures(np.zeros((count, len(HASHES)), np.uint64), np.full((count, len(LEVELS)), np.nan, np.float32))


def test_nothing_readable_gives_nothing() -> None:
    for count in (0, 3):
        assert len(pick_diverse(blank(count), 2, ["a", "b", "c"][:count])[0]) == 0


def film(folder: Path, scenes: int = 3, frames: int = 6) -> None:
    """Frames of a few scenes, a small thing moving in each; one file is broken."""
    rng = np.random.default_rng(1)
    folder.mkdir()
    for scene in range(scenes):
        small = Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))
        still = small.resize((160, 120), Image.Resampling.BICUBIC)
        for frame in range(frames):
            picture = still.copy()
            picture.paste((255, 255, 255), (5 + 8 * frame, 60, 15 + 8 * frame, 70))
            picture.save(folder / f"s{scene}_{frame:03d}.jpg")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")


def test_frames_of_every_scene_are_kept(tmp_path: Path) -> None:
    film(tmp_path / "film")
    data = dsq.read(tmp_path / "film")
    signatures = dsq.read_signatures(data)
    part = dsq.subset(data, diverse=3, signatures=signatures)
    assert sorted(file[:2] for file in part.dataset.images["file"]) == ["s0", "s1", "s2"]
    assert part.left_out["diverse"] == {"images": len(data) - 3, "boxes": 0}
    everything = dsq.subset(data, diverse=100, signatures=signatures).dataset
    assert len(everything) == 18 and "broken.jpg" not in everything.images["file"].tolist()
    some = dsq.subset(data, states=["unlabelled"], diverse=2, signatures=signatures)
    assert len(some.dataset) == 2


def test_what_is_not_given_is_asked_for() -> None:
    data = dsq.build_dataset([("a.jpg", "cat", 1, 1, 5, 5)])
    signatures = Signatures(np.ones((1, len(HASHES)), np.uint64), np.ones((1, len(LEVELS)), np.float32))
    with pytest.raises(ConfigError, match="read_signatures"):
        dsq.subset(data, diverse=1)
    with pytest.raises(ConfigError, match="2 signatures were given for 1 images"):
        dsq.subset(data, diverse=1, signatures=blank(2))
    with pytest.raises(ConfigError, match="no image file could be read"):
        dsq.subset(data, diverse=1, signatures=blank(1))
    with pytest.raises(ConfigError, match="both given"):
        dsq.subset(data, diverse=1, count=1, signatures=signatures)
    with pytest.raises(ConfigError, match="diverse is -1"):
        dsq.subset(data, diverse=-1, signatures=signatures)
    assert len(dsq.subset(data, diverse=1, signatures=signatures).dataset) == 1


def test_the_command_keeps_the_most_different(tmp_path: Path) -> None:
    film(tmp_path / "film")
    run = CliRunner().invoke
    arguments = ["subset", str(tmp_path / "film"), "--to", "yolo", "-o", str(tmp_path / "out")]
    done = run(group, [*arguments, "--diverse", "3"])
    assert done.exit_code == 0, done.output
    assert "left out by diverse: 16 images" in done.output
    kept = sorted(path.name[:2] for path in (tmp_path / "out").rglob("*.jpg"))
    assert kept == ["s0", "s1", "s2"]
    assert "both given" in str(run(group, [*arguments, "--overwrite", "--diverse", "3", "--count", "2"]).exception)


def test_a_turned_copy_is_no_other_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for number in range(3):
        small = Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))
        picture = small.resize((160, 120), Image.Resampling.BICUBIC)
        picture.save(tmp_path / f"{number}.png")
        for turn in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90, Image.Transpose.TRANSVERSE):
            picture.transpose(turn).save(tmp_path / f"{number}_{turn.name}.png")
    data = dsq.read(tmp_path, format="images")
    names = data.images["file"].tolist()
    chosen, apart = pick_diverse(read_signatures(data), 12, names)
    assert {names[row][0] for row in chosen[:3].tolist()} == {"0", "1", "2"}
    assert apart[2] > 0.2 and apart[3] < 0.1
