"""Memory of the process."""

import ctypes
import gc
from contextlib import suppress


def give_memory_back() -> None:
    """Hand back to the system what was freed; takes 10 ms for a state of a gigabyte.

    glibc keeps large blocks that one thread freed for that thread: a snapshot would hold its room
    until the next one is written. Does nothing where the C library is another.

    Source:
        malloc_trim(3), https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def settle_memory() -> None:
    """Drop what nobody reaches any more, and look no more at what is left.

    A full collection over all that a state holds stops a process for 0.1 s: better once, after a
    state was made, than whenever Python thinks of it.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    give_memory_back()
