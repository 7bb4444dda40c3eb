"""Who may import whom, and what starting up may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: each room may import those to its left; docs/architecture.md shows the same line
ROOMS = (
    "errors printing model names geometry overlaps masks archive folder source headers contents losses "
    "target pixels executor measure analyse formats transform conversion production scan rule "
    "registry config report engine health render cli"
).split()
RULES_MAY = {"model", "geometry", "scan", "fix", "rule"}


def imports(path: Path) -> set[str]:
    """Rooms of dsq that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "dsq" else [f"dsq.{a.name}" for a in node.names]
        found.update(name.split(".")[1] for name in names if name.startswith("dsq."))
    return found


def test_rooms_import_only_rooms_to_their_left() -> None:
    seen = set()
    for path in sorted((ROOT / "dsq").rglob("*.py")):
        room = path.relative_to(ROOT / "dsq").parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        seen.add(room)
        allowed = {*ROOMS[: ROOMS.index(room) + 1], "__version__"}
        assert imports(path) <= allowed, f"{path.relative_to(ROOT)} imports {imports(path) - allowed}"
    assert seen == set(ROOMS)


def test_rules_judge_columns_only() -> None:
    files = sorted((ROOT / "rules").rglob("*.py"))
    assert len(files) > 5
    for path in files:
        assert imports(path) <= RULES_MAY | {"rules"}, path.name
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dsq.rules"):
                assert node.module.split(".")[2] == path.relative_to(ROOT / "rules").parts[0], path.name


def test_nobody_imports_rules_statically() -> None:
    for folder in ("dsq", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "rules" not in imports(path), path


def loaded_by(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_help_loads_neither_numpy_nor_pandas() -> None:
    code = (
        "import dsq.cli\n"
        "for arguments in ([], ['--help'], *([verb, '--help'] for verb in dsq.cli.VERBS)):\n"
        "    try: dsq.cli.group.main(arguments, standalone_mode=False)\n"
        "    except BaseException as error: assert type(error).__name__ in ('Exit', 'NoArgsIsHelpError'), error\n"
    )
    heavy = {"numpy", "pandas", "lxml", "PIL", "pycocotools", "rich", "msgspec", "yaml"}
    assert not heavy & loaded_by(code)


def test_import_dsq_is_light() -> None:
    assert not {"numpy", "pandas", "click"} & loaded_by("import dsq; dsq.__all__; dir(dsq)")
