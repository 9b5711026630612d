"""The `graphrec` command: one subcommand for each thing a user does."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from graphrec import __version__, data_commands, recommend, serve_commands, terminal, train

if TYPE_CHECKING:
    from rich.table import Table

    from graphrec.evaluation.figures import SplitFigures
    from graphrec.evaluation.loop_figures import LoopFigures
    from graphrec.experiment.running import ExperimentRun

DEMO_REPORT = Path("reports") / "demo"

app = typer.Typer(
    name="graphrec",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Recommendations from a log of events, right now and as events arrive.\n\n"
    "[bold]Example[/]\n\n"
    "  graphrec demo\n\n"
    "  graphrec recommend --data ratings.csv --user 1",
)
app.command("recommend")(recommend.recommend)
app.command("similar")(recommend.similar)
app.command("train")(train.train)
app.command("embed")(recommend.embed)
app.command("serve")(serve_commands.serve)
app.command("bundle")(serve_commands.bundle)
app.command("replay")(serve_commands.replay)
app.add_typer(serve_commands.keys_app, name="keys")
app.add_typer(data_commands.app, name="data")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Answer options that stand before any subcommand."""
    if version:
        terminal.out().print(f"graphrec {__version__}")
        raise typer.Exit


@app.command()
def build(
    data: recommend.DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the snapshot.")],
    settings: recommend.SetOption = None,
    columns: recommend.ColumnsOption = None,
) -> None:
    """Build the co-watch graph of a log and keep both as a snapshot that `--data` opens.

    [bold]Example[/]

      graphrec build --data data/demo-world --out snapshots/demo --set ageing.mode=half_life

      graphrec recommend --data snapshots/demo --user u000017
    """
    from graphrec.experiment.opening import build_snapshot

    recommend.tell_first_run("cowatch")
    counts = build_snapshot(data, out, settings or [], columns=columns)
    shown = terminal.table(f"Snapshot {escape(str(out))}", ("what", "count"), right=("count",))
    for name, count in counts.items():
        shown.add_row(name, f"{count:,}")
    terminal.out().print(shown)


@app.command()
def evaluate(
    experiment: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for result.json and report.html; by default beside the file.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of every method that is trained, instead of the file's."),
    ] = None,
) -> None:
    """Measure methods on a log, honestly in time: table, result.json and an HTML report.

    [bold]Example[/]

      graphrec evaluate experiments/demo-world.yaml --out reports/demo-world
    """
    from graphrec.experiment.running import load_experiment, run_experiment

    settings = load_experiment(experiment, seed=seed)
    recommend.tell_first_run("walks")
    folder = experiment.with_suffix("") if out is None else out
    with terminal.progress("methods", None) as bar:
        run = run_experiment(settings, folder, progress=terminal.follow(bar))
    print_run(run)


@app.command()
def simulate(
    experiment: Annotated[Path, typer.Argument(help="Simulation file (YAML).")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for result.json and report.html; by default beside the file.",
        ),
    ] = None,
) -> None:
    """Let policies run a simulated platform for weeks, and measure what comes of it.

    [bold]Example[/]

      graphrec simulate experiments/closed-loop.yaml --out reports/closed-loop
    """
    from graphrec.experiment.simulating import load_simulation, run_simulation

    settings = load_simulation(experiment)
    recommend.tell_first_run("world_loop")
    folder = experiment.with_suffix("") if out is None else out
    with terminal.progress("policies", None) as bar:
        run = run_simulation(settings, folder, progress=terminal.follow(bar))
    console = terminal.out()
    console.print(_loop_table(settings.name, run.figures))
    for note in run.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    console.print(f"report: {escape(str(run.report))}", soft_wrap=True)
    console.print(f"result: {escape(str(run.report.with_name('result.json')))}", soft_wrap=True)


@app.command()
def retrieval(
    experiment: Annotated[Path, typer.Argument(help="Experiment file (YAML) with a pipeline.")],
    k: Annotated[int, typer.Option("--k", min=1, max=10_000, help="Places that count.")] = 500,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for retrieval.json; by default beside the file."),
    ] = None,
) -> None:
    """Measure what the sources of a pipeline bring before anything is ranked: recall by source.

    [bold]Example[/]

      graphrec retrieval experiments/demo-world-pipeline.yaml --k 500
    """
    from graphrec.experiment.retrieving import measure_retrieval
    from graphrec.experiment.running import load_experiment

    settings = load_experiment(experiment)
    recommend.tell_first_run("walks")
    folder = experiment.with_suffix("") if out is None else out
    with terminal.progress("retrieval", None) as bar:
        measured = measure_retrieval(settings, k, folder, progress=terminal.follow(bar))
    for one in measured:
        title = f"{escape(settings.name)}: {escape(one.pipeline)}, stream, {one.regime}"
        columns = ("split", f"recall@{k}", "low", "high", "alone")
        shown = terminal.table(title, ("source", *columns), right=columns)
        for row in one.recalls:
            figures = (row.recall, row.low, row.high, row.alone)
            shown.add_row(escape(row.source), row.split, *(f"{value:.3f}" for value in figures))
        terminal.out().print(shown)
    terminal.out().print(f"result: {escape(str(folder / 'retrieval.json'))}", soft_wrap=True)


