"""A rule is a function of a Scan; its name, page and thresholds all come from the function itself."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeAlias

import pandas as pd

from dsq.errors import ConfigError
from dsq.scan import Scan

Table: TypeAlias = pd.DataFrame


class Severity(StrEnum):
    """error: training would be wrong. warning: should be fixed. info: a hint or a fact."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


#: columns that a rule may return; what it leaves out the audit fills in from the tables
COLUMNS = (
    "image_id",  # the image it is about
    "images",  # list of image ids, where it is about several
    "in_order",  # whether these are shown in that order, not by name
    "box_id",
    "category_id",
    "subject",  # text that names a finding about the set (its identity); None otherwise
    "message",  # else the rule's template is filled from the row and the thresholds
    "value",
    "threshold",
    "severity",
    "confidence",
    "group",
    "evidence",
    "proposed_bbox",  # [x, y, width, height] in pixels
    "file",  # origin, where it is not the image's or the box's own
    "place",  # text: "line 3", "annotation id 17"
)


@dataclass(frozen=True)
class Rule:
    """One named fault. Calling it judges a Scan and returns a table of findings (columns: see COLUMNS)."""

    func: Callable[..., Table | None]
    name: str
    group: str
    severity: Severity
    confidence: str
    message: str
    needs: tuple[str, ...] = ()
    collapse: bool = True
    thresholds: Mapping[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first line of the rule's page."""
        return self.page.partition("\n")[0]

    @property
    def page(self) -> str:
        """The rule's documentation, in Markdown."""
        return inspect.cleandoc(self.func.__doc__ or "")

    def in_group(self, group: str) -> Rule:
        """The same rule in another group."""
        return replace(self, group=group)

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Thresholds with `given` ones in place of the defaults.

        Raises ConfigError for a name or a type that the rule does not have; a name like it is suggested.
        """
        settled = dict(self.thresholds)
        for key, value in given.items():
            name = key.replace("-", "_")
            if name not in settled:
                near = difflib.get_close_matches(name, settled, 1)
                known = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(settled) or 'none'}."
                raise ConfigError(f"rule {self.name} has no threshold {key!r};", hint=known)
            default = settled[name]
            fits = (
                isinstance(value, type(default))
                if isinstance(default, bool | str | list | tuple)
                else isinstance(value, int | float) and not isinstance(value, bool)
            )
            if isinstance(default, tuple) and isinstance(value, list):
                value, fits = tuple(value), True
            if fits and isinstance(value, int | float) and not (0 <= value < float("inf")):
                fits = False
            if not fits:
                raise ConfigError(
                    f"threshold {key!r} of rule {self.name} is {value!r};",
                    hint=f"it takes a value like {default!r}.",
                )
            settled[name] = value
        return settled

    def __call__(self, scan: Scan, **thresholds: Any) -> Table | None:
        return self.func(scan, **thresholds)


def rule(
    severity: Severity,
    *,
    message: str,
    confidence: str = "high",
    needs: tuple[str, ...] = (),
    collapse: bool | None = None,
) -> Callable[[Callable[..., Table | None]], Rule]:
    """Make a rule of a function `f(scan, *, threshold=default, ...) -> table or None`.

    message: a format string over the columns of the returned row and the thresholds.
    needs: what beyond the tables it looks at ("files", "headers", "pixels"); without it the rule is reported as not
    checked.
    collapse: a finding that most images share is told once (default: yes, unless the rule is an error).
    """

    def make(func: Callable[..., Table | None]) -> Rule:
        parameters = list(inspect.signature(func).parameters.values())[1:]
        return Rule(
            func=func,
            name=func.__name__.replace("_", "-"),
            group=func.__module__.rpartition(".")[2],
            severity=severity,
            confidence=confidence,
            message=message,
            needs=needs,
            collapse=severity is not Severity.ERROR if collapse is None else collapse,
            thresholds={p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY},
        )

    return make


def list_some(names: Iterable[str], limit: int = 5) -> str:
    """Names for a message: the first `limit`, and how many more there are."""
    told = list(names)
    more = f" and {len(told) - limit:,} more" if len(told) > limit else ""
    return ", ".join(told[:limit]) + more
