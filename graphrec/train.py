"""`python -m graphrec.train EXPERIMENT.yaml` = `graphrec train`: fit the temporal networks."""

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from graphrec import terminal
from graphrec.errors import SettingsError

if TYPE_CHECKING:
    import torch
    from rich.table import Table

    from graphrec.experiment.temporal import TrainedRun
    from graphrec.tgn.training import Epoch

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def train(
    experiment: Annotated[Path, typer.Argument(help="Experiment file (YAML) with a method tgn.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder of training.json, metrics.jsonl and the weights; by default beside it.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Networks to train.")] = 1,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")
    ] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a training into the same folder stood.")
    ] = False,
    tensorboard: Annotated[
        bool | None,
        typer.Option(
            "--tensorboard/--no-tensorboard",
            help="Write epochs for TensorBoard, too; by default where it is installed.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train the temporal networks of an experiment, choose epochs on validation, test once.

    [bold]Example[/]

      graphrec train experiments/tgbl-wiki-tgn.yaml --seeds 5 --out runs/tgbl-wiki
    """
    from graphrec.experiment.running import load_experiment

    settings = load_experiment(experiment)
    chosen = _device(device)
    from graphrec.experiment.temporal import train_experiment

    folder = experiment.with_suffix("") if out is None else out
    console = terminal.out()
    with terminal.progress("training", None) as bar:

        def tell(label: str, n_epochs: int, epoch: "Epoch") -> None:
            figures = _figures(epoch)
            terminal.follow_figures(bar)(label, epoch.number, n_epochs, figures)
            line = f"{label}: {figures}"
            bar.console.print(line, soft_wrap=True, highlight=False, markup=False)

        runs = train_experiment(
            settings,
            folder,
            n_seeds=seeds,
            device=chosen,
            progress=tell,
            resume=resume,
            tensorboard=tensorboard,
        )
    console.print(_table(settings.name, runs))
    console.print(f"result: {escape(str(folder / 'training.json'))}", soft_wrap=True)


def main() -> int:
    """Run `python -m graphrec.train` and return its exit code."""
    return terminal.run(app)


def _device(name: str) -> "torch.device":
    from graphrec.experiment.sources import NEEDS_TORCH

    try:
        import torch
    except ModuleNotFoundError as error:
        raise SettingsError(NEEDS_TORCH) from error
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise SettingsError("--device cuda — PyTorch finds no GPU here; use --device cpu")
    if name == "auto" and not has_gpu:
        terminal.aside().print("no GPU found: training on the CPU, which is far slower")
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")


def _figures(epoch: "Epoch") -> str:
    judged = "".join(f"{name} {value:.4f}  " for name, value in epoch.figures.items())
    return (
        f"epoch {epoch.number}  loss {epoch.loss:.4f}  {judged}"
        f"{epoch.events_per_s:,.0f} events/s  {epoch.memory_gb:.1f} GB"
    )


def _table(title: str, runs: list["TrainedRun"]) -> "Table":
    names = list(runs[0].test)
    columns = ("method", "protocol", "seeds", "part", *names)
    shown = terminal.table(escape(title), columns, right=("seeds", *names))
    groups: dict[tuple[str, str], list[TrainedRun]] = {}
    for run in runs:
        groups.setdefault((run.method, run.protocol), []).append(run)
    for (method, protocol), group in groups.items():
        for part in ("validation", "test"):
            cells = [_spread([getattr(run, part)[name] for run in group]) for name in names]
            shown.add_row(escape(method), escape(protocol), str(len(group)), part, *cells)
    return shown


def _spread(values: list[float]) -> str:
    mean = statistics.fmean(values)
    return f"{mean:.4f} ±{statistics.stdev(values):.4f}" if len(values) > 1 else f"{mean:.4f}"


if __name__ == "__main__":
    raise SystemExit(main())
