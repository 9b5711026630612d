"""What made the log: the true answer of any user to any item at any time."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64, Shaped
from numpy.typing import NDArray

from graphrec.arrays import DAY_S
from graphrec.errors import DataError, SnapshotError
from graphrec.kernels.world_response import (
    HABITS,
    ITEM,
    N_ANSWERS,
    USER,
    WINDOW,
    Moments,
    Response,
    expect_answers,
)

_MANIFEST: Final = "truth.json"
_VERSION: Final = 1
_DTYPES: Final = {"users": USER, "items": ITEM, "windows": WINDOW, "habits": HABITS}


@dataclass(frozen=True, slots=True)
class Situation:
    """What a true answer depends on besides user, item and time.

    Attributes:
        seen: The item is among the user's last 64 distinct items.
        is_next: The item's previous episode is among them.
        goodwill: The user's goodwill towards the platform before the watch, in [-2, 1].
    """

    seen: Bool[np.ndarray, " pairs"] | bool = False
    is_next: Bool[np.ndarray, " pairs"] | bool = False
    goodwill: Float64[np.ndarray, " pairs"] | float = 0.0


NEUTRAL = Situation()


@dataclass(frozen=True, slots=True)
class Expected:
    """True probabilities and means of what follows when an item is shown and looked at.

    All but `click` hold for a user who watches it.

    Attributes:
        click: Probability that the user, looking at the item, watches it; times
            `GroundTruth.examination` of the place for an item that is shown there.
        satisfaction: Probability of being satisfied by it.
        watch_share: Mean share of it that is watched, in (0, 1).
        watch_s: Mean seconds watched.
        like: Probability of a like.
        report: Probability of a report of bad content.
        return_24h: Probability of another session within the next 24 hours.
    """

    click: Float64[np.ndarray, " pairs"]
    satisfaction: Float64[np.ndarray, " pairs"]
    watch_share: Float64[np.ndarray, " pairs"]
    watch_s: Float64[np.ndarray, " pairs"]
    like: Float64[np.ndarray, " pairs"]
    report: Float64[np.ndarray, " pairs"]
    return_24h: Float64[np.ndarray, " pairs"]


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The world behind the log, by the same rows as the log.

    Attributes:
        users: Records of `USER`: interests (niches before and after `switch_s`, weights at the
            period's start and end), followed publishers, language, activity, mood for contexts.
        items: Records of `ITEM`: niches, topic, publisher, quality, appeal, clickbait, bad content,
            next and previous episode.
        niche_topic: Topic of each niche.
        windows: Records of `WINDOW`: when contexts hold and what they lift.
        habits: One record of `HABITS`: weights of the response and session model, as
            `BehaviourSettings` explains them.
        publisher_quality: Quality of each publisher, z-score.
        signup_s: When each user signed up, UTC seconds.
        day_rate: Sessions a day for each unit of activity, by day of the period.
        goodwill_end: Goodwill of each user when the period ends.
        left_end: Users who have left for good by then.
        recent_end: Last 64 distinct items of each user by then, newest first; -1 pads.
        topic_names: Name of each topic.
        niche_names: Name of each niche.
    """

    users: Shaped[np.ndarray, " users"]
    items: Shaped[np.ndarray, " items"]
    niche_topic: Int32[np.ndarray, " niches"]
    windows: Shaped[np.ndarray, " windows"]
    habits: Shaped[np.ndarray, " one"]
    publisher_quality: Float64[np.ndarray, " publishers"]
    signup_s: Int64[np.ndarray, " users"]
    day_rate: Float64[np.ndarray, " days"]
    goodwill_end: Float64[np.ndarray, " users"]
    left_end: Bool[np.ndarray, " users"]
    recent_end: Int32[np.ndarray, "users recent"]
    topic_names: Shaped[np.ndarray, " topics"]
    niche_names: Shaped[np.ndarray, " niches"]

    @property
    def response(self) -> Response:
        """The response model as the kernels take it."""
        return Response(self.users, self.items, self.niche_topic, self.windows, self.habits)

    def expected(
        self,
        user_row: Int32[np.ndarray, " pairs"],
        item_row: Int32[np.ndarray, " as_many"],
        time_s: Int64[np.ndarray, " pairs"] | int,
        situation: Situation = NEUTRAL,
    ) -> Expected:
        """The true answer of users to items, pair by pair.

        Args:
            user_row: Users.
            item_row: Items, as many; `np.repeat` and `np.tile` make a grid.
            time_s: When each is shown, UTC seconds; decides interests, contexts and freshness.
            situation: What the user watched before and how they stand to the platform.

        Raises:
            DataError: A row is outside the world, or the lengths differ.
        """
        n = len(user_row)
        if len(item_row) != n:
            raise DataError(f"{n} users but {len(item_row)} items — pairs need as many of each")
        _check_rows("user", user_row, len(self.users))
        _check_rows("item", item_row, len(self.items))
        when = _spread(time_s, n, np.int64)
        moments = Moments(
            user_row,
            item_row,
            when,
            _spread(situation.seen, n, np.bool_),
            _spread(situation.is_next, n, np.bool_),
            self.rate_at(when),
            _spread(situation.goodwill, n, np.float64),
        )
        out = np.empty((n, N_ANSWERS))
        expect_answers(self.response, moments, out)
        return Expected(*(np.ascontiguousarray(column) for column in out.T))

    def examination(self, n_places: int) -> Float64[np.ndarray, " places"]:
        """Position-bias curve: probability that each place of a page is looked at, from the top."""
        place = np.arange(1, n_places + 1, dtype=np.float64)
        seen: Float64[np.ndarray, " places"] = place ** -float(self.habits["position_bias"][0])
        return seen

    def rate_at(self, time_s: Int64[np.ndarray, " times"]) -> Float64[np.ndarray, " times"]:
        """Sessions a day for each unit of activity; outside the period as at its nearest day."""
        day = (time_s - self.habits["period_start_s"][0]) // DAY_S
        rate: Float64[np.ndarray, " times"] = self.day_rate[np.clip(day, 0, len(self.day_rate) - 1)]
        return rate

    def sessions_a_day(
        self,
        user_row: Int32[np.ndarray, " users"],
        time_s: int,
        goodwill: Float64[np.ndarray, " users"] | float = 0.0,
    ) -> Float64[np.ndarray, " users"]:
        """Mean of the Poisson number of sessions of each user on the day of `time_s`."""
        habits = self.habits[0]
        rate = self.rate_at(np.array([time_s], np.int64))[0]
        mood = np.exp(habits["return_goodwill"] * np.asarray(goodwill, np.float64))
        wanted = self.users["activity"][user_row].astype(np.float64) * rate * mood
        held: Float64[np.ndarray, " users"] = np.minimum(wanted, habits["max_sessions"])
        return held

    def interests(
        self, user_row: int, time_s: int
    ) -> tuple[Int32[np.ndarray, " slots"], Float64[np.ndarray, " slots"]]:
        """Niches of one user's interests at `time_s` and their weights; 0 is an empty place."""
        user, habits = self.users[user_row], self.habits[0]
        whole = int(habits["period_end_s"] - habits["period_start_s"])
        part = min(max((time_s - int(habits["period_start_s"])) / whole, 0.0), 1.0)
        start = user["weight_start"].astype(np.float64)
        end = user["weight_end"].astype(np.float64)
        niche = np.where(time_s < user["switch_s"], user["niche_before"], user["niche_after"])
        return niche, start + (end - start) * part

    def goodwill_after(
        self,
        item_row: Int32[np.ndarray, " pairs"],
        satisfied: Bool[np.ndarray, " pairs"],
        goodwill: Float64[np.ndarray, " pairs"] | float = 0.0,
    ) -> Float64[np.ndarray, " pairs"]:
        """Goodwill after a watch, in [-2, 1]; each midnight `goodwill_keep` of it is kept."""
        habits, items = self.habits[0], self.items[item_row]
        cheated = items["clickbait"] | items["bad"]
        lost = np.where(cheated, habits["goodwill_bait"], habits["goodwill_down"])
        before = np.asarray(goodwill, np.float64)
        gained = np.minimum(before + habits["goodwill_up"], 1.0)
        after: Float64[np.ndarray, " pairs"]
        after = np.where(satisfied, gained, np.maximum(before - lost, -2.0))
        return after

    def go_on(self, satisfied: Bool[np.ndarray, " steps"]) -> Float64[np.ndarray, " steps"]:
        """Probability that a session goes on after a step that pleased or not."""
        habits = self.habits[0]
        z = habits["continue_base"] + np.where(satisfied, habits["continue_satisfied"], 0.0)
        return np.asarray(1.0 / (1.0 + np.exp(-z)), np.float64)

    def leave(self, goodwill: Float64[np.ndarray, " users"]) -> Float64[np.ndarray, " users"]:
        """Probability that a session is the user's last."""
        habits = self.habits[0]
        chance = habits["leave"] * np.exp(-habits["leave_goodwill"] * goodwill)
        held: Float64[np.ndarray, " users"] = np.minimum(chance, 0.5)
        return held

    def topic_vectors(self) -> Float32[np.ndarray, "items topics"]:
        """Each item's share in each topic: 1 in its own, or .625 and .375 with a second niche."""
        vectors = np.zeros((len(self.items), len(self.topic_names)), np.float32)
        rows = np.arange(len(self.items))
        second = self.items["second_niche"]
        mixed = second >= 0
        vectors[rows, self.items["topic"]] = np.where(mixed, 0.625, 1.0)
        vectors[rows[mixed], self.niche_topic[second[mixed]]] += 0.375
        return vectors

    def save(self, folder: Path) -> None:
        """Write one `.npy` file for each array, and last a manifest, into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        names = [field.name for field in fields(self)]
        for name in names:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)
        manifest = {"version": _VERSION, "arrays": names}
        (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "GroundTruth":
        """Read what `save` wrote.

        Raises:
            SnapshotError: The manifest or an array is missing, damaged or of another version.
        """
        try:
            manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SnapshotError(f"{folder / _MANIFEST} — cannot be read: {error}") from error
        names = [field.name for field in fields(cls)]
        if manifest != {"version": _VERSION, "arrays": names}:
            raise SnapshotError(
                f"{folder / _MANIFEST} — not the truth of a world of format version {_VERSION}"
            )
        return cls(*(_load_array(folder / f"{name}.npy", _DTYPES.get(name)) for name in names))


def _load_array(path: Path, dtype: np.dtype[np.void] | None) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SnapshotError(f"{path} — cannot be read: {error}") from error
    if dtype is not None and array.dtype != dtype:
        raise SnapshotError(f"{path} — holds other columns than {', '.join(dtype.names or ())}")
    return array


def _check_rows(what: str, rows: Int32[np.ndarray, " pairs"], limit: int) -> None:
    if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= limit):
        raise DataError(
            f"{what} rows reach from {rows.min()} to {rows.max()} — must be in [0, {limit})"
        )


def _spread(value: object, n: int, dtype: type[np.generic]) -> NDArray[Any]:
    return np.ascontiguousarray(np.broadcast_to(np.asarray(value, dtype), (n,)))
