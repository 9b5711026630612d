"""Freed memory goes back to the system where the C library keeps it."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from graphrec.serving.memory import give_memory_back


def resident_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def test_what_was_freed_goes_back():
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("the C library is not glibc")
    # Small ones lie on the heap, and the last one keeps its end in use.
    blocks = [np.ones(2_000) for _ in range(10_000)]
    last = blocks.pop()
    before = resident_kb()
    del blocks
    give_memory_back()
    assert resident_kb() < before - 100_000
    assert last.sum() == 2_000


def test_where_the_library_cannot_it_does_nothing(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    give_memory_back()
