"""Reading Pascal VOC: layouts, conventions, odd records, hostile files, and the pattern against the tree."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dsq.errors import ReadError
from dsq.formats import read
from dsq.formats.folders import place_of
from dsq.formats.layout import open_request
from dsq.formats.voc import STAMP, infer_offset, sniff
from dsq.formats.voc.layout import parse_labelmap
from dsq.formats.voc.tree import Refused, to_utf8
from dsq.formats.voc.xml import XmlReader
from dsq.model import Dataset


def box(*corners: object) -> str:
    tags = ("xmin", "ymin", "xmax", "ymax")
    return "<bndbox>" + "".join(f"<{t}>{v}</{t}>" for t, v in zip(tags, corners, strict=True)) + "</bndbox>"


def thing(*corners: object, name: str = "cat", inside: str = "") -> str:
    shape = box(*corners) if corners else ""
    return f"<object><name>{name}</name>{inside}{shape}</object>"


def xml(
    filename: str = "a.jpg", body: str = "", *, size: tuple[object, object] | None = (64, 48), more: str = ""
) -> str:
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    return f"<annotation><folder>f</folder><filename>{filename}</filename>{more}{sides}{body}</annotation>"


def build(root: Path, files: dict[str, str | bytes | tuple[int, int]]) -> Path:
    """Texts as given; a pair is the size of a picture."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, tuple):
            Image.new("RGB", content).save(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def only(tmp_path: Path, content: str | bytes, **options: Any) -> Dataset:
    """What one XML with its picture beside it reads as."""
    return read(build(tmp_path, {"a.jpg": (64, 48), "a.xml": content}), format="voc", **options)


def corners_of(data: Dataset) -> list[list[float]]:
    return data.boxes[["x", "y", "width", "height"]].to_numpy().tolist()


def facts(data: Dataset) -> list[tuple[str, bool, str]]:
    """(file, whether it is there, label state) of each image."""
    rows = zip(data.images["file"], data.images["member"].notna(), data.images["label_state"], strict=True)
    return [(file, bool(there), state) for file, there, state in rows]


def faults(data: Dataset) -> list[tuple[str, str, str, str]]:
    return list(data.problems[["kind", "file", "place", "what"]].itertuples(index=False, name=None))


def kinds(data: Dataset) -> list[str]:
    return [notice.kind for notice in data.about.notices]


ONE = thing(11, 11, 20, 30)


# layouts


@pytest.mark.parametrize(
    ("images", "annotations"),
    [
        ("JPEGImages", "Annotations"),
        ("VOCdevkit/VOC2007/JPEGImages", "VOCdevkit/VOC2007/Annotations"),
        ("images", "annotations"),
        ("images", "annots"),
        ("images/train", "annotations/train"),
        ("train/images", "train/annotations"),
        ("train_images", "train_xmls"),
        ("images/train", "annotations"),
        ("set/photos", "set/annotations/xmls"),
        ("train", "train"),
        (".", "."),
    ],
)
def test_layouts(tmp_path: Path, images: str, annotations: str) -> None:
    files: dict[str, Any] = {}
    for stem in "abc":
        files[f"{images}/{stem}.jpg"] = (64, 48)
    for stem in "ab":
        files[f"{annotations}/{stem}.xml"] = xml(f"{stem}.jpg", ONE if stem == "a" else "")
    data = read(build(tmp_path, files))
    assert data.about.format == "voc"
    assert [state for _, _, state in facts(data)] == ["labelled", "background", "unlabelled"]
    assert data.images["member"].notna().all()
    assert splits_of(data)[0] == ("train" if "train" in images else "")
    assert data.problems.empty


def test_zip_with_and_without_a_parent_folder(tmp_path: Path) -> None:
    for parent in ("", "potholes/"):
        path = tmp_path / f"set{len(parent)}.zip"
        Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg")
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "a.jpg", f"{parent}JPEGImages/a.jpg")
            archive.writestr(f"{parent}Annotations/a.xml", xml("a.jpg", ONE))
            archive.writestr(f"__MACOSX/{parent}Annotations/._a.xml", b"\0\1")
        data = read(path)
        assert facts(data) == [(f"{parent}JPEGImages/a.jpg", True, "labelled")]
        assert data.images["source"].iloc[0] == path.stem


def test_json_in_annotations_is_left_to_coco(tmp_path: Path) -> None:
    root = build(tmp_path, {"JPEGImages/a.jpg": (64, 48), "Annotations/a.json": "{}"})
    request = open_request(root, image_root=None, voc_offset=None, no_label_file="unlabelled", progress=None)
    assert sniff(request) is None


