"""The report as JSON: a stable interface with a version (see docs/report.md)."""

from __future__ import annotations

from typing import Any

import msgspec

from dsq.health import health
from dsq.report import VERSION, Report


def render_json(report: Report) -> str:
    """`version`, `dataset` (format, root, counts), `findings`, `not_checked`, `summary`."""
    dataset = report.scan.dataset
    document: dict[str, Any] = {
        "version": VERSION,
        "dataset": {
            "format": dataset.about.format,
            "root": dataset.about.root,
            "counts": health(dataset).counts(),
            "notices": [
                {"kind": notice.kind, "file": notice.file, "text": notice.text} for notice in dataset.about.notices
            ],
        },
        "findings": report.records,
        "not_checked": [{"rule": item.rule, "reason": item.reason} for item in report.not_checked],
        "summary": report.summary,
    }
    return msgspec.json.format(msgspec.json.encode(_clean(document)), indent=1).decode()


def _clean(value: Any) -> Any:
    """Lone surrogates (undecodable file names) cannot be JSON: they become escapes."""
    if isinstance(value, str):
        return value if value.isprintable() or value.isascii() else _printable(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
