"""Events count by their type, and what users turned down is held against what they took next."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from graphrec.errors import DataError, SettingsError
from graphrec.events.dataset import Dataset
from graphrec.events.ids import IdMap
from graphrec.events.log import EdgeType, EventLog
from graphrec.experiment.method_settings import TemporalNetworkMethod
from graphrec.experiment.running import events_of, load_data
from graphrec.experiment.settings import DataSettings, ExperimentSettings
from graphrec.experiment.sources import build_source
from graphrec.experiment.target_weights import refused_items, weighed_events
from graphrec.experiment.temporal import train_experiment
from graphrec.experiment.trained import read_weights

DATA = DataSettings(path="log")
DAY = 24 * 3600


def a_dataset(impressions=None):
    """Two users watch, like and skip; (time, type, user, item)."""
    rows = [
        (10, 0, 0, 0),
        (20, 2, 0, 3),
        (20, 1, 1, 1),
        (30, 1, 0, 2),
        (40, 2, 1, 0),
        (50 + DAY, 0, 1, 2),
        (60 + DAY, 2, 0, 1),
    ]
    time_s, kind, user, item = (np.array(column) for column in zip(*rows, strict=True))
    types = (
        EdgeType("watch", "user", "item", "positive", 2.0),
        EdgeType("like", "user", "item", "positive"),
        EdgeType("skip", "user", "item", "negative"),
    )
    log = EventLog(
        time_s.astype(np.int64),
        kind.astype(np.int8),
        user.astype(np.int32),
        item.astype(np.int32),
        np.full(len(rows), 3, np.float32),
        types,
        {"user": 2, "item": 4},
    )
    ids = {"user": IdMap(["a", "b"]), "item": IdMap(["p", "q", "r", "s"])}
    empty = pl.DataFrame({"item_id": ["p", "q", "r", "s"]})
    return Dataset("small", log, ids, empty, pl.DataFrame({"user_id": ["a", "b"]}), impressions)


def test_events_weigh_by_their_type():
    dataset = a_dataset()
    events = events_of(dataset, DATA)
    assert weighed_events(events, dataset, DATA, {}) is events
    weighed = weighed_events(events, dataset, DATA, {"like": 0.5})
    assert weighed.weight.tolist() == [1.0, 0.5, 0.5, 1.0]
    own = DATA.model_copy(update={"weighted": True})
    weighed = weighed_events(events_of(dataset, own), dataset, own, {"like": 0.5})
    assert weighed.weight.tolist() == [6.0, 1.5, 1.5, 6.0]


def test_an_unknown_event_type_is_refused():
    dataset = a_dataset()
    with pytest.raises(DataError, match="unknown event type 'love'"):
        weighed_events(events_of(dataset, DATA), dataset, DATA, {"love": 2.0})


def test_a_refusal_is_held_against_the_next_event_within_a_day():
    dataset = a_dataset()
    # The skip of user 1 comes a day and ten seconds before the next event, user 0's last has none.
    position, item = refused_items(dataset, events_of(dataset, DATA))
    assert list(zip(position.tolist(), item.tolist(), strict=True)) == [(2, 3)]


def test_items_shown_and_not_clicked_are_refused():
    impressions = pl.DataFrame(
        {
            "user_id": ["b", "b", "a", "nobody"],
            "time_s": [20, 21, 30, 10],
            "shown": [["p", "q", "s"], ["p"], ["r", "unknown"], ["p"]],
            "clicked": [["q"], [], ["r"], []],
        }
    )
    dataset = a_dataset(impressions)
    position, item = refused_items(dataset, events_of(dataset, DATA))
    pairs = sorted(zip(position.tolist(), item.tolist(), strict=True))
    assert pairs == [(1, 0), (1, 3), (2, 3)]


def an_experiment(network=None, **method):
    parts = {"dim": 16, "hidden": 16, "heads": 2, "window": 8, "tokens": 4, "text_dim": 8}
    training = {"epochs": 1, "batch_size": 128}
    return ExperimentSettings.model_validate(
        {
            "name": "small",
            "data": {"world": {"name": "small world", "n_events": 1000, "days": 30, "seed": 5}},
            "evaluate": [{"protocol": "last_out"}],
            "methods": [
                {"method": "tgn", "network": parts | (network or {}), "training": training} | method
            ],
        }
    )


def test_everything_an_experiment_may_ask_for_is_trained_kept_and_read_back(tmp_path):
    first = an_experiment()
    dataset = load_data(first.data)
    kinds = {kind.name for kind in dataset.log.edge_types if kind.role == "positive"}
    settings = an_experiment(
        network={"text": "ngrams"},
        item_features=["duration_s", "published_s", "language", "content_flag"],
        target_weights={sorted(kinds)[0]: 2.0},
        learn_refusals=True,
    )
    run = train_experiment(settings, tmp_path, device=torch.device("cpu"))[0]
    network = read_weights(run.weights, dataset)[0]
    assert network.content.text is not None
    assert network.content.features is not None
    plain = train_experiment(first, tmp_path / "plain", device=torch.device("cpu"))[0]
    assert plain.epochs[0].loss != run.epochs[0].loss


def test_what_a_source_is_not_told_of_is_refused():
    dataset = a_dataset()
    for given in ({"target_weights": {"like": 2.0}}, {"learn_refusals": True}):
        with pytest.raises(SettingsError, match="learnt by `graphrec train` alone"):
            build_source(TemporalNetworkMethod(**given), dataset)


def test_a_log_without_refusals_is_told():
    dataset = a_dataset()
    log = dataset.log
    taken = replace(dataset, log=log.take(log.edge_type < 2))
    with pytest.raises(SettingsError, match="small holds no refusal"):
        refused_items(taken, events_of(taken, DATA))