def test_same_stem_in_two_splits_pairs_within_each(tmp_path: Path) -> None:
    root = build(
        tmp_path,
        {
            "train/a.jpg": (64, 48),
            "train/a.xml": xml("a.jpg", thing(1, 1, 5, 5)),
            "valid/a.jpg": (64, 48),
            "valid/a.xml": xml("a.jpg", ""),
            "test/a.xml": xml("a.jpg", ""),
        },
    )
    data = read(root)
    assert facts(data) == [
        ("test/a.jpg", False, "background"),
        ("train/a.jpg", True, "labelled"),
        ("valid/a.jpg", True, "background"),
    ]
    assert data.images["split"].tolist() == ["test", "train", "val"]


def test_masks_and_loose_pictures_are_no_part(tmp_path: Path) -> None:
    root = build(
        tmp_path,
        {
            "example.png": (9, 9),
            "VOC2012/JPEGImages/a.jpg": (64, 48),
            "VOC2012/JPEGImages/b.jpg": (64, 48),
            "VOC2012/SegmentationClass/a.png": (64, 48),
            "VOC2012/SegmentationClass/c.png": (64, 48),
            "VOC2012/Annotations/a.xml": xml("a.jpg", ONE),
            "VOC2012/Annotations/c.xml": xml("c.jpg", ONE),
        },
    )
    data = read(root)
    assert facts(data) == [
        ("VOC2012/JPEGImages/a.jpg", True, "labelled"),
        ("VOC2012/JPEGImages/b.jpg", True, "unlabelled"),
        ("VOC2012/JPEGImages/c.jpg", False, "labelled"),
    ]
    roles = dict(zip(data.files["file"], data.files["role"], strict=True))
    assert roles["VOC2012/SegmentationClass/a.png"] == "other"
    assert roles["example.png"] == "image"
    assert roles["VOC2012/Annotations/a.xml"] == "annotation"


def test_image_root(tmp_path: Path) -> None:
    build(tmp_path, {"set/Annotations/a.xml": xml("a.jpg", ONE), "pool/x/a.jpg": (64, 48)})
    assert facts(read(tmp_path / "set")) == [("JPEGImages/a.jpg", False, "labelled")]
    data = read(tmp_path / "set", image_root=tmp_path / "pool")
    assert facts(data) == [("x/a.jpg", True, "labelled")]
    assert data.images["root"].iloc[0] == str(tmp_path / "pool")


def test_single_file(tmp_path: Path) -> None:
    files: dict[str, Any] = {"Annotations/a.xml": xml("", ONE), "JPEGImages/a.JPG": (64, 48)}
    files["Annotations/b.xml"] = xml("b.jpg", ONE)
    root = build(tmp_path, files)
    data = read(root / "Annotations/a.xml")
    assert facts(data) == [("a.JPG", True, "labelled")]
    assert not data.about.listed
    assert facts(read(root / "Annotations/b.xml")) == [("b.jpg", False, "labelled")]
    (root / "Annotations/c.xml").write_text("<annotation><object>")
    with pytest.raises(ReadError, match=r"line 1.*not well-formed"):
        read(root / "Annotations/c.xml")


def test_nothing_but_pictures_when_forced(tmp_path: Path) -> None:
    data = read(build(tmp_path, {"JPEGImages/a.jpg": (64, 48)}), format="voc")
    assert facts(data) == [("JPEGImages/a.jpg", True, "unlabelled")]
    with pytest.raises(ReadError, match="nothing in it could be read as voc"):
        read(build(tmp_path / "none", {"a.txt": "x"}), format="voc")


# splits and classes


def devkit(**lists: str) -> dict[str, Any]:
    files: dict[str, Any] = {f"ImageSets/Main/{name}.txt": text for name, text in lists.items()}
    for stem in "abcd":
        files[f"JPEGImages/{stem}.jpg"] = (64, 48)
        files[f"Annotations/{stem}.xml"] = xml(f"{stem}.jpg", ONE)
    del files["Annotations/d.xml"]
    return files


def splits_of(data: Dataset) -> list[str]:
    return ["" if split != split else split for split in data.images["split"]]


def test_image_sets(tmp_path: Path) -> None:
    lists = {"train": "a\r\n", "val": "\ufeffb \n\nd\n", "trainval": "a\nb\nc\nd\n", "cat_train": "a -1\n"}
    data = read(build(tmp_path, devkit(**lists)))
    assert splits_of(data) == ["train", "val", "trainval", "val"]
    assert data.problems.empty and "list-skipped" not in kinds(data)
    roles = dict(zip(data.files["file"], data.files["role"], strict=True))
    assert roles["ImageSets/Main/cat_train.txt"] == "config"


def test_image_in_two_splits(tmp_path: Path) -> None:
    data = read(build(tmp_path, devkit(train="a\nb\n", test="c\na.jpg\n")))
    assert splits_of(data) == ["train", "train", "test", ""]
    what = "a.jpg is listed in ImageSets/Main/train.txt too; it was taken as train"
    assert faults(data) == [("image-in-two-splits", "ImageSets/Main/test.txt", "line 2", what)]


