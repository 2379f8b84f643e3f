"""Queues and tables of two processes equal those of one, however the rows are split."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from crossmod.state.gathered_rows import gather_rows
from crossmod.testing.ranks import run_ranks

WORKER = Path(__file__).with_name("processes_worker.py")


def _run(folder: Path, world: int) -> list[dict[str, torch.Tensor]]:
    run_ranks(WORKER, world, folder / f"store-{world}", f"{folder}/out-{world}")
    return [load_file(f"{folder}/out-{world}-{rank}") for rank in range(world)]


def test_two_processes_keep_what_one_keeps(tmp_path: Path) -> None:
    (alone,) = _run(tmp_path, 1)
    assert alone["features"].shape == (8, 2)
    for part in _run(tmp_path, 2):
        for name, value in alone.items():
            assert torch.equal(part[name], value), name


def test_alone_the_rows_come_back_detached() -> None:
    rows = torch.randn(3, 2, requires_grad=True)
    out, group = gather_rows(rows, torch.arange(3))
    assert torch.equal(out, rows) and not out.requires_grad
    assert group.tolist() == [0, 1, 2]


def test_columns_have_one_length() -> None:
    with pytest.raises(ValueError, match="one value a row"):
        gather_rows(torch.zeros(3), torch.zeros(2))
