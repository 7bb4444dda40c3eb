"""Which data.yaml or obj.data of several a dataset goes by, and which images are none of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dsq.formats.layout import Request
from dsq.formats.yolo.config import Config, Problem, is_config, read_configs
from dsq.formats.yolo.pairs import Paired
from dsq.formats.yolo.splits import Splits, Tree, assign_splits
from dsq.model import Notice

MOST_CONFIGS = 20  # configs that are compared by what they find


def find_configs(request: Request) -> tuple[list[Config], list[Problem]]:
    """The configs of the source and of the folder around it, those nearest to the root first."""
    configs, problems = read_configs(request.source)
    if request.beside is not None:
        around, more = read_configs(request.beside)
        configs, problems = configs + around, problems + more
    if request.focus is not None and is_config(request.focus):
        configs = [config for config in configs if config.file == request.focus]
        problems = [problem for problem in problems if problem[1] == request.focus]
    usual = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml", "obj.data")
    for config in configs:
        base = config.file.rpartition("/")[2].lower()
        config.rank = usual.index(base) if base in usual else len(usual)
    return sorted(configs, key=lambda config: (config.file.count("/"), config.rank, config.file)), problems


def leave_strays(config: Config | None, splits: Splits, paired: Paired) -> None:
    """Where a config names splits, take out the images of folders without any that is in one or has labels.

    Those below a folder called images stay: they are data that no split has.
    """
    if config is None or not splits.found:
        return
    folders = [name.rpartition("/")[0] for name in paired.files]
    said = splits.held | (paired.label >= 0)
    known = {folder for folder, keep in zip(folders, said, strict=True) if keep}
    kept = np.array([folder in known or "/images/" in f"/{folder}/" for folder in folders], bool)
    paired.files = [name for name, keep in zip(paired.files, kept, strict=True) if keep]
    paired.label, paired.present = paired.label[kept], paired.present[kept]
    splits.split, splits.held = splits.split[kept], splits.held[kept]


def choose_config(
    request: Request, tree: Tree, configs: list[Config], loose: Sequence[str], notices: list[Notice]
) -> tuple[Config | None, Splits]:
    """The config to go by, which is the one whose splits hold images, and the splits."""
    if not configs:
        return None, assign_splits(request, tree, None, loose)
    results = [assign_splits(request, tree, config, loose) for config in configs[:MOST_CONFIGS]]
    scores = [(splits.found, bool(config.names)) for config, splits in zip(configs, results, strict=False)]
    best = scores.index(max(scores))
    config, splits = configs[best], results[best]
    if len(configs) > 1:
        others = [each for each in configs if each is not config]
        if all(score < scores[best] for i, score in enumerate(scores) if i != best):
            why = f"{splits.found} of the {len(config.splits)} places it names hold images"
        else:
            why = "of those that fit alike it is nearest to the root, then most usual in name"
        named = ", ".join(other.file for other in others[:5])
        differ = [other.file for other in others if other.names and other.names != config.names]
        text = f"{config.file} was taken, not {named}: {why}"
        if differ:
            text += f"; the classes of {differ[0]} are others"
        notices.append(Notice("two-configs", f"{text}.", config.file))
    return config, splits
