"""Public data sets: where their publishers keep them, and how to fetch one safely."""

import hashlib
import http.client
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from graphrec.errors import DownloadError, SettingsError

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived, and how many there will be where that is known."""

TIMEOUT_S: Final = 30.0
_CHUNK: Final = 1 << 18
_GROUPLENS: Final = "https://files.grouplens.org/datasets/movielens/"
_GROUPLENS_TERMS: Final = "GroupLens terms: research, cite, no redistribution or commercial use"
_MIND: Final = "https://recodatasets.z20.web.core.windows.net/newsrec/"
_MIND_TERMS: Final = "Microsoft Research Licence Terms: research only"


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A data set at its publisher's.

    Attributes:
        name: What `download` knows it by, and the folder it goes to.
        url: The file, a zip archive or a table.
        about: What is in it.
        licence: Under which terms.
        checksum: `md5:` or `sha256:` and the hex digest; empty where none is known.
        n_lines: Lines of a table that has no checksum, header included, checked instead.
    """

    name: str
    url: str
    about: str
    licence: str
    checksum: str = ""
    n_lines: int | None = None


PUBLIC_SETS: Final[tuple[PublicSet, ...]] = (
    PublicSet(
        "ml-latest-small",
        _GROUPLENS + "ml-latest-small.zip",
        "MovieLens, 100,836 ratings and 3,683 tags of 610 users, 1996-2018",
        _GROUPLENS_TERMS,
        "sha256:696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    ),
    PublicSet(
        "ml-1m",
        _GROUPLENS + "ml-1m.zip",
        "MovieLens, 1,000,209 ratings of 6,040 users, 2000-2003",
        _GROUPLENS_TERMS,
        "md5:c4d9eecfca2ab87c1945afe126590906",
    ),
    PublicSet(
        "ml-20m",
        _GROUPLENS + "ml-20m.zip",
        "MovieLens, 20,000,263 ratings of 138,493 users, 1995-2015",
        _GROUPLENS_TERMS,
        "md5:cd245b17a1ae2cc31bb14903e1204af3",
    ),
    PublicSet(
        "ml-25m",
        _GROUPLENS + "ml-25m.zip",
        "MovieLens, 25,000,095 ratings of 162,541 users, 1995-2019",
        _GROUPLENS_TERMS,
        "md5:6b51fb2759a8657d3bfcbfc42b592ada",
    ),
    PublicSet(
        "ml-32m",
        _GROUPLENS + "ml-32m.zip",
        "MovieLens, 32,000,204 ratings of 200,948 users, 1995-2023",
        _GROUPLENS_TERMS,
        "md5:d472be332d4daa821edc399621853b57",
    ),
    PublicSet(
        "tgbl-wiki",
        "http://snap.stanford.edu/jodie/wikipedia.csv",
        "JODIE's Wikipedia edits, 157,474 of 8,227 users on 1,000 pages, 31 days (TGB's tgbl-wiki)",
        "none stated by the publisher; TGB lists it as CC BY-NC 4.0",
        n_lines=157_475,
    ),
    PublicSet(
        "mind-small-train",
        _MIND + "MINDsmall_train.zip",
        "MIND, shown news and clicks of 50,000 users, one week of November 2019",
        _MIND_TERMS,
    ),
    PublicSet(
        "mind-small-dev",
        _MIND + "MINDsmall_dev.zip",
        "MIND, the day after those of mind-small-train",
        _MIND_TERMS,
    ),
)


def public_set(name: str) -> PublicSet:
    """The public set called `name`.

    Raises:
        SettingsError: There is none.
    """
    for known in PUBLIC_SETS:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in PUBLIC_SETS)
    raise SettingsError(f"unknown data set {name!r} — known are {names}")


