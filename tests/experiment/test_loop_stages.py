"""What the pipeline of a simulated world is made of: pages as they were shown, nothing of later."""

from dataclasses import replace

import numpy as np
import pytest

from graphrec.events.world import WorldSettings
from graphrec.events.world.closed_loop import open_world
from graphrec.events.world.news import shown_pages
from graphrec.experiment.loop_settings import LoopRetrieval
from graphrec.experiment.loop_stages import (
    build_blend,
    catalogue_columns,
    counted,
    known_watches,
    loop_facts,
    loop_feature_inputs,
    pages_of_table,
    streams_of,
)
from graphrec.pipeline.loop_lists import ShownReplaySettings, drawn_pages, relive_pages
from graphrec.pipeline.loop_outcomes import SatisfactionSettings, outcomes_of_pages
from graphrec.ranking.features.builder import FeatureBuilder

WORLD = WorldSettings(n_events=2_500, days=20, seed=3)
REPLAY = ShownReplaySettings(days=3, n_lists=60, n_candidates=30, block_minutes=1440)


@pytest.fixture(scope="module")
def opening():
    return open_world(WORLD, 14)


def some(pages, which):
    return type(pages)(*(getattr(pages, name)[which] for name in pages.__slots__))


def test_pages_come_back_from_their_table(opening):
    trace = opening.warm_up.trace
    lived = shown_pages(trace)
    over = lived.end_s < opening.cut_s
    lived = some(some(lived, over), np.argsort(lived.time_s[over], kind="stable"))
    found = pages_of_table(opening.dataset)
    assert len(found) > 0.99 * len(lived)
    lived = some(lived, slice(0, len(found)))
    for name in ("user_row", "time_s", "item_row", "propensity", "clicked"):
        np.testing.assert_array_equal(getattr(found, name), getattr(lived, name))


def test_every_click_of_a_page_finds_its_watch_and_share(opening):
    data, items = opening.dataset, catalogue_columns(opening.dataset)
    pages = pages_of_table(data)
    outcomes = outcomes_of_pages(pages, data.log, items, SatisfactionSettings())
    assert (outcomes.watch >= 0)[pages.clicked].mean() > 0.99
    assert not (outcomes.watch >= 0)[~pages.clicked].any()
    watch = outcomes.watch[pages.clicked & (outcomes.watch >= 0)]
    assert len(np.unique(watch)) == len(watch)


def relived(opening, log, pages, chosen):
    """Features of the chosen pages when no more than `log` and `pages` is known."""
    data, items = replace(opening.dataset, log=log), catalogue_columns(opening.dataset)
    outcomes = outcomes_of_pages(pages, log, items, SatisfactionSettings())
    pages = replace(pages, end_s=outcomes.over_s)
    blend = build_blend(LoopRetrieval(), data)
    names = tuple(source.name for source in blend.sources)
    inputs = loop_feature_inputs(data, names, streams_of(pages, log, items))
    watches = known_watches(log, items)
    watches = replace(watches, events=counted(watches.events))
    builder = FeatureBuilder(inputs)
    return relive_pages(blend, builder, watches, some(pages, chosen), REPLAY), builder.names


def test_features_of_a_page_know_nothing_of_what_came_after_it(opening):
    data = opening.dataset
    pages = pages_of_table(data)
    outcomes = outcomes_of_pages(pages, data.log, catalogue_columns(data), SatisfactionSettings())
    chosen = drawn_pages(pages, outcomes, opening.cut_s, REPLAY)
    assert 40 < len(chosen) <= 60
    end_s = int(pages.time_s[chosen[-1]]) + 1
    now, names = relived(opening, data.log.before(end_s), some(pages, pages.time_s < end_s), chosen)
    later, _ = relived(opening, data.log, pages, chosen)
    assert np.isfinite(now[..., names.index("rate.click")][pages.item_row[chosen] >= 0]).all()
    for at, name in enumerate(names):
        np.testing.assert_array_equal(now[..., at], later[..., at], err_msg=name)


def test_slates_are_arranged_by_what_the_catalogue_tells(opening):
    facts = loop_facts(opening.dataset)
    assert facts.vectors is not None and set(facts.groups) == {"publisher", "category"}
    np.testing.assert_array_equal(facts.vectors.argmax(axis=1), facts.groups["category"])
    assert (facts.vectors.sum(axis=1) == 1).all()
