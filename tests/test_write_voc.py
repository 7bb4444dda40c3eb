"""The Pascal VOC writer: round trips, the identity, what readers of others expect, and what is told of losses."""

from __future__ import annotations

import contextlib
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from dsq.conversion import export
from dsq.formats import read
from dsq.formats.layout import WriteOptions
from dsq.formats.voc import STAMP, write
from dsq.losses import Losses
from dsq.model import About, Dataset, build_dataset, column, text_or_none
from dsq.target import open_target
from dsq.transform.remap import remap
from dsq.transform.resize import resize
from dsq.transform.split import split
from dsq.transform.subset import subset

PLAIN = ("cat", "a & b", "<i>", "ünï", "x]]>y", "50%", "background", "日本")
ODD = (*PLAIN, "a:b", "#c", " two ", "a\x01b", "tab\there", "\u2028", "line\r\nend")
SPLITS = (None, "train", "val", "test", "fold1", "a:b", "a_train", "trainval")
FILES = st.builds(
    "{}{}{}".format,
    st.sampled_from(
        ("", "a/", "images/", "train/", "../x/", "b\\c/", "masks/", "a/b/", "photos_2/", "train_images/", "é/")
    ),
    st.sampled_from(("a", "A", "a.v1", "é", "x y", " b ", "#1", "con", "-f", "a 1", "train", "a&b", "50%", "日本")),
    st.sampled_from((".jpg", ".png", ".JPG", ".jpeg")),
)
NUMBERS = st.one_of(
    st.integers(-5, 3000).map(float), st.integers(-500, 300_000).map(lambda n: n / 100), st.floats(-10, 5000)
)
FLAG = st.sampled_from((None, None, True, False))


def picture(width: int, height: int) -> bytes:
    """A PNG whose header says its size, and nothing more."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@st.composite
def datasets(draw: st.DrawFn, classes: tuple[str, ...] = PLAIN) -> Dataset:
    """Datasets as other formats give them: odd names, all label states, splits, flags, masks, any numbers."""
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    known = draw(st.lists(st.sampled_from(SPLITS), min_size=1, max_size=4))
    flags = draw(st.sampled_from(((), ("difficult",), ("difficult", "truncated", "occluded"))))
    for file in ["first.jpg", *draw(st.lists(FILES, unique=True, max_size=6))]:
        state = draw(st.sampled_from(("labelled", "labelled", "background", "unlabelled")))
        state = "background" if file == "first.jpg" else state
        images.append(
            {
                "file": file, "width": draw(st.integers(1, 4000)), "height": draw(st.integers(1, 4000)),
                "split": draw(st.sampled_from(known)), "label_state": state,
            }
        )  # fmt: skip
        for _ in range(draw(st.integers(1, 4)) if state == "labelled" else 0):
            ring = draw(st.lists(NUMBERS, min_size=6, max_size=12))
            mask = draw(st.sampled_from((None, None, [ring[: len(ring) // 2 * 2]], {"counts": [1], "size": [1, 1]})))
            boxes.append(
                {
                    "file": file, "category": draw(st.sampled_from(classes)), "crowd": draw(st.integers(0, 9)) == 0,
                    **{side: draw(NUMBERS) for side in ("x", "y", "width", "height")},
                    **{flag: draw(FLAG) for flag in flags}, "score": draw(st.sampled_from((np.nan, np.nan, 0.25, 1))),
                    "segmentation": None if mask is None else json.dumps(mask).encode(),
                }
            )  # fmt: skip
    return build_dataset(boxes, images=images, classes=draw(st.permutations(classes)))


def written(data: Dataset, place: Path, *, pictures: bool = True, **options: Any) -> tuple[list[str], dict[str, int]]:
    """Write it with pictures of the sizes that it says; the images' names and the losses."""
    losses = Losses()
    sizes = data.images[["width", "height"]].to_numpy(int, na_value=0)
    with open_target(place, overwrite=True) as target:
        names = write(data, target, WriteOptions(**options), losses)
        for name, (width, height) in zip(names, sizes.tolist(), strict=True):
            if pictures and width and name not in target.names:
                target.write(name, picture(width, height))
    return names, losses.as_dict()


