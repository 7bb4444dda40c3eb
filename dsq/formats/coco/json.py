"""COCO JSON as text: its two long lists arrive in batches, so that the file is never held whole.

Where the text is not plain UTF-8 JSON (another encoding, NaN, a list inside a record) it is read whole
instead, and repaired where the repair is sure.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import msgspec
from msgspec import Raw

from dsq.archive import ZIP_ERRORS
from dsq.errors import ReadError
from dsq.formats.layout import decode_text
from dsq.source import Source

#: the lists that hold a record an image and a record a box
LISTS = ("images", "annotations")
#: bytes of text that are decoded at once: small enough that the buffer stays in the processor's cache
BATCH = 1 << 20
OUTLINE_LIMIT = 64 << 20  # bytes beside the two lists; with more of them the file is read whole
REPARSE_LIMIT = 256 << 20  # bytes: Python's own decoder takes ten times as much memory
RECORDS = 8192  # records decoded at once where the file is held whole

_LIST = re.compile(rb'"(images|annotations)"\s*:\s*\[')
_KEY_SIZE = 64  # bytes: no key and bracket of _LIST is longer
_EMPTY = re.compile(rb"\[\s*\]")
_CLOSE = re.compile(rb"\}\s*\]")
_BETWEEN = re.compile(rb"\}\s*(,)\s*\{")
_CONSTANTS = [re.compile(word + rb"(?=\s*[,\]}])") for word in (b"NaN", b"nan", b"Infinity", b"inf", b"INF")]
_PLACE = re.compile(r"\(byte (\d+)\)")
_SPACE = b" \t\r\n"
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Progress = Callable[[str, int, int], None]


class Sink(Protocol):
    """What takes the batches of one reading."""

    def take(self, key: str, text: memoryview | bytes) -> None:
        """A batch of records as the text of a JSON list; the text is overwritten afterwards.

        Raises msgspec.DecodeError where it is not JSON, UnicodeDecodeError where it is not UTF-8.
        """


S = TypeVar("S", bound=Sink)


def read_json(
    source: Source, name: str, start: Callable[[], S], progress: Progress | None = None
) -> tuple[S, dict[str, bytes]]:
    """Read a JSON object: `start()` makes a sink that is fed the records of `images` and `annotations`.

    Returns the sink of the reading that succeeded, and the raw text by top-level key (a list that was fed is
    `[]`). Raises ReadError, with the byte and line, where the text cannot be read as JSON.
    """
    sink = start()
    with source.open(name, follow=True) as stream:
        outline = _stream(cast(Any, stream), sink, name, source.size(name), progress)
    if outline is not None:
        return sink, outline
    data = unmark(source.read(name, follow=True)).rstrip(_SPACE + b"\0")
    where = f"{source.root}/{name}"
    fault: BaseException | None = None
    for repair in (_keep, _recode, _quote, _reparse):
        if repair is not _keep and not data.endswith(b"}"):
            break
        try:
            repaired = repair(data)
            if repaired is not None:
                data = repaired
                sink = start()
                return sink, _take_whole(data, sink)
        except json.JSONDecodeError as error:
            fault = error
        except _FAULTS as error:
            fault = error
    raise ReadError(_describe(data, fault), where=where, hint="Export or download it again.") from fault


def unmark(data: bytes) -> bytes:
    """UTF-8 of a text that is marked as, or looks like, UTF-8, UTF-16 or UTF-32."""
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    if b"\0" in data[:4] or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return decode_text(data).encode()
    return data


class _Window:
    """The part of a stream that is looked at: bytes start to end of a buffer that is used again and again."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.buffer = bytearray(BATCH)
        self.start = self.end = 0
        self.done = 0
        self.finished = False

    def advance(self, keep: int) -> None:
        """Move what lies from `keep` on to the front, and fill up behind it."""
        rest = self.end - keep
        kept = self.buffer[keep : self.end]
        if rest > len(self.buffer) // 2:
            self.buffer = bytearray(2 * len(self.buffer))
        self.buffer[:rest] = kept
        count = self.stream.readinto(memoryview(self.buffer)[rest:])
        self.start, self.end = 0, rest + count
        self.done += count
        self.finished = not count


def _stream(stream: Any, sink: Sink, name: str, total: int, progress: Progress | None) -> dict[str, bytes] | None:
    """Feed the sink while reading; the raw text by top-level key. None: this text asks for another way.

    What is cut out is known to be right: each batch is whole JSON by itself, and so is what is left of the
    document with both lists emptied.
    """
    window = _Window(stream)
    outline = bytearray()
    fed: list[str] = []
    try:
        window.advance(0)
        if window.buffer.startswith(codecs.BOM_UTF8):
            window.start = len(codecs.BOM_UTF8)
        if b"\0" in window.buffer[: min(4, window.end)]:
            return None
        while len(outline) < OUTLINE_LIMIT:
            found = _LIST.search(window.buffer, window.start, window.end)
            if found:
                outline += window.buffer[window.start : found.end()] + b"]"
                window.start = found.end() - 1
                fed.append(found[1].decode())
                if not _feed(window, fed[-1], sink, name, total, progress):
                    return None
            elif window.finished:
                outline += window.buffer[window.start : window.end]
                top = msgspec.json.decode(outline, type=dict[str, Raw])
                texts = {key: bytes(raw) for key, raw in top.items()}
                whole = all(_EMPTY.fullmatch(texts.get(key, b"[]")) or key not in fed for key in LISTS)
                missed = any(texts.get(key, b"").startswith(b"[") and key not in fed for key in LISTS)
                same = len(fed) == len(set(fed)) and set(fed) <= set(texts)
                return texts if whole and same and not missed else None
            else:
                keep = max(window.start, window.end - _KEY_SIZE)
                outline += window.buffer[window.start : keep]
                window.advance(keep)
    except (*_FAULTS, *ZIP_ERRORS):
        pass  # the reading of the whole text says what is wrong and where
    return None


