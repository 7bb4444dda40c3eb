"""Inputs made to break the reader, to hang it or to fill the memory: each was found by an attack."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import dsq
from dsq.errors import ReadError
from dsq.formats.layout import ImageIndex, split_of
from dsq.formats.telling import MOST_NOTED, MOST_SAID
from dsq.formats.voc.tree import parse_root
from dsq.formats.yolo import pairs as yolo_pairs
from dsq.formats.yolo import rows as yolo_rows
from dsq.formats.yolo.config import MOST_PLACES, parse_yaml
from dsq.formats.yolo.nodes import MOST_NODES, Budget
from dsq.model import About, Dataset, build_dataset
from dsq.names import name_facts
from dsq.registry import all_rules
from dsq.scan import Scan
from dsq.source import open_source

all_rules()
slips: Any = sys.modules["dsq.rules.classes.slips"]  # rules come from the registry, nobody imports them

ROW = "0 .5 .5 .2 .2\n"
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}],
    "categories": [{"id": 1, "name": "cat"}],
}


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stream, "JPEG")
    return stream.getvalue()


JPEG = picture()


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder


def pack(path: Path, files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def yolo(tmp_path: Path, **files: str) -> Path:
    """A set of one image and one box, and more files."""
    named = {name.replace("_yaml", ".yaml").replace("_txt", ".txt"): text for name, text in files.items()}
    return put(tmp_path, {"images/a.jpg": JPEG, "labels/a.txt": ROW, **named})


def told(data: Dataset, kind: str = "malformed-record") -> list[str]:
    return data.problems.loc[data.problems["kind"] == kind, "what"].tolist()


# ---- many boxes on one spot


def pile(corners: np.ndarray[Any, Any], classes: list[str] | None = None) -> Dataset:
    """One image with boxes of the corners (n, 4)."""
    named = classes or ["cat"] * len(corners)
    boxes = [("a.jpg", name, x, y, r - x, b - y) for name, (x, y, r, b) in zip(named, corners.tolist(), strict=True)]
    return build_dataset(boxes, size=(1000, 1000))


def nested(count: int) -> np.ndarray[Any, Any]:
    """Boxes about one middle, each a little larger than the one before."""
    half = 200 + np.arange(count) / 1000
    return np.stack([500 - half, 500 - half, 500 + half, 500 + half], 1)


def test_identical_boxes_are_paired_with_the_first_alone() -> None:
    count = 400
    data = pile(np.tile([[10.0, 10, 90, 90]], (count, 1)))
    assert len(Scan(data).overlaps) == count - 1
    report = dsq.audit(data, select=["duplicate-box"])
    assert len(report.findings) == count - 1
    assert {message.partition(",")[0] for message in report.messages()} == {"identical to another box"}


def test_twins_pair_with_others_through_the_first() -> None:
    corners = np.tile([[10.0, 10, 90, 90]], (150, 1))
    corners[70] = [10, 10, 90, 91]
    report = dsq.audit(pile(corners), select=["duplicate-box"])
    assert Counter(message[:9] for message in report.messages()) == {"identical": 148, "IoU 0.99 ": 1}


def test_crowded_image_has_the_pairs_of_the_plain_way() -> None:
    random = np.random.default_rng(5)
    low = random.uniform(0, 800, (180, 2))
    corners = np.concatenate([low, low + random.uniform(5, 200, (180, 2))], 1)
    scan = Scan(pile(corners))
    found = {(int(a), int(b)) for a, b in zip(scan.overlaps["first"], scan.overlaps["second"], strict=True)}
    expected = set()
    for one, two in combinations(range(len(corners)), 2):
        sides = np.minimum(corners[one, 2:], corners[two, 2:]) - np.maximum(corners[one, :2], corners[two, :2])
        shared = np.prod(np.clip(sides, 0, None))
        areas = np.prod(corners[[one, two], 2:] - corners[[one, two], :2], axis=1)
        if shared / (areas.sum() - shared) >= 0.3 or shared / areas.min() >= 0.8:
            expected.add((one, two))
    assert found == expected
    assert not len(scan.uncompared)


def test_too_many_boxes_on_one_spot_are_said() -> None:
    data = pile(np.concatenate([nested(1100), nested(1)]))
    scan = Scan(data)
    assert scan.uncompared.tolist() == [0]
    assert len(scan.overlaps) == 1
    messages = sorted(dsq.audit(data, select=["duplicate-box"]).messages())
    assert [message[:18] for message in messages] == ["1 image has too ma", "identical to anoth"]
    assert "a.jpg" in messages[0]


def test_pairs_are_kept_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsq.overlaps.MOST_KEPT", 10)
    monkeypatch.setattr("dsq.overlaps.MOST_KEPT_EACH", 0)
    boxes = [(f"{image}.jpg", "cat", 10, 10, 50, 50 + row / 100) for image in range(40) for row in range(60)]
    data = build_dataset(boxes)
    scan = Scan(data)
    assert len(scan.overlaps) < 60_000
    assert len(scan.uncompared)
    assert any("too many boxes" in message for message in dsq.audit(data, select=["duplicate-box"]).messages())


def test_many_classes_on_one_spot() -> None:
    count = 90
    data = pile(np.tile([[10.0, 10, 90, 90]], (count, 1)), [f"class {number}" for number in range(count)])
    found = dsq.audit(data, select=["two-classes-one-object"]).findings
    assert len(found) <= 5 * count


# ---- zips that explode, and names that do


def test_bomb_of_small_members(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"labels/{number}.txt": b"\n" * (4 << 20) for number in range(8)}
    path = pack(tmp_path / "a.zip", {"images/a.jpg": JPEG, "labels/a.txt": ROW, **files})
    with open_source(path) as source:
        assert sum(entry.size for entry in source.entries) <= 16 << 20
        assert {"images/a.jpg", "labels/a.txt"} <= set(source.names)
    assert any(what.startswith("part of a zip bomb: ") for what in told(dsq.read(path)))


@pytest.mark.parametrize("name", ["a/" * 5000 + "a.jpg", "a/" * 200 + "a.jpg", "a" * 5000 + ".jpg"])
def test_member_with_an_endless_name(tmp_path: Path, name: str) -> None:
    with open_source(pack(tmp_path / "a.zip", {"a.jpg": JPEG, name: JPEG})) as source:
        assert list(source.names) == ["a.jpg"]
        assert "longer than any system takes" in source.refused[0][1]
        assert len(source.refused[0][0]) <= 4096


def test_large_label_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yolo_pairs, "MOST_LABELS", 40)
    folder = yolo(tmp_path, train_txt="images/a.jpg\n" * 10)
    assert len(dsq.read(folder).boxes) == 1
    put(folder, {"labels/a.txt": ROW * 10})
    assert [what[:28] for what in told(dsq.read(folder))] == ["this file holds 140 bytes, m"]


def test_large_label_file_with_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yolo_rows, "MOST_ODD", 40)
    folder = yolo(tmp_path, train_txt="images/a.jpg\n" * 10)
    put(folder, {"labels/a.txt": ROW * 10 + "cat"})
    data = dsq.read(folder)
    assert told(data) == ["143 bytes, and not only numbers; the file was skipped"]
    assert data.images["split"].tolist() == ["train"]


def test_labels_are_read_alike_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        b"\n\n0 .5 .5 .1 .1\n",
        b"",
        b"1 .5 .5 .1 .1\n\n\n2 .1 .1 .1 .1",
        b"3 1 1 1 1 .5\r\n4 .2 .2 .2 .2\n",
        b"\n",
    ]
    whole = yolo_rows.parse_labels(texts)
    for piece in range(1, 30):
        monkeypatch.setattr(yolo_rows, "PIECE", piece)
        parts = yolo_rows.parse_labels(texts)
        assert all(np.array_equal(one, two) for one, two in zip(whole.rows, parts.rows, strict=True))


# ---- data.yaml


@pytest.mark.parametrize(
    "text",
    ["train: " + "a/" * 5000, "val: [images, " + "a" * 5000 + "]", "path: " + "../" * 2000, "train: " + "a\\" * 300],
)
def test_endless_paths_are_passed_over(tmp_path: Path, text: str) -> None:
    data = dsq.read(yolo(tmp_path, data_yaml=f"{text}\nnames: [a]\n"))
    assert any("characters; it was passed over" in what for what in told(data))
    assert len(data.boxes) == 1


def test_too_many_places_are_passed_over() -> None:
    config, _ = parse_yaml("data.yaml", "train: [" + ",".join(f"a{number}" for number in range(500)) + "]")
    assert config is not None
    assert len(config.splits) == MOST_PLACES
    assert "500 places are named" in config.problems[0][3]


def test_yaml_is_read_no_further_than_settings_are_long() -> None:
    budget = Budget()
    start = budget.left
    text = "names: [a]\nb: [" + "a," * (2 * MOST_NODES) + "]"
    config, problems = parse_yaml("data.yaml", text, budget)
    assert config is None
    assert "too large for a data.yaml" in problems[0][3]
    assert start - budget.left <= MOST_NODES + len(text) // 40 + 1


def test_yaml_files_share_one_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Budget.__init__, "__defaults__", (30,))
    folder = yolo(tmp_path, a_yaml="names: [x]", b_yaml="names: [" + "y," * 40 + "]", c_yaml="names: [z]")
    assert [one.file for one in dsq.read(folder).about.class_lists] == ["a.yaml"]


@pytest.mark.parametrize("names", ["{? [a] : b}", "[{[a]: b}]", "{? {x: y} : [b]}", "{[a]: b, 1: c}", "{1: {a: b}}"])
def test_names_by_a_key_that_is_no_text(tmp_path: Path, names: str) -> None:
    assert len(dsq.read(yolo(tmp_path, data_yaml=f"names: {names}\ntrain: images\n")).boxes) == 1


def test_class_names_that_are_half_a_character(tmp_path: Path) -> None:
    data = dsq.read(yolo(tmp_path, data_yaml='names: ["\\ud800", "\\ud83d\\ude00 é"]\ntrain: images\n'))
    assert data.categories["name"].tolist() == ["\ufffd", "😀 é"]
    assert dsq.audit(data).records


# ---- class names


def test_long_class_names_are_not_compared() -> None:
    data = build_dataset(classes=["a" * 5000, "a" * 4999 + "b", "car", "Car"])
    messages = dsq.audit(data, select=["class-name-variants"]).messages()
    assert sorted(message[:20] for message in messages) == ["'Car' (0 boxes), 'ca", "2 class names have m"]
    assert all(len(message) < 200 for message in messages)


def test_names_that_are_all_alike() -> None:
    names = [f"abc{chr(0x4E00 + number)}defgh" for number in range(1500)]
    pairs, whole = slips.find_slips({name: name for name in names}, 6)
    assert (len(pairs), whole) == (slips.MOST_SLIPS, False)
    messages = dsq.audit(build_dataset(classes=names), select=["class-name-variants"]).messages()
    assert any("too much alike to compare all" in message for message in messages)


def test_words_that_differ_at_their_beginning_are_no_candidates() -> None:
    names = [f"{chr(0x4E00 + number)}bcdefgh" for number in range(2000)]
    assert list(slips._candidates(names)) == []


def test_very_many_class_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slips, "MOST_TEXT", 20)
    pairs, whole = slips.find_slips({name: name for name in ("pothle", "pothole", "zebras", "zebrsa")}, 6)
    assert (pairs, whole) == ([["pothle", "pothole"]], False)


def test_one_name_in_many_spellings() -> None:
    names = [f"{'_' * number}car" for number in range(100)]
    (message,) = dsq.audit(build_dataset(classes=names), select=["class-name-variants"]).messages()
    assert "and 80 more read as one class" in message


# ---- texts that a pattern reads again and again: none of these ends where that happens


@pytest.mark.parametrize("part", ["1", "_", " ", "-", "1_"])
def test_folder_that_may_name_a_split(part: str) -> None:
    assert split_of(part * 200_000 + "x") is None
    assert split_of("train" + part * 200_000) == "train"


@pytest.mark.parametrize("part", ["aug-", "augmented_", "_flip", "1"])
def test_name_that_may_be_a_copy(part: str) -> None:
    facts = name_facts([part * 50_000 + "x.jpg"])
    assert facts["base"].tolist() == [None]


def test_blank_lines_of_a_yaml() -> None:
    assert parse_yaml("data.yaml", "\n" * 500_000 + "names: [a]")[0] is not None


def test_blanks_in_a_list_of_voc(tmp_path: Path) -> None:
    xml = "<annotation><filename>a.jpg</filename></annotation>"
    files: dict[str, str | bytes] = {"Annotations/a.xml": xml, "JPEGImages/a.jpg": JPEG}
    files["ImageSets/Main/train.txt"] = f"a{' ' * 10}1\n{'a ' + ' ' * 200_000}x\n"
    assert dsq.read(put(tmp_path, files)).images["split"].tolist() == ["train"]


# ---- many files of one name: each is looked up, none is compared with all


def test_image_among_many_of_its_name() -> None:
    index = ImageIndex([])
    names = [f"{one}/{two}/a.jpg" for one in range(60) for two in range(60)]
    index.places = dict.fromkeys(names, "")
    assert index.find("else/7/9/a.jpg") == "7/9/a.jpg"
    assert index.find("else/9/a.jpg") is None
    assert index.find("else/9/a.jpg", ["7/9"]) == "7/9/a.jpg"
    assert index.find("a.png", ["7/9", "7/8"]) is None


def test_label_among_many_of_its_name(tmp_path: Path) -> None:
    count = yolo_pairs.MOST_ALIKE + 1
    files: dict[str, str | bytes] = {f"texts/{number}/a.txt": ROW for number in range(count)}
    put(tmp_path, files | {"pictures/texts/7/images/a.jpg": JPEG, "texts/8/images/a.jpg": JPEG})
    images = dsq.read(tmp_path).images
    there = images[images["member"].notna()]
    assert there["origin_file"].astype(object).fillna("").tolist() == ["", "texts/8/a.txt"]


def test_picture_among_many_of_its_name(tmp_path: Path) -> None:
    xml = "<annotation><filename>a.jpg</filename></annotation>"
    files: dict[str, str | bytes] = {f"{kind}{number}/a.{kind}": xml for number in range(40) for kind in ("xml", "jpg")}
    data = dsq.read(put(tmp_path, files))
    assert len(data) == 80
    assert not (data.images["member"].notna() & data.images["origin_file"].notna()).any()


def test_many_json_files_without_a_telling_name(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"x{number}.json": json.dumps(COCO) for number in range(250)}
    assert dsq.read(put(tmp_path, files | {"a.jpg": JPEG})).about.format == "coco"


# ---- files that change, and names that no system takes


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are a POSIX matter")
def test_file_that_became_a_pipe(tmp_path: Path) -> None:
    path = put(tmp_path, {"a.txt": ROW}) / "a.txt"
    with open_source(tmp_path) as source:
        path.unlink()
        os.mkfifo(path)
        for read in (source.read, source.open, lambda name: source.head(name, 10)):
            with pytest.raises(ReadError, match="no regular file any more"):
                read("a.txt")


@pytest.mark.parametrize("name", ["a" * 3000, "a" * 3000 + ".json", "a/" * 3000 + "x.xml"])
def test_path_that_no_system_takes(name: str) -> None:
    with pytest.raises(ReadError, match="cannot be read: "):
        dsq.read(name)
    with pytest.raises(ReadError):
        dsq.read(".", image_root=name)


def test_annotation_file_in_a_folder_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: object, *args: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    path = put(tmp_path, {"a.json": json.dumps(COCO)}) / "a.json"
    monkeypatch.setattr(Path, "stat", deny)
    monkeypatch.setattr("dsq.source.os.stat", deny)
    with pytest.raises(ReadError, match="Permission denied"):
        dsq.read(os.fspath(path))


def test_zip_of_junk_alone(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no dataset was recognised"):
        dsq.read(pack(tmp_path / "a.zip", {"__MACOSX/a.txt": ROW}))


# ---- what is corrupt is told


def corrupt(path: Path, mark: bytes, offset: int) -> Path:
    """Flip a bit behind the first `mark`."""
    data = bytearray(path.read_bytes())
    data[data.index(mark) + offset] ^= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("images", [{}, {"a.jpg": JPEG}])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", json.dumps(COCO)),
        ("annotations.json", json.dumps(COCO)),
        ("a.xml", "<annotation><filename>a.jpg</filename></annotation>"),
        ("a.txt", ROW),
    ],
)
def test_corrupt_annotations_are_told(tmp_path: Path, name: str, text: str, images: dict[str, str | bytes]) -> None:
    path = corrupt(pack(tmp_path / "a.zip", {name: text, **images}, zipfile.ZIP_BZIP2), b"BZh", 30)
    try:
        data = dsq.read(path)
    except ReadError as error:
        assert "corrupt in the zip" in error.what
    else:
        assert data.problems["file"].tolist() == [name]
        assert "corrupt in the zip" in told(data)[0]


def test_wrong_checksum_of_coco(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"x.json": json.dumps(COCO), "a.jpg": JPEG}, zipfile.ZIP_STORED)
    with pytest.raises(ReadError, match=r"x\.json: this file is corrupt in the zip: its checksum is wrong"):
        dsq.read(corrupt(path, b'"name": "cat"', 10))


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        (b"<annotation><x:y/><b xmlns='u'/></annotation>", "b"),
        (b"<annotation><a><x:y/></a><b xmlns='u'/></annotation>", "a"),
    ],
)
def test_prefix_that_is_not_declared(text: bytes, tag: str) -> None:
    assert parse_root(text).find(tag) is not None


def test_prefixes_of_every_kind(tmp_path: Path) -> None:
    tags = ["<x:/>", "<q:-/>", "<q:x:y/>", "<y xmlns='u'/>", "<x: xmlns='u'/>", "<xml:a xmlns:x='v'/>"]
    files: dict[str, str | bytes] = {"a.jpg": JPEG}
    for number, (one, two) in enumerate((one, two) for one in tags for two in tags):
        files[f"{number}.xml"] = f"<annotation xmlns:q='u'>{one}{two}</annotation>"
    assert dsq.read(put(tmp_path, files)).about.format == "voc"


def test_name_that_is_encoded_many_times(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "%" + "25" * 1500 + ".jpg"}, {"id": 2, "file_name": "b%20c.jpg"}]
    put(tmp_path, {"a.json": json.dumps(COCO | {"images": images, "annotations": []}), "b c.jpg": JPEG})
    assert dsq.read(tmp_path).images["member"].tolist()[-1] == "b c.jpg"


def test_file_name_that_is_a_huge_number(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": int("9" * 300), "width": 64, "height": 48}, *COCO["images"]]
    data = dsq.read(put(tmp_path, {"a.jpg": JPEG, "a.json": json.dumps(COCO | {"images": images})}))
    assert any("file_name" in what for what in told(data))
    assert dsq.audit(data).records


def test_labels_none_of_which_can_be_read(tmp_path: Path) -> None:
    data = dsq.read(put(tmp_path, {"images/a.jpg": JPEG, "labels/a.txt": "cat .5 .5 .1 .1\n"}))
    assert data.about.format == "yolo"
    assert told(data) == ["'cat' is not a number in 'cat .5 .5 .1 .1'; the row was skipped"]


def test_labels_of_another_tool_stay_refused(tmp_path: Path) -> None:
    row = "Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
    with pytest.raises(ReadError, match="KITTI"):
        dsq.read(put(tmp_path, {"images/a.jpg": JPEG, "labels/a.txt": row}))


# ---- what is told is short


def test_quoted_texts_are_short(tmp_path: Path) -> None:
    long = "b" * 100_000
    yaml = f"path: {long[:4000]}\ntrain: {long[:4000]}\nval: images\nnames: ['{long}', '{long}']\ndownload: {long}\n"
    folder = yolo(tmp_path, data_yaml=yaml, train_txt=f"../{long}.jpg\n{long}.jpg\n")
    put(folder, {"labels/a.txt": f"0 {long}\n"})
    coco = put(tmp_path / "coco", {"a.jpg": JPEG})
    images = [{"id": 1, "file_name": f"../{long}.jpg"}, {"id": 1, "file_name": "a.jpg"}, long]
    put(coco, {"a.json": json.dumps(COCO | {"images": images, "categories": [{"id": 1, "name": [long]}]})})
    for data in (dsq.read(folder), dsq.read(coco)):
        assert len(data.problems)
        assert data.problems[["what", "place"]].map(len).to_numpy().max() <= MOST_SAID
        assert max((len(notice.text) for notice in data.about.notices), default=0) <= MOST_NOTED


def test_long_reasons_are_short(tmp_path: Path) -> None:
    name = "a" * 200 + ".json"
    put(tmp_path, {"/".join(["f" * 200] * 4 + [name]): '{"images": [1,'})
    with pytest.raises(ReadError) as error:
        dsq.read(tmp_path)
    assert len(str(error.value)) <= 3 * (MOST_NOTED + 2)


def test_both_ends_of_a_long_text_are_told() -> None:
    data = build_dataset(about=About(), problems=[("malformed-record", "a", "", "b" * 5)])
    assert told(data) == ["bbbbb"]
    assert dsq.printing.shorten("begin " + "x" * 300 + " end", 40) == "begin " + "x" * 20 + "…" + "x" * 9 + " end"


def spoil_zip(path: Path, method: int, files: dict[str, bytes], spoilt: str) -> Path:
    """A zip in which some bytes in the middle of a member are wrong."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        info = archive.getinfo(spoilt)
    raw = bytearray(path.read_bytes())
    middle = info.header_offset + 30 + len(spoilt) + info.compress_size * 3 // 4
    for at in range(middle, middle + 8):
        raw[at] ^= 0x5A
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("kind", ["yolo", "coco"])
def test_damage_in_the_middle_of_a_zipped_picture(tmp_path: Path, method: int, kind: str) -> None:
    stream = io.BytesIO()
    noise = np.random.default_rng(3).integers(0, 255, (240, 320, 3), np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    files = {"images/a.jpg": stream.getvalue(), "images/b.jpg": JPEG}
    if kind == "yolo":
        files |= {"labels/a.txt": ROW.encode(), "labels/b.txt": ROW.encode(), "classes.txt": b"cat\n"}
    else:
        coco = COCO | {"images": [{"id": 1, "file_name": "a.jpg", "width": 320, "height": 240}]}
        files["annotations.json"] = json.dumps(coco).encode()
    path = spoil_zip(tmp_path / "set.zip", method, files, "images/a.jpg")
    report = dsq.audit(path, select=["truncated-image", "unreadable-image", "exact-duplicate"])
    assert [(record["rule"], record["severity"]) for record in report.records] == [("truncated-image", "error")]
    assert "is corrupt in the zip" in report.messages()[0]
    measured = Scan(dsq.read(path))
    assert len(measured.pixels) and (measured.headers["error"] == "").all()
    for target in ("out", "out.zip"):
        with pytest.raises(ReadError, match=r"images/a\.jpg: this file is corrupt in the zip") as caught:
            dsq.convert(path, tmp_path / target, to="voc")
        assert caught.value.exit_code == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.zip"]


def test_a_stream_of_a_zip_goes_back(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"abcdef" * 9000)
    with open_source(tmp_path / "a.zip") as source, source.open("a.txt") as stream:
        assert stream.read(7) == b"abcdefa" and stream.seek(3) == 3
        assert stream.read() == (b"abcdef" * 9000)[3:] and stream.tell() == 54000
