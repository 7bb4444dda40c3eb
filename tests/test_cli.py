"""The command line: exit codes, outputs, and bad input told in one paragraph."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from dsq.cli import main

SAMPLE = Path(__file__).resolve().parent.parent / "sample_datasets" / "bad-pictures-yolo.zip"


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Call `dsq` in this process, in an empty folder."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["dsq", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfd.readouterr()
        assert isinstance(caught.value.code, int)
        return Done(caught.value.code, out, err)

    return call


def yolo(root: Path, rows: str = "0 0.5 0.5 0.4 0.4\n", images: int = 4) -> Path:
    """A small sound YOLO set."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    (root / "data.yaml").write_text("path: .\ntrain: images\nnames: [cat]\n")
    for number in range(images):
        Image.new("RGB", (64, 48), (number * 20, 90, 60)).save(root / "images" / f"pic{number}.jpg")
        (root / "labels" / f"pic{number}.txt").write_text(rows)
    return root


def test_exit_codes(run: Run, tmp_path: Path) -> None:
    good, bad = yolo(tmp_path / "good"), yolo(tmp_path / "bad", "5 0.5 0.5 0.4 0.4\n")
    assert run("audit", good).code == 0
    done = run("audit", bad)
    assert done.code == 1 and "undeclared-class" in done.out and "MUST FIX" in done.out
    assert run("audit", bad, "--fail-on", "never").code == 0
    assert run("audit", bad, "--ignore", "undeclared-class").code == 0
    assert run("audit", good, "--fail-on", "info").code == 1
    assert run("audit").code == 2
    assert run("audit", good, "--select", "no-such-rule").code == 2