def test_lists_of_odd_kinds(tmp_path: Path) -> None:
    data = read(build(tmp_path, devkit(default="a 1\nJPEGImages/b.jpg\nnowhere\n")))
    assert splits_of(data) == ["default", "default", "", ""]
    (notice,) = [notice for notice in data.about.notices if notice.kind == "list-skipped"]
    assert "1 of its entries" in notice.text and "nowhere" in notice.text


@pytest.mark.parametrize(
    ("lists", "splits"),
    [
        ({"default": "a\nb\nc\n", "cat_default": "a 1\nb -1\nc -1\n", "dog_default": "a 1\nb 1\nc 1\n"}, "default"),
        ({"cat_default": "a 1\nb -1\nc -1\n", "dog_default": "a  1\nb  1\nc  1\n"}, ""),
        ({"cat_of_ours": "a  1\nb -1\nc  0\n", "set": "a\nb\nc\n"}, "set"),
        ({"Train": "a\nb\nc\n", "cat_Train": "a\nb\n"}, "train"),
        ({"day_one": "a\nb\nc\n"}, "day_one"),
        ({"set": "a 1\nb 1\nc 1\n"}, "set"),
    ],
    ids=["cvat", "classes alone", "by content", "by name", "underscore", "a sign says nothing"],
)
def test_lists_of_a_class_are_no_splits(tmp_path: Path, lists: dict[str, str], splits: str) -> None:
    data = read(build(tmp_path, devkit(**lists)))
    assert splits_of(data) == [splits] * 3 + [""]
    assert data.problems.empty and "list-skipped" not in kinds(data)
    assert set(lists) == {name[15:-4] for name in data.about.documents}


def test_an_image_in_three_splits_is_told_once(tmp_path: Path) -> None:
    data = read(build(tmp_path, devkit(train="a\nb\n", val="c\nb\n", test="b\n")))
    what = "b is listed in ImageSets/Main/train.txt and ImageSets/Main/test.txt too; it was taken as train"
    assert faults(data) == [("image-in-two-splits", "ImageSets/Main/val.txt", "line 2", what)]


def test_several_years(tmp_path: Path) -> None:
    files: dict[str, Any] = {}
    for year, split in (("VOC2007", "test"), ("VOC2012", "train")):
        for name, content in devkit(**{split: "a\n"}).items():
            files[f"VOCdevkit/{year}/{name}"] = content
    data = read(build(tmp_path, files))
    assert len(data) == 8
    taken = dict(zip(data.images["file"], splits_of(data), strict=True))
    assert taken["VOCdevkit/VOC2007/JPEGImages/a.jpg"] == "test"
    assert taken["VOCdevkit/VOC2012/JPEGImages/a.jpg"] == "train"


def test_labelmap_gives_the_classes(tmp_path: Path) -> None:
    labelmap = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:::\ncat:::\n"
    files = devkit() | {"labelmap.txt": labelmap}
    files["Annotations/b.xml"] = xml("b.jpg", thing(1, 1, 9, 9, name="ant"))
    data = read(build(tmp_path, files))
    assert data.categories["name"].tolist() == ["dog", "cat", "ant"]
    assert data.categories["declared"].tolist() == [True, True, False]
    assert data.about.class_lists[0].names == ("background", "dog", "cat")
    assert data.about.documents["labelmap.txt"] == labelmap.encode()
    assert parse_labelmap("a:1,2,3::\n\n a \nb") == ["a", "b"]
    assert parse_labelmap('a\n# dsq: "x:y"\n# dsq: "x\n# dsq: 1\n#dsq: "z"\n# b') == ["a", "x:y"]


def test_classes_are_sorted_names_in_use(tmp_path: Path) -> None:
    data = only(tmp_path, xml("a.jpg", thing(1, 1, 9, 9, name="b") + thing(1, 1, 9, 9, name=" a&amp;b ")))
    assert data.categories["name"].tolist() == ["a&b", "b"]
    assert data.boxes["category_id"].tolist() == [2, 1]


# the smallest coordinate


def test_one_based_and_zero_based(tmp_path: Path) -> None:
    assert corners_of(only(tmp_path, xml("a.jpg", thing(1, 1, 64, 48)))) == [[0, 0, 64, 48]]
    zero = only(tmp_path, xml("a.jpg", thing(0, 5, 64, 48) + thing(3, 4, 10.5, 20)))
    assert corners_of(zero) == [[0, 5, 64, 43], [3, 4, 7.5, 16]]
    assert zero.about.voc_offset == 0 and "voc-offset" not in kinds(zero)
    forced = only(tmp_path, xml("a.jpg", thing(0, 5, 64, 48)), voc_offset=1)
    assert corners_of(forced) == [[-1, 4, 65, 44]]
    assert forced.about.voc_offset == 1


