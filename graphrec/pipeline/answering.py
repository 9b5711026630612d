"""Retrieve, rank, arrange: one path for evaluation, commands and the service.

A request is answered whatever stage fails, and the slate's notes say what it did without:

| what fails | what is answered | note |
|---|---|---|
| one source of a blend | without it; its evidence is a missing feature | which, and the error |
| retrieval | the fallback's items, ranked by nobody | the error |
| no candidate for a query | the fallback's items | how many queries |
| fewer candidates than places | the fallback's behind them | how many slates |
| the fallback, or it finds nothing | a short or empty slate | the error; how many are empty |
| a feature's source or column | the feature is missing to the model | which |
| a category no training row had | the same as a missing one, by the model | none |
| the ranker, or it returns no number | candidates as retrieved | the error |
| the arranger | the first places as ranked | the error |
| rules that leave nothing | an empty slate | how many |
| a pin that the request's filters refuse | without it | how many |

Failures are caught at these borders alone and logged with their traces. What a caller got wrong
(unknown ids, filters that name nobody, `k` below 1) raises before any stage is asked, and so does
an answer from the future (`LeakageError`), which no slate may hide.
"""

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Int32

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError, LeakageError
from graphrec.events.catalogue import Catalogue
from graphrec.events.dataset import Dataset
from graphrec.events.descriptions import ItemDescription
from graphrec.events.history import LiveHistory
from graphrec.events.ids import Key
from graphrec.pipeline.absorbing import Absorbing, StreamAbsorbing
from graphrec.pipeline.asking import asked_arranger, asked_ranker, objectives_of
from graphrec.pipeline.describing import ItemWords
from graphrec.pipeline.explaining import PastNames, Recommendation, Watched, effects_of
from graphrec.pipeline.notes import Notes
from graphrec.pipeline.parts import Parts
from graphrec.pipeline.refusing import refuse_lost, without_refused
from graphrec.pipeline.request import Request
from graphrec.pipeline.settling import StageCare
from graphrec.pipeline.top_up import topped_up
from graphrec.retrieval.blend import nothing_found
from graphrec.retrieval.filters import allowed_items
from graphrec.stages import (
    Arranger,
    Candidates,
    CandidateSource,
    Eligibility,
    Interactions,
    LearnsItems,
    Queries,
    Ranker,
    Slate,
)

BATCH_USERS: Final = 1024
N_CANDIDATES: Final = 500


