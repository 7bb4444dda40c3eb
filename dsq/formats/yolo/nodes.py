"""YAML of strangers as a tree of nodes: no tag of its own, no more of it than settings are large."""

from __future__ import annotations

import re
from typing import Any

import yaml

from dsq.formats.yolo.rows import quote

MOST_NODES = 50_000  # in a data.yaml, aliases counted as often as they are used
MOST_NODES_OF_ALL = 200_000  # in all YAML files of a source; 40 characters count as one node, too
_CORE_TAG = re.compile(r"tag:yaml\.org,2002:(?:str|int|float|bool|null|seq|map|timestamp|merge|value)$")

#: place and cause
Refusal = tuple[str, str]


class _TooLarge(Exception):  # noqa: N818 (a verdict on a file, not a fault of the program)
    """A YAML of too many nodes."""


class Budget:
    """How many YAML nodes may still be read: `left` in all files together."""

    def __init__(self, left: int = MOST_NODES_OF_ALL) -> None:
        self.left = left


class _Loader(yaml.BaseLoader):
    """Composes nodes without resolving tags, and stops at one too many."""

    def __init__(self, text: str, budget: Budget) -> None:
        super().__init__(text)
        self.budget = budget
        budget.left -= len(text) // 40
        self.end = max(0, budget.left - MOST_NODES)

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.budget.left -= 1
        if self.budget.left < self.end:
            raise _TooLarge
        node = super().compose_node(parent, index)
        if isinstance(node, yaml.ScalarNode) and not node.value.isascii():  # halves of characters, written as escapes
            node.value = node.value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return node


def compose(text: str, budget: Budget) -> tuple[Any, Refusal | None]:
    """The root node of a document (None: it is empty), and why it is not to be used, if so."""
    root = None
    try:
        root = _Loader(text, budget).get_single_node()
        return root, _refuse(root)
    except _TooLarge:
        refusal = "", "too large for a data.yaml, alone or with the YAML files before it"
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else ""
        cause = getattr(error, "problem", None) or str(error).splitlines()[0]
        refusal = place, f"not valid YAML ({cause})"
    except RecursionError:
        refusal = "", "nested too deeply for a data.yaml"
    return root, refusal


def _refuse(root: Any) -> Refusal | None:
    """Place and cause where the document holds a tag of its own, or too much once aliases are followed."""
    left = MOST_NODES
    stack = [root]
    while stack:
        node = stack.pop()
        if node is None:
            continue
        left -= 1
        if left < 0:
            return "", "too large for a data.yaml, or aliases that multiply"
        if not _CORE_TAG.match(node.tag):
            shown = node.tag.replace("tag:yaml.org,2002:", "!!")
            return (
                f"line {node.start_mark.line + 1}",
                f"the tag {quote(shown)} is refused, as it may run code",
            )
        if isinstance(node, yaml.SequenceNode):
            stack += node.value
        elif isinstance(node, yaml.MappingNode):
            stack += [part for pair in node.value for part in pair]
    return None