def test_ambiguous_means_one_based_with_a_notice(tmp_path: Path) -> None:
    data = only(tmp_path, xml("a.jpg", thing(2, 2, 10, 10)))
    assert corners_of(data) == [[1, 1, 9, 9]]
    (notice,) = data.about.notices
    assert notice.kind == "voc-offset" and "--voc-offset 0" in notice.text


def test_stamp_comes_first(tmp_path: Path) -> None:
    for offset in (0, 1):
        stamp = f"<source><annotation>{STAMP}{offset}</annotation></source>"
        data = only(tmp_path, xml("a.jpg", thing(7, 7, 10, 10), more=stamp))
        assert data.about.voc_offset == offset and not data.about.notices
        assert corners_of(data)[0][0] == 7 - offset


def test_files_with_stamps_keep_their_own(tmp_path: Path) -> None:
    stamp = "<source><annotation>" + STAMP + "{}</annotation></source>"
    root = build(
        tmp_path,
        {
            "a.xml": xml("a.jpg", thing(7, 7, 10, 10), more=stamp.format(0)),
            "b.xml": xml("b.jpg", thing(7, 7, 10, 10), more=stamp.format(1)),
            "c.xml": xml("c.jpg", thing(1, 7, 64, 10)),
        },
    )
    assert read(root).boxes["x"].tolist() == [7, 6, 0]


def test_infer_offset() -> None:
    sides = np.array([[64.0, 48.0]] * 3)
    assert infer_offset(np.zeros((0, 4)), np.zeros((0, 2)))[:2] == (1, True)
    one = np.array([[1.0, 1, 5, 5], [2, 2, 64, 9], [3, 3, 9, 9]])
    assert infer_offset(one, sides)[:2] == (1, True)
    assert infer_offset(one + 0.5, sides)[:2] == (1, False)
    some = np.array([0, 0, 0.5])[:, None]
    assert infer_offset(one + some, sides)[:2] == (1, True), "official files have some fractions"
    assert infer_offset(one, np.zeros((3, 2)))[:2] == (1, False)
    assert infer_offset(one - [1, 0, 0, 0], sides)[:2] == (0, True)
    assert infer_offset(one - [4, 0, 0, 0], sides)[0] == 1, "what lies outside the image proves nothing"
    many = np.ones((5000, 4))
    many[0, 0] = 0
    assert infer_offset(many, np.full((5000, 2), 64.0))[:2] == (0, False)
    last = np.array([[0.0, 0, 63, 47]] * 20)
    offset, sure, why = infer_offset(last, np.array([[64.0, 48.0]] * 20))
    assert (offset, sure) == (0, False) and "inclusive" in why


# what an object says


def test_flags_are_tri_state_and_raw_where_odd(tmp_path: Path) -> None:
    inside = "<pose>Left</pose><truncated>0.0597</truncated><difficult>1</difficult>"
    odd = "<truncated>Unspecified</truncated><difficult/><occluded>yes</occluded><confidence>0.75</confidence>"
    body = thing(1, 1, 9, 9, inside=inside) + thing(1, 1, 9, 9, inside=odd) + thing(1, 1, 9, 9)
    boxes = only(tmp_path, xml("a.jpg", body)).boxes
    assert boxes["truncated"].astype(object).fillna("-").tolist() == [True, "-", "-"]
    assert boxes["difficult"].astype(object).fillna("-").tolist() == [True, "-", "-"]
    assert boxes["occluded"].astype(object).fillna("-").tolist() == ["-", True, "-"]
    assert boxes["score"].fillna(-1).tolist() == [-1, 0.75, -1]
    assert boxes["extras"].tolist() == [b"<pose>Left</pose><truncated>0.0597</truncated>", odd.encode(), None]


def test_extras_of_objects_and_images(tmp_path: Path) -> None:
    part = f"<part><name>head</name>{box(2, 2, 3, 3)}</part>"
    attributes = "<attributes>\n <attribute>\n <name>age</name><value>3</value></attribute></attributes>"
    body = f'<object id="7"><name>cat</name>{part}{attributes}{box(1, 1, 9, 9)[:-9]}<angle>0</angle></bndbox></object>'
    text = xml("b.png", body, more="<path>C:\\x\\b.png</path><owner><name>me</name></owner>")
    data = only(tmp_path, text.replace("<annotation>", '<annotation verified="yes">') + "<!-- end -->")
    assert len(data.boxes) == 1 and corners_of(data) == [[0, 0, 9, 9]]
    kept = attributes.replace("\n ", "")
    expected = f'<object id="7"/><bndbox><angle>0</angle></bndbox>{part}{kept}'
    assert data.boxes["extras"].iloc[0].decode() == expected
    assert data.images["extras"].iloc[0].decode() == (
        '<filename>b.png</filename><annotation verified="yes"/><folder>f</folder><path>C:\\x\\b.png</path>'
        "<owner><name>me</name></owner><size><depth>3</depth></size>"
    )


