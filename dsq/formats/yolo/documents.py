"""The data.yaml and the lists of a YOLO dataset that is written."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from dsq.formats.layout import decode_text, escapes, resolve
from dsq.formats.yolo.config import (
    LACKING,
    UNSPLIT,
    Config,
    Declared,
    is_class_list,
    is_config,
    parse_data,
    parse_yaml,
    read_entries,
)
from dsq.formats.yolo.splits import Tree, find_place, likely_folders
from dsq.model import Dataset

#: keys of a data.yaml that are written anew; `download` may be code, and what it would fetch is there
_OWN = frozenset(("path", "train", "val", "validation", "valid", "validate", "test", "nc", "names", "download"))
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")
_PLAIN = re.ASCII | re.IGNORECASE
_WILD = re.compile(r"(?:/\*\*?(?:\.\w+)?)+$")


def make_yaml(names: Mapping[int, str], places: Mapping[str, str], more: bytes | None) -> bytes:
    """A data.yaml. names: by class id; places: the folder of each split, and of images in none (`UNASSIGNED`; under ""
    for a set without splits); more: a data.yaml whose other keys are kept.

    The trainer asks for train and val: where one is missing it gets another's place, and a comment says so.
    """
    lines: list[str] = []
    known = {split: place for split, place in places.items() if split}
    spare = known.get("train") or known.get("val") or next(iter(places.values()))
    if not known:
        lines.append(UNSPLIT)
    else:
        lines += [LACKING.format(split) for split in ("train", "val") if split not in known]
    ordered = {"train": spare, "val": spare} | known
    lines += [f"{quote_name(split, plain=True)}: {quote_name(place, plain=True)}" for split, place in ordered.items()]
    lines += ["", f"nc: {len(names)}"]
    if list(names) == list(range(len(names))):
        lines += ["names:" if names else "names: []", *(f"  - {quote_name(name)}" for name in names.values())]
    else:
        lines += ["names:", *(f"  {number}: {quote_name(name)}" for number, name in names.items())]
    return ("\n".join(lines) + "\n" + _other_keys(more, set(ordered) | _OWN)).encode()


def is_key(split: str, place: str) -> bool:
    """Whether a data.yaml that names the split's place is read back as that: train, val, test, and other words that
    mean nothing else where the folder is called so.
    """
    taken = _OWN | {"backbone", "head", "services", "weights", "kpt_shape"}
    return split in ("train", "val", "test") or (split.lower() not in taken and place == f"images/{split}")


def quote_name(name: str, *, plain: bool = False) -> str:
    """A text in YAML, in quotes: `no` is a name, not a truth value. plain: without them where they are not needed."""
    if plain and re.fullmatch(r"images|train|val|test|unassigned|fold\d+|[a-z][\w\-]*(?:/[\w\-]+)+", name, _PLAIN):
        return name
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(name, ensure_ascii=False))


def _other_keys(raw: bytes | None, own: set[str]) -> str:
    """The entries of a data.yaml that are not `own`, as they are."""
    root = yaml.compose(decode_text(raw), Loader=yaml.SafeLoader) if raw else None
    if not isinstance(root, yaml.MappingNode):
        return ""
    root.value = [(key, value) for key, value in root.value if key.value not in own]
    return "\n" + _serialise(root) if root.value else ""


def _serialise(node: Any) -> str:
    text: str = yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=1 << 20)
    return text


def settle(dataset: Dataset, tree: Tree, root: str, names: Mapping[int, str]) -> dict[str, bytes]:
    """The documents of a YOLO dataset for a copy of it: as they are, but that no path leads out of the copy, where
    the trainer would find the images of the source; and that they say `names` (by class id).

    root: where the dataset was read from.
    """
    settled: dict[str, bytes] = {}
    stated = dataset.about.documents
    renamed = names_of(dataset) != names
    for file, raw in stated.items():
        text = decode_text(raw)
        if is_class_list(file):
            settled[file] = _renamed_list(file, raw, names) if renamed else raw
        elif not is_config(file):
            settled[file] = _settle_list(file, raw, text, tree)
        elif file.lower().endswith(".data"):
            config = parse_data(file, text)
            settled[file] = _settle_data(config, raw, text, tree, stated, root, names) if config else raw
        else:
            config, _ = parse_yaml(file, text)
            settled[file] = _settle_yaml(config, raw, text, tree, stated, root, names) if config else raw
    if renamed and not stated:
        settled["classes.txt"] = _renamed_list("classes.txt", b"", names)
    return settled


def names_of(dataset: Dataset) -> dict[int, str]:
    """Class names by id as the documents state them, or the ids themselves where none does."""
    first = next(iter(dataset.about.documents), "")
    if is_config(first) and not first.lower().endswith(".data"):
        config, _ = parse_yaml(first, decode_text(dataset.about.documents[first]))
        if config is not None and config.names:
            return config.names
    if dataset.about.class_lists:
        return dict(enumerate(dataset.about.class_lists[0].names))
    table = dataset.categories[dataset.categories["declared"].to_numpy(bool)]
    return {number: str(number) for number in table["category_id"].tolist()}


def _renamed_list(file: str, raw: bytes, names: Mapping[int, str]) -> bytes:
    if file.lower().endswith(".json"):
        notes = msgspec.json.decode(raw)
        notes["categories"] = [{"id": number, "name": name} for number, name in names.items()]
        return msgspec.json.format(msgspec.json.encode(notes), indent=2)
    return "".join(f"{names.get(number, '')}\n" for number in range(max(names, default=-1) + 1)).encode()


def _settle_list(file: str, raw: bytes, text: str, tree: Tree) -> bytes:
    """A list of images whose absolute entries are put as the trainer takes them, relative to the list."""
    entries = read_entries(text)
    if not any(_ABSOLUTE.match(entry) for entry in entries):
        return raw
    folder = file.rpartition("/")[0]
    for at, entry in enumerate(entries):
        found = tree.index.find(entry) if _ABSOLUTE.match(entry) else None
        if found is not None:
            entries[at] = f"./{posixpath.relpath(found, folder or '.')}"
    return "".join(f"{entry}\n" for entry in entries).encode()


def _places(config: Config, declared: Declared, tree: Tree, files: Mapping[str, bytes], root: str) -> list[str]:
    """Where a data.yaml of the copy is to say that a declared place is: as it stands where a trainer finds it so, else
    relative to the config what the reader took for it, else as it stands but without leading out of the copy.
    """
    value = _WILD.sub("", declared.value.strip().replace("\\", "/"))
    path = "" if _is_astray(config, tree) else config.path.replace("\\", "/")
    stated = posixpath.join(config.folder, path, value)
    outside = bool(_ABSOLUTE.match(value)) or escapes(stated)
    if not outside and (resolve(stated) in tree.above or resolve(stated) in files):
        return [declared.value]
    found = _find(tree, config, declared.split, value, root, files)
    if not found and (not outside or _ABSOLUTE.match(value)):
        return [declared.value]
    home = posixpath.join(config.folder, path) or "."
    return [posixpath.relpath(place or ".", home) for place in found or [resolve(stated)]]


def _find(tree: Tree, config: Config, split: str, value: str, root: str, files: Mapping[str, bytes]) -> list[str]:
    """The folders with images, or the list, that a reader takes a declared place for."""
    place = find_place(tree, config, value, root, files)
    if place is not None:
        return [place]
    base = value.rpartition("/")[2]
    if base.lower().endswith(".txt"):
        same = [name for name in files if name.rpartition("/")[2] == base]
        return same if len(same) == 1 else []
    return likely_folders(tree, split, value)[0]


def _is_astray(config: Config, tree: Tree) -> bool:
    """Whether `path` leads elsewhere than to a folder of the dataset."""
    place = posixpath.normpath(posixpath.join(config.folder, config.path.replace("\\", "/")))
    return bool(config.path) and place not in (".", *tree.above)


def _moved(config: Config, declared: Declared, tree: Tree, files: Mapping[str, bytes], root: str) -> str:
    """The value of a declared place, relative to the config where it was absolute or below a path that is astray."""
    if not _ABSOLUTE.match(declared.value) and not _is_astray(config, tree):
        return declared.value
    found = find_place(tree, config, declared.value, root, files)
    return posixpath.relpath(found or ".", config.folder or ".") if found is not None else declared.value


def _settle_data(
    config: Config, raw: bytes, text: str, tree: Tree, files: Mapping[str, bytes], root: str, names: Mapping[int, str]
) -> bytes:
    changes = {declared.line: _moved(config, declared, tree, files, root) for declared in config.splits}
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        key, _, value = (part.strip() for part in line.partition("="))
        if key.lower() == "names":
            stated = Declared("", key, value, number)
            changes[number] = _moved(config, stated, tree, files, root)
        elif key.lower() == "classes" and config.nc is not None and config.nc != len(names):
            changes[number] = str(len(names))
        if number in changes and changes[number] != value:
            lines[number - 1] = f"{key} = {changes[number]}"
    return raw if lines == text.splitlines() else "".join(f"{line}\n" for line in lines).encode()


def _settle_yaml(
    config: Config, raw: bytes, text: str, tree: Tree, files: Mapping[str, bytes], root: str, names: Mapping[int, str]
) -> bytes:
    """The data.yaml with the places of the copy and `names`; all else in it stays as it is, comments too."""
    moved = {
        (declared.key, declared.line, declared.value): _places(config, declared, tree, files, root)
        for declared in config.splits
    }
    astray, renamed = _is_astray(config, tree), bool(config.names) and config.names != names
    if not astray and not renamed and all(places == [key[2]] for key, places in moved.items()):
        return raw
    document: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    if not (astray or renamed) and all(len(places) == 1 for places in moved.values()):
        return _with_places(text, document, moved).encode()
    kept = []
    for key, node in document.value:
        if key.value == "path" and astray:
            continue
        if key.value == "names" and renamed:
            node = _names_node(names)
        elif key.value == "nc" and renamed:
            node = yaml.ScalarNode("tag:yaml.org,2002:int", str(len(names)))
        else:
            node = _moved_node(key.value, node, moved)
        kept.append((key, node))
    document.value = kept
    return _serialise(document).encode()


def _stated(key: str, node: Any) -> tuple[str, int, str]:
    return key, node.start_mark.line + 1 if node.start_mark else 0, node.value


def _with_places(text: str, document: Any, moved: Mapping[tuple[str, int, str], list[str]]) -> str:
    """The text with another place at the spot of each that moved."""
    spans: list[tuple[int, int, str]] = []
    for key, node in document.value:
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(part, yaml.ScalarNode):
                (place,) = moved.get(_stated(key.value, part), [part.value])
                if place != part.value:
                    spans.append((part.start_mark.index, part.end_mark.index, quote_name(place, plain=True)))
    for start, end, place in sorted(spans, reverse=True):
        text = text[:start] + place + text[end:]
    return text


def _moved_node(key: str, node: Any, moved: Mapping[tuple[str, int, str], list[str]]) -> Any:
    """The value of a key with the places that moved."""
    within = isinstance(node, yaml.SequenceNode)
    parts: list[Any] = []
    for part in node.value if within else [node]:
        places = moved.get(_stated(key, part), [part.value]) if isinstance(part, yaml.ScalarNode) else []
        same = not places or places == [part.value]
        parts += [part] if same else [yaml.ScalarNode("tag:yaml.org,2002:str", place) for place in places]
    if not within and len(parts) == 1:
        return parts[0]
    return yaml.SequenceNode("tag:yaml.org,2002:seq", parts, flow_style=getattr(node, "flow_style", None))


def _names_node(names: Mapping[int, str]) -> Any:
    texts = [yaml.ScalarNode("tag:yaml.org,2002:str", name, style='"') for name in names.values()]
    if list(names) == list(range(len(names))):
        return yaml.SequenceNode("tag:yaml.org,2002:seq", texts, flow_style=False)
    keys = [yaml.ScalarNode("tag:yaml.org,2002:int", str(number)) for number in names]
    return yaml.MappingNode("tag:yaml.org,2002:map", list(zip(keys, texts, strict=True)), flow_style=False)
