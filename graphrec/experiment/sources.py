"""A method's settings become a source: the whole list of choices."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, get_args

from graphrec.errors import SettingsError
from graphrec.events.dataset import Dataset
from graphrec.experiment.method_settings import (
    EASEMethod,
    FreshMethod,
    ItemKNNMethod,
    LastItemsMethod,
    NeighboursMethod,
    OwnItemsMethod,
    PopularMethod,
    PropagateMethod,
    RecentMethod,
    RP3betaMethod,
    SourceMethod,
    TemporalNetworkMethod,
    TrendingMethod,
    UserKNNMethod,
    VectorsMethod,
    WalkMethod,
)
from graphrec.experiment.named_items import named_items_of
from graphrec.experiment.reading import settings_of
from graphrec.experiment.settings import Method
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.retrieval.cowatch_neighbours import CoWatchNeighbourSource
from graphrec.retrieval.ease import EASESource
from graphrec.retrieval.fresh import FreshSource
from graphrec.retrieval.item_knn import ItemKNNSource
from graphrec.retrieval.last_items import LastItemsSource
from graphrec.retrieval.named import NamedSource
from graphrec.retrieval.own_items import OwnItemsSource
from graphrec.retrieval.popular import PopularSettings, PopularSource
from graphrec.retrieval.propagate import PropagateSource
from graphrec.retrieval.recent import RecentSource
from graphrec.retrieval.rp3beta import RP3betaSource
from graphrec.retrieval.trending import TrendingSource
from graphrec.retrieval.user_knn import UserKNNSource
from graphrec.retrieval.vector_source import VectorSource
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.stages import CandidateSource

if TYPE_CHECKING:
    from graphrec.tgn.source import TemporalNetworkSource

NEEDS_TORCH: Final = (
    "the temporal network needs PyTorch — install graphrec with its extra: "
    "pip install 'graphrec[tgn]'"
)
POPULAR_WEEK = PopularMethod(settings=PopularSettings(window_days=7))
FORCED_BASELINES: tuple[Method, ...] = (PopularMethod(), POPULAR_WEEK, LastItemsMethod())
"""Every experiment holds these, asked for or not."""


def build_source(  # noqa: PLR0912 — one branch for each choice
    method: Method, dataset: Dataset
) -> CandidateSource:
    """The source that `method` describes, not yet fitted."""
    match method:
        case WalkMethod():
            return RandomWalkSource(method.graph, method.walk)
        case PropagateMethod():
            return PropagateSource(method.graph, method.walk)
        case PopularMethod():
            return PopularSource(method.settings)
        case RecentMethod():
            return RecentSource(dataset.given_published_s(), method.settings)
        case LastItemsMethod():
            return LastItemsSource(method.settings)
        case ItemKNNMethod():
            return ItemKNNSource(method.settings)
        case RP3betaMethod():
            return RP3betaSource(method.settings)
        case EASEMethod():
            return EASESource(method.settings)
        case UserKNNMethod():
            return UserKNNSource(method.settings)
        case NeighboursMethod():
            return CoWatchNeighbourSource(method.graph, method.settings)
        case OwnItemsMethod():
            return OwnItemsSource(method.settings)
        case TrendingMethod():
            return TrendingSource(method.settings)
        case FreshMethod():
            return FreshSource(named_items_of(dataset), method.settings)
        case TemporalNetworkMethod():
            return _temporal_source(method, dataset)
        case VectorsMethod():
            return VectorSource(_temporal_source(method.tgn, dataset), method.settings)
        case PipelineMethod():
            # Rankers and vector search are an extra of their own.
            from graphrec.experiment.staging import build_staged

            parts = [_named(part.source, dataset) for part in method.sources]
            return build_staged(method, dataset, parts)


def with_baselines(methods: Sequence[Method]) -> tuple[Method, ...]:
    """`methods`, and behind them the forced baselines that are not among them."""
    plain = [method.model_copy(update={"name": None}) for method in methods]
    return (*methods, *(baseline for baseline in FORCED_BASELINES if baseline not in plain))


def method_named(name: str, values: dict[str, Any]) -> Method:
    """The method called `name` on a command line, with settings from `values`.

    `popular_week` is short for popular in a window of seven days. Settings may be given with or
    without their part: `n_neighbors` means `settings.n_neighbors`, `n_steps` means `walk.n_steps`.

    Raises:
        SettingsError: There is no such method, or a setting is wrong.
    """
    if name == "popular_week":
        return POPULAR_WEEK
    classes = {kind.model_fields["method"].default: kind for kind in _method_classes()}
    if name not in classes:
        known = ", ".join([*classes, "popular_week"])
        raise SettingsError(f"unknown method {name!r} — one of {known}")
    kind = classes[name]
    fields = kind.model_fields
    part = next(name for name in ("walk", "network", "settings") if name in fields)
    nested = {key: value for key, value in values.items() if key in fields}
    loose = {key: value for key, value in values.items() if key not in fields}
    if loose:
        nested[part] = {**nested.get(part, {}), **loose}
    method: Method = settings_of(kind, nested, f"method {name}")
    return method


def _named(method: SourceMethod, dataset: Dataset) -> CandidateSource:
    """The source, under the name it is given; so that one kind may stand twice in a pipeline."""
    source = build_source(method, dataset)
    return source if method.name is None else NamedSource(source, method.name)


def _temporal_source(method: TemporalNetworkMethod, dataset: Dataset) -> "TemporalNetworkSource":
    # Importing torch takes seconds, and an installation without the extra has none.
    try:
        from graphrec.experiment.trained import build_temporal_source
    except ModuleNotFoundError as error:
        raise SettingsError(NEEDS_TORCH) from error
    return build_temporal_source(method, dataset)


def _method_classes() -> tuple[Any, ...]:
    return get_args(get_args(SourceMethod)[0])
