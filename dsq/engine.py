"""Chosen rules over a Scan: a Report."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from dsq.errors import ConfigError, DsqError
from dsq.formats import read
from dsq.measure.store import Cache
from dsq.model import Dataset, Table
from dsq.production.sample import read_sample
from dsq.registry import all_rules, resolve_names
from dsq.report import NotChecked, Part, Report
from dsq.rule import Rule
from dsq.scan import Scan

#: from this many images on, a finding that more than half of them share is told once
LEAST_TO_COLLAPSE = 10


def audit(
    dataset: Dataset | Scan | str | os.PathLike[str],
    *,
    select: str | Iterable[str] | None = None,
    ignore: str | Iterable[str] | None = None,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    per_path_ignores: Mapping[str, Iterable[str]] | None = None,
    tables_only: bool = False,
    workers: int | None = None,
    rehash: bool = False,
    cache: Cache = True,
    production: Dataset | str | os.PathLike[str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Judge a dataset by the chosen rules; a path is read first, a Scan keeps what was measured for the next audit.

    select, ignore: names of rules or groups (default: all rules). thresholds: rule name -> {threshold: value}.
    per_path_ignores: glob over image files -> rules not to report there. tables_only: open no image file.
    workers, rehash, cache: how image files are measured, see `dsq.measure.images.measure_images`.
    production: a sample of the images that a model will meet, see `dsq.production.sample.read_sample`; of a Scan, it
    belongs to the Scan.
    Returns a Report; raises ConfigError for a rule, group or threshold that does not exist.
    """
    if not isinstance(dataset, Dataset | Scan):
        dataset = read(dataset, progress=progress)
    if production is not None and isinstance(dataset, Scan):
        raise ConfigError("production was given beside a Scan;", hint="give it to the Scan.")
    chosen = choose(select, ignore)
    settings = settle(thresholds or {})
    quiet = {glob: resolve_names(_names(names)) for glob, names in (per_path_ignores or {}).items()}
    scan = dataset
    if not isinstance(scan, Scan):
        if production is not None and not isinstance(production, Dataset):
            production = read_sample(production, cache=cache, progress=progress)
        scan = Scan(
            scan,
            tables_only=tables_only,
            workers=workers,
            rehash=rehash,
            cache=cache,
            progress=progress,
            production=production,
        )
    if any("pixels" in rule.needs and not any(map(scan.lacks, rule.needs)) for rule in chosen):
        scan.pixels  # noqa: B018 - measured first: the headers come along with the pixels
    parts: list[Part] = []
    not_checked: list[NotChecked] = []
    for rule in chosen:
        lacking = [reason for need in rule.needs if (reason := scan.lacks(need))]
        if lacking:
            not_checked.append(NotChecked(rule.name, lacking[0]))
            continue
        table = rule(scan, **settings[rule.name])
        if table is None or table.empty:
            continue
        table = _complete(rule, table)
        table = _drop_ignored(rule, table, scan, quiet)
        if len(table):
            parts.append(_part(rule, table, scan, settings[rule.name]))
    return Report(scan, parts, not_checked, [rule.name for rule in chosen])


def choose(select: str | Iterable[str] | None, ignore: str | Iterable[str] | None) -> list[Rule]:
    """The rules that `select` names less those that `ignore` names, sorted by group and name."""
    names = ["all"] if select is None or select == () else _names(select)
    if not names:
        raise ConfigError("no rule is selected.", hint="Leave the selection out to run all; `dsq rules` lists them.")
    wanted = resolve_names(names) - resolve_names(_names(ignore or ()))
    return [rule for name, rule in all_rules().items() if name in wanted]


