"""Rule pages in Markdown, for `dsq explain` and docs/rules.md."""

from __future__ import annotations

from collections.abc import Mapping

from dsq.rule import Rule


def rule_page(rule: Rule) -> str:
    """One rule's page: its docstring with severity, group and thresholds."""
    head, _, body = rule.page.partition("\n")
    facts = f"Group `{rule.group}` · severity {rule.severity} · confidence {rule.confidence}"
    if rule.needs:
        facts += f" · looks at {' and '.join(rule.needs)}"
    parts = [f"# {rule.name}", f"**{head}**", facts, _fenced(body.strip())]
    if rule.thresholds:
        rows = "\n".join(f"| `{key}` | `{value!r}` |" for key, value in rule.thresholds.items())
        parts.append(f"| threshold | default |\n| --- | --- |\n{rows}")
    return "\n\n".join(part for part in parts if part)


def _fenced(text: str) -> str:
    """The text with its doctest as a code block."""
    lines: list[str] = []
    inside = False
    for line in text.split("\n"):
        if line.startswith(">>> ") and not inside:
            lines.append("```python")
            inside = True
        elif inside and not line.strip():
            lines.append("```")
            inside = False
        lines.append(line)
    if inside:
        lines.append("```")
    return "\n".join(lines)


def all_pages(rules: Mapping[str, Rule]) -> str:
    """docs/rules.md: a table of all rules, then every page."""
    lines = [
        "# Rules",
        "",
        "Written by `make docs` from the rules' docstrings; a test holds it against the code.",
        "",
        "| rule | group | severity | finds |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| [{r.name}](#{r.name}) | {r.group} | {r.severity} | {r.summary} |" for r in rules.values()]
    pages = [rule_page(rule).replace("# ", "## ", 1) for rule in rules.values()]
    return "\n".join(lines) + "\n\n" + "\n\n".join(pages) + "\n"
