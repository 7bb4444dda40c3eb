"""What a dataset says beyond its tables: whether another format loses anything with it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.formats.json_values import value_of

#: under this key a COCO record's extras list the usual keys that it does not have
ABSENT = "dsq:absent"
_SPELLED = (b'{"file_name":', f'{{"{ABSENT}":'.encode())
_LISTS = ("images", "annotations", "categories")
_KNOWN_TO_YOLO = frozenset("path train val valid validation validate test nc names download".split())
_YAML_KEY = re.compile(rb"^([A-Za-z_][\w-]*)[ \t]*:", re.MULTILINE)
#: elements of Pascal VOC that tools fill in unasked, that say where a file lay, or what its pixels tell
_FILLERS = re.compile(
    rb"<folder>[^<]*</folder>|<folder/>|<path>[^<]*</path>|<path/>|<segmented>0</segmented>|<pose>Unspecified</pose>"
    rb"|<size><depth>\d*</depth></size>|<filename>[^<]*</filename>"
    rb"|<source>(?:<(?:database|annotation|image)>Unknown</(?:database|annotation|image)>)+</source>"
    rb"|<source><database>Unknown</database>(?:<annotation>dsq voc offset=[^<]*</annotation>)?</source>"
)


def says_more(name: str, raw: bytes) -> bool:
    """Whether a document says what no table holds."""
    if name.lower().endswith(".json"):
        record = value_of(msgspec.Raw(raw))
        return isinstance(record, dict) and any(value for key, value in record.items() if key not in _LISTS)
    if name.lower().endswith((".yaml", ".yml")):
        return any(key.decode() not in _KNOWN_TO_YOLO for key in _YAML_KEY.findall(raw))
    return False


def count_extras(blobs: NDArray[Any]) -> int:
    """How many extras (n,) say something: XML that holds nothing but what tools fill in does not, nor does a COCO
    record's own way to write its file's name, or that it leaves a key out.
    """
    codes, kinds = pd.factorize(blobs)
    told = np.array([*map(_tells, kinds.tolist()), False], bool)
    return int(told[codes].sum())


def _tells(blob: bytes) -> bool:
    if blob[:1] == b"<":
        return bool(_FILLERS.sub(b"", blob))
    if not blob.startswith(_SPELLED):
        return True
    return not msgspec.json.decode(blob, type=dict[str, msgspec.Raw]).keys() <= {"file_name", ABSENT}
