"""Several processes with slow towers and queues are one: loss, gradients, queues and slow weights."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from crossmod.testing.ranks import run_ranks

WORKER = Path(__file__).with_name("momentum_worker.py")


@pytest.mark.parametrize("world", [2, 3])
def test_several_processes_give_the_steps_of_one(tmp_path: Path, world: int) -> None:
    """Rows may lack a side, so that processes hold different numbers of pairs, or none."""
    torch.set_num_threads(1)
    alone = runpy.run_path(str(WORKER))["run"](0, 1)
    run_ranks(WORKER, world, tmp_path / "store", f"{tmp_path}/found")
    for rank in range(world):
        found = load_file(tmp_path / f"found-{rank}")
        assert found.keys() == alone.keys()
        for name, expected in alone.items():
            assert torch.allclose(found[name].double(), expected.double(), atol=1e-9), name
    queues = {name: value for name, value in alone.items() if name.endswith("queue.features")}
    assert len(queues) == 6 and all(bool((value.norm(dim=1) > 0.5).all()) for value in queues.values())
    gradients = [value for name, value in alone.items() if name.endswith("gradient")]
    assert len(gradients) == 9 and all(float(value.abs().max()) > 1e-3 for value in gradients)
