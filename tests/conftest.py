"""Fixtures: where the shared real datasets and the project's own samples lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent


# the same examples in every run, so that what fails here fails everywhere; HYPOTHESIS_PROFILE=search looks further
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None, database=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this session's own: no test sees what another run measured."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("DSQ_CACHE_DIR")
    os.environ["DSQ_CACHE_DIR"] = str(folder)
    yield folder
    if before is None:
        del os.environ["DSQ_CACHE_DIR"]
    else:
        os.environ["DSQ_CACHE_DIR"] = before


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
