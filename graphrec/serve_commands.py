"""`graphrec serve` and `graphrec keys`: the live engine, and who may use it."""

import logging
import os
from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from graphrec import terminal
from graphrec.errors import SettingsError
from graphrec.serve_worker import APP, ServeOptions, bundled, settings_of_server, start_of

if TYPE_CHECKING:
    from graphrec.serving.opening import ServeSettings

NEEDS_SERVE = (
    "serving needs FastAPI, Uvicorn and SQLAlchemy — pip install 'graphrec[serve]' adds them"
)
KEYS = Path("keys.json")
_Data = Annotated[
    Path | None, typer.Option("--data", "-d", help="Log to start from; by default the demo world.")
]
_Pipeline = Annotated[
    Path | None, typer.Option("--pipeline", "-p", help="File of a pipeline; by default walks.")
]
_Settings = Annotated[
    Path | None, typer.Option("--settings", "-s", help="File of the server's settings.")
]
_LogUrl = Annotated[str | None, typer.Option("--log", help="URL of the durable log.")]
_Store = Annotated[Path | None, typer.Option("--store", help="Folder of bundles and snapshots.")]

keys_app = typer.Typer(
    help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode="rich"
)


def serve(
    data: _Data = None,
    pipeline: _Pipeline = None,
    settings: _Settings = None,
    log: _LogUrl = None,
    keys: Annotated[Path | None, typer.Option("--keys", "-k", help="File of API keys.")] = None,
    open_door: Annotated[bool, typer.Option("--open", help="No keys; on loopback only.")] = False,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", help="Processes that answer.")
    ] = None,
    store: _Store = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No line in the log for each request.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Open everything, say what was found, and end.")
    ] = False,
) -> None:
    """Take events over HTTP and answer with recommendations that know of them.

    Every setting of the file is also an environment variable: GRAPHREC_PORT, GRAPHREC_LOG__URL.
    The environment outweighs the file, and options outweigh both.

    [bold]Example[/]

      graphrec serve --open

      curl localhost:8000/v1/events --json '{"event_id": "1", "event_type": "watch",
      "user_id": "user-17", "item_id": "video-2"}'
    """
    _refuse_missing_packages()
    from graphrec.serving.listening import bound_socket, listen, listen_in_processes
    from graphrec.serving.logs import log_as_json
    from graphrec.serving.opening import opened

    given = {"data": data, "pipeline": pipeline, "keys": keys, "host": host, "port": port}
    given |= {"workers": workers, "log.url": log, "store.folder": store}
    options = _options(settings, given, quiet=quiet)
    chosen = settings_of_server(options)
    _refuse_unclear_door(chosen, open_door=open_door)
    if check:
        raise typer.Exit(_told_findings(chosen))
    with closing(bound_socket(chosen.host, chosen.port)) as bound:
        address = f"http://{chosen.host}:{chosen.port}"
        if chosen.workers > 1:
            start_of(chosen)
            terminal.aside().print(address, soft_wrap=True)
            options.to_environment()
            with TemporaryDirectory(prefix="graphrec-metrics-") as counted:
                # Not before: this process answers nobody, and must not count among those that do.
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = counted
                listen_in_processes(APP, bound, chosen.listen, chosen.workers)
            return
        with opened(start_of(chosen), chosen) as server:
            terminal.aside().print(server.words, address, sep="\n", soft_wrap=True)
            log_as_json(logging.WARNING if quiet else logging.INFO)
            listen(server.app, bound, chosen.listen)


def bundle(
    name: Annotated[str, typer.Argument(help="What to call it, such as its date.")],
    data: _Data = None,
    pipeline: _Pipeline = None,
    settings: _Settings = None,
    log: _LogUrl = None,
    store: _Store = None,
) -> None:
    """Train a pipeline on the data and on what a server's log says since, for it to put to use.

    The server may run meanwhile. POST /v1/admin/reload puts the bundle to use, rollback goes back.

    [bold]Example[/]

      graphrec bundle 2026-11-25 --data my-log --pipeline mine.yaml
    """
    _refuse_missing_packages()
    given = {"data": data, "pipeline": pipeline, "log.url": log, "store.folder": store}
    options = _options(settings, given, quiet=True)
    terminal.out().print(escape(bundled(name, options)), soft_wrap=True)


def _options(settings: Path | None, given: Mapping[str, object], *, quiet: bool) -> ServeOptions:
    said = {name: str(value) for name, value in given.items() if value is not None}
    return ServeOptions(None if settings is None else str(settings), said, quiet)


