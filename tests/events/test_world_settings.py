"""Settings of the simulated world: what is refused, what can be chosen, and that it is kept."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from graphrec.errors import SettingsError
from graphrec.events.world import WorldSettings, generate_world
from tests.events.simulated import events, watches

DAY_S = 86_400


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"n_events": 10}, "n_events"),
        ({"n_evnts": 10_000}, "n_evnts"),
        ({"start_s": 5}, "midnight"),
        ({"specialised": 1.5}, "specialised"),
        ({"policy": {"near": 0.7, "fresh": 0.7}}, "at most 1"),
        ({"behaviour": {"search": 0.9, "rewatch": 0.9}}, "at most 1"),
        ({"contexts": [{"name": "x", "topic": "nope", "first_day": 0, "length_days": 1}]}, "nope"),
        (
            {
                "contexts": [
                    {"name": "x", "topic": "news", "first_day": 0, "length_days": 1},
                    {"name": "x", "topic": "jazz", "first_day": 0, "length_days": 1},
                ]
            },
            "differ",
        ),
        (
            {
                "contexts": [
                    {
                        "name": "x",
                        "topic": "news",
                        "first_day": 0,
                        "length_days": 3,
                        "every_days": 2,
                    }
                ]
            },
            "exceed",
        ),
    ],
)
def test_wrong_settings_are_refused_by_name(change, rule):
    with pytest.raises(ValueError, match=rule):
        WorldSettings.model_validate(change)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"n_items": 900}, "n_items = 900 — at most an eighth"),
        ({"n_users": 900}, "n_users = 900 — at most half"),
        ({"n_items": 100, "n_publishers": 101}, "n_publishers"),
        ({"n_items": 100, "n_niches": 101}, "n_niches"),
        ({"n_topics": 20, "n_niches": 10}, "n_topics"),
        ({"n_items": 100, "n_keywords": 401}, "n_keywords = 401"),
        ({"n_keywords": 30, "n_topics": 24, "n_niches": 24, "n_items": 24}, None),
        ({"n_items": 125, "n_keywords": 500}, "leaves too few for users"),
        ({"n_events": 50_000, "n_users": 10, "days": 7}, "more users, more days"),
        (
            {"contexts": ({"name": "x", "topic": "chess", "first_day": 0, "length_days": 1},)},
            "lifts topic 'chess'",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, rule):
    settings = WorldSettings.model_validate({"n_events": 1_000} | change)
    if rule is None:
        assert len(generate_world(settings).dataset.log) >= 980
        return
    with pytest.raises(SettingsError, match=rule):
        generate_world(settings)


def test_sizes_can_be_given(tmp_path):
    settings = WorldSettings(
        n_events=4_000,
        days=14,
        n_users=300,
        n_items=200,
        n_publishers=31,
        n_keywords=77,
        n_topics=5,
        n_niches=17,
        contexts=(),
        items_at_start=1.0,
    )
    world = generate_world(settings)
    nodes = world.dataset.log.n_nodes
    assert nodes == {"user": 300, "item": 200, "publisher": 31, "keyword": 77}
    assert len(world.truth.topic_names) == 5 and len(world.truth.niche_names) == 17
    described = events(world, "has_keyword")
    assert len(np.unique(described.target_row)) == 77
    assert (events(world, "published_by").time_s < settings.start_s + 14 * DAY_S).all()


def test_a_world_whose_items_all_come_later_starts_empty():
    settings = WorldSettings(n_events=1_000, items_at_start=0.0, users_at_start=1.0)
    world = generate_world(settings)
    first = watches(world).time_s[0]
    assert first >= world.dataset.published_s().min()


def test_the_demo_world_is_a_valid_setting():
    path = Path(__file__).parents[2] / "data" / "demo-world.yaml"
    settings = WorldSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert settings == WorldSettings(name="demo-world")
