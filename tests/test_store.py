"""The cache: what is kept comes back, and nothing that ails the file does harm."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dsq.errors import WriteError
from dsq.measure import store as module
from dsq.measure.store import FILE, Stamp, Store, cache_folder, clear_cache, describe_cache, open_store

STAMP = Stamp(10, 1_600_000_000_000_000_001, (1 << 63) - 1)
OTHER = Stamp(11, 1_600_000_000_000_000_001, 3)


@pytest.fixture(autouse=True)
def tell_again() -> None:
    module._say_once.cache_clear()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "dsq"]


def test_facts_come_back_by_kind_and_key(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert store.recall("a-1", [b"x"]) == {}
        store.keep("a-1", [(b"x", b"one"), (b"y", b"")])
        store.keep("a-2", [(b"x", b"other")])
        assert store.recall("a-1", [b"x", b"y", b"z", b"x"]) == {b"x": b"one", b"y": b""}
    with open_store(tmp_path) as store:
        store.keep("a-1", [(b"x", b"later")])
    with open_store(tmp_path) as store:
        assert store.recall("a-1", [b"x"]) == {b"x": b"later"}
        assert store.recall("a-2", [b"x", b"y"]) == {b"x": b"other"}
        assert store.recall("a-3", [b"x"]) == {}
        assert store.count() == {"files": 0, "a-1": 2, "a-2": 1}


def test_many_keys_in_one_question(tmp_path: Path) -> None:
    items = [(number.to_bytes(4, "big"), str(number).encode()) for number in range(2_345)]
    with open_store(tmp_path) as store:
        store.keep("a", items)
    with open_store(tmp_path) as store:
        assert store.recall("a", [key for key, _ in items]) == dict(items)


def test_files_come_back_by_folder_and_name(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.remember("/d", [("ä.jpg", STAMP, b"c"), ("b.jpg", STAMP, b"d"), ("\udcff.jpg", STAMP, b"e")])
        store.remember("/d\udcff", [("b.jpg", OTHER, b"f")])
    with open_store(tmp_path) as store:
        stamps = dict.fromkeys(["ä.jpg", "b.jpg", "c.jpg", "\udcff.jpg"], STAMP)
        assert store.locate("/d", stamps) == {"ä.jpg": b"c", "b.jpg": b"d"}
        assert store.locate("/d", {"b.jpg": STAMP._replace(mtime=1)}) == {}
        assert store.locate("/d\udcff", {**stamps, "b.jpg": OTHER}) == {"b.jpg": b"f"}
        assert store.locate("/e", stamps) == {}


def test_stamps_fit_into_the_file(tmp_path: Path) -> None:
    status: Any = SimpleNamespace(st_size=5, st_ino=1 << 63 | 7, st_mtime_ns=-1)
    stamp = module.make_stamp(status)
    assert stamp.size == 5 and stamp.inode == 7 and stamp.mtime > 0
    with open_store(tmp_path) as store:
        store.remember("/d", [("a", stamp, b"c")])
    with open_store(tmp_path) as store:
        assert store.locate("/d", {"a": stamp}) == {"a": b"c"}


def test_a_store_without_a_file_knows_nothing() -> None:
    with open_store(False) as store:
        store.keep("a", [(b"x", b"y")])
        store.remember("/d", [("a", STAMP, b"c")])
        assert store.recall("a", [b"x"]) == {} == store.locate("/d", {"a": STAMP}) == store.count()
        assert not store.working


def test_what_is_new_is_written_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.0)
    store = Store(tmp_path / FILE)
    store.keep("a", [(b"x", b"y")])
    with open_store(tmp_path) as other:
        assert other.recall("a", [b"x"]) == {b"x": b"y"}
    store.close()


def test_much_that_waits_is_written_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path / FILE)
    store.keep("a", [(b"x", bytes(module.MOST_WAITING))])
    with open_store(tmp_path) as other:
        assert len(other.recall("a", [b"x"])[b"x"]) == module.MOST_WAITING
    store.close()


def test_a_damaged_entry_is_not_known(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.keep("a", [(b"x", b"data of x"), (b"y", b"data of y")])
    base = sqlite3.connect(tmp_path / FILE)
    base.execute("UPDATE facts SET data = CAST(substr(data, 1, 5) || 'ATA of x' AS BLOB) WHERE key = x'78'")
    base.commit()
    base.close()
    with open_store(tmp_path) as store:
        assert store.recall("a", [b"x", b"y"]) == {b"y": b"data of y"}


def use(folder: Path) -> None:
    """What every user does: nothing of it may raise or be wrong."""
    with open_store(folder) as store:
        assert store.recall("a", [b"new"]) == {}
        store.keep("a", [(b"new", b"value")])
        store.remember("/d", [("n", STAMP, b"c")])
        store.flush()
        assert store.recall("a", [b"new"]) in ({}, {b"new": b"value"})


@pytest.mark.parametrize("what", ["garbage", "cut", "newer", "foreign", "no-folder", "a-folder"])
def test_an_unusable_file_is_told_once_and_does_no_harm(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "cache"
    why = {
        "garbage": "not a database",
        "cut": "malformed",
        "newer": "newer dsq",
        "foreign": "something else",
        "no-folder": "is no folder",
        "a-folder": "unable to open",
    }[what]
    if what == "no-folder":
        folder.write_text("a file where the folder should be")
    elif what == "a-folder":
        (folder / FILE).mkdir(parents=True)
    elif what == "garbage":
        folder.mkdir()
        (folder / FILE).write_bytes(b"no database at all " * 500)
    elif what == "foreign":
        folder.mkdir()
        base = sqlite3.connect(folder / FILE)
        base.execute("CREATE TABLE mine (a)")
        base.close()
    else:
        with open_store(folder) as store:
            store.keep("a", [(number.to_bytes(4, "big"), os.urandom(300)) for number in range(500)])
        if what == "cut":
            data = (folder / FILE).read_bytes()
            (folder / FILE).write_bytes(data[: len(data) // 3])
        else:
            base = sqlite3.connect(folder / FILE)
            base.execute("PRAGMA user_version = 99")
            base.close()
    before = (folder / FILE).read_bytes() if what in ("newer", "foreign") else b""
    use(folder)
    use(folder)
    assert len(told(caplog)) == 1
    assert re.search(why, told(caplog)[0]), told(caplog)
    assert str(folder / FILE) in told(caplog)[0]
    if before:
        assert (folder / FILE).read_bytes() == before


def test_pages_overwritten_in_the_middle_do_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    items = {number.to_bytes(4, "big"): os.urandom(300) for number in range(2_000)}
    with open_store(tmp_path) as store:
        store.keep("a", items.items())
    data = bytearray((tmp_path / FILE).read_bytes())
    data[40_000:200_000] = os.urandom(160_000)
    (tmp_path / FILE).write_bytes(data)
    with open_store(tmp_path) as store:
        found = store.recall("a", items)
        store.keep("a", [(b"new", b"value")])
    assert all(items[key] == value for key, value in found.items())
    assert len(told(caplog)) <= 1


WRITER = """
import sys
from dsq.measure.store import open_store
with open_store(sys.argv[1]) as store:
    for number in range(int(sys.argv[2])):
        store.keep("a", [(b"%s %d" % (sys.argv[3].encode(), number), b"v" * 3000)])
        if number % 20 == 0:
            store.flush()
