"""What the temporal network is made of, and how it is trained.

The defaults are what did best on the validation part of tgbl-wiki; experiment files say where
another data set needs something else.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Hours = Annotated[float, Field(ge=1e-3, le=1e7)]
Share = Annotated[float, Field(ge=0, lt=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MemoryPart(_Settings):
    """How one part of users' and items' memories fades to 1/e."""

    user_hours: Hours = Field(24.0, description="A user's, with time, hours.")
    user_places: float | None = Field(
        None, gt=0, le=1e6, description="A user's, also with so many later events; null: not."
    )
    item_hours: Hours = Field(720.0, description="An item's, with time, hours.")


class NeighbourSettings(_Settings):
    """Items that the newest visitors of a user's past items had shortly before and after them."""

    tokens: int = Field(8, ge=1, le=256, description="Newest distinct past items that are read.")
    visits: int = Field(64, ge=1, le=65_536, description="Newest visits of each of them.")
    reach: int = Field(4, ge=1, le=256, description="Events before and after a visit.")
    places: float = Field(
        2.0, gt=0, le=1e6, description="An event counts 1/e with so many more places between."
    )
    hours: Hours = Field(8760.0, description="A visit counts 1/e when so old, hours.")


class NetworkSettings(_Settings):
    """Parts of the network. What is switched off leaves a simpler model of another name.

    `graphrec/tgn/variants.py` names the simpler models.
    """

    dim: int = Field(512, ge=8, le=4096, description="Length of an identity vector.")
    hidden: int = Field(64, ge=8, le=1024, description="Width of an event's token in the readout.")
    window: int = Field(128, ge=1, le=4096, description="Newest events of a user that are read.")
    tokens: int = Field(
        16,
        ge=1,
        le=4096,
        description="Newest distinct items among them, one token each; others are only counted.",
    )
    state_layers: int = Field(
        0, ge=0, le=16, description="Layers of attention from an event to the user's earlier ones."
    )
    state_dim: int = Field(128, ge=8, le=4096, description="Width of those layers.")
    state_window: int = Field(
        128, ge=1, le=4096, description="Events, its own included, that an event attends to."
    )
    readout_layers: int = Field(
        1, ge=0, le=8, description="Layers of attention among the tokens of a query."
    )
    heads: int = Field(4, ge=1, le=64, description="Attention heads.")
    times: bool = Field(
        True,
        description="Whether the time between events is read, or their order alone; for logs that "
        "know only the order.",
    )
    identity_path: bool = Field(
        True, description="Let a query point at past items directly, by their own vectors."
    )
    taste: bool = Field(
        True, description="Let a query ask for more than past items: what its history points to."
    )
    user_identities: bool = Field(
        False,
        description="Give every user of training a vector of their own, added to what is asked "
        "for; users who are new have none.",
    )
    repeats: bool = Field(
        True,
        description="Give each token how often, how lately and out of what habit its item was "
        "used before; of no use where nobody comes back to an item.",
    )
    popularity_scales_hours: tuple[Annotated[float, Field(ge=1e-3, le=1e6)], ...] = Field(
        (1 / 60, 1 / 6, 1.0, 6.0, 24.0, 168.0),
        max_length=16,
        description="Times in which an event's part in an item's popularity decays to 1/e, hours; "
        "none: items have no state.",
    )
    memory_dim: int = Field(
        32, ge=0, le=1024, description="Length of a node's memory of its events; 0: none."
    )
    memory_parts: tuple[MemoryPart, ...] = Field(
        (
            MemoryPart(user_hours=24, item_hours=720, user_places=4),
            MemoryPart(user_hours=720, item_hours=26280),
        ),
        min_length=1,
        max_length=16,
        description="How parts of a memory fade; each has its share of memory_dim.",
    )
    memory_events: int = Field(
        32, ge=1, le=4096, description="Newest events of the window that a user remembers."
    )
    neighbours: NeighbourSettings | None = Field(
        None,
        description="Look up what stood beside a user's past items in others' sequences, as a "
        "co-watch graph does, exactly and up to the last second; null: leave it to the memories.",
    )
    side_events: int = Field(
        0,
        ge=0,
        le=1024,
        description="Newest side events of a user that are read, such as searches; 0: none. Which "
        "edge types count is the method's `side_types`.",
    )
    context_hours: float = Field(
        0.0,
        ge=0,
        le=1e6,
        description="How long a context holds after each of its events of role occurs, hours; 0: "
        "contexts are not read.",
    )
    taste_scale: float = Field(0.3, gt=0, le=100, description="Length of a user's taste at first.")
    score_scale: float = Field(
        12.0, gt=0, le=1000, description="What cosines are multiplied by at first; learned."
    )
    dropout: Share = Field(0.0, description="Share of activations left out in training.")
    learn_identities: bool = Field(
        True,
        description="Learn a vector and a bias of each item. Without, they stay as drawn, 0 for "
        "biases: items differ by content, popularity and memory alone, and one that is new is not "
        "behind.",
    )
    identity_size: float = Field(
        1.0,
        gt=0,
        le=10,
        description="Size of an identity vector's entries at first. Only its direction counts: the "
        "smaller, the faster it turns at the same learning rate.",
    )
    text: Literal["none", "ngrams", "minilm"] = Field(
        "none",
        description="What a publisher's or keyword's vector starts from, so that a new one is no "
        "stranger. none: nothing. ngrams: its letters, hashed. minilm: a frozen sentence vector "
        "(extra [text]).",
    )
    text_buckets: int = Field(
        1 << 15, ge=16, le=1 << 24, description="Hash buckets of text ngrams, a vector each."
    )
    text_dim: int = Field(128, ge=8, le=4096, description="Length of a bucket's vector.")
    spread_codes: bool = Field(
        True,
        description="Start with identity vectors as far apart as can be, for catalogues of up to "
        "2,000 items; otherwise random.",
    )

    @model_validator(mode="after")
    def _fits(self) -> "NetworkSettings":
        if self.hidden % self.heads or self.state_dim % self.heads:
            raise ValueError(
                f"hidden {self.hidden} and state_dim {self.state_dim} — multiples of heads "
                f"{self.heads}"
            )
        if self.tokens > self.window:
            raise ValueError(f"tokens {self.tokens} — at most window {self.window}")
        if self.popularity_scales_hours and not self.times:
            raise ValueError("popularity_scales_hours without times — popularity decays with time")
        if self.neighbours and not self.times:
            raise ValueError("neighbours without times — visits count less with time")
        if self.neighbours and self.neighbours.tokens > self.tokens:
            raise ValueError(
                f"neighbours.tokens {self.neighbours.tokens} — at most tokens {self.tokens}"
            )
        if self.memory_dim and not self.times:
            raise ValueError("memory_dim without times — memories fade with time")
        if (self.side_events or self.context_hours) and not self.times:
            raise ValueError(
                f"side_events {self.side_events} and context_hours {self.context_hours} without "
                "times — their place among other events is told by time"
            )
        if self.memory_dim % len(self.memory_parts):
            raise ValueError(
                f"memory_dim {self.memory_dim} — a multiple of the {len(self.memory_parts)} "
                "memory_parts"
            )
        return self

    @property
    def n_scales(self) -> int:
        """Time scales of an item's popularity."""
        return len(self.popularity_scales_hours)

    @property
    def is_told_more(self) -> bool:
        """Whether side events or contexts are read."""
        return bool(self.side_events or self.context_hours)

    @property
    def context(self) -> int:
        """Events before a query that its vector depends on; of the first, its time alone."""
        return self.window + self.state_layers * (self.state_window - 1) + 1


