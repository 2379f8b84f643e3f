"""Least-squares adversarial training, with both sides in one backward pass and one optimiser (Mao et al. 2017).

The discriminators' loss is taken on detached samples; the generator's is taken through discriminators whose parameters
are stopped (`with_stopped_parameters`). The sum of both then gives each side its own gradient and nothing of the
other's, whichever weights they have, and chunks, processes, clipping and checkpoints need to know nothing of it. Both
sides move from one state of the other; alternating trainers let the generator see discriminators that are one step
ahead [ours].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.objectives.pairs.precision import widened


def adversary_loss(real: Sequence[Tensor], generated: Sequence[Tensor]) -> Float[Tensor, ""]:
    """sum over discriminators of mean (1 - D(x))^2 + mean D(G)^2, arXiv:1611.04076: 0 where all are told apart.

    Shape:
        real, generated: of each discriminator its scores, of any shape.

    Raises:
        ValueError: There is no discriminator, or not one score of the other kind for each.
    """
    _require_partners(real, generated)
    terms = [_mean_square(1 - widened(a)) + _mean_square(widened(b)) for a, b in zip(real, generated, strict=True)]
    return torch.stack(terms).sum()


def generator_loss(generated: Sequence[Tensor]) -> Float[Tensor, ""]:
    """sum over discriminators of mean (1 - D(G))^2, arXiv:1611.04076: 0 where all take it for real.

    Shape:
        generated: of each discriminator its scores, of any shape.

    Raises:
        ValueError: There is no discriminator.
    """
    _require_partners(generated, generated)
    return torch.stack([_mean_square(1 - widened(scores)) for scores in generated]).sum()


def feature_matching_loss(real: Sequence[Sequence[Tensor]], generated: Sequence[Sequence[Tensor]]) -> Float[Tensor, ""]:
    """sum over the layers of all discriminators of mean |layer(x) - layer(G)| (MelGAN, arXiv:1910.06711).

    The layers of real samples are targets and get no gradient.

    Shape:
        real, generated: of each discriminator its layers, of any shape.

    Raises:
        ValueError: There is no discriminator, or layers have no partner of their shape.
    """
    _require_partners(real, generated)
    layers = [pair for a, b in zip(real, generated, strict=True) for pair in zip(a, b, strict=True)]
    for a, b in layers:
        if a.shape != b.shape:
            raise ValueError(
                f"a layer is {list(a.shape)} for real and {list(b.shape)} for generated samples; give both one length"
            )
    return torch.stack([functional.l1_loss(widened(b), widened(a).detach()) for a, b in layers]).sum()


def with_stopped_parameters(module: nn.Module, *inputs: Tensor) -> object:
    """What `module` makes of the inputs, with a gradient to the inputs and none to its parameters."""
    stopped = {name: parameter.detach() for name, parameter in module.named_parameters()}
    return torch.func.functional_call(module, stopped, inputs)


def _mean_square(values: Tensor) -> Tensor:
    return values.square().sum() / max(1, values.numel())


def _require_partners(a: Sequence[object], b: Sequence[object]) -> None:
    if not a or len(a) != len(b):
        raise ValueError(
            f"{len(a)} and {len(b)} discriminators have spoken; give the results of the same ones, at least one"
        )
