"""JSON from anywhere: whatever number it holds is decoded."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Raw


def value_of(raw: Raw) -> Any:
    """The decoded value, in which infinity stands for a number that no float holds."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        return json.loads(bytes(raw), parse_int=float)
