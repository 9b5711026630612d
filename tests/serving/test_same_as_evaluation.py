"""What is served is what evaluation measures: the same items and scores, bit by bit."""

import numpy as np
import pytest
from fastapi.testclient import TestClient

from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import build_source
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.pipeline.staged import StagedSource
from graphrec.serving.app import Doors, build_app
from graphrec.serving.following import Engine
from graphrec.serving.service import Service, ServiceSettings
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.state import LiveState
from graphrec.serving.store import EntryLog
from graphrec.stages import Eligibility
from tests.worlds import small_dataset

pytest.importorskip("lightgbm")


def dataset():
    rng = np.random.default_rng(3)
    times = np.sort(rng.integers(0, 40 * 86400, 1500))
    rows = [(int(t), f"u{rng.integers(40)}", f"i{rng.zipf(1.4) % 60}") for t in times]
    return small_dataset(rows)


METHOD = PipelineMethod.model_validate(
    {
        "method": "pipeline",
        "sources": [{"source": {"method": name}} for name in ("walk", "trending", "own")],
        "ranker": {"ranker": "lambdamart", "max_trees": 20, "n_leaves": 7},
        "staged": {"n_candidates": 30, "replay": {"n_lists": 300, "n_candidates": 30}},
    }
)


def test_served_slates_are_those_of_the_source_that_evaluation_asks(tmp_path):
    data = dataset()
    events = data.log.interactions()
    cut_s = int(events.time_s[-1]) + 1
    measured = build_source(METHOD, data)
    assert isinstance(measured, StagedSource)
    measured.fit(events, cut_s)
    pipeline = fit_pipeline(dataset(), METHOD)
    with EntryLog(EntryLogSettings(url=f"sqlite:///{tmp_path}/log.sqlite")) as log:
        engine = Engine(log, LiveState(pipeline))
        client = TestClient(
            build_app(Doors(Service(log, engine, ServiceSettings(clock="log"))), None)
        )
        ids = data.ids["item"]
        n_compared = 0
        for user in range(0, data.n_users, 3):
            queries = pipeline.queries_of(np.array([user], np.int32))
            found = measured.retrieve(queries, 10, Eligibility("hide"))
            key = data.ids["user"].key(user)
            served = client.get(f"/v1/users/{key}/recommendations?k=10").json()["items"]
            by_ranker = [one for one in served if one["found_by"] != ["popular"]]
            expected = [
                (ids.key(int(row)), float(score))
                for row, score in zip(found.item_row[0], found.score[0], strict=True)
                if row >= 0
            ]
            told = [(one["item_id"], one["score"]) for one in by_ranker]
            assert told == expected[: len(told)] and len(told) >= min(len(expected), 5)
            n_compared += len(told)
    assert n_compared > 50