def download(
    source: PublicSet,
    into: Path,
    *,
    base_url: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fetch a public set from its publisher.

    Args:
        source: Which; see `public_set`.
        into: Folder that receives a folder of the set's name.
        base_url: Fetch the file of the same name from there instead, such as a mirror.
        progress: Told how far it is.

    Returns:
        The set's folder, ready for `read_dataset`; it appears only when it is whole and checked.

    Raises:
        DownloadError: No network, no such file, not the file it should be, cut off, no room left,
            or the folder is already there.
    """
    target = into / source.name
    url = source.url if base_url is None else f"{base_url.rstrip('/')}/{source.url.rsplit('/')[-1]}"
    if target.exists():
        raise DownloadError(f"{target}: is already there — delete it to fetch {source.name} again")
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{source.name}.", dir=into) as scratch:
            archive = Path(scratch) / url.rsplit("/")[-1]
            _fetch(url, archive, progress)
            _verify(archive, source)
            unpacked = Path(scratch) / "unpacked"
            _unpack(archive, unpacked)
            unpacked.rename(target)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DownloadError(
            f"{into}: cannot be written — {reason}; free some room or choose another folder"
        ) from error
    return target


def _fetch(url: str, path: Path, progress: Progress | None) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "graphrec"})
    try:
        # The addresses are constants of this file: http or https, no file.
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # nosec B310
            _receive(response, path, url, progress)
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(
            f"{url}: the server answers {error.code} {error.reason} — the publisher may have moved "
            "the file; fetch it by hand and unpack it into the data folder"
        ) from error
    except urllib.error.URLError as error:
        raise DownloadError(
            f"{url}: cannot be reached ({error.reason}) — check the network or its proxy settings "
            "and try again, or fetch the file by hand elsewhere"
        ) from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: the connection broke ({error}) — try again") from error


def _receive(response: Any, path: Path, url: str, progress: Progress | None) -> None:
    declared = response.headers.get("Content-Length")
    total = int(declared) if declared is not None else None
    arrived = 0
    with path.open("wb") as file:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            arrived += len(chunk)
            if progress is not None:
                progress(arrived, total)
    if total is not None and arrived != total:
        raise DownloadError(
            f"{url}: the connection ended after {arrived:,} of {total:,} bytes — try again"
        )


def _verify(path: Path, source: PublicSet) -> None:
    if source.checksum:
        kind, _, wanted = source.checksum.partition(":")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        if found != wanted:
            raise DownloadError(
                f"{source.name}: what arrived has the {kind} checksum {found}, not {wanted} — the "
                "publisher changed the file or something stands in between; nothing was kept"
            )
    if source.n_lines is not None:
        with path.open("rb") as file:
            found_lines = sum(1 for _ in file)
        if found_lines != source.n_lines:
            raise DownloadError(
                f"{source.name}: what arrived has {found_lines:,} lines, not {source.n_lines:,} — "
                "the publisher changed the file or something stands in between; nothing was kept"
            )


def _unpack(archive: Path, folder: Path) -> None:
    """Put the archive's files, or the one table, into `folder`; a lone outer folder is left off."""
    folder.mkdir()
    if archive.suffix != ".zip":
        shutil.move(archive, folder / archive.name)
        return
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [m for m in packed.infolist() if not m.is_dir() and _is_content(m.filename)]
            parts = [_safe_parts(member.filename) for member in members]
            outer = {part[0] for part in parts}
            lone = len(outer) == 1 and all(len(part) > 1 for part in parts)
            for member, part in zip(members, parts, strict=True):
                target = folder.joinpath(*part[1:] if lone else part)
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as inside, target.open("wb") as outside:
                    shutil.copyfileobj(inside, outside)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise DownloadError(
            f"{archive.name}: is no whole zip archive ({error}) — try again; nothing was kept"
        ) from error


def _is_content(name: str) -> bool:
    return not name.startswith("__MACOSX/")


def _safe_parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]:
        raise DownloadError(
            f"zip archive holds {name!r}, which leads out of its folder — nothing was kept"
        )
    return path.parts
