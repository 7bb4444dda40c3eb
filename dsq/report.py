"""What an audit found: parts by rule, told as rows, messages and counts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dsq.model import Table
from dsq.rule import Rule, Severity
from dsq.scan import Scan

#: version of the JSON that a report is written as
VERSION = 1

FIELDS = (
    "finding_id", "rule", "severity", "confidence", "image", "images", "box_id", "category", "bbox",
    "proposed_bbox", "message", "value", "threshold", "fix", "origin", "group", "evidence",
)  # fmt: skip
LEVELS = [str(level) for level in (Severity.ERROR, Severity.WARNING, Severity.INFO)]


class NotChecked(NamedTuple):
    """A rule that had nothing to judge from, and how to supply it."""

    rule: str
    reason: str


@dataclass(frozen=True, eq=False)
class Part:
    """The findings of one rule, in order. `rows` (n,): position in `images`, -1 where about none.

    `collapsed`: how many findings one about the set stands for; 0: none were put together.
    """

    rule: Rule
    table: Table
    rows: np.ndarray[Any, Any]
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    collapsed: int = 0

    def message(self, scan: Scan, number: int) -> str:
        """The message of one finding."""
        record = {str(key): value for key, value in self.table.iloc[number].items()}
        return self._message(record)

    def _message(self, record: Mapping[str, Any]) -> str:
        stated = record.get("message")
        if isinstance(stated, str):
            return stated
        return self.rule.message.format_map({**self.thresholds, **record})

    def messages(self, limit: int) -> list[str]:
        """The messages of the first `limit` findings."""
        return [self._message(record) for record in self._records(limit)]

    def _records(self, limit: int | None) -> list[dict[str, Any]]:
        table = self.table if limit is None else self.table.head(limit)
        return [{str(key): value for key, value in record.items()} for record in table.to_dict("records")]

    def told(self, scan: Scan, limit: int | None = None) -> list[dict[str, Any]]:
        """The first `limit` findings as records with FIELDS but for the ids, `subject`, and `stated`: whether the
        rule itself named the file of origin.
        """
        table = self.table if limit is None else self.table.head(limit)
        records = self._records(limit)
        box_rows = np.full(len(table), -1, np.int64)
        if "box_id" in table:
            wanted = pd.Index(table["box_id"].fillna(-1).astype(np.int64))
            box_rows = scan.box_index.get_indexer(wanted)
        boxes = scan.boxes.take(box_rows[box_rows >= 0])
        details = iter(boxes[["x", "y", "width", "height", "category_id"]].itertuples(index=False))
        places = iter(zip(_text(boxes["origin_file"]), boxes["origin_place"].tolist(), strict=True))
        out = []
        for record, row, box in zip(records, self.rows.tolist(), box_rows.tolist(), strict=False):
            found = {name: _plain(record.get(name)) for name in FIELDS}
            found["rule"] = self.rule.name
            found["message"] = self._message(record)
            found["image"] = scan.image_files[row] if row >= 0 else None
            found["images"] = self._images(record, scan, row)
            file, place = (scan.image_origins[row], None) if row >= 0 else (None, None)
            if box >= 0:
                x, y, width, height, category = next(details)
                file, place = next(places)
                found["category"] = scan.names.get(category)
                if not scan.relative[scan.image_row[box]]:
                    found["bbox"] = [round(float(v), 4) for v in (x, y, width, height)]
            elif record.get("category_id") is not None and record["category_id"] == record["category_id"]:
                found["category"] = scan.names.get(int(record["category_id"]))
            found["box_id"] = None if box < 0 else int(record["box_id"])
            found["origin"] = _origin(scan, record, file, place)
            found["subject"] = _plain(record.get("subject"))
            found["stated"] = isinstance(record.get("file"), str)
            out.append(found)
        return out

    def _images(self, record: Mapping[str, Any], scan: Scan, row: int) -> list[str]:
        ids = record.get("images")
        if isinstance(ids, list | tuple | np.ndarray):
            found = scan.image_index.get_indexer(pd.Index(np.asarray(ids, np.int64)))
            files = [scan.image_files[i] for i in found.tolist() if i >= 0]
            return files if record.get("in_order") is True else sorted(files)
        return [scan.image_files[row]] if row >= 0 else []

    @property
    def counts(self) -> dict[str, int]:
        """Findings by severity."""
        return {str(level): int(n) for level, n in self.table["severity"].value_counts().items() if n}


def _text(series: pd.Series[Any]) -> list[str | None]:
    return [value if isinstance(value, str) else None for value in series.tolist()]


def _plain(value: Any) -> Any:
    """A value that JSON can hold; None for NA."""
    if value is None or (isinstance(value, float) and value != value) or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value) if isinstance(value, Severity) else value


def _origin(scan: Scan, record: Mapping[str, Any], file: str | None, place: int | None) -> dict[str, Any] | None:
    line = number = None
    if place is not None and place >= 0:
        line, number = (place, None) if scan.about.format == "yolo" else (None, place)
    text = record.get("place")
    if isinstance(text, str) and text:
        found = re.search(r"\bline (\d+)", text)
        line = int(found[1]) if found else None
        found = re.search(r"(?:\bid|\bobject) (-?\d+)", text)
        number = int(found[1]) if found else None
    stated = record.get("file")
    file = stated if isinstance(stated, str) else file
    return None if file is None else {"file": file, "line": line, "id": number}


def finding_id(
    rule: str, files: Iterable[str], category: str | None, bbox: Iterable[float] | None, subject: str | None
) -> str:
    """16 hex digits that name a finding in every later audit: rule, sorted files, class and box to 0.01 px.

    A finding about the set: rule and subject.
    """
    if subject is not None:
        parts = [rule, subject]
    else:
        box = "" if bbox is None else " ".join(f"{value + 0.0:.2f}" for value in bbox)
        parts = [rule, *sorted(files), category or "", box]
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]


class Report:
    """Findings of an audit. `parts` by rule; `findings` is the whole as a table; it is built when asked for."""

    def __init__(self, scan: Scan, parts: list[Part], not_checked: list[NotChecked], checked: list[str]) -> None:
        self.scan = scan
        self.parts = parts
        self.not_checked = not_checked
        self.checked = checked

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings by severity, every severity named."""
        total = dict.fromkeys(LEVELS, 0)
        for part in self.parts:
            for level, count in part.counts.items():
                total[level] += count
        return total

    def failed(self, fail_on: str = "error") -> bool:
        """Whether there is a finding at or above `fail_on`: error, warning, info or never."""
        if fail_on == "never":
            return False
        return any(self.counts[level] for level in LEVELS[: LEVELS.index(fail_on) + 1])

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """Every finding as a record with FIELDS, worst first, then by rule, image and box."""
        found = [record for part in self.parts for record in part.told(self.scan)]
        seen: dict[str, int] = {}
        for record in found:
            del record["stated"]
            key = finding_id(
                record["rule"],
                sorted(record["images"]) or [record["origin"]["file"] if record["origin"] else ""],
                record["category"],
                record["bbox"] or record["proposed_bbox"] or _place_key(record["origin"]),
                record.pop("subject"),
            )
            again = seen[key] = seen.get(key, 0) + 1
            if again > 1:
                key = hashlib.sha256(f"{key}#{again}".encode()).hexdigest()[:16]
            record["finding_id"] = key
        return sorted(found, key=lambda record: LEVELS.index(record["severity"]))

    @cached_property
    def findings(self) -> Table:
        """The findings as a table, a row a finding, columns FIELDS."""
        return pd.DataFrame(self.records, columns=list(FIELDS)).astype(object)

    def messages(self) -> list[str]:
        """The message of every finding."""
        return [record["message"] for record in self.records]

    @property
    def summary(self) -> dict[str, Any]:
        """Counts by severity and by rule, and how many rules were run."""
        return {
            **self.counts,
            "rules": {part.rule.name: len(part.table) for part in self.parts},
            "stand_for": {part.rule.name: part.collapsed for part in self.parts if part.collapsed},
            "checked": len(self.checked) - len(self.not_checked),
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {level}" for level, count in self.counts.items())
        return f"<Report {counts}; {len(self.not_checked)} rules not checked>"

    def _repr_html_(self) -> str:
        from html import escape

        shown = self.findings[["rule", "severity", "image", "message"]].head(20)
        return f"<p><b>{escape(repr(self)[1:-1])}</b></p>{shown.to_html(index=False, escape=True)}"


def _place_key(origin: Mapping[str, Any] | None) -> list[float] | None:
    """What tells findings of one file without a box apart: the annotation's id, or its line."""
    if not origin:
        return None
    number = origin["id"] if origin["id"] is not None else origin["line"]
    return None if number is None else [float(number)]
