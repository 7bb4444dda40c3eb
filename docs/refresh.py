"""Write what the documentation quotes from the program: README's outputs and docs/rules.md.

python docs/refresh.py            writes
python docs/refresh.py --check    says which page is old, exit 1
"""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

import click

import dsq
from dsq.cli import VERBS, group
from dsq.registry import all_rules
from dsq.render.pages import all_pages
from dsq.render.text import render_text

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = "sample_datasets/potholes-coco.zip"
WIDTH = 112
LINES = 5  # a section


def audit_output() -> str:
    """What `dsq audit` prints about the sample set: a few lines a section, cut to the width of a page."""
    with contextlib.chdir(ROOT):
        text = render_text(dsq.audit(dsq.read(SAMPLE)))
    lines: list[str] = []
    shown = left = 0
    for line in text.splitlines():
        inside = line.startswith("  ")
        if inside and shown >= LINES:
            left += 1
            continue
        if left:
            lines.append(f"  … {left} more lines")
        shown, left = (shown + 1 if inside else 0), 0
        lines.append(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…")
    return "\n".join([f"$ dsq audit {SAMPLE}", *lines])


def help_output() -> str:
    """`dsq --help` and the help of every verb."""
    parts = []
    for name in ("", *VERBS):
        context = click.Context(group, info_name="dsq", **group.context_settings)
        command: click.Command = group
        if name:
            found = group.get_command(context, name)
            assert found is not None
            context, command = click.Context(found, info_name=name, parent=context), found
        context.max_content_width = context.terminal_width = 100
        parts.append(f"$ dsq {name + ' ' if name else ''}--help\n{command.get_help(context)}")
    return "\n\n".join(parts)


def pages() -> dict[Path, str]:
    """Every page that quotes the program, as it should be."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    for name, block in (("audit", audit_output()), ("help", help_output())):
        pattern = rf"(<!-- {name} -->\n```text\n).*?(\n```\n<!-- end -->)"
        text, count = re.subn(pattern, lambda found, block=block: found[1] + block + found[2], text, flags=re.S)
        if count != 1:
            raise SystemExit(f"README.md has no block {name!r}")
    return {readme: text, ROOT / "docs" / "rules.md": all_pages(all_rules())}


def main() -> int:
    """Write the pages, or with --check compare them."""
    old = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in sys.argv:
        for path in old:
            print(f"{path.relative_to(ROOT)} is old: make docs", file=sys.stderr)
        return 1 if old else 0
    for path, text in pages().items():
        path.write_text(text, "utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
