"""Visible tokens drawn across the modalities of a sample (MultiMAE, arXiv:2204.01678)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.objectives.local.maskers import hide_lowest, uniform_noise

_ABSENT = 1e-5
"""Concentration of a modality that a draw leaves out (MultiMAE's released code)."""


def dirichlet_shares(
    present: Bool[Tensor, "batch modalities"],
    concentration: float = 1.0,
    generator: torch.Generator | None = None,
    *,
    subsets_uniformly: bool = False,
) -> Float[Tensor, "batch modalities"]:
    """Shares of the visible tokens by modality, each row Dirichlet(concentration, ..., concentration).

    Large concentrations give equal shares, small ones one dominant modality.

    Args:
        concentration: The paper uses 1.
        generator: On the device of `present`.
        subsets_uniformly: First draw one of the non-empty subsets of the present modalities with equal chance; the
            others have concentration 1e-5.

    Shape:
        present: [batch, modalities]; false where the sample lacks the modality, whose share is then 0 [ours].

    Returns:
        [batch, modalities] float64; rows sum to 1, or to 0 where nothing is present.

    Raises:
        ValueError: `concentration` is not positive.
    """
    if not concentration > 0:
        raise ValueError(f"the Dirichlet concentration is {concentration}; it is positive")
    chosen = _draw_subsets(present, generator) if subsets_uniformly else present
    alpha = torch.where(chosen, float(concentration), _ABSENT).double()
    shares = torch._sample_dirichlet(alpha, generator) if present.numel() else alpha
    shares = shares.masked_fill(~present, 0.0)
    return shares / shares.sum(1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)


def _draw_subsets(present: Tensor, generator: torch.Generator | None) -> Tensor:
    """A non-empty subset of each row's modalities: independent fair coins, drawn again where all fell on tails."""
    chosen = torch.zeros_like(present)
    empty = present.any(1)
    while bool(empty.any()):
        coins = torch.rand(present.shape, generator=generator, device=present.device) < 0.5
        chosen = torch.where(empty[:, None], coins & present, chosen)
        empty = present.any(1) & ~chosen.any(1)
    return chosen


def dirichlet_masking(
    masks: Mapping[str, Bool[Tensor, "batch _"]],
    visible: int,
    concentration: float = 1.0,
    generator: torch.Generator | None = None,
    *,
    subsets_uniformly: bool = False,
) -> dict[str, Bool[Tensor, "batch _"]]:
    """Keep `visible` tokens of every sample, shared among its modalities by a Dirichlet draw.

    Every modality keeps round(share * visible) tokens, drawn uniformly; what rounding or a modality that is too
    short leaves over is filled with randomly drawn hidden tokens, and a surplus is dropped at random, so that every
    sample keeps exactly min(visible, its real tokens).

    Args:
        masks: By modality, which tokens are real; all with the same batch.
        visible: Tokens that a sample keeps (98 of 588 in the paper).

    Shape:
        masks: [batch, length of the modality].

    Returns:
        By modality, [batch, length of the modality]; false = hidden. Padding comes back true.

    Raises:
        ValueError: There is no modality, the batches differ, or `visible` is below 1.
    """
    if not masks or len({len(mask) for mask in masks.values()}) > 1:
        found = {name: len(mask) for name, mask in masks.items()}
        raise ValueError(f"the masks have batches of {found}; give one mask a modality, all of the same batch")
    if visible < 1:
        raise ValueError(f"the number of visible tokens is {visible}; it is at least 1")
    present = torch.stack([mask.any(1) for mask in masks.values()], 1)
    shares = dirichlet_shares(present, concentration, generator, subsets_uniformly=subsets_uniformly)
    wanted = (shares * visible).round().long()
    drawn = [~hide_lowest(uniform_noise(mask, generator), mask, wanted[:, i]) for i, mask in enumerate(masks.values())]
    real, kept = torch.cat(list(masks.values()), 1), torch.cat(drawn, 1)
    # Kept tokens come first in random order, then hidden ones in random order: the first `visible` are the sample's.
    order = (~kept).double() + uniform_noise(real, generator)
    final = ~hide_lowest(order, real, real.sum(1).clamp(max=visible)) | ~real
    parts = torch.split(final, [mask.shape[1] for mask in masks.values()], 1)
    return dict(zip(masks, parts, strict=True))