def test_odd_boxes_are_kept(tmp_path: Path) -> None:
    body = thing(10, 10, 10, 30) + thing(30, 30, 10, 20) + thing(-5, 1, 900, 48) + thing("1e1", 1, 20.25, 48)
    data = only(tmp_path, xml("a.jpg", body))
    assert corners_of(data) == [[9, 9, 1, 21], [29, 29, -19, -9], [-6, 0, 906, 48], [9, 0, 11.25, 48]]
    assert data.problems.empty


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (thing("12,5", 1, 2, 3), "<xmin> is '12,5', not a number"),
        (thing(1, "", 2, 3), "<ymin> is empty"),
        (thing(1, 1, "nan", 3), "<xmax> is 'nan', not a number"),
        (thing(1, 1, "inf", 3), "<xmax> is 'inf', not a number"),
        (thing(1, 1, 2, "1e308"), "<ymax> is 1e308, beyond any image"),
        (thing(1, 1, 2, "1_0"), "<ymax> is '1_0', not a number"),
        (thing(1, 1, 2, 3).replace("<xmin>1</xmin>", ""), "no <xmin> in its <bndbox>"),
        (thing(1, 1, 2, 3, name=" "), "no <name>"),
        (thing(), "no <bndbox>"),
        (thing(inside="<polygon><x1>1</x1></polygon>"), "point 1 of its <polygon> lacks a coordinate"),
        (thing(inside="<polygon><pt><x>1</x><y>2</y></pt></polygon>"), "a <polygon> of 1 points"),
    ],
)
def test_bad_objects_are_problems_and_the_others_stay(tmp_path: Path, body: str, what: str) -> None:
    data = only(tmp_path, xml("a.jpg", f"{ONE}\n{body}{ONE}"))
    assert data.boxes["origin_place"].tolist() == [1, 3]
    assert faults(data) == [("malformed-record", "a.xml", "object 2", f"line 2: {what}; the object was skipped")]
    alone = only(tmp_path / "alone", xml("a.jpg", body))
    assert facts(alone) == [("a.jpg", True, "unlabelled")]


def test_second_bndbox_and_bad_polygon_beside_a_box(tmp_path: Path) -> None:
    body = thing(1, 1, 9, 9, inside=box(2, 2, 3, 3) + "<polygon><x1>a</x1></polygon>")
    data = only(tmp_path, xml("a.jpg", body))
    assert corners_of(data) == [[1, 1, 2, 2]]
    assert [what for *_, what in faults(data)] == [
        "line 1: <x1> is 'a', not a number; the polygon was left out",
        "line 1: a second <bndbox>; the first one was taken",
    ]


def test_polygons(tmp_path: Path) -> None:
    numbered = "<polygon><x1>11</x1><y1>6</y1><x2>31</x2><y2>6</y2><x3>21</x3><y3>26.5</y3></polygon>"
    points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((11, 6), (31, 6), (21, 26.5)))
    body = (
        thing(1, 1, 64, 48)
        + thing(inside=numbered)
        + thing(inside=f"<polygon>{points}</polygon>")
        + thing(9, 9, 20, 20, inside=numbered)
    )
    data = only(tmp_path, xml("a.jpg", body))
    ring = [[10.0, 5.0, 30.0, 5.0, 20.0, 25.5]]
    assert corners_of(data)[1:] == [[10, 5, 21, 21.5], [10, 5, 21, 21.5], [8, 8, 12, 12]]
    assert [json.loads(raw) if raw else None for raw in data.boxes["segmentation"]] == [None, ring, ring, ring]


def test_rotated_boxes(tmp_path: Path) -> None:
    turned = f"<robndbox><cx>30</cx><cy>20</cy><w>20</w><h>10</h><angle>{math.pi / 2}</angle></robndbox>"
    data = only(tmp_path, xml("a.jpg", thing(0, 0, 9, 9) + f"<object><name>cat</name>{turned}</object>"))
    assert np.allclose(corners_of(data)[1], [25, 10, 10, 20])
    assert np.allclose(sorted(json.loads(data.boxes["segmentation"].iloc[1])[0]), [10, 10, 25, 25, 30, 30, 35, 35])
    assert data.boxes["extras"].iloc[1] == turned.encode()
    assert "rotated-boxes" in kinds(data)


def test_sizes(tmp_path: Path) -> None:
    for size in (None, (0, 0), ("", ""), ("abc", 5), (64.5, 48), (10**30, 5)):
        data = only(tmp_path, xml("a.jpg", ONE, size=size))
        assert (data.images["width"].iloc[0], data.images["height"].iloc[0]) == (64, 48), size
        assert "size-missing" in kinds(data)
        assert len(faults(data)) == (size is not None and size[0] in ("abc", 64.5, 10**30))
    wrong = only(tmp_path, xml("a.jpg", ONE, size=(640, 480)))
    assert (wrong.images["width"].iloc[0], wrong.images["height"].iloc[0]) == (640, 480), "as declared"
    assert only(tmp_path, xml("a.jpg", ONE, size=("64.0", 48))).images["width"].iloc[0] == 64
    (tmp_path / "a.jpg").unlink()
    assert read(tmp_path).images["width"].tolist() == [64]
    (tmp_path / "a.xml").write_text(xml("a.jpg", ONE, size=None))
    assert read(tmp_path).images["width"].isna().all()


