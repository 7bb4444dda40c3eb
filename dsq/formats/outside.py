"""What is told of files that a link brings in from outside the dataset: that they are wrong, never their text."""

from __future__ import annotations

import numpy as np

from dsq.errors import ReadError
from dsq.formats.layout import Request
from dsq.model import PROBLEMS, Dataset, make_table
from dsq.source import LEAVES, is_image

#: kinds of problems whose texts quote nothing
_HARMLESS = ("misplaced-label", "unreadable-label-file")
_PLACE = r"(?:line|object|image id|annotation id|category id) -?\d+"
_SAID = "something is wrong in it; it is linked from outside the dataset, so its text is not shown"


def outside_files(request: Request) -> set[str]:
    """Listed files, but for images, that lie outside of the folder behind a link."""
    sources = (request.source, *request.image_sources, *request.extra_sources)
    return {entry.name for source in sources for entry in source.entries if entry.outside and not is_image(entry.name)}


def hush(dataset: Dataset, request: Request) -> Dataset:
    """The dataset without a word of such a file in its problems: an untrusted folder may link a private one."""
    outside = outside_files(request)
    problems = dataset.problems
    if not outside or problems.empty:
        return dataset
    quoting = problems["file"].isin(outside) & ~problems["kind"].isin(_HARMLESS)
    quoting &= ~problems["what"].str.contains(LEAVES, regex=False)
    columns = {name: problems[name].astype(object).to_numpy() for name in PROBLEMS}
    plain = problems["place"].str.fullmatch(_PLACE).to_numpy(bool)
    columns["what"] = np.where(quoting, _SAID, columns["what"])
    columns["place"] = np.where(quoting & ~plain, "", columns["place"])
    return dataset.replace(problems=make_table(PROBLEMS, len(problems), **columns))


def hush_error(error: ReadError, request: Request) -> ReadError:
    """The error itself, or one that quotes nothing where it is about such a file."""
    text = f"{error.where} {error.what}"
    if LEAVES in text or not any(name in text for name in outside_files(request)):
        return error
    what = "cannot be read as annotations; it is linked from outside the dataset, so its text is not shown."
    return ReadError(what, where=error.where, hint="Put a copy in its place to read why.")