def boxes_of(data: Dataset, names: dict[str, str]) -> dict[int, list[tuple[Any, ...]]]:
    """What is said of each box but of crowds, by image: class (as `names` has it), corners, flags, score."""
    classes = dict(zip(data.categories["category_id"], data.categories["name"], strict=True))
    found: dict[int, list[tuple[Any, ...]]] = {}
    for box in data.boxes[~data.boxes["crowd"]].itertuples():
        flags = tuple(None if flag is pd.NA else flag for flag in (box.difficult, box.truncated, box.occluded))
        corners = np.array([box.x, box.y, box.x + box.width, box.y + box.height])
        name = classes[box.category_id]
        score = None if np.isnan(box.score) else box.score
        found.setdefault(box.image_id, []).append((names.get(name, name), flags, score, corners))
    return found


def images_of(data: Dataset, names: list[str], texts: dict[str, str]) -> dict[str, tuple[Any, ...]]:
    """What is said of each image: state, split, size and boxes, by its name in the target."""
    boxes = boxes_of(data, texts)
    splits = text_or_none(data.images["split"])
    found = {}
    for row, image in enumerate(data.images.itertuples()):
        held = boxes.get(image.image_id, [])
        state = image.label_state if held or image.label_state != "labelled" else "unlabelled"
        found[names[row]] = (state, splits[row], image.width, image.height, held)
    return found


def alike(found: dict[str, tuple[Any, ...]], wanted: dict[str, tuple[Any, ...]]) -> None:
    """Equal, corners to 1e-9 (and what a float holds of large ones)."""
    assert found.keys() == wanted.keys()
    for name, (*facts, boxes) in wanted.items():
        *others, held = found[name]
        assert others == facts, name
        assert [box[:-1] for box in held] == [box[:-1] for box in boxes]
        for mine, theirs in zip(held, boxes, strict=True):
            assert np.allclose(mine[-1], theirs[-1], rtol=0, atol=2e-9)


def masks_of(data: Dataset) -> list[list[list[float]]]:
    """The polygons of all boxes but crowds."""
    masks = (json.loads(raw) for raw in data.boxes.loc[~data.boxes["crowd"], "segmentation"] if raw is not None)
    return [mask for mask in masks if isinstance(mask, list)]


def tree(place: Path) -> dict[str, bytes]:
    return {
        path.relative_to(place).as_posix(): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()
    }


def same_tables(data: Dataset, again: Dataset) -> None:
    """All that the tables say, but for where the bytes lie."""
    for table in ("images", "boxes", "categories", "problems"):
        mine, theirs = getattr(data, table), getattr(again, table)
        for name in mine.columns.difference(["root", "source"]):
            values = [each[name].astype(object).where(each[name].notna(), None).tolist() for each in (mine, theirs)]
            assert values[0] == values[1], (table, name)
    assert data.about.voc_offset == again.about.voc_offset


# round trips

fixture_is_fine = HealthCheck.function_scoped_fixture


@settings(max_examples=40, deadline=None, suppress_health_check=[fixture_is_fine])
@given(datasets(), st.sampled_from(("detect", "segment")), st.sampled_from(("", ".zip")))
def test_round_trip(tmp_path: Path, data: Dataset, task: str, suffix: str) -> None:
    place = tmp_path / f"set{suffix}"
    names, losses = written(data, place, task=task)
    found = read(place, format="voc")
    renamed = {"a:b": "a_b", "a_train": "a-train"}
    wanted = images_of(data, names, {})
    wanted = {name: (state, renamed.get(part, part), *more) for name, (state, part, *more) in wanted.items()}
    alike(images_of(found, found.images["file"].tolist(), {}), wanted)
    used = {name for *_, boxes in wanted.values() for name, *_ in boxes}
    order = [name for name in data.categories["name"] if name != "background" or name in used]
    assert found.categories["name"].tolist() == order
    assert found.about.voc_offset == 1 and "voc-offset" not in [notice.kind for notice in found.about.notices]
    kept = masks_of(data) if task == "segment" else []
    assert len(masks_of(found)) == len(kept)
    masks = {name: mask for name, mask in losses.items() if name == "polygons-dropped"}
    crowd = data.boxes["crowd"]
    assert masks.get("polygons-dropped", 0) == data.boxes.loc[~crowd, "segmentation"].notna().sum() - len(kept)
    assert losses.get("crowd-dropped", 0) == crowd.sum()
    assert losses.get("splits-renamed", 0) == data.images["split"].isin(list(renamed)).sum()
    assert losses.get("unused-classes-dropped", 0) == ("background" not in used)
    assert not losses.keys() & {"flags-dropped", "scores-dropped", "splits-dropped", "names-changed"}


