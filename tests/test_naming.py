"""Names of images in a dataset that is written afresh."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dsq.formats.layout import escapes
from dsq.formats.naming import fresh_names, split_folders
from dsq.model import build_dataset
from dsq.source import is_junk


def named(*files: Any, folder: str = "images", by_split: bool = True, pair_by_stem: bool = True) -> list[str]:
    images = [file if isinstance(file, dict) else {"file": file} for file in files]
    data = build_dataset(images=images)
    return fresh_names(data, folder=folder, by_split=by_split, pair_by_stem=pair_by_stem)[0]


def test_folders_that_only_say_images_go() -> None:
    found = named(
        "images/train/a.jpg", "train2017/b.jpg", "VOCdevkit/VOC2007/JPEGImages/c.jpg", "data/obj_train_data/d.jpg"
    )
    assert found == ["images/a.jpg", "images/b.jpg", "images/VOC2007/c.jpg", "images/d.jpg"]
    assert named("site 1/cam/images/e.jpg", "site 2/cam/images/e.jpg", folder="") == [
        "site 1/cam/e.jpg",
        "site 2/cam/e.jpg",
    ]
    assert named("a zip's parent/images/e.jpg", folder="") == ["e.jpg"]


def test_splits_have_folders() -> None:
    files = [{"file": f"{n}.jpg", "split": split} for n, split in enumerate(("val", None, "fold1", "train"))]
    assert named(*files) == ["images/val/0.jpg", "images/unassigned/1.jpg", "images/fold1/2.jpg", "images/train/3.jpg"]
    assert list(split_folders(build_dataset(images=files).images)) == ["train", "val", "fold1", None]
    assert named(*files, by_split=False)[1] == "images/1.jpg"


def test_folders_of_splits_are_told_apart() -> None:
    images = [{"file": f"{n}.jpg", "split": split} for n, split in enumerate(("a:b", "a_b", "A_B", "unassigned", None))]
    assert list(split_folders(build_dataset(images=images).images).values()) == [
        "A_B", "a_b_2", "a_b_3", "unassigned_2", "unassigned",
    ]  # fmt: skip


def test_the_later_of_two_stems_is_renamed() -> None:
    files = ("img1.jpg", "img1.png", "img1_png.png", "IMG1.JPG", "x/img1.png")
    assert named(*files) == [
        "images/img1.jpg", "images/img1_2.png", "images/img1_png.png", "images/IMG1_3.JPG", "images/x/img1.png",
    ]  # fmt: skip
    assert named(*files, pair_by_stem=False)[:4] == [
        "images/img1.jpg", "images/img1.png", "images/img1_png.png", "images/IMG1_2.JPG",
    ]  # fmt: skip


def test_accents_written_in_two_ways_collide() -> None:
    """A Mac takes both for one file."""
    assert named("\u00e9.jpg", "e\u0301.jpg", pair_by_stem=False) == ["images/\u00e9.jpg", "images/e\u0301_2.jpg"]


def test_a_split_that_is_left_out_tells_names_apart() -> None:
    files = [{"file": f"{split}/1.jpg", "split": split} for split in ("train", "val")]
    assert named(*files, by_split=False) == ["images/1.jpg", "images/val_1.jpg"]


def test_two_records_of_one_file_have_one_name() -> None:
    one = {"file": "a.jpg", "root": "set", "member": "a.jpg"}
    assert named(one, dict(one), {"file": "a.jpg", "root": "other", "member": "a.jpg"}) == [
        "images/a.jpg", "images/a.jpg", "images/a_2.jpg",
    ]  # fmt: skip


def test_renamed_files_are_counted() -> None:
    data = build_dataset(images=["images/a.jpg", "a.png", "b?.jpg"])
    assert fresh_names(data, folder="images", by_split=True, pair_by_stem=True) == (
        ["images/a.jpg", "images/a_png.png", "images/b_.jpg"],
        2,
    )


def test_unsafe_names_become_harmless() -> None:
    found = named(
        "../../etc/a.jpg", "/abs/b.jpg", "C:\\x\\c.jpg", "..", "http://h/d.jpg", "con.jpg", "._e.jpg", "f\n.jpg"
    )
    assert found == [
        "images/etc/a.jpg", "images/abs/b.jpg", "images/x/c.jpg", "images/__", "images/http_/h/d.jpg",
        "images/_con.jpg", "images/_._e.jpg", "images/f_.jpg",
    ]  # fmt: skip


@given(
    st.lists(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8) | st.sampled_from(("a.jpg", "A.png", "b/a.jpg"))
    )
)
def test_names_are_safe_and_differ_in_any_case(files: list[str]) -> None:
    images = [{"file": name, "member": name, "root": str(row)} for row, name in enumerate(files)]
    found = named(*images)
    assert len({name.casefold() for name in found}) == len(files)
    for name in found:
        assert name.startswith("images/")
        assert not escapes(name)
        assert "\\" not in name
        assert not any(part in ("", ".", "..") for part in name.split("/"))
        assert (
            not is_junk(name) or is_junk(f"{name}x") or name.endswith(("~", ".cache", ".tmp", ".swp", ".swo", ".bak"))
        )
    assert named(*images) == found
