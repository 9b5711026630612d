"""States on small logs, and slates of them that can be compared."""

from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.pipeline import Request
from graphrec.serving.state import LiveState
from tests.worlds import small_dataset


def small_state(model="start", method="walk"):
    events = [(t, f"u{t % 5}", f"i{t * t % 17}") for t in range(1, 120)]
    return LiveState(fit_pipeline(small_dataset(events), method_named(method, {})), model)


def slates_of(state, k=5):
    pipeline = state.pipeline
    users = [key for key in pipeline.dataset.ids["user"].keys.to_list() if key is not None]
    slate = pipeline.recommend(pipeline.queries_of_keys(sorted(users)), Request(k, "allow"))
    keys = pipeline.dataset.ids["item"]
    items = [[keys.key(int(row)) for row in rows if row >= 0] for rows in slate.shown.item_row]
    return items, slate.shown.score.tolist()
