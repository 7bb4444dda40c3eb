"""dsq audit: say what is wrong with a dataset."""

from __future__ import annotations

import sys
from typing import Any

import click

from dsq.cli.options import Progress, check_report, emit, measuring_options, read_source, reading_options
from dsq.errors import EXIT_CLEAN, EXIT_FINDINGS, ConfigError

LONGEST_VALUE = 200  # of a text after --set
SUFFIXES = {".json": "json", ".csv": "csv", ".txt": "text"}


@click.command("audit")
@reading_options
@click.option("--select", metavar="RULES", multiple=True, help="Rules or groups to run, comma-separated.")
@click.option("--ignore", metavar="RULES", multiple=True, help="Rules or groups to leave out.")
@click.option("--set", "set_", metavar="RULE.NAME=VALUE", multiple=True, help="Set a rule's threshold.")
@click.option("--config", metavar="FILE", help="Settings; default: the nearest dsq.toml or pyproject.toml.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info", "never"]),
    help="Exit with 1 from this severity on.  [default: error]",
)
@click.option("--all", "all_", is_flag=True, help="Show every finding, not a few lines a rule.")
@click.option(
    "--production", metavar="SAMPLE", help="Pictures that a model will meet: a folder, zip, video or labelled set."
)
@click.option("--tables-only", is_flag=True, help="Judge the annotations alone; open no image file.")
@measuring_options
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=check_report,
    help="Write the report to FILE; its suffix says the format.",
)
@click.option(
    "--output-format",
    type=click.Choice(["text", "json", "csv"]),
    help="Format of the report.  [default: text]",
)
@click.option("--overwrite", is_flag=True, is_eager=True, help="Replace FILE if it exists.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing beside the report.")
def command(
    src: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    set_: tuple[str, ...],
    config: str | None,
    fail_on: str | None,
    all_: bool,
    production: str | None,
    tables_only: bool,
    workers: int | None,
    rehash: bool,
    output: str | None,
    output_format: str | None,
    overwrite: bool,
    quiet: bool,
    **reading: Any,
) -> int:
    """Say what is wrong with SRC: a folder, a .zip or an annotation file.

    Exit code: 0 nothing at or above --fail-on, 1 findings, 2 bad usage or unreadable input, 3 a bug of ours.
    """
    import logging

    from dsq.config import load_config
    from dsq.engine import audit, choose, settle

    if quiet:
        logging.getLogger("dsq").setLevel(logging.ERROR)
    settings = load_config(config)
    thresholds = {name: dict(values) for name, values in settings.thresholds.items()}
    for text in set_:
        name, key, value = _threshold(text)
        thresholds.setdefault(name, {})[key] = value
    select = select or settings.select
    ignore = (*settings.ignore, *ignore)
    choose(select, ignore)  # a wrong name is told before a long read
    settle(thresholds)
    form = output_format or _form(output)
    progress = Progress(quiet)
    dataset = read_source(src, progress, **reading)
    report = audit(
        dataset,
        select=select,
        ignore=ignore,
        thresholds=thresholds,
        per_path_ignores=settings.per_path_ignores,
        tables_only=tables_only,
        workers=workers,
        rehash=rehash,
        production=production,
        progress=progress,
    )
    if form == "text":
        from dsq.render.text import render_text

        colour = output is None and sys.stdout.isatty()
        emit(render_text(report, show_all=all_, colour=colour), output, overwrite)
    elif form == "json":
        from dsq.render.json import render_json

        emit(render_json(report), output, overwrite)
    else:
        from dsq.render.csv import render_csv

        emit(render_csv(report), output, overwrite)
    return EXIT_FINDINGS if report.failed(fail_on or settings.fail_on) else EXIT_CLEAN


def _form(output: str | None) -> str:
    """The report's format by the suffix of its file."""
    from pathlib import Path

    suffix = Path(output).suffix.lower() if output and output != "-" else ".txt"
    if suffix not in SUFFIXES:
        hint = f"It ends in {', '.join(SUFFIXES)}; or say --output-format."
        raise ConfigError("a report of which format?", where=output, hint=hint)
    return SUFFIXES[suffix]


def _threshold(text: str) -> tuple[str, str, Any]:
    """rule.name=value -> its three parts, the value as TOML reads it."""
    from dsq.config import parse_toml

    if "\n" in text:
        raise click.BadParameter("--set takes one value at a time.")
    left, equals, right = text.partition("=")
    name, dot, key = left.strip().rpartition(".")
    if not (equals and dot and name and key):
        raise click.BadParameter(f"{text!r} is not RULE.NAME=VALUE, such as tiny-box.min_side=8.")
    try:
        return name, key, parse_toml(f"value = {right.strip()}".encode(), text)["value"]
    except ConfigError:
        if len(right) > LONGEST_VALUE:
            raise
        return name, key, right.strip()
