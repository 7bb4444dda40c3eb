"""dsq rules: list the rules."""

from __future__ import annotations

import click


@click.command("rules")
@click.option("--json", "as_json", is_flag=True, help="As JSON, thresholds included.")
def command(as_json: bool) -> None:
    """List the rules by group: severity, name, what it finds."""
    from dsq.registry import all_rules

    rules = all_rules()
    if as_json:
        import json

        rows = [
            {
                "name": rule.name,
                "group": rule.group,
                "severity": str(rule.severity),
                "confidence": rule.confidence,
                "summary": rule.summary,
                "thresholds": dict(rule.thresholds),
                "needs": list(rule.needs),
            }
            for rule in rules.values()
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    group = ""
    for rule in rules.values():
        if rule.group != group:
            click.echo(("\n" if group else "") + click.style(rule.group, bold=True))
            group = rule.group
        click.echo(f"  {rule.name:<29} {rule.severity!s:<8} {rule.summary}")
    click.echo(f"\n{len(rules)} rules. `dsq explain RULE` prints a rule's page.")
