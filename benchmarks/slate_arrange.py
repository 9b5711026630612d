"""Milliseconds to arrange a slate of 20 out of 1,000 candidates, one query at a time.

Items have vectors of 64 dimensions, one of 500 publishers and up to 5 of 1,000 keywords. Run:
`python -m benchmarks.slate_arrange`.
"""

import argparse
import time

import numpy as np

from benchmarks.walk_world import report
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.dpp import DppSettings
from graphrec.slate.exploration import ExplorationSettings
from graphrec.slate.facts import ItemFacts
from graphrec.slate.mmr import MmrSettings
from graphrec.slate.quotas import QuotaSettings
from graphrec.slate.settings import SlateSettings
from graphrec.slate.similarity import SimilaritySettings
from graphrec.stages import Candidates, Queries

N_ITEMS, N_CANDIDATES, K = 20_000, 1_000, 20
MIXED = SimilaritySettings(vectors=1, publisher=0.5, keywords=0.5)
QUOTA = QuotaSettings(group="publisher", at_most=2, places=10)
CASES = {
    "as ranked": SlateSettings(),
    "mmr, vectors": SlateSettings(diversity="mmr", mmr=MmrSettings(places=K)),
    "mmr, mixed": SlateSettings(diversity="mmr", mmr=MmrSettings(places=K), similarity=MIXED),
    "dpp, vectors": SlateSettings(diversity="dpp", dpp=DppSettings(places=K)),
    "dpp, mixed": SlateSettings(diversity="dpp", dpp=DppSettings(places=K), similarity=MIXED),
    "mmr, vectors, epsilon, quota": SlateSettings(
        diversity="mmr",
        mmr=MmrSettings(places=K),
        exploration=ExplorationSettings(method="epsilon"),
        quotas=(QUOTA,),
    ),
    "softmax": SlateSettings(exploration=ExplorationSettings(method="softmax")),
    "thompson": SlateSettings(exploration=ExplorationSettings(method="thompson")),
}


def made_up_facts(rng: np.random.Generator) -> ItemFacts:
    count = rng.integers(1, 6, N_ITEMS)
    return ItemFacts(
        N_ITEMS,
        rng.normal(size=(N_ITEMS, 64)).astype(np.float32),
        {"publisher": rng.integers(0, 500, N_ITEMS).astype(np.int32)},
        np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        rng.integers(0, 1_000, count.sum()).astype(np.int32),
    )


def made_up_question(rng: np.random.Generator) -> tuple[Queries, Candidates]:
    item = rng.choice(N_ITEMS, N_CANDIDATES, replace=False).astype(np.int32)[None]
    score = np.sort(rng.random(N_CANDIDATES).astype(np.float32))[::-1][None].copy()
    nothing = np.zeros(item.shape, np.float32)
    source, reason = np.zeros(item.shape, np.int8), np.full(item.shape, -1, np.int32)
    queries = Queries.of_sessions([np.empty(0, np.int32)], int(rng.integers(1, 1 << 30)), 1)
    return queries, Candidates(item, score, source, ("drawn",), reason, nothing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=200)
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    facts = made_up_facts(rng)
    questions = [made_up_question(rng) for _ in range(chosen.questions)]
    rows = []
    for name, settings in CASES.items():
        arranger = SlateArranger(facts, settings)
        arranger.arrange(*questions[0], K)
        taken_ms = []
        for queries, candidates in questions:
            began = time.perf_counter()
            arranger.arrange(queries, candidates, K)
            taken_ms.append((time.perf_counter() - began) * 1e3)
        p50, p95 = np.percentile(taken_ms, [50, 95])
        rows.append({"settings": name, "p50_ms": round(p50, 3), "p95_ms": round(p95, 3)})
    report("slate_arrange", rows)


if __name__ == "__main__":
    main()
