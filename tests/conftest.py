"""Fixtures: where the shared real datasets and the project's own samples lie."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real datasets beside the checkout; skips where it is not there."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no folder shared/data beside the checkout: the real datasets are not here")
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    """The sample datasets that the project renders itself."""
    return ROOT / "sample_datasets"
