"""dsq cache, and what an audit does with the cache and its processes from the command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pictures import LONG_AGO, encode, make_folder, put
from PIL import Image

from dsq.measure.store import FILE

DSQ = [sys.executable, "-c", "import sys; sys.argv[0] = 'dsq'; from dsq.cli import main; main()"]
AUDIT = ("--select", "images", "--output-format", "json")


def run(*arguments: object, cache: Path, code: int | None = 0) -> tuple[str, str]:
    done = subprocess.run(
        [*DSQ, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "DSQ_CACHE_DIR": str(cache)},
        check=False,
    )
    assert done.returncode in ((0, 1) if code is None else (code,)), done.stderr
    return done.stdout, done.stderr


def start(*arguments: object, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*DSQ, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DSQ_CACHE_DIR": str(cache)},
    )


def children(pid: int) -> set[int]:
    """Processes that a process started and that still run."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.add(int(status.parent.name))
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds; a minute is long enough for any machine."""
    last = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "set", 12)


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Two hundred small files that take long to decode."""
    data = encode(Image.new("RGB", (3000, 3000), (90, 120, 60)), "PNG")
    for number in range(200):
        put(tmp_path / "slow" / f"{number:03}.png", data + b"%d" % number)
    return tmp_path / "slow"


def test_cache_says_what_it_holds_and_forgets_it(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    out, _ = run("cache", cache=cache)
    assert out == f"{cache / FILE}: 0.0 MB\n"
    assert not cache.exists()
    run("audit", folder, *AUDIT, cache=cache)
    out, _ = run("cache", cache=cache)
    assert "files" in out and "image-" in out
    told = json.loads(run("cache", "--json", cache=cache)[0])
    assert told["entries"]["files"] == 12 and told["bytes"] > 10_000 and told["fault"] == ""
    out, _ = run("cache", "--clear", cache=cache)
    assert "cleared" in out
    assert json.loads(run("cache", "--json", cache=cache)[0])["entries"] == {"files": 0}


def test_a_second_audit_says_the_same(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = run("audit", folder, *AUDIT, cache=cache)
    assert run("audit", folder, *AUDIT, cache=cache) == first
    assert run("audit", folder, *AUDIT, "--rehash", "--workers", "3", cache=tmp_path / "other") == first


def test_a_second_audit_by_all_rules_reads_no_pixel(shared_data: Path, tmp_path: Path) -> None:
    """The pictures are blotted out behind the back of the cache, size and time kept: the report stays as it was."""
    folder, cache = tmp_path / "raccoon", tmp_path / "cache"
    for name in ("annotations", "images"):
        shutil.copytree(shared_data / "raccoon" / name, folder / name)
    pictures = sorted((folder / "images").iterdir())
    for file in pictures:
        os.utime(file, ns=(LONG_AGO, LONG_AGO))
    first = run("audit", folder, "--output-format", "json", cache=cache, code=None)
    for file in pictures:
        put(file, bytes(file.stat().st_size))
    assert run("audit", folder, "--output-format", "json", cache=cache, code=None) == first
    assert run("audit", folder, "--output-format", "json", "--rehash", cache=cache, code=1) != first


@pytest.mark.parametrize("what", ["unwritable", "corrupt", "newer"])
def test_an_audit_goes_on_without_its_cache_and_says_so_once(folder: Path, tmp_path: Path, what: str) -> None:
    expected, quiet = run("audit", folder, *AUDIT, cache=tmp_path / "good")
    assert quiet == ""
    cache = tmp_path / "cache"
    if what == "unwritable":
        cache.write_text("a file where the folder should be")
    elif what == "corrupt":
        cache.mkdir()
        (cache / FILE).write_bytes(b"nonsense " * 1000)
    else:
        run("audit", folder, *AUDIT, cache=cache)
        base = sqlite3.connect(cache / FILE)
        base.execute("PRAGMA user_version = 99")
        base.close()
    out, err = run("audit", folder, *AUDIT, "--workers", "2", cache=cache)
    assert out == expected
    assert err.count("the cache") == 1 and err.count("\n") == 1, err
    if what == "unwritable":
        assert run("audit", folder, *AUDIT, "-q", cache=cache) == (expected, "")
    if what == "corrupt":
        run("cache", "--clear", cache=cache)
        assert run("audit", folder, *AUDIT, cache=cache) == (expected, "")


def test_two_audits_at_once_on_one_cache(tmp_path: Path) -> None:
    folder, cache = make_folder(tmp_path / "set", 150), tmp_path / "cache"
    running = [start("audit", folder, *AUDIT, "--workers", str(number), cache=cache) for number in (1, 2, 1)]
    said = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert said[0] == said[1] == said[2] == run("audit", folder, *AUDIT, cache=tmp_path / "other")
    base = sqlite3.connect(cache / FILE)
    assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert base.execute("SELECT count(*) FROM files").fetchone() == (150,)
    base.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to find the worker processes in")
@pytest.mark.parametrize(("how", "workers"), [("SIGINT", 1), ("SIGINT", 2), ("SIGKILL", 2)])
def test_an_audit_that_is_stopped_leaves_nobody_behind(slow: Path, tmp_path: Path, how: str, workers: int) -> None:
    cache = tmp_path / "cache"
    process = start("audit", slow, *AUDIT, "--workers", workers, cache=cache)
    if workers > 1:
        wait_for(lambda: len(children(process.pid)) == workers)
    wait_for((cache / FILE).exists)
    time.sleep(0.5)
    started = children(process.pid)
    process.send_signal(getattr(signal, how))
    out, err = process.communicate(timeout=60)
    assert out == ""
    if how == "SIGINT":
        assert process.returncode == 130 and "interrupted" in err and "Traceback" not in err
        assert not any(Path(f"/proc/{pid}").exists() for pid in started)
    else:
        assert process.returncode == -getattr(signal, how) and err == ""
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    base = sqlite3.connect(cache / FILE)
    assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    base.close()


def test_a_number_of_workers_is_at_least_one(folder: Path, tmp_path: Path) -> None:
    _, err = run("audit", folder, "--workers", "0", cache=tmp_path / "cache", code=2)
    assert "--workers" in err


def test_a_folder_that_cannot_hold_a_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    data = make_folder(tmp_path / "set", 1)
    for cache in (tmp_path / "file", tmp_path / "file" / "below"):
        for more in ((), ("--clear",), ("--json",)):
            out, err = run("cache", *more, cache=cache, code=2)
            assert not out and "the cache cannot be used" in err and "DSQ_CACHE_DIR" in err
        _, err = run("audit", data, *AUDIT, cache=cache, code=None)
        assert f"{tmp_path / 'file'} is no folder" in err and "DSQ_CACHE_DIR" in err and "--clear" not in err
