"""Whether a server could start: everything is opened once, and each finding is a line."""

import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graphrec.errors import GraphrecError, SettingsError
from graphrec.pipeline import Pipeline
from graphrec.serving.following import Engine
from graphrec.serving.keys import KeyFile
from graphrec.serving.listening import bound_socket
from graphrec.serving.opening import ServeSettings, refuse_open_door
from graphrec.serving.state import LiveState
from graphrec.serving.state_store import StateStore
from graphrec.serving.store import EntryLog

_FILES_BESIDES = 64


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing.

    Attributes:
        what: The thing, in a word.
        words: What was found, or what is wrong with which value by which rule.
        exit_code: 0: it holds; 1: it is not as the settings say; 2: a setting is wrong.
    """

    what: str
    words: str
    exit_code: int = 0


def check(settings: ServeSettings, open_pipeline: Callable[[], Pipeline]) -> Iterator[Finding]:
    """Open all that a server needs, one after the other, whatever the ones before it said.

    A log is made where there is none yet. On what a running server has open, only the port differs.

    Args:
        settings: The server's.
        open_pipeline: Reads and learns what is recommended from.

    Returns:
        A finding for each thing, as they are found.
    """
    found: list[Pipeline] = []

    def pipeline() -> str:
        found.append(open_pipeline())
        ids = found[0].dataset.ids
        n_events = len(found[0].dataset.log)
        return f"{n_events:,} events, {len(ids['user']):,} users, {len(ids['item']):,} items"

    yield _finding("data", pipeline)
    yield _finding("keys", lambda: _keys(settings))
    yield _finding("log", lambda: _log(settings, found[0] if found else None))
    yield _finding("store", lambda: _store(settings))
    yield _finding("port", lambda: _port(settings))
    yield _finding("files", lambda: _files(settings))


def _finding(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, look())
    except SettingsError as error:
        return Finding(what, str(error), 2)
    except (GraphrecError, OSError) as error:
        return Finding(what, str(error), 1)


def _keys(settings: ServeSettings) -> str:
    if settings.keys is None:
        refuse_open_door(settings.host)
        return f"none: everybody on this machine may do everything, at {settings.host}"
    n_keys = len(KeyFile(settings.keys))
    mode = settings.keys.stat().st_mode & 0o777
    if mode & 0o022:
        raise SettingsError(
            f"keys {settings.keys}: mode {mode:o} lets others write it — chmod 600 {settings.keys}"
        )
    return f"{n_keys} in {settings.keys}"


def _log(settings: ServeSettings, pipeline: Pipeline | None) -> str:
    with EntryLog(settings.log) as log:
        log.check_writable()
        words = f"{log.place}, readable and writable, newest entry {log.last_seq()}"
        if pipeline is None:
            return words
        engine = Engine(log, LiveState(pipeline), settings.following)
        n_applied = engine.catch_up()
        if engine.n_skipped:
            seq, why = engine.skipped[-1]
            words += f"; the last of {engine.n_skipped:,} that cannot be learnt, {seq}: {why}"
        return f"{words}; {n_applied:,} entries applied, {engine.n_skipped:,} skipped"


def _store(settings: ServeSettings) -> str:
    store = StateStore(settings.store)
    with store.alone(wait=False):
        return f"{len(store.bundle_names())} bundles in {store.folder}, writable"


def _port(settings: ServeSettings) -> str:
    bound_socket(settings.host, settings.port).close()
    return f"{settings.port} on {settings.host} is free"


def _files(settings: ServeSettings) -> str:
    wanted = 2 * settings.listen.connections + _FILES_BESIDES
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < wanted:
        raise OSError(
            f"this process may open {most:,} files — {wanted:,} for listen.connections "
            f"{settings.listen.connections:,}: ulimit -n {wanted}, or LimitNOFILE={wanted}"
        )
    return f"{wanted:,} may be open at once"
