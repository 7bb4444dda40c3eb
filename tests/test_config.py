"""Settings: where they are found, what they refuse, and that `dsq init` writes what can be read back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dsq
from dsq.config import find_config, load_config, sample_config
from dsq.engine import choose, settle
from dsq.registry import all_rules


def test_nearest_file_wins(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.dsq]\nignore = ["boxes"]\n')
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\n")
    assert find_config(inner) == tmp_path / "pyproject.toml"
    (tmp_path / "a" / "dsq.toml").write_text('fail-on = "warning"\n')
    assert find_config(inner) == tmp_path / "a" / "dsq.toml"
    assert load_config(tmp_path / "a" / "dsq.toml").fail_on == "warning"
    assert load_config(tmp_path / "pyproject.toml").ignore == ("boxes",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('fail_on = "error"', "Did you mean 'fail-on'?"),
        ('fail-on = "sometimes"', "it takes error, warning"),
        ("select = 3", "it takes a list"),
        ("[rules]\ntiny-box = 3", "write [rules.tiny-box]"),
        ("select = [", "is no valid TOML"),
        ("rules = 3", "write a table [rules]"),
    ],
)
def test_bad_file_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "dsq.toml"
    path.write_text(text)
    with pytest.raises(dsq.ConfigError, match=re.escape(words)) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(dsq.ConfigError, match="is no file"):
        load_config(tmp_path / "none.toml")


def test_sample_reads_back_as_the_defaults(tmp_path: Path) -> None:
    text = sample_config(all_rules())
    path = tmp_path / "dsq.toml"
    path.write_text(text)
    quiet = load_config(path)
    assert not quiet.select and not quiet.per_path_ignores and not any(quiet.thresholds.values())
    path.write_text(re.sub(r"(?m)^# (?=[\w-]+ = |\"night)", "", text))
    loud = load_config(path)
    assert loud.select == ("all",) and loud.per_path_ignores == {"night/*": ("tiny-box",)}
    assert settle(loud.thresholds) == settle({})


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(dsq.ConfigError, match="Did you mean 'tiny-box'"):
        choose(["tinybox"], None)
    with pytest.raises(dsq.ConfigError, match="did you mean 'min_side'"):
        settle({"tiny-box": {"minside": 3}})
    with pytest.raises(dsq.ConfigError, match="it takes a value like"):
        settle({"tiny-box": {"min_side": "big"}})
    with pytest.raises(dsq.ConfigError, match="is a group"):
        settle({"boxes": {"min_side": 3}})


def test_select_and_ignore() -> None:
    chosen = {rule.name for rule in choose("boxes,unused-class", ["tiny-box"])}
    assert "degenerate-box" in chosen and "unused-class" in chosen
    assert "tiny-box" not in chosen and "missing-image" not in chosen
    assert len(choose(None, None)) == len(all_rules())


def test_thresholds_and_per_path_ignores_reach_the_rules() -> None:
    data = dsq.build_dataset([("day/a.jpg", "cat", 9, 9, 6, 40), ("night/b.jpg", "cat", 9, 9, 6, 40)])
    calm = dsq.audit(data, select="tiny-box")
    found = dsq.audit(data, select="tiny-box", thresholds={"tiny-box": {"min_side": 8}})
    some = dsq.audit(
        data,
        select="tiny-box",
        thresholds={"tiny-box": {"min_side": 8}},
        per_path_ignores={"night/*": ["boxes"]},
    )
    assert len(calm.findings) < len(found.findings)
    assert set(found.findings["image"].dropna()) == {"day/a.jpg", "night/b.jpg"}
    assert set(some.findings["image"].dropna()) == {"day/a.jpg"}
