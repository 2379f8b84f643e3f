"""A slow copy of a module, whose outputs are targets that do not chase the module itself (MoCo, ALBEF, BYOL)."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class MomentumTwin(nn.Module):
    """theta_m <- m theta_m + (1 - m) theta, taken before the twin's forward (ALBEF, arXiv:2107.07651; m = 0.995).

    The twin starts as an exact copy, never has gradients and stays in evaluation mode whatever its parent does. It is
    a part of whoever holds it, so it is checkpointed there; the followed module is not, and is passed to `update_`.
    Floating buffers (running statistics) are averaged with the parameters, integer buffers are copied.

        twin.update_(model)
        targets = twin("text", inputs)

    Args:
        online: The module to copy; any module, whose forward the twin then offers without gradient.
        momentum: Weight of the past, in [0, 1]; 0 copies the module at each update, 1 never moves.
        release_compat: True leaves dropout active in the twin whenever the parent trains and averages parameters
            alone, as ALBEF's released code does.

    Raises:
        ValueError: The momentum lies outside [0, 1], or a parameter is in half precision, where steps of 1 - m round
            to nothing.
    """

    def __init__(self, online: nn.Module, momentum: float = 0.995, *, release_compat: bool = False) -> None:
        super().__init__()
        _require_share(momentum)
        for name, parameter in online.named_parameters():
            if parameter.dtype in (torch.float16, torch.bfloat16):
                raise ValueError(
                    f"parameter {name} is in {parameter.dtype}, where an average of momentum {momentum} cannot move; "
                    "keep weights in float32 and compute in half precision by autocast."
                )
        self.momentum, self.release_compat = momentum, release_compat
        self.module = copy.deepcopy(online).requires_grad_(False)
        self.train(online.training)

    def train(self, mode: bool = True) -> MomentumTwin:
        """Stay in evaluation mode, or follow the parent under `release_compat`."""
        super().train(mode and self.release_compat)
        return self

    @torch.no_grad()
    def update_(self, online: nn.Module, momentum: float | None = None) -> None:
        """Move one step towards `online`; call once an optimiser step, before the twin's forwards of that step.

        Args:
            online: The followed module, of the structure that was copied.
            momentum: Weight of the past in this update, for a schedule; None takes the twin's own.

        Raises:
            ValueError: The momentum lies outside [0, 1], or `online` has other parameters than the twin, as after
                growth; make a new twin then.
        """
        past = self.momentum if momentum is None else momentum
        _require_share(past)
        moved: list[tuple[Tensor, Tensor]] = _matched(
            dict(self.module.named_parameters()), dict(online.named_parameters())
        )
        for own, followed in _matched(dict(self.module.named_buffers()), dict(online.named_buffers())):
            if self.release_compat:
                continue
            if own.is_floating_point():
                moved.append((own, followed))
            else:
                own.copy_(followed)
        if moved:
            targets = [followed.to(own.dtype) for own, followed in moved]
            # lerp and not two products: where twin and module agree they then agree to the bit afterwards.
            torch._foreach_lerp_([own for own, _ in moved], targets, 1.0 - past)

    @torch.no_grad()
    def forward(self, *arguments: Any, **named: Any) -> Any:
        """What the followed module would return, with the slow weights and without gradient."""
        return self.module(*arguments, **named)


def _require_share(momentum: float) -> None:
    if not 0 <= momentum <= 1:
        raise ValueError(f"the momentum is {momentum}; it is a weight of the past between 0 and 1 (0.995 in ALBEF).")


def _matched(own: dict[str, Tensor], followed: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    for name in own.keys() ^ followed.keys():
        side = "the twin" if name in own else "the followed module"
        raise ValueError(f"only {side} has {name}; a twin follows the module it was copied from: make a new twin.")
    for name, value in own.items():
        if value.shape != followed[name].shape:
            raise ValueError(
                f"{name} has shape {list(value.shape)} in the twin and {list(followed[name].shape)} in the followed "
                "module; make a new twin after changing a module's size."
            )
    return [(value, followed[name]) for name, value in own.items()]