class LossSettings(_Settings):
    """Which items a positive one is compared with."""

    kind: Literal["full", "sampled"] = Field(
        "full", description="full: all items. sampled: those of the batch and uniform ones."
    )
    n_uniform: int = Field(1024, ge=0, le=1_000_000, description="Uniform negatives a batch.")
    in_batch: bool = Field(True, description="Whether the batch's other positives are negatives.")
    n_past: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Negatives of each event drawn from the user's window, as often as its items "
        "stand there; costs dim numbers each. Needs kind sampled.",
    )
    n_recent: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Negatives of each event drawn from the newest events of the log before it; "
        "costs dim numbers each. Needs kind sampled.",
    )
    recent_events: int = Field(
        4096, ge=1, le=100_000_000, description="How many newest events n_recent draws from."
    )
    n_given: int = Field(
        8,
        ge=1,
        le=10_000,
        description="Given negatives (shown and not taken, skipped) compared at a time with an "
        "event; of a longer list a stretch is drawn that stands for all.",
    )
    given_weight: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="How often a given negative counts in the softmax's sum beside its own place.",
    )
    smoothness: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Weight of 1 - cosine of the vectors of two items that a user had one after "
        "the other; pulls co-watched items together. 0: off.",
    )
    smoothness_pairs: int = Field(
        1024, ge=1, le=1_000_000, description="Pairs of such items drawn a step."
    )
    smoothness_hours: float = Field(
        24.0, gt=0, le=1e6, description="Longest time between the two events, hours."
    )

    @model_validator(mode="after")
    def _has_negatives(self) -> "LossSettings":
        if self.kind == "full" and self.n_hard:
            raise ValueError(
                f"n_past {self.n_past} and n_recent {self.n_recent} with kind full — a positive is "
                "compared with all items already"
            )
        if not self.n_uniform and not self.in_batch:
            raise ValueError("n_uniform 0 without in_batch — a positive needs negatives")
        return self

    @property
    def n_hard(self) -> int:
        """Negatives drawn for each event alone."""
        return self.n_past + self.n_recent