def replay(
    log: Annotated[Path, typer.Argument(help="A log: a folder or a file.")],
    url: Annotated[str, typer.Option("--url", "-u", help="The server.")] = "http://127.0.0.1:8000",
    key: Annotated[
        str | None, typer.Option("--key", envvar="GRAPHREC_KEY", help="An API key that may write.")
    ] = None,
    speed: Annotated[
        str, typer.Option("--speed", help="Such as 100x; max: as fast as the server takes them.")
    ] = "max",
) -> None:
    """Tell a server what a log holds, as it happened, only faster.

    [bold]Example[/]

      graphrec replay my-log --speed 100x
    """
    _refuse_missing_packages()
    from graphrec.client import Client
    from graphrec.experiment.opening import open_dataset
    from graphrec.serving.replaying import Pace, events_of
    from graphrec.serving.replaying import replay as tell_all

    pace = Pace(_speed(speed))
    dataset = open_dataset(log)
    with Client(url, key) as client, terminal.progress("events", len(dataset.log)) as bar:
        task = bar.task_ids[0]
        found = tell_all(events_of(dataset), client, pace, progress=lambda n: bar.advance(task, n))
    terminal.out().print(
        f"{found.n_stored:,} stored, {found.n_repeated:,} known already, {found.n_refused:,} "
        f"refused in {found.seconds:.1f} s",
        soft_wrap=True,
    )
    if found.first_refusal is not None:
        terminal.out().print(f"the first refusal: {escape(found.first_refusal)}", soft_wrap=True)


def _speed(said: str) -> float | None:
    if said == "max":
        return None
    try:
        pace = float(said.removesuffix("x"))
    except ValueError:
        pace = 0.0
    if not 0 < pace < float("inf"):
        raise SettingsError(f"--speed {said!r} — max, or a number above 0 such as 100x")
    return pace


@keys_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="read, write or admin; may be given more than once."),
    ] = None,
    file: Annotated[Path, typer.Option("--file", "-f", help="File of the keys.")] = KEYS,
) -> None:
    """Make a key and print it; only its hash is kept.

    [bold]Example[/]

      graphrec keys add shop --scope read --scope write
    """
    _refuse_missing_packages()
    from graphrec.serving.keys import SCOPES, add_key

    wanted = scope or ["read", "write"]
    for one in wanted:
        if one not in SCOPES:
            raise SettingsError(f"--scope {one!r} — one of {', '.join(SCOPES)}")
    key = add_key(file, name, [one for one in SCOPES if one in wanted])
    terminal.out().print(escape(key), soft_wrap=True)
    terminal.aside().print(f"its hash is in {escape(str(file))}; the key is shown this once")


@keys_app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    file: Annotated[Path, typer.Option("--file", "-f", help="File of the keys.")] = KEYS,
) -> None:
    """Take a key back; a running server refuses it from its next request on.

    [bold]Example[/]

      graphrec keys revoke shop
    """
    _refuse_missing_packages()
    from graphrec.serving.keys import revoke_key

    revoke_key(file, name)


@keys_app.command("list")
def list_keys(
    file: Annotated[Path, typer.Option("--file", "-f", help="File of the keys.")] = KEYS,
) -> None:
    """List whose keys there are and what they reach.

    [bold]Example[/]

      graphrec keys list
    """
    _refuse_missing_packages()
    from graphrec.serving.keys import read_keys

    shown = terminal.table(f"Keys in {escape(str(file))}", ("name", "scopes"))
    for one in read_keys(file):
        shown.add_row(escape(one.name), ", ".join(sorted(one.scopes)))
    terminal.out().print(shown)


def _told_findings(settings: "ServeSettings") -> int:
    """Say what opens and what does not; the exit code."""
    from graphrec.serving.checking import check

    code = 0
    for finding in check(settings, lambda: start_of(settings).learn()):
        mark = "[red]failed[/]" if finding.exit_code else "[green]ok[/]"
        line = f"{finding.what}: {mark} {escape(finding.words)}"
        terminal.out().print(line, soft_wrap=True)
        code = max(code, finding.exit_code)
    words = "not everything opens" if code else "everything opens"
    terminal.out().print(words, soft_wrap=True)
    return code


def _refuse_unclear_door(settings: "ServeSettings", *, open_door: bool) -> None:
    from graphrec.serving.opening import refuse_open_door

    if open_door and settings.keys is not None:
        raise SettingsError(f"--open and keys {settings.keys} — one of them")
    if settings.keys is not None:
        return
    if not open_door:
        raise SettingsError(
            "no keys — make one by `graphrec keys add NAME` and pass --keys keys.json, or serve "
            "this machine alone by --open"
        )
    refuse_open_door(settings.host)


def _refuse_missing_packages() -> None:
    if any(find_spec(name) is None for name in ("fastapi", "uvicorn", "sqlalchemy")):
        raise SettingsError(NEEDS_SERVE)
