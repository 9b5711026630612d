"""One layer of attention with a mask or a bias, as all parts of the network use it."""

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional


class AttentionLayer(nn.Module):
    """Attention, then a two-layer network on each place, both added to what was there.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, with the norms before each part; Xiong et al. 2020,
        arXiv:2002.04745.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        """A layer of width `dim`."""
        super().__init__()
        self._heads = heads
        self._dropout = dropout
        self.before = nn.LayerNorm(dim)
        self.project = nn.Linear(dim, 3 * dim)
        self.join = nn.Linear(dim, dim)
        self.network = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * dim, dim),
        )
        self.leave_out = nn.Dropout(dropout)

    def forward(
        self,
        token: Float[Tensor, "batch places dim"],
        mask: Float[Tensor, "batch heads #places places"] | Bool[Tensor, "batch 1 #places places"],
    ) -> Float[Tensor, "batch places dim"]:
        """Let every place look at others.

        Args:
            token: What stands in each place.
            mask: True where a place may look, or what is added to its logit there; every place may
                look at itself at least.
        """
        n_batch, n_places, dim = token.shape
        parts = self.project(self.before(token)).view(n_batch, n_places, 3, self._heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        if mask.is_floating_point():
            mask = mask.to(query.dtype)
        seen = functional.scaled_dot_product_attention(
            query, key, value, mask, self._dropout if self.training else 0.0
        )
        joined = self.join(seen.transpose(1, 2).reshape(n_batch, n_places, dim))
        token = token + self.leave_out(joined)
        return token + self.leave_out(self.network(token))
