"""What a conversion must never do: touch its source, replace what is no dataset, leave halves behind."""

from __future__ import annotations

import hashlib
import os
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
