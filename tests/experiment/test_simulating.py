"""A simulation file becomes worlds, figures and a report, the same each time."""

import json

import pytest

from graphrec import cli
from graphrec.errors import SettingsError
from graphrec.experiment.simulating import load_simulation, run_simulation

TEXT = """
name: two <weeks>
world: world.yaml
warm_up_days: 8
days: 5
seeds: [1, 2]
policies:
  - {policy: logging}
  - {policy: popular, name: most watched}
  - {policy: random}
intervals: {resamples: 100}
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "world.yaml").write_text("{n_events: 3000, days: 14, name: tiny}\n")
    path = tmp_path / "loop.yaml"
    path.write_text(TEXT)
    return path


def test_a_simulation_is_measured_reported_and_the_same_again(file, tmp_path, capsys):
    assert cli.main(["simulate", str(file), "--out", str(tmp_path / "out")]) == 0
    assert "most watched" in capsys.readouterr().out
    first = json.loads((tmp_path / "out" / "result.json").read_text())
    told = []
    settings = load_simulation(file)
    run = run_simulation(settings, tmp_path / "again", lambda *step: told.append(step))
    again = json.loads((tmp_path / "again" / "result.json").read_text())
    policies = first["simulation"]["policies"]
    assert [policy["policy"] for policy in policies] == ["logging", "most watched", "random"]
    for one, other in zip(policies, again["simulation"]["policies"], strict=True):
        assert without_seconds(one) == without_seconds(other)
    assert told[-1] == ("random, seed 2", 6, 6)
    assert policies[0]["against_first"] is None
    difference = policies[2]["against_first"]["ctr"]
    assert difference["difference"]["value"] == pytest.approx(
        policies[2]["measures"]["ctr"]["value"] - policies[0]["measures"]["ctr"]["value"]
    )
    assert difference["difference"]["high"] < 0 and difference["p_holm"] < 0.1
    reach = policies[1]["against_first"]["items_shown"]
    assert reach["difference"]["high"] < 0 and reach["p_holm"] < 0.1
    low, high = sorted(policies[1]["differences_by_world"]["items_shown"])
    assert low <= reach["difference"]["value"] <= high
    for policy in policies:
        values, differences = policy["by_world"]["ctr"], policy["differences_by_world"]["ctr"]
        expected = [a - b for a, b in zip(values, policies[0]["by_world"]["ctr"], strict=True)]
        assert differences == pytest.approx(expected) and len(differences) == 2
    assert policies[0]["over_worlds"] is None
    over_worlds, differences = policies[2]["over_worlds"]["ctr"], sorted(differences)
    assert over_worlds["difference"]["value"] == pytest.approx(sum(differences) / 2)
    assert differences[0] <= over_worlds["difference"]["low"]
    # Of two worlds half of all swaps are as large.
    assert 0.3 < over_worlds["p_value"] < 0.7
    assert all(len(policy["over_days"]["reports"]) == 5 for policy in policies)
    assert first["provenance"]["settings"]["world"]["n_events"] == 3000
    page = run.report.read_text()
    assert "two &lt;weeks&gt;" in page and "<weeks>" not in page
    assert run.notes == ()
    assert page.count("<figure>") == 4 and "seed 2" in page and "2 of 2 worlds" in page


def without_seconds(policy):
    return {name: value for name, value in policy.items() if name != "seconds"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("days: 5", "days: 7", r"warm_up_days \+ days = 15 — at most the world's days, 14"),
        ("name: most watched", "name: random", "every name must differ"),
        ("seeds: [1, 2]", "seeds: [1, 1]", "each must differ"),
        ("policy: random", "policy: oracle", "oracle"),
        ("days: 5", "days: 0", "days: 0"),
        ("world: world.yaml", "world: nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_settings_that_do_not_fit_are_refused(file, old, new, words):
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(SettingsError, match=words):
        load_simulation(file)
