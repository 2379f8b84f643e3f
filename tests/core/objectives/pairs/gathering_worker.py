"""One process of a dense loss over processes: `gathering_worker.py RANK WORLD RENDEZVOUS OUTPUT`."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import nn

from crossmod.contracts.batch import Batch
from crossmod.objectives import (
    AttentionRead,
    ContinuousContrastLoss,
    HardestNegativeHinge,
    IdentityContrastLoss,
    InfoNCELoss,
    LateInteractionLoss,
    LocalAlignmentLoss,
    ModalityGapPenalty,
    NoiseAdaptiveObjective,
    Phrases,
    SigmoidPairLoss,
    SmoothedInfoNCELoss,
    TokenSet,
)
from crossmod.state.logit_scale import LogitScale
from crossmod.testing.ranks import joined_ranks

BATCH = 6


class Given:
    """Forwards whose embeddings are at hand."""

    def __init__(self, **embeddings: torch.Tensor) -> None:
        self.embeddings = embeddings

    def embedding(self, modality: str) -> torch.Tensor:
        return self.embeddings[modality]


class Noisy(nn.Module):
    """A linear encoder a side, and the contrast that keeps a loss for every sample: two steps, of which one doubts."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 4).double(), nn.Linear(5, 4).double()
        objective = NoiseAdaptiveObjective("a", "b", LogitScale(5.0), samples=BATCH, warmup_steps=1, refit_steps=1)
        self.objective = objective.double()

    def forward(self, x: torch.Tensor, y: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        rank = dist.get_rank() if dist.is_initialized() else 0
        present = torch.ones(len(x), dtype=torch.bool)
        batch = Batch({}, {"a": present, "b": present}, group, torch.arange(len(x)) + rank * len(x))
        forwards = Given(a=self.a(x), b=self.b(y))
        self.objective(forwards, batch)
        value: torch.Tensor = self.objective(forwards, batch).loss
        # The table has no gradient, but has to be the same everywhere as well.
        return value + self.objective.posterior.sum() + self.objective.statistics.average.sum()


class Pooled(nn.Module):
    """A linear encoder a side, and a pairwise loss."""

    def __init__(self, loss: nn.Module, sources: int = 0) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 4).double(), nn.Linear(5, 4).double()
        self.loss, self.sources = loss.double(), sources

    def forward(self, x: torch.Tensor, y: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        a, b = (nn.functional.normalize(side, dim=1) for side in (self.a(x), self.b(y)))
        rest = [y, x][: self.sources] if self.sources else [group]
        value: torch.Tensor = self.loss(a, b, *rest).loss
        return value


class Tokens(nn.Module):
    """A linear map of tokens a side, and late interaction."""

    def __init__(self, **options: float) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 4).double(), nn.Linear(5, 4).double()
        self.loss = LateInteractionLoss(LogitScale(5.0), **options).double()

    def forward(self, x: torch.Tensor, y: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        # Padded to the longest of the own rows, so that processes hold different lengths.
        sides = []
        for rows, encode in ((x, self.a), (y, self.b)):
            length = (rows[:, 0].abs() * 2).long() % 3 + 1
            mask = torch.arange(int(length.max())) < length[:, None]
            tokens = torch.stack([rows.roll(shift, 1) for shift in range(mask.shape[1])], 1)
            sides.append(TokenSet(encode(tokens), mask))
        value: torch.Tensor = self.loss(*sides, group).loss
        return value


class Aligned(nn.Module):
    """A linear map of phrases a side; processes hold different numbers of phrases, and one phrase is everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 4).double(), nn.Linear(5, 4).double()
        self.loss = LocalAlignmentLoss(LogitScale(5.0)).double()
        self.read = AttentionRead(4, 4, 4).double()

    def forward(self, x: torch.Tensor, y: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        length = (x[:, 0].abs() * 2).long() % 3 + 1
        mask = torch.arange(int(length.max())) < length[:, None]
        values, reads = (torch.stack([rows.roll(n, 1) for n in range(mask.shape[1])], 1) for rows in (x, y))
        identity = (x[:, :1] * 1e6).long() + torch.arange(mask.shape[1])
        identity[:, 0] = 7
        phrases, tokens = Phrases(self.a(values), mask, identity), TokenSet(self.b(reads), mask)
        value: torch.Tensor = self.loss(phrases, tokens, self.read, group).loss
        return value


def cases() -> dict[str, nn.Module]:
    """The losses, freshly made."""
    return {
        "clip": Pooled(InfoNCELoss(LogitScale(5.0))),
        "siglip": Pooled(SigmoidPairLoss()),
        "noise": Noisy(),
        "cwcl": Pooled(ContinuousContrastLoss(LogitScale(5.0)), sources=2),
        "cwcl sharpened": Pooled(ContinuousContrastLoss(LogitScale(5.0), sharpen=0.2), sources=1),
        "hinge": Pooled(HardestNegativeHinge()),
        "identities": Pooled(IdentityContrastLoss(LogitScale(5.0))),
        "smoothed": Pooled(SmoothedInfoNCELoss(LogitScale(5.0))),
        "gap": Pooled(ModalityGapPenalty()),
        "phrases": Aligned(),
        "filip": Tokens(),
        "filip selected": Tokens(kept_share=0.5),
    }


def gradients(rank: int, world: int) -> dict[str, torch.Tensor]:
    """Of every case, the loss and the gradient, averaged over processes."""
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(2, BATCH, 5, generator=generator, dtype=torch.float64)
    group = torch.tensor([0, 1, 2, 0, 3, 4])
    size = BATCH // world
    rows = slice(rank * size, (rank + 1) * size)
    found = {}
    for name, module in cases().items():
        with torch.no_grad():
            for number, parameter in enumerate(module.parameters()):
                if parameter.ndim:
                    draw = torch.Generator().manual_seed(number)
                    parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
        loss = module(x[rows], y[rows], group[rows])
        loss.backward()
        flat = torch.cat(
            [loss.detach().view(1), *(p.grad.flatten() for p in module.parameters() if p.grad is not None)]
        )
        if world > 1:
            dist.all_reduce(flat)
        found[name] = flat / world
    return found


if __name__ == "__main__":
    with joined_ranks() as (rank, world):
        save_file(gradients(rank, world), f"{sys.argv[4]}-{rank}")
