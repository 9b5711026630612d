"""Fixtures every room shares."""

import os
from pathlib import Path

import pytest

REAL_DATA = (Path(__file__).parents[1] / ".." / "shared" / "data").resolve()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; skips where it is missing, except in CI, where it must be."""
    if REAL_DATA.is_dir():
        return REAL_DATA
    if os.environ.get("CI"):
        pytest.fail(f"the real data sets are missing in CI: {REAL_DATA}")
    pytest.skip(f"the real data sets are not licensed for shipping; none at {REAL_DATA}")