@app.command()
def demo(
    events: Annotated[
        int | None,
        typer.Option(min=1_000, max=10_000_000, help="Events of the world instead of 100,000."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the report.")] = DEMO_REPORT,
) -> None:
    """Simulate a small platform, recommend to three of its users, and measure every method.

    [bold]Example[/]

      graphrec demo --events 20000
    """
    from graphrec.events.check import check_dataset
    from graphrec.experiment import demonstration
    from graphrec.experiment.opening import open_pipeline
    from graphrec.experiment.worlds import demo_folder, prepare_world
    from graphrec.pipeline import Request

    console = terminal.out()
    recommend.tell_first_run("walks")
    world = demo_folder(events)
    console.rule("[bold]1. A simulated platform")
    with terminal.progress("simulating", None):
        prepare_world(world, events)
    pipeline = open_pipeline(world)
    data_commands.print_report(check_dataset(pipeline.dataset))
    console.rule("[bold]2. Recommendations")
    users = demonstration.three_users(pipeline)
    for user in users:
        queries = pipeline.queries_of_keys([user])
        slate = pipeline.recommend(queries, Request(5))
        recommend.print_answer(pipeline, queries, slate, str(user))
    console.rule("[bold]3. Evaluation")
    with terminal.progress("methods", None) as bar:
        run = demonstration.measure_demo(world, out, terminal.follow(bar))
    print_run(run)
    if not demonstration.has_torch():
        console.print(escape(demonstration.WITHOUT_TORCH), soft_wrap=True)
    console.print(f"next: graphrec recommend --data {world} --user {users[0]}", soft_wrap=True)


def print_run(run: "ExperimentRun") -> None:
    """The tables of a finished experiment, and where its report lies."""
    console = terminal.out()
    for part in run.figures:
        title = f"{escape(run.settings.name)}: {part.label}, {part.n_queries:,} queries"
        console.print(_accuracy_table(title, part))
        console.print(_slice_table(f"{part.headline} where the event is ...", part))
    console.print(f"report: {escape(str(run.report))}", soft_wrap=True)
    console.print(f"result: {escape(str(run.report.with_name('result.json')))}", soft_wrap=True)


def _accuracy_table(title: str, part: "SplitFigures") -> "Table":
    metrics = list(part.sources[0].accuracy)
    coverage = next(name for name in part.sources[0].lists if name.startswith("coverage"))
    columns = (*metrics, coverage, "seconds")
    shown = terminal.table(title, ("method", *columns), right=columns)
    for source in part.sources:
        first, *others = (source.accuracy[name] for name in metrics)
        spent = source.seconds
        shown.add_row(
            escape(source.source),
            f"{first.value:.4f} ±{(first.high - first.low) / 2:.4f}",
            *(f"{interval.value:.4f}" for interval in others),
            f"{source.lists[coverage]:.1%}",
            f"{spent.fit + spent.score + spent.absorb:.1f}",
        )
    return shown


def _slice_table(title: str, part: "SplitFigures") -> "Table":
    slices = [
        name
        for name, share in part.slice_sizes.items()
        if share > 0 and not name.startswith("unseen")
    ]
    columns = [f"{name.replace('_', ' ')} ({part.slice_sizes[name]:.0%})" for name in slices]
    shown = terminal.table(title, ("method", *columns), right=columns)
    for source in part.sources:
        values = (source.slices[name].value for name in slices)
        shown.add_row(escape(source.source), *(f"{value:.4f}" for value in values))
    return shown


def _loop_table(title: str, figures: "LoopFigures") -> "Table":
    names = [policy.policy for policy in figures.policies]
    worlds = len(figures.seeds)
    heading = f"{escape(title)}: {figures.days} days, {worlds} worlds, {figures.n_users:,} users"
    shown = terminal.table(heading, ("measure", *map(escape, names)), right=names)
    for measure in figures.policies[0].measures:
        intervals = [policy.measures[measure] for policy in figures.policies]
        shown.add_row(
            measure.replace("_", " "),
            *(f"{part.value:.4f} ±{(part.high - part.low) / 2:.4f}" for part in intervals),
        )
    for measure in figures.policies[0].whole:
        wholes = (policy.whole[measure] for policy in figures.policies)
        shown.add_row(measure.replace("_", " "), *(f"{value:.4f}" for value in wholes))
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `graphrec` and return its exit code."""
    return terminal.run(app, arguments)
