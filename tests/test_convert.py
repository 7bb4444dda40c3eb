"""What a conversion must never do: touch its source, replace what is no dataset, leave halves behind."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import dsq
from dsq.cli import main
from dsq.conversion import convert

SAMPLES = Path(__file__).resolve().parent.parent / "sample_datasets"


def build(root: Path) -> Path:
    """A small VOC set."""
    for folder in ("Annotations", "JPEGImages"):
        (root / folder).mkdir(parents=True)
    for name in ("a", "b"):
        Image.new("RGB", (64, 48)).save(root / "JPEGImages" / f"{name}.jpg")
        (root / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><size><width>64</width><height>48</height></size><object>"
            "<name>cat</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>40</xmax><ymax>40</ymax></bndbox></object>"
            "</annotation>"
        )
    return root


def test_public_functions_are_no_modules() -> None:
    for name in dsq.__all__:
        assert callable(getattr(dsq, name)), name


def state(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


@pytest.mark.parametrize("inside", ["", "JPEGImages/out", "..", "link"])
def test_target_that_is_holds_or_lies_in_the_source(tmp_path: Path, inside: str) -> None:
    source = build(tmp_path / "home" / "set")
    (source.parent / "link").symlink_to(source)
    target = source.parent / "link" if inside == "link" else source / inside
    before = state(tmp_path)
    with pytest.raises(dsq.WriteError, match="sources are never touched"):
        convert(source, target, to="coco", overwrite=True)
    assert state(tmp_path) == before


def test_overwrite_replaces_datasets_only(tmp_path: Path) -> None:
    source = build(tmp_path / "set")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("x")
    (tmp_path / "notes.zip").write_text("no zip")
    for name, words in (("home", "no dataset"), ("notes.zip", "no zip"), ("out.json", "says a file")):
        with pytest.raises(dsq.WriteError, match=words):
            convert(source, tmp_path / name, to="yolo", overwrite=True)
    assert (tmp_path / "home" / "thesis.txt").read_text() == "x"
    convert(source, tmp_path / "out", to="yolo")
    with pytest.raises(dsq.WriteError, match="--overwrite"):
        convert(source, tmp_path / "out", to="coco")
    convert(source, tmp_path / "out", to="coco", overwrite=True)
    assert dsq.read(tmp_path / "out").about.format == "coco"


def test_strict_and_dry_run_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(dsq.WriteError, match="polygons-dropped"):
        convert(SAMPLES / "clean-coco.zip", tmp_path / "out", to="yolo", strict=True)
    losses = convert(SAMPLES / "clean-coco.zip", tmp_path / "out", to="yolo", dry_run=True)
    assert losses.counts["polygons-dropped"] and not list(tmp_path.iterdir())
    assert convert(SAMPLES / "clean-coco.zip", tmp_path / "out", to="yolo").counts == losses.counts


def test_images_without_a_file_are_counted_once_and_strictly(tmp_path: Path) -> None:
    source = build(tmp_path / "set")
    (source / "JPEGImages" / "a.jpg").unlink()
    for to in ("voc", "coco", "yolo"):
        for dry in (True, False):
            losses = convert(source, tmp_path / to, to=to, dry_run=dry).counts
            assert losses.get("images-missing") == 1 and "images-left-out" not in losses
        with pytest.raises(dsq.WriteError, match="images-missing: 1"):
            convert(source, tmp_path / "strict", to=to, strict=True)
        convert(source, tmp_path / f"{to}-labels", to="voc", images="none", strict=True)  # no image is asked for
    (source / "JPEGImages" / "b.jpg").unlink()
    assert convert(source, tmp_path / "none", to="coco").counts == {"images-missing": 2}
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "a.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (labels / "b.txt").write_text("")
    bare = convert(labels, tmp_path / "bare", to="voc", format="yolo").counts
    assert bare == {"boxes-unsized": 1, "images-left-out": 1, "images-missing": 1}


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_full_disk_is_told_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    program = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "from dsq.cli import main\nmain()\n"
    )
    command = [sys.executable, "-c", program, "convert", str(SAMPLES / "clean-yolo.zip")]
    command += ["-o", str(tmp_path / name), "--to", "coco"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": "/tmp"})
    assert done.returncode == 2 and "cannot be written" in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


SLOW = """
import sys, time, dsq.conversion
def put(*_):
    print("writing", flush=True)
    time.sleep(60)
