"""AdamW and its schedule; the rate is a pure function of the step, so resuming needs no scheduler state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from crossmod.recipe import OptimiserSettings


def build_optimiser(
    settings: OptimiserSettings, modules: Iterable[nn.Module], steps: int
) -> tuple[torch.optim.AdamW, RateSchedule]:
    """AdamW over all trainable parameters; matrices decay, vectors, norms, biases and scalars do not (CLIP).

    Fused where torch offers it: on the CPU it takes a third of the loop's time.
    """
    trainable = {id(p): p for module in modules for p in module.parameters() if p.requires_grad}
    return optimise(settings, tuple(trainable.values()), steps)


def optimise(
    settings: OptimiserSettings, parameters: Sequence[nn.Parameter], steps: int
) -> tuple[torch.optim.AdamW, RateSchedule]:
    """The same over given parameters, of which some may train only later."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )
    return optimiser, RateSchedule(settings, steps)


class RateSchedule:
    """Linear warm-up from zero, then cosine, linear or constant.

    Args:
        settings: Peak rate, warm-up share and shape.
        steps: Steps of the whole run.
    """

    def __init__(self, settings: OptimiserSettings, steps: int) -> None:
        self.settings, self.steps = settings, steps
        self.warmup_steps = math.ceil(settings.warmup * steps)

    def rate(self, step: int) -> float:
        """The learning rate of the step that is about to be taken (steps count from 0)."""
        if step < self.warmup_steps:
            return self.settings.rate * (step + 1) / self.warmup_steps
        if self.settings.decay == "constant":
            return self.settings.rate
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        progress = min(1.0, progress)
        if self.settings.decay == "linear":
            return self.settings.rate * (1 - progress)
        return self.settings.rate * 0.5 * (1 + math.cos(math.pi * progress))

    def apply(self, optimiser: torch.optim.Optimizer, step: int) -> float:
        """Set the rate of every parameter group for this step, and return it."""
        rate = self.rate(step)
        for group in optimiser.param_groups:
            group["lr"] = rate
        return rate
