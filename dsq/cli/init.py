"""dsq init: write a commented dsq.toml."""

from __future__ import annotations

import click

from dsq.cli.options import emit


@click.command("init")
@click.option("-o", "--output", metavar="FILE", default="dsq.toml", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
def command(output: str, overwrite: bool) -> None:
    """Write a dsq.toml that shows every setting, rule and threshold with its default."""
    from dsq.config import sample_config
    from dsq.registry import all_rules

    emit(sample_config(all_rules()), output, overwrite)
