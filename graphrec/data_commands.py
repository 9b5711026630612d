"""`graphrec data`: fetch, check and simulate event logs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from graphrec import terminal

if TYPE_CHECKING:
    from graphrec.events.check import LogReport

app = typer.Typer(
    help="Fetch, check and simulate event logs.", no_args_is_help=True, rich_markup_mode="rich"
)


@app.command("list")
def list_sets() -> None:
    """List the public data sets that `get` knows.

    [bold]Example[/]

      graphrec data list
    """
    from graphrec.events.public_sets import PUBLIC_SETS

    shown = terminal.table("Public data sets", ("name", "what", "terms"))
    for known in PUBLIC_SETS:
        shown.add_row(known.name, escape(known.about), escape(known.licence))
    terminal.out().print(shown)


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="Name of a public set; see `graphrec data list`.")],
    into: Annotated[Path, typer.Option("--into", help="Folder that receives it.")] = Path("data"),
    mirror: Annotated[
        str | None, typer.Option(help="Fetch the file from this address instead.")
    ] = None,
) -> None:
    """Download a public data set from its publisher and verify it.

    [bold]Example[/]

      graphrec data get ml-latest-small
    """
    from graphrec.events.public_sets import download, public_set

    source = public_set(name)
    terminal.aside().print(f"[dim]{escape(source.about)}; {escape(source.licence)}[/]")
    with terminal.progress(source.name, None) as bar:
        folder = download(source, into, base_url=mirror, progress=terminal.advance(bar))
    terminal.out().print(f"{escape(str(folder))} is ready: graphrec data check {folder}")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="Folder or file of events.")],
    columns: Annotated[
        str | None, typer.Option("--columns", help="Preset, or `field=column,...`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Read a log, refuse what is wrong in it, and say what is in it.

    [bold]Example[/]

      graphrec data check data/demo-world
    """
    from dataclasses import asdict

    from graphrec.events.check import check_dataset
    from graphrec.experiment.opening import open_dataset

    report = check_dataset(open_dataset(path, columns))
    if as_json:
        terminal.print_json(asdict(report))
    else:
        print_report(report)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder that receives the log.")],
    settings: Annotated[
        Path | None, typer.Option("--settings", help="YAML file of world settings.")
    ] = None,
    events: Annotated[int | None, typer.Option(min=1_000, help="Events in the log.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Equal seeds give equal worlds.")] = None,
) -> None:
    """Simulate a small platform and write its log; the same seed gives the same bytes.

    [bold]Example[/]

      graphrec data simulate --out data/my-world --events 50000 --seed 7
    """
    from graphrec.experiment.worlds import simulate_world, world_settings

    chosen = world_settings(settings, events=events, seed=seed)
    with terminal.progress(f"simulating {chosen.n_events:,} events", None):
        counts = simulate_world(chosen, out)
    terminal.out().print(
        f"{escape(str(out))}: " + ", ".join(f"{count:,} {what}" for what, count in counts.items())
    )


def print_report(report: "LogReport") -> None:
    """What is in a log, as tables."""
    console = terminal.out()
    console.print(
        f"[bold]{escape(report.name)}[/]: {terminal.when(report.first_s)} to "
        f"{terminal.when(report.last_s)}"
    )
    kinds = terminal.table("Edges", ("type", "count"), right=("count",))
    for name, count in report.n_by_type.items():
        kinds.add_row(escape(name), f"{count:,}")
    console.print(kinds)
    facts = terminal.table("User-item events", ("what", "value"), right=("value",))
    for what, value in _facts(report).items():
        facts.add_row(what, f"{value:.1%}" if isinstance(value, float) else f"{value:,}")
    console.print(facts)


def _facts(report: "LogReport") -> dict[str, Any]:
    facts: dict[str, Any] = {f"{kind}s": count for kind, count in report.n_nodes.items()}
    facts |= {
        "user-item events": report.n_interactions,
        "events left out: repeated id": report.n_repeated_ids,
        "rows left out: no time": report.n_untimed,
        "duplicates (user, item, second)": report.n_duplicates,
        "share in the same second as another": report.ties,
        "share that repeats an earlier pair": report.repeats,
    }
    if report.test is not None:
        facts |= {
            "last 15 %: events": report.test.n_test,
            "last 15 %: on users new since 70 %": report.test.new_users,
            "last 15 %: on items new since 70 %": report.test.new_items,
            "last 15 %: repeating an earlier pair": report.test.repeated_pairs,
        }
    return facts | {
        "items without event": report.items_without_event,
        "items without title": report.items_without_title,
        "items without publisher": report.items_without_publisher,
        "items without keywords": report.items_without_keywords,
        "shown lists": report.n_impressions,
        "shown lists with a click on nothing shown": report.unshown_clicks,
    }
