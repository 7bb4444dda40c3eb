"""COCO: one or more JSON files with images, annotations and categories."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from dsq.errors import ReadError
from dsq.formats import Match
from dsq.formats.coco.document import Document
from dsq.formats.coco.files import (
    Findings,
    Matched,
    Problem,
    choose,
    find_files,
    look_beside,
    match_images,
    read_files,
)
from dsq.formats.coco.tables import build_tables, unite_classes
from dsq.formats.coco.values import place_of
from dsq.formats.coco.write import write
from dsq.formats.layout import Request
from dsq.model import PROBLEMS, About, ClassList, Dataset, Notice, make_table

__all__ = ["read", "sniff", "write"]


def sniff(request: Request) -> Match | None:
    """COCO where a JSON file begins as COCO's do, or is the one file that was named."""
    names, predictions = find_files(request)
    if request.focus is not None:
        if not request.focus.lower().endswith(".json"):
            return None
        return Match(1.0 if names else 0.3, f"{request.focus} was named")
    if names:
        others = len(names) - 1
        more = f" and {others:,} more JSON file{'s' if others > 1 else ''}" if others else ""
        return Match(0.95, f"COCO's lists in {names[0]}{more}")
    if predictions and not request.images.places:
        return Match(0.05, f"only results (predictions) in {predictions[0]}")
    return None


def read(request: Request) -> Dataset:
    """Read a COCO dataset; see `dsq.read`. Ids are the files' own where they are unique over all of them."""
    findings = read_files(request)
    if request.focus is not None and not request.image_sources:
        for document in findings.documents:
            look_beside(request, document)
    found = [match_images(request, document) for document in findings.documents]
    if not any(match.member or match.home for match in found):
        raise _nothing(request, findings)
    chosen = choose(findings.documents, found, findings)
    documents = [findings.documents[place] for place in chosen]
    matched = [found[place] for place in chosen]
    problems = findings.problems + request.refusals()
    for document, match in zip(documents, matched, strict=True):
        problems += [(kind, document.name, place, what) for kind, place, what in document.problems]
        problems += _outside(document, match)
    classes = unite_classes(documents)
    images, boxes = build_tables(request, documents, matched, classes, problems)
    findings.notices += _defaults(documents)
    columns = list(zip(*problems, strict=True)) or [()] * len(PROBLEMS)
    return Dataset(
        images=images,
        boxes=boxes,
        categories=classes.table(),
        problems=make_table(PROBLEMS, len(problems), **dict(zip(PROBLEMS, map(list, columns), strict=True))),
        files=request.inventory({document.name: "annotation" for document in documents}),
        about=About(
            format="coco",
            root=request.source.root,
            notices=tuple(findings.notices),
            class_lists=tuple(
                ClassList(document.name, tuple(category.name for category in document.categories))
                for document in documents
                if document.categories
            ),
            documents={document.name: _rest(document) for document in documents},
            listed=request.listed,
            no_label_file=request.no_label_file,
        ),
    )


def _rest(document: Document) -> bytes:
    """The document as raw JSON, in which a number stands for each of its two long lists: how many records it had."""
    counts = {"images": len(document.images["id"]), "annotations": len(document.boxes["id"])}
    parts = [
        msgspec.json.encode(key) + b":" + (b"%d" % counts[key] if key in counts and raw == b"[]" else raw)
        for key, raw in document.outline.items()
    ]
    return b"{" + b",".join(parts) + b"}"


def _nothing(request: Request, findings: Findings) -> ReadError:
    """Why no image record was found."""
    if len(findings.errors) == 1:
        return findings.errors[0]
    what = "no COCO file was found: a JSON object with `images`, `annotations` and `categories`."
    hint = f"It holds {request.summary()}."
    if findings.errors:
        first = findings.errors[0]
        what = f"none of its {len(findings.errors)} COCO files can be read; {first.where}: {first.what}"
        hint = first.hint or hint
    elif findings.documents:
        first_one = findings.documents[0]
        boxes = len(first_one.boxes["id"])
        what = f"{first_one.name} has no image records, so its {boxes:,} boxes belong to no image."
        hint = "Export it again with its `images` list."
    elif findings.predictions:
        what = f"{findings.predictions[0]} is a list of results (predictions), not ground truth."
        hint = "Give the annotation file with images, annotations and categories that they were made for."
    elif findings.notices:
        what = f"no COCO file in it has boxes: {'; '.join(notice.text for notice in findings.notices)}."
        hint = "Give the folder or zip that holds the instances file."
    return ReadError(what, where=request.src, hint=hint)


def _defaults(documents: Sequence[Document]) -> list[Notice]:
    """What was taken for granted where records say nothing."""
    notices = []
    for document in documents:
        count = len(document.boxes["id"])
        said = (
            ("iscrowd-missing", document.without_crowd, "iscrowd: 0 was taken"),
            ("area-missing", int(np.isnan(document.boxes["area"]).sum()), "area: it counts as not said"),
        )
        for kind, missing, what in said:
            if missing:
                text = f"{missing:,} of {count:,} annotations in {document.name} have no {what}"
                notices.append(Notice(kind, text, document.name))
        if document.task == "image records only":
            text = f"{document.name} has no annotations: its images count as unlabelled"
            notices.append(Notice("no-annotations", text, document.name))
    return notices


def _outside(document: Document, match: Matched) -> list[Problem]:
    """Names that lead out of the dataset, and what was taken instead."""
    names, ids, index = (document.images[key] for key in ("name", "id", "index"))
    return [
        ("path-outside-dataset", document.name, place_of("image", int(ids[row]), int(index[row])),
         f"{names[row]} leads out of the dataset; "
         + (f"taken was {match.file[row]}" if match.member[row] is not None else "no image in it ends like that"))
        for row in match.outside
    ]  # fmt: skip
