"""What the pixels say about the sources of a merge: pictures that two of them have, classes that they exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dsq.cli.options import Progress, list_some

if TYPE_CHECKING:
    from dsq.model import Dataset, Table

LARGEST_LIST = 1000  # pairs that the JSON lists one by one


class Between(NamedTuple):
    """near: pairs of images from two sources that show one picture: `image_a`, `source_a`, `image_b`, `source_b`,
    `agreement`. exchanged: messages of `class-order-mismatch`. why_not: why nothing was looked at, or "".
    """

    near: Table | None = None
    exchanged: tuple[str, ...] = ()
    why_not: str = ""


def look_between(dataset: Dataset, progress: Progress) -> Between:
    """Compare the pictures of the sources; every image file is read, or known from the cache."""
    from dsq.engine import audit
    from dsq.scan import Scan

    scan = Scan(dataset, progress=progress)
    if why_not := scan.lacks("pixels"):
        return Between(why_not=why_not)
    exchanged = audit(scan, select=["class-order-mismatch"]).messages()
    return Between(near_pairs(dataset, scan.duplicates), tuple(exchanged))


def near_pairs(dataset: Dataset, pairs: Table) -> Table:
    """The pairs of two sources that show one picture (see `Between.near`), sorted."""
    import numpy as np
    import pandas as pd

    source = dataset.images["source"].astype(object).to_numpy(object)
    files = dataset.images["file"].to_numpy(object)
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    across = pairs["kind"].isin(["exact", "near"]).to_numpy() & (source[first] != source[second])
    columns: dict[str, Any] = {}
    for letter, rows in (("a", first[across]), ("b", second[across])):
        columns |= {f"image_{letter}": files[rows], f"source_{letter}": source[rows]}
    table = pd.DataFrame(columns | {"agreement": np.round(pairs["agreement"].to_numpy()[across], 4)})
    return table.sort_values(["image_a", "image_b"], ignore_index=True)


def tell_between(found: Between) -> list[str]:
    """What was found, in lines."""
    if found.near is None:
        return [f"Near copies across the sources were not looked for: {found.why_not}"] if found.why_not else []
    lines = []
    if len(found.near):
        many = f"{len(found.near):,} pairs of images show" if len(found.near) > 1 else "1 pair of images shows"
        lines.append(f"{many} one picture in two sources; both were kept (dsq split --grouped keeps them together):")
        lines += list_some(
            [f"{p.image_a} ({p.source_a}) = {p.image_b} ({p.source_b})" for p in found.near.itertuples()], 3
        )
    if found.exchanged:
        lines += ["class-order-mismatch: names may be exchanged in a source:", *list_some(found.exchanged)]
    return lines


def list_between(found: Between) -> dict[str, Any]:
    """What was found, for JSON; None where it was not looked for."""
    if found.near is None:
        return {"near_duplicates": None, "near_duplicate_count": None, "class_order_mismatch": None}
    return {
        "near_duplicates": found.near.head(LARGEST_LIST).to_dict("records"),
        "near_duplicate_count": len(found.near),
        "class_order_mismatch": list(found.exchanged),
    }