def test_outputs(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d", "0 0.5 0.5 0.4 0\n")
    target = tmp_path / "report.json"
    done = run("audit", data, "-o", target)
    assert done.code == 1 and done.out == "" and str(target) in done.err
    document = json.loads(target.read_text())
    assert document["version"] == 1 and document["dataset"]["counts"]["images"] == 4
    assert {"file", "line", "id"} == set(document["findings"][0]["origin"])
    again = run("audit", data, "-o", target)
    assert again.code == 2 and "--overwrite" in again.err
    assert run("audit", data, "-o", target, "--overwrite").code == 1
    assert json.loads(target.read_text()) == document
    assert run("audit", data, "--output-format", "csv").out.startswith("finding_id,rule,severity")
    assert json.loads(run("audit", data, "--output-format", "json").out) == document


def test_report_suffix_is_told(run: Run, tmp_path: Path) -> None:
    one_paragraph(run("audit", yolo(tmp_path / "d"), "-o", tmp_path / "r.xml"), "r.xml", ".json, .csv, .txt")


def test_forced_format_that_is_not_there(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d")
    one_paragraph(run("audit", data, "--format", "voc"), "voc")
    one_paragraph(run("audit", data, "--format", "coco"), "COCO")
    assert run("audit", data, "--format", "images").code == 0


def test_image_root_that_holds_nothing_of_it(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d")
    (data / "images").rename(tmp_path / "elsewhere")
    (tmp_path / "wrong").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "wrong" / "other.png")
    one_paragraph(run("audit", data, "--image-root", tmp_path / "wrong"), "--image-root", "pic0")
    assert "4 images" in run("audit", data, "--image-root", tmp_path / "elsewhere").out


def test_zip_of_zips(run: Run, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("inner.zip", b"PK\x05\x06" + b"\0" * 18)
    one_paragraph(run("audit", tmp_path / "outer.zip"), "only other zips", "inner.zip")


def test_api_takes_a_path_and_refuses_the_rest(tmp_path: Path) -> None:
    import dsq

    assert len(dsq.audit(yolo(tmp_path / "d")).scan.images) == 4
    for wrong in (None, 5, []):
        with pytest.raises(dsq.DsqError, match="is no path"):
            dsq.read(wrong)  # type: ignore[arg-type]
        with pytest.raises(dsq.DsqError, match="is no path"):
            dsq.audit(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["tool = 1", 'tool = "dsq"', "[tool]\nother = 1", ""])
def test_odd_pyproject_is_none_of_ours(run: Run, tmp_path: Path, text: str) -> None:
    Path("pyproject.toml").write_text(text)
    assert run("audit", yolo(tmp_path / "d")).code == 0


@pytest.mark.parametrize("text", ["a = " + "[" * 3000, "a = " + "9" * 5000, "[tool]\ndsq = 1"])
def test_broken_settings_are_told(run: Run, tmp_path: Path, text: str) -> None:
    Path("pyproject.toml").write_text(text)
    one_paragraph(run("audit", yolo(tmp_path / "d")), "pyproject.toml")


def test_settings_that_are_no_file(run: Run, tmp_path: Path) -> None:
    one_paragraph(run("audit", yolo(tmp_path / "d"), "--config", "/dev/zero"), "/dev/zero", "is no file")


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "[" * 3000, "1\nx = 2", '"big"'])
def test_thresholds_that_make_no_sense(run: Run, tmp_path: Path, value: str) -> None:
    assert run("audit", yolo(tmp_path / "d"), "--set", f"tiny-box.min_side={value}").code == 2


def test_empty_selection_is_no_green_light(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d", "5 0.5 0.5 0.4 0.4\n")
    one_paragraph(run("audit", data, "--select", ""), "no rule is selected")
    one_paragraph(run("audit", ""), "no path")


ESCAPES = "\x1b[8m\x1b]0;x\x07\x9b1m\u202e"


def test_no_escape_of_the_data_reaches_the_terminal(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d", "0 0.5 0.5 0.4 0\n")
    (data / "images" / "pic0.jpg").rename(data / "images" / f"pic{ESCAPES}.jpg")
    (data / "labels" / "pic0.txt").rename(data / "labels" / f"pic{ESCAPES}.txt")
    (data / "classes.txt").write_text(f"cat{ESCAPES}\n", "utf-8")
    for arguments in (["audit"], ["audit", "--all"], ["info"], ["audit", "--output-format", "csv"]):
        done = run(arguments[0], data, *arguments[1:])
        assert not set(ESCAPES) & set("\x1b\x07\x9b\u202e") & set(done.out + done.err), arguments
    broken = tmp_path / f"x{ESCAPES}"
    broken.mkdir()
    (broken / "a.json").write_text('{"images": [')
    done = run("audit", broken)
    assert done.code == 2 and not set("\x1b\x07\x9b\u202e") & set(done.err)


@pytest.mark.parametrize(
    ("redirect", "code"), [("> /dev/full", 2), (">&-", 0), ("2>&-", 0), ("2> /dev/full", 0), ("nope 2> /dev/full", 2)]
)
def test_output_that_cannot_be_written(tmp_path: Path, redirect: str, code: int) -> None:
    data = yolo(tmp_path / "d")
    program = f"{sys.executable} -c 'from dsq.cli import main; main()' audit"
    done = subprocess.run(f"{program} {data}{redirect if redirect[0] == 'n' else ' ' + redirect}", shell=True)
    assert done.returncode == code


def test_settings_file_and_options(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d", "0 0.5 0.5 0.4 0\n")
    Path("dsq.toml").write_text('ignore = ["degenerate-box"]\nfail-on = "warning"\n')
    assert "degenerate-box" not in run("audit", data).out
    Path("dsq.toml").write_text('fail-on = "never"\n')
    assert run("audit", data).code == 0
    assert run("audit", data, "--fail-on", "error").code == 1
    assert run("audit", data, "--set", "tiny-box.min_side=40", "--fail-on", "error").code == 1
    done = run("audit", data, "--set", "tiny-box.minside=40")
    assert done.code == 2 and "did you mean 'min_side'" in done.err


def test_init_rules_explain_info(run: Run, tmp_path: Path) -> None:
    assert run("init").code == 0 and "[rules.tiny-box]" in Path("dsq.toml").read_text()
    assert run("init").code == 2
    assert run("audit", yolo(tmp_path / "d")).code == 0
    listed = run("rules").out
    assert "tiny-box" in listed and "boxes" in listed
    assert {"name", "thresholds", "severity"} <= set(json.loads(run("rules", "--json").out)[0])
    assert "min_side" in run("explain", "tiny-box").out
    done = run("explain", "tiny-bx")
    assert done.code == 2 and "Did you mean 'tiny-box'" in done.err
    info = run("info", tmp_path / "d")
    assert info.code == 0 and "YOLO" in info.out and "1 class" in info.out
    assert json.loads(run("info", tmp_path / "d", "--json").out)["counts"]["boxes"] == 4


def test_a_dataset_instead_of_a_verb(run: Run, tmp_path: Path) -> None:
    done = run(yolo(tmp_path / "d"))
    assert done.code == 2 and "dsq audit" in done.err


def test_source_is_never_touched(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d", "7 0.5 0.5 0.4 0\nrubbish\n")
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in data.rglob("*") if p.is_file()}
    run("audit", data)
    run("info", data)
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in data.rglob("*") if p.is_file()}


# Bad input. Each is one paragraph and exit 2, or a finding that names file and place; never a traceback.


def one_paragraph(done: Done, *words: str) -> None:
    assert done.code == 2, done
    text = done.err.strip()
    assert "Traceback" not in text and "\n\n" not in text and len(text) < 1200
    for word in words:
        assert word in text, (word, text)


def test_missing_path(run: Run, tmp_path: Path) -> None:
    yolo(tmp_path / "potholes")
    one_paragraph(run("audit", tmp_path / "pothole"), "pothole", "potholes")


def test_empty_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    one_paragraph(run("audit", tmp_path / "empty"), "empty", "no files", "--format")


def test_folder_of_other_things(run: Run, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("print()\n")
    (tmp_path / "src" / "notes.md").write_text("# hello\n")
    one_paragraph(run("audit", tmp_path / "src"), ".py", "--image-root")


def test_truncated_json(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_text('{"images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 4}], "annotations": [{"id"')
    one_paragraph(run("audit", path), "instances.json")
    (tmp_path / "set").mkdir()
    path.rename(tmp_path / "set" / "instances.json")
    one_paragraph(run("audit", tmp_path / "set"), "instances.json")


def test_json_that_nests_without_end(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    one_paragraph(run("audit", path), "deep.json")
    path.write_text('{"images": ' + "[" * 100_000)
    one_paragraph(run("audit", path), "deep.json")


def voc(root: Path, text: str) -> Path:
    (root / "Annotations").mkdir(parents=True)
    (root / "JPEGImages").mkdir()
    good = (
        "<annotation><filename>{}.jpg</filename><size><width>64</width><height>48</height><depth>3</depth></size>"
        "<object><name>cat</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>40</xmax><ymax>40</ymax></bndbox></object>"
        "</annotation>"
    )
    for name in ("a", "b", "bad"):
        Image.new("RGB", (64, 48)).save(root / "JPEGImages" / f"{name}.jpg")
        (root / "Annotations" / f"{name}.xml").write_text(text if name == "bad" else good.format(name))
    return root


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c SYSTEM "file:///etc/passwd">]>'
    "<annotation><filename>bad.jpg</filename><object><name>&b;&c;</name><bndbox><xmin>5</xmin><ymin>5</ymin>"
    "<xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
)


def finding(done: Done, rule: str, *words: str) -> None:
    """One finding of `rule` holds all words."""
    assert "Traceback" not in done.err and done.code in (0, 1), done
    rows = [row for row in json.loads(done.out)["findings"] if row["rule"] == rule]
    texts = [json.dumps(row, ensure_ascii=False) for row in rows]
    assert any(all(word in text for word in words) for text in texts), (rule, words, texts)


def audit_json(run: Run, path: Path) -> Done:
    return run("audit", path, "--output-format", "json")


def test_xml_with_entities(run: Run, tmp_path: Path) -> None:
    done = audit_json(run, voc(tmp_path / "v", BOMB))
    finding(done, "malformed-record", "bad.xml", "entit")
    assert "root:" not in done.out and "aaaaaaaaaaaaaaaaaaaa" not in done.out


def test_truncated_xml(run: Run, tmp_path: Path) -> None:
    finding(audit_json(run, voc(tmp_path / "v", "<annotation><object><name>c")), "malformed-record", "bad.xml")


@pytest.mark.parametrize("value", ["1e308", "nan", "inf", "-1e308", "12,5x", ""])
def test_absurd_voc_coordinates(run: Run, tmp_path: Path, value: str) -> None:
    text = (
        "<annotation><filename>bad.jpg</filename><size><width>64</width><height>48</height></size><object>"
        f"<name>cat</name><bndbox><xmin>{value}</xmin><ymin>5</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
        "</annotation>"
    )
    finding(audit_json(run, voc(tmp_path / "v", text)), "malformed-record", "bad.xml")


@pytest.mark.parametrize("row", ["0 1e308 0.5 0.1 0.1", "0 nan 0.5 0.1 0.1", "0 0.5 0.5 0.1", "x 0.5 0.5 0.1 0.1"])
def test_absurd_yolo_rows(run: Run, tmp_path: Path, row: str) -> None:
    data = yolo(tmp_path / "d")
    (data / "labels" / "pic2.txt").write_text(f"0 0.5 0.5 0.4 0.4\n{row}\n")
    finding(audit_json(run, data), "malformed-record", "pic2.txt", '"line": 2')


@pytest.mark.parametrize("value", ["1e308", "NaN", "Infinity", '"x"', "null"])
def test_absurd_coco_boxes(run: Run, tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        '{"images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],'
        '"categories": [{"id": 1, "name": "c"}],'
        '"annotations": [{"id": 17, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},'
        f'{{"id": 18, "image_id": 1, "category_id": 1, "bbox": [1, {value}, 3, 4], "area": 12, "iscrowd": 0}}]}}'
    )
    finding(audit_json(run, path), "malformed-record", "a.json", "18")


def test_yaml_with_tags(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d")
    flag = tmp_path / "ran"
    (data / "data.yaml").write_text(f'names: !!python/object/apply:os.system ["touch {flag}"]\ntrain: images\n')
    finding(audit_json(run, data), "malformed-record", "data.yaml", "line")
    assert not flag.exists()


def test_yaml_download_is_never_run(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d")
    flag = tmp_path / "ran"
    with (data / "data.yaml").open("a") as out:
        out.write(f"download: |\n  import os\n  os.system('touch {flag}')\n")
    done = run("info", data)
    assert done.code == 0 and "download" in done.out and not flag.exists()


def test_zip_that_escapes_its_folder(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d")
    path = tmp_path / "slip.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(data.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(data).as_posix())
        archive.writestr("../../evil.txt", "0 0.5 0.5 0.1 0.1\n")
        archive.writestr("/etc/evil.txt", "0 0.5 0.5 0.1 0.1\n")
    finding(audit_json(run, path), "path-outside-dataset", "evil.txt")
    assert not (tmp_path.parent / "evil.txt").exists()


def test_zip_that_explodes(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d")
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(data.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(data).as_posix())
        archive.writestr("labels/pic9.txt", b"0" * (64 << 20))
    finding(audit_json(run, path), "malformed-record", "pic9.txt")


def test_zip_that_is_broken(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(b"PK\x03\x04" + os.urandom(200))
    one_paragraph(run("audit", path), "broken.zip")


def test_image_with_a_giant_header(run: Run, tmp_path: Path) -> None:
    data = yolo(tmp_path / "d")
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", 400_000, 400_000)
    (data / "images" / "pic1.jpg").write_bytes(head + b"\x08\x02\x00\x00\x00" + b"\x00" * 64)
    finding(audit_json(run, data), "unreadable-image", "pic1.jpg")


@pytest.mark.skipif(sys.platform == "win32", reason="folders without rights are a POSIX matter")
def test_directory_without_rights() -> None:
    """As an ordinary user, whoever runs the tests: root reads everything."""
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies where only its owner may go
        root = Path(folder)
        root.chmod(0o755)
        data = yolo(root / "d")
        locked = root / "locked"
        locked.mkdir()
        try:
            (data / "labels").chmod(0)
            locked.chmod(0)
            one_paragraph(as_ordinary_user("audit", str(locked)), "locked")
            finding(as_ordinary_user("audit", str(data), "--output-format", "json"), "malformed-record", "labels")
        finally:
            locked.chmod(0o755)
            (data / "labels").chmod(0o755)


def as_ordinary_user(*arguments: str) -> Done:
    """dsq in a process of its own, which gives up root's rights once an audit has imported everything."""
    program = (
        "import os, sys, tempfile, traceback\n"
        "import dsq.cli.audit, dsq.config, dsq.engine, dsq.render.json, dsq.render.text\n"
        "from dsq.formats import FORMATS, load_format\n"
        "from dsq.registry import all_rules\n"
        "all_rules(), [load_format(name) for name in FORMATS]\n"
        f"[dsq.audit({str(SAMPLE)!r}, cache=cache).records for cache in (True, False)]\n"
        "import PIL.features, PIL.ImageFile, PIL.ImageOps\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.argv = ['dsq', *sys.argv[1:]]\n"
        "dsq.cli.main()\n"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_bug_of_ours_leaves_a_log(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = yolo(tmp_path / "d")

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("dsq.formats.load_format", broken)
    done = run("audit", data)
    assert done.code == 3 and "planted" in done.err
    log = Path(done.err.strip().rpartition(" ")[2])
    assert "ZeroDivisionError" in log.read_text()
    log.unlink()


def test_interrupted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dsq.formats.read", interrupt)
    done = run("audit", yolo(tmp_path / "d"), "-o", tmp_path / "r.json")
    assert done.code == 130 and not (tmp_path / "r.json").exists()