@settings(max_examples=25, deadline=None, suppress_health_check=[fixture_is_fine])
@given(datasets(ODD))
def test_class_names_that_xml_cannot_hold(tmp_path: Path, data: Dataset) -> None:
    place = tmp_path / "set"
    names, losses = written(data, place)
    texts = {" two ": "two", "a\x01b": "a\ufffdb", "\u2028": "_", "line\r\nend": "line\nend"}
    found = read(place, format="voc")
    wanted = images_of(data, names, texts)
    heard = images_of(found, found.images["file"].tolist(), {})
    assert {name: boxes for name, (*_, boxes) in heard.items() if boxes}.keys() == {
        name for name, (*_, boxes) in wanted.items() if boxes
    }
    for name, (*_, boxes) in wanted.items():
        assert [box[0] for box in heard[name][-1]] == [box[0] for box in boxes]
    assert losses["names-changed"] == len(texts)
    used = {name for *_, boxes in wanted.values() for name, *_ in boxes}
    known = data.categories["name"]
    listed = [texts.get(name, name) for name in known if name != "background" or name in used]
    assert losses.get("unused-classes-dropped", 0) == ("background" not in used)
    assert found.categories["name"].tolist() == listed


def test_a_class_name_that_a_line_of_labelmap_cannot_hold(tmp_path: Path) -> None:
    """It stands in a comment, which other tools pass over."""
    data = build_dataset([("a.jpg", "x:y", 1, 1, 9, 9)], classes=["b", "x:y", "#1", "a"])
    _, losses = written(data, tmp_path / "set")
    assert losses == {}
    lines = tree(tmp_path / "set")["labelmap.txt"].decode().splitlines()
    assert lines[1:] == ["b:::", '# dsq: "x:y"', '# dsq: "#1"', "a:::"]
    found = read(tmp_path / "set")
    assert found.categories["name"].tolist() == ["b", "x:y", "#1", "a"] and found.categories["declared"].all()
    assert not export(remap(found, {"b": "c"}).dataset, tmp_path / "again")
    assert read(tmp_path / "again").categories["name"].tolist() == ["c", "x:y", "#1", "a"]


