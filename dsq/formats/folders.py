"""What the folders of a layout say: which set two folders share, and which split."""

from __future__ import annotations

import re
from functools import lru_cache

from dsq.formats.layout import split_of_path

_LAYOUT_WORD = re.compile(
    r"(?:^|[-_. ])"
    r"(?:annotations?|annots?|anns?|xmls?|labels?|jpegimages|images?|imgs?|pictures?|photos?)"
    r"(?=$|[-_. ])",
    re.IGNORECASE,
)


@lru_cache(4096)
def place_of(folder: str) -> str:
    """A folder's path without the words that say XML or images: equal for the two folders of one set.

    "VOC2007/Annotations" -> "VOC2007"; "train/images", "annotations/train" and "train_xml" -> "train".
    """
    parts = (_LAYOUT_WORD.sub("", part).strip("-_. ") for part in folder.split("/"))
    return "/".join(part for part in parts if part)


def folder_of(name: str) -> str:
    """The folder part of a posix name, "" for the root."""
    return name.rpartition("/")[0]


@lru_cache(4096)
def split_of_folder(folder: str) -> str | None:
    """The split that a folder of XML files or images says it holds: also "train_images" and "annots-val"."""
    return split_of_path(place_of(folder) + "/")
