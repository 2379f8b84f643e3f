"""A grown model takes over what the smaller one learned (GrowCLIP's parameter inheriting with momentum)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Rename = Callable[[str], str]


@dataclass(frozen=True)
class Inherited:
    """What `inherit` did, by the names of the new model (dropped ones by those of the old).

    Args:
        matched: Parameters and buffers taken over.
        new: Those that the old model has no counterpart of; left as they were.
        dropped: Those of the old model that found no place.
        inherited_count: Numbers in the matched tensors.
        new_count: Numbers in the new ones.
    """

    matched: tuple[str, ...]
    new: tuple[str, ...]
    dropped: tuple[str, ...]
    inherited_count: int
    new_count: int


def _same(name: str) -> str:
    return name


@torch.no_grad()
def inherit(old: Mapping[str, Tensor], model: nn.Module, beta: float = 0.9, rename: Rename = _same) -> Inherited:
    """[C] theta_new <- beta theta_old + (1 - beta) theta_init for every parameter that both models have.

    theta_init is what `model` holds: its fresh initialisation. beta = 1 copies, 0 keeps the initialisation to the bit;
    between them the model keeps what it knew and leaves the minimum it lay in. The paper (arXiv:2308.11331) mixes so,
    its exact rule is not verified. Buffers are copied whatever beta is, as running statistics of a mixture of weights
    are statistics of neither; with beta = 0 they stay.

    Where a model has grown by identities, restore them afterwards with `make_identity_` if beta < 1 is to keep them.

    Args:
        old: State dict of the smaller model.
        model: The larger one, changed in place.
        beta: Weight of the old parameters, in [0, 1].
        rename: Name in the new model to name in the old one, as after `insert_blocks_`; it may name what the old model
            lacks, which is then new.

    Raises:
        ValueError: beta lies outside [0, 1], or a tensor has another shape than its counterpart; widen that first.
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"beta is {beta}; it is the weight of the old parameters, between 0 and 1 (0.9 by default).")
    own = model.state_dict(keep_vars=True)
    matched = {name: rename(name) for name in own if rename(name) in old}
    for name, source in matched.items():
        if own[name].shape != old[source].shape:
            raise ValueError(
                f"{name} has shape {list(own[name].shape)}, but {source} of the smaller model has "
                f"{list(old[source].shape)}; widen that one first (widen_hidden, widen_heads), so that nothing is lost."
            )
    for name, source in matched.items():
        value, past = own[name], old[source].to(own[name])
        if beta == 0:
            continue
        if beta == 1 or not isinstance(value, nn.Parameter):
            value.copy_(past)
        else:
            value.copy_(beta * past + (1 - beta) * value)
    used = set(matched.values())
    new = tuple(name for name in own if name not in matched)
    return Inherited(
        tuple(matched),
        new,
        tuple(name for name in old if name not in used),
        sum(own[name].numel() for name in matched),
        sum(own[name].numel() for name in new),
    )


@torch.no_grad()
def inherit_moments(
    old: Mapping[str, Mapping[str, Tensor]],
    optimiser: torch.optim.Optimizer,
    model: nn.Module,
    beta: float = 0.9,
    rename: Rename = _same,
) -> tuple[str, ...]:
    """[C] Optimiser moments of inherited parameters, scaled by beta; those of all others start at zero.

    The step counter, by which Adam corrects its start, is taken over as it is.

    Args:
        old: By parameter name of the smaller model, its state in the old optimiser.
        optimiser: The new model's optimiser, changed in place.
        model: The new model.
        beta: Factor of the moments.
        rename: As in `inherit`.

    Returns:
        The names of the parameters whose moments were taken over; those of another shape are not among them.
    """
    known = {parameter for group in optimiser.param_groups for parameter in group["params"]}
    taken = []
    for name, parameter in model.named_parameters():
        state = old.get(rename(name))
        if not state or parameter not in known:
            continue
        if any(value.ndim and value.shape != parameter.shape for value in state.values()):
            continue
        optimiser.state[parameter] = {
            key: (value.to(parameter.device) * beta if value.ndim else value.clone()) for key, value in state.items()
        }
        taken.append(name)
    return tuple(taken)
