"""Text from other people's files, made fit for a terminal."""

from __future__ import annotations

import re

# C0 and C1 controls, and the marks that turn the direction of writing
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def shorten(text: str, most: int) -> str:
    """The text, its middle replaced by … where it has more than `most` characters: both ends say what it is about."""
    return text if len(text) <= most else f"{text[: most - most // 3 - 1]}…{text[len(text) - most // 3 :]}"


def spreadsheet_text(text: str) -> str:
    """The printable text as a cell that no spreadsheet takes for a formula."""
    text = printable(text)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def printable(text: str) -> str:
    """The text with control characters, line ends and bidirectional marks as escapes."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
