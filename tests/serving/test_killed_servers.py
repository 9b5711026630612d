"""A server that is killed under load, while it keeps snapshots, comes back as its log says."""

import pytest

from tests.serving.killing_servers import kill_servers


def test_killed_servers_lose_and_double_nothing_and_know_what_their_log_says(url: str, tmp_path):
    tally = kill_servers(url, tmp_path, 3)
    assert (tally.lost, tally.doubled, tally.differing) == (0, 0, 0)
    assert tally.acknowledged >= 10 and tally.snapshots >= 1


@pytest.fixture(autouse=True)
def _only_here(monkeypatch):
    monkeypatch.delenv("GRAPHREC_KEY", raising=False)
