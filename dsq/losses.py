"""What a target cannot hold: named, counted, never silent; and what is other there and no loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: every loss that a writer may report, and what it means for a person
KINDS: Mapping[str, str] = {
    "polygons-dropped": "masks that the target has no place for; the boxes stay",
    "masks-simplified": "RLE or many-part masks written as one polygon each",
    "masks-made": "boxes without a mask, written as polygons of their corners",
    "boxes-from-masks": "boxes over a pixel off their mask, where the target holds the mask alone",
    "keypoints-dropped": "keypoints that the target has no place for",
    "flags-dropped": "difficult, truncated or occluded flags",
    "crowd-dropped": "crowd regions left out: as ordinary boxes they would teach a group as one object",
    "difficult-dropped": "boxes left out because of --difficult drop",
    "scores-dropped": "confidences of predictions",
    "areas-dropped": "declared areas that are not width × height",
    "extras-dropped": "records with further keys or elements of the source format",
    "documents-dropped": "document-level entries such as info and licences",
    "licences-dropped": "images whose licence is in no list that the target could be given",
    "supercategories-dropped": "classes with a supercategory",
    "unused-classes-dropped": "classes without a box that the target cannot list",
    "class-ids-changed": "classes whose number is another in the target",
    "ids-changed": "image or annotation ids that are other in the target",
    "annotation-id-zero": "annotations with the id 0, written with another id",
    "boxes-clipped": "boxes cut to their image because the target cannot hold more",
    "boxes-dropped": "boxes without an area or outside their image that the target cannot hold",
    "boxes-rounded": "boxes moved by the target's precision",
    "images-emptied": "labelled images of which no box could be written: unlabelled in the target",
    "splits-dropped": "images whose split the target cannot hold",
    "images-renamed": "images that got another name: two would have had the same, or it was unsafe",
    "names-changed": "classes that got another name because the target cannot hold theirs",
    "class-lists-corrected": "lines of VOC lists of a class that contradicted the boxes: written as the boxes say",
    "splits-renamed": "images whose split is called otherwise in the target",
    "records-united": "further records of one image file, written as one with the first",
    "images-missing": "images whose file was not found: only their labels are written (--image-root says where it is)",
    "boxes-unsized": "boxes left out because the size of their image is unknown: its file is missing or broken",
    "sizes-dropped": "images without a file whose size the target has no place for",
    "images-undecodable": "images left out with their boxes: their pixels, which were to change, cannot be decoded",
    "images-left-out": "images without a file of which no label can be written: nothing in the target names them",
    "unlabelled-written-as-background": "unlabelled images that the target cannot tell from background",
    "background-written-as-unlabelled": "background images that the target cannot tell from unlabelled ones",
    "problems-left-out": "records of the source that could not be read",
}

#: what is other in the target by its conventions alone: told, and no loss
NOTES: Mapping[str, str] = {
    "class-ids-shifted": "classes whose number is another in the target by its custom: in the same order, from 1 or 0",
}
#: losses of a writer that are whole images, and whole boxes
_FEWER_IMAGES = ("images-left-out", "records-united")
_FEWER_BOXES = ("crowd-dropped", "boxes-dropped", "boxes-unsized")


@dataclass
class Losses:
    """Counts by name (a key of KINDS), in the order of KINDS when shown. notes: the same of NOTES, which are none.
    details: what is to be said of single ones, by the names of KINDS: "FILE: why".
    images, boxes: how many were written.
    """

    counts: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    details: dict[str, list[str]] = field(default_factory=dict)
    images: int = 0
    boxes: int = 0

    def add(self, kind: str, count: int) -> None:
        """Count `count` losses or notes of a kind; KeyError for a name that is in neither KINDS nor NOTES."""
        if kind not in KINDS and kind not in NOTES:
            raise KeyError(kind)
        if count:
            counts = self.counts if kind in KINDS else self.notes
            counts[kind] = counts.get(kind, 0) + int(count)

    def add_class_ids(self, stated: pd.Series[Any], written: NDArray[Any]) -> None:
        """Count classes whose number in the source (NA: none) is not the one that is written: a note where all of them
        moved by one, as formats count from 0 or 1; else a loss.
        """
        known = stated.notna().to_numpy(bool)
        moved = written[known] - stated[known].to_numpy(np.int64)
        shifted = len(moved) and abs(int(moved[0])) == 1 and bool((moved == moved[0]).all())
        self.add("class-ids-shifted" if shifted else "class-ids-changed", int((moved != 0).sum()))

    def count_written(self, images: int, boxes: int) -> None:
        """What is written of what the writer was given: less what it says that it left out."""
        self.images = images - sum(self.counts.get(kind, 0) for kind in _FEWER_IMAGES)
        self.boxes = boxes - sum(self.counts.get(kind, 0) for kind in _FEWER_BOXES)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def as_dict(self) -> dict[str, int]:
        """Counts in the order of KINDS."""
        return {kind: self.counts[kind] for kind in KINDS if kind in self.counts}

    def __str__(self) -> str:
        return ", ".join(f"{kind}: {count:,}" for kind, count in self.as_dict().items()) or "nothing was lost"