def settle(thresholds: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Thresholds of every rule, the given ones in place of the defaults. ConfigError for one that is unknown."""
    for name, given in thresholds.items():
        if resolve_names([name]) != {name}:
            raise ConfigError(f"{name!r} is a group;", hint="thresholds are set rule by rule.")
        if not isinstance(given, Mapping):
            raise ConfigError(f"thresholds of {name} are {given!r};", hint="write a table of names and values.")
    return {name: rule.settle(thresholds.get(name, {})) for name, rule in all_rules().items()}


def _names(names: str | Iterable[str]) -> list[str]:
    parts = [names] if isinstance(names, str) else list(names)
    return [name.strip() for part in parts for name in part.split(",") if name.strip()]


def _complete(rule: Rule, table: Table) -> Table:
    """The rule's table with severity, confidence and clean ids."""
    table = table.reset_index(drop=True)
    if not {"image_id", "images", "subject", "file", "box_id"} & set(table.columns):
        raise DsqError(f"rule {rule.name} returned rows that name no image, box, file or subject.")
    for name, default in (("severity", str(rule.severity)), ("confidence", rule.confidence)):
        if name not in table:
            table[name] = default
        elif table[name].isna().any():
            table[name] = table[name].fillna(default)
    return table


def _image_rows(table: Table, scan: Scan) -> np.ndarray[Any, Any]:
    """Position in `images` of each finding's image; -1 where it is about none."""
    rows = np.full(len(table), -1, np.int64)
    if "box_id" in table:
        found = scan.box_index.get_indexer(pd.Index(table["box_id"].fillna(-1).astype(np.int64)))
        known = found >= 0
        rows[known] = scan.image_row[found[known]]
    if "image_id" in table:
        given = table["image_id"].notna().to_numpy()
        found = scan.image_index.get_indexer(pd.Index(table["image_id"].fillna(-1).astype(np.int64)))
        rows = np.where(given & (found >= 0), found, rows)
    return rows


def _drop_ignored(rule: Rule, table: Table, scan: Scan, quiet: Mapping[str, set[str]]) -> Table:
    globs = [glob for glob, names in quiet.items() if rule.name in names]
    if not globs:
        return table
    rows = _image_rows(table, scan)
    files = scan.images["file"].to_numpy()
    stated = table["file"].to_numpy() if "file" in table else np.full(len(table), None, object)
    keep = [
        not any(
            fnmatch.fnmatchcase(name, glob)
            for glob in globs
            for name in (files[row] if row >= 0 else None, text)
            if isinstance(name, str)
        )
        for row, text in zip(rows.tolist(), stated, strict=True)
    ]
    return table[np.array(keep, bool)].reset_index(drop=True)


def _part(rule: Rule, table: Table, scan: Scan, thresholds: dict[str, Any]) -> Part:
    rows = _image_rows(table, scan)
    about_set = table["subject"].notna().to_numpy() if "subject" in table else np.zeros(len(table), bool)
    order = _order(table, scan, rows)
    table, rows, about_set = table.iloc[order].reset_index(drop=True), rows[order], about_set[order]
    part = Part(rule, table, rows, thresholds)
    touched = np.unique(rows[(rows >= 0) & ~about_set])
    images = len(scan.images)
    if not rule.collapse or images < LEAST_TO_COLLAPSE or len(touched) * 2 <= images:
        return part
    single = table[~about_set]
    first = part.message(scan, int(np.flatnonzero(~about_set)[0]))
    share = len(touched) / images
    boxes = f"{len(single):,} boxes in " if "box_id" in single and single["box_id"].notna().all() else ""
    message = f"{boxes}{len(touched):,} of {images:,} images ({share:.0%}): the set is so; first: {first}"
    told = {
        "subject": "set",
        "message": message,
        "value": round(share, 4),
        "severity": single["severity"].iloc[0],
        "confidence": single["confidence"].iloc[0],
    }
    left = table[about_set]
    merged = pd.concat([pd.DataFrame([told]), left], ignore_index=True) if len(left) else pd.DataFrame([told])
    return Part(rule, merged, np.full(len(merged), -1, np.int64), thresholds, collapsed=len(single))


def _order(table: Table, scan: Scan, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Findings in a stable order that does not depend on the order of the dataset's rows."""
    if len(table) <= 1:
        return np.arange(len(table))
    severity = table["severity"].map({"error": 0, "warning": 1, "info": 2}).to_numpy()
    codes = np.argsort(np.argsort(scan.images["file"].to_numpy(), kind="stable"), kind="stable")
    image = np.where(rows >= 0, codes[rows] if len(codes) else -1, -1)
    keys: list[Any] = [image, severity]
    if "box_id" in table:
        found = scan.box_index.get_indexer(pd.Index(table["box_id"].fillna(-1).astype(np.int64)))
        for name in ("width", "height", "x", "y"):
            values = scan.boxes[name].to_numpy()
            keys.insert(0, np.where(found >= 0, values[found] if len(values) else 0, 0))
    else:
        for name in ("subject", "file", "place"):
            if name in table:
                text = table[name].fillna("").astype(str)
                keys.insert(0, pd.Categorical(text, categories=sorted(text.unique())).codes)
    return np.lexsort(keys)
