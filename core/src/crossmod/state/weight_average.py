"""An exponential moving average of the weights, which is what is evaluated and exported when a recipe keeps one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Average of a module's floating-point state: `average <- average + (1 - decay_t) (weights - average)`.

    Early on `decay_t = min(decay, (1 + t) / (10 + t))`, so that the random start is forgotten (as TensorFlow's
    ExponentialMovingAverage does with a step count).

    Args:
        module: The module that is averaged.
        decay: Weight of the past; 0 keeps no average, and `applied` then changes nothing.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        # By owner and attribute, not by tensor: moving a module to a device replaces its buffers.
        self._places = [
            (f"{prefix}.{key}" if prefix else key, owner, key)
            for prefix, owner in module.named_modules()
            for key, value in (*owner._parameters.items(), *owner._buffers.items())
            if value is not None and value.is_floating_point() and key not in owner._non_persistent_buffers_set
        ]
        self.average: dict[str, Tensor] = (
            {name: getattr(owner, key).detach().clone() for name, owner, key in self._places} if decay else {}
        )

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the present weights; `step` counts the updates done before."""
        if not self.decay:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        live = [getattr(owner, key) for _, owner, key in self._places]
        for name, value in zip(self.average, live, strict=True):
            if self.average[name].device != value.device:
                self.average[name] = self.average[name].to(value.device)
        torch._foreach_lerp_(list(self.average.values()), live, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the module holds the average; afterwards it holds the weights again, to the bit."""
        if not self.decay:
            yield
            return
        live = [getattr(owner, key) for _, owner, key in self._places]
        kept = [value.detach().clone() for value in live]
        _copy(live, self.average.values())
        try:
            yield
        finally:
            _copy(live, kept)


@torch.no_grad()
def _copy(to: Iterable[Tensor], source: Iterable[Tensor]) -> None:
    for value, new in zip(to, source, strict=True):
        value.copy_(new)
