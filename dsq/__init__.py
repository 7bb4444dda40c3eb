"""dsq: quality checks and format conversion for object-detection datasets.

>>> import dsq
>>> report = dsq.audit(dsq.build_dataset([("a.jpg", "cat", 5, 5, 0, 20)]), select=["degenerate-box"])
>>> len(report.findings)
1
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsq.analyse.diversity import read_signatures
    from dsq.analyse.domains.comparison import compare_domains
    from dsq.analyse.duplicates import find_duplicates
    from dsq.analyse.groups import group_duplicates
    from dsq.contents import content_hashes
    from dsq.conversion import convert, export
    from dsq.engine import audit
    from dsq.errors import ConfigError, DsqError, ReadError, WriteError
    from dsq.formats import read
    from dsq.model import Dataset, build_dataset
    from dsq.production.picking import pick
    from dsq.report import Report
    from dsq.transform.diff import diff
    from dsq.transform.merge import merge
    from dsq.transform.remap import remap
    from dsq.transform.resize import resize
    from dsq.transform.split import split
    from dsq.transform.subset import subset

__version__ = "0.1.0"
__all__ = [
    "ConfigError",
    "Dataset",
    "DsqError",
    "ReadError",
    "Report",
    "WriteError",
    "audit",
    "build_dataset",
    "compare_domains",
    "content_hashes",
    "convert",
    "diff",
    "export",
    "find_duplicates",
    "group_duplicates",
    "merge",
    "pick",
    "read",
    "read_signatures",
    "remap",
    "resize",
    "split",
    "subset",
]

# Public names load their module when first used, so that `import dsq` and `dsq --help` answer at once.
_HOMES = {
    "ConfigError": "dsq.errors",
    "Dataset": "dsq.model",
    "DsqError": "dsq.errors",
    "ReadError": "dsq.errors",
    "Report": "dsq.report",
    "WriteError": "dsq.errors",
    "audit": "dsq.engine",
    "build_dataset": "dsq.model",
    "compare_domains": "dsq.analyse.domains.comparison",
    "content_hashes": "dsq.contents",
    "convert": "dsq.conversion",
    "diff": "dsq.transform.diff",
    "export": "dsq.conversion",
    "find_duplicates": "dsq.analyse.duplicates",
    "group_duplicates": "dsq.analyse.groups",
    "merge": "dsq.transform.merge",
    "pick": "dsq.production.picking",
    "read": "dsq.formats",
    "read_signatures": "dsq.analyse.diversity",
    "remap": "dsq.transform.remap",
    "resize": "dsq.transform.resize",
    "split": "dsq.transform.split",
    "subset": "dsq.transform.subset",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dsq' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
