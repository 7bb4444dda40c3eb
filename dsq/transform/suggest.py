"""Classes of different sources that may be one: suggested, never united unasked."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_SEPARATORS = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"\d+")
#: letters of a name in which one slip of the pen is believed
LEAST_LETTERS = 5


class Suggestion(NamedTuple):
    """`old` may be meant as `new`, the name with more boxes, because of `why`: spelling, plural or slip."""

    old: str
    new: str
    why: str


def suggest_names(classes: Mapping[str, Sequence[str]], boxes: Mapping[str, int]) -> list[Suggestion]:
    """Names to unite, the surest reason each, sorted. classes: names by source; boxes: how many a name has.

    Two names that one source lists side by side are meant to differ and are left alone.
    """
    sources: dict[str, set[str]] = defaultdict(set)
    for source, names in classes.items():
        for name in names:
            sources[name].add(source)
    found: dict[tuple[str, str], str] = {}
    keys = {name: _key(name) for name in sources}
    singles = {name: _singular(key) for name, key in keys.items()}
    for why, groups in (
        ("spelling", _groups(keys)),
        ("plural", _groups(singles)),
        ("slip", _near(keys)),
    ):
        for group in groups:
            for one in group:
                for two in group:
                    if one < two and not sources[one] & sources[two]:
                        found.setdefault((one, two), why)
    ordered = []
    for (one, two), why in found.items():
        old, new = sorted((one, two), key=lambda name: (boxes.get(name, 0), -len(name), name))
        ordered.append(Suggestion(old, new, why))
    return sorted(ordered)


def _key(name: str) -> str:
    """A name without case, separators and invisible characters."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return _SEPARATORS.sub("", text) or text


def _singular(key: str) -> str:
    if key.endswith("ies") and len(key) > 5:
        return key[:-3] + "y"
    if key.endswith(("sses", "shes", "ches", "xes")):
        return key[:-2]
    return key[:-1] if len(key) > 3 and key.endswith("s") and not key.endswith(("ss", "us", "is")) else key


def _groups(keys: Mapping[str, str]) -> list[list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, key in keys.items():
        found[key].append(name)
    return [names for names in found.values() if len(names) > 1]


def _near(keys: Mapping[str, str]) -> list[list[str]]:
    """Pairs of long names that differ by one letter left out, put in, changed or exchanged with its neighbour.

    Numbers tell classes apart; so does the first letter.
    """
    holes: dict[str, list[str]] = defaultdict(list)
    for name, key in keys.items():
        if len(key) >= LEAST_LETTERS:
            for place in range(1, len(key) + 1):
                holes[key[:place] + key[place + 1 :]].append(name)
            holes[key].append(name)
    pairs = {tuple(sorted((one, two))) for names in holes.values() for one in names for two in names if one != two}
    return [list(pair) for pair in sorted(pairs) if _one_slip(keys[pair[0]], keys[pair[1]])]


def _one_slip(one: str, two: str) -> bool:
    if _DIGITS.findall(one) != _DIGITS.findall(two):
        return False
    if len(one) == len(two):
        differ = [place for place, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]
        exchanged = len(differ) == 2 and differ[1] == differ[0] + 1
        return len(differ) == 1 or (exchanged and one[differ[0]] == two[differ[1]] and one[differ[1]] == two[differ[0]])
    short, long = sorted((one, two), key=len)
    return len(long) - len(short) == 1
