"""What of a listing is no part of the dataset: folders that are listed twice, and what a trainer wrote."""

from __future__ import annotations

import re

from dsq.formats.layout import Request, split_of_path
from dsq.model import Notice
from dsq.source import Source

_LAYOUT = frozenset(("images", "labels", "jpegimages", "annotations"))
#: files that only a training, validation or prediction leaves below runs/
_OUTPUT = re.compile(
    r"((?:.*/)?runs/)(?:.*/)?(?:(?:args|opt)\.yaml|results\.csv|(?:predict|exp|detect)\d*/labels/[^/]+\.txt)"
)


def narrow(request: Request) -> None:
    """Take out of the listing what is there twice through links, and what Ultralytics wrote below `runs/`.

    Each is told in a notice; output of a trainer stays in the inventory. A link that is a split of its own is no
    second name: `val -> train` stays, for the rules to speak of.
    """
    for source in (request.source, *request.image_sources):
        _take_once(request, source)
        _leave_output(request, source)


def _take_once(request: Request, source: Source) -> None:
    """One name for each real folder: the one that layouts use, else the folder's own."""
    names: dict[str, list[str]] = {}
    for alias, first in source.aliases:
        names.setdefault(first, [first]).append(alias)
    dropped: list[str] = []
    for first in sorted(names, key=lambda name: (name.count("/"), name)):
        alike: dict[str | None, list[str]] = {}
        for name in names[first]:
            if not name.startswith(tuple(dropped)):
                alike.setdefault(split_of_path(name), []).append(name)
        for same in alike.values():
            best = max(same, key=_is_usual)
            others = [name for name in same if name != best]
            dropped += others
            if others:
                one = " and ".join(name[:-1] for name in [*others, best])
                text = f"{one} are one folder through a link; its files were taken once, under {best[:-1]}."
                request.notices.append(Notice("linked-twice", text))
    if dropped:
        source.leave_out(lambda name: name.startswith(tuple(dropped)))


def _is_usual(folder: str) -> bool:
    return not _LAYOUT.isdisjoint(folder.lower().split("/"))


def _leave_output(request: Request, source: Source) -> None:
    """Nothing below `runs/` is data where a trainer wrote there, unless there is nothing else."""
    marks = (_OUTPUT.fullmatch(name) for name in source.names if "runs/" in name)
    folders = tuple(sorted({mark[1] for mark in marks if mark is not None}))
    if not folders or all(name.startswith(folders) for name in source.names):
        return
    out = source.leave_out(lambda name: name.startswith(folders))
    request.left_out += [(source.root, entry) for entry in out]
    count = f"{len(out):,} file{'s' if len(out) != 1 else ''}"
    text = f"{', '.join(folders)} holds what a trainer wrote: {count}, no part of the dataset."
    request.notices.append(Notice("trainer-output", text))