dsq.conversion._put_images = put
from dsq.cli import main
main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
@pytest.mark.parametrize("target", ["out", "out.zip"])
def test_a_signal_leaves_nothing_behind(tmp_path: Path, name: str, code: int, target: str) -> None:
    convert(SAMPLES / "clean-yolo.zip", tmp_path / target, to="voc")
    before = state(tmp_path)
    command = [sys.executable, "-c", SLOW, "convert", str(SAMPLES / "clean-yolo.zip"), "--overwrite"]
    command += ["-o", str(tmp_path / target), "--to", "coco"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "writing\n"
        assert len(list(tmp_path.iterdir())) == 2  # the staging place, too
        process.send_signal(getattr(signal, name))
        told = process.stderr.read()
    assert process.returncode == code
    assert "nothing was left half-written" in told and "Traceback" not in told
    assert state(tmp_path) == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("step", ["out", "stage", "old"])
def test_an_interruption_while_a_folder_is_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The old set or the new one is there, whole, and nothing else."""
    source = build(tmp_path / "set")
    (tmp_path / "home").mkdir()
    place = tmp_path / "home" / "out"
    convert(source, place, to="yolo")
    before = state(place)
    rename, rmtree = os.rename, shutil.rmtree

    def interrupted(one: str, two: str) -> None:
        if step == "out" and one == str(place):
            rename(one, two)
            raise KeyboardInterrupt
        if step == "stage" and two == str(place) and not one.endswith(".old"):
            raise KeyboardInterrupt
        rename(one, two)

    def removed(path: str, *, ignore_errors: bool = False) -> None:
        if step == "old" and not ignore_errors:
            raise KeyboardInterrupt
        rmtree(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(os, "rename", interrupted)
    monkeypatch.setattr(shutil, "rmtree", removed)
    with pytest.raises(KeyboardInterrupt):
        convert(source, place, to="coco", overwrite=True)
    monkeypatch.undo()
    assert [path.name for path in place.parent.iterdir()] == ["out"]
    assert (state(place) == before) == (step != "old")
    assert dsq.read(place).about.format == ("coco" if step == "old" else "yolo")


def test_links_need_a_folder_and_can_be_read_again(tmp_path: Path) -> None:
    source = build(tmp_path / "set")
    with pytest.raises(dsq.ConfigError, match="cannot hold"):
        convert(source, tmp_path / "out.zip", to="coco", images="symlink")
    for mode in ("symlink", "hardlink"):
        convert(source, tmp_path / mode, to="coco", images=mode)
        convert(tmp_path / mode, tmp_path / f"{mode}.zip", to="voc")
        assert len(dsq.read(tmp_path / f"{mode}.zip").boxes) == 2


def test_a_zips_parent_folder_stays_behind(tmp_path: Path) -> None:
    for name, inner in (("one", "My Project (1)/set"), ("two", "My Project (1)/set/train")):
        build(tmp_path / name / inner)
        convert(tmp_path / name, tmp_path / f"{name}.zip", to="yolo")
        files = dsq.read(tmp_path / f"{name}.zip").images["file"]
        assert not files.str.contains("Project").any(), files.tolist()


def test_merge_names_what_a_source_never_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other")
    for path in (other / "Annotations").iterdir():
        path.write_text(path.read_text().replace("cat", "dog"))
    arguments = ["dsq", "merge", one, other, "-o", tmp_path / "m", "--to", "coco", "--no-hash"]
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    out, _ = capfd.readouterr()
    assert not caught.value.code and "class-coverage" in out and "cat" in out and "dog" in out
