"""The report for a terminal: grouped by what it means for the person, worst first, never a wall."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import click

from dsq.health import Health, health
from dsq.model import About, Notice
from dsq.printing import printable
from dsq.registry import all_rules
from dsq.report import LEVELS, Part, Report

FORMAT_NAMES = {
    "voc": "Pascal VOC",
    "coco": "COCO",
    "yolo": "YOLO",
    "images": "bare images",
    "none": "tables",
}
SECTIONS = (
    ("MUST FIX", "training would be wrong", "red"),
    ("PRODUCTION", "how the sample differs from this set", "yellow"),
    ("SHOULD FIX", "", "yellow"),
    ("LOOK", "hints, with a grain of salt", "cyan"),
    ("ABOUT THE SET", "", "blue"),
)
NAME_WIDTH = 29
MUST_FIX, PRODUCTION, SHOULD_FIX, LOOK, ABOUT = range(len(SECTIONS))
LEAST_OF_A_GROUP = 4  # rules of a group that were all left unchecked are told by its name
LINES_A_RULE = 3
LINES_A_SECTION = 14
LOOKED_AT = 2000  # findings whose messages are compared to see whether all say the same
PLACE_WIDTH = 56
NOTE_WIDTH = 200
NOTES_SHOWN = 5
#: kinds of notices that the first line tells in a word, or a rule as a finding; dsq info has the reasons
QUIET = ("voc-offset", "same-images-in-two-splits", "split-placeholder")
Style = Callable[[str], str]


def render_text(report: Report, *, show_all: bool = False, colour: bool = False) -> str:
    """DESIGN's sections with at most a few lines a rule; `show_all` shows every finding."""
    paint = _painter(colour)
    dataset = report.scan.dataset
    facts = health(dataset)
    lines = [*head_lines(dataset.about, facts), ""]
    sections: list[list[tuple[Part, str]]] = [[] for _ in SECTIONS]
    for part in report.parts:
        for level in part.counts:
            sections[_section(part, level)].append((part, level))
    for (title, subtitle, hue), entries in zip(SECTIONS, sections, strict=True):
        if not entries:
            continue
        head = paint(title, hue) + (f": {subtitle}" if subtitle else "")
        lines.append(head)
        budget = LINES_A_SECTION if len(entries) > 6 else LINES_A_RULE * len(entries)
        examples = max(1, min(LINES_A_RULE, budget // len(entries)))
        for part, level in sorted(entries, key=lambda entry: _rank(*entry)):
            lines += _rule_lines(report, part, level, None if show_all else examples, paint)
    lines += _not_checked_lines(report, paint)
    if not any(sections):
        lines.append(paint("Nothing found.", "green") + f" {report.summary['checked']} rules were checked.")
    lines += ["", _closing(report, show_all), _next(report)]
    return "\n".join(lines)


def head_lines(about: About, facts: Health) -> list[str]:
    """What was read: format and why; images, boxes, classes; splits, background, unlabelled."""
    counts = [
        (facts.images, "image", "images"),
        (facts.boxes, "box", "boxes"),
        (facts.classes, "class", "classes"),
    ]
    told = [f"{count:,} {one if count == 1 else many}" for count, one, many in counts]
    first = " · ".join([format_name(about), *told])
    if facts.without_file:
        first += f" · {facts.without_file:,} labelled without an image file"
    parts = [f"{name} {count:,}" for name, count in facts.splits.items() if name != "none"]
    if facts.splits.get("none"):
        parts.append(f"{facts.splits['none']:,} in no split" if parts else "no splits")
    parts += [
        f"{facts.background:,} background" if facts.background else "",
        f"{facts.unlabelled:,} unlabelled" if facts.unlabelled else "",
    ]
    if facts.sources < facts.images:
        parts.append(f"{facts.images:,} files from {facts.sources:,} source images")
    lines = [first, " · ".join(part for part in parts if part)]
    notes = [f"note: {notice_line(notice)}" for notice in about.notices if notice.kind not in QUIET]
    lines += [note if len(note) <= NOTE_WIDTH else note[: NOTE_WIDTH - 1] + "…" for note in notes[:NOTES_SHOWN]]
    if len(notes) > NOTES_SHOWN:
        lines.append(f"note: {len(notes) - NOTES_SHOWN} more (dsq info shows them all)")
    return [printable(line) for line in lines if line]


def format_name(about: About) -> str:
    """The format in words, for VOC with the convention that was taken."""
    name = FORMAT_NAMES.get(about.format, about.format)
    return name if about.voc_offset is None else f"{name} ({about.voc_offset}-based)"


def notice_line(notice: Notice) -> str:
    """The notice with its file in front, unless its text names the file already."""
    return notice.text if not notice.file or notice.file in notice.text else f"{notice.file}: {notice.text}"


def _section(part: Part, level: str) -> int:
    if "production" in part.rule.needs:
        return PRODUCTION
    if level == "error":
        return MUST_FIX
    if level == "warning":
        return SHOULD_FIX
    return ABOUT if _is_sure(part, level) else LOOK


def _is_sure(part: Part, level: str) -> bool:
    chosen = part.table["confidence"][part.table["severity"] == level]
    return bool((chosen == "high").any())


def _rank(part: Part, level: str) -> tuple[int, ...]:
    """Largest first; of what differs in production, which is told once each, the surest."""
    if _section(part, level) == PRODUCTION:
        return LEVELS.index(level), not _is_sure(part, level)
    return (-(part.collapsed or part.counts[level]),)


def _rule_lines(report: Report, part: Part, level: str, limit: int | None, paint: Any) -> list[str]:
    """Name, count and what is wrong; then where, on a line of its own when it is the same everywhere."""
    count = part.counts[level]
    keep = (part.table["severity"] == level).to_numpy()
    same = Part(part.rule, part.table[keep].reset_index(drop=True), part.rows[keep], part.thresholds)
    told = [printable(message) for message in same.messages(LOOKED_AT)]
    firsts: dict[str, int] = {}
    for number, message in enumerate(told):
        firsts.setdefault(message, number)
    records = same.told(report.scan, None if limit is None else LOOKED_AT)
    noun = "" if part.collapsed else _noun(same, records)
    shown = f"{count:,} {noun}" if noun else ""
    title = f"  {paint(part.rule.name.ljust(NAME_WIDTH), 'bold')} {shown:>12}  "
    if len(firsts) == 1 and count > 1 and limit is not None:
        places = [_place(record, short=limit is not None) for record in records[:limit]]
        text = "  ".join(dict.fromkeys(place for place in places if place))
        more = f"   +{count - len(places):,}" if count > len(places) else ""
        return [title + told[0], f"      {text}{more}"] if text or more else [title + told[0]]
    lines: list[str] = []
    for record in records:
        record["message"] = printable(record["message"])
    often = Counter(told)
    most = sorted(firsts, key=lambda message: (-often[message], firsts[message]))
    picked = list(range(count)) if limit is None else [firsts[message] for message in most[:limit]]
    left = count
    for number in picked:
        record, again = records[number], 1 if limit is None else often[records[number]["message"]]
        place = _place(record, short=limit is not None)
        text = record["message"] + (f"   {paint(place, 'dim')}" if place else "")
        text += f"   +{again - 1:,} like it" if again > 1 else ""
        lines.append((title if not lines else "      ") + text)
        left -= again
    if left > 0:
        lines[-1] += f"   +{left:,} more"
    return lines


def _noun(part: Part, records: list[dict[str, Any]]) -> str:
    if part.collapsed or not records:
        return ""
    if all(record["box_id"] is not None for record in records):
        word = "box"
    elif all(len(record["images"]) > 1 for record in records):
        word = "group"
    elif all(record["image"] is not None for record in records):
        word = "image" if len(set(part.rows.tolist())) == len(part.rows) else "finding"
    elif all(record["category"] is not None for record in records):
        word = "class"
    elif any(record["subject"] is not None for record in records):
        return ""  # about the set, or a file or folder of it: the message counts what is wrong there
    elif all(record["origin"] for record in records):
        word = "record" if any(record["origin"]["line"] is not None for record in records) else "file"
    else:
        return "" if len(part.rows) == 1 else "notes"
    return word if len(part.rows) == 1 else {"box": "boxes", "class": "classes"}.get(word, word + "s")


def _place(record: dict[str, Any], *, short: bool) -> str:
    """Where to look: the label file's line, the annotation's id, or the image; long names lose their middle."""
    cut = _elide if short else printable
    origin = record["origin"]
    if record["box_id"] is None and len(record["images"]) > 1:
        images = [cut(name) for name in dict.fromkeys(record["images"])]
        return " = ".join(images[:2]) + (f" (+{len(images) - 2})" if len(images) > 2 else "")
    if origin and origin["line"] is not None:
        return f"{cut(origin['file'])}:{origin['line']}"
    if origin and (record["image"] is None or record["stated"]):
        return cut(origin["file"]) + (f" #{origin['id']}" if origin["id"] is not None else "")
    number = f" #{origin['id']}" if origin and origin["id"] is not None else ""
    return cut(record["image"]) + number if record["image"] else ""


def _elide(name: str) -> str:
    name = printable(name)
    if len(name) <= PLACE_WIDTH:
        return name
    return f"{name[: PLACE_WIDTH // 2]}…{name[-PLACE_WIDTH // 2 + 1 :]}"


def _not_checked_lines(report: Report, paint: Any) -> list[str]:
    if not report.not_checked:
        return []
    by_reason: dict[str, list[str]] = {}
    for item in report.not_checked:
        by_reason.setdefault(item.reason, []).append(item.rule)
    rules = all_rules()
    lines = [paint("NOT CHECKED", "magenta")]
    for reason, names in by_reason.items():
        groups = {rules[name].group for name in names}
        if len(names) >= LEAST_OF_A_GROUP and len(groups) == 1:
            text = f"{groups.pop()} ({len(names)} rules)"
        else:
            text = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines.append(f"  {text}: {reason}")
    return lines


def _closing(report: Report, show_all: bool) -> str:
    hints = sum(_hints(report.parts))
    counts = report.counts
    words = [
        _plural(counts["error"], "error"),
        _plural(counts["warning"], "warning"),
        _plural(hints, "hint"),
        _plural(counts["info"] - hints, "note"),
    ]
    more = "" if show_all or not report.parts else "   (--all shows every one, dsq explain RULE says why)"
    return " · ".join(words) + more


def _hints(parts: Iterable[Part]) -> Iterable[int]:
    for part in parts:
        for level in part.counts:
            if _section(part, level) == LOOK:
                yield part.counts[level]


def _next(report: Report) -> str:
    root = report.scan.about.root or "SRC"
    quoted = printable(shlex.quote(root) if re.search(r"[^\w./-]", root) else root)
    worst = next((part for part in report.parts if part.counts.get("error")), None)
    worst = worst or next((part for part in report.parts if part.counts.get("warning")), None)
    if worst is None:
        return f"Next: dsq info {quoted}"
    return f"Next: dsq explain {worst.rule.name} · dsq audit {quoted} -o report.json"


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _painter(colour: bool) -> Callable[[str, str], str]:
    def paint(text: str, hue: str) -> str:
        if not colour:
            return text
        if hue in ("bold", "dim"):
            return click.style(text, bold=hue == "bold", dim=hue == "dim")
        return click.style(text, fg=hue, bold=True)

    return paint
