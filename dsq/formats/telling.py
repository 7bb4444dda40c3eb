"""What is told whatever the format: files that could not be looked into, and texts of bounded length."""

from __future__ import annotations

from dataclasses import replace

from dsq.errors import ReadError
from dsq.formats.layout import Request
from dsq.model import PROBLEMS, Dataset, make_table
from dsq.printing import shorten

MOST_SAID = 200  # characters of a problem
MOST_NOTED = 400  # characters of a notice
MOST_UNREAD = 100  # files that are told one by one


def tell_unread(dataset: Dataset, request: Request) -> Dataset:
    """The dataset with a problem for each annotation file that not even its first bytes could be read of."""
    known = set(dataset.problems["file"])
    unread = [(name, f"{what} It was not used.") for name, what in sorted(request.unread.items()) if name not in known]
    if not unread:
        return dataset
    more = len(unread) - MOST_UNREAD
    unread = unread[:MOST_UNREAD]
    if more > 0:
        unread[-1] = (unread[-1][0], f"{unread[-1][1]} Nor could {more:,} more files be read.")
    columns = {name: dataset.problems[name].astype(object).tolist() for name in PROBLEMS}
    columns["kind"] += ["malformed-record"] * len(unread)
    columns["file"] += [name for name, _ in unread]
    columns["place"] += [""] * len(unread)
    columns["what"] += [what for _, what in unread]
    return dataset.replace(problems=make_table(PROBLEMS, len(columns["kind"]), **columns))


def shorten_texts(dataset: Dataset) -> Dataset:
    """The dataset with problems, notices and reasons that quote no more than a line or two."""
    columns = {name: dataset.problems[name].astype(object).tolist() for name in PROBLEMS}
    for name in ("place", "what"):
        columns[name] = [shorten(text, MOST_SAID) for text in columns[name]]
    about = dataset.about
    notices = tuple(replace(notice, text=shorten(notice.text, MOST_NOTED)) for notice in about.notices)
    why = tuple(shorten(reason, MOST_NOTED) for reason in about.why)
    problems = make_table(PROBLEMS, len(dataset.problems), **columns)
    return dataset.replace(problems=problems, about=replace(about, notices=notices, why=why))


def shorten_error(error: ReadError) -> ReadError:
    """The error itself, or one with shorter texts where it quotes a text that is long."""
    texts = (error.what, error.where or "", error.hint or "")
    if all(len(text) <= MOST_NOTED for text in texts):
        return error
    what, where, hint = (shorten(text, MOST_NOTED) for text in texts)
    return ReadError(what, where=where or None, hint=hint or None)