print("done", store.fault)
"""


def run_writers(folder: Path, names: str, count: int = 400, prefix: str = "") -> list[tuple[str, str]]:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", prefix + WRITER, str(folder), str(count), name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    return [process.communicate(timeout=120) for process in running]


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    assert run_writers(tmp_path, "pqr") == [("done \n", "")] * 3
    base = sqlite3.connect(tmp_path / FILE)
    assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert base.execute("SELECT count(*) FROM facts").fetchone() == (1_200,)
    base.close()


def test_a_full_disk_is_told_and_does_no_harm(tmp_path: Path) -> None:
    """The disk is full for real where one may mount a small one; else no file may grow beyond a size."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], capture_output=True, check=False
    )
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
    try:
        ((out, err),) = run_writers(small, "p", prefix="" if mounted.returncode == 0 else limit)
        assert out.startswith("done ") and len(out) > 8
        assert err.count("is not used") == 1 and "Traceback" not in err
        with open_store(small) as store:
            found = store.recall("a", [b"p %d" % number for number in range(400)])
        assert set(found.values()) <= {b"v" * 3000}
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", str(small)], check=True)


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder(tmp_path) == tmp_path
    monkeypatch.setenv("DSQ_CACHE_DIR", str(tmp_path / "stated"))
    assert cache_folder() == tmp_path / "stated"
    monkeypatch.delenv("DSQ_CACHE_DIR")
    assert cache_folder().name == "dsq"


def test_clearing_empties_what_others_may_use(tmp_path: Path) -> None:
    with open_store(tmp_path) as other, open_store(tmp_path) as store:
        store.keep("a", [(b"x", b"y")])
        store.flush()
        clear_cache(tmp_path)
        assert other.recall("a", [b"x"]) == {}
        store.keep("a", [(b"z", b"y")])
        store.flush()
        assert other.recall("a", [b"z"]) == {b"z": b"y"}
    assert describe_cache(tmp_path).entries == {"files": 0, "a": 1}


def test_clearing_removes_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all " * 500)
    assert "not a database" in describe_cache(tmp_path).fault
    clear_cache(tmp_path)
    assert describe_cache(tmp_path) == (str(tmp_path / FILE), 0, {}, "")
    clear_cache(tmp_path)


def test_clearing_leaves_a_database_of_something_else(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / FILE)
    base.execute("CREATE TABLE mine (a)")
    base.close()
    with pytest.raises(WriteError, match="something else"):
        clear_cache(tmp_path)
    assert (tmp_path / FILE).exists()


def test_clearing_says_where_it_cannot(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(WriteError, match="cannot be cleared"):
        clear_cache(tmp_path)
