"""Splits: shares, classes, groups, folds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sets import datasets, shuffled

import dsq
from dsq.errors import ConfigError
from dsq.transform.groups import BY_PIXELS, group_images
from dsq.transform.split import split
from dsq.transform.strata import quotas_of


def of_files(dataset: dsq.Dataset) -> dict[str, str]:
    return dict(zip(dataset.images["file"], dataset.images["split"].astype(str), strict=True))


def plain(count: int) -> dsq.Dataset:
    return dsq.build_dataset(images=[f"{number}.jpg" for number in range(count)])


@pytest.mark.parametrize(
    ("count", "parts"), [(10, [8, 1, 1]), (100, [80, 10, 10]), (5, [3, 1, 1]), (1, [1, 0, 0]), (0, [0, 0, 0])]
)
def test_default_shares_are_met(count: int, parts: list[int]) -> None:
    done = split(plain(count))
    assert done.shares["images"].tolist() == parts
    assert done.shares["split"].tolist() == ["train", "val", "test"]


def test_ratios_by_name_and_by_place() -> None:
    assert split(plain(10), (7, 3)).shares["images"].tolist() == [7, 3]
    done = split(plain(10), {"train": 1, "holdout": 1, "nothing": 0})
    assert done.shares["split"].tolist() == ["train", "holdout"]
    assert done.shares["images"].tolist() == [5, 5]


@pytest.mark.parametrize(
    "options",
    [
        {"ratios": (1,)},
        {"ratios": {"train": -1, "val": 2}},
        {"ratios": {"train": 0.0}},
        {"ratios": {"a/b": 1.0}},
        {"ratios": {"train": float("nan")}},
        {"folds": 1},
        {"folds": 3, "fold": 4},
        {"fold": 1},
        {"folds": 3, "ratios": (1, 1)},
        {"keep": ["holdout"]},
        {"sequences": "some"},
        {"groups": [["a"]]},
    ],
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        split(plain(10), **options)  # type: ignore[arg-type]


def test_rare_class_is_in_every_split() -> None:
    boxes = [(f"{n}.jpg", "car", 0, 0, 9, 9) for n in range(100)]
    boxes += [(f"{n}.jpg", "yak", 20, 20, 9, 9) for n in range(0, 100, 10)]
    for seed in range(5):
        done = split(dsq.build_dataset(boxes), seed=seed)
        shares = done.classes.set_index("name").loc["yak"]
        assert [shares["train"], shares["val"], shares["test"]] == pytest.approx([0.8, 0.1, 0.1])
        assert done.shares["images"].tolist() == [80, 10, 10]


def test_background_and_unlabelled_are_shared_out() -> None:
    images = [{"file": f"{n}.jpg", "label_state": "background" if n < 20 else "unlabelled"} for n in range(40)]
    done = split(dsq.build_dataset(images=images), (1, 1))
    assert done.shares["background"].tolist() == [10, 10]
    assert done.shares["unlabelled"].tolist() == [10, 10]


def test_missing_class_is_told() -> None:
    boxes = [(f"{n}.jpg", "car", 0, 0, 9, 9) for n in range(10)] + [("3.jpg", "yak", 0, 0, 9, 9)]
    assert any("yak (" in note for note in split(dsq.build_dataset(boxes)).notes)


def test_versions_of_a_picture_stay_together() -> None:
    files = [f"train/p{n // 3}_jpg.rf.{n:08x}.jpg" for n in range(90)]
    done = split(dsq.build_dataset(images=files), seed=3)
    for source in range(30):
        assert len({of_files(done.dataset)[file] for file in files if f"/p{source}_jpg" in file}) == 1
    parted = split(dsq.build_dataset(images=files), seed=3, siblings=False)
    assert len({of_files(parted.dataset)[file] for file in files[:30]}) > 1


def test_frames_of_a_video_stay_together() -> None:
    files = [
        f"{split}/clip{c}_mp4-{n}_jpg.rf.{c}{n}.jpg"
        for c in range(10)
        for n, split in enumerate(["train", "valid"] * 5)
    ]
    done = split(dsq.build_dataset(images=files))
    for clip in range(10):
        assert len({of_files(done.dataset)[file] for file in files if f"clip{clip}_" in file}) == 1


@pytest.mark.parametrize(
    "name", ["frame_{}.jpg", "video3/frame{}.png", "cam1_{}.jpg", "vlcsnap-{}.png", "a_mov-{}_jpg.rf.0.jpg"]
)
def test_names_that_count_frames(name: str) -> None:
    files = [name.format(n) for n in range(4)] + [f"other{n}.jpg" for n in range(9)]
    assert len(set(group_images(files)[0][:4])) == 1


@pytest.mark.parametrize(
    "name", ["IMG_{}.jpg", "{}.jpg", "raccoon-{}.jpg", "2007_00{}.jpg", "camels{}.jpg", "potholes{}.png"]
)
def test_names_that_number_pictures(name: str) -> None:
    files = [name.format(n) for n in range(4)] + [f"other{n}.jpg" for n in range(9)]
    assert len(set(group_images(files)[0])) == 13
    assert len(set(group_images(files, sequences="all")[0])) < 13


def test_one_long_sequence_is_cut_into_blocks() -> None:
    files = [f"frame_{n:04}.jpg" for n in range(200)]
    done = split(dsq.build_dataset(images=files))
    assert any("cut into 20 blocks" in note for note in done.notes)
    found = of_files(done.dataset)
    changes = sum(found[a] != found[b] for a, b in pairwise(files))
    assert changes <= 19
    assert done.shares["images"].tolist() == [160, 20, 20]


def test_given_groups_never_part() -> None:
    files = [f"{n}.jpg" for n in range(60)]
    keys = [None if n % 7 == 0 else f"g{n % 11}" for n in range(60)]
    done = split(dsq.build_dataset(images=files), groups=[keys])
    found = of_files(done.dataset)
    for key in set(keys) - {None}:
        assert len({found[file] for file, own in zip(files, keys, strict=True) if own == key}) == 1


def test_a_large_group_is_told() -> None:
    done = split(plain(20), groups=[["one"] * 18 + [None] * 2])
    assert any("largest group has 18" in note for note in done.notes)
    assert done.shares["images"].sum() == 20


def test_kept_split_stays_and_draws_its_groups() -> None:
    images = [{"file": f"{n}.jpg", "split": "test" if n < 10 else "train"} for n in range(50)]
    groups = [["g" if n in (0, 20) else None for n in range(50)]]
    done = split(dsq.build_dataset(images=images), (8, 2), keep=["test"], groups=groups)
    found = of_files(done.dataset)
    assert all(found[f"{n}.jpg"] == "test" for n in range(10))
    assert found["20.jpg"] == "test"
    assert done.shares.set_index("split").loc["test", "images"] == 11


def test_folds() -> None:
    done = split(plain(50), folds=5)
    assert done.shares["split"].tolist() == [f"fold{n}" for n in range(1, 6)]
    assert done.shares["images"].tolist() == [10] * 5
    second = split(plain(50), folds=5, fold=2)
    assert second.shares["images"].tolist() == [40, 10]
    folds = of_files(done.dataset)
    assert {file for file, name in of_files(second.dataset).items() if name == "val"} == {
        file for file, name in folds.items() if name == "fold2"
    }


def test_a_fold_beside_a_kept_test_split() -> None:
    images = [{"file": f"{n}.jpg", "split": "test" if n < 10 else "train"} for n in range(50)]
    done = split(dsq.build_dataset(images=images), folds=4, fold=1, keep=["test"])
    assert done.shares.set_index("split")["images"].to_dict() == {"train": 30, "val": 10, "test": 10}


def test_records_are_laid_out_afresh() -> None:
    data = dsq.build_dataset(images=[{"file": "a.jpg", "origin_file": "a.txt"}])
    assert split(data).dataset.images["origin_file"].isna().all()
    assert data.images["origin_file"].notna().all()


@given(datasets(), st.integers(0, 5), st.lists(st.integers(0, 3), min_size=12, max_size=12))
@settings(max_examples=60, deadline=None)
def test_groups_and_order(data: dsq.Dataset, seed: int, keys: list[int]) -> None:
    by_file = dict(zip(sorted(data.images["file"]), keys, strict=False))
    one = split(data, seed=seed, groups=[data.images["file"].map(by_file).tolist()])
    other = shuffled(data, seed)
    two = split(other, seed=seed, groups=[other.images["file"].map(by_file).tolist()])
    assert of_files(one.dataset) == of_files(two.dataset)
    crossing = one.dataset.images.assign(key=one.dataset.images["file"].map(by_file)).groupby("key")["split"].nunique()
    assert (crossing <= 1).all()
    assert one.shares["images"].sum() == len(data)
    assert one.dataset.boxes is data.boxes


@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=6), st.integers(0, 500))
def test_quotas_add_up(shares: list[float], count: int) -> None:
    quotas = quotas_of(shares, count)
    assert sum(quotas) == count
    exact = np.array(shares) / sum(shares) * count
    assert (np.abs(np.array(quotas) - exact) < 1 + 1e-6).all()


def test_real_classes_are_shared_out(shared_data: object) -> None:
    data = dsq.read(f"{shared_data}/bccd")
    done = split(data)
    assert done.shares["images"].tolist() == [291, 37, 36]
    for name in ("train", "val", "test"):
        wanted = done.shares.set_index("split").loc[name, "wanted"]
        assert (done.classes[name] - wanted).abs().max() < 0.02


def test_real_versions_stay_together(shared_data: object) -> None:
    done = split(dsq.read(f"{shared_data}/ships-yolov8"))
    images = done.dataset.images
    stems = images["file"].str.extract(r"([^/]+)\.rf\.")[0]
    assert (images.groupby(stems)["split"].nunique() == 1).all()


def test_no_more_folds_than_there_is_to_deal_out() -> None:
    data = dsq.build_dataset([(f"{n}.jpg", "cat", 1, 1, 5, 5) for n in range(120)])
    done = split(data, folds=120)
    assert done.shares["images"].tolist() == [1] * 120
    with pytest.raises(ConfigError, match="121 folds were asked for of 120 images"):
        split(data, folds=121)
    with pytest.raises(ConfigError, match="of 60 groups"):
        split(data, folds=61, groups=[[n // 2 for n in range(120)]])
    with pytest.raises(ConfigError, match="of 0 images"):
        split(dsq.build_dataset(), folds=2)


@pytest.mark.parametrize("sizes", [(40, 40, 40), (100, 9, 3), (50, 49, 1), (5, 5, 5, 5), (30, 30, 1, 1, 1)])
def test_no_wanted_split_stays_empty(sizes: tuple[int, ...]) -> None:
    keys = [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)]
    done = split(plain(len(keys)), groups=[keys])
    images = done.shares.set_index("split")["images"]
    assert (images > 0).all() and images["train"] >= max(sizes)
    assert not any("empty" in note for note in done.notes)
    part = done.dataset.images["split"].astype(str)
    assert part.groupby(keys).nunique().eq(1).all()


def test_fewer_groups_than_splits_are_told() -> None:
    done = split(plain(10), groups=[["a"] * 7 + ["b"] * 3])
    assert done.shares["images"].tolist() == [7, 3, 0]
    assert "warning: test is empty: there are 2 groups of images that stay together, for 3 splits" in done.notes
    one = split(plain(10), groups=[["a"] * 10])
    assert "warning: val and test are empty: there is 1 group of images that stay together, for 3 splits" in one.notes


def test_kept_images_do_not_fill_an_empty_split() -> None:
    images = [{"file": f"{n}.jpg", "split": "test" if n < 8 else "train"} for n in range(10)]
    done = split(dsq.build_dataset(images=images), keep=["test"], groups=[["a"] * 4 + ["b"] * 4 + ["c"] * 2])
    assert done.shares.set_index("split")["images"].to_dict() == {"train": 2, "val": 0, "test": 8}


def test_series_within_groups_are_not_told() -> None:
    files = [f"{clip}_{n:03}.jpg" for clip in ("gate", "road", "yard") for n in range(10)]
    told = group_images(files)[1]
    assert len(told) == 1 and "--sequences all" in told[0] and "--grouped" in told[0]
    keys = [file[:4] for file in files]
    assert group_images(files, {BY_PIXELS: keys})[1] == ["3 groups of 30 images: copies and scenes, by pixels"]
    part = [key if key != "yard" else None for key in keys]
    told = group_images(files, {BY_PIXELS: part})[1]
    assert told[1].startswith("1 numbered series of 10 images") and "--grouped" not in told[1]
