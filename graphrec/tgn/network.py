"""The temporal network: vectors of queries and of items, whose dot product is the score."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from graphrec.errors import SettingsError
from graphrec.tgn.codes import SPREAD_UP_TO, random_codes, spread_codes
from graphrec.tgn.content import ContentEncoder, NodeContent
from graphrec.tgn.event_states import EventStates
from graphrec.tgn.item_states import Found, dynamic_features, dynamic_scores
from graphrec.tgn.keeping import KeptNetwork
from graphrec.tgn.memory import NodeMemory
from graphrec.tgn.neighbours import AskedItems, neighbour_parts, neighbour_scores
from graphrec.tgn.query_vectors import PastWeights, QueryVectors
from graphrec.tgn.questions import ItemHistory, Windows
from graphrec.tgn.readout import Memories, Reading, Readout, Tokens, select_tokens
from graphrec.tgn.settings import NetworkSettings
from graphrec.tgn.side_events import SideNodes
from graphrec.tgn.side_reader import Beside, ContextReader, SideReader


class TemporalNetwork(KeptNetwork):
    """Scores items for users as of a time, from what happened strictly before.

    An item's vector is `[code_i, dynamic_i(t), memory_i(t), beside_i(t), bias_i]`, a query's
    `[s (sum_k p_k code_k + g taste), w, v, a, 1]` with k over the user's newest distinct items and
    side events: past items are pointed at by their own codes and what was searched for by its
    keyword's, others found by taste, w weighs what has been going on with each item lately, v who
    has come to it, and a, sparse, what it stood beside.

    Source:
        Rossi et al. 2020, arXiv:2006.10637; queries point at past items, and scores are dot
        products.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        content: NodeContent,
        *,
        n_users: int = 0,
        seed: int = 0,
        side: SideNodes | None = None,
    ) -> None:
        """Draw a network.

        Args:
            settings: Its parts.
            content: What is known of the items, and how many there are.
            n_users: Users that get a vector of their own, where the settings want it.
            seed: Decides where it starts.
            side: What side events and contexts may be; None: there are none.

        Raises:
            SettingsError: The settings want side events or contexts, and there are none.
        """
        super().__init__()
        self.settings = settings
        self.side_nodes = _checked(side or SideNodes(), settings)
        n_items, dim = content.n_items, settings.dim
        generator = torch.Generator().manual_seed(seed)
        spread = settings.spread_codes and n_items <= SPREAD_UP_TO and not content.is_known
        code = (spread_codes if spread else random_codes)(n_items, dim, generator)
        learnt = settings.learn_identities
        self.identity = nn.Parameter(code * settings.identity_size, requires_grad=learnt)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.content = ContentEncoder(content, settings) if content.is_known else None
            self.states = EventStates(settings) if settings.state_layers else None
            self.readout = Readout(settings)
            self.memory = NodeMemory(settings) if settings.memory_dim else None
            self.side, self.contexts = self._readers_beside(content)
        self.user = nn.Parameter(torch.zeros(n_users, dim)) if settings.user_identities else None
        self.bias = nn.Parameter(torch.zeros(n_items), requires_grad=learnt)
        self.log_scale = nn.Parameter(torch.tensor(settings.score_scale).log())
        self.taste_scale = nn.Parameter(torch.tensor(settings.taste_scale))
        hours = torch.tensor(settings.popularity_scales_hours, dtype=torch.float32)
        self.register_buffer("scale_s", hours * 3600)
        self.scale_s: Tensor

    @property
    def n_items(self) -> int:
        """Items that have a vector."""
        return len(self.bias)

    def grow(self, n_items: int, content: NodeContent | None = None) -> None:
        """Give items up to row `n_items - 1` a vector: a drawn identity of their own, and content.

        Growing item by item or at once gives the same vectors.

        Args:
            n_items: Items there are then.
            content: What is known of the new ones alone; of no use to a network without content.

        Raises:
            DataError: `content` is of another number of items, or of fewer names.
        """
        n_more = n_items - self.n_items
        if n_more <= 0:
            return
        if self.content is not None:
            self.content.grow(n_more, content)
        drawn = [
            random_codes(1, self.settings.dim, torch.Generator().manual_seed(row))
            for row in range(self.n_items, n_items)
        ]
        fresh = torch.cat(drawn).to(self.identity) * self.settings.identity_size
        learnt = self.settings.learn_identities
        self.identity = nn.Parameter(torch.cat([self.identity.data, fresh]), requires_grad=learnt)
        bias = torch.cat([self.bias.data, self.bias.data.new_zeros(n_more)])
        self.bias = nn.Parameter(bias, requires_grad=learnt)

    def codes(self) -> Float[Tensor, "items dim"]:
        """Unit vector of every item."""
        own = self.identity if self.content is None else self.content(self.identity)
        return functional.normalize(own, dim=-1)

    def query_vectors(
        self, windows: Windows, history: ItemHistory, code: Float[Tensor, "items dim"]
    ) -> QueryVectors:
        """Vectors of queries.

        Args:
            windows: Their newest events.
            history: States of items as each query knows them.
            code: Unit vector of every item.
        """
        reading, tokens, of_token, beside = self._read(windows, history, code)
        settings = self.settings
        wanted = reading.taste * self.taste_scale * settings.taste
        if self.user is not None and len(self.user):
            known = (windows.user >= 0) & (windows.user < len(self.user))
            own = functional.embedding(torch.where(known, windows.user, 0), self.user)
            wanted = wanted + own * known[:, None]
        if settings.identity_path:
            wanted = wanted + (reading.pointer[:, None, :] @ of_token)[:, 0]
        if self.side is not None and reading.side is not None and beside and beside.side:
            wanted = wanted + self.side.wanted(reading.side, beside.side)
        return QueryVectors(
            wanted * self.log_scale.exp(),
            reading.dynamic if settings.n_scales else None,
            reading.memory,
            self._past_weights(tokens, reading),
        )

    def contributions(
        self,
        windows: Windows,
        history: ItemHistory,
        code: Float[Tensor, "items dim"],
        item: Int[Tensor, "queries candidates"],
    ) -> tuple[Tokens, Float[Tensor, "queries candidates tokens"]]:
        """What each of a query's past items adds to the score of candidates, by itself.

        Args:
            windows: The newest events of each query.
            history: States of items as each query knows them.
            code: Unit vector of every item.
            item: Each query's own candidates.

        Returns:
            The past items, and logits: by pointing, and by what was found beside them.
        """
        reading, tokens, of_token, _ = self._read(windows, history, code)
        told = functional.embedding(item, code) @ of_token.transpose(1, 2)
        told = told * reading.pointer[:, None, :] * self.log_scale.exp()
        told = told * self.settings.identity_path
        past, settings = self._past_weights(tokens, reading), self.settings.neighbours
        if past is not None and settings is not None:
            found = history.find(item, windows.now_s)
            n_events = history.states.count[found.at] * found.known
            asked = AskedItems(item, n_events, self.n_items)
            visits = history.visits(past.item, settings)
            parts = neighbour_parts(past.weight, visits, windows.now_s, asked, settings)
            told[..., : parts.shape[1]] += parts.transpose(1, 2)
        return tokens, told

    def item_dynamics(
        self,
        history: ItemHistory,
        item: Int[Tensor, "queries candidates"],
        now_s: Int[Tensor, " queries"],
    ) -> Float[Tensor, "queries candidates dynamic"]:
        """Vectors of recent events of items, as each query knows them."""
        return dynamic_features(history.states, history.find(item, now_s), self.scale_s).values

    def item_memories(
        self,
        history: ItemHistory,
        item: Int[Tensor, "queries candidates"],
        now_s: Int[Tensor, " queries"],
    ) -> Float[Tensor, "queries candidates memory"]:
        """Memories of items, as each query knows them; no gradient reaches them."""
        if self.memory is None or history.memory is None:
            return self.bias.new_zeros(*item.shape, self.settings.memory_dim)
        found = history.find(item, now_s)
        return self.memory.of_items(history.memory, found, learning=False)

    def forward(
        self,
        windows: Windows,
        history: ItemHistory,
        item: Int[Tensor, " candidates"] | None = None,
        code: Float[Tensor, "items dim"] | None = None,
    ) -> Float[Tensor, "queries candidates"]:
        """Scores of candidates, the same ones for every query.

        Args:
            windows: The newest events of each query.
            history: States of items as each query knows them.
            item: The candidates; None for every item.
            code: What `codes` gave, where it was kept.
        """
        code = self.codes() if code is None else code
        return self.scores(self.query_vectors(windows, history, code), windows, history, code, item)

    def scores(
        self,
        vectors: QueryVectors,
        windows: Windows,
        history: ItemHistory,
        code: Float[Tensor, "items dim"],
        item: Int[Tensor, " candidates"] | Int[Tensor, "queries candidates"] | None = None,
    ) -> Float[Tensor, "queries candidates"]:
        """Scores of candidates for queries whose vectors are known.

        Args:
            vectors: What `query_vectors` gave.
            windows: The newest events of each query.
            history: States of items as each query knows them.
            code: Unit vector of every item.
            item: The candidates, the same for every query or each query's own; None: every item.
        """
        if item is None and history.row_per_item:
            return self.scores_of_all(vectors, windows.now_s, history, code)
        asked = item
        if item is None:
            item = torch.arange(self.n_items, device=code.device)
            score = vectors.code @ code.T + self.bias
        elif item.ndim == 1:
            score = vectors.code @ functional.embedding(item, code).T + self.bias[item]
        else:
            own = functional.embedding(item, code) @ vectors.code[:, :, None]
            score = own[..., 0] + self.bias[item]
        found = history.find(item.expand(len(score), -1), windows.now_s)
        if vectors.dynamic is not None:
            dynamics = dynamic_features(history.states, found, self.scale_s).values
            score = score + (dynamics @ vectors.dynamic[:, :, None])[..., 0]
        if vectors.memory is not None and self.memory is not None and history.memory is not None:
            total = history.memory.total
            told = self.memory.scores(vectors.memory, total, found.at, found.age_s)
            score = score + told * found.known
        n_events = history.states.count[found.at] * found.known
        score = self._with_neighbours(
            score, vectors, windows.now_s, history, AskedItems(asked, n_events, self.n_items)
        )
        return score.float()

    def scores_of_all(
        self,
        vectors: QueryVectors,
        now_s: Int[Tensor, " queries"],
        history: ItemHistory,
        code: Float[Tensor, "items dim"],
    ) -> Float[Tensor, "queries items"]:
        """Scores of every item, from tables that are read as they lie.

        Args:
            vectors: What `query_vectors` gave.
            now_s: The moment of each query, UTC seconds.
            history: States of items, with a row per item.
            code: Unit vector of every item.
        """
        score = vectors.code @ code.T + self.bias
        if vectors.dynamic is not None:
            score = score + dynamic_scores(history.states, vectors.dynamic, now_s, self.scale_s)
        if vectors.memory is not None and self.memory is not None and history.memory is not None:
            age_s = (now_s[:, None] - history.states.time_s).clamp(min=0)
            total = history.memory.total
            score = score + self.memory.scores(vectors.memory, total, None, age_s)
        asked = AskedItems(None, history.states.count.expand(len(score), -1), self.n_items)
        score = self._with_neighbours(score, vectors, now_s, history, asked)
        return score.float()

    def _read(
        self, windows: Windows, history: ItemHistory, code: Float[Tensor, "items dim"]
    ) -> tuple[Reading, Tokens, Float[Tensor, "queries tokens dim"], Beside | None]:
        if not self.settings.times:
            windows = windows.without_times()
        tokens = select_tokens(windows, self.settings.tokens)
        of_token = functional.embedding(tokens.item, code)
        state = None
        if self.states is not None and windows.rows is not None and windows.place is not None:
            every = self.states(windows.rows, code).flatten(0, 1)
            state = functional.embedding(windows.place.gather(1, tokens.at), every)
        found = history.find(tokens.item, windows.now_s)
        features = None
        if self.settings.n_scales:
            features = dynamic_features(history.states, found, self.scale_s)
        memories = self._memories(windows, found, history, code)
        beside = self._beside(windows, tokens, of_token, code)
        reading = self.readout(windows, tokens, of_token, state, features, memories, beside)
        return reading, tokens, of_token, beside

    def _past_weights(self, tokens: Tokens, reading: Reading) -> PastWeights | None:
        if self.settings.neighbours is None or reading.neighbours is None:
            return None
        return PastWeights(tokens.item[:, : self.settings.neighbours.tokens], reading.neighbours)

    def _with_neighbours(
        self,
        score: Float[Tensor, "queries candidates"],
        vectors: QueryVectors,
        now_s: Int[Tensor, " queries"],
        history: ItemHistory,
        asked: AskedItems,
    ) -> Float[Tensor, "queries candidates"]:
        past, settings = vectors.past, self.settings.neighbours
        if past is None or settings is None:
            return score
        visits = history.visits(past.item, settings)
        return score + neighbour_scores(past.weight, visits, now_s, asked, settings)

    def _readers_beside(
        self, content: NodeContent
    ) -> tuple[SideReader | None, ContextReader | None]:
        settings, nodes = self.settings, self.side_nodes
        width = self.readout.join.out_features
        side, contexts = None, None
        if settings.side_events:
            side = SideReader(settings, nodes, width, has_names=bool(content.n_names))
        if settings.context_hours:
            contexts = ContextReader(settings, nodes.n_contexts, width)
        return side, contexts

    def _beside(
        self, windows: Windows, tokens: Tokens, of_token: Tensor, code: Tensor
    ) -> Beside | None:
        if self.side is None and self.contexts is None:
            return None
        if windows.side is None:
            raise SettingsError(
                "the network reads side events or contexts and is asked without any — give it the "
                "side events of its log"
            )
        beside = Beside(None, None, code.new_zeros(()))
        if self.side is not None:
            names = None
            if self.side.has_names and self.content is not None:
                vectors = functional.normalize(self.content.name_vectors(), dim=-1)
                names = vectors, self.content.n_publishers
            past = of_token, tokens.present
            beside = self.side(windows, windows.side, past, code, names)
        if self.contexts is not None:
            joined = beside.joined + self.contexts(windows.side.holds)
            beside = beside._replace(joined=joined)
        return beside

    def _memories(
        self, windows: Windows, found: Found, history: ItemHistory, code: Tensor
    ) -> Memories | None:
        if self.memory is None:
            return None
        user = self.memory.of_users(windows, code, history.message)
        if history.memory is None:
            return Memories(user, user.new_zeros(*found.at.shape, self.settings.memory_dim))
        learning = torch.is_grad_enabled()
        return Memories(user, self.memory.of_items(history.memory, found, learning=learning))


def _checked(side: SideNodes, settings: NetworkSettings) -> SideNodes:
    """The nodes, where there are such as the settings want.

    Raises:
        SettingsError: There are not.
    """
    if settings.side_events and not side.kinds:
        raise SettingsError(
            f"side_events {settings.side_events} — no kind of side event is known to read"
        )
    if settings.context_hours and not side.n_contexts:
        raise SettingsError(f"context_hours {settings.context_hours} — no context is known to read")
    return side
