"""One process of a distributed step: `step_worker.py RANK WORLD RENDEZVOUS OUTPUT OBJECTIVE CHUNK`."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from crossmod.cli.recipes import parse_recipe
from crossmod.distributed.gather import gather_with_gradient
from crossmod.distributed.gradients import average_gradients
from crossmod.testing.ranks import joined_ranks
from crossmod.testing.tiny import domain
from crossmod.training.assemble import assemble
from crossmod.training.backward import backward

BATCH = 24


def step(rank: int, world: int, objective: str, chunk: int) -> dict[str, torch.Tensor]:
    """The averaged gradients of this process's rows of one global batch, and its loss."""
    bias = ["--objectives.contrast.bias=-2.0"] if objective == "SigLIP" else []
    words = [f"--objectives={{contrast: {{class_path: {objective}, init_args: {{a: point, b: text}}}}}}", *bias]
    parts = assemble(parse_recipe(domain, words))
    parts.model.eval()
    rows = torch.arange(BATCH)[rank::world]
    terms = backward(parts.model, parts.mixture, parts.prepared.batch(rows), step=0, chunk_size=chunk)
    parameters = [*parts.model.parameters(), *parts.mixture.parameters()]
    average_gradients(parameters)
    named = [*parts.model.named_parameters(), *parts.mixture.named_parameters()]
    return {"loss": terms["loss"], **{name: p.grad for name, p in named if p.grad is not None}}


def gathered(rank: int, world: int) -> dict[str, torch.Tensor]:
    """Gradient of a function of all rows, taken through the gather and averaged."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(BATCH, 5, generator=generator, dtype=torch.float64)
    weight = torch.randn(5, 5, generator=generator, dtype=torch.float64).requires_grad_()
    local = rows[rank::world] @ weight
    everyone = gather_with_gradient(local)
    loss = (local @ everyone.T).tanh().sum() / len(local)
    loss.backward()
    assert weight.grad is not None
    if world > 1:
        dist.all_reduce(weight.grad)
        weight.grad /= world
    return {"weight": weight.grad}


def partly_idle(rank: int, world: int) -> dict[str, torch.Tensor]:
    """The averaged gradients of parameters that the first process alone, every process, and no process uses."""
    weights = {name: torch.nn.Parameter(torch.ones(3)) for name in ("first", "every", "none")}
    loss = weights["every"].sum() * (rank + 1)
    if rank == 0:
        loss = loss + weights["first"].sum()
    loss.backward()
    average_gradients(weights.values())
    return {name: weight.grad for name, weight in weights.items() if weight.grad is not None}


if __name__ == "__main__":
    with joined_ranks() as (rank, world):
        if sys.argv[5] == "gather":
            found = gathered(rank, world)
        elif sys.argv[5] == "idle":
            found = partly_idle(rank, world)
        else:
            found = step(rank, world, sys.argv[5], int(sys.argv[6]))
        save_file({name: value.contiguous() for name, value in found.items()}, f"{sys.argv[4]}-{rank}")
