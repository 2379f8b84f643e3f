"""Vector quantisation by the nearest code, with a codebook that is a moving average and not trained by gradients.

VQ-VAE (van den Oord et al., arXiv:1711.00937, appendix A.1). The codebook moves only when `update` is called, never in
forward: a replayed forward (chunked backward, activation checkpoints) does not count a batch twice.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.distributed.world import world_size
from crossmod.objectives.local.shapes import require_shape


class Quantised(NamedTuple):
    """What a quantiser returns.

    Shape:
        values: [..., width]; code vectors, with the gradient of the features (straight-through).
        codes: [..., groups] int64.
        commitment: mean over the counted tokens and their values of (feature - stopped code)^2.
    """

    values: Float[Tensor, "*tokens width"]
    codes: Int64[Tensor, "*tokens groups"]
    commitment: Float[Tensor, ""]


def nearest_codes(
    features: Float[Tensor, "*tokens width"], codebook: Float[Tensor, "codes width"]
) -> Int64[Tensor, "*tokens"]:
    """argmin_k |x - e_k|^2, the lower index in a tie; a feature that is not finite has code 0.

    Shape:
        features: [..., width]; codebook: [codes, width].
    """
    wide, book = features.detach().float(), codebook.detach().float()
    # |x|^2 is the same for every code; the mean code is taken off first, which keeps digits of far-off clouds.
    centre = book.mean(0)
    wide, book = wide - centre, book - centre
    # Autocast would take the product in half precision, too coarse to tell near codes apart.
    with torch.autocast(features.device.type, enabled=False):
        scores = book.square().sum(1) - 2 * wide @ book.T
    return scores.nan_to_num(nan=torch.inf).argmin(-1)


def straight_through(
    features: Float[Tensor, "*tokens width"], values: Float[Tensor, "*tokens width"]
) -> Float[Tensor, "*tokens width"]:
    """The values, with the gradient of the features."""
    return values.detach() + (features - features.detach())


class VectorQuantiser(nn.Module):
    """Nearest code of a codebook kept as moving averages: N_k <- d N_k + (1-d) n_k, m_k likewise, e_k = m_k / N_k.

    `update` starts the codebook with features of its first batch, averages over all processes, and gives codes that
    hardly anything fell on to random features of the batch (dead codes: average count below `dead_below`). State
    lives in buffers and is checkpointed.

    Args:
        width: Width of the features.
        codes: Number of codes.
        decay: d. (0.8 in DistilCodec, 0.99 in VQ-VAE.)
        dead_below: Average tokens a batch below which a code is replaced; 0 replaces none. [ours]
        smallest_count: Average count below which a code is not moved. (Released codes add 1e-5 to the counts instead,
            which pulls codes that are hardly met towards the origin.) [ours]

    Raises:
        ValueError: `decay` does not lie in [0, 1), or there is no code.
    """

    codebook: Float[Tensor, "codes width"]
    average_counts: Float[Tensor, "codes"]
    average_sums: Float[Tensor, "codes width"]
    started: Bool[Tensor, ""]

    def __init__(
        self, width: int, codes: int, *, decay: float = 0.99, dead_below: float = 0.0, smallest_count: float = 1e-5
    ) -> None:
        super().__init__()
        if not 0 <= decay < 1 or codes < 1:
            raise ValueError(
                f"a codebook of {codes} codes with decay {decay} cannot learn; take codes >= 1, 0 <= decay < 1"
            )
        self.decay, self.dead_below, self.smallest_count = decay, dead_below, smallest_count
        self.register_buffer("codebook", torch.randn(codes, width) * width**-0.5)
        self.register_buffer("average_counts", torch.zeros(codes))
        self.register_buffer("average_sums", torch.zeros(codes, width))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def forward(
        self, features: Float[Tensor, "*tokens width"], mask: Bool[Tensor, "*tokens"] | None = None
    ) -> Quantised:
        """Quantise; tokens where `mask` is false are quantised too, but do not count in the commitment.

        Shape:
            features: [..., width].
            mask: [...]; true = counted.

        Raises:
            ValueError: The mask has other tokens.
        """
        require_shape(features.shape[:-1], mask=mask)
        codes = nearest_codes(features, self.codebook)
        values = self.look_up(codes[..., None]).to(features.dtype)
        chosen, target = (features, values) if mask is None else (features[mask], values[mask])
        distance = (
            (chosen - target.detach()).square()
            if chosen.dtype == torch.float64
            else ((chosen.float() - target.detach().float()).square())
        )
        commitment = distance.sum() / max(1, distance.numel())
        return Quantised(straight_through(features, values), codes[..., None], commitment)

    def look_up(self, codes: Int64[Tensor, "*tokens 1"]) -> Float[Tensor, "*tokens width"]:
        """The vectors of codes: what a decoder reads from stored codes."""
        # Indexing copies, so that a later update of the codebook does not reach into this step's graph.
        return self.codebook[codes[..., 0]]

    @torch.no_grad()
    def update(
        self,
        features: Float[Tensor, "*tokens width"],
        mask: Bool[Tensor, "*tokens"] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Move the codebook towards a batch; call once a training step, on every process.

        Tokens that are not finite are passed over.

        Shape:
            features: [..., width].
            mask: [...]; true = counted.
        """
        chosen = (features.flatten(0, -2) if mask is None else features[mask]).detach().to(self.codebook.dtype)
        chosen = chosen[chosen.isfinite().all(1)]
        if not bool(self.started):
            self._restart(torch.ones_like(self.average_counts, dtype=torch.bool), chosen, generator)
        codes = nearest_codes(chosen, self.codebook)
        counts = torch.zeros_like(self.average_counts).index_add_(0, codes, torch.ones_like(chosen[:, 0]))
        sums = torch.zeros_like(self.average_sums).index_add_(0, codes, chosen)
        if world_size() > 1:
            dist.all_reduce(counts)
            dist.all_reduce(sums)
        if not bool(counts.any()):
            return
        self.average_counts.lerp_(counts, 1 - self.decay)
        self.average_sums.lerp_(sums, 1 - self.decay)
        self._average()
        if self.dead_below:
            self._restart(self.average_counts < self.dead_below, chosen, generator)

    def _average(self) -> None:
        """e_k = m_k / N_k; a code that was not met for so long that its count has vanished stays where it is."""
        counts = self.average_counts[:, None]
        met = counts > self.smallest_count
        self.codebook.copy_(torch.where(met, self.average_sums / counts.clamp(min=self.smallest_count), self.codebook))

    def _restart(self, dead: Tensor, features: Tensor, generator: torch.Generator | None) -> None:
        """Put codes on random features of the batch, the same on every process; none when the batch is empty."""
        drawn = self._draw(len(dead), features, generator)
        if drawn is None:
            return
        weight = max(self.dead_below, 1.0)
        self.codebook.copy_(torch.where(dead[:, None], drawn, self.codebook))
        # As if the code had been met `weight` times, so that it is not dead again at the next step.
        self.average_counts.masked_fill_(dead, weight)
        self.average_sums.copy_(torch.where(dead[:, None], drawn * weight, self.average_sums))
        self.started.fill_(True)

    def _draw(self, count: int, features: Tensor, generator: torch.Generator | None) -> Tensor | None:
        """`count` features of the batch, distinct where there are enough; of the first process that has any."""
        first = _first_process_with_rows(len(features), features.device)
        if first is None:
            return None
        drawn = torch.empty(count, self.codebook.shape[1], dtype=self.codebook.dtype, device=self.codebook.device)
        if len(features):
            device = generator.device if generator is not None else features.device
            rounds = -(-count // len(features))
            order = [torch.randperm(len(features), generator=generator, device=device) for _ in range(rounds)]
            drawn = features[torch.cat(order)[:count].to(features.device)].contiguous()
        if world_size() > 1:
            dist.broadcast(drawn, first)
        return drawn


def _first_process_with_rows(rows: int, device: torch.device) -> int | None:
    held = torch.tensor([rows], device=device)
    if world_size() == 1:
        return 0 if rows else None
    every = [torch.zeros_like(held) for _ in range(world_size())]
    dist.all_gather(every, held)
    return next((place for place, number in enumerate(every) if int(number)), None)
