"""Class lists of one dataset, held against each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dsq.model import About, ClassList
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .records import problems_of


@rule(Severity.ERROR, message="{what}")
def class_list_disagreement(scan: Scan) -> Table | None:
    """Two class lists of one dataset, or a list and its count, that do not say the same.

    A label holds a number, and the list gives it its name. Where `data.yaml`, `classes.txt` or `obj.names` differ
    in names or order, one of them turns every cat into a dog; Label Studio and labelImg both write lists in an
    order of their own (LS issue 3324). In COCO each JSON has its list; a trainer reads the ids of the training
    list and is evaluated with those of the other. A COCO list that only lacks some classes of another is a
    warning. Pascal VOC writes names, so its lists can do no harm. A `data.yaml` whose `nc` is not the number of its
    `names` is one, too: Ultralytics refuses to start.

    **Do:** look at a few boxes, keep the list that fits, delete the other or make it equal.

    >>> import dsq
    >>> from dsq.model import About, ClassList
    >>> lists = ClassList("data.yaml", ("cat", "dog")), ClassList("classes.txt", ("dog", "cat"))
    >>> data = dsq.build_dataset(about=About(format="yolo", class_lists=lists))
    >>> dsq.audit(data, select=["class-list-disagreement"]).messages()
    ['the names of data.yaml in another order: id 0 is dog here, cat there']
    """
    about = scan.about
    counted = problems_of(scan, "class-list-disagreement")
    if about.format == "voc" or len(about.class_lists) < 2:
        return counted
    used, *others = about.class_lists
    names = class_ids(about, used)
    rows: list[Any] = [] if counted is None else counted.to_dict("records")
    for other in others:
        listed = class_ids(about, other)
        clash = clash_of(names, listed, used.file)
        what = clash or surplus_of(names, listed, used.file)
        if what:
            severity = "error" if clash or about.format != "coco" else "warning"
            rows.append({"subject": other.file, "file": other.file, "what": what, "severity": severity})
    return pd.DataFrame(rows) if rows else None


def class_ids(about: About, names: ClassList) -> dict[int, str]:
    """Class names by the id that annotations use: COCO's own, else the place in the list."""
    if about.format == "coco" and names.file in about.documents:
        listed = json.loads(about.documents[names.file]).get("categories")
        pairs = [
            (entry.get("id"), entry.get("name"))
            for entry in (listed if isinstance(listed, list) else [])
            if isinstance(entry, dict)
        ]
        return {number: name for number, name in pairs if isinstance(number, int) and isinstance(name, str)}
    return {number: name for number, name in enumerate(names.names) if name}


def clash_of(used: Mapping[int, str], other: Mapping[int, str], file: str) -> str:
    """Where the list `other` contradicts the one of `file`, in words; "" where it does not."""
    ids = {name: number for number, name in used.items()}
    for number in sorted(other):
        name = other[number]
        if used.get(number, name) != name:
            same = sorted(used.values()) == sorted(other.values())
            whole = f"the names of {file} in another order" if same else f"not the names of {file}"
            return f"{whole}: id {number} is {name} here, {used[number]} there"
        if number not in used and name in ids and ids[name] not in other:
            return f"not the ids of {file}: {name} is {number} here, {ids[name]} there"
    return ""


def surplus_of(used: Mapping[int, str], other: Mapping[int, str], file: str) -> str:
    """What `other` names beyond the list of `file` and what it lacks of it, in words."""
    more = _some([other[number] for number in sorted(other) if number not in used], "more")
    fewer = _some([used[number] for number in sorted(used) if number not in other], "fewer")
    told = " and ".join(part for part in (more, fewer) if part)
    return f"{told}, held against {file}" if told else ""


def _some(names: Sequence[str], what: str) -> str:
    """A count and the first names: "2 names more (bus, van)"."""
    if not names:
        return ""
    noun = "name" if len(names) == 1 else "names"
    return f"{len(names):,} {noun} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
