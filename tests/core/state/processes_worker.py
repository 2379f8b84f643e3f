"""One process of a group: `processes_worker.py RANK WORLD RENDEZVOUS OUTPUT`; saves its queue, table and slow twin."""

from __future__ import annotations

import sys

import torch
from safetensors.torch import save_file

from crossmod.distributed.gradients import average_gradients
from crossmod.state.feature_queue import FeatureQueue
from crossmod.state.logit_scale import LogitScale
from crossmod.state.momentum_twin import MomentumTwin
from crossmod.state.sample_statistics import SampleStatistics
from crossmod.testing.ranks import joined_ranks

# The third step leaves the second process without a row.
SPLITS = ([3, 2], [1, 4], [5, 0])


def run(rank: int, world: int) -> dict[str, torch.Tensor]:
    """Feed three batches of five rows, split unevenly."""
    generator = torch.Generator().manual_seed(1)
    queue, table = FeatureQueue(8, 2), SampleStatistics(6)
    torch.manual_seed(2)
    tower, scale = torch.nn.Linear(2, 2), LogitScale(99.0)
    twin = MomentumTwin(tower, 0.9)
    parameters = [*tower.parameters(), *scale.parameters()]
    for split in SPLITS:
        features, loss = torch.randn(5, 2, generator=generator), torch.rand(5, generator=generator)
        group = torch.randint(0, 9, (5,), generator=generator)
        sample = torch.randint(0, 6, (5,), generator=generator)
        first, stop = (sum(split[:rank]), sum(split[: rank + 1])) if world > 1 else (0, 5)
        twin.update_(tower)
        # In quarters and eighths, so that sums over processes do not depend on their order.
        rows = (features * 4).round() / 4
        queue.enqueue_(twin(rows[first:stop]) if stop > first else rows[first:stop], group[first:stop])
        tower.zero_grad()
        scale.zero_grad()
        # A share of the sum over the batch, whose mean over processes is that of one.
        (world * (tower(rows[first:stop]).sum() - scale() * (stop - first) / 8)).backward()
        average_gradients(parameters)
        with torch.no_grad():
            for parameter in parameters:
                assert parameter.grad is not None
                parameter -= 0.25 * parameter.grad
        scale.clamp_()
        table.update_(sample[first:stop], loss[first:stop])
    features, group = queue.rows()
    state = {**twin.state_dict(prefix="twin."), **scale.state_dict(prefix="scale.")}
    rows = {"features": features, "group": group, "average": table.average.nan_to_num(-1.0), "count": table.count}
    return {**rows, **state}


if __name__ == "__main__":
    with joined_ranks() as (rank, world):
        save_file({name: value.contiguous() for name, value in run(rank, world).items()}, f"{sys.argv[4]}-{rank}")