@settings(max_examples=25, deadline=None, suppress_health_check=[fixture_is_fine])
@given(datasets(), st.sampled_from(("detect", "segment")))
def test_what_we_wrote_is_kept_to_the_byte(tmp_path: Path, data: Dataset, task: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    written(data, first, task=task)
    mine = read(first, format="voc")
    losses = export(mine, second, to="voc", overwrite=True)
    assert not losses
    same_tables(mine, read(second, format="voc"))
    assert tree(first) == tree(second)


# the identity


def values(element: etree._Element) -> tuple[Any, ...]:
    """An element with numbers as floats and children in any order."""
    text = (element.text or "").strip()
    with contextlib.suppress(ValueError):
        text = float(text)
    inner = sorted((values(child) for child in element if isinstance(child.tag, str)), key=repr)
    return str(element.tag), text, sorted(element.attrib.items()), inner


@pytest.mark.parametrize(
    "name", ["raccoon", "bccd", "odd/datumaro-voc-no-images", "odd/datumaro-kaggle-relaxed-voc-samedir"]
)
def test_real_sets_stay_as_they_are(shared_data: Path, tmp_path: Path, name: str) -> None:
    data = read(shared_data / name, format="voc")
    losses = export(data, tmp_path / "set", to="voc").counts
    assert losses == ({"images-missing": 5} if "no-images" in name else {})
    same_tables(data, read(tmp_path / "set", format="voc"))
    before, after = tree(shared_data / name), tree(tmp_path / "set")
    for file, content in before.items():
        if file.endswith(".xml"):
            assert values(etree.fromstring(content)) == values(etree.fromstring(after[file])), file
        elif "ImageSets" in file or file.endswith("labelmap.txt"):
            assert content == after[file], file
    assert sum(file.endswith(".xml") for file in before) == sum(file.endswith(".xml") for file in after)


def box(*corners: object) -> str:
    tags = ("xmin", "ymin", "xmax", "ymax")
    return "<bndbox>" + "".join(f"<{t}>{v}</{t}>" for t, v in zip(tags, corners, strict=True)) + "</bndbox>"


def thing(inside: str, name: str = "cat", attributes: str = "") -> str:
    return f"<object{attributes}><name>{name}</name>{inside}</object>"


def xml(body: str, more: str = "", *, size: str | None = None, attributes: str = "") -> str:
    sides = "<size><width>64</width><height>48</height><depth>1</depth></size>" if size is None else size
    return f"<annotation{attributes}><folder>f &amp; 100%</folder>{more}{sides}{body}</annotation>"


RINGS = (
    "<polygon><x1>11</x1><y1>6</y1><x2>31</x2><y2>6.123456789012</y2><x3>21</x3><y3>26.5</y3></polygon>"
    "<polygon><x1>1</x1><y1>6</y1><x2>3</x2><y2>6</y2><x3>2</x3><y3>2.5</y3></polygon>"
)
TURNED = "<robndbox><cx>30</cx><cy>20</cy><w>20</w><h>10</h><angle>1.5707963267948966</angle></robndbox>"
ODDITIES = (
    thing("<pose>Left</pose><truncated>0.0597</truncated><difficult>1</difficult>" + box(1, 1, 64, 48)),
    thing("<truncated>odd</truncated><difficult/><occluded>yes</occluded><score>0.75</score>" + box(2, 2.2, 9, 9)),
    thing(box(5, 5, 20.1, 30.30000000000001) + f"<part><name>head</name>{box(2, 2, 3, 3)}</part>", "c", ' id="7"'),
    thing(box(5, 5, 20, 30)[:-9] + "<angle>0</angle></bndbox><attributes><value>3 &lt; 4</value></attributes>", "&lt;"),
    thing(box(9, 9, 20, 20) + RINGS),
    thing(TURNED),
    thing(TURNED + box(3, 3, 4, 4)),
    thing(box(10, 10, 9, 9)),
    thing(box(-3.7, 1, 70, 90)),
    thing(box(1, 2, 458.15999999999997, 1234.5678901234567)),
    thing(box(1, 2, 3, 4) + "<truncated>1</truncated><truncated>0</truncated><!-- said twice -->"),
    thing("<name>dog</name>" + box(1, 2, 3, 4)),
)
HEADS = "<filename>a.jpg</filename><path>C:\\x\\a.jpg</path><source><database>D</database></source><owner>me</owner>"
LISTS = {
    "train.txt": "a\nb\nnothere\nplain\n", "val.txt": "c \r\nd", "trainval.txt": "a\n", "cat_train.txt": "a  1\nb -1\n",
    "zebra_train.txt": "a -1\n",
}  # fmt: skip


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A set with everything that VOC files are known to hold."""
    root = tmp_path / "odd"
    texts = {
        "Annotations/a.xml": xml("".join(ODDITIES), HEADS, attributes=' verified="yes"'),
        "Annotations/b.xml": xml("", "<filename>b.jpg</filename><segmented>0</segmented>"),
        "Annotations/c.xml": xml(
            thing(box(1, 1, 5, 5)), "<filename>other</filename>", size="<size a='%'><width>0</width></size>"
        ),
        "Annotations/d.xml": xml(thing(box(1, 1, 5, 5)), "<filename>d.jpg</filename>", size=""),
        "Annotations/sub/a.xml": xml(thing(box(4, 4, 5, 5)), "<filename>a.jpg</filename>"),
        "labelmap.txt": "# x\nbackground:0,0,0::\ncat:1,2,3::\nlion:::\n",
        **{f"ImageSets/Main/{name}": text for name, text in LISTS.items()},
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("a", "b", "c", "d", "plain", "sub/a"):
        (root / f"JPEGImages/{name}.jpg").parent.mkdir(parents=True, exist_ok=True)
        (root / f"JPEGImages/{name}.jpg").write_bytes(picture(64, 48))
    return root


def test_oddities_stay_as_they_are(odd: Path, tmp_path: Path) -> None:
    data = read(odd)
    assert not export(data, tmp_path / "set")
    same_tables(data, read(tmp_path / "set"))
    before, after = tree(odd), tree(tmp_path / "set")
    assert before.keys() == after.keys()
    for file, content in before.items():
        if file.endswith(".xml") and file != "Annotations/d.xml":
            assert values(etree.fromstring(content)) == values(etree.fromstring(after[file])), file
        elif not file.endswith(".xml"):
            assert content == after[file], file
    assert etree.fromstring(after["Annotations/d.xml"]).findtext("size/width") == "64", "from the image itself"


def test_a_changed_set_keeps_what_is_still_true(odd: Path, tmp_path: Path) -> None:
    data = read(odd)
    fewer = subset(data, splits=["train"]).dataset
    assert export(fewer, tmp_path / "few").as_dict() == {}
    files = tree(tmp_path / "few")
    assert files["ImageSets/Main/train.txt"] == b"a\nb\nplain\n"
    assert files["ImageSets/Main/val.txt"] == b"" and files["ImageSets/Main/cat_train.txt"] == b"a  1\nb -1\n"
    assert sorted(name for name in files if name.endswith(".xml")) == ["Annotations/a.xml", "Annotations/b.xml"]
    other = remap(data, {"cat": "lynx"}).dataset
    assert export(other, tmp_path / "other").as_dict() == {"documents-dropped": 1}
    files = tree(tmp_path / "other")
    assert "ImageSets/Main/cat_train.txt" not in files and "ImageSets/Main/zebra_train.txt" in files
    assert files["labelmap.txt"].splitlines()[1:] == [b"lynx:::", b"lion:::"]
    assert b"<name>lynx</name>" in files["Annotations/a.xml"]
    wide = resize(data, (128, 48)).dataset
    export(wide, tmp_path / "wide", images="none")
    root = etree.fromstring(tree(tmp_path / "wide")["Annotations/a.xml"])
    assert root.findtext("size/width") == "128" and root.find("object/robndbox") is None
    assert root.findtext("object/bndbox/xmax") == "128"


CLASS_LISTS = {
    "train.txt": "a\nb\nc\nd\ne\n", "cat_train.txt": "a  1\nb -1\nc  0\nd  1\ne -1\n",
    "dog_train.txt": "a -1\nb  1\nc -1\nd  1\ne -1\n", "dog_other.txt": "a -1\nb  1\n",
}  # fmt: skip


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A set with lists of what each image holds: cats in a, c (difficult) and d, dogs in b and d."""
    root = tmp_path / "listed"
    held = {"a": ["cat"], "b": ["dog"], "c": ["cat*"], "d": ["dog", "cat", "cat*"], "e": []}
    for name, things in held.items():
        inner = "".join(
            f"<object><name>{each.strip('*')}</name><difficult>{int('*' in each)}</difficult>{box(1, 1, 9, 9)}</object>"
            for each in things
        )
        for file, data in ((f"Annotations/{name}.xml", xml(inner, f"<filename>{name}.jpg</filename>").encode()),
                           (f"JPEGImages/{name}.jpg", picture(64, 48))):  # fmt: skip
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(data)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for name, text in CLASS_LISTS.items():
        (root / "ImageSets" / "Main" / name).write_text(text)
    return root


def test_lists_of_a_class_say_what_the_boxes_say(listed: Path, tmp_path: Path) -> None:
    data = read(listed)
    main = "ImageSets/Main/"

    def lists(name: str) -> dict[str, str]:
        files = tree(tmp_path / name)
        return {file[len(main) :]: files[file].decode() for file in files if file.startswith(main)}

    assert not export(data, tmp_path / "same") and lists("same") == CLASS_LISTS
    one = remap(data, {"cat": "dog"}).dataset
    assert export(one, tmp_path / "one").as_dict() == {"documents-dropped": 1, "class-lists-corrected": 3}
    told = lists("one")
    assert told["dog_train.txt"] == "a  1\nb  1\nc  0\nd  1\ne -1\n" and told["dog_other.txt"] == "a  1\nb  1\n"
    assert "cat_train.txt" not in told
    sure = data.replace(boxes=data.boxes[data.boxes["difficult"].fillna(False).astype(bool)].reset_index(drop=True))
    losses = export(sure, tmp_path / "sure").as_dict()
    assert lists("sure")["cat_train.txt"] == "a -1\nb -1\nc  0\nd  1\ne -1\n"  # d still has one
    assert losses["class-lists-corrected"] == 4  # a of cats, b and d of dogs, and b again
    hard = export(data, tmp_path / "hard", difficult="drop").as_dict()
    assert lists("hard")["cat_train.txt"] == "a  1\nb -1\nc -1\nd  1\ne -1\n" and hard["class-lists-corrected"] == 1


def test_a_set_that_was_dealt_out_anew_is_laid_out_anew(odd: Path, tmp_path: Path) -> None:
    data = read(odd)
    dealt = split(data, {"train": 0.5, "val": 0.5}).dataset
    export(dealt, tmp_path / "set")
    files = tree(tmp_path / "set")
    again = read(tmp_path / "set")
    assert again.about.voc_offset == data.about.voc_offset == 1
    assert sorted(again.images["file"]) == sorted(data.images["file"])
    old, new = (dict(zip(each.images["file"], each.images["split"], strict=True)) for each in (dealt, again))
    assert old == new
    head = etree.fromstring(files["Annotations/a.xml"])
    assert (head.findtext("folder"), head.findtext("filename")) == ("JPEGImages", "a.jpg")
    assert head.findtext("source/database") == "D" and head.findtext("source/annotation") == f"{STAMP}1"
    assert head.findtext("size/depth") == "1" and head.get("verified") == "yes"
    both = {name: data for name, data in files.items() if name.startswith("ImageSets/Main")}
    assert both.keys() == {f"ImageSets/Main/{name}.txt" for name in ("train", "val", "trainval")}
    place = f"ImageSets/Unlabelled/{old['JPEGImages/plain.jpg']}.txt"
    assert files[place] == b"plain\n" and all(b"plain" not in content for content in both.values())


def test_what_is_known_of_the_convention_is_passed_on(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for name, body in (("a", thing(box(0, 0, 9, 9))), ("b", thing(box(5, 6, 7, 8)))):
        for folder, content in (("Annotations", xml(body).encode()), ("JPEGImages", picture(64, 48))):
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / folder / f"{name}.{'xml' if folder == 'Annotations' else 'png'}").write_bytes(content)
    data = read(root)
    assert data.about.voc_offset == 0
    chosen = data.images["file"].str.endswith("b.png").to_numpy()
    kept = data.replace(
        images=data.images[chosen].reset_index(drop=True),
        boxes=data.boxes[data.boxes["image_id"] == 2].reset_index(drop=True),
    )
    export(kept, tmp_path / "b", to="voc")
    text = (tmp_path / "b/Annotations/b.xml").read_text()
    assert f"<annotation>{STAMP}0</annotation>" in text and "<xmin>5</xmin>" in text, "nothing in it shows it any more"
    assert read(tmp_path / "b").boxes["x"].tolist() == [5.0]
    export(data, tmp_path / "all")
    assert STAMP not in (tmp_path / "all/Annotations/b.xml").read_text(), "the other file shows it"
    forced = read(root, voc_offset=1)
    export(forced, tmp_path / "forced")
    again = read(tmp_path / "forced")
    assert again.about.voc_offset == 1 and again.boxes["x"].tolist() == [-1.0, 4.0]
    assert "<xmin>0</xmin>" in (tmp_path / "forced/Annotations/a.xml").read_text()


# what others expect


def darknet(text: str) -> list[tuple[str, int, list[float]]]:
    """What the converters of darknet and its heirs open in a file, and fail without."""
    root = etree.fromstring(text)
    int(root.find("size").find("width").text), int(root.find("size").find("height").text)
    assert root.find("folder").text and root.find("filename").text and root.find("segmented").text == "0"
    found = []
    for item in root.iter("object"):
        corners = [float(item.find("bndbox").find(side).text) for side in ("xmin", "xmax", "ymin", "ymax")]
        assert item.find("pose").text and int(item.find("truncated").text) in (0, 1)
        found.append((item.find("name").text, int(item.find("difficult").text), corners))
    return found


def test_elements_that_readers_open_are_there(tmp_path: Path) -> None:
    data = build_dataset(
        [
            ("s/a.jpg", "cat", 0, 0, 640, 480),
            {"file": "s/a.jpg", "category": "dog", "x": 9.12, "y": 1.5, "width": 0, "height": 3.25, "score": 0.5},
            {"file": "b.jpg", "category": "dog", "x": 1, "y": 1, "width": 1, "height": 1, "difficult": True},
        ],
        images=["c.jpg", {"file": "d.jpg", "label_state": "unlabelled"}],
    )
    written(data, tmp_path / "set")
    text = (tmp_path / "set/Annotations/s/a.xml").read_text()
    assert darknet(text) == [("cat", 0, [1, 640, 1, 480]), ("dog", 0, [10.12, 9.12, 2.5, 4.75])]
    assert "<xmin>10.12</xmin>" in text and "<xmax>640</xmax>" in text and "<confidence>0.5</confidence>" in text
    assert f"<annotation>{STAMP}1 unsaid=difficult,truncated</annotation>" in text
    other = (tmp_path / "set/Annotations/b.xml").read_text()
    assert darknet(other) == [("dog", 1, [2, 2, 2, 2])] and "unsaid=truncated<" in other
    assert darknet((tmp_path / "set/Annotations/c.xml").read_text()) == []
    assert not (tmp_path / "set/Annotations/d.xml").exists() and (tmp_path / "set/JPEGImages/d.jpg").exists()
    boxes = read(tmp_path / "set").boxes
    assert boxes["difficult"].astype(object).fillna("-").tolist() == [True, "-", "-"]
    assert boxes["truncated"].isna().all() and boxes["occluded"].isna().all()


def test_the_alwaysai_layout(odd: Path, tmp_path: Path) -> None:
    losses = export(read(odd), tmp_path / "set.zip", style="alwaysai").as_dict()
    names = zipfile.ZipFile(tmp_path / "set.zip").namelist()
    assert {name.partition("/")[0] for name in names} == {"Annotations", "JPEGImages"}
    assert losses == {"splits-dropped": 5, "unused-classes-dropped": 1}
    assert len(read(tmp_path / "set.zip").boxes) == len(read(odd).boxes)


# what is lost


def test_losses_have_names(tmp_path: Path) -> None:
    about = About(format="coco", root="x", documents={"a.json": b'{"info":{"year":2017}}'})
    data = build_dataset(
        [
            {
                "file": "a.jpg", "category": "cat", "x": 1, "y": 2, "width": 3, "height": 4, "area": 6.0,
                "source_id": 9, "extras": b'{"mine":1}', "keypoints": b"[1,2,2]",
            },
            {"file": "a.jpg", "category": "cat", "x": 1, "y": 2, "width": 3, "height": 4, "area": 12.0, "crowd": True},
            {"file": "b.jpg", "category": "dog", "x": 1, "y": 2, "width": 3, "height": 4, "crowd": True},
            ("nosize.jpg", "dog", 0.5, 0.5, 0.1, 0.1),
        ],
        images=[
            {"file": "nosize.jpg", "unit": "relative", "width": None, "height": None},
            {"file": "empty.jpg", "width": None, "height": None, "unit": "relative"},
        ],
        classes=["zebra", "cat", "dog"],
        about=about,
    )  # fmt: skip
    data = data.replace(
        categories=data.categories.assign(
            supercategory=np.array(["animal", None, None], object), source_id=column("Int", [1, 2, 9], 3)
        )
    )
    names, losses = written(data, tmp_path / "set")
    assert losses == {
        "keypoints-dropped": 1, "crowd-dropped": 2, "areas-dropped": 1, "extras-dropped": 1, "documents-dropped": 1,
        "supercategories-dropped": 1, "class-ids-changed": 1, "ids-changed": 1, "images-emptied": 2,
        "boxes-unsized": 1,
    }  # fmt: skip
    files = tree(tmp_path / "set")
    assert sorted(name for name in files if name.endswith(".xml")) == ["Annotations/a.xml", "Annotations/empty.xml"]
    assert b"<width>0</width>" in files["Annotations/empty.xml"]
    assert dict(zip(data.images["file"], names, strict=True))["b.jpg"] == "JPEGImages/b.jpg"


def test_records_of_one_file_are_united(tmp_path: Path) -> None:
    data = build_dataset(
        [("a.jpg", "cat", 1, 1, 2, 2)],
        images=[{"file": "a.jpg"}, {"file": "a.jpg", "image_id": 7, "label_state": "labelled"}],
    )
    more = data.boxes.assign(box_id=2, image_id=7, x=5.0)
    data = data.replace(boxes=pd.concat([data.boxes, more], ignore_index=True))
    names, losses = written(data, tmp_path / "set")
    assert names == ["JPEGImages/a.jpg"] * 2 and losses == {"records-united": 1}
    found = read(tmp_path / "set")
    assert len(found) == 1 and found.boxes["x"].tolist() == [1.0, 5.0]


def test_stems_that_collide_are_renamed(tmp_path: Path) -> None:
    data = build_dataset([("img1.jpg", "cat", 1, 1, 2, 2), ("img1.png", "dog", 1, 1, 2, 2)])
    names, losses = written(data, tmp_path / "set")
    assert names == ["JPEGImages/img1.jpg", "JPEGImages/img1_png.png"] and losses == {"images-renamed": 1}
    found = read(tmp_path / "set")
    assert found.images["file"].tolist() == names and len(found.boxes) == 2


# other formats, and the same bytes


@pytest.mark.parametrize("name", ["coco-tiny", "traffic-ground", "ships-yolov8", "aerial-cars", "pen-zip"])
def test_real_sets_of_other_formats(shared_data: Path, tmp_path: Path, name: str) -> None:
    data = read(shared_data / name)
    losses = export(data, tmp_path / "set.zip", to="voc").as_dict()
    found = read(tmp_path / "set.zip")
    relative = data.images["unit"] == "relative"
    gone = relative & (data.images["label_state"] == "labelled")
    emptied = losses.get("images-emptied", 0)
    left = losses.get("images-left-out", 0)
    assert emptied + left == gone.sum()
    for state, off in (("background", 0), ("unlabelled", emptied), ("labelled", -emptied - left)):
        there = data.images["label_state"] == state
        assert (found.images["label_state"] == state).sum() == there.sum() + off
    lost = losses.get("crowd-dropped", 0)
    unsized = data.boxes["image_id"].isin(data.images.loc[gone, "image_id"])
    assert len(found.boxes) == len(data.boxes) - lost - unsized.sum()
    assert "list-skipped" not in [notice.kind for notice in found.about.notices]  # no list names what was left out
    missing = set(data.categories["name"]) - set(found.categories["name"])
    assert len(missing) == losses.get("unused-classes-dropped", 0)


def test_same_bytes_whatever_the_order_of_boxes(odd: Path, tmp_path: Path) -> None:
    data = read(odd)
    order = np.argsort(data.boxes["origin_place"].to_numpy(), kind="stable")
    export(data, tmp_path / "a.zip")
    export(data.replace(boxes=data.boxes.take(order).reset_index(drop=True)), tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_progress_is_told(odd: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    export(read(odd), tmp_path / "set", progress=lambda *what: told.append(what))
    assert ("writing annotations", 5, 5) in told