# which image


def test_stated_names(tmp_path: Path) -> None:
    files: dict[str, Any] = {f"JPEGImages/{stem}.jpg": (64, 48) for stem in "abcdefghijk"}
    files["JPEGImages/k.png"] = (64, 48)
    stated = {
        "a": "a", "b": "b.jpeg", "c": "C:\\photos\\c.jpg", "d": "../../d.jpg", "e": "", "f": "g.jpg",
        "h": "i.jpg", "i": "i.jpg", "j": "nowhere.jpg", "k": "k.png",
    }  # fmt: skip
    for stem, name in stated.items():
        files[f"Annotations/{stem}.xml"] = xml(name, thing(1, 1, 64, 48))
    data = read(build(tmp_path, files))
    spoken = data.images[data.images["origin_file"].notna()]
    taken = {origin[12:-4]: file[11:] for origin, file in zip(spoken["origin_file"], spoken["file"], strict=True)}
    assert taken == {
        "a": "a.jpg", "b": "b.jpg", "c": "c.jpg", "d": "d.jpg", "e": "e.jpg", "f": "g.jpg",
        "h": "h.jpg", "i": "i.jpg", "j": "j.jpg", "k": "k.png",
    }  # fmt: skip
    silent = [file for file, _, state in facts(data) if state == "unlabelled"]
    assert silent == ["JPEGImages/f.jpg", "JPEGImages/k.jpg"]
    assert "filename-differs" in kinds(data)
    assert [(kind, file) for kind, file, *_ in faults(data)] == [
        ("path-outside-dataset", "Annotations/c.xml"),
        ("path-outside-dataset", "Annotations/d.xml"),
    ]


def test_one_name_stated_by_all_is_not_believed(tmp_path: Path) -> None:
    files: dict[str, Any] = {f"{stem}.jpg": (64, 48) for stem in "abx"}
    files |= {f"{stem}.xml": xml("x.jpg", ONE) for stem in "abc"}
    data = read(build(tmp_path, files))
    assert [file for file, _, state in facts(data) if state == "labelled"] == ["a.jpg", "b.jpg", "x.jpg"]


def test_a_stated_name_that_ends_alike_is_kept(tmp_path: Path) -> None:
    data = read(build(tmp_path, {"11.jpg": (64, 48), "11.xml": xml("1.jpg", ONE)}))
    assert data.images["file"].tolist() == ["11.jpg"]
    assert data.images["extras"].iloc[0].startswith(b"<filename>1.jpg</filename>")


def test_two_xml_for_one_image_are_two_rows(tmp_path: Path) -> None:
    root = build(
        tmp_path, {"images/a.jpg": (64, 48), "xml/a.xml": xml("a.jpg", ONE), "annots/a.xml": xml("a.jpg", ONE)}
    )
    data = read(root)
    assert data.images["file"].tolist() == ["images/a.jpg"] * 2
    assert data.images["image_id"].is_unique and len(data.boxes) == 2


def test_missing_images_have_names(tmp_path: Path) -> None:
    root = build(
        tmp_path,
        {
            "JPEGImages/z.jpg": (64, 48),
            "Annotations/a.xml": xml("a.png", ONE),
            "Annotations/b.xml": xml("", ONE),
            "Annotations/c.xml": xml("stem", ONE),
            "Annotations/d.xml": xml("same.jpg", ONE),
            "Annotations/e.xml": xml("same.jpg", ONE),
            "Annotations/%7a.xml": xml("%7a.jpg", ONE),
        },
    )
    data = read(root)
    assert [file[11:] for file, there, _ in facts(data) if not there] == [
        "a.png",
        "b.jpg",
        "d.jpg",
        "e.jpg",
        "stem.jpg",
    ]
    assert ("JPEGImages/z.jpg", True, "labelled") in facts(data), "percent-decoded on the second try"


# encodings, hostile and foreign files


