"""Classes by their names: spelled twice, never used, never declared."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dsq.rule import Severity, list_some, rule
from dsq.scan import Scan, Table

from .slips import find_slips

#: Cyrillic letters that look like Latin ones
_LOOKALIKES = str.maketrans("аеорсухіѕ", "aeopcyxis")
_SEPARATORS = re.compile(r"(?<!\d)[\s_-]+|[\s_-]+(?!\d)")
#: characters of a name that is compared, and names that a message lists
MOST_LETTERS, MOST_LISTED = 200, 20


@rule(Severity.WARNING, message="{names} read as one class: give it one name", collapse=False)
def class_name_variants(scan: Scan, *, min_length: int = 6) -> Table | None:
    """Class names that differ only in how they are written.

    `Car` beside `car`, `stop_sign` beside `stop sign`: the trainer learns two classes that a person meant as
    one, each with a part of the boxes, and every box of one counts as a mistake of the other. Names that
    agree but for case, spaces, underscores, hyphens or letters that look alike are a warning, and so is a
    name with a character that one cannot see or a space at its end. A name that YAML turned into a truth
    value (`no`, `off`) is one too: quote it.

    A plural (`helmet`, `helmets`) and a likely slip of the pen (one letter of a word, within names of at
    least `min_length` letters: our choice, for among short names `car` and `cat` differ as much) are hints
    only. Numbers tell classes apart and are no slip; nor are a word's first and last letter, where real
    words differ. Names of more than 200 characters are not compared.

    Rename one of them in the class list, or merge the two by name.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "car", 0, 0, 9, 9), ("a.jpg", "Car", 30, 30, 9, 9)])
    >>> dsq.audit(data, select=["class-name-variants"]).messages()
    ["'Car' (1 box), 'car' (1 box) read as one class: give it one name"]
    """
    rows: list[dict[str, Any]] = [
        {"subject": f"yaml {notice.text}", "file": notice.file or None, "message": notice.text}
        for notice in scan.about.notices
        if notice.kind == "yaml-boolean-name"
    ]
    boxes = _boxes_by_class(scan)
    declared = scan.categories["declared"].to_numpy()
    names = sorted(name for name, said in zip(scan.categories["name"], declared, strict=True) if said)
    if long := [name for name in names if len(name) > MOST_LETTERS]:
        what = f"{len(long):,} class name{'s have' if len(long) != 1 else ' has'} more than {MOST_LETTERS} characters"
        rows.append(_uncompared("long names", f"{what} ({long[0][:40]!r}…): not compared with others"))
        names = [name for name in names if len(name) <= MOST_LETTERS]
    keys = {name: _key(name) for name in names}
    told: set[str] = set()
    for group in _groups(keys):
        told.update(group)
        rows.append(_variants(group, boxes))
    for name in names:
        hidden = _hidden(name)
        if hidden and name not in told:
            rows.append({"subject": name, "message": f"the name {name!r} {hidden}"})
    # one name speaks for all its spellings: the plainest
    plain = {keys[name]: name for name in sorted(names, key=lambda name: (name == keys[name], name))}
    plurals = _groups({name: _singular(key, plain) for key, name in plain.items()})
    plural = {name: place for place, group in enumerate(plurals) for name in group}
    slips, whole = find_slips({name: key for key, name in plain.items()}, min_length)
    if not whole:
        what = f"{len(plain):,} class names are too many or too much alike to compare all: slips may be missed"
        rows.append(_uncompared("slips", what))
    slips = [[one, two] for one, two in slips if one not in plural or plural[one] != plural.get(two)]
    for group, why in [(group, "singular and plural") for group in plurals] + [(pair, "a slip") for pair in slips]:
        said = f"{_counted(group, boxes)}: one class written in two ways ({why})?"
        doubt = {"severity": Severity.INFO, "confidence": "low", "message": said}
        rows.append(_variants(group, boxes) | doubt)
    return pd.DataFrame(rows) if rows else None


def _boxes_by_class(scan: Scan) -> dict[str, int]:
    """Boxes by class name; every class is named."""
    pairs = scan.classes_by_image
    counts = np.bincount(pairs["category_row"], weights=pairs["boxes"], minlength=len(scan.categories))
    return dict(zip(scan.categories["name"], counts.astype(int).tolist(), strict=True))


def _uncompared(subject: str, what: str) -> dict[str, Any]:
    return {"subject": subject, "message": what, "severity": Severity.INFO}


def _counted(names: Sequence[str], boxes: Mapping[str, int]) -> str:
    told = [f"{name!r} ({boxes[name]:,} {'box' if boxes[name] == 1 else 'boxes'})" for name in names[:MOST_LISTED]]
    return list_some([*told, *names[MOST_LISTED:]], MOST_LISTED)


def _variants(names: Sequence[str], boxes: Mapping[str, int]) -> dict[str, Any]:
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    subject = " = ".join(names[:MOST_LISTED]) + more
    return {"subject": subject, "names": _counted(names, boxes), "value": len(names)}


def _key(name: str) -> str:
    """What is left of a name when case, look-alike letters and separators (but between numbers) are gone."""
    text = unicodedata.normalize("NFKC", name).casefold().translate(_LOOKALIKES)
    text = "".join(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Cc"))
    return _SEPARATORS.sub("", text.strip())


def _groups(keys: Mapping[str, str]) -> list[list[str]]:
    """Names that share a key of two letters or more, sorted."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, key in sorted(keys.items()):
        if len(key) > 1:
            found[key].append(name)
    return [names for names in found.values() if len(names) > 1]


