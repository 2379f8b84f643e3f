"""One process of local objectives that keep state: `recipe_worker.py RANK WORLD STORE FOLDER`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import torch

from crossmod.distributed.gradients import average_gradients
from crossmod.model import CrossModal
from crossmod.objectives.local.state_settings import SelfDistillation, VectorQuantisation
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import EmbeddingSettings
from crossmod.testing.ranks import joined_ranks
from crossmod.training.backward import backward

TOWERS = runpy.run_path(str(Path(__file__).with_name("series_tower.py")))
ROWS, STEPS = 12, 3


def train(rank: int, world: int) -> dict[str, torch.Tensor]:
    """A few steps on this process's rows; views do not depend on draws, as they show whole samples."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    towers = {"a": TOWERS["Series"]()}
    terms: dict[str, Any] = {
        "views": SelfDistillation(
            modality="a",
            outputs=8,
            hidden=8,
            bottleneck=4,
            momentum=0.8,
            global_smallest=1.0,
            local_smallest=1.0,
            local_largest=1.0,
        ),
        "codes": VectorQuantisation(modalities=("a",), width=4, codes=5, decay=0.5, dead_below=0.0),
    }
    model = CrossModal(towers, EmbeddingSettings(width=8)).double()
    mixture = Mixture(terms, model.towers).double()
    stage = mixture.objectives["codes"].quantiser.stages[0]
    # Started by hand: which features a codebook starts with is a draw among those of one process.
    stage.started.fill_(True)
    stage.average_counts.fill_(1.0)
    stage.average_sums.copy_(stage.codebook)
    own = ROWS // world
    batch = TOWERS["batch_of"](own, {}, a=TOWERS["waves"](own, first=rank * own))
    parameters = [p for p in (*model.parameters(), *mixture.parameters()) if p.requires_grad]
    optimiser = torch.optim.SGD(parameters, lr=0.1)
    for step in range(STEPS):
        optimiser.zero_grad()
        backward(model, mixture, batch, step)
        average_gradients(parameters)
        optimiser.step()
        mixture.after_step()
    return {**mixture.state_dict(), **model.state_dict()}


if __name__ == "__main__":
    with joined_ranks() as (rank, world):
        torch.save(train(rank, world), Path(sys.argv[4]) / f"{rank}.pt")
