"""Rows of YOLO label files: many files at once into arrays, with what could not be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dsq.formats.layout import decode_text
from dsq.formats.yolo.shapes import BOX, POLYGON, POSE, PREDICTION, Rows, sort_numbers
from dsq.source import is_image

Array = NDArray[Any]

LIMIT = 1e9  # a number beyond it is no coordinate and no class
MOST_BAD = 1000  # lines of one file that are told one by one
MOST_ODD = 4 << 20  # bytes of a file that are read line by line
PIECE = 8 << 20  # bytes of text that are made numbers of at once

#: what this reader understands and the trainer does not: it opens labels as UTF-8 and splits rows at white space
ODDITIES = (
    "it begins with a byte order mark",
    "it is written in UTF-16, not in UTF-8",
    "it is not written in UTF-8",
    "commas or semicolons stand in its numbers",
)

_PLAIN = b"0123456789.+-eE \t\r\n"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*(?:,\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_floats = msgspec.json.Decoder(list[float])
_LINE_END = re.compile(r"\r\n|\r|\n")


class Bad(NamedTuple):
    """A line that is no row: position of its file, line from 1, and what is wrong with it."""

    file: int
    line: int
    what: str


@dataclass
class Parsed:
    """What a batch of label files says: `rows`, `bad` lines, and a flag a file for the rest.

    blank: nothing but white space. listing: its first line is the name of an image, so it is no label file.
    odd: the position in ODDITIES of why Ultralytics cannot read it, -1 where it can.
    """

    rows: Rows
    bad: list[Bad]
    blank: Array
    listing: Array
    odd: Array


def parse_labels(texts: Sequence[bytes], keypoints: tuple[int, int] | None = None) -> Parsed:
    """Rows of label files. keypoints: number and dimensions (2 or 3) of a pose set's keypoints.

    Plain files are read all at once; those with commas, byte order marks or letters line by line.
    """
    blank = np.array([not text.strip() for text in texts], bool)
    listing, odd = np.zeros(len(texts), bool), np.full(len(texts), -1, np.int8)
    fast = _find_plain(texts)
    try:
        values, *places = _split_plain(texts, fast)
    except ValueError:
        fast = [i for i in fast if _numeric(texts[i])]
        values, *places = _split_plain(texts, fast)
    complaints = _Complaints()
    slow = sorted(set(range(len(texts))).difference(fast))
    if slow:
        more: list[float] = []
        spots: list[tuple[int, int, int]] = []
        for i in slow:
            if len(texts[i]) > MOST_ODD:
                listing[i], blank[i] = is_list(texts[i]), False
                if not listing[i]:
                    complaints.add(i, 1, f"{len(texts[i]):,} bytes, and not only numbers", "the file was skipped")
                continue
            text = decode_text(texts[i])
            lines = [(number, line) for number, line in enumerate(_LINE_END.split(text), 1) if line.strip()]
            blank[i] = not lines
            listing[i] = bool(lines) and is_image(lines[0][1].strip())
            odd[i] = _judge_text(texts[i], text)
            if not listing[i]:
                _read_lines(i, lines, more, spots, complaints)
        values = np.concatenate([values, np.array(more, float)])
        extra = np.array(spots, np.int64).reshape(-1, 3).T
        places = [np.concatenate(pair) for pair in zip(places, extra, strict=True)]
    file, line, count = places
    start = np.cumsum(count) - count
    kind, wrong = _judge(values, start, count, keypoints)
    for row in np.flatnonzero(wrong >= 0).tolist():
        at = int(file[row])
        if complaints.full(at):
            continue
        text = complaints.lines(at, texts[at])[line[row] - 1]
        complaints.add(at, int(line[row]), _REASONS[wrong[row]](text, int(count[row]), keypoints))
    good = np.flatnonzero(wrong < 0)
    if slow:
        good = good[np.lexsort((line[good], file[good]))]
    rows = sort_numbers(file[good], line[good], kind[good], start[good], count[good], values)
    return Parsed(rows, complaints.told(), blank, listing, odd)


def is_list(data: bytes) -> bool:
    """Whether the first line of a text that is no blank one is the name of an image."""
    start = decode_text(data[: 1 << 16]).strip()
    return bool(start) and is_image(_LINE_END.split(start, maxsplit=1)[0].strip())


def _judge_text(data: bytes, text: str) -> int:
    """The position in ODDITIES of what keeps the trainer from reading a text; -1 for nothing."""
    try:
        plain = data.decode()
    except UnicodeDecodeError:
        return 1 if b"\0" in data else 2
    if "\0" in plain and "\0" not in text:
        return 1
    if plain.startswith("\ufeff"):
        return 0
    return 3 if "," in text or ";" in text else -1


class _Complaints:
    """Bad lines, at most MOST_BAD a file; the others are counted."""

    def __init__(self) -> None:
        self._bad: dict[int, list[Bad]] = {}
        self._left_out: dict[int, int] = {}
        self._last: tuple[int, list[str]] = (-1, [])

    def lines(self, file: int, data: bytes) -> list[str]:
        """The lines of a file, kept until another one is asked for."""
        if self._last[0] != file:
            self._last = (file, _LINE_END.split(decode_text(data)))
        return self._last[1]

    def full(self, file: int) -> bool:
        """Whether no more is told of this file; then the line is counted."""
        if len(self._bad.get(file, ())) < MOST_BAD:
            return False
        self._left_out[file] = self._left_out.get(file, 0) + 1
        return True

    def add(self, file: int, line: int, what: str, done: str = "the row was skipped") -> None:
        self._bad.setdefault(file, []).append(Bad(file, line, f"{what}; {done}"))

    def told(self) -> list[Bad]:
        """All of them by file and line."""
        for file, count in self._left_out.items():
            last = max(self._bad[file], key=lambda bad: bad.line)
            what = f"{count:,} more lines of this file are no rows; they were skipped"
            self._bad[file].append(Bad(file, last.line, what))
        return sorted((bad for found in self._bad.values() for bad in found), key=lambda bad: bad[:2])


def _find_plain(texts: Sequence[bytes]) -> list[int]:
    """Positions of the texts that are `_plain`: at one go where all are."""
    whole = b"\n".join(texts)
    if b"\r" not in whole and _plain(whole):
        return list(range(len(texts)))
    return [i for i, text in enumerate(texts) if _plain(text)]


def _plain(text: bytes) -> bool:
    """Whether nothing but digits and white space is in it, its lines ending in LF or CRLF."""
    return not text.translate(None, _PLAIN) and (b"\r" not in text or text.count(b"\r") == text.count(b"\r\n"))


def _numeric(text: bytes) -> bool:
    try:
        for token in text.split():
            float(token)
    except ValueError:
        return False
    return True


def _split_plain(texts: Sequence[bytes], chosen: Sequence[int]) -> tuple[Array, Array, Array, Array]:
    """Numbers of the chosen files, then a row each: file, line, columns. ValueError for no number."""
    blob = b"\n".join([texts[i] for i in chosen])
    numbers, found, columns = [np.empty(0)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    start = line_ends = 0
    while start < len(blob):
        cut = blob.rfind(b"\n", start, start + PIECE) + 1 or blob.find(b"\n", start + PIECE) + 1 or len(blob)
        piece = blob[start : cut if start + PIECE < len(blob) else len(blob)]
        numbers.append(_read_numbers(piece.split()))
        data = np.frombuffer(piece, np.uint8)
        begins = data > 32
        begins[1:] &= data[:-1] <= 32
        ends = np.flatnonzero(data == 10)
        counts = np.bincount(np.searchsorted(ends, np.flatnonzero(begins)), minlength=len(ends) + 1)
        filled = np.flatnonzero(counts)
        found.append(filled + line_ends)
        columns.append(counts[filled])
        start, line_ends = start + len(piece), line_ends + len(ends)
    lines = np.concatenate(found)
    sizes = np.array([texts[i].count(b"\n") + 1 for i in chosen], np.int64)
    first_line = np.cumsum(sizes) - sizes
    at = np.searchsorted(first_line, lines, side="right") - 1
    file = np.array(chosen, np.int64)[at]
    line = lines - first_line[at] + 1 if len(lines) else lines
    return np.concatenate(numbers), file, line, np.concatenate(columns)


def _read_numbers(words: list[bytes]) -> Array:
    """The numbers that the words are. ValueError for no number."""
    try:
        return np.array(_floats.decode(b"[%b]" % b",".join(words)), float)
    except msgspec.DecodeError:  # JSON knows neither `.5` nor `+1`
        return np.array(list(map(float, words)), float)


def _read_lines(
    file: int,
    lines: Sequence[tuple[int, str]],
    values: list[float],
    spots: list[tuple[int, int, int]],
    complaints: _Complaints,
) -> None:
    for number, line in lines:
        words = split_row(line)
        odd = next((word for word in words if not _NUMBER.fullmatch(word)), None)
        if odd is None and words:
            values.extend(map(float, words))
            spots.append((file, number, len(words)))
        elif not complaints.full(file):
            what = f"{quote(odd)} is not a number" if odd else "no numbers"
            complaints.add(file, number, what if odd == line.strip() else f"{what} in {quote(line)}")


def split_row(line: str) -> list[str]:
    """The columns of one line, between white space, commas or semicolons; decimal commas become points."""
    if ";" in line:
        return line.replace(";", " ").replace(",", ".").split()
    words = line.split()
    if "," not in line:
        return words
    if len(words) >= 5 and "." not in line and all(_DECIMAL_COMMA.fullmatch(word) for word in words):
        return line.replace(",", ".").split()
    return line.replace(",", " ").split()


def quote(text: str) -> str:
    """At most 40 characters of `text` in quotes, with control characters escaped."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text.strip()[:80])
    return f"'{shown}'" if len(shown) <= 38 else f"'{shown[:37]}…'"


