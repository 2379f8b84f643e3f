"""Two processes with unequal shares of a batch take the loss and the gradients of one process."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from crossmod.testing.ranks import run_ranks

WORKER = Path(__file__).with_name("contrast_worker.py")


def _run(folder: Path, world: int) -> list[dict[str, torch.Tensor]]:
    run_ranks(WORKER, world, folder / f"store-{world}", f"{folder}/out-{world}")
    return [load_file(f"{folder}/out-{world}-{rank}") for rank in range(world)]


def test_two_processes_take_the_gradients_of_one(tmp_path: Path) -> None:
    (alone,) = _run(tmp_path, 1)
    assert len(alone) == 20
    for part in _run(tmp_path, 2):
        for name, value in alone.items():
            assert torch.allclose(part[name], value, atol=1e-6 * float(value.abs().max()) + 1e-12), name
