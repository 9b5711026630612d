"""A short name for what a pipeline is made of: another one for other files or settings."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from graphrec.errors import DataError

_DIGITS = 12


def fingerprint(paths: Sequence[Path | None], *words: str) -> str:
    """Twelve hex digits that change with files' names, sizes and times of change.

    Args:
        paths: Files and folders; None stands for none.
        words: What else tells it from another.

    Raises:
        DataError: A path does not exist.
    """
    digest = hashlib.sha256("\0".join(words).encode())
    for path in paths:
        digest.update(b"\0\0")
        if path is None:
            continue
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                found = file.stat()
                told = f"{file.relative_to(path.parent)}\0{found.st_size}\0{found.st_mtime_ns}"
                digest.update(told.encode())
    return digest.hexdigest()[:_DIGITS]
