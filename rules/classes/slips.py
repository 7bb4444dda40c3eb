"""Pairs of class names that differ by one slip of the pen, found without comparing every name with every other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import accumulate, combinations, islice, product

#: characters of all names that are compared, and letters of a word that is looked at
MOST_TEXT, MOST_LETTERS = 1_000_000, 64
#: pairs of names that are looked at, and that are told
MOST_LOOKED, MOST_SLIPS = 100_000, 1000

_TOKENS = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def find_slips(keys: Mapping[str, str], min_length: int) -> tuple[list[list[str]], bool]:
    """Pairs of names that differ by one slip of the pen, sorted, and whether all that there may be were looked at.

    keys: name -> what is left of it without case and separators; below `min_length` letters it is too short.
    """
    names = sorted(name for name, key in keys.items() if len(key) >= min_length)
    reach = sum(length <= MOST_TEXT for length in accumulate(map(len, names)))
    looked = list(islice(_candidates(names[:reach]), MOST_LOOKED))
    slips = sorted({pair for pair in looked if _near(keys[pair[0]], keys[pair[1]]) and _is_slip(*pair)})
    whole = reach == len(names) and len(looked) < MOST_LOOKED and len(slips) <= MOST_SLIPS
    return [list(pair) for pair in slips[:MOST_SLIPS]], whole


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _TOKENS.findall(_CAMEL.sub(" ", name))]


def _candidates(names: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of names all of whose words agree but one, which is nearly the same in both."""
    alike: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        words = _words(name)
        for place, word in enumerate(words):
            if 5 <= len(word) <= MOST_LETTERS and not word.isdigit():
                alike[hash((place, *words[:place], *words[place + 1 :]))][word].append(name)
    for group in alike.values():
        if len(group) > 1:
            for one, two in _near_words(sorted(group)):
                for pair in product(group[one], group[two]):
                    yield min(pair), max(pair)


def _near_words(words: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of words that differ inside: by a letter more, by two letters exchanged, or by another letter."""
    known = set(words)
    for word in words:
        for at in range(1, len(word) - 1):
            shorter = word[:at] + word[at + 1 :]
            if shorter in known:
                yield shorter, word
            exchanged = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            if exchanged in known and word < exchanged:
                yield word, exchanged
    for at in range(1, max(map(len, words)) - 1):
        same: dict[str, list[str]] = defaultdict(list)
        for word in words:
            if at < len(word) - 1:
                same[word[:at] + word[at + 1 :]].append(word)
        for alike in same.values():
            yield from combinations(alike, 2)


def _near(one: str, two: str) -> bool:
    """Whether two texts become the same when a letter is taken out of each, or one out of the longer."""
    one, two = sorted((one, two), key=len)
    start = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), len(one))
    one, two = one[start:], two[start:]
    end = next((at for at, (a, b) in enumerate(zip(one[::-1], two[::-1], strict=False)) if a != b), len(one))
    one, two = one[: len(one) - end], two[: len(two) - end]
    if len(one) != len(two):
        return len(two) == 1
    return len(one) < 2 or one[1:] == two[:-1] or one[:-1] == two[1:]


def _is_slip(one: str, two: str) -> bool:
    """Whether just one word differs, is long, and does so by a letter inside or by two letters exchanged."""
    words = _words(one), _words(two)
    if len(words[0]) != len(words[1]):
        return False
    differ = [(a, b) for a, b in zip(*words, strict=True) if a != b]
    if len(differ) != 1:
        return False
    first, second = sorted(differ[0], key=len)
    if first.isdigit() or second.isdigit() or len(first) < 5:
        return False
    start = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
    if start in (0, len(first)):
        return False
    if len(first) == len(second):
        one_letter = first[start + 1 :] == second[start + 1 :] and start < len(first) - 1
        exchanged = first[start : start + 2] == second[start : start + 2][::-1]
        return one_letter or (exchanged and first[start + 2 :] == second[start + 2 :])
    return len(second) - len(first) == 1 and first[start:] == second[start + 1 :]
