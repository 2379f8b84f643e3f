"""The state of a run as one checkpoint, and back: weights, optimiser, averages, best score.

Order and randomness of every step are functions of the seed and the step, and so is the learning rate; what is not
in a checkpoint is not state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from crossmod.errors import UserError
from crossmod.runs.checkpoint import Checkpoint
from crossmod.runs.model_folder import load_weights
from crossmod.state.weight_average import WeightAverage


def pack(
    model: nn.Module,
    mixture: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: WeightAverage,
    facts: Mapping[str, Any],
) -> Checkpoint:
    """Everything that the next step depends on."""
    tensors: dict[str, Tensor] = {}
    tensors.update({f"model.{name}": value for name, value in model.state_dict().items()})
    tensors.update({f"objectives.{name}": value for name, value in mixture.state_dict().items()})
    tensors.update({f"average.{name}": value for name, value in average.average.items()})
    names = _parameter_names(model, mixture)
    for parameter, name in names.items():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser.{name}.{key}"] = value
    return Checkpoint(tensors, facts)


def unpack(
    checkpoint: Checkpoint,
    model: nn.Module,
    mixture: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: WeightAverage,
    where: str,
) -> None:
    """Put a checkpoint's state back.

    Raises:
        UserError: It belongs to other towers, objectives or another optimiser.
    """
    load_weights(model, checkpoint.part("model"), where)
    load_weights(mixture, checkpoint.part("objectives"), where)
    kept = checkpoint.part("average")
    if kept.keys() != average.average.keys():
        raise UserError(f"{where} was trained with another optimiser.average; resume with its own recipe.")
    for name, value in kept.items():
        average.average[name].copy_(value)
    saved = checkpoint.part("optimiser")
    for parameter, name in _parameter_names(model, mixture).items():
        prefix = f"{name}."
        state = {key.removeprefix(prefix): saved[key] for key in saved if key.startswith(prefix)}
        state = {key: value for key, value in state.items() if "." not in key}
        if state:
            optimiser.state[parameter] = {
                key: value.to(parameter.device) if value.ndim else value for key, value in state.items()
            }


def _parameter_names(model: nn.Module, mixture: nn.Module) -> dict[nn.Parameter, str]:
    names = {parameter: f"model.{name}" for name, parameter in model.named_parameters()}
    return {**names, **{parameter: f"objectives.{name}" for name, parameter in mixture.named_parameters()}}