class LearningOnSettings(_Settings):
    """How weights follow a stream: after so many events, steps on these and on older ones.

    Each time takes as long as indexing the log, beside the steps.
    """

    every_events: int = Field(
        500, ge=1, description="Events that arrive between two times of learning."
    )
    passes: int = Field(1, ge=1, le=100, description="Times each new event is predicted.")
    replay: int = Field(
        1, ge=0, le=100, description="Older events, drawn at random, predicted per new one."
    )
    batch_size: int = Field(256, ge=1, le=1_000_000, description="Predicted events of a step.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Step size of AdamW, constant.")


class TrainingSettings(_Settings):
    """How the network is fitted."""

    epochs: int = Field(4, ge=1, le=10_000, description="Times every event is predicted.")
    batch_size: int = Field(2048, ge=1, le=1_000_000, description="Predicted events of a step.")
    row_targets: int = Field(
        1,
        ge=1,
        le=4096,
        description="Consecutive events of a user's sequence predicted together, which share the "
        "states of earlier events; 1 draws every event by itself.",
    )
    learning_rate: float = Field(4e-3, gt=0, le=1, description="Highest step size of AdamW.")
    final_rate: float = Field(
        0.05, ge=0, le=1, description="Share of it that is left at the end of the cosine."
    )
    warmup_steps: int = Field(50, ge=0, le=1_000_000, description="Steps up to the highest rate.")
    weight_decay: float = Field(1e-4, ge=0, le=10, description="Of AdamW.")
    max_gradient: float = Field(1.0, gt=0, le=1e6, description="Norm that gradients are cut to.")
    recency: float = Field(
        0.0,
        ge=0,
        le=20,
        description="Events count e^-recency at the log's start and 1 at the last one learnt.",
    )
    stale_batch: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Predict as if what is known were refreshed every so many events; 0: after "
        "every second.",
    )
    patience: int = Field(
        3, ge=1, le=10_000, description="Epochs without a better validation figure before the end."
    )
    metric: Literal["mrr", "ndcg@10"] = Field("mrr", description="Figure the epoch is chosen by.")
    precision: Literal["float32", "bfloat16"] = Field(
        "bfloat16", description="Of matrix products in training on a GPU; a CPU takes float32."
    )
    cuda_graph: bool = Field(True, description="Record a step once and replay it, on a GPU.")
    compiled: bool = Field(
        False, description="Also fuse the step's kernels; takes a minute at the start."
    )
    refresh_events: int = Field(
        100_000,
        ge=1,
        description="Predicted events after which memories are computed anew with the weights as "
        "they stand; at least once an epoch.",
    )
    loss: LossSettings = Field(LossSettings(), description="What a positive is compared with.")
    learn_on: LearningOnSettings | None = Field(
        None, description="Go on learning as events are absorbed; null: weights stay as trained."
    )
    seed: int = Field(0, ge=0, lt=1 << 31, description="Equal seeds give equal weights on a CPU.")

    @model_validator(mode="after")
    def _fits(self) -> "TrainingSettings":
        if self.batch_size % self.row_targets:
            raise ValueError(
                f"batch_size {self.batch_size} — a multiple of row_targets {self.row_targets}"
            )
        return self
