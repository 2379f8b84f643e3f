"""Two and three processes give the loss and the gradient of one, temperatures and tables of noise included.

Acceptance check 5 of the sheets clip-infonce and cwcl, 2 of siglip, 6 of nevlp.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from crossmod.testing.ranks import run_ranks

WORKER = Path(__file__).with_name("gathering_worker.py")


def _run(folder: Path, world: int) -> list[dict[str, torch.Tensor]]:
    run_ranks(WORKER, world, folder / f"store-{world}", f"{folder}/found-{world}")
    return [load_file(folder / f"found-{world}-{r}") for r in range(world)]


@pytest.mark.parametrize("world", [2, 3])
def test_several_processes_give_the_gradient_of_one(tmp_path: Path, world: int) -> None:
    alone = runpy.run_path(str(WORKER))["gradients"](0, 1)
    assert len(alone) == 12
    for part in _run(tmp_path, world):
        for name, expected in alone.items():
            assert bool((expected != 0).sum() > 10), name
            assert torch.allclose(part[name], expected, atol=1e-9), name