@pytest.mark.parametrize(
    ("encoding", "declared", "mark"),
    [
        ("utf-8", "UTF-8", b""),
        ("utf-8", "UTF-8", b"\xef\xbb\xbf"),
        ("utf-16", "UTF-16", b""),
        ("utf-16-le", "UTF-16", b""),
        ("utf-16", "utf-8", b""),
        ("utf-8", "UTF-16", b""),
        ("utf-8", "ISO-8859-1", b""),
        ("cp1252", "utf-8", b""),
        ("cp1252", "windows-1252", b""),
        ("utf-8", "no-such-thing", b""),
        ("utf-8", "us-ascii", b""),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, declared: str, mark: bytes) -> None:
    text = f'<?xml version="1.0" encoding="{declared}"?>\r\n' + xml("a.jpg", thing(1, 1, 9, 9, name="Käse"))
    data = only(tmp_path, mark + text.encode(encoding))
    assert data.categories["name"].tolist() == ["Käse"]
    assert data.problems.empty


def test_local_code_pages(tmp_path: Path) -> None:
    for encoding, name in (("gb18030", "猫"), ("koi8-r", "кот"), ("shift_jis", "ネコ")):
        text = f'<?xml version="1.0" encoding="{encoding}"?>{xml("a.jpg", thing(1, 1, 9, 9, name=name))}'
        assert only(tmp_path, text.encode(encoding)).categories["name"].tolist() == [name]
    assert to_utf8(b'<?xml version="1.0"\n?><a/>') == b"                   \n  <a/>"


@pytest.mark.parametrize(
    ("content", "place", "what"),
    [
        ("", "", "the file is empty"),
        (" \n", "", "the file is empty"),
        (xml("a.jpg", ONE)[:-30], "line 1", "not well-formed XML"),
        ("<annotation>\n<object>\n<name>x</nam>\n", "line 3", "not well-formed XML"),
        ('<!DOCTYPE a [\n<!ENTITY x SYSTEM "file:///etc/passwd">]>\n' + xml("&x;"), "line 2", "declares entities"),
        (
            '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + xml("a.jpg", thing(1, 1, 2, 2, name="&b;")),
            "line 1",
            "declares entities",
        ),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">' + xml("&x;"), "", "refers to entities of a DTD"),
        (xml("&x;"), "line 1", "Entity 'x' not defined"),
        ("<a>" * 5000, "line 1", "not well-formed XML"),
        (b"\x89PNG\r\n\x1a\n\0\0", "line 1", "not well-formed XML"),
    ],
)
def test_files_that_cannot_be_read_are_problems(tmp_path: Path, content: str | bytes, place: str, what: str) -> None:
    build(tmp_path, {"b.xml": xml("b.jpg", ONE), "c.xml": content})
    data = only(tmp_path, content)
    assert facts(data) == [("a.jpg", True, "unlabelled"), ("b.jpg", False, "labelled")]
    assert [(kind, file, where) for kind, file, where, _ in faults(data)] == [
        ("malformed-record", "a.xml", place),
        ("malformed-record", "c.xml", place),
    ]
    assert what in faults(data)[0][3]
    assert data.images["origin_file"].tolist() == ["a.xml", "b.xml"]


def test_harmless_doctype_and_namespace(tmp_path: Path) -> None:
    text = '<!DOCTYPE annotation SYSTEM "voc.dtd">' + xml("a.jpg", thing(1, 1, 9, 9, inside="<pose>Left</pose>"))
    data = only(tmp_path, text.replace("<annotation>", '<annotation xmlns="http://example.org/voc">'))
    assert len(data.boxes) == 1 and data.problems.empty
    assert data.boxes["extras"].iloc[0] == b"<pose>Left</pose>"


CVAT = '<annotations><version>1.1</version><image id="0" name="a.jpg" width="9" height="9"/><image/></annotations>'
LABELME = (
    "<annotation><filename>a.jpg</filename><object><name>car</name><deleted>0</deleted><polygon><pt><x>1</x>"
    "<y>1</y></pt></polygon></object><imagesize><nrows>9</nrows></imagesize></annotation>"
)
DLIB = "<dataset><images><image file='a.jpg'><box top='1' left='1' width='5' height='5'/></image></images></dataset>"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (CVAT, r"CVAT's own XML \(2 images in one file\).*Export the task from CVAT as Pascal VOC 1\.1"),
        ("<annotations><track id='0'/></annotations>", "CVAT's XML for video.*Export"),
        (LABELME, "LabelMe's XML.*COCO or Pascal VOC"),
        (DLIB, "dlib's imglab XML.*one XML an image"),
        (f"<annotations>{xml('a.jpg', ONE)}{xml('b.jpg')}</annotations>", "2 VOC annotations in one file.*one XML"),
    ],
)
def test_other_tools_xml_is_refused_in_words(tmp_path: Path, content: str, what: str) -> None:
    root = build(tmp_path, {"images/a.jpg": (9, 9), "annotations.xml": content})
    with pytest.raises(ReadError, match=what):
        read(root)
    with pytest.raises(ReadError, match=what):
        read(root / "annotations.xml")
    build(tmp_path, {"b.xml": xml("b.jpg", ONE)})
    data = read(root)
    assert [(kind, file) for kind, file, *_ in faults(data)] == [("malformed-record", "annotations.xml")]


def test_xml_of_no_kind_is_a_notice(tmp_path: Path) -> None:
    build(tmp_path, {"pom.xml": "<project/>"})
    data = only(tmp_path, xml("a.jpg", ONE))
    assert data.problems.empty and "skipped-file" in kinds(data)
    (tmp_path / "a.xml").unlink()
    assert read(tmp_path).about.format == "images"


