"""Where a figure comes from: code, data, seed, machine."""

import os
import platform
import subprocess  # nosec B404
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

UNKNOWN: Final = "unknown"
NAMED_PACKAGES: Final = ("graphrec", "numpy", "scipy", "numba", "polars", "pyarrow", "torch")


@dataclass(frozen=True, slots=True)
class Provenance:
    """What has to be known to repeat a measurement.

    Attributes:
        data_name: The data set.
        data_sha256: Hash of its files, hex; empty where it was not read from files.
        seed: The seed everything random was started from.
        settings: The experiment's settings, JSON values only.
        commit: Git commit of the code, `+changes` behind it where files differ; or `unknown`.
        measured_at: When, ISO 8601 in UTC.
        hardware: Processor, cores this process may use, memory.
        versions: Python and the packages that matter.
    """

    data_name: str
    data_sha256: str
    seed: int
    settings: Mapping[str, object]
    commit: str
    measured_at: str
    hardware: Mapping[str, str]
    versions: Mapping[str, str]


def provenance_of(
    data_name: str, data_sha256: str, seed: int, settings: Mapping[str, object]
) -> Provenance:
    """The provenance of a figure measured here and now, on this machine, by this code."""
    return Provenance(
        data_name,
        data_sha256,
        seed,
        settings,
        code_commit(),
        datetime.now(UTC).isoformat(timespec="seconds"),
        hardware(),
        package_versions(),
    )


def code_commit(folder: Path = Path(__file__).parent) -> str:
    """The git commit that the code in `folder` belongs to, or `unknown` where git does not say."""
    try:
        # An installed copy may lie inside somebody else's repository, which does not track it.
        _git(folder, "ls-files", "--error-unmatch", str(folder / Path(__file__).name))
        commit = _git(folder, "rev-parse", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return f"{commit}+changes" if changes else commit


def hardware() -> dict[str, str]:
    """Processor, cores this process may use, and memory."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if _has("sched_getaffinity") else os.cpu_count()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def package_versions() -> dict[str, str]:
    """Versions of Python and of those named packages that are installed."""
    found = {"python": platform.python_version()}
    for package in NAMED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str:
    # Fixed words and a folder of this machine, without a shell; which git it is, PATH says.
    answer = subprocess.run(  # nosec B603 B607
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
    )
    return answer.stdout.strip()


def _has(name: str) -> bool:
    return hasattr(os, name)


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or UNKNOWN


def _memory() -> str:
    if not _has("sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return UNKNOWN
    n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{n_bytes / 2**30:.0f} GiB"