class Pipeline:
    """Answers requests from what is known: at a cut, and of what was absorbed since."""

    def __init__(  # noqa: PLR0913 — one for each stage
        self,
        dataset: Dataset,
        source: CandidateSource,
        ranker: Ranker | None = None,
        arranger: Arranger | None = None,
        fallback: CandidateSource | None = None,
        *,
        n_candidates: int = N_CANDIDATES,
        cut_s: int | None = None,
        events: Interactions | None = None,
    ) -> None:
        """Hold stages that know the events before `cut_s`.

        Args:
            dataset: The log, ids and tables.
            source: Finds the candidates.
            ranker: Orders them; None keeps the source's order.
            arranger: Makes slates of them; None shows the first.
            fallback: Fills what the source leaves open.
            n_candidates: Candidates retrieved where there is a ranker or an arranger.
            cut_s: Now, UTC seconds; by default just after the log's last event.
            events: What counts as a watch; by default the log's positive and explicit events. Those
                from `cut_s` on are not looked at.
        """
        last_s = int(dataset.log.time_s[-1]) if len(dataset.log) else 0
        self.cut_s = last_s + 1 if cut_s is None else cut_s
        self.dataset = dataset
        self._source = source
        self._ranker = ranker
        self._arranger = arranger
        self._fallback = fallback
        self._care = StageCare.of((source, ranker, arranger, fallback))
        self._n_candidates = n_candidates
        watched = dataset.log.interactions() if events is None else events
        known = watched.take(watched.time_s < self.cut_s)
        self._history = LiveHistory(known)
        self.catalogue = Catalogue(dataset, known)

    @property
    def parts(self) -> Parts:
        """The stages as they stand."""
        return Parts(self._source, self._ranker)

    def queries_of(self, user_row: Int32[np.ndarray, " users"], at_s: int | None = None) -> Queries:
        """The queries of users with all they watched before.

        Args:
            user_row: Who asks; -1 or a row nobody has yet has no history.
            at_s: When, UTC seconds; None is now, just past all that was absorbed.
        """
        times = np.full(len(user_row), self.cut_s if at_s is None else at_s, dtype=np.int64)
        return self._history.queries(user_row, times)

    def queries_of_keys(self, user_ids: Sequence[Key]) -> Queries:
        """The queries of users named by their ids.

        Raises:
            UnknownIdError: A user is not in the log.
        """
        ids = self.dataset.ids["user"]
        return self.queries_of(np.array([ids.row(key) for key in user_ids], dtype=np.int32))

    def queries_of_session(self, item_ids: Sequence[Key]) -> Queries:
        """The query of an anonymous visitor who watched `item_ids`, newest first.

        Raises:
            UnknownIdError: An item is not in the log.
        """
        ids = self.dataset.ids["item"]
        rows = np.array([ids.row(key) for key in item_ids], dtype=np.int32)
        return Queries.of_sessions([rows], self.cut_s)

    def recommend(self, queries: Queries, request: Request) -> Slate:
        """The slate of each query; see the module for what becomes of failures.

        Args:
            queries: Who asks, and what they watched.
            request: How many items, and which.

        Returns:
            `request.k` items for each query, fewer where too few are eligible (padded with -1).

        Raises:
            UnknownIdError: A filter names an unknown item.
            DataError: A filter names an unknown publisher or keyword, there is no objective of a
                name, the arranger takes no diversity, or `k` is below 1.
            LeakageError: A query is older than what was learnt.
        """
        if request.k < 1:
            raise DataError(f"k = {request.k} — a slate has at least 1 place")
        if not request.objectives and request.diversity is None and not request.shown_before:
            return self._answered(queries, request)
        asked = copy.copy(self)
        asked._ranker = asked_ranker(self._ranker, request, self.catalogue)
        asked._arranger = asked_arranger(self._arranger, request, self.catalogue)
        return asked._answered(queries, request)

    def _answered(self, queries: Queries, request: Request) -> Slate:
        allowed = self._allowed(request)
        eligibility, notes = Eligibility(request.seen, allowed), Notes()
        is_staged = self._ranker is not None or self._arranger is not None
        n = max(request.k, self._n_candidates) if is_staged else request.k
        found = self._retrieved(queries, n, eligibility, notes)
        ranked = self._ranked(queries, found, notes)
        # An arranger's rules may remove some.
        n_wanted = request.k if self._arranger is None else min(n, 2 * request.k)
        filled = self._filled(queries, ranked, n_wanted, eligibility, notes)
        slate = self._arranged(queries, filled, request.k, notes)
        if allowed is not None:
            slate = without_refused(slate, allowed)
            notes.add(*slate.notes)
        n_empty = int((slate.shown.item_row == NO_ROW).all(axis=1).sum())
        if n_empty:
            notes.add(f"{n_empty} slate(s) are empty: no eligible item was found")
        return replace(slate, notes=notes.unique(), ranked=filled)

    def absorb(self, events: Interactions) -> None:
        """Learn from events that arrived since: every stage, and the histories.

        Later queries are answered as by a pipeline whose stages absorbed the same and whose log
        holds them; `cut_s` moves past the newest of them. Errors of a stage are not caught: one
        that has learnt only part of the events would be wrong and not just missing.
        """
        self._source.absorb(events)
        ranker: object = self._ranker
        if isinstance(ranker, Absorbing):
            ranker.absorb(events)
        if self._fallback is not None:
            self._fallback.absorb(events)
        self._history.absorb(events)
        self.catalogue.absorb(events)
        if len(events):
            self.cut_s = max(self.cut_s, int(events.time_s.max()) + 1)

    def describe_items(
        self, said: Mapping[int, ItemDescription], deleted: Collection[int] = ()
    ) -> None:
        """Replace what is known of items, by row, and have others shown no more.

        Every stage that reads descriptions learns them; `absorb` has to have told of the rows.

        Args:
            said: Descriptions; an item that was deleted is shown again.
            deleted: Rows of items that no slate is to show, whatever is said of them here.
        """
        self.catalogue.put(said)
        self.catalogue.delete(deleted)
        items = self.catalogue.described(said)
        stages: tuple[object, ...] = (self._source, self._ranker, self._fallback, self._arranger)
        for stage in stages:
            if isinstance(stage, LearnsItems) and len(items):
                stage.learn_items(items)

    def absorb_stream(self, name: str, events: Interactions) -> None:
        """Let the ranker's features know events of another stream, such as likes.

        Raises:
            DataError: The ranker reads no such stream.
        """
        ranker: object = self._ranker
        if not isinstance(ranker, StreamAbsorbing):
            raise DataError(
                f"stream {name!r} — without a learned ranker nothing reads streams; events that "
                "count themselves go to absorb"
            )
        ranker.absorb_stream(name, events)
        if len(events):
            self.cut_s = max(self.cut_s, int(events.time_s.max()) + 1)

    @property
    def objectives(self) -> dict[str, float]:
        """Names of the objectives that a request may weigh, and their weights where it does not."""
        return objectives_of(self._ranker)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that `absorb_stream` takes."""
        ranker: object = self._ranker
        return ranker.streams if isinstance(ranker, StreamAbsorbing) else ()

    def settle(self) -> None:
        """Bring every stage up to date, as the next question would.

        Until something else is absorbed or time passes, questions change nothing, so that any
        number of threads may ask at once.
        """
        ranker: object = self._ranker
        if isinstance(ranker, StreamAbsorbing):
            ranker.tell_streams(self.cut_s)
        self._care.settle(self.catalogue.n_items)
        for ids in self.dataset.ids.values():
            ids.settle()

    def advance(self, now_s: int) -> None:
        """Let time pass for what ages by a clock of its own, though nothing has happened.

        Answers are then as of stages that learnt the same events anew and read them at `now_s`
        (UTC seconds). `cut_s` and what a question sees stay: a question brings its own time.
        """
        self._care.advance(now_s)

    def describe(
        self, slate: Slate, query: int, queries: Queries | None = None
    ) -> list[Recommendation]:
        """One query's slate with ids, titles and reasons.

        Args:
            slate: What `recommend` gave.
            query: Which of its queries.
            queries: What was asked; with them, names of the past and features are told, too. To be
                called before anything else is absorbed: features are told as they stand now.
        """
        past = None if queries is None else PastNames(self.catalogue, queries, query)
        effects = {} if queries is None else effects_of(self._ranker, queries, slate, query)
        return self._words.described(slate, query, past, effects)

    def past(self, queries: Queries, query: int, *, limit: int) -> list[Watched]:
        """The newest `limit` items of one query's history, newest first."""
        return self._words.watched(queries, query, limit)

    def recommend_all(
        self, request: Request, progress: Callable[[int], None] | None = None
    ) -> Iterator[tuple[Int32[np.ndarray, " users"], Slate]]:
        """The slates of every user of the log, a batch at a time.

        Args:
            request: How many items, and which.
            progress: Told how many users were answered after each batch.
        """
        everyone = np.arange(self.dataset.n_users, dtype=np.int32)
        for start in range(0, len(everyone), BATCH_USERS):
            users = everyone[start : start + BATCH_USERS]
            yield users, self.recommend(self.queries_of(users), request)
            if progress is not None:
                progress(len(users))

    @property
    def _words(self) -> ItemWords:
        return ItemWords(self.dataset.ids["item"], self.catalogue)

    def _allowed(self, request: Request) -> Bool[np.ndarray, " items"] | None:
        """What filters and earlier pages let through, less what is deleted; None: everything."""
        catalogue = self.catalogue
        allowed = allowed_items(catalogue, self.dataset.ids["item"], request.filters, self.cut_s)
        if catalogue.n_deleted:
            shown = catalogue.shown(catalogue.n_items)
            allowed = shown if allowed is None else allowed & shown
        if request.shown_before:
            allowed = np.ones(catalogue.n_items, np.bool_) if allowed is None else allowed
            before = np.array(request.shown_before, np.int64)
            allowed[before[before < len(allowed)]] = False
        return allowed

    def _retrieved(
        self, queries: Queries, n: int, eligibility: Eligibility, notes: Notes
    ) -> Candidates:
        name = self._source.name
        try:
            found = self._source.retrieve(queries, n, eligibility)
        except LeakageError:
            raise
        except Exception as error:  # noqa: BLE001 — no failure of a stage may end a request
            notes.failed(f"retrieval by {name}", error, "no candidates")
            return replace(nothing_found(len(queries), name, ""), notes=())
        notes.add(*found.notes)
        return found

    def _ranked(self, queries: Queries, found: Candidates, notes: Notes) -> Candidates:
        if self._ranker is None:
            return found
        try:
            ranked = self._ranker.rank(queries, found)
            refuse_lost(found, ranked)
        except LeakageError:
            raise
        except Exception as error:  # noqa: BLE001 — no failure of a stage may end a request
            notes.failed("ranking", error, "candidates stand as they were retrieved")
            return found
        notes.add(*ranked.notes)
        return ranked

    def _filled(
        self, queries: Queries, ranked: Candidates, k: int, eligibility: Eligibility, notes: Notes
    ) -> Candidates:
        n_found = (ranked.item_row != NO_ROW).sum(axis=1)
        n_open, n_empty = int((n_found < k).sum()), int((n_found == 0).sum())
        if n_empty:
            notes.add(f"no candidate was found for {n_empty} of {len(queries)} queries")
        if not n_open or self._fallback is None:
            return ranked
        name = self._fallback.name
        try:
            extra = self._fallback.retrieve(queries, 2 * k, eligibility)
        except LeakageError:
            raise
        except Exception as error:  # noqa: BLE001 — no failure of a stage may end a request
            notes.failed(f"the fallback {name}", error, f"{n_open} slate(s) stay short")
            return ranked
        notes.add(f"{n_open} slate(s) topped up from {name}")
        return topped_up(ranked, extra, k, below=self._arranger is not None)

    def _arranged(self, queries: Queries, filled: Candidates, k: int, notes: Notes) -> Slate:
        if self._arranger is not None:
            try:
                slate = self._arranger.arrange(queries, replace(filled, notes=()), k)
            except LeakageError:
                raise
            except Exception as error:  # noqa: BLE001 — no failure of a stage may end a request
                notes.failed("arranging", error, "items stand as they were ranked")
            else:
                notes.add(*slate.notes)
                return slate
        return Slate(filled.first(k))
