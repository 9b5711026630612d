"""What a killed process had acknowledged is there, once, in whole batches."""

from tests.serving.killing import KillTally, kill_rounds


def test_a_killed_process_loses_doubles_and_tears_nothing(url: str):
    tally = kill_rounds(url, 3)
    assert tally == KillTally(tally.acknowledged, lost=0, doubled=0, torn=0)
    assert tally.acknowledged >= 3