def _feed(window: _Window, key: str, sink: Sink, name: str, total: int, progress: Progress | None) -> bool:
    """Feed one list, whose bracket is at window.start, to the sink; the window then starts behind it."""
    if window.end - window.start < _KEY_SIZE:
        window.advance(window.start)
    empty = _EMPTY.match(window.buffer, window.start, window.end)
    if empty:
        window.start = empty.end()
        return True
    while True:
        comma = None if window.finished else _last_comma(window)
        if comma is not None and _try(window, key, sink, comma):
            if progress:
                progress(f"reading {name}", window.done, total)
            window.advance(comma)
            continue
        close = _CLOSE.search(window.buffer, window.start, window.end)
        if close:
            sink.take(key, memoryview(window.buffer)[window.start : close.end()])
            window.start = close.end()
            return True
        if window.finished:
            return False
        window.advance(window.start)


def _try(window: _Window, key: str, sink: Sink, comma: int) -> bool:
    """Feed the records before a comma, behind which a list of them goes on; False where that is not so."""
    window.buffer[comma] = ord("]")
    try:
        sink.take(key, memoryview(window.buffer)[window.start : comma + 1])
    except msgspec.DecodeError:
        window.buffer[comma] = ord(",")
        return False
    window.buffer[comma] = ord("[")
    return True


def _last_comma(window: _Window) -> int | None:
    """Position of the last comma in the window that stands between two records."""
    reach = 1 << 14
    while True:
        first = max(window.start, window.end - reach)
        place = None
        for found in _BETWEEN.finditer(window.buffer, first, window.end):
            place = found.start(1)
        if place is not None or first == window.start:
            return place
        reach *= 8


def _take_whole(data: bytes, sink: Sink) -> dict[str, bytes]:
    """Feed the lists of a document that is held whole; the raw text by top-level key."""
    top = msgspec.json.decode(data, type=dict[str, Raw])
    texts = {key: bytes(raw) for key, raw in top.items() if key not in LISTS}
    for key in LISTS:
        if key not in top:
            continue
        if bytes(memoryview(top[key])[:1]) != b"[":
            texts[key] = bytes(top[key])
            continue
        texts[key] = b"[]"
        records = msgspec.json.decode(top[key], type=list[Raw])
        for first in range(0, len(records), RECORDS):
            sink.take(key, b"[" + b",".join(cast(Any, records[first : first + RECORDS])) + b"]")
    return texts


def _keep(data: bytes) -> bytes | None:
    return data


def _recode(data: bytes) -> bytes | None:
    """A text in a local code page as UTF-8; None: it is UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return decode_text(data).encode()
    return None


def _quote(data: bytes) -> bytes | None:
    """NaN and Infinity, which are no JSON, as strings; None: there are none."""
    spans = []
    for constant in _CONSTANTS:
        for found in constant.finditer(data):
            first = found.start() - (data[found.start() - 1 : found.start()] in (b"-", b"+"))
            if data[max(0, first - 64) : first].rstrip(_SPACE).endswith((b":", b",", b"[")):
                spans.append((first, found.end()))
    if not spans:
        return None
    parts, done = [], 0
    for first, last in sorted(spans):
        parts += [data[done:first], b'"', data[first:last], b'"']
        done = last
    return b"".join([*parts, data[done:]])


def _reparse(data: bytes) -> bytes | None:
    """What Python's decoder makes of it, which takes lone surrogates and line ends in text. None: too big."""
    if len(data) > REPARSE_LIMIT:
        return None
    document = json.loads(
        data.decode("utf-8", "replace"),
        strict=False,
        parse_constant=str,
        parse_float=lambda text: float(text) if math.isfinite(float(text)) else text,
        parse_int=lambda text: int(text) if len(text) < 40 else text,
    )
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def _describe(data: bytes, fault: BaseException | None) -> str:
    """What is wrong with the text, and where."""
    if not data:
        return "the file is empty."
    if isinstance(fault, RecursionError):
        return "its JSON is nested too deeply to be read."
    if not data.endswith(b"}"):
        line = data.count(b"\n") + 1
        return f"it is not valid JSON: it ends in the middle, at byte {len(data):,} (line {line:,})."
    if isinstance(fault, json.JSONDecodeError):
        place = len(fault.doc[: fault.pos].encode())
        return f"it is not valid JSON: {fault.msg} at byte {place:,} (line {fault.lineno:,})."
    found = _PLACE.search(str(fault))
    if found:
        line = data.count(b"\n", 0, int(found[1])) + 1
        why = _PLACE.sub("", str(fault)).replace("JSON is malformed:", "").strip()
        return f"it is not valid JSON: {why} at byte {int(found[1]):,} (line {line:,})."
    if isinstance(fault, msgspec.ValidationError):
        return "its outermost value is not an object."
    return f"it is not valid JSON: {fault}."
