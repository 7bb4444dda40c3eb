"""File names: versions, copies, counters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsq.names import name_facts, source_stems


def test_roboflow_versions_share_a_source() -> None:
    files = ["train/a_jpg.rf.0a1b.jpg", "valid/a_jpg.rf.ffee.jpg", "train/b.v2_png.rf.77.jpg", "train/c.jpg"]
    assert source_stems(files).tolist() == ["a_jpg", "a_jpg", "b.v2_png", "train/c.jpg"]
    assert name_facts(files)["roboflow"].tolist() == [True, True, True, False]


def test_plain_files_are_their_own_source() -> None:
    assert len(set(source_stems(["a/0001.jpg", "b/0001.jpg", "0001.png", "x.rf.jpg", ".rf.9e.jpg"]))) == 5


def test_copies_share_the_source_of_their_original() -> None:
    files = ["a/7.jpg", "a/7_flip.jpg", "a/7_rot_2.jpg", "b/7.jpg"]
    assert len(set(source_stems(files))) == 2
    assert name_facts(files)["base"].tolist() == [None, "7", "7", None]


@pytest.mark.parametrize(
    ("files", "augmented"),
    [
        (["car_hflip.jpg"], [True]),
        (["car_augmented_3.jpg"], [True]),
        (["car_rot90.jpg"], [True]),
        (["aug_0_1234567.jpg"], [True]),
        (["cam_001_aug_1.jpg", "cam_001_aug_2.jpg"], [True, True]),
        (["car.jpg", "car_dark.jpg"], [False, True]),
        (["car_flip_jpg.rf.01.jpg", "car_jpg.rf.02.jpg"], [True, False]),
        (["street_dark.jpg", "street_dark_2.jpg"], [False, False]),
        (["apple_rot_12.jpg", "apple_rot_13.jpg"], [False, False]),
        (["trip_12_aug_2020.jpg", "trip_12_aug_2021.jpg"], [False, False]),
        (["aug_12_2020.jpg", "aug_2020.jpg", "august_1.jpg"], [False, False, False]),
        (["flipper_1.jpg", "rotterdam_90.jpg", "000012.jpg"], [False, False, False]),
    ],
)
def test_augmented_names(files: list[str], augmented: list[bool]) -> None:
    assert name_facts(files)["augmented"].tolist() == augmented


@pytest.mark.parametrize(
    ("stem", "says_enough"),
    [
        ("IMG_20230401_123456", True),
        ("5f2a9c0d1e3b4a6f", True),
        ("main-street-crossing", True),
        ("000000123456", False),
        ("0001", False),
        ("IMG_0001", False),
        ("frame_0000000012", False),
        ("DJI_0005", False),
        ("photo", False),
    ],
)
def test_telling_stems(stem: str, says_enough: bool) -> None:
    facts = name_facts([f"train/{stem}.jpg", f"val/{stem}.png"])
    assert facts["distinctive"].tolist() == [says_enough] * 2
    assert not name_facts([f"train/{stem}.jpg"])["distinctive"].any()


def test_numbered_series_say_little() -> None:
    files = [f"{split}/pothole_street_{n}.jpg" for split in ("train", "val") for n in range(4)]
    assert not name_facts(files)["distinctive"].any()


@given(st.lists(st.text("ab_-.1/rfaugflip", max_size=20), max_size=8))
def test_any_name_has_facts(files: list[str]) -> None:
    facts = name_facts(files)
    assert len(facts) == len(files)
    assert (facts["source"].str.len() > 0).all() or "" in files
    assert set(zip(files, facts["source"], strict=True)) == set(
        zip(files[::-1], source_stems(files[::-1]), strict=True)
    )


def test_nothing() -> None:
    assert name_facts([]).empty
    assert source_stems([]).tolist() == []
