"""The attacked encoder: evaluation mode, no gradient to its parameters, everything as it was afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor, nn

from crossmod.contracts.batch import Inputs
from crossmod.model import CrossModal
from crossmod.robustness.continuous import with_values

Encode = Callable[[Float[Tensor, "batch *shape"]], Float[Tensor, "batch dim"]]
"""A differentiable encoder: a minibatch's content in, one embedding a sample out."""


@contextmanager
def attackable(model: nn.Module) -> Iterator[None]:
    """Inside, the module is in evaluation mode and its parameters take no gradient; afterwards both are restored."""
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.eval()
    for parameter, _ in flags:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, wanted in flags:
            parameter.requires_grad_(wanted)


def encoder_of(model: CrossModal, modality: str, inputs: Inputs) -> Encode:
    """The encoder of one modality as a function of its content alone.

    Args:
        model: The model; use it inside `attackable`.
        modality: Which tower and head.
        inputs: The samples of the minibatch that will be passed, on the model's device; what they hold beside
            `values` (lengths, masks) is kept.
    """

    def encode(values: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch dim"]:
        return model.project(modality, model.tower(modality)(with_values(inputs, values)).pooled)

    return encode