def is_row(line: str) -> bool:
    """Whether a line looks like a label: a class id and at least four numbers."""
    words = split_row(line)
    return len(words) >= 5 and all(_NUMBER.fullmatch(word) for word in words) and float(words[0]).is_integer()


def _judge(values: Array, start: Array, count: Array, keypoints: tuple[int, int] | None) -> tuple[Array, Array]:
    """The kind of each row, and the position in _REASONS of what is wrong with it (-1: nothing)."""
    kind = np.full(len(count), POLYGON, np.int8)
    kind[count == 5] = BOX
    kind[count == 6] = PREDICTION
    wrong = np.full(len(count), -1, np.int8)
    if not len(count):
        return kind, wrong
    columns = (count < 5) | ((count > 6) & (count % 2 == 0))
    if keypoints is not None:
        pose = count == 5 + keypoints[0] * keypoints[1]
        kind[pose] = POSE
        columns &= ~pose
    first = values[start]
    wrong[np.maximum.reduceat(np.abs(values), start) > LIMIT] = 2
    wrong[(first < 0) | (first > LIMIT) | (first != np.floor(first))] = 1
    wrong[columns] = 0
    return kind, wrong


def _say_columns(text: str, count: int, keypoints: tuple[int, int] | None) -> str:
    pose = count > 6 and keypoints is None and (count - 5) % 3 == 0
    return (
        f"{count} column{'s' if count != 1 else ''} in {quote(text)}: a box has 5, a prediction 6, "
        f"a polygon an odd number from 7{'; keypoints need kpt_shape in data.yaml' if pose else ''}"
    )


_REASONS: tuple[Callable[[str, int, tuple[int, int] | None], str], ...] = (
    _say_columns,
    lambda text, *_: f"the class id is not a whole number from 0 in {quote(text)}",
    lambda text, *_: f"a number is infinite or beyond 1e9 in {quote(text)}",
)
