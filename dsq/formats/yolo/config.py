"""What says how a YOLO dataset is laid out: data.yaml, Darknet's obj.data, lists of classes and of images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml

from dsq.errors import ReadError
from dsq.formats.layout import SPLITS, decode_text, split_of, stem
from dsq.formats.yolo.nodes import Budget, compose
from dsq.formats.yolo.rows import is_row, quote
from dsq.model import ClassList, Notice
from dsq.source import Source, is_image

Problem = tuple[str, str, str, str]

MOST_CONFIG = 1 << 20  # bytes of a data.yaml
MOST_PLACES = 200  # that a config names for its splits
MOST_PATH, MOST_PARTS = 4096, 128  # characters and folders of a path
MOST_CLASSES = 100_000
_CONFIG_SUFFIXES = (".yaml", ".yml", ".data")
_CLASS_LISTS = frozenset(
    f"{before}{word}.txt"
    for before in ("", "predefined_", "obj_", "obj.", "coco_", "coco.")
    for word in ("class", "classes", "names", "class_names", "classnames", "class-names", "label", "labels")
) | {"notes.json"}
_PROSE = re.compile(
    r"(?:read[ _-]?me.*|(?:licen[sc]e|copying|notice|notes?|requirements|changelog|citation)[\w.-]*)\.txt"
)
_PROSE_STARTS = ("read", "licen", "copying", "note", "notice", "requirements", "changelog", "citation")
_CONFIG_KEY = re.compile(r"^[ \t]*(?:names|nc|train|val|valid|test|path)[ \t]*:", re.MULTILINE)
#: what a written data.yaml says above a train or val that names other images, since the trainer asks for both
UNSPLIT = "# The set is not split: train and val are the same images. Split it before training."
LACKING = "# The set has no {0} split: {0} names other images. Split it before training."
_PLACEHOLDER = re.compile(rb"^# The set (?:has no (train|val) split|is not split):", re.MULTILINE)
_BOOLEANS = {
    **dict.fromkeys(("y", "yes", "true", "on"), "the boolean true"),
    **dict.fromkeys(("n", "no", "false", "off"), "the boolean false"),
    **dict.fromkeys(("~", "null"), "nothing at all"),
}


@dataclass(frozen=True)
class Declared:
    """One place that a config names for a split: `value` as written, under `key` in `line` (from 1)."""

    split: str
    key: str
    value: str
    line: int


@dataclass
class Config:
    """A data.yaml or obj.data as written; `names` by class id."""

    file: str
    raw: bytes = b""
    path: str = ""
    splits: list[Declared] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    names_file: str = ""
    nc: int | None = None
    keypoints: tuple[int, int] | None = None
    rank: int = 0  # among files of the same depth: data.yaml before others
    notices: list[Notice] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def folder(self) -> str:
        """The folder it lies in, "" for the root."""
        return self.file.rpartition("/")[0]

    @property
    def placeholders(self) -> set[str]:
        """Splits that the file itself says are not there: what it names for them is a placeholder."""
        said = {found[1].decode() if found[1] else "" for found in _PLACEHOLDER.finditer(self.raw)}
        return {"train", "val"} if "" in said else said

    def complain(self, line: int, what: str) -> None:
        """Add a malformed-record problem."""
        self.problems.append(("malformed-record", self.file, f"line {line}" if line else "", what))

    def notice(self, kind: str, text: str) -> None:
        self.notices.append(Notice(kind, text, self.file))


def is_class_list(name: str) -> bool:
    """Whether a file is called as lists of class names are: classes.txt, obj.names, _darknet.labels …"""
    base = name.rpartition("/")[2].lower()
    return base in _CLASS_LISTS or base.endswith((".names", "darknet.labels"))


def is_prose(name: str) -> bool:
    """Whether a text file is called as prose is: README.txt, LICENSE.txt, requirements.txt …"""
    base = name.rpartition("/")[2].lower()
    return base.startswith(_PROSE_STARTS) and _PROSE.fullmatch(base) is not None


def is_config(name: str) -> bool:
    """Whether a file may be a data.yaml or an obj.data, by its name."""
    return name.lower().endswith(_CONFIG_SUFFIXES)


def is_split_list(name: str) -> bool:
    """Whether a text file is called as a split's list: train.txt, val.txt, test2017.txt; not train1.txt."""
    word = stem(name).lower()
    return word in SPLITS or (split_of(word) is not None and re.search(r"[^\d]\d{4}$", word) is not None)


def read_configs(source: Source) -> tuple[list[Config], list[Problem]]:
    """Every data.yaml and obj.data of a source, and what could not be read; other YAML is passed over."""
    configs: list[Config] = []
    problems: list[Problem] = []
    budget = Budget()
    for name in source.with_suffix(*_CONFIG_SUFFIXES):
        try:
            raw = source.read(name, MOST_CONFIG)
        except ReadError as error:
            problems.append(("malformed-record", name, "", f"{error.what} It was not used."))
            continue
        text = decode_text(raw)
        if name.lower().endswith(".data"):
            config = parse_data(name, text)
        else:
            config, problem = parse_yaml(name, text, budget)
            problems += problem
        if config is not None:
            config.raw = raw
            configs.append(config)
    return configs, problems


