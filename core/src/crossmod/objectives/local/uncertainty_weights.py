"""Weights of several losses learned as uncertainties (Kendall et al., arXiv:1705.07115; an option of MultiMAE)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn


class UncertaintyWeights(nn.Module):
    """sum_t [L_t != 0] (exp(-s_t) L_t + s_t) with a learned s_t a task, from 0.

    A task that scored nothing in this batch has loss zero; the indicator keeps it from pulling its s_t down.

    Args:
        names: The tasks.
    """

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.log_variances = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in names})

    def forward(self, losses: Mapping[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The weighted sum; a zero loss keeps its (zero) gradient.

        Raises:
            ValueError: The losses are not those of the tasks.
        """
        if set(losses) != set(self.log_variances):
            raise ValueError(f"losses of {sorted(losses)} do not fit tasks {sorted(self.log_variances)}; give one each")
        terms = []
        for name, loss in losses.items():
            log_variance = self.log_variances[name]
            terms.append((-log_variance).exp() * loss + log_variance * (loss.detach() != 0))
        return torch.stack(terms).sum()
