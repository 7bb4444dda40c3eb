"""Licences of COCO sets that are put together: one list, and images that point into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

from dsq.model import Dataset, Notice, text_or_none

Array = NDArray[Any]

_document = msgspec.json.Decoder(dict[str, Raw])
_records = msgspec.json.Decoder(list[dict[str, Raw]])
_encode = msgspec.json.encode
_MARK = b'"license":'


def unite_licences(datasets: Sequence[Dataset]) -> list[Dataset]:
    """The datasets with one list of licences in all their COCO documents, each licence once, and images that name its
    number there. A licence keeps its number where that is free. What no list of its set explains is taken out, and a
    notice tells; datasets whose lists are equal stay as they are.
    """
    lists = [_lists_of(dataset) for dataset in datasets]
    stated = [raw for held in lists for raw in held.values()]
    if len(set(stated)) < 2:
        return list(datasets)
    united: dict[bytes, bytes] = {}  # what a licence says beside its number -> its number
    numbers: dict[bytes, dict[bytes, bytes]] = {}  # list -> number in it -> new number
    for raw in dict.fromkeys(stated):
        numbers[raw] = {}
        for record in _read(raw):
            number = bytes(record.pop("id", Raw(b"null")))
            said = _encode(dict(sorted(record.items())))
            if said not in united:
                united[said] = number if number not in (*united.values(), b"null") else _next_number(united.values())
            numbers[raw].setdefault(number, united[said])
    whole = _encode([{"id": Raw(number)} | _document.decode(said) for said, number in united.items()])
    return [
        _renumbered(data, held, numbers, whole) if held else data for data, held in zip(datasets, lists, strict=True)
    ]


def _lists_of(dataset: Dataset) -> dict[str, bytes]:
    """The raw list of licences of each COCO document that has one."""
    if dataset.about.format not in ("coco", "mixed"):
        return {}
    found = {}
    for name, raw in dataset.about.documents.items():
        if name.lower().endswith(".json") and b'"licenses"' in raw:
            licences = bytes(_document.decode(raw).get("licenses", b""))
            if licences.startswith(b"["):
                found[name] = licences
    return found


def _read(raw: bytes) -> list[dict[str, Raw]]:
    try:
        return _records.decode(raw)
    except msgspec.ValidationError:  # something else than records: there is nothing that an image could point at
        return []


def _next_number(taken: Any) -> bytes:
    numbers = [int(number) for number in taken if number.isdigit()]
    return b"%d" % (max(numbers, default=0) + 1)


def _renumbered(
    dataset: Dataset, lists: Mapping[str, bytes], numbers: Mapping[bytes, Mapping[bytes, bytes]], whole: bytes
) -> Dataset:
    alike = len(set(lists.values())) == 1 and next(iter(lists.values()))
    blobs = dataset.images["extras"].to_numpy(object).copy()
    origins = text_or_none(dataset.images["origin_file"]).tolist()
    lost = 0
    for row in np.flatnonzero([isinstance(blob, bytes) and _MARK in blob for blob in blobs.tolist()]).tolist():
        record = _document.decode(blobs[row])
        if "license" not in record:
            continue
        known = numbers.get(alike or lists.get(origins[row], b""), {})
        number = known.get(bytes(record["license"]))
        if number is None:
            lost += bytes(record.pop("license")) != b"null"
        else:
            record["license"] = Raw(number)
        blobs[row] = _encode(record) if record else None
    about = dataset.about
    documents = {
        name: _encode(_document.decode(raw) | {"licenses": Raw(whole)}) if name in lists else raw
        for name, raw in about.documents.items()
    }
    notices = about.notices
    if lost:
        what = f"{lost:,} image{'s name' if lost > 1 else ' names'} a licence that no list explains: it was taken out"
        notices = (*notices, Notice("licences-unknown", what))
    return dataset.replace(
        images=dataset.images.assign(extras=blobs), about=replace(about, documents=documents, notices=notices)
    )
