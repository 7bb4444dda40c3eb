"""Settings from dsq.toml or [tool.dsq] in pyproject.toml."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsq.errors import ConfigError
from dsq.rule import Rule

FAIL_ON = ("error", "warning", "info", "never")
MOST = 1 << 20  # bytes of a settings file
KEYS = ("select", "ignore", "fail-on", "rules", "per-path-ignores")


@dataclass(frozen=True)
class Settings:
    """What a configuration file says; `thresholds` is rule -> {threshold: value}."""

    path: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str = "error"
    thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    per_path_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def find_config(start: str | os.PathLike[str] = ".") -> Path | None:
    """The nearest dsq.toml, or pyproject.toml with [tool.dsq], in `start` or a folder above it."""
    folder = Path(start).resolve()
    for parent in (folder, *folder.parents):
        own = parent / "dsq.toml"
        if own.is_file():
            return own
        project = parent / "pyproject.toml"
        if project.is_file() and "dsq" in _tools(project):
            return project
    return None


def load_config(path: str | os.PathLike[str] | None = None) -> Settings:
    """Settings of a file (None: the nearest one, or the defaults). ConfigError names the file and the key."""
    found = Path(path) if path is not None else find_config()
    if found is None:
        return Settings()
    where = str(found)
    data: Mapping[str, Any] = _parse(found)
    if found.name == "pyproject.toml":
        data = _table(_tools(found), "dsq", where)
    for key in data:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(KEYS)}."
            raise ConfigError(f"there is no setting {key!r}.", where=where, hint=hint)
    fail_on = data.get("fail-on", "error")
    if fail_on not in FAIL_ON:
        raise ConfigError(f"fail-on is {fail_on!r};", where=where, hint=f"it takes {', '.join(FAIL_ON)}.")
    quiet = _table(data, "per-path-ignores", where)
    thresholds = _table(data, "rules", where)
    for name, value in thresholds.items():
        if not isinstance(value, Mapping):
            raise ConfigError(f"rules.{name} is {value!r};", where=where, hint=f"write [rules.{name}].")
    return Settings(
        path=where,
        select=_strings(data, "select", where),
        ignore=_strings(data, "ignore", where),
        fail_on=fail_on,
        thresholds=thresholds,
        per_path_ignores={glob: _strings(quiet, glob, where) for glob in quiet},
    )


def _tools(project: Path) -> Mapping[str, Any]:
    """The tables below [tool] of a pyproject.toml."""
    tools = _parse(project).get("tool", {})
    return tools if isinstance(tools, Mapping) else {}


def _parse(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise ConfigError("is no file.", where=str(path), hint="Check --config.")
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}.", where=str(path)) from None
    if len(data) > MOST:
        raise ConfigError(f"is larger than {MOST:,} bytes: no settings file.", where=str(path))
    return parse_toml(data, str(path))


def parse_toml(data: bytes, where: str) -> dict[str, Any]:
    """TOML text as a table. ConfigError where it is none, or nests or counts beyond reason."""
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigError(f"is no valid TOML: {error}.", where=where) from None


def _table(data: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    """A table of the settings; an empty one where there is none."""
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key} is {value!r};", where=where, hint=f"write a table [{key}].")
    return value


def _strings(data: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = data.get(key, [])
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{key} is {value!r};", where=where, hint="it takes a list of rule or group names.")
    return tuple(value)


def sample_config(rules: Mapping[str, Rule]) -> str:
    """A commented dsq.toml: every setting with its default, every rule with its summary and thresholds."""
    lines = [
        "# dsq settings. Every line that begins with # shows a default; take the # away to change it.",
        "",
        "# Rules and groups to run, and to leave out (`dsq rules` lists them).",
        '# select = ["all"]',
        "# ignore = []",
        "",
        "# `dsq audit` exits with 1 from this severity on: error, warning, info or never.",
        '# fail-on = "error"',
        "",
        "# Rules that stay quiet for image files that match a pattern.",
        "[per-path-ignores]",
        '# "night/*" = ["tiny-box"]',
    ]
    for name, rule in rules.items():
        if not rule.thresholds:
            continue
        lines += ["", f"# {rule.summary}", f"[rules.{name}]"]
        lines += [f"# {key} = {_toml(value)}" for key, value in rule.thresholds.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)
