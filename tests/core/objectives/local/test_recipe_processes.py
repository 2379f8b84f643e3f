"""Two and three processes that each have a part of the batch move centres, teachers and codebooks as one would."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

from crossmod.testing.ranks import run_ranks

WORKER = Path(__file__).with_name("recipe_worker.py")


@pytest.mark.parametrize("world", [2, 3])
def test_several_processes_are_one(tmp_path: Path, world: int) -> None:
    alone = runpy.run_path(str(WORKER))["train"](0, 1)
    run_ranks(WORKER, world, tmp_path / "store", str(tmp_path))
    moved = ("centre", "average_counts", "codebook", "counts", "slow_tower")
    assert all(any(word in name for name in alone) for word in moved)
    for rank in range(world):
        for name, value in torch.load(tmp_path / f"{rank}.pt").items():
            assert torch.allclose(value.double(), alone[name].double(), atol=1e-6), name
