"""The pages say what the program does."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from dsq.cli import VERBS
from dsq.registry import all_rules

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def refresh() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_quote_the_program(refresh: ModuleType) -> None:
    for path, text in refresh.pages().items():
        assert path.read_text("utf-8").splitlines() == text.splitlines(), f"run `make docs`: {path.name} is old"


def test_readme_names_only_what_exists() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", text, flags=re.S))
    verbs = re.findall(r"^dsq ([a-z]+)|&& dsq ([a-z]+)", shell, flags=re.M)
    verbs = [one or other for one, other in verbs]
    assert verbs and set(verbs) <= set(VERBS)
    for rule in re.findall(r"^dsq explain ([a-z-]+)", shell, flags=re.M):
        assert rule in all_rules(), rule
    for link in re.findall(r"\]\(([\w/.-]+)\)", text):
        assert (ROOT / link).exists(), link
    for target in re.findall(r"^make (\w+)", text, flags=re.M):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8")


def test_architecture_shows_the_rooms() -> None:
    """The line of rooms in the page is the one that test_imports.py enforces."""
    enforced = re.search(r"ROOMS = \((.*?)\)\.split", (ROOT / "tests" / "test_imports.py").read_text("utf-8"), re.S)
    assert enforced is not None
    rooms = enforced[1].replace('"', " ").split()
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert ", ".join(rooms) in re.sub(r"\s+", " ", text)


def test_ci_runs_the_readme_command() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert re.search(r"^make test$", script, flags=re.M)


def test_pins_are_plain_lines() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").split()
    assert lines and all(re.fullmatch(r"[A-Za-z0-9._-]+==[\w.+!]+", line) for line in lines)


def test_no_address_of_a_registry_and_no_path_of_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix in (".zip", ".png", ".jpg") or not path.exists():
            continue
        text = path.read_text("utf-8")
        assert "index" + "-url" not in text and str(ROOT) not in text, name
