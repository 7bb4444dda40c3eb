"""The health summary as text."""

from __future__ import annotations

from dsq.health import Health
from dsq.model import Dataset
from dsq.printing import printable
from dsq.render.text import format_name, notice_line

BAR = 24
CLASSES_SHOWN = 30


def render_info(dataset: Dataset, facts: Health) -> str:
    """What was recognised and why, then counts, splits, classes, sizes and notices."""
    about = dataset.about
    rows = [
        ("format", format_name(about)),
        ("root", about.root),
        ("why", "; ".join(about.why) or "forced by --format"),
        ("images", _images(facts)),
        ("boxes", _boxes(facts)),
        (
            "splits",
            ", ".join(f"{name} {n:,}" for name, n in facts.splits.items() if name != "none") or "none",
        ),
        ("sizes", _sizes(facts)),
        ("objects", "{:.1f} a labelled image (median {}, most {})".format(*facts.objects)),
        ("sources", f"{facts.sources:,} distinct source images by name"),
        ("problems", f"{facts.problems:,} records could not be read" if facts.problems else "none"),
    ]
    lines = [f"{name:<9} {value}" for name, value in rows]
    if facts.boxes_by_class:
        lines += ["", f"{facts.classes:,} classes" if facts.classes != 1 else "1 class"]
        most = max(facts.boxes_by_class.values(), default=0) or 1
        width = min(30, max(len(name) for name in facts.boxes_by_class))
        for name, count in list(facts.boxes_by_class.items())[:CLASSES_SHOWN]:
            bar = "█" * max(1 if count else 0, round(BAR * count / most))
            images = facts.images_by_class[name]
            lines.append(f"  {name[:30]:<{width}}  {count:>8,} boxes  {images:>7,} images  {bar}")
        if len(facts.boxes_by_class) > CLASSES_SHOWN:
            lines.append(f"  … and {len(facts.boxes_by_class) - CLASSES_SHOWN:,} more")
    if about.notices:
        lines += ["", "notes"]
        lines += [f"  {notice_line(notice)}" for notice in about.notices]
    return "\n".join(printable(line) for line in lines)


def _images(facts: Health) -> str:
    labelled = facts.images - facts.background - facts.unlabelled
    text = f"{facts.images:,} ({labelled:,} labelled, {facts.background:,} background, "
    text += f"{facts.unlabelled:,} unlabelled)"
    return text + (f" and {facts.without_file:,} records without an image file" if facts.without_file else "")


def _boxes(facts: Health) -> str:
    kinds = [f"{facts.masks:,} with a mask" if facts.masks else "", f"{facts.keypoints:,} with keypoints"]
    kinds = [kind for kind in kinds if kind and not kind.startswith("0 ")]
    return f"{facts.boxes:,}" + (f" ({', '.join(kinds)})" if kinds else "")


def _sizes(facts: Health) -> str:
    shown = [f"{size} ({n:,})" for size, n in list(facts.sizes.items())[:3]]
    left = len(facts.sizes) - len(shown)
    return (", ".join(shown) + (f" and {left:,} more sizes" if left > 0 else "")) or "unknown"