def _leave_endless(config: Config) -> None:
    """Take out paths that no system takes, and places beyond MOST_PLACES."""
    for declared in config.splits:
        if _is_endless(declared.value):
            what = f"{declared.key} is a path of {len(declared.value):,} characters; it was passed over"
            config.complain(declared.line, what)
    config.splits = [declared for declared in config.splits if not _is_endless(declared.value)]
    if len(config.splits) > MOST_PLACES:
        what = f"{len(config.splits):,} places are named for images; all but {MOST_PLACES} were passed over"
        config.complain(config.splits[MOST_PLACES].line, what)
        del config.splits[MOST_PLACES:]
    for key, value in (("path", config.path), ("names", config.names_file)):
        if _is_endless(value):
            config.complain(0, f"{key} is a path of {len(value):,} characters; it was passed over")
            config.path, config.names_file = ("", config.names_file) if key == "path" else (config.path, "")


def _is_endless(path: str) -> bool:
    return len(path) > MOST_PATH or path.count("/") + path.count("\\") > MOST_PARTS


def parse_data(file: str, text: str) -> Config | None:
    """Darknet's `key = value` lines; None where they are something else."""
    config = Config(file)
    for number, line in enumerate(text.splitlines(), 1):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or key.startswith("#") or not value:
            continue
        split = split_of(key)
        if key.lower() == "classes":
            config.nc = _whole(value, MOST_CLASSES)
        elif key.lower() == "names":
            config.names_file = value
        elif split:
            config.splits.append(Declared(split, key, value, number))
    stated = bool(config.splits or config.names_file)
    _leave_endless(config)
    return config if stated else None


def parse_yaml(file: str, text: str, budget: Budget | None = None) -> tuple[Config | None, list[Problem]]:
    """A data.yaml without any tag or code; None where the YAML is something else.

    budget: what all files of a source may hold together.
    """
    likely = _CONFIG_KEY.search(text) is not None
    root, refusal = compose(text, budget or Budget())
    if refusal:
        place, cause = refusal
        what = f"{cause}; the file was not used"
        return None, [("malformed-record", file, place, what)] if likely or "tag" in cause else []
    if not isinstance(root, yaml.MappingNode):
        return None, []
    entries = {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)}
    if entries.keys() & {"backbone", "head", "services", "weights"}:
        return None, []
    config = Config(file)
    for key, node in entries.items():
        split = split_of(key) if key.lower() in SPLITS else _own_split(key, node)
        if split:
            values = node.value if isinstance(node, yaml.SequenceNode) else [node]
            for value in values:
                if isinstance(value, yaml.ScalarNode) and value.value not in ("", "null", "~"):
                    config.splits.append(Declared(split, key, value.value, value.start_mark.line + 1))
    if "names" in entries:
        _take_names(config, entries["names"])
    if not (config.splits or config.names or config.names_file):
        return None, []
    _take_settings(config, entries)
    _leave_endless(config)
    return config, []


def _own_split(key: str, node: Any) -> str | None:
    """The key as the name of a split where its value is the folder of images that is called so."""
    return key if isinstance(node, yaml.ScalarNode) and node.value == f"images/{key}" else None


def _take_settings(config: Config, entries: dict[str, Any]) -> None:
    scalars = {key: node.value for key, node in entries.items() if isinstance(node, yaml.ScalarNode)}
    if scalars.get("path") not in (None, "null", "~"):
        config.path = scalars["path"]
    if "nc" in scalars:
        config.nc = _whole(scalars["nc"], MOST_CLASSES)
        if config.nc is None:
            line = entries["nc"].start_mark.line + 1
            config.complain(line, f"nc is {quote(scalars['nc'])}, no number of classes; it was passed over")
    if config.nc is not None and config.names and config.nc != len(config.names):
        classes = f"{config.nc:,} class{'es' if config.nc != 1 else ''}"
        what = f"nc says {classes}, names has {len(config.names):,}: the trainer refuses to start"
        line = f"line {entries['nc'].start_mark.line + 1}"
        config.problems.append(("class-list-disagreement", config.file, line, what))
    shape = entries.get("kpt_shape")
    if isinstance(shape, yaml.SequenceNode):
        numbers = [_whole(str(part.value), 10_000) for part in shape.value]
        if len(numbers) == 2 and numbers[0] and numbers[1] in (2, 3):
            config.keypoints = numbers[0], numbers[1]
        else:
            line = shape.start_mark.line + 1
            config.complain(line, "kpt_shape is not [number of keypoints, 2 or 3]; it was passed over")
    if scalars.get("download") not in (None, "", "null", "~"):
        shown = quote(scalars["download"])
        config.notice("yaml-download", f"download: {shown} may be code; it is never run.")
    for key in {declared.key for declared in config.splits} & {"valid", "validate", "dev"}:
        if not {"val", "validation"} & {declared.key for declared in config.splits}:
            config.notice("yaml-key", f"{key}: was read as val; the trainer asks for a key val.")


