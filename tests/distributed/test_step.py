"""Two and three processes take the step of one: gradients equal at 1e-6, logit scales included."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from crossmod.testing.ranks import run_ranks

WORKER = Path(__file__).with_name("step_worker.py")


def _run(folder: Path, world: int, objective: str, chunk: int = 0) -> list[dict[str, torch.Tensor]]:
    name = f"{objective}-{world}-{chunk}"
    run_ranks(WORKER, world, folder / f"{name}.store", str(folder / name), objective, str(chunk))
    return [load_file(folder / f"{name}-{rank}") for rank in range(world)]


def _assert_equal(alone: dict[str, torch.Tensor], together: list[dict[str, torch.Tensor]]) -> None:
    expected = _gradient(alone)
    for part in together:
        assert part.keys() == alone.keys()
        # The whole gradient as one vector; the kernels' own tests hold each tensor to 1e-10 in float64.
        assert (_gradient(part) - expected).norm() <= 1e-6 * expected.norm()
        scales = [name for name in alone if "scale" in name]
        assert scales and all(torch.allclose(part[name], alone[name], rtol=1e-5) for name in scales)
    mean = torch.stack([part["loss"] for part in together]).mean()
    assert float(mean) == pytest.approx(float(alone["loss"]), rel=1e-5)


def _gradient(found: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([found[name].double().flatten() for name in sorted(found) if name != "loss"])


@pytest.mark.parametrize("objective", ["InfoNCE", "SigLIP"])
def test_processes_together_take_the_step_of_one(tmp_path: Path, objective: str) -> None:
    (alone,) = _run(tmp_path, 1, objective)
    _assert_equal(alone, _run(tmp_path, 2, objective))


def test_three_processes_in_chunks_take_the_step_of_one(tmp_path: Path) -> None:
    (alone,) = _run(tmp_path, 1, "InfoNCE")
    _assert_equal(alone, _run(tmp_path, 3, "InfoNCE", chunk=3))


def test_gathering_carries_the_gradient_of_every_row(tmp_path: Path) -> None:
    (alone,) = _run(tmp_path, 1, "gather")
    for part in _run(tmp_path, 2, "gather"):
        assert torch.allclose(part["weight"], alone["weight"], atol=1e-12)


def test_what_no_process_uses_keeps_no_gradient(tmp_path: Path) -> None:
    """An optimiser passes it over, weight decay included, as it does in one process."""
    for part in _run(tmp_path, 2, "idle"):
        assert part.keys() == {"first", "every"}
        assert torch.equal(part["first"], torch.full((3,), 0.5)) and torch.equal(part["every"], torch.full((3,), 1.5))
