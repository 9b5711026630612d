"""`python -m graphrec.recommend` = `graphrec recommend`: what should this user watch next?"""

import re
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from graphrec import terminal
from graphrec.errors import SettingsError

if TYPE_CHECKING:
    from graphrec.experiment.vectors import NodeVectors
    from graphrec.pipeline import Pipeline, Recommendation, Request
    from graphrec.stages import Queries, Slate

Seen = Literal["hide", "allow", "only_again"]
Node = Literal["user", "item", "publisher", "keyword"]

DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        "-d",
        help="Event log: a folder with events.parquet (.csv, .jsonl), one file, or a snapshot.",
    ),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Column preset (graphrec, movielens, recbole, personalize, tgb, mind) or "
        "`role=column,...` such as `time=seq_pos,time_unit=order`; guessed by default.",
    ),
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        "-m",
        help="walk (the default), propagate, popular, popular_week, recent, last_items, "
        "item_knn, rp3beta, ease, user_knn, neighbours, own, trending, fresh, tgn or vectors.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting of the method, `name=value`; may be repeated."),
]
CountOption = Annotated[int, typer.Option("--k", "-k", min=1, max=10_000, help="Items to show.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def recommend(
    data: DataOption,
    user: Annotated[str | None, typer.Option("--user", "-u", help="User id.")] = None,
    items: Annotated[
        str | None,
        typer.Option("--items", help="Anonymous visitor: item ids watched, newest first, `a,b,c`."),
    ] = None,
    k: CountOption = 10,
    method: MethodOption = None,
    settings: SetOption = None,
    columns: ColumnsOption = None,
    pipeline_file: Annotated[
        Path | None,
        typer.Option(
            "--pipeline",
            help="YAML file of a whole pipeline instead of --method: sources, ranker, slate.",
        ),
    ] = None,
    seen: Annotated[
        Seen, typer.Option(help="Items already watched: hide, allow, or only_again.")
    ] = "hide",
    allow: Annotated[list[str] | None, typer.Option(help="Only this item id; repeatable.")] = None,
    deny: Annotated[list[str] | None, typer.Option(help="Never this item id; repeatable.")] = None,
    publisher: Annotated[
        list[str] | None, typer.Option(help="Only items of this publisher; repeatable.")
    ] = None,
    keyword: Annotated[
        list[str] | None, typer.Option(help="Only items with this keyword; repeatable.")
    ] = None,
    min_age_days: Annotated[
        float | None, typer.Option(min=0, help="Only items published at least so long ago.")
    ] = None,
    max_age_days: Annotated[
        float | None, typer.Option(min=0, help="Only items published at most so long ago.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="Answer as of this time (ISO, UTC); by default the log's end."),
    ] = None,
    as_json: JsonOption = False,
    all_users: Annotated[
        Path | None,
        typer.Option("--all-users", help="Answer every user and write this Parquet file."),
    ] = None,
) -> None:
    """Recommend items with reasons, from an event log.

    [bold]Example[/]

      graphrec recommend --data data/demo-world --user user-33 --k 10

      graphrec recommend --data ratings.csv --items 1,260 --keyword space --json

      graphrec recommend --data data/demo-world --all-users slates.parquet

      graphrec recommend --data data/demo-world --user user-33 --pipeline mine.yaml
    """
    if sum(asked is not None for asked in (user, items, all_users)) != 1:
        raise SettingsError("name exactly one of --user, --items and --all-users")
    if pipeline_file is not None and (method is not None or settings):
        raise SettingsError("--pipeline names the whole pipeline — drop --method and --set")
    from graphrec.experiment.opening import open_pipeline, open_pipeline_file
    from graphrec.pipeline import Request
    from graphrec.retrieval.filters import ItemFilters

    tell_first_run("walks")
    at_s = terminal.parse_time(at)
    if pipeline_file is None:
        pipeline = open_pipeline(data, method or "walk", settings or [], columns=columns, at_s=at_s)
    else:
        pipeline = open_pipeline_file(data, pipeline_file, columns=columns, at_s=at_s)
    filters = ItemFilters(
        allow=None if allow is None else tuple(allow),
        deny=tuple(deny or ()),
        publishers=tuple(publisher or ()),
        keywords=tuple(keyword or ()),
        min_age_days=min_age_days,
        max_age_days=max_age_days,
    )
    request = Request(k, seen, filters)
    if all_users is not None:
        write_everyone(pipeline, request, all_users)
        return
    queries = (
        pipeline.queries_of_session([word.strip() for word in (items or "").split(",")])
        if user is None
        else pipeline.queries_of_keys([user])
    )
    slate = pipeline.recommend(queries, request)
    if as_json:
        terminal.print_json(answer(pipeline, queries, slate, user))
    else:
        print_answer(pipeline, queries, slate, user)


def similar(
    data: DataOption,
    item: Annotated[str | None, typer.Option("--item", "-i", help="Item id.")] = None,
    k: CountOption = 10,
    settings: SetOption = None,
    columns: ColumnsOption = None,
    as_json: JsonOption = False,
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="Trained network to compare by.")
    ] = None,
    kind: Annotated[Node, typer.Option("--type", help="What --id names, with --weights.")] = "item",
    node: Annotated[str | None, typer.Option("--id", help="Its id, with --weights.")] = None,
    to: Annotated[Node, typer.Option("--to", help="What is looked for, with --weights.")] = "item",
) -> None:
    """Show what is most like an item: where walks that start at it end up, or by a trained network.

    [bold]Example[/]

      graphrec similar --data data/demo-world --item i000042 --k 5

      graphrec similar --data my-log --weights WEIGHTS --type keyword --id space --to publisher
    """
    if weights is not None:
        name = node if node is not None else item
        if name is None:
            raise SettingsError("--weights needs --id, and --type unless it names an item")
        _print_nearest(_vectors(data, weights, columns), (kind, name, to), k, as_json=as_json)
        return
    if item is None or node is not None:
        raise SettingsError("name an item by --item; --id, --type and --to need --weights")
    from graphrec.experiment.opening import open_pipeline
    from graphrec.pipeline import Request

    tell_first_run("walks")
    pipeline = open_pipeline(data, "walk", settings or [], columns=columns)
    queries = pipeline.queries_of_session([item])
    slate = pipeline.recommend(queries, Request(k))
    if as_json:
        terminal.print_json(answer(pipeline, queries, slate, None))
        return
    title = pipeline.past(queries, 0, limit=1)[0].title
    shown = terminal.table(
        f"Like {escape(title)}", ("#", "item", "title", "score"), right=("#", "score")
    )
    for rank, place in enumerate(pipeline.describe(slate, 0), start=1):
        shown.add_row(
            str(rank), escape(str(place.item_id)), escape(place.title), f"{place.score:.4g}"
        )
    terminal.out().print(shown)