# the pattern and the tree


def agree(data: bytes) -> bool:
    """Whether the pattern took the file; it must then say what the tree says."""
    reader = XmlReader()
    quick = reader.parse_pattern(data)
    if quick is not None:
        assert quick == reader.parse_tree(data)
    return quick is not None


def test_pattern_and_tree_agree_on_real_files(shared_data: Path) -> None:
    files = sorted(shared_data.rglob("*.xml"))
    assert len(files) >= 569
    taken = sum(agree(path.read_bytes()) for path in files)
    assert taken >= 564


SNIPPETS = (
    "<", ">", "&", "/", " ", "\n", "0", "-", ".", ",", "<object>", "</object>", "<object/>", "<a/>", "<a></a>",
    "<bndbox>", "</bndbox>",
    "<part><name>h</name><bndbox><xmin>1</xmin></bndbox></part>", "<polygon><x1>1</x1></polygon>",
    "<size/>", "<filename>q</filename>", "</annotation>", "<!-- c -->", "<![CDATA[x]]>", "é", "&amp;", "]]>", "\x0b",
    "\0", "<truncated>0.05</truncated>", "<difficult> 1 </difficult>", " x='1'", "<path>\n</path>",
)  # fmt: skip
WHOLE = xml(
    "ä.jpg",
    thing(1, 2, 30.25, 40, inside="<pose>Left</pose><truncated>0</truncated>") + ONE,
    more="<source>\n<x>y</x></source>",
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), st.sampled_from(SNIPPETS)), max_size=3))
def test_pattern_and_tree_agree_on_damaged_files(edits: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for at, drop, snippet in edits:
        text = text[:at] + snippet + text[at + drop :]
    try:
        agree(text.encode())
    except Refused as refused:
        pytest.fail(f"the pattern took what the tree refuses: {refused.what}")


def test_pattern_takes_the_common_writers() -> None:
    order = "<bndbox><xmin>1</xmin><xmax>9</xmax><ymin>2</ymin><ymax>8</ymax></bndbox>"
    roboflow = xml("a.jpg", f"<object><name>x</name>{order}</object>" * 2)
    assert agree(roboflow.encode())
    assert XmlReader().parse(roboflow.encode()).coords == [1, 2, 9, 8] * 2
    assert agree(xml("a.jpg").encode())
    assert agree(("<?xml version='1.0' encoding='utf-8'?>\n" + xml("a.jpg", ONE)).replace("><", ">\r\n\t<").encode())
    assert not agree(xml("a.jpg", ONE.replace("<object>", '<object id="1">')).encode())
    reader = XmlReader()
    for text in (roboflow, xml("a.jpg", ONE), roboflow):
        assert reader.parse_pattern(text.encode()) is not None, "each file has its own order of corners"


def test_places() -> None:
    assert place_of("VOC2007/Annotations") == place_of("VOC2007/JPEGImages") == "VOC2007"
    assert place_of("train/images") == place_of("annotations/train") == place_of("train_xml") == "train"
    assert place_of("") == place_of("labels") == ""


# real sets


def test_raccoon(shared_data: Path) -> None:
    data = read(shared_data / "raccoon")
    assert data.about.format == "voc" and data.about.voc_offset == 1 and not data.about.notices
    assert (len(data), len(data.boxes), len(data.categories)) == (200, 217, 1)
    assert data.boxes["truncated"].sum() == 59
    assert data.problems.empty and (data.images["label_state"] == "labelled").all()
    right = data.boxes["x"] + data.boxes["width"]
    width = data.images.set_index("image_id")["width"].reindex(data.boxes["image_id"]).to_numpy()
    assert (data.boxes["x"] >= 0).all() and (right <= width).all()


def test_bccd(shared_data: Path) -> None:
    data = read(shared_data / "bccd")
    assert (len(data), len(data.boxes), len(data.categories)) == (364, 4888, 3)
    assert data.categories["name"].tolist() == ["Platelets", "RBC", "WBC"]
    assert data.images["split"].value_counts().to_dict() == {"train": 205, "val": 87, "test": 72}
    assert data.problems.empty


def test_odd_sets(shared_data: Path) -> None:
    data = read(shared_data / "odd/datumaro-kaggle-relaxed-voc-samedir")
    assert facts(data) == [("2007_000001.jpg", True, "labelled"), ("2007_000002.jpg", True, "unlabelled")]
    data = read(shared_data / "odd/datumaro-voc-no-images")
    assert [there for _, there, _ in facts(data)] == [False] * 5
    assert facts(data)[0] == ("JPEGImages/@.jpg", False, "background")
    assert data.images["width"].isna().all() and len(data.boxes) == 4
    assert "background" in data.categories["name"].tolist()
    assert data.problems.empty
