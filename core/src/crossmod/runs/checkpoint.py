"""Checkpoints: one safetensors file with everything a run needs to go on, written atomically, never pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from crossmod.errors import UserError
from crossmod.runs.atomic import write_atomic

FORMAT = "crossmod-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after `step` optimiser steps.

    Args:
        tensors: Every tensor by name: `model.*`, `objectives.*`, `optimiser.*`, `average.*`.
        facts: Everything else, as JSON values: the domain, the step, the best score so far, the specs.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Optimiser steps that have been taken."""
        return int(self.facts["step"])

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors under one prefix, named without it."""
        start = f"{prefix}."
        return {name.removeprefix(start): value for name, value in self.tensors.items() if name.startswith(start)}


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically; shared storages are written as separate tensors."""
    tensors, seen = {}, set()
    for name, value in checkpoint.tensors.items():
        value = value.detach().contiguous()
        tensors[name] = value.clone() if value.untyped_storage().data_ptr() in seen else value
        seen.add(value.untyped_storage().data_ptr())
    metadata = {"format": FORMAT, "facts": json.dumps(dict(checkpoint.facts))}
    write_atomic(path, lambda temporary: save_file(tensors, temporary, metadata=metadata))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        UserError: The file is missing, cut short, or not a checkpoint of crossmod.
    """
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}; look at what is there with `ls {path.parent}`.")
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UserError(f"{path} is not a crossmod checkpoint; give a run folder that crossmod wrote.")
            names = list(handle.keys())
            tensors = {name: handle.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise UserError(f"{path} cannot be read ({error}); resume from an older checkpoint beside it.") from None
    return Checkpoint(tensors, json.loads(metadata["facts"]))
