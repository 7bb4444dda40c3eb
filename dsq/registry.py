"""Find installed rules: every module behind the entry-point group `dsq.rules`."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from types import ModuleType

from dsq.errors import ConfigError, DsqError
from dsq.rule import Rule

GROUP = "dsq.rules"


def _modules(package: ModuleType) -> Iterable[tuple[str, ModuleType]]:
    """(group, module) for a rule pack: a sub-module's group is its first name below the pack."""
    yield package.__name__.rpartition(".")[2], package
    for found in pkgutil.walk_packages(getattr(package, "__path__", ()), package.__name__ + "."):
        group = found.name.removeprefix(package.__name__ + ".").partition(".")[0]
        yield group, importlib.import_module(found.name)


@functools.cache
def all_rules() -> Mapping[str, Rule]:
    """Rules by name, sorted by group and name. Raises DsqError where none is installed or two share a name."""
    found: dict[str, Rule] = {}
    for entry in entry_points(group=GROUP):
        for group, module in _modules(entry.load()):
            for value in vars(module).values():
                if not isinstance(value, Rule) or value.func.__module__ != module.__name__:
                    continue
                if value.name in found:
                    raise DsqError(
                        f"two rules are called {value.name!r}",
                        where=entry.value,
                        hint="Remove one rule pack.",
                    )
                found[value.name] = value.in_group(group)
    if not found:
        raise DsqError("no rule is installed.", hint="Reinstall dsq-toolkit: `pip install dsq-toolkit`.")
    return dict(sorted(found.items(), key=lambda item: (item[1].group, item[0])))


def resolve_names(names: Iterable[str]) -> set[str]:
    """Rule names for rule names, group names and "all". Raises ConfigError for one that names nothing."""
    rules = all_rules()
    groups = {rule.group for rule in rules.values()}
    chosen: set[str] = set()
    for name in names:
        if name == "all":
            chosen.update(rules)
        elif name in rules:
            chosen.add(name)
        elif name in groups:
            chosen.update(rule.name for rule in rules.values() if rule.group == name)
        else:
            near = difflib.get_close_matches(name, [*rules, *groups], 1, 0.5)
            raise ConfigError(
                f"no rule or group is called {name!r}.",
                hint=(f"Did you mean {near[0]!r}? " if near else "") + "`dsq rules` lists them.",
            )
    return chosen