def embed(
    data: DataOption,
    weights: Annotated[Path, typer.Option("--weights", "-w", help="Trained network.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the vectors.")],
    columns: ColumnsOption = None,
) -> None:
    """Write the vectors of users, items, publishers and keywords as Parquet, one file a type.

    [bold]Example[/]

      graphrec embed --data my-log --weights runs/mine/weights/tgn-stream-strict-0 --out vectors
    """
    written = _vectors(data, weights, columns).write(out)
    shown = terminal.table(f"Vectors in {escape(str(out))}", ("file", "rows"), right=("rows",))
    for name, rows in written.items():
        shown.add_row(name, f"{rows:,}")
    terminal.out().print(shown)


def _vectors(data: Path, weights: Path, columns: str | None) -> "NodeVectors":
    from graphrec.experiment.opening import open_dataset
    from graphrec.experiment.sources import NEEDS_TORCH

    try:
        from graphrec.experiment.vectors import NodeVectors
    except ModuleNotFoundError as error:
        raise SettingsError(NEEDS_TORCH) from error
    return NodeVectors(open_dataset(data, columns), weights)


def _print_nearest(
    vectors: "NodeVectors", asked: "tuple[Node, str, Node]", k: int, *, as_json: bool
) -> None:
    kind, name, to = asked
    nearest = vectors.nearest(kind, name, to, k)
    if as_json:
        terminal.print_json([{f"{to}_id": key, "score": score} for key, score in nearest])
        return
    shown = terminal.table(
        f"{to.capitalize()}s nearest to {kind} {escape(name)}", ("#", to, "score"), right=("#",)
    )
    for rank, (key, score) in enumerate(nearest, start=1):
        shown.add_row(str(rank), escape(str(key)), f"{score:.4f}")
    terminal.out().print(shown)


def tell_first_run(kernel: str) -> None:
    """Say that kernels are being compiled, where they never were."""
    from graphrec.kernels.cache import cache_folders, is_compiled

    if not is_compiled(kernel):
        terminal.aside().print(
            "[dim]first run: compiling kernels, up to half a minute, once; "
            f"kept in {cache_folders()[0]}[/]"
        )


