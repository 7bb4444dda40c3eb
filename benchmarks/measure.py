"""One command as a child process: CPU seconds (user + system) and peak memory of the whole process."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Cost(NamedTuple):
    """CPU seconds, peak MiB, exit code."""

    cpu: float
    memory: float
    code: int


def run_once(command: Sequence[str], cwd: str | None = None, environment: Mapping[str, str] | None = None) -> Cost:
    """Run `command` with its output thrown away."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, child.returncode)


def run_median(command: Sequence[str], repeat: int) -> Cost:
    """Medians over `repeat` runs."""
    runs = [run_once(command) for _ in range(repeat)]
    return Cost(
        statistics.median(run.cpu for run in runs),
        statistics.median(run.memory for run in runs),
        runs[-1].code,
    )


def put_section(path: str, title: str, text: str) -> None:
    """Replace (or append) the section `## title` of a Markdown file."""
    head = f"## {title}\n"
    with open(path, encoding="utf-8") as file:
        whole = file.read()
    before, found, rest = whole.partition(head)
    after = rest[rest.index("\n## ") + 1 :] if "\n## " in rest else ""
    body = f"{head}\n{text.strip()}\n"
    new = f"{before.rstrip()}\n\n{body}" + (f"\n{after}" if after else "") if found else f"{whole.rstrip()}\n\n{body}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(new)