def _take_names(config: Config, node: Any) -> None:
    """Class names by id from a list, a mapping (either way round), a string, or the name of a file."""
    if isinstance(node, yaml.ScalarNode):
        if re.search(r"\.(?:names|txt)$", node.value):
            config.names_file = node.value
        elif node.value and (node.style or node.value not in ("null", "~")):
            _add_name(config, 0, node)
        return
    for number, item in enumerate(_pairs(node)):
        key, value = item
        if value is not None and not isinstance(value, yaml.ScalarNode):
            what = f"class {number} is not named by a text; it was passed over"
            config.complain(value.start_mark.line + 1, what)
            continue
        if key is None:
            _add_name(config, number, value)
            continue
        if not isinstance(key, yaml.ScalarNode):
            config.complain(key.start_mark.line + 1, f"the key of class {number} is no text; it was passed over")
            continue
        index = _whole(key.value, 10**9)
        if index is None and value is not None and _whole(value.value, 10**9) is not None:
            _add_name(config, int(value.value), key)
        elif index is None:
            what = f"{quote(str(key.value))} is not a class id from 0; the entry was passed over"
            config.complain(key.start_mark.line + 1, what)
        else:
            _add_name(config, index, value)


def _pairs(node: Any) -> Iterator[tuple[Any, Any]]:
    """(key or None, value) of a mapping, of a list, or of a list of mappings with one entry each."""
    for item in node.value:
        if isinstance(node, yaml.MappingNode):
            yield item
        elif isinstance(item, yaml.MappingNode) and len(item.value) == 1:
            yield item.value[0]
        else:
            yield None, item


def _add_name(config: Config, index: int, node: Any) -> None:
    line = node.start_mark.line + 1
    if index in config.names:
        config.complain(line, f"class {index} is named twice; {quote(node.value)} was passed over")
        return
    config.names[index] = node.value or str(index)
    meaning = None if node.style else _BOOLEANS.get(node.value.lower())
    if meaning:
        text = f"class {index} is called {node.value} without quotes, which YAML 1.1 reads as {meaning}"
        config.notice("yaml-boolean-name", f"{text}; the text was kept. Put it in quotes.")


def _whole(text: str, most: int) -> int | None:
    """A whole number from 0 to `most`, else None."""
    return int(text) if re.fullmatch(r"\d{1,10}", text, re.ASCII) and int(text) <= most else None


def find_class_lists(source: Source) -> list[str]:
    """Files that are called as lists of class names are, sorted."""
    return list(filter(is_class_list, source.with_suffix(".txt", ".json", ".names", ".labels")))


def read_class_lists(source: Source) -> tuple[list[ClassList], list[Problem]]:
    """The lists of class names that lie about as files of their own, those nearest to the root first."""
    lists: list[ClassList] = []
    problems: list[Problem] = []
    found = find_class_lists(source)
    for name in sorted(found, key=lambda name: (name.count("/"), name.endswith(".json"), name)):
        try:
            raw = source.read(name, MOST_CONFIG)
        except ReadError as error:
            problems.append(("malformed-record", name, "", f"{error.what} It was not used."))
            continue
        names = _notes_names(raw) if name.lower().endswith(".json") else parse_names(decode_text(raw))
        if names:
            lists.append(ClassList(name, tuple(names)))
    return lists, problems


def parse_names(text: str) -> list[str]:
    """Class names, one a line; none where the lines are labels. A blank line between counts as a class."""
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if any(is_row(line) for line in lines[:3]):
        return []
    return [line or str(index) for index, line in enumerate(lines[:MOST_CLASSES])]


def _notes_names(raw: bytes) -> list[str]:
    """Class names of Label Studio's notes.json, which holds `categories` with `id` and `name`."""
    try:
        notes = msgspec.json.decode(raw)
        names = {item["id"]: item["name"] for item in notes["categories"]}
    except (msgspec.DecodeError, KeyError, TypeError, RecursionError):
        return []
    if set(names) != set(range(len(names))) or not all(isinstance(name, str) for name in names.values()):
        return []
    return [names[index] for index in range(len(names))]


def read_entries(text: str) -> list[str]:
    """The image names of a list file, one a line."""
    return [line.strip().replace("\\", "/") for line in text.splitlines() if line.strip()]


def is_image_list(text: str) -> bool:
    """Whether most of the first lines name images."""
    lines = read_entries(text)[:20]
    return sum(is_image(line) for line in lines) * 2 > len(lines)
