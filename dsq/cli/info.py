"""dsq info: what was recognised, why, and the health summary."""

from __future__ import annotations

from typing import Any

import click

from dsq.cli.options import Progress, emit, read_source, reading_options


@click.command("info")
@reading_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(src: str, as_json: bool, quiet: bool, **reading: Any) -> None:
    """Say what SRC was recognised as, why, and its health in numbers."""
    from dsq.health import health

    dataset = read_source(src, Progress(quiet), **reading)
    facts = health(dataset)
    if as_json:
        import json

        about = dataset.about
        document = {
            "format": about.format,
            "root": about.root,
            "why": list(about.why),
            "notices": [{"kind": n.kind, "file": n.file, "text": n.text} for n in about.notices],
            "counts": facts.counts(),
        }
        emit(json.dumps(document, indent=1), None, False)
    else:
        from dsq.render.info import render_info

        emit(render_info(dataset, facts), None, False)
