"""One process that moves codebook, usage and centre by its own rows: `quantiser_worker.py RANK WORLD STORE OUTPUT`."""

from __future__ import annotations

import sys

import torch

from crossmod.objectives.local.code_usage import CodeUsage
from crossmod.objectives.local.self_distillation import DistillationCentre
from crossmod.objectives.local.vector_quantiser import VectorQuantiser
from crossmod.testing.ranks import joined_ranks

ROWS = (5, 2)
"""Rows of each process."""


def rows() -> tuple[torch.Tensor, ...]:
    """The features of every process."""
    return torch.split(torch.randn(sum(ROWS), 3, generator=torch.Generator().manual_seed(1)) * 4 + 5, ROWS)


def moved(start: torch.Tensor, features: torch.Tensor) -> dict[str, torch.Tensor]:
    """State after one start and one step."""
    torch.manual_seed(0)
    quantiser, usage, centre = VectorQuantiser(3, 4, decay=0.5), CodeUsage(4), DistillationCentre(3)
    quantiser.update(start, generator=torch.Generator().manual_seed(0))
    quantiser.update(features)
    usage.update(quantiser(features).codes)
    centre.update(features)
    return {**quantiser.state_dict(), "usage": usage.counts, "centre": centre.centre}


if __name__ == "__main__":
    with joined_ranks() as (rank, world):
        start = torch.arange(12.0).view(4, 3) if rank else torch.zeros(0, 3)
        torch.save(moved(start, rows()[rank]), f"{sys.argv[4]}/{rank}.pt")
