"""Masked-token reconstruction: hide tokens, predict which they were (BERT, arXiv:1810.04805)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import TokenTower


def uniform_keep(
    mask: Bool[Tensor, "batch length"], share: float, generator: torch.Generator | None = None
) -> Bool[Tensor, "batch length"]:
    """Choose which tokens stay visible: each row hides `round(share * real)` of its real tokens, at least one.

    A row with no real token hides none. The choice is uniform without replacement.

    Shape:
        mask: [batch, length]; true = real token.

    Returns:
        [batch, length]; false = hidden.
    """
    draw = torch.rand(mask.shape, generator=generator, device=mask.device)
    order = draw.masked_fill(~mask, torch.inf).argsort(dim=1).argsort(dim=1)
    real = mask.sum(1, keepdim=True)
    hidden = (real * share).round().clamp(min=1).minimum(real)
    return ~((order < hidden) & mask)


def masked_cross_entropy(
    logits: Float[Tensor, "hidden vocabulary"], targets: Int64[Tensor, "hidden"]
) -> Float[Tensor, ""]:
    """Mean over all hidden tokens of -log p(target), in float32; a zero with gradient when none is hidden."""
    if not len(targets):
        return logits.sum() * 0
    return cross_entropy(logits.float(), targets)


class MaskedTokenObjective(Objective):
    """Predict the hidden tokens of one modality from the visible ones.

    Args:
        modality: The modality whose tokens are hidden.
        width: Width of the tower's tokens.
        vocabulary: Number of discrete tokens.
        share: Share of the real tokens that are hidden.
    """

    couples_batch = False

    def __init__(self, modality: str, width: int, vocabulary: int, share: float) -> None:
        super().__init__()
        self.modality, self.share = modality, share
        self.predict = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, vocabulary)
        )

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Hide, encode, predict; scores only the hidden tokens."""
        tower = forwards.tower(self.modality)
        assert isinstance(tower, TokenTower)
        tokens = tower.tokenise(batch.inputs[self.modality])
        keep = uniform_keep(tokens.mask, self.share)
        states = tower.encode(tokens, keep).tokens
        assert states is not None
        hidden = ~keep
        logits, targets = self.predict(states[hidden]), tokens.targets[hidden]
        loss = masked_cross_entropy(logits, targets)
        right = (logits.argmax(-1) == targets).sum() / max(1, len(targets))
        return Outcome(loss, {"loss": loss.detach(), "accuracy": right.detach()})
