"""Metrics of several processes: whoever is asked answers for all."""

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

WORKER = """
import sys
from graphrec.serving.messages import EventOut, EventsOut, SlateOut, StatusOut
from graphrec.serving.metrics import Metrics
from graphrec.serving.totals import totals_of

seq, n_events = int(sys.argv[1]), int(sys.argv[2])
status = StatusOut(
    ready=seq > 5, seq=seq, n_users=seq, n_items=4, n_edges=9, n_skipped=1,
    n_behind=0, n_shown=0, n_clicked=0, objectives={}, failure=None,
)
metrics = Metrics(lambda: status, lambda: "walk")
metrics.refresh()
metrics.is_behind(seq)
metrics.recorded(EventsOut(results=[EventOut(event_id="e", outcome="stored")] * n_events, seq=1))
slate = SlateOut(slate_id="s", items=[], next_cursor=None, notes=[], seq=1, time_s=1)
metrics.made(slate, 0.004)
metrics.became_visible(0.004)
print("ready", flush=True)
sys.stdin.readline()
totals = totals_of(metrics.families(), 0.0)
print(int(totals.events["stored"]), int(totals.gauges["seq"]), flush=True)
sys.stdout.write(metrics.page().decode())
"""


def started(folder: Path, *arguments: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *(str(one) for one in arguments)],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def values(text: str) -> dict[str, float]:
    """Each sample without labels, or with those that matter."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(
                v for k, v in sample.labels.items() if k in ("outcome", "le", "model")
            )
            found[f"{sample.name} {labels}".strip()] = sample.value
    return found


def test_counts_are_summed_and_states_told_as_fits_each(tmp_path: Path) -> None:
    first, second = started(tmp_path, 9, 2), started(tmp_path, 4, 3)
    try:
        for worker in (first, second):
            assert worker.stdout and worker.stdout.readline() == "ready\n"
        told, _ = first.communicate("go\n", timeout=60)
        summary, _, text = told.partition("\n")
        assert summary == "5 4"
        found = values(text)
        assert found["graphrec_events_total stored"] == 5
        assert found["graphrec_slate_seconds_count"] == 2
        assert found["graphrec_freshness_seconds_bucket 0.005"] == 2
        assert found["graphrec_freshness_seconds_bucket 0.003"] == 0
        # The slowest process decides what all know; sizes are those of who knows most.
        assert found["graphrec_seq"] == 4 and found["graphrec_ready"] == 0
        assert found["graphrec_users"] == 9 and found["graphrec_behind"] == 9
        assert found["graphrec_workers"] == 2
        assert found["graphrec_build_info walk"] == 1
        assert "pid=" not in text
        # Who has died is counted for what it did, and has no state any more.
        told, _ = second.communicate("go\n", timeout=60)
        found = values(told.partition("\n")[2])
        assert found["graphrec_events_total stored"] == 5
        assert found["graphrec_workers"] == 1 and found["graphrec_users"] == 4
    finally:
        for worker in (first, second):
            worker.kill()
            worker.communicate()
