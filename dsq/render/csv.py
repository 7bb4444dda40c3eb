"""The report as CSV: a row a finding; no cell can be a spreadsheet formula."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from dsq.printing import spreadsheet_text
from dsq.report import FIELDS, Report


def render_csv(report: Report) -> str:
    """Columns as in the JSON; lists and the origin as JSON in a cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for record in report.records:
        writer.writerow([safe_cell(record[name]) for name in FIELDS])
    return out.getvalue()


def safe_cell(value: Any) -> Any:
    """The value as a cell that no spreadsheet takes for a formula."""
    if value is None or isinstance(value, int | float):
        return value
    return spreadsheet_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
