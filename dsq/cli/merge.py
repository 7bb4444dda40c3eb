"""dsq merge: several datasets, of any formats, as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from dsq.cli.between import Between, list_between, look_between, tell_between
from dsq.cli.mapping import read_mapping
from dsq.cli.options import (
    Progress,
    list_some,
    many_reading_options,
    read_source,
    take_reading,
    write_dataset,
    writing_options,
)
from dsq.errors import ConfigError

if TYPE_CHECKING:
    from dsq.model import Dataset, Notice
    from dsq.transform.merge import Merged

#: notices of the merge itself
MADE = ("merged-by-number", "undeclared-listed", "images-without-split")
LARGEST_CONFLICTS = 1000  # conflicts that the JSON lists one by one


@click.command("merge")
@many_reading_options
@click.option("--map", "map_", metavar="FILE|OLD=NEW", multiple=True, help="YAML of old and new names, or one pair.")
@click.option("--name", metavar="NAME", multiple=True, help="What to call each source, in order.")
@click.option("--into", metavar="SPLIT", help="Put images that are in no split into this one.")
@click.option("--no-hash", is_flag=True, help="Do not look for identical image files.")
@click.option("--no-pixels", is_flag=True, help="Do not look for near copies and exchanged classes (reads all images).")
@writing_options
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    srcs: tuple[str, ...],
    map_: tuple[str, ...],
    name: tuple[str, ...],
    into: str | None,
    no_hash: bool,
    no_pixels: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Merge datasets: classes by name, identical images once; provenance.csv says where each came from.

    Where two copies of an image disagree, the SRC that is named first is believed.
    """
    mapping = read_mapping(map_)
    if name and len(name) != len(srcs):
        raise ConfigError(f"{len(name)} names for {len(srcs)} sources.", hint="Give --name once for each.")
    from dsq.contents import content_hashes
    from dsq.transform.merge import merge

    progress = Progress(quiet)
    reading = take_reading(options)
    datasets = [read_source(src, progress, **reading) for src in srcs]
    formats = sorted({dataset.about.format for dataset in datasets})
    if options["to"] is None and len(formats) > 1:
        raise ConfigError(f"the sources are {' and '.join(formats)}.", hint="Say which to write: --to voc|coco|yolo.")
    hashes = None if no_hash else content_hashes(datasets, progress=progress)
    done = merge(datasets, names=name or None, mapping=mapping, hashes=hashes, into=into)
    coverage = class_coverage(done.dataset)
    between = Between()
    if not no_pixels and len(srcs) > 1:
        needless = options["images"] == "none"
        between = Between(why_not="no images are written") if needless else look_between(done.dataset, progress)
    write_dataset(
        done.dataset,
        progress=progress,
        said=[*tell(done, coverage), *tell_between(between)],
        facts=list_facts(done, coverage) | list_between(between),
        beside=provenance_file(done),
        **options,
    )


def class_coverage(dataset: Dataset) -> list[str]:
    """What the rule class-coverage finds, in small sources too: in a merge each of them is a delivery."""
    from dsq.engine import audit

    eager = {"class-coverage": {"min_images": 2, "min_expected": 1.0}}
    messages: list[str] = audit(dataset, select=["class-coverage"], thresholds=eager, tables_only=True).messages()
    return messages


def tell(done: Merged, coverage: list[str]) -> list[str]:
    """What happened, in lines."""
    counts = count_images(done)
    lines = [f"{name}: {_count(count, 'image')}" for name, count in counts.items()]
    if done.united:
        copies = "1 image was a copy" if done.united == 1 else f"{done.united:,} images were copies"
        same = f"{_count(done.same_boxes, 'box', 'es')} {'was' if done.same_boxes == 1 else 'were'} the same"
        lines.append(f"{copies} of another, byte for byte: merged into it ({same}, the others were kept)")
    if done.renamed:
        lines.append(f"{_count(len(done.renamed), 'file')} renamed, for their names were taken:")
        lines += list_some([f"{old} -> {new}" for new, old in done.renamed.items()], 3)
    if len(done.conflicts):
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in count_conflicts(done).items())
        lines.append(f"{_count(len(done.conflicts), 'conflict')} between copies of one image ({kinds}):")
        lines += list_some(
            [f"{c.kind} {c.file} ({c.first}, {c.second}): {c.what}" for c in done.conflicts.itertuples()]
        )
    lines += [f"{notice.kind}: {notice.text}" for notice in made_notices(done)]
    if coverage:
        lines += ["class-coverage: objects of these classes may be unlabelled in a part:", *list_some(coverage)]
    if done.suggestions:
        lines.append("These names may mean one class; nothing was changed. To unite them:")
        lines += list_some([f"--map {s.old!r}={s.new!r}  ({s.why})".replace("'='", "=") for s in done.suggestions], 10)
    return lines


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number:,} {noun}{plural if number != 1 else ''}"


def list_facts(done: Merged, coverage: list[str]) -> dict[str, Any]:
    """What happened, for JSON."""
    return {
        "sources": count_images(done),
        "classes": done.dataset.categories["name"].tolist(),
        "united": done.united,
        "same_boxes": done.same_boxes,
        "renamed": done.renamed,
        "conflict_counts": count_conflicts(done),
        "conflicts": done.conflicts.head(LARGEST_CONFLICTS).to_dict("records"),
        "class_coverage": coverage,
        "suggestions": [suggestion._asdict() for suggestion in done.suggestions],
        "notices": [{"kind": notice.kind, "text": notice.text} for notice in made_notices(done)],
    }


def count_images(done: Merged) -> dict[str, int]:
    """Images that were kept, by source."""
    table = done.provenance
    return dict(Counter(table.loc[table["status"] == "kept", "source"].tolist()))


def count_conflicts(done: Merged) -> dict[str, int]:
    """Conflicts by kind."""
    return dict(sorted(Counter(done.conflicts["kind"].tolist()).items()))


def made_notices(done: Merged) -> list[Notice]:
    """What the merge itself noticed; the rest is told of each source when it is audited."""
    return [notice for notice in done.dataset.about.notices if notice.kind in MADE]


def provenance_file(done: Merged) -> Callable[[list[str]], dict[str, bytes]]:
    """Makes provenance.csv of the images' names in the target."""

    def make(names: list[str]) -> dict[str, bytes]:
        import csv
        import io

        from dsq.render.csv import safe_cell

        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        files = [names[row] for row in done.became.tolist()]
        table = done.provenance.assign(file=files).sort_values(["file", "status"], kind="stable")
        writer.writerow(table.columns)
        for row in table.astype(object).where(table.notna(), None).itertuples(index=False):
            writer.writerow([safe_cell(value) for value in row])
        return {"provenance.csv": out.getvalue().encode("utf-8", "surrogatepass")}

    return make