def _hidden(name: str) -> str:
    """What one cannot see in a name, or ""."""
    odd = [letter for letter in name if unicodedata.category(letter) in ("Cf", "Cc", "Co") or letter == "\xa0"]
    if odd:
        return f"holds a character one cannot see (U+{ord(odd[0]):04X})"
    return "begins or ends with a space" if name != name.strip() else ""


def _singular(key: str, keys: Container[str]) -> str:
    """The one of `keys` that this one is the plural of, else the key itself."""
    if not key.endswith("s"):
        return key
    found = [key[:-1]]
    if key.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
        found.append(key[:-2])
    if key.endswith("ies"):
        found.append(key[:-3] + "y")
    return next((name for name in found if len(name) > 2 and name in keys), key)


@rule(Severity.INFO, message="{name}: declared, but no box uses it")
def unused_class(scan: Scan, *, most: float = 0.5) -> Table | None:
    """Classes that are declared and have no box.

    A model with such a class has an output that never fires, and a mean over classes is taken without it.
    Often it is a leftover or a class list of another project; then the ids may be wrong as well. Take it off
    the list, or annotate it. Where more than `most` (half) of ten or more classes are unused, it is told
    once. Roboflow's root class is told by `placeholder-root-class`.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "cat", 10, 10, 20, 30)], classes=["cat", "dog"])
    >>> dsq.audit(data, select=["unused-class"]).messages()
    ['dog: declared, but no box uses it']
    """
    if len(scan.boxes) == 0:
        return None
    table = scan.categories
    boxes = _boxes_by_class(scan)
    unused = table["declared"].to_numpy() & ~table["name"].map(boxes).astype(bool).to_numpy()
    unused &= ~_placeholders(scan)
    chosen = table[unused].sort_values("name")
    declared = int(table["declared"].sum())
    if declared >= 10 and len(chosen) > most * declared:
        message = f"{len(chosen):,} of {declared:,} declared classes have no box: {list_some(chosen['name'])}"
        return pd.DataFrame([{"subject": "set", "message": message, "value": len(chosen), "threshold": most}])
    names = chosen["name"].tolist()
    return pd.DataFrame({"subject": names, "name": names, "category_id": chosen["category_id"].to_numpy()})


@rule(Severity.ERROR, message="{said}")
def undeclared_class(scan: Scan) -> Table | None:
    """Boxes of a class that no class list declares.

    A YOLO row whose id is not below the number of classes makes the trainer drop the whole image, with all
    its boxes, and say so in one line of a long log. A COCO annotation of a category that is not listed is
    lost or stops the training. Add the class to the list, correct the id, or delete the rows. Told once for
    an image and class, at the first such box. A set without any class list is left alone.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "7", 10, 10, 20, 30)], classes=["cat", "dog"])
    >>> dsq.audit(data, select=["undeclared-class"]).messages()
    ["class '7' is not among the 2 declared"]
    """
    table = scan.categories
    declared = table["declared"].to_numpy()
    if declared.all() or not (declared.any() or scan.about.format == "coco"):
        return None
    names = table.loc[~declared].set_index("category_id")["name"]
    place = ["origin_file", "origin_place", "box_id"]
    boxes = scan.boxes.loc[scan.boxes["category_id"].isin(names.index), ["image_id", "category_id", *place]]
    boxes = boxes.assign(origin_file=boxes["origin_file"].astype(object).fillna("")).sort_values(place)
    groups = boxes.groupby(["image_id", "category_id"], sort=False)
    first = groups.head(1).assign(value=groups["box_id"].transform("size"))
    known = int(declared.sum())
    listed = f"{known:,} {'class is' if known == 1 else 'classes are'} declared"
    present = scan.present[scan.image_index.get_indexer(pd.Index(first["image_id"]))]
    if scan.about.format == "yolo":
        said = "id " + first["category_id"].map(names) + f", but {listed}"
        said = said.where(~present, said + ": the trainer drops the image")
    elif scan.about.format == "coco":
        said = "category_id " + first["category_id"].map(names) + " is in no category"
    else:
        said = "class " + first["category_id"].map(names).map(repr) + f" is not among the {known:,} declared"
    return first[["image_id", "category_id", "box_id", "value"]].assign(said=said)


@rule(Severity.INFO, message="{name}: Roboflow's root of the other classes, without a box: leave it out")
def placeholder_root_class(scan: Scan) -> Table | None:
    """A root category that an export tool made up.

    Roboflow's COCO exports begin with a category that is the parent of the others (its name is their
    `supercategory`, its own is `none`) and has no box. A trainer that takes the list as it is learns one
    class more than there are, and shifts all ids by one. Leave it out when training or converting.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "car", 10, 10, 20, 30)], classes=["vehicles", "car"])
    >>> data = data.replace(categories=data.categories.assign(supercategory=["none", "vehicles"]))
    >>> dsq.audit(data, select=["placeholder-root-class"]).messages()
    ["vehicles: Roboflow's root of the other classes, without a box: leave it out"]
    """
    chosen = scan.categories[_placeholders(scan)]
    names = chosen["name"].tolist()
    return pd.DataFrame({"subject": names, "name": names, "category_id": chosen["category_id"].to_numpy()})


def _placeholders(scan: Scan) -> np.ndarray[Any, Any]:
    """(categories,) bool: whether it is a made-up root."""
    table = scan.categories
    parents = table["supercategory"].astype(object)
    names = table["name"].astype(object)
    root = parents.astype(str).str.casefold().eq("none") & parents.notna() & names.isin(parents[parents != names])
    root &= ~names.map(_boxes_by_class(scan)).astype(bool) & table["declared"]
    return root.to_numpy(bool)
