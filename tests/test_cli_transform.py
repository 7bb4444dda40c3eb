"""merge, split, subset, remap, resize and diff from the command line."""

from __future__ import annotations

import csv
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

import dsq
from dsq.cli import main


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]
SIZE = (64, 48)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Call `dsq` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["dsq", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfd.readouterr()
        assert isinstance(caught.value.code, int)
        return Done(caught.value.code, out, err)

    return call


def picture(number: int) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", SIZE, (number * 7 % 256, 90, 60))
    image.paste((250, 250, 250), (10, 10, 30, 30))
    image.save(out, "JPEG")
    return out.getvalue()


def yolo(path: Path, names: list[str], first: int = 0, count: int = 6, folder: str = "") -> Path:
    """A zip of a YOLO set: image n is numbered from `first`, of class n mod classes; the last has no label file."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{folder}data.yaml", f"path: .\ntrain: images\nval: images\nnames: {json.dumps(names)}\n")
        for n in range(count):
            archive.writestr(f"{folder}images/{n}.jpg", picture(first + n))
            if n < count - 1:
                archive.writestr(f"{folder}labels/{n}.txt", f"{n % len(names)} 0.3125 0.41666667 0.3125 0.41666667\n")
    return path


def voc(path: Path, name: str, first: int = 0, count: int = 6, folder: str = "") -> Path:
    """A zip of a VOC set, packed as alwaysAI packs it."""
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(count):
            archive.writestr(f"{folder}JPEGImages/{n}.jpg", picture(first + n))
            archive.writestr(
                f"{folder}Annotations/{n}.xml",
                f"<annotation><filename>{n}.jpg</filename><size><width>64</width><height>48</height></size>"
                f"<object><name>{name}</name><bndbox><xmin>11</xmin><ymin>11</ymin><xmax>30</xmax><ymax>30</ymax></bndbox>"
                "</object></annotation>",
            )
    return path


def rows(path: Path, name: str = "provenance.csv") -> list[dict[str, str]]:
    with zipfile.ZipFile(path) as archive:
        return list(csv.DictReader(io.StringIO(archive.read(name).decode())))


@pytest.mark.parametrize("to", ["voc", "coco", "yolo"])
def test_merge_is_one_command(run: Run, tmp_path: Path, to: str) -> None:
    a, b = yolo(tmp_path / "a.zip", ["cat", "dog"]), voc(tmp_path / "b.zip", "cat", first=100)
    before = a.read_bytes(), b.read_bytes()
    done = run("merge", "--to", to, a, b, "-o", "merged.zip")
    assert done.code == 0, done.err
    assert "6 files renamed" in done.out and "Wrote merged.zip" in done.out
    merged = dsq.read(tmp_path / "merged.zip")
    assert merged.about.format == to
    assert len(merged) == 12 and len(merged.boxes) == 11
    assert set(merged.categories["name"]) == {"cat", "dog"}
    told = rows(tmp_path / "merged.zip")
    assert {row["file"] for row in told} == set(merged.images["file"])
    assert [row["source_file"] for row in told if row["source"] == "b"] == [f"JPEGImages/{n}.jpg" for n in range(6)]
    again = run("merge", "--to", to, a, b, "-o", "again.zip")
    assert again.code == 0
    assert (tmp_path / "merged.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    assert (a.read_bytes(), b.read_bytes()) == before


def test_merge_unites_identical_images(run: Run, tmp_path: Path) -> None:
    a, b = yolo(tmp_path / "a.zip", ["cat"]), voc(tmp_path / "b.zip", "cat", first=3)
    done = run("merge", a, b, "-o", "m.zip", "--to", "voc", "--json")
    facts = json.loads(done.out)
    assert facts["united"] == 3 and facts["same_boxes"] == 2
    assert facts["sources"] == {"a": 6, "b": 3}
    named = {f"images/{n}.jpg" for n in range(3, 6)}
    told = rows(tmp_path / "m.zip")
    assert [row["boxes_from"] for row in told].count("a;b") == 2  # the third has boxes in b alone
    assert len(told) == 12 and [row["status"] for row in told].count("merged") == 3
    merged = [row for row in told if row["status"] == "merged"]
    assert [row["source_file"] for row in merged] == [f"JPEGImages/{n}.jpg" for n in range(3)]
    written = set(dsq.read(tmp_path / "m.zip").images["file"])
    assert {row["file"] for row in told} == written
    assert {row["file"] for row in merged} == {row["file"] for row in told if row["source_file"] in named}
    assert facts["images"] == 9
    every = json.loads(run("merge", a, b, "-o", "n.zip", "--to", "voc", "--json", "--no-hash").out)
    assert every["images"] == 12 and every["united"] == 0


def test_merge_puts_images_without_a_split_where_it_is_told(run: Run, tmp_path: Path) -> None:
    run("split", yolo(tmp_path / "a.zip", ["cat"]), "-o", "s.zip", "--ratios", "50/50")
    voc(tmp_path / "b.zip", "cat", first=100)
    done = run("merge", "s.zip", "b.zip", "-o", "m.zip", "--to", "yolo")
    assert "6 images of b are in no split" in done.out and "--into train" in done.out
    assert dsq.read("m.zip").images["split"].isna().sum() == 6
    done = run("merge", "s.zip", "b.zip", "-o", "n.zip", "--to", "yolo", "--into", "train")
    assert "no split" not in done.out
    assert dsq.read("n.zip").images["split"].value_counts().to_dict() == {"train": 9, "val": 3}


def test_merge_counts_conflicts_by_kind(run: Run, tmp_path: Path) -> None:
    a, b = yolo(tmp_path / "a.zip", ["cat"]), voc(tmp_path / "b.zip", "dog")
    done = run("merge", a, b, "-o", "m.zip", "--to", "voc")
    assert "5 conflicts between copies of one image (class-differs 5)" in done.out
    facts = json.loads(run("merge", a, b, "-o", "n.zip", "--to", "voc", "--json").out)
    assert facts["conflict_counts"] == {"class-differs": 5}


def test_merge_maps_and_suggests(run: Run, tmp_path: Path) -> None:
    a, b = yolo(tmp_path / "a.zip", ["cat"]), voc(tmp_path / "b.zip", "Cats", first=100)
    done = run("merge", a, b, "-o", "m.zip", "--to", "voc")
    assert "--map" in done.out and "Cats" in done.out
    assert set(dsq.read("m.zip").categories["name"]) == {"cat", "Cats"}
    (tmp_path / "classes.yaml").write_text("Cats: cat\n")
    done = run("merge", a, b, "-o", "mapped.zip", "--to", "voc", "--map", "classes.yaml", "--name", "n", "--name", "s")
    assert done.code == 0
    assert dsq.read("mapped.zip").categories["name"].tolist() == ["cat"]
    assert {row["source"] for row in rows(tmp_path / "mapped.zip")} == {"n", "s"}
    wrong = run("merge", a, b, "-o", "x.zip", "--to", "voc", "--map", "Cast=cat")
    assert wrong.code == 2 and "Cats" in wrong.err
    assert not (tmp_path / "x.zip").exists()


def test_merge_understands_a_parent_folder(run: Run, tmp_path: Path) -> None:
    a, b = voc(tmp_path / "a.zip", "cat", folder="my export/"), voc(tmp_path / "b.zip", "cat", first=50, folder="x/")
    done = run("merge", a, b, "-o", "m.zip", "--style", "alwaysai")
    assert done.code == 0, done.err
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"Annotations", "JPEGImages", "provenance.csv"}
    assert len(dsq.read("m.zip")) == 12


def test_merge_refuses_what_is_no_dataset(run: Run, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "no.zip", "w") as archive:
        archive.writestr("readme.md", "nothing")
    done = run("merge", voc(tmp_path / "a.zip", "cat"), tmp_path / "no.zip", "-o", "m.zip")
    assert done.code == 2
    assert "no.zip" in done.err and ".md" in done.err and "Traceback" not in done.err
    mixed = run("merge", tmp_path / "a.zip", yolo(tmp_path / "b.zip", ["cat"]), "-o", "m.zip")
    assert mixed.code == 2 and "--to" in mixed.err
    assert not (tmp_path / "m.zip").exists()


def test_dry_run_and_existing_target(run: Run, tmp_path: Path) -> None:
    a = yolo(tmp_path / "a.zip", ["cat", "dog"])
    done = run("remap", a, "-o", "out", "--map", "cat=dog", "--dry-run")
    assert done.code == 0 and "Would write" in done.out
    assert not (tmp_path / "out").exists()
    assert run("remap", a, "-o", "out", "--map", "cat=dog").code == 0
    again = run("remap", a, "-o", "out", "--map", "cat=dog")
    assert again.code == 2 and "--overwrite" in again.err
    assert run("remap", a, "-o", "out", "--map", "cat=dog", "--overwrite").code == 0


def test_remap(run: Run, tmp_path: Path) -> None:
    a = yolo(tmp_path / "a.zip", ["cat", "dog", "emu"])
    done = run("remap", a, "-o", "out", "--map", "cat=puss", "--drop", "emu", "--order", "dog,puss", "--json")
    facts = json.loads(done.out)
    assert facts["classes"] == ["dog", "puss"]
    assert {row["what"] for row in facts["changes"]} == {"renamed", "dropped"}
    assert facts["emptied"] == ["images/2.jpg"]
    found = dsq.read("out")
    assert found.categories["name"].tolist() == ["dog", "puss"]
    assert found.categories["category_id"].tolist() == [0, 1]
    assert run("remap", a, "-o", "x").code == 2
    for text in ("- cat\n", "cat: [a]\n", "a: b: c\n", "!!python/object:os.system x"):
        (tmp_path / "m.yaml").write_text(text)
        wrong = run("remap", a, "-o", "x", "--map", "m.yaml")
        assert wrong.code == 2 and "m.yaml" in wrong.err, text
    assert run("remap", a, "-o", "x", "--map", "missing.yaml").code == 2


def test_split(run: Run, tmp_path: Path) -> None:
    a = yolo(tmp_path / "a.zip", ["cat"], count=20)
    facts = json.loads(run("split", a, "-o", "s.zip", "--json").out)
    assert [row["images"] for row in facts["splits"]] == [16, 2, 2]
    found = dsq.read("s.zip")
    assert found.images["split"].value_counts().to_dict() == {"train": 16, "val": 2, "test": 2}
    assert (found.images["label_state"] == "unlabelled").sum() == 1
    (tmp_path / "g.csv").write_text("file,group\n" + "".join(f"{n}.jpg,g{n // 5}\n" for n in range(20)))
    run("split", a, "-o", "g.zip", "--groups", "g.csv", "--ratios", "train=3,val=1")
    grouped = dsq.read("g.zip").images
    numbers = grouped["file"].str.extract(r"(\d+)\.jpg")[0].astype(int)
    assert (grouped.groupby(numbers // 5)["split"].nunique() == 1).all()
    text = run("split", a, "-o", "f.zip", "--folds", 4, "--fold", 1)
    assert "train: 15 images (75.0%)" in text.out


@pytest.mark.parametrize(
    "options",
    ["--ratios a/b", "--ratios 1", "--groups no.csv", "--groups bad.csv", "--keep test", "--folds 1", "--folds 7"],
)
def test_split_refuses(run: Run, tmp_path: Path, options: str) -> None:
    (tmp_path / "bad.csv").write_text("file,group\nnowhere.jpg,1\n")
    done = run("split", yolo(tmp_path / "a.zip", ["cat"]), "-o", "s", *options.split())
    assert done.code == 2 and "Traceback" not in done.err
    assert not (tmp_path / "s").exists()


def test_identical_images_stay_in_one_split(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.yaml", "train: images\nval: images\nnames: [cat]\n")
        for n in range(20):
            archive.writestr(f"images/{n}.jpg", picture(n // 4))
            archive.writestr(f"labels/{n}.txt", "0 0.5 0.5 0.2 0.2\n")
    run("split", path, "-o", "s", "--ratios", "60/40")
    images = dsq.read("s").images
    numbers = images["file"].str.extract(r"(\d+)\.jpg")[0].astype(int)
    assert (images.groupby(numbers // 4)["split"].nunique() == 1).all()


def test_subset(run: Run, tmp_path: Path) -> None:
    a = yolo(tmp_path / "a.zip", ["cat", "dog"])
    done = run("subset", a, "-o", "s.zip", "--classes", "dog")
    assert "3 images lost all their boxes: left out" in done.out
    found = dsq.read("s.zip")
    assert found.categories["name"].tolist() == ["dog"]
    assert len(found) == 3
    assert len(dsq.read("s.zip")) == 3
    assert run("subset", a, "-o", "x").code == 2
    assert run("subset", a, "-o", "x", "--classes", "cow").code == 2
    assert run("subset", a, "-o", "c.zip", "--count", 2).code == 0
    assert len(dsq.read("c.zip")) == 2


@pytest.mark.parametrize("target", ["out", "out.zip"])
def test_resize_writes_the_pixels(run: Run, tmp_path: Path, target: str) -> None:
    a = yolo(tmp_path / "a.zip", ["cat"])
    done = run("resize", a, "-o", target, "--size", "32", "--mode", "letterbox", "--fill", "0,0,0")
    assert done.code == 0 and "6 of 6 images change" in done.out
    found = dsq.read(target)
    assert found.images["width"].tolist() == [32] * 6
    box = found.boxes.iloc[0]
    assert [box["x"], box["y"], box["width"], box["height"]] == pytest.approx([5, 9, 10, 10], abs=1e-4)
    assert dsq.audit(found, select=["size-mismatch", "box-outside-image"]).messages() == []
    for wrong in (["--size", "big"], ["--size", "0"], ["--size", "9", "--fill", "red"], []):
        assert run("resize", a, "-o", "x", *wrong).code == 2


def test_resize_tells_of_turns_that_stay(run: Run, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "s").mkdir()
    Image.new("RGB", SIZE).save(tmp_path / "s" / "1.jpg", exif=exif.tobytes())
    (tmp_path / "s" / "1.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    done = run("resize", "s", "-o", "out", "--size", "32", "--mode", "letterbox")
    assert "1 image keeps its EXIF orientation" in done.out and "--auto-orient" in done.out
    with Image.open(tmp_path / "out" / "1.jpg") as image:
        assert image.getexif()[0x0112] == 6
    done = run("resize", "s", "-o", "up", "--size", "32", "--auto-orient")
    assert "keeps its EXIF" not in done.out and "note: 1 image has an EXIF turn; the boxes were taken" in done.out
    with Image.open(tmp_path / "up" / "1.jpg") as image:
        assert 0x0112 not in image.getexif()
    for frame in ("upright", "stored"):
        done = run("resize", "s", "-o", frame, "--auto-orient", "--box-frame", frame)
        assert "EXIF" not in done.out


def test_convert_tells_of_boxes_in_an_unknown_frame(run: Run, tmp_path: Path) -> None:
    exif = Image.Exif()
    (tmp_path / "s").mkdir()
    for number, orientation in enumerate((1, 3, 6, 8)):
        exif[0x0112] = orientation
        Image.new("RGB", SIZE).save(tmp_path / "s" / f"{number}.jpg", exif=exif.tobytes())
        (tmp_path / "s" / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n" if number < 3 else "")
    for to in ("coco", "voc"):
        assert "note: 2 images have an EXIF turn" in run("convert", "s", "-o", to, "--to", to).out
    assert "EXIF" not in run("convert", "s", "-o", "yolo", "--to", "yolo").out
    assert "EXIF" not in run("convert", "coco", "-o", "voc2", "--to", "voc").out


def test_diff(run: Run, tmp_path: Path) -> None:
    a, b = yolo(tmp_path / "a.zip", ["cat"]), voc(tmp_path / "b.zip", "cat")
    done = run("diff", a, b)
    assert done.code == 0
    assert "1 images label-state" in done.out and "1 boxes added" in done.out
    assert run("diff", a, b, "--exit-code").code == 1
    assert run("diff", a, a, "--exit-code").code == 0
    facts = json.loads(run("diff", a, b, "--output-format", "json").out)
    assert facts["summary"] == {"images": {"label-state": 1}, "boxes": {"added": 1}, "classes": {}}
    assert facts["same"] == {"images": 5, "boxes": 5}
    assert run("diff", a, b, "-o", "d.csv").code == 0
    told = list(csv.DictReader((tmp_path / "d.csv").read_text().splitlines()))
    assert [(row["table"], row["what"]) for row in told] == [("images", "label-state"), ("boxes", "added")]
    assert run("diff", a).code == 2
    assert run("diff", a, b, "--iou", 2).code == 2


def test_strict_refuses_to_lose(run: Run, tmp_path: Path) -> None:
    a = yolo(tmp_path / "a.zip", ["cat", "dog"], count=2)
    path = tmp_path / "seg.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.yaml", "train: images\nval: images\nnames: [cat]\n")
        archive.writestr("images/1.jpg", picture(1))
        archive.writestr("labels/1.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    done = run("merge", a, path, "-o", "m", "--to", "voc", "--strict")
    assert done.code == 2 and "--strict" in done.err
    assert not (tmp_path / "m").exists()


def test_nothing_left_is_refused(run: Run, tmp_path: Path) -> None:
    a = yolo(tmp_path / "a.zip", ["cat", "emu"], count=2)
    done = run("subset", a, "-o", "x", "--classes", "emu", "--states", "labelled")
    assert done.code == 2 and "no image is left" in done.err
    assert not (tmp_path / "x").exists()


def test_resize_leaves_out_what_cannot_be_decoded(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s/images").mkdir(parents=True)
    (tmp_path / "s/labels").mkdir()
    (tmp_path / "s/data.yaml").write_text("train: images\nval: images\nnames: [a]\n")
    for n in range(4):
        data = picture(n)
        (tmp_path / f"s/images/{n}.jpg").write_bytes(data[:-12] if n == 1 else data)
        (tmp_path / f"s/labels/{n}.txt").write_text("0 .5 .5 .2 .2\n")
    Image.new("1", (30_000, 30_000)).save(tmp_path / "s/images/4.png")
    for dry in ((), ("--dry-run",)):
        done = run("resize", "s", "-o", "out.zip", "--size", "32", *dry)
        assert done.code == 0, done.err
        lost = done.out[done.out.index("images-undecodable") :].splitlines()
        assert lost[0].split()[1] == "2" and "1.jpg: this image cannot be changed" in lost[1]
        assert "4.png: this image is too large to be changed: 30,000 x 30,000 pixels" in lost[2]
        assert (tmp_path / "out.zip").exists() is not bool(dry) and "bomb" not in done.out
        if not dry:
            assert sorted(dsq.read("out.zip").images["file"].str[-5:]) == ["0.jpg", "2.jpg", "3.jpg"]
            assert len(dsq.read("out.zip").boxes) == 3
            (tmp_path / "out.zip").unlink()
    refused = run("resize", "s", "-o", "out", "--size", "32", "--strict")
    assert refused.code == 2 and "images-undecodable: 2" in refused.err
    told = json.loads(run("resize", "s", "-o", "out", "--size", "32", "--json").out)
    assert told["losses"]["images-undecodable"] == len(told["loss_details"]["images-undecodable"]) == 2
    for n in (0, 2, 3):
        (tmp_path / f"s/images/{n}.jpg").write_bytes((tmp_path / "s/images/1.jpg").read_bytes())
    none = run("resize", "s", "-o", "none", "--size", "32")
    assert none.code == 2 and "none of the 5 images can be decoded" in none.err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "s"]


def test_where_to_write_is_looked_at_before_anything_is_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_text("x")
    (tmp_path / "there/a.json").write_text("{}")
    verbs = (
        ("convert", "--to", "voc"), ("merge",), ("split",), ("subset", "--count", "2"), ("remap", "--map", "a=b"),
        ("resize", "--size", "9"), ("pick", "--production", "p"),
    )  # fmt: skip
    for verb, *more in verbs:
        for place, why in (("no/where", "its folder does not exist"), ("there", "is there already")):
            done = run(verb, "unread", *more, "-o", place)  # the source is not even looked for
            assert done.code == 2 and why in done.err, (verb, done.err)
        assert "no such file" in run(verb, "unread", *more, "-o", "there", "--overwrite").err
    for verb, *srcs in (("audit", "unread"), ("diff", "unread", "unread")):
        for place, why in (("no/r.json", "its folder does not exist"), ("there/a.json", "it exists already")):
            done = run(verb, *srcs, "-o", place)
            assert done.code == 2 and why in done.err, (verb, done.err)
    assert "no such file" in run("convert", "unread", "--to", "voc", "-o", "no/where", "--dry-run").err


@pytest.mark.parametrize("to", ["voc", "coco", "yolo"])
def test_what_was_written_is_counted_in_the_target(run: Run, tmp_path: Path, to: str) -> None:
    (tmp_path / "s/images").mkdir(parents=True)
    (tmp_path / "s/labels").mkdir()
    (tmp_path / "s/data.yaml").write_text("train: images\nval: images\nnames: [a]\n")
    for n in range(3):
        (tmp_path / f"s/images/{n}.jpg").write_bytes(picture(n) if n else b"no picture")
        (tmp_path / f"s/labels/{n}.txt").write_text("0 .5 .5 .2 .2\n0 .3 .3 .2 .2\n")
    done = run("convert", "s", "-o", "out", "--to", to, "--json")
    told, found = json.loads(done.out), dsq.read("out")
    assert (told["images"], told["boxes"]) == (len(found), len(found.boxes)) == (3, 6 if to == "yolo" else 4)
    assert (
        f"Wrote other: {to}, 3 images, {len(found.boxes)} boxes" in run("convert", "s", "-o", "other", "--to", to).out
    )
