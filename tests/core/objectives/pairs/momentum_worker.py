"""One process of three steps with slow towers and queues: `momentum_worker.py RANK WORLD RENDEZVOUS OUTPUT`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.tower import Features, Tower
from crossmod.distributed.gradients import average_gradients
from crossmod.objectives.pairs.state_settings import MomentumContrast
from crossmod.testing.ranks import joined_ranks

ROWS, LENGTH, STEPS = 6, 4, 3
LACKING = (frozenset[int](), frozenset({0}), frozenset({3, 4, 5}))
"""Rows without b, a step: at the last one, the second of two processes has no pair at all."""
CASES: dict[str, dict[str, Any]] = {
    "albef with groups": {},
    "albef in pre-training": {"groups": False, "share_steps": 2},
    "tcl": {"intra_weight": 1.0, "local_weight": 1.0, "skip_a": 1},
}


@dataclass(frozen=True)
class Sequences:
    """[samples, length, 5] and the number of real tokens of each."""

    values: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.values)


class Averaging(Tower):
    """A linear map of tokens, and their mean; padded to the longest of the own rows."""

    width = 5

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.map = nn.Linear(5, 5)
        generator = torch.Generator().manual_seed(seed)
        self.double()
        with torch.no_grad():
            self.map.weight.copy_(torch.randn(5, 5, generator=generator, dtype=torch.float64))

    def forward(self, inputs: Sequences, /) -> Features:
        mask = torch.arange(int(inputs.lengths.max())) < inputs.lengths[:, None]
        tokens = self.map(inputs.values[:, : mask.shape[1]]).tanh()
        pooled = (tokens * mask[..., None]).sum(1) / inputs.lengths[:, None]
        return Features(pooled, tokens, mask)


class Running:
    """Forwards of two towers."""

    def __init__(self, towers: dict[str, Averaging], batch: Batch) -> None:
        self.towers, self.batch = towers, batch

    def tower(self, modality: str) -> Averaging:
        return self.towers[modality]

    def features(self, modality: str) -> Features:
        features: Features = self.towers[modality](self.batch.inputs[modality])
        return features


def batch_of(step: int, rows: slice) -> Batch:
    """The rows of this process of a step's batch."""
    generator = torch.Generator().manual_seed(step)
    group = torch.tensor([0, 1, 2, 0, 3, 4])[rows] + step
    inputs, present = {}, {}
    for modality in ("a", "b"):
        values = torch.randn(ROWS, LENGTH, 5, generator=generator, dtype=torch.float64)
        lengths = torch.randint(2, LENGTH + 1, (ROWS,), generator=generator)
        has = torch.tensor([modality == "a" or row not in LACKING[step] for row in range(ROWS)])
        present[modality] = has[rows]
        inputs[modality] = Sequences(values[rows][has[rows]], lengths[rows][has[rows]])
    return Batch(inputs, present, group, torch.arange(len(group)))


def run(rank: int, world: int) -> dict[str, Tensor]:
    """Of every case: loss and gradients of every step, and all state at the end."""
    size = ROWS // world
    rows = slice(rank * size, (rank + 1) * size)
    found: dict[str, Tensor] = {}
    for case, options in CASES.items():
        torch.manual_seed(0)
        towers = {"a": Averaging(1), "b": Averaging(2)}
        settings = MomentumContrast(a="a", b="b", width=4, queue=8, momentum=0.9, **options)
        objective = settings.build(towers).double()
        parameters = [p for part in (*towers.values(), objective) for p in part.parameters() if p.requires_grad]
        for step in range(STEPS):
            batch = batch_of(step, rows)
            for parameter in parameters:
                parameter.grad = None
            loss = objective(Running(towers, batch), batch).loss
            loss.backward()
            average_gradients(parameters)
            value = loss.detach().clone()
            if world > 1:
                dist.all_reduce(value)
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
            found[f"{case}, step {step}, loss"] = value / world
            found[f"{case}, step {step}, gradient"] = torch.cat([gradient.flatten() for gradient in gradients])
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter -= 0.1 * gradient
            objective.after_step()
        found |= {f"{case}, {name}": value.clone() for name, value in objective.state_dict().items()}
    return found


if __name__ == "__main__":
    with joined_ranks() as (rank, world):
        save_file(run(rank, world), f"{sys.argv[4]}-{rank}")
