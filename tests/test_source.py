"""Folders and zips: what is listed, what is refused, how reading fails, and atomic writing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsq.errors import DsqError, ReadError, WriteError
from dsq.source import IMAGE_SUFFIXES, Entry, is_image, is_junk, open_file, open_source
from dsq.target import write_file

TEXT = b"0 0.5 0.5 0.2 0.2\n"


def make_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


def patch_directory(path: Path, name: bytes, offset: int, value: bytes) -> None:
    """Overwrite a field of the member's record (46 bytes and the name) in the zip's directory."""
    data = bytearray(path.read_bytes())
    start = data.rindex(b"PK\x05\x06")
    at = data.index(name, int.from_bytes(data[start + 16 : start + 20], "little")) - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    data[at + offset : at + offset + len(value)] = value
    path.write_bytes(data)


def names(source: Any) -> list[str]:
    return [entry.name for entry in source.entries]


# names


@pytest.mark.parametrize("name", ["a.jpg", "x/y.JPEG", "a.b.PnG", "a.webp", "x/a.heic", "-a.tif", "#1.jpg"])
def test_image_names(name: str) -> None:
    assert is_image(name)
    assert not is_junk(name)


@pytest.mark.parametrize("name", ["a.txt", "jpg", "a.jpg/b", "x.jpg.xml", ".jpg", ""])
def test_names_that_are_no_image(name: str) -> None:
    assert not is_image(name)


def test_suffixes_are_lower_case_with_the_dot() -> None:
    assert len(IMAGE_SUFFIXES) == 15
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in IMAGE_SUFFIXES)


@pytest.mark.parametrize(
    "name",
    [
        "__MACOSX/images/._a.jpg", "images/._a.jpg", ".DS_Store", "a/.DS_Store", "Thumbs.db", "x/thumbs.db",
        "desktop.ini", "a/.ipynb_checkpoints/b-checkpoint.jpg", "labels/train.cache", "train/#temp",
        "#auto.txt#", "a.txt~", "a.tmp", ".a.txt.swp", "data.yaml.bak", ".git/HEAD", "x/.git/objects/00",
        "~$notes.docx",
    ],
)  # fmt: skip
def test_junk(name: str) -> None:
    assert is_junk(name)


@pytest.mark.parametrize(
    "name", ["a.jpg", "MACOSX/a.jpg", "cache/a.jpg", ".gitignore", "a#b.jpg", "x/_a.jpg", "README"]
)
def test_no_junk(name: str) -> None:
    assert not is_junk(name)


# folders


def test_folder_is_listed_by_name_with_sizes(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "b.jpg").write_bytes(b"12345")
    (tmp_path / "images" / "-a b.c.jpg").write_bytes(b"")
    (tmp_path / "data.yaml").write_bytes(b"nc: 1")
    (tmp_path / "empty").mkdir()
    with open_source(tmp_path) as source:
        assert source.kind == "folder"
        assert source.root == str(tmp_path)
        assert source.entries == (
            Entry("data.yaml", 5, False),
            Entry("images/-a b.c.jpg", 0, False),
            Entry("images/b.jpg", 5, False),
        )
        assert source.refused == ()
        assert "images/b.jpg" in source
        assert "images" not in source
        assert source.size("images/b.jpg") == 5
        assert source.read("images/b.jpg") == b"12345"
        assert source.read("images/-a b.c.jpg") == b""
        assert source.head("images/b.jpg", 3) == b"123"
        assert source.head("images/b.jpg", 99) == b"12345"
        with source.open("images/b.jpg") as stream:
            stream.seek(2)
            assert stream.read() == b"345"


def test_relative_path_and_trailing_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.txt").write_bytes(TEXT)
    monkeypatch.chdir(tmp_path)
    source = open_source("set/")
    assert source.root == str(tmp_path / "set")
    assert names(source) == ["a.txt"]
    assert source.read("a.txt") == TEXT


def test_links_are_followed_and_told_apart(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    (root / "all").mkdir(parents=True)
    (elsewhere / "deep").mkdir(parents=True)
    (root / "all" / "a.txt").write_bytes(TEXT)
    (elsewhere / "secret.txt").write_bytes(b"password")
    (elsewhere / "deep" / "b.txt").write_bytes(TEXT)
    (root / "inside.txt").symlink_to("all/a.txt")
    (root / "again").symlink_to("all")
    (root / "outside.txt").symlink_to("../elsewhere/secret.txt")
    (root / "chain.txt").symlink_to("outside.txt")
    (root / "linked").symlink_to(elsewhere)
    (elsewhere / "back.txt").symlink_to(root / "all" / "a.txt")
    (root / "gone.txt").symlink_to("nowhere")
    source = open_source(root)
    assert {entry.name: entry.outside for entry in source.entries} == {
        "all/a.txt": False,
        "again/a.txt": False,
        "inside.txt": False,
        "outside.txt": True,
        "chain.txt": True,
        "linked/secret.txt": True,
        "linked/deep/b.txt": True,
        "linked/back.txt": False,
    }
    assert [name for name, _ in source.refused] == ["gone.txt"]
    assert "leads nowhere" in source.refused[0][1]
    for reach in (source.read, source.open, lambda name: source.head(name, 4)):
        with pytest.raises(ReadError, match="link that leaves the dataset") as caught:
            reach("outside.txt")
        assert "password" not in str(caught.value)
    assert source.read("outside.txt", follow=True) == b"password"
    assert source.head("linked/secret.txt", 4, follow=True) == b"pass"


def test_a_linked_root_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_bytes(TEXT)
    (tmp_path / "real" / "b.txt").symlink_to("a.txt")
    (tmp_path / "link").symlink_to("real")
    assert [entry.outside for entry in open_source(tmp_path / "link").entries] == [False, False]


def test_a_neighbour_whose_name_begins_the_same_is_outside(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set2").mkdir()
    (tmp_path / "set2" / "a.txt").write_bytes(TEXT)
    (tmp_path / "set" / "a.txt").symlink_to("../set2/a.txt")
    assert open_source(tmp_path / "set").entries[0].outside


def test_folder_loops_end(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x.jpg").write_bytes(b"x")
    (tmp_path / "a" / "b" / "up").symlink_to("../..")
    (tmp_path / "self").symlink_to("self")
    source = open_source(tmp_path)
    assert names(source) == ["a/x.jpg"]
    assert [name for name, _ in source.refused] == ["a/b/up", "self"]


def test_folders_that_link_to_one_another_do_not_multiply(tmp_path: Path) -> None:
    for one in range(9):
        (tmp_path / f"d{one}").mkdir()
        (tmp_path / f"d{one}" / "x.jpg").write_bytes(b"x")
        for other in range(9):
            if other != one:
                (tmp_path / f"d{one}" / f"to{other}").symlink_to(f"../d{other}")
    source = open_source(tmp_path)
    assert {f"d{one}/x.jpg" for one in range(9)} <= set(source.names)
    assert len(source.entries) <= 9 * 8


def test_special_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "linked.txt").symlink_to("pipe.txt")
    (tmp_path / "a.txt").write_bytes(TEXT)
    listening = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(tmp_path)  # a socket's path is limited to a hundred bytes
    try:
        listening.bind("s")
    finally:
        os.chdir(here)
        listening.close()
    source = open_source(tmp_path)
    assert names(source) == ["a.txt"]
    assert [name for name, _ in source.refused] == ["linked.txt", "pipe.txt", "s"]
    with pytest.raises(ReadError, match=r"pipe.txt: this file is not read: a device, pipe or socket"):
        source.read("pipe.txt")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(bytes(tmp_path) + b"/gr\xf6\xdfe")).mkdir()
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    Path(os.fsdecode(bytes(tmp_path) + b"/gr\xf6\xdfe/\xe9.txt")).write_bytes(TEXT)
    Path(os.fsdecode(bytes(tmp_path) + b"/\x81.txt")).write_bytes(TEXT)
    Path(os.fsdecode(bytes(tmp_path) + b"/\xe9.txt")).write_bytes(b"first")
    (tmp_path / "é.txt").write_bytes(b"second")
    (tmp_path / "日本.txt").write_bytes(b"third")
    source = open_source(tmp_path)
    assert set(names(source)) == {"größe/é.txt", "\x81.txt", "é.txt", "日本.txt"}
    assert source.read("größe/é.txt") == TEXT
    assert source.read("é.txt") == b"second"
    assert source.read("日本.txt") == b"third"
    assert source.refused == (("é.txt", "a second file whose name reads the same"),)


def test_folder_without_rights_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.txt").write_bytes(TEXT)
    real = os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr("dsq.folder.os.scandir", scandir)
    source = open_source(tmp_path)
    assert names(source) == ["a.txt"]
    assert source.refused == (("locked", "the folder cannot be listed (Permission denied)"),)
    with pytest.raises(ReadError, match=r"locked: the folder cannot be listed: Permission denied\. Give yourself"):
        open_source(tmp_path / "locked")


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A folder that any user can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        if not all(above.stat().st_mode & stat.S_IXOTH for above in folder.parents):
            pytest.skip(f"other users cannot enter {folder.parent}")
        yield folder
    finally:
        for path in folder.rglob("*"):
            path.chmod(0o755)
        shutil.rmtree(folder)


def as_nobody(work: Callable[[], Any]) -> Any:
    """What `work` returns where rights hold: in a forked process that gave up root, if we are root."""
    if os.geteuid() != 0:
        return work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            answer = work()
        except BaseException as error:  # the parent asserts on it
            answer = repr(error)
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as stream:
        data = stream.read()
    os.waitpid(child, 0)
    return json.loads(data)


def test_rights_as_an_ordinary_user(public_path: Path) -> None:
    for name in ("locked", "unlistable"):
        (public_path / name).mkdir()
        (public_path / name / "x.txt").write_bytes(TEXT)
    (public_path / "locked").chmod(0)
    (public_path / "unlistable").chmod(0o444 if os.geteuid() else 0o711)
    (public_path / "a.txt").write_bytes(TEXT)
    (public_path / "secret.txt").write_bytes(TEXT)
    (public_path / "secret.txt").chmod(0)

    def work() -> list[Any]:
        said = []
        for path in ("locked", "secret.txt"):
            try:
                open_source(public_path / path)
            except ReadError as error:
                said.append(str(error))
        source = open_source(public_path)
        try:
            source.read("secret.txt")
        except ReadError as error:
            said.append(str(error))
        return [names(source), [name for name, _ in source.refused], said]

    listed, refused, said = as_nobody(work)
    assert listed == ["a.txt", "secret.txt"]
    assert "locked" in refused
    assert len(said) == 3
    assert "the folder cannot be listed: Permission denied. Give yourself the right" in said[0]
    assert all("cannot be read: Permission denied." in text for text in said[1:])
    assert all("Errno" not in text for text in said)


def test_file_that_vanishes_or_changes(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_bytes(TEXT)
    source = open_source(tmp_path)
    (tmp_path / "a.txt").unlink()
    (tmp_path / "b.txt").write_bytes(TEXT + TEXT)
    (tmp_path / "c.txt").write_bytes(b"")
    with pytest.raises(ReadError, match=r"a\.txt: this file cannot be read: No such file .* still there"):
        source.read("a.txt")
    with pytest.raises(ReadError, match="No such file"):
        source.open("a.txt")
    for name in ("b.txt", "c.txt"):
        with pytest.raises(ReadError, match="changed by somebody"):
            source.read(name)


def test_limit_and_unknown_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    source = open_source(tmp_path)
    assert source.read("a.txt", len(TEXT)) == TEXT
    with pytest.raises(ReadError, match="holds 18 bytes, more than the 17 that are read"):
        source.read("a.txt", 17)
    for reach in (source.read, source.open, source.size):
        with pytest.raises(ReadError, match=r"/b\.txt: this file does not exist in the dataset"):
            reach("b.txt")
    with pytest.raises(ReadError, match="does not exist"):
        source.read("../" + tmp_path.name + "/a.txt")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_read_many_keeps_the_order_and_goes_on(tmp_path: Path, kind: str) -> None:
    members = {f"{number}.txt": str(number).encode() for number in range(5)}
    if kind == "zip":
        source = open_source(make_zip(tmp_path / "a.zip", members))
    else:
        for name, data in members.items():
            (tmp_path / name).write_bytes(data)
        source = open_source(tmp_path)
    found = list(source.read_many(["3.txt", "nothing.txt", "0.txt"]))
    assert found[0] == b"3"
    assert isinstance(found[1], ReadError)
    assert found[2] == b"0"


def test_empty_folder_has_no_entries(tmp_path: Path) -> None:
    assert open_source(tmp_path).entries == ()


# what is no source


def test_missing_path_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "potholes.zip").write_bytes(b"")
    with pytest.raises(ReadError, match=r"no such file or folder\. Did you mean potholes\.zip in "):
        open_source(tmp_path / "pothole.zip")
    with pytest.raises(ReadError, match=r"There is no qqqq in .*; check the spelling"):
        open_source(tmp_path / "qqqq" / "deeper" / "set")
    with pytest.raises(ReadError, match="no such file or folder"):
        open_source(tmp_path / "potholes.zip" / "set")
    with pytest.raises(ReadError, match="not a path"):
        open_source("a\0b")


def test_neither_folder_nor_zip(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    with pytest.raises(ReadError, match=r"neither a folder nor a zip\. Name the folder"):
        open_source(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReadError, match="neither a folder nor a zip"):
        open_source(tmp_path / "pipe")


def test_other_archives(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    for name, mode in (
        ("a.tar", "w"),
        ("a.tar.gz", "w:gz"),
        ("a.tgz", "w:gz"),
        ("unnamed", "w"),
        ("b.tar.xz", "w:xz"),
    ):
        with tarfile.open(tmp_path / name, mode) as archive:  # type: ignore[call-overload]
            archive.add(tmp_path / "a.txt", "a.txt")
    (tmp_path / "a.rar").write_bytes(b"Rar!\x1a\x07\x01\x00")
    (tmp_path / "noname").write_bytes(b"7z\xbc\xaf\x27\x1c\x00\x04")
    for name in ("a.tar", "a.tar.gz", "a.tgz", "unnamed", "b.tar.xz", "a.rar", "noname"):
        with pytest.raises(ReadError, match=r"an archive, but not a zip\. Unpack it .* repack it as a \.zip"):
            open_source(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "the file is empty"),
        (b"hello, world", "not a zip, although its name says so"),
        (b"\n<!DOCTYPE html><html>", "a web page, as a failed download leaves one"),
        (b"PK\x03\x04" + b"\0" * 99, "truncated or damaged"),
    ],
)
def test_what_is_only_named_zip(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ReadError, match=rf"a\.zip: .*{what}.* Copy or download the archive again"):
        open_source(tmp_path / "a.zip")


# zips


def test_zip_is_known_by_its_content(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "set.data", {"b/": b"", "b/x.txt": b"abc" * 99, "a.txt": b"", "./c//d.txt": b"d"})
    with open_source(path) as source:
        assert source.kind == "zip"
        assert source.root == str(path)
        assert source.entries == (
            Entry("a.txt", 0, False), Entry("b/x.txt", 297, False), Entry("c/d.txt", 1, False),
        )  # fmt: skip
        assert source.read("b/x.txt") == b"abc" * 99
        assert source.read("a.txt") == b""
        assert source.read("c/d.txt") == b"d"
        assert source.head("b/x.txt", 4) == b"abca"
        assert source.head("b/x.txt", 9999) == b"abc" * 99
        assert source.head("a.txt", 4) == b""
        with source.open("b/x.txt") as stream:
            assert stream.seekable()
            stream.seek(3)
            assert stream.read(2) == b"ab"
    source.close()
    with pytest.raises(ReadError, match="closed"):
        source.read("b/x.txt")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_heads_of_any_length(tmp_path: Path, method: int) -> None:
    data = bytes(range(256)) * 40 + os.urandom(5000) + bytes(90000)
    source = open_source(make_zip(tmp_path / "a.zip", {"a.bin": data}, method))
    assert source.read("a.bin") == data
    for count in (0, 1, 700, 10_300, 50_000, len(data), len(data) + 1):
        assert source.head("a.bin", count) == data[:count]


def test_zip_with_a_long_local_header(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("a.txt")
        info.extra = struct.pack("<HH", 0xCAFE, 4000) + bytes(4000)
        archive.writestr(info, TEXT)
    assert open_source(path).read("a.txt") == TEXT


def test_names_that_leave_the_zip_are_refused(tmp_path: Path) -> None:
    bad = [
        "../a.txt",
        "x/../../a.txt",
        "/etc/passwd",
        "C:/a.txt",
        "C:\\a.txt",
        "..\\..\\a.txt",
        "\\\\host\\a.txt",
        "x/..",
    ]
    path = make_zip(tmp_path / "a.zip", {**dict.fromkeys(bad, TEXT), "ok..txt": TEXT, "...": TEXT})
    source = open_source(path)
    assert names(source) == ["ok..txt"]
    assert [name for name, _ in source.refused] == sorted([*(name.replace("\\", "/") for name in bad), "..."])
    assert all("outside the dataset" in why for name, why in source.refused if name != "...")
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip"}


def test_backslashes_become_slashes(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "a.zip", {"images\\sub\\a.jpg": b"a", "labels\\": b""}))
    assert names(source) == ["images/sub/a.jpg"]
    assert source.read("images/sub/a.jpg") == b"a"


def test_first_of_two_members_of_a_name_is_kept(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        with pytest.warns(UserWarning, match="Duplicate"):
            for data in (b"first", b"second"):
                archive.writestr(zipfile.ZipInfo("x/a.txt"), data)
        archive.writestr(zipfile.ZipInfo("x\\a.txt"), b"third")
    source = open_source(tmp_path / "a.zip")
    assert source.read("x/a.txt") == b"first"
    assert source.refused == (("x/a.txt", "a second member of this name; the first one is read"),) * 2


def test_names_in_utf8_without_the_flag(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"XXXXXXXXXXX/a.txt": TEXT, "YYYY.txt": TEXT})
    utf8, local = "größe é".encode().ljust(11, b"_"), b"\x80\xe2\xae\xff"
    path.write_bytes(path.read_bytes().replace(b"XXXXXXXXXXX", utf8).replace(b"YYYY", local))
    source = open_source(path)
    assert names(source) == sorted([utf8.decode() + "/a.txt", local.decode("cp437") + ".txt"])
    assert list(source.read_many(names(source))) == [TEXT, TEXT]


def test_name_in_a_local_code_page_with_its_unicode_field(tmp_path: Path) -> None:
    path, local, real = tmp_path / "a.zip", "Вода.txt".encode("cp866"), "Вода.txt"
    with zipfile.ZipFile(path, "w") as archive:
        for name, checksum in (("XXXX.txt", zlib.crc32(local)), ("YYYY.txt", 1)):
            info = zipfile.ZipInfo(name)
            body = struct.pack("<BI", 1, checksum) + real.encode()
            info.extra = struct.pack("<HHB", 0x0001, 1, 0)[:4] + b"\0" + struct.pack("<HH", 0x7075, len(body)) + body
            archive.writestr(info, TEXT)
    path.write_bytes(path.read_bytes().replace(b"XXXX", local[:4]).replace(b"YYYY", b"\x81\x82\x83\xff"))
    source = open_source(path)
    assert set(names(source)) == {real, b"\x81\x82\x83\xff".decode("cp437") + ".txt"}
    assert source.read(real) == TEXT


def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, mode in (("link.txt", stat.S_IFLNK), ("pipe", stat.S_IFIFO), ("a.txt", stat.S_IFREG)):
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode | 0o644) << 16
            archive.writestr(info, b"/etc/passwd")
    source = open_source(tmp_path / "a.zip")
    assert names(source) == ["a.txt"]
    assert dict(source.refused) == {
        "link.txt": "a symbolic link, which is not followed in a zip",
        "pipe": "a device, pipe or socket, not a file",
    }


def test_bomb_member_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"bomb.json": bytes(9 << 20), "small.json": bytes(7 << 20), "a.txt": TEXT})
    source = open_source(path)
    assert names(source) == ["a.txt", "small.json"]
    assert source.refused[0][0] == "bomb.json"
    assert "9,437,184" in source.refused[0][1]
    with pytest.raises(ReadError, match=r"bomb\.json: this file is not read: a zip bomb"):
        source.read("bomb.json")


def test_bomb_of_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {f"{number}.txt": bytes(1 << 20) for number in range(8)}
    path = make_zip(tmp_path / "a.zip", {**members, "plain.txt": TEXT})
    assert len(open_source(path).entries) == 9
    monkeypatch.setattr("dsq.archive.SMALL_TOTAL", 1 << 20)
    source = open_source(path)
    assert "plain.txt" in source
    assert sum(entry.size for entry in source.entries) <= max(1 << 20, 250 * path.stat().st_size)
    assert "part of a zip bomb: " in source.refused[0][1]


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.txt": TEXT, "b.txt": TEXT, "c.txt": TEXT})
    with zipfile.ZipFile(path) as archive:
        second = archive.getinfo("b.txt").header_offset
    patch_directory(path, b"c.txt", 42, struct.pack("<I", second))
    source = open_source(path)
    assert "a.txt" in source
    assert len(source.entries) == 2
    assert "overlaps another member's" in source.refused[0][1]


def test_member_that_holds_more_than_it_declares(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.txt": bytes(1 << 20)})
    patch_directory(path, b"a.txt", 24, struct.pack("<I", 100))
    with pytest.raises(ReadError, match="corrupt in the zip: it does not hold the 100 bytes"):
        open_source(path).read("a.txt")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_corrupt_member(tmp_path: Path, method: int) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.bin": os.urandom(3000), "b.txt": TEXT}, method)
    data = bytearray(path.read_bytes())
    data[1500:1600] = bytes(100)
    path.write_bytes(data)
    source = open_source(path)
    with pytest.raises(ReadError, match=r"a\.zip/a\.bin: this file is corrupt in the zip: .* Copy or download"):
        source.read("a.bin")
    assert source.read("b.txt") == TEXT


def test_damaged_local_header(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.txt": TEXT})
    path.write_bytes(b"XX" + path.read_bytes()[2:])
    source = open_source(path)
    for reach in (source.read, source.open, lambda name: source.head(name, 4)):
        with pytest.raises(ReadError, match="corrupt in the zip"):
            reach("a.txt")


def test_member_beyond_the_end(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.txt": TEXT, "b.txt": TEXT})
    patch_directory(path, b"b.txt", 20, struct.pack("<I", 1 << 30))
    source = open_source(path)
    assert names(source) == ["a.txt"]
    assert "the zip is truncated" in source.refused[0][1]


def test_truncated_zip(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {f"{number}.txt": os.urandom(500) for number in range(20)})
    whole = path.read_bytes()
    for length in (len(whole) // 2, len(whole) - 30, 40):
        path.write_bytes(whole[:length])
        with pytest.raises(ReadError, match="truncated or damaged"):
            open_source(path)
    path.write_bytes(whole[5000:])
    source = open_source(path)
    assert len(source.entries) + len(source.refused) == 20
    assert {why for _, why in source.refused} == {"its data is missing: the zip is truncated"}
    assert all(len(data) == 500 for data in source.read_many(source.names) if isinstance(data, bytes))


@pytest.mark.parametrize("members", [{}, {"images/": b"", "labels/": b""}])
def test_empty_zip(tmp_path: Path, members: dict[str, bytes]) -> None:
    with pytest.raises(ReadError, match=r"the zip holds no files\."):
        open_source(make_zip(tmp_path / "a.zip", members))


def test_encrypted_zip(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.txt": TEXT, "b.txt": TEXT})
    patch_directory(path, b"a.txt", 8, b"\x01\x00")
    assert open_source(path).refused == (("a.txt", "encrypted"),)
    patch_directory(path, b"b.txt", 8, b"\x01\x00")
    with pytest.raises(ReadError, match=r"none of the 2 files .* a\.txt: encrypted\. .* without a password"):
        open_source(path)


def test_unknown_method(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.txt": TEXT, "b.txt": TEXT})
    patch_directory(path, b"a.txt", 10, struct.pack("<H", 9))
    assert open_source(path).refused == (("a.txt", "packed by method 9, which cannot be unpacked here"),)


def test_random_damage_never_escapes_as_another_error(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {f"x/{number}.txt": TEXT * number for number in range(6)})
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        data = bytearray(whole)
        data[at] ^= 0x55
        path.write_bytes(data)
        try:
            source = open_source(path)
        except ReadError:
            continue
        for name in names(source):
            for reach in (source.read, lambda name, source=source: source.head(name, 30)):
                try:
                    reach(name)
                except ReadError as error:
                    assert name in str(error)
        source.close()


# one file


def test_single_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    (tmp_path / "other.txt").write_bytes(TEXT)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link.json").symlink_to("../a.json")
    assert open_file(tmp_path / "set" / "link.json").read("link.json") == b"{}"  # the user named it himself
    source = open_file(tmp_path / "a.json")
    assert (source.root, source.kind, source.entries) == (
        str(tmp_path),
        "folder",
        (Entry("a.json", 2, False),),
    )
    assert source.read("a.json") == b"{}"
    with pytest.raises(ReadError, match=r"No such file.*Did you mean a\.json"):
        open_file(tmp_path / "b.json")
    with pytest.raises(ReadError, match="not a file"):
        open_file(tmp_path)


# writing


def test_write_file(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    write_file(target, b"one", overwrite=False)
    assert target.read_bytes() == b"one"
    with pytest.raises(WriteError, match=r"out\.json: it exists already\. .*--overwrite"):
        write_file(target, b"two", overwrite=False)
    assert target.read_bytes() == b"one"
    write_file(str(target), b"two", overwrite=True)
    assert target.read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_write_file_replaces_a_link_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"keep")
    (tmp_path / "out").symlink_to("precious")
    write_file(tmp_path / "out", b"new", overwrite=True)
    assert (tmp_path / "precious").read_bytes() == b"keep"
    assert (tmp_path / "out").read_bytes() == b"new"


def test_write_file_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WriteError, match="Make its folder first"):
        write_file(tmp_path / "no" / "out.json", b"x", overwrite=False)
    with pytest.raises(WriteError, match="it is a folder"):
        write_file(tmp_path, b"x", overwrite=True)
    (tmp_path / "out.json").write_bytes(b"old")

    def full(*paths: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dsq.source.os.replace", full)
    with pytest.raises(DsqError, match=r"No space left on device\. Check the rights and the free space"):
        write_file(tmp_path / "out.json", b"new", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert (tmp_path / "out.json").read_bytes() == b"old"


def test_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*paths: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dsq.source.os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "out.json", b"new", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_write_to_a_full_device() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with pytest.raises(WriteError, match="No space left"):
        write_file("/dev/full", b"x", overwrite=False)
    write_file("/dev/null", b"x", overwrite=False)
    assert not Path("/dev/null").is_file()


def test_write_without_rights(public_path: Path) -> None:
    (public_path / "out").mkdir(mode=0o555)

    def work() -> str:
        try:
            write_file(public_path / "out" / "a.json", b"x", overwrite=False)
        except WriteError as error:
            return str(error)
        return "written"

    assert "cannot be written: Permission denied." in as_nobody(work)


# the whole


def test_imports_stay_light() -> None:
    code = "import sys, dsq.source, dsq.headers; print({'PIL', 'numpy', 'pandas'} & set(sys.modules) or 'none')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "none\n"


def test_shared_data(shared_data: Path) -> None:
    source = open_source(shared_data)
    assert source.refused == ()
    assert sum(is_junk(name) for name in source.names if name.startswith("ships-yolov8")) == 9
    inner = open_source(shared_data / "pen-zip" / "archive.zip")
    assert sum(map(is_image, inner.names)) == 40
    assert sum(name.endswith(".txt") for name in inner.names) == 40
    assert all(isinstance(data, bytes) for data in inner.read_many(inner.names))
