"""InfoNCE over a configured list of view pairs (MoMu, arXiv:2209.05481): graph and two texts, two graphs and so on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.distributed.world import world_size
from crossmod.objectives.info_nce import InfoNCELoss, PairTerms
from crossmod.state.logit_scale import LogitScale

Pairs = Sequence[tuple[str, str]]


def multi_view_infonce(
    views: Mapping[str, Float[Tensor, "batch dim"]],
    pairs: Pairs,
    loss: InfoNCELoss,
    group: Int64[Tensor, "batch"] | None = None,
) -> PairTerms:
    """L = mean over the pairs (u, v) of InfoNCE(views[u], views[v]), all at one scale.

    MoMu's released loss is the pairs (graph, text 1), (graph, text 2), (graph, SMILES) at a constant scale of 10.

    Shape:
        views: each [batch, dim]; group: [batch].

    Raises:
        ValueError: There is no pair, or one names a view that is not there.
    """
    if not pairs:
        raise ValueError("there is no pair of views to contrast; name at least one")
    missing = sorted({name for pair in pairs for name in pair} - set(views))
    if missing:
        raise ValueError(f"the pairs name the views {', '.join(missing)}, but there are {', '.join(sorted(views))}")
    terms: dict[str, Tensor] = {}
    total: Tensor | None = None
    for first, second in pairs:
        part = loss(views[first], views[second], group)
        terms[f"{first}-{second}"] = part.loss.detach()
        total = part.loss if total is None else total + part.loss
    assert total is not None
    mean = total / len(pairs)
    return PairTerms(mean, {"loss": mean.detach(), "scale": loss.scale().detach(), **terms})


class MultiViewObjective(Objective):
    """`multi_view_infonce` with modalities as views, each pair over the rows that have both.

    Args:
        pairs: The pairs of modalities.
        scale: The temperature that all pairs share.
        groups: Whether rows of one group are positives of each other.
    """

    couples_batch = True

    def __init__(self, pairs: Pairs, scale: LogitScale, *, groups: bool = True) -> None:
        super().__init__()
        self.pairs, self.groups = [(first, second) for first, second in pairs], groups
        self.loss = InfoNCELoss(scale)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Average the pairs; one without any common row contributes an attached zero."""
        losses: list[Tensor] = []
        terms: dict[str, Tensor] = {}
        for first, second in self.pairs:
            position_a, position_b, group = batch.common(first, second)
            a, b = forwards.embedding(first)[position_a], forwards.embedding(second)[position_b]
            groups = group if self.groups else None
            # Over processes even a share without rows has to take part in the collectives, where it is refused.
            skipped = not len(a) and world_size() == 1
            losses.append(a.sum() + b.sum() if skipped else self.loss(a, b, groups).loss)
            terms[f"{first}-{second}"] = losses[-1].detach()
        mean = torch.stack(losses).mean()
        return Outcome(mean, {"loss": mean.detach(), "scale": self.loss.scale().detach(), **terms})

    def after_step(self) -> None:
        """Clamp the scale."""
        self.loss.scale.clamp_()
