"""Where Numba keeps compiled kernels, and whether a kernel has been compiled here before."""

from pathlib import Path

from numba import config
from numba.misc.appdirs import AppDirs


def cache_folders() -> list[Path]:
    """Folders that may hold compiled kernels, the likeliest first."""
    beside = Path(__file__).parent / "__pycache__"
    anywhere = Path(config.CACHE_DIR) if config.CACHE_DIR else None
    per_user = Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)
    return [folder for folder in (anywhere, beside, per_user) if folder is not None]


def is_compiled(module: str) -> bool:
    """Whether kernels of `graphrec.kernels.<module>` lie compiled in one of the folders."""
    return any(
        next(folder.rglob(f"{module}.*.nbi"), None) is not None
        for folder in cache_folders()
        if folder.is_dir()
    )
