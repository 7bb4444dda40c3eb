"""Image and annotation records of one COCO file as columns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
from msgspec import Raw

from dsq.formats.coco.records import Records, Shape
from dsq.formats.coco.values import (
    FLAGS,
    LIMIT,
    NOTHING,
    add_absent,
    as_number,
    blobs,
    flags_of,
    kind_of,
    none_as_nan,
    pack,
    rest_of,
    show,
    stand_in,
)
from dsq.formats.json_values import value_of

_UNSAID = -(1 << 40)  # iscrowd where a record has none


class OtherTaskError(Exception):
    """The annotations are no boxes but `args[0]`: captions or panoptic segments."""


class Images(Records):
    """Image records: id (see STAND_IN), name, width, height (0 unknown), extras, index."""

    def __init__(self, aliases: dict[str | int, int]) -> None:
        known = [("id", int), ("file_name", str), ("width", int), ("height", int)]
        super().__init__(Shape(known, {}), aliases)

    def add(self, rows: list[Any]) -> bool:
        count = len(rows)
        try:
            ids = np.fromiter([row.id for row in rows], np.int64, count)
            width = np.fromiter([row.width for row in rows], np.int64, count)
            height = np.fromiter([row.height for row in rows], np.int64, count)
        except OverflowError:
            return False
        names = [row.file_name for row in rows]
        if count and (min(width.min(), height.min()) <= 0 or max(width.max(), height.max()) > LIMIT):
            return False
        if not all(names):
            return False
        self.append(
            count,
            {
                "id": ids,
                "name": names,
                "width": width,
                "height": height,
                "extras": self.shape.pack(rows),
                "index": range(self.count, self.count + count),
            },
        )
        return True

    def add_record(self, raw: Raw, index: int) -> dict[str, Any] | None:
        opened = self.open(raw, index, "images")
        if opened is None:
            return None
        record, place, number, extras = opened
        if number is None:
            self.lose(place, f"it has no usable id ({show(record.get('id'))}): no annotation can name it")
        name = value_of(record["file_name"]) if "file_name" in record else None
        if not isinstance(name, str) or not name.strip():
            name = self._other_name(record, number, index)
            if "file_name" in record:
                extras["file_name"] = bytes(record["file_name"])
            said = show(record.get("file_name"))
            self.lose(place, f"it has no usable file_name ({said}); it is called {name} here")
        sides = [self._side(record, key, extras, place) for key in ("width", "height")]
        extras |= rest_of(record, ("id", "file_name", "width", "height"))
        return {
            "id": stand_in(self.aliases, index) if number is None else number,
            "name": name,
            "width": sides[0],
            "height": sides[1],
            "extras": pack(extras, [key for key in ("file_name", "width", "height") if key not in record]),
            "index": index,
        }

    def _side(self, record: Mapping[str, Raw], key: str, extras: dict[str, bytes], place: str) -> int:
        value = self.number(record, key, extras, place)
        if value is None:
            return 0
        if not 0 < value <= LIMIT:
            extras[key] = bytes(record[key])
            if value:
                said = show(record[key])
                self.note(f"its {key} is {said}, which no image has; it counts as not said", place)
            return 0
        if value != int(value):
            extras[key] = bytes(record[key])
            self.note(f"its {key} is not a whole number; it was rounded", place)
        return round(value)

    @staticmethod
    def _other_name(record: Mapping[str, Raw], number: int | None, index: int) -> str:
        for key in ("coco_url", "flickr_url", "url", "path"):
            value = value_of(record[key]) if key in record else None
            base = value.rstrip("/").rpartition("/")[2] if isinstance(value, str) else ""
            if base:
                return base
        return str(index if number is None else number)


class Annotations(Records):
    """Annotation records: id (see STAND_IN), image_id, category_id, x, y, width, height, area, crowd, segmentation,
    keypoints, score, difficult, truncated, occluded (-1: not said), extras, index. `boxed`: how many have a bbox or
    a mask. `lost`: image ids of what was left out.
    """

    def __init__(self, aliases: dict[str | int, int], class_aliases: dict[str | int, int]) -> None:
        known: list[Any] = [
            ("id", int), ("image_id", int), ("category_id", int), ("bbox", tuple[float, float, float, float]),
            ("area", float, math.nan), ("iscrowd", int, _UNSAID), ("segmentation", Raw, NOTHING),
        ]  # fmt: skip
        super().__init__(Shape(known, {"score": float}), {})
        self.image_aliases, self.class_aliases = aliases, class_aliases
        self.boxed = 0
        self.without_crowd = 0
        self.lost: list[int] = []
        self.keys: set[str] = set()

    def take(self, text: memoryview | bytes) -> None:
        super().take(text)
        if not self.boxed and self.count:
            if "caption" in self.keys:
                raise OtherTaskError("captions")
            if "segments_info" in self.keys:
                raise OtherTaskError("panoptic segments")

    def add(self, rows: list[Any]) -> bool:
        count = len(rows)
        try:
            ids = np.fromiter([row.id for row in rows], np.int64, count)
            image = np.fromiter([row.image_id for row in rows], np.int64, count)
            category = np.fromiter([row.category_id for row in rows], np.int64, count)
            said = np.fromiter([row.iscrowd for row in rows], np.int64, count)
        except OverflowError:
            return False
        corners = chain.from_iterable([row.bbox for row in rows])
        box = np.fromiter(corners, np.float64, 4 * count).reshape(count, 4)
        area = np.fromiter([row.area for row in rows], np.float64, count)
        crowd = said == 1
        unsaid = said == _UNSAID
        if not (crowd | unsaid | (said == 0)).all() or not (np.abs(box) <= LIMIT).all():
            return False
        if (np.abs(area) > 1e18).any():
            return False
        masks = blobs([row.segmentation for row in rows])
        if masks is None:
            return False
        taken: dict[str, Any] = {"keypoints": None, "score": None}
        others = self.shape.others
        if "keypoints" in others:
            found = blobs([getattr(row, f"other{others.index('keypoints')}") for row in rows])
            if found is None:
                return False
            taken["keypoints"] = found
        if "score" in others:
            scores = [getattr(row, f"other{others.index('score')}") for row in rows]
            taken["score"] = np.array([math.nan if s is NOTHING else s for s in scores], np.float64)
        taken |= self._flags(rows)
        extras = self.shape.pack(rows, skip=("keypoints", "score"))
        missing = int(unsaid.sum())
        if missing:
            extras = [
                (add_absent(blob, "iscrowd") if lacks else blob)
                for blob, lacks in zip(extras or [None] * count, unsaid.tolist(), strict=True)
            ]
        self.without_crowd += missing
        self.boxed += count
        taken |= zip(("x", "y", "width", "height"), box.T, strict=True)
        taken |= {"id": ids, "image_id": image, "category_id": category, "area": area, "crowd": crowd}
        taken |= {"segmentation": masks, "extras": extras, "index": range(self.count, self.count + count)}
        self.append(count, taken)
        return True

    def _flags(self, rows: list[Any]) -> dict[str, Any]:
        """Columns of flags; attributes that say nothing else are taken out of the rows."""
        if "attributes" not in self.shape.others:
            return dict.fromkeys(FLAGS)
        name = f"other{self.shape.others.index('attributes')}"
        found = [flags_of(bytes(getattr(row, name))) for row in rows]
        for row, flags in zip(rows, found, strict=True):
            if flags.alone:
                setattr(row, name, NOTHING)
        return {flag: [_as_code(flags.values[at]) for flags in found] for at, flag in enumerate(FLAGS)}

    def add_record(self, raw: Raw, index: int) -> dict[str, Any] | None:
        opened = self.open(raw, index, "annotations")
        if opened is None:
            return None
        record, place, number, extras = opened
        if "id" not in record:
            self.note("it has no id", place)
        self.keys.update(record)
        masked = record.get("segmentation", NOTHING)
        self.boxed += "bbox" in record or masked is not NOTHING
        image = self.whole(record, "image_id", extras, self.image_aliases)
        category = self.whole(record, "category_id", extras, self.class_aliases)
        if image is None:
            self.lose(place, f"its image_id is {show(record.get('image_id'))}; the box was left out")
            return None
        if category is None:
            self.lost.append(image)
            self.lose(place, f"its category_id is {show(record.get('category_id'))}; the box was left out")
            return None
        for key in ("image_id", "category_id"):
            if key in extras:
                self.note(f"its {key} is {kind_of(record[key])}, not a whole number", place)
        box = self._box(record, extras, place)
        if box is None:
            self.lost.append(image)
            return None
        flags = flags_of(bytes(record.get("attributes", NOTHING)))
        if flags.alone:
            del record["attributes"]
        return {
            "id": stand_in(self.aliases, index) if number is None else number,
            "image_id": image,
            "category_id": category,
            **dict(zip(("x", "y", "width", "height"), box, strict=True)),
            "area": none_as_nan(self.number(record, "area", extras, place)),
            "crowd": self._crowd(record, extras, place),
            "segmentation": self._blob(record, "segmentation", extras),
            "keypoints": self._blob(record, "keypoints", extras),
            "score": none_as_nan(self.number(record, "score", extras, place)),
            **{flag: _as_code(value) for flag, value in zip(FLAGS, flags.values, strict=True)},
            "extras": pack(extras | rest_of(record, _ANNOTATION_KEYS), [] if "iscrowd" in record else ["iscrowd"]),
            "index": index,
        }

    def _box(self, record: Mapping[str, Raw], extras: dict[str, bytes], place: str) -> tuple[float, ...] | None:
        """x, y, width, height; NaN where they have to come from the mask; None where nothing serves."""
        value = value_of(record["bbox"]) if "bbox" in record else None
        if value is None or value == []:
            if value_of(record.get("segmentation", Raw(b"null"))) in (None, [], [[]]):
                self.lose(place, "it has neither bbox nor segmentation; the box was left out")
                return None
            if "bbox" in record:
                extras["bbox"] = bytes(record["bbox"])
            return (math.nan,) * 4
        if not isinstance(value, list) or len(value) != 4:
            size = f"{len(value)} numbers" if isinstance(value, list) else show(record["bbox"])
            self.lose(place, f"its bbox is {size} where x, y, width and height belong; the box was left out")
            return None
        numbers = [as_number(part) for part in value]
        if not all(number is not None and abs(number) <= LIMIT for number in numbers):
            said = show(record["bbox"])
            self.lose(place, f"its bbox {said} holds what is no coordinate; the box was left out")
            return None
        if not all(type(part) in (int, float) for part in value):
            extras["bbox"] = bytes(record["bbox"])
            self.note("its bbox holds text where numbers belong; it was read as numbers", place)
        return tuple(number for number in numbers if number is not None)

    def _crowd(self, record: Mapping[str, Raw], extras: dict[str, bytes], place: str) -> bool:
        if "iscrowd" not in record:
            self.without_crowd += 1
            return False
        value = value_of(record["iscrowd"])
        if type(value) is not int or value not in (0, 1):
            extras["iscrowd"] = bytes(record["iscrowd"])
        number = float(value) if isinstance(value, bool) else as_number(value)
        if value is not None and number not in (0, 1):
            self.note(f"its iscrowd is {show(record['iscrowd'])}, neither 0 nor 1", place)
        return bool(number)

    @staticmethod
    def _blob(record: Mapping[str, Raw], key: str, extras: dict[str, bytes]) -> bytes | None:
        raw = bytes(record[key]) if key in record else None
        if raw == b"null":
            extras[key] = raw
            return None
        return raw


def _as_code(flag: bool | None) -> int:
    return -1 if flag is None else int(flag)


_ANNOTATION_KEYS = (
    "id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "keypoints", "score"
)  # fmt: skip
