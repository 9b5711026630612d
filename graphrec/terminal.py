"""How commands speak: consoles, tables, progress bars, and how errors leave the program."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from graphrec.errors import GraphrecError, SettingsError

EXIT_REFUSED: Final = 2
EXIT_INTERRUPTED: Final = 130


def out() -> Console:
    """Where answers go: standard output."""
    return Console(highlight=False)


def aside() -> Console:
    """Where remarks, progress and errors go: standard error."""
    return Console(stderr=True, highlight=False)


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and turn what went wrong into a message.

    Args:
        app: The commands.
        arguments: Words after the program's name; by default those it was started with.

    Returns:
        Exit code: 0 done, 2 refused with a message, 130 interrupted.
    """
    try:
        app(args=None if arguments is None else list(arguments))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except (GraphrecError, OSError) as error:
        aside().print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        aside().print("interrupted")
        return EXIT_INTERRUPTED
    return 0


def table(title: str, columns: Sequence[str], *, right: Sequence[str] = ()) -> Table:
    """An empty table; columns named in `right` hold numbers."""
    empty = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        empty.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return empty


def print_json(value: Any) -> None:
    """Print JSON that programs read."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


class _FiguresBelow(Progress):
    """A bar whose figures get the whole width below it, so that no width cuts them off."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, then the figures."""
        yield from super().get_renderables()
        for task in self.tasks:
            if task.fields["figures"]:
                yield Text(task.fields["figures"], style="dim")


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Progress]:
    """A progress bar on standard error, with one task; silent where nobody looks.

    What `follow_figures` is told stands below it.
    """
    bar = _FiguresBelow(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=aside(),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        bar.add_task(what, total=total, figures="")
        yield bar


def follow(bar: Progress) -> Callable[[str, int, int], None]:
    """A callback that shows what is being done, how much of it is done, and how much there is."""
    task = bar.task_ids[0]
    return lambda what, done, total: bar.update(
        task, description=escape(what), completed=done, total=total
    )


def follow_figures(bar: Progress) -> Callable[[str, int, int, str], None]:
    """As `follow`, and the figures that it has come to so far stand below the bar."""
    task = bar.task_ids[0]

    def show(what: str, done: int, total: int, figures: str) -> None:
        bar.update(task, description=escape(what), completed=done, total=total, figures=figures)

    return show


def advance(bar: Progress) -> Callable[[int, int | None], None]:
    """A callback that shows how many bytes have come, of how many."""
    task = bar.task_ids[0]
    return lambda done, total: bar.update(task, completed=done, total=total)


def when(time_s: int) -> str:
    """A time as a person writes it, UTC."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def parse_time(text: str | None) -> int | None:
    """UTC seconds of an ISO 8601 time or a number of seconds; a time without zone is UTC.

    Raises:
        SettingsError: It is neither.
    """
    if text is None:
        return None
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"--at {text!r} — must be seconds since 1970 or a time such as 2016-10-01T12:00"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
