"""Prompting entity modelling: soft labels that a frozen contrastive pair gives to crops (ALPRO, arXiv:2112.09583).

No boxes are needed: the crop is compared with the names of entities, and the student predicts those similarities from
its own tokens inside the crop.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from crossmod.objectives.pairs.precision import widened


def entity_prototypes(
    templates: Float[Tensor, "entities templates dim"], *, renormalise: bool = False
) -> Float[Tensor, "entities dim"]:
    """The mean of an entity's L2-normalised template embeddings.

    Args:
        renormalise: Bring the mean back to length one; the paper's code does not, so that its length, below one where
            templates disagree, acts as a temperature.

    Shape:
        templates: [entities, templates, dim].
    """
    mean = normalize(templates, dim=-1).mean(1)
    return normalize(mean, dim=-1) if renormalise else mean


@torch.no_grad()
def prompted_labels(
    crops: Float[Tensor, "batch dim"], prototypes: Float[Tensor, "entities dim"], temperature: float
) -> Float[Tensor, "batch entities"]:
    """q = softmax(<crop, prototype> / temperature), detached.

    Shape:
        crops: [batch, dim], L2-normalised; prototypes: [entities, dim].

    Raises:
        ValueError: The temperature is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"the prompter's temperature is {temperature}; it is positive")
    with torch.autocast(crops.device.type, enabled=False):
        return (crops.float() @ prototypes.float().T / temperature).softmax(1)


def confident(
    labels: Float[Tensor, "batch entities"], threshold: float = 0.2, *, release_compat: bool = False
) -> Bool[Tensor, "batch"]:
    """Which crops have a label worth learning: the largest probability is at least the threshold.

    Args:
        threshold: 0.2 in the paper.
        release_compat: Compare the index of the most probable entity, as the released code does by mistake; it passes
            over the crops of entity 0 and no other.

    Shape:
        labels: [batch, entities].
    """
    best = labels.max(1)
    return best.indices >= threshold if release_compat else best.values >= threshold


def prompted_label_loss(
    logits: Float[Tensor, "batch entities"], labels: Float[Tensor, "batch entities"], kept: Bool[Tensor, "batch"]
) -> Float[Tensor, ""]:
    """-(1/kept) sum over kept samples and entities of q_e log softmax(logits)_e; zero with gradient if none is kept.

    Shape:
        logits, labels: [batch, entities].
        kept: [batch].

    Raises:
        ValueError: The shapes differ.
    """
    if logits.shape != labels.shape or kept.shape != labels.shape[:1]:
        raise ValueError(
            f"logits {list(logits.shape)}, labels {list(labels.shape)} and kept {list(kept.shape)} differ in their "
            "batch or entities; give one row a crop"
        )
    chosen = logits[kept]
    wide = widened(chosen)
    terms = labels.detach()[kept].to(wide.dtype) * wide.log_softmax(1)
    return -terms.sum() / max(1, len(chosen))


def draw_crop(
    counts: Sequence[int],
    smallest: float = 0.3,
    largest: float = 0.5,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "length"]:
    """A random box of whole patches that covers a share of the grid between `smallest` and `largest`.

    For a grid of two axes the sides' ratio lies in 0.3 to 3.33 before it is cut to whole patches, as in the paper;
    for any other number of axes the sides are equal shares of theirs [ours]. Sides are rounded to patches, so the
    area may leave the range by as much as one patch a side.

    Args:
        counts: Patches along every axis.

    Returns:
        [patches], row-major; true = inside the box.

    Raises:
        ValueError: The shares are not 0 < smallest <= largest <= 1.
    """
    if not 0 < smallest <= largest <= 1:
        raise ValueError(f"a crop of {smallest} to {largest} of a grid is none; give 0 < smallest <= largest <= 1")
    draw = torch.rand(2 + len(counts), generator=generator, dtype=torch.float64).tolist()
    area = smallest + (largest - smallest) * draw[0]
    shares = [area ** (1 / len(counts))] * len(counts)
    if len(counts) == 2:
        # Ratios that keep both sides inside the grid, within the paper's range; uniform in the logarithm.
        low, high = max(0.3, area), min(1 / 0.3, 1 / area)
        ratio = low * (high / low) ** draw[1] if low < high else 1.0
        shares = [(area * ratio) ** 0.5, (area / ratio) ** 0.5]
    inside = torch.ones(tuple(counts), dtype=torch.bool)
    for axis, (count, share) in enumerate(zip(counts, shares, strict=True)):
        side = min(count, max(1, round(share * count)))
        start = int(draw[2 + axis] * (count - side + 1))
        along = torch.zeros(count, dtype=torch.bool)
        along[start : start + side] = True
        inside &= along.view([-1 if i == axis else 1 for i in range(len(counts))])
    return inside.flatten()


def pool_inside(
    tokens: Float[Tensor, "batch length width"], inside: Bool[Tensor, "batch length"]
) -> Float[Tensor, "batch width"]:
    """The mean of the tokens inside the crop; zero where there is none. Nothing outside has a part in it.

    Shape:
        tokens: [batch, length, width]; inside: [batch, length].
    """
    kept = tokens.masked_fill(~inside[..., None], 0.0)
    return kept.sum(1) / inside.sum(1, keepdim=True).clamp(min=1)
