"""What --map says: a YAML or JSON file of old and new class names, or OLD=NEW."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dsq.errors import ConfigError

NOTHING = ("", "~", "null", "Null", "NULL")


def read_mapping(given: Sequence[str], drop: Sequence[str] = ()) -> dict[str, str | None]:
    """{old: new}; None where a class is to be dropped. Later ones replace earlier ones. ConfigError where it is
    neither a file nor OLD=NEW.
    """
    mapping: dict[str, str | None] = {}
    for text in given:
        if "=" in text and not Path(text).exists():
            old, _, new = text.partition("=")
            mapping[old.strip()] = new.strip() or None
        else:
            mapping |= _read_file(text)
    return mapping | dict.fromkeys(drop)


def _read_file(name: str) -> dict[str, str | None]:
    import yaml

    from dsq.formats.layout import decode_text

    hint = "It holds lines such as `poodle: dog`; `poodle: null` drops a class."
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}.", where=name, hint=hint) from error
    try:
        # BaseLoader makes nothing but text, so that `no` and `1` stay names
        found: Any = yaml.load(decode_text(data), Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"is no YAML: {str(error).splitlines()[0]}.", where=name, hint=hint) from error
    if not isinstance(found, dict):
        raise ConfigError("is no table of old and new names.", where=name, hint=hint)
    for old, new in found.items():
        if not isinstance(old, str) or not isinstance(new, str):
            raise ConfigError(f"the new name of {old!r} is {new!r}, not a text.", where=name, hint=hint)
    return {old: None if new in NOTHING else new for old, new in found.items()}
