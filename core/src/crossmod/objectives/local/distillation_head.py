"""The head of self-distillation: an MLP, a unit bottleneck, and cosines with prototypes (DINO, arXiv:2104.14294)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossmod.objectives.pairs.precision import widened


class DistillationHead(nn.Module):
    """Three linear layers with GELU, L2-normalisation, then <x, w_k> with prototypes w_k of length one.

    The prototypes keep length one, as under DINO's weight normalisation with its gain frozen at 1. All layers start
    truncated normal with deviation 0.02.

    Args:
        width: Width of the features.
        outputs: K, the number of prototypes. (65,536 in DINO; a few thousand serve small corpora.)
        hidden: Width of the hidden layers. (2048.)
        bottleneck: Width of the normalised vector. (256.)
    """

    def __init__(self, width: int, outputs: int, *, hidden: int = 2048, bottleneck: int = 256) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        for layer in self.project:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.prototypes = nn.Parameter(torch.empty(outputs, bottleneck))
        nn.init.trunc_normal_(self.prototypes, std=0.02)

    def forward(
        self, features: Float[Tensor, "*rows width"], *, frozen: bool = False
    ) -> Float[Tensor, "*rows outputs"]:
        """Scores of the prototypes, at least in float32.

        Args:
            frozen: Give the prototypes no gradient, as in DINO's first epoch.

        Shape:
            features: [..., width].
        """
        found = self.project(features)
        wide = widened(found)
        prototypes = self.prototypes.detach() if frozen else self.prototypes
        with torch.autocast(wide.device.type, enabled=False):
            return normalize(wide, dim=-1) @ normalize(prototypes.to(wide.dtype), dim=-1).T