def answer(
    pipeline: "Pipeline", queries: "Queries", slate: "Slate", user: str | None
) -> dict[str, Any]:
    """One query's slate as JSON values."""
    ids = pipeline.dataset.ids["item"]
    return {
        "user_id": user,
        "at": terminal.when(pipeline.cut_s),
        "history": [entry.item_id for entry in pipeline.past(queries, 0, limit=20)],
        "items": [
            {"rank": rank, **place_in_full(place)}
            for rank, place in enumerate(pipeline.describe(slate, 0, queries), start=1)
        ],
        "decisions": [
            {
                "item_id": ids.key(decision.item_row),
                "rule": decision.rule,
                "action": decision.action,
                "detail": decision.detail,
            }
            for decision in slate.decisions
        ],
        "notes": list(slate.notes),
    }


def place_in_full(place: "Recommendation") -> dict[str, Any]:
    """All that is known of one place, as JSON values."""
    return {
        "item_id": place.item_id,
        "title": place.title,
        "score": place.score,
        "source": place.source,
        "because": None
        if place.because_id is None
        else {
            "item_id": place.because_id,
            "title": place.because_title,
            "share": place.because_share,
        },
        "found_by": [asdict(one) for one in place.found_by],
        "reasons": [asdict(one) | {"words": one.words} for one in place.reasons],
        "effects": [
            {
                "feature": one.feature.name,
                "meaning": one.feature.meaning,
                "unit": one.feature.unit,
                # JSON has no NaN.
                "value": None if isnan(one.value) else one.value,
                "effect": one.effect,
            }
            for one in place.effects
        ],
        "propensity": place.propensity,
    }


def print_answer(
    pipeline: "Pipeline", queries: "Queries", slate: "Slate", user: str | None
) -> None:
    """One query's history and slate as a table."""
    console = terminal.out()
    past = " · ".join(entry.title for entry in pipeline.past(queries, 0, limit=5))
    console.print(
        f"[dim]last watched:[/] {escape(past)}" if past else "[dim]nothing watched yet[/]"
    )
    who = "an anonymous visitor" if user is None else f"user {user}"
    shown = terminal.table(
        f"For {escape(who)}, as of {terminal.when(pipeline.cut_s)}",
        ("#", "item", "title", "score", "why"),
        right=("#", "score"),
    )
    for rank, place in enumerate(pipeline.describe(slate, 0, queries), start=1):
        further = moved_by(place)
        shown.add_row(
            str(rank),
            escape(str(place.item_id)),
            escape(place.title),
            f"{place.score:.4g}",
            escape(why(place)) + (f"\n[dim]{escape(further)}[/]" if further else ""),
        )
    console.print(shown)
    if not shown.row_count:
        console.print("nothing to recommend: no eligible item was found")
    for note in slate.notes:
        words = re.sub(r"\bpopular_[\w.]+", lambda found: source_in_words(found[0]), note)
        terminal.aside().print(f"[dim]{escape(words)}[/]")


def why(place: "Recommendation") -> str:
    """The reason of one place, as a person reads it."""
    named = [reason.words for reason in place.reasons]
    return named[0] if named else source_in_words(place.source)


def moved_by(place: "Recommendation") -> str:
    """The sources that brought one place, and the feature that moved it most."""
    found = ", ".join(f"{source_in_words(one.name)} #{one.place}" for one in place.found_by)
    effects = [
        f"{one.feature.meaning} {'unknown' if isnan(one.value) else f'{one.value:.3g}'} "
        f"({one.effect:+.2f})"
        for one in place.effects[:1]
    ]
    return "; ".join(part for part in (found, *effects) if part)


def source_in_words(name: str) -> str:
    """A source's name as a person reads it: `popular_7d` is `popular in the last 7 days`."""
    words = name.replace("_", " ")
    found = re.fullmatch(r"popular (half life )?([\d.e+-]+)([dh])", words)
    if found is None:
        return words
    decays, number, unit = found.groups()
    span = "day" if unit == "d" else "hour"
    if decays:
        return f"popular lately (counts halve every {number} {span}s)"
    return f"popular in the last {span if number == '1' else f'{number} {span}s'}"


def write_everyone(pipeline: "Pipeline", request: "Request", path: Path) -> None:
    """Answer every user into one Parquet file, written beside and renamed."""
    from graphrec.pipeline.writing import write_all

    n_users = pipeline.dataset.n_users
    with terminal.progress("users", n_users) as bar:
        task = bar.task_ids[0]
        written = write_all(pipeline, request, path, lambda answered: bar.advance(task, answered))
    told = f"{written:,} recommendations for {n_users:,} users in {escape(str(path))}"
    terminal.out().print(told)


def main() -> int:
    """Run `python -m graphrec.recommend`."""
    return terminal.run(app)


if __name__ == "__main__":
    raise SystemExit(main())
