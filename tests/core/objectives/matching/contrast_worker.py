"""One process of a group: `contrast_worker.py RANK WORLD RENDEZVOUS OUTPUT`; saves averaged losses and gradients."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from crossmod.objectives.matching.cross_resolution import resolution_contrast, resolution_prediction
from crossmod.objectives.matching.event_contrast import LocalTextContrast, OrderContrast
from crossmod.objectives.matching.word_moments import MomentWordContrast
from crossmod.state.logit_scale import LogitScale
from crossmod.testing.ranks import joined_ranks

ROWS, WIDTH = 7, 4


def run(rank: int, world: int) -> dict[str, torch.Tensor]:
    """Losses of seven rows, of which the first process has five, with gradients of two weights and a scale."""
    generator = torch.Generator().manual_seed(1)
    a, b, wrong = (torch.randn(*s, WIDTH, generator=generator).double() for s in ((ROWS,), (ROWS,), (ROWS, 2)))
    weights = [torch.randn(WIDTH, WIDTH, generator=generator).double().requires_grad_() for _ in range(2)]
    group = torch.tensor([0, 1, 2, 2, 3, 1, 4])
    mine = (slice(0, 5), slice(5, 7))[rank] if world > 1 else slice(0, ROWS)
    left, right = a[mine] @ weights[0], b[mine] @ weights[1]
    found: dict[str, torch.Tensor] = {}
    for name in ("local", "order", "resolution", "prediction", "words"):
        scale = LogitScale(5.0).double()
        if name == "local":
            loss = LocalTextContrast(scale, duplicate=0.3)(left, right, group[mine]).loss
        elif name == "order":
            loss = OrderContrast(scale)(left, right, group[mine], wrong[mine] @ weights[1]).loss
        elif name == "words":
            # One text of the first process has no word, so that even what is left is shared unequally.
            words = torch.stack([wrong[mine, 0] @ weights[1], right], dim=1)
            eligible = (torch.arange(ROWS) != 1)[mine, None].expand(-1, 2)
            loss = MomentWordContrast(scale)(left, words, eligible, group[mine]).loss
        elif name == "prediction":
            loss = resolution_prediction(left, right) + resolution_prediction(right, left) + 0 * scale()
        else:
            loss = resolution_contrast(left, right, scale(), group[mine])
        gradients = torch.autograd.grad(loss, [*weights, scale.log_scale], retain_graph=True)
        for key, value in zip(("loss", "left", "right", "scale"), (loss.detach(), *gradients), strict=True):
            averaged = value.clone()
            if world > 1:
                dist.all_reduce(averaged)
                averaged /= world
            found[f"{name}.{key}"] = averaged
    return found


if __name__ == "__main__":
    with joined_ranks() as (rank, world):
        save_file({name: value.contiguous() for name, value in run(rank, world).items()}, f"{sys.argv[4]}-{rank}")
