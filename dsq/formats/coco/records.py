"""Records of one list of a COCO file: decoded in typed batches, and one by one where that fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

from dsq.formats.coco.values import NOTHING, STAND_IN, as_int, as_number, kind_of, show, stand_in
from dsq.formats.json_values import value_of

Array: TypeAlias = NDArray[Any]
Problem: TypeAlias = tuple[str, str, str]  # kind, place, what

#: unknown keys that a typed decode is widened to; a file with more is read record by record
MOST_KEYS = 48


class Shape:
    """A typed decoder of lists of records: known keys typed, the others that turn up kept raw."""

    def __init__(self, known: Sequence[Any], typed: Mapping[str, Any]) -> None:
        self.known = list(known)
        self.typed = typed  # types of optional keys
        self.others: list[str] = []
        self._build()

    def _build(self) -> None:
        fields = [f"other{number}" for number in range(len(self.others))]
        record = msgspec.defstruct(
            "Record",
            [
                *self.known,
                *((f, self.typed.get(k, Raw), NOTHING) for f, k in zip(fields, self.others, strict=True)),
            ],
            rename=dict(zip(fields, self.others, strict=True)),
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decoder = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
        self.read_others: Callable[[Any], Any] | None = attrgetter(*fields) if fields else None

    def decode(self, text: memoryview | bytes) -> list[Any] | None:
        """The records, or None where one does not fit. Raises msgspec.DecodeError where it is not JSON."""
        for _ in range(2):
            try:
                return self._decoder.decode(text)
            except msgspec.ValidationError as error:
                if "unknown field" not in str(error) or not self._widen(text):
                    break
        return None

    def _widen(self, text: memoryview | bytes) -> bool:
        """Learn the keys of these records; False where they are too many or too odd."""
        try:
            records = msgspec.json.decode(text, type=list[dict[str, Raw]])
        except msgspec.ValidationError:
            return False
        seen = dict.fromkeys(chain.from_iterable(records))
        new = [key for key in seen if key not in self.others and key not in {field[0] for field in self.known}]
        if not new or len(self.others) + len(new) > MOST_KEYS:
            return False
        if any(c in '"\\' or c < " " for key in new for c in key):
            return False
        self.others += new
        self._build()
        return True

    def pack(self, rows: list[Any], skip: tuple[str, ...] = ()) -> list[bytes | None] | None:
        """Extras of typed records: their other keys as a JSON object each."""
        if self.read_others is None or set(self.others) <= set(skip):
            return None
        values: Iterable[Any] = map(self.read_others, rows)
        if len(self.others) == 1:
            values = ((value,) for value in values)
        heads = [b"%s:" % msgspec.json.encode(key) for key in self.others]
        if not skip:
            template = b"{" + b",".join(head.replace(b"%", b"%%") + b"%b" for head in heads) + b"}"
        packed: list[bytes | None] = []
        for value in values:
            if not skip and NOTHING not in value:
                packed.append(template % value)
                continue
            parts = [
                head + bytes(raw)
                for key, head, raw in zip(self.others, heads, value, strict=True)
                if raw is not NOTHING and key not in skip
            ]
            packed.append(b"{" + b",".join(parts) + b"}" if parts else None)
        return packed


class Records(ABC):
    """Columns of one list of a file, fed batch by batch; see `columns` of the two kinds."""

    def __init__(self, shape: Shape, aliases: dict[str | int, int]) -> None:
        self.shape = shape
        self.aliases = aliases  # ids that are text -> the number that stands for them
        self.count = 0
        self.problems: list[Problem] = []
        self.oddities: dict[str, list[str]] = {}  # what -> places
        self.parts: dict[str, list[Any]] = {}  # column -> its values, batch by batch
        self.sizes: list[int] = []  # rows kept of each batch

    def take(self, text: memoryview | bytes) -> None:
        """Add a batch: the text of a JSON list."""
        rows = self.shape.decode(text)
        if rows is None or not self.add(rows):
            raws = msgspec.json.decode(text, type=list[Raw])
            read = [self.add_record(raw, self.count + place) for place, raw in enumerate(raws)]
            kept = [row for row in read if row is not None]
            if kept:
                values = zip(*(row.values() for row in kept), strict=True)
                self.append(len(kept), dict(zip(kept[0], values, strict=True)))
            self.count += len(raws)
        else:
            self.count += len(rows)

    @abstractmethod
    def add(self, rows: list[Any]) -> bool:
        """Add typed records; False where one of them needs the slower reading."""

    @abstractmethod
    def add_record(self, raw: Raw, index: int) -> dict[str, Any] | None:
        """One record as a row; None where nothing of it can be kept."""

    def append(self, count: int, columns: Mapping[str, Any]) -> None:
        """Add columns of `count` rows: sequences, arrays or ranges; None stands for a column without values."""
        self.sizes.append(count)
        for name, values in columns.items():
            self.parts.setdefault(name, []).append(values)

    def joined(self, name: str, dtype: Any) -> Array:
        """One column over all batches, which are let go."""
        parts = self.parts.pop(name, [])
        nothing = {np.float64: np.nan, np.int8: -1}.get(dtype)
        if all(part is None for part in parts):
            return np.full(sum(self.sizes), nothing, dtype)
        arrays = []
        for part, count in zip(parts, self.sizes, strict=True):
            if part is None:
                arrays.append(np.full(count, nothing, dtype))
            elif isinstance(part, range):
                arrays.append(np.arange(part.start, part.stop))
            elif dtype is object:
                arrays.append(np.fromiter(part, object, count))
            else:
                arrays.append(np.asarray(part, dtype))
        return np.concatenate(arrays)

    def note(self, what: str, place: str) -> None:
        """Something odd that could be read all the same."""
        self.oddities.setdefault(what, []).append(place)

    def lose(self, place: str, what: str) -> None:
        """A record, or part of one, that could not be read."""
        self.problems.append(("malformed-record", place, what))

    def all_problems(self) -> list[Problem]:
        """What was lost, and what was odd (one row a kind where it is many)."""
        rows = list(self.problems)
        for what, places in self.oddities.items():
            if len(places) <= 5:
                rows += [("malformed-record", place, what) for place in places]
            else:
                rows.append(("malformed-record", f"{places[0]} and {len(places) - 1:,} more", what))
        return rows

    def open(self, raw: Raw, index: int, key: str) -> tuple[dict[str, Raw], str, int | None, dict[str, bytes]] | None:
        """(record, place in words, id, what goes to extras) of one record; None where it is no object."""
        try:
            record = msgspec.json.decode(raw, type=dict[str, Raw])
        except msgspec.ValidationError:
            self.lose(f"{key}[{index}]", f"{show(raw)} stands where a record belongs; it was left out")
            return None
        extras: dict[str, bytes] = {}
        number = self.whole(record, "id", extras, self.aliases)
        noun = key.rstrip("s")
        place = f"{noun} id {show(record['id'])}" if number is not None else f"{key}[{index}]"
        if "id" in extras:
            self.note(f"its id is {kind_of(record['id'])}, not a whole number", place)
        return record, place, number, extras

    @staticmethod
    def whole(
        record: Mapping[str, Raw], key: str, extras: dict[str, bytes], aliases: dict[str | int, int]
    ) -> int | None:
        """The id under `key`; a spelling that is no plain number goes to extras, and text among the aliases."""
        if key not in record:
            return None
        value = value_of(record[key])
        if type(value) is int and STAND_IN < value < 1 << 63:
            return value
        extras[key] = bytes(record[key])
        number = as_int(value)
        if number is None and isinstance(value, str) and value.strip():
            number = stand_in(aliases, value)
        return number

    def number(self, record: Mapping[str, Raw], key: str, extras: dict[str, bytes], place: str) -> float | None:
        """The number under `key`; None where there is none."""
        if key not in record:
            return None
        value = value_of(record[key])
        if type(value) in (int, float) and abs(value) <= 1e18:
            return float(value)
        extras[key] = bytes(record[key])
        number = as_number(value)
        if value is None:
            return None
        if number is None or not abs(number) <= 1e18:
            self.note(f"its {key} is {show(record[key])}, which is no number; it counts as not said", place)
            return None
        self.note(f"its {key} is {kind_of(record[key])}, not a number; it was read as one", place)
        return number
