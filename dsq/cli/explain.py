"""dsq explain: print a rule's page."""

from __future__ import annotations

import sys

import click


@click.command("explain")
@click.argument("name", metavar="RULE")
def command(name: str) -> None:
    """Print the page of RULE: why it matters, an example, its thresholds."""
    from dsq.errors import ConfigError
    from dsq.registry import all_rules, resolve_names
    from dsq.render.pages import rule_page

    if resolve_names([name]) != {name}:
        raise ConfigError(f"{name!r} is a group;", hint=f"its rules are {', '.join(sorted(resolve_names([name])))}.")
    page = rule_page(all_rules()[name])
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(page))
    else:
        click.echo(page)
