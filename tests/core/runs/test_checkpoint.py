from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from crossmod.errors import UserError
from crossmod.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint


def test_comes_back_to_the_bit(tmp_path: Path) -> None:
    weight = torch.randn(3, 4)
    tensors = {
        "model.a": weight,
        "model.tied": weight,
        "model.half": weight.bfloat16(),
        "optimiser.step": torch.tensor(7.0),
    }
    facts = {"step": 12, "best": [0.5, 10], "specs": {"text": {"hash": "x"}}}
    write_checkpoint(tmp_path / "c.safetensors", Checkpoint(tensors, facts))
    found = read_checkpoint(tmp_path / "c.safetensors")
    assert found.step == 12 and found.facts == facts
    assert all(torch.equal(found.tensors[name], value) for name, value in tensors.items())
    assert set(found.part("model")) == {"a", "tied", "half"}


def test_a_missing_file_names_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no checkpoint"):
        read_checkpoint(tmp_path / "none.safetensors")


def test_a_file_cut_short_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, Checkpoint({"x": torch.zeros(1000)}, {"step": 1}))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match=r"cannot be read.*older checkpoint"):
        read_checkpoint(path)


def test_other_safetensors_and_pickles_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="not a crossmod checkpoint"):
        read_checkpoint(tmp_path / "other.safetensors")
    torch.save({"x": torch.zeros(1)}, tmp_path / "pickle.safetensors")
    with pytest.raises(UserError, match="cannot be read"):
        read_checkpoint(tmp_path / "pickle.safetensors")
