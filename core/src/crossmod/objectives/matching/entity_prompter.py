"""A frozen dual encoder names regions, and a student learns to name them from the whole (ALPRO, arXiv:2112.09583).

The formulas stand in `crossmod.objectives.local.prompted_labels`; here are the parts that hold weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.local.prompted_labels import (
    confident,
    entity_prototypes,
    pool_inside,
    prompted_label_loss,
    prompted_labels,
)


class NamedRegions(NamedTuple):
    """What a prompter believes of regions, without gradient.

    Shape:
        probability: [batch, entities], rows sum to one.
        kept: [batch]; false where it is not sure enough of any entity.
    """

    probability: Float[Tensor, "batch entities"]
    kept: Bool[Tensor, "batch"]


class EntityPrompter(nn.Module):
    """A frozen encoder of regions beside embedded names: always in evaluation mode, never with gradient.

    It has to be trained on the same domain, or its labels are noise: watch the share that is kept.

    Args:
        encode: Embeds regions that were cut out of their surroundings, [batch, dim]; normalised here.
        entities: [entities, dim], as from `entity_prototypes`.
        temperature: Of the frozen encoder.
        threshold: Smallest largest probability of a label that is kept.
        release_compat: Compare the index of the best entity with the threshold, as ALPRO's released code does.

    Raises:
        ValueError: There is no entity, or its embedding is not finite.
    """

    entities: Tensor

    def __init__(
        self,
        encode: nn.Module,
        entities: Float[Tensor, "entities dim"],
        temperature: float = 0.07,
        threshold: float = 0.2,
        *,
        release_compat: bool = False,
    ) -> None:
        super().__init__()
        if entities.ndim != 2 or not entities.numel() or not bool(torch.isfinite(entities).all()):
            raise ValueError(f"entities of shape {list(entities.shape)} name nothing; give finite [entities, dim].")
        self.encode = encode.requires_grad_(False)
        self.temperature, self.threshold, self.release_compat = temperature, threshold, release_compat
        self.register_buffer("entities", entities.detach().clone())
        self.train(False)

    @classmethod
    def from_names(
        cls,
        encode: nn.Module,
        embed_texts: Callable[[Sequence[str]], Tensor],
        names: Sequence[str],
        templates: Sequence[str] = ("{}",),
        *,
        renormalise: bool = False,
        temperature: float = 0.07,
        threshold: float = 0.2,
    ) -> EntityPrompter:
        """Embed every template filled with every name, such as "a scan showing {}".

        Raises:
            ValueError: There is no name, or a template has no place for it.
        """
        if not names or not templates or any("{}" not in template for template in templates):
            raise ValueError(
                f"{len(names)} names with templates {list(templates)} prompt nothing; give names, and "
                "'{}' in each template."
            )
        texts = [template.replace("{}", name) for name in names for template in templates]
        embedded = embed_texts(texts).detach().reshape(len(names), len(templates), -1)
        return cls(encode, entity_prototypes(embedded, renormalise=renormalise), temperature, threshold)

    def train(self, mode: bool = True) -> EntityPrompter:
        """Stay in evaluation mode."""
        super().train(False)
        return self

    @torch.no_grad()
    def forward(self, regions: Any) -> NamedRegions:
        """Name regions, given as inputs of the encoder.

        Raises:
            ValueError: An embedding of a region is not finite.
        """
        embedded = normalize(self.encode(regions).float(), dim=-1)
        if not bool(torch.isfinite(embedded).all()):
            raise ValueError("the prompter's embeddings of regions contain NaN or infinity; look at the regions.")
        probability = prompted_labels(embedded, self.entities, self.temperature)
        return NamedRegions(probability, confident(probability, self.threshold, release_compat=self.release_compat))


class PromptedPseudoLabel(nn.Module):
    """Predict a prompter's labels of a region from the fused tokens of the whole, matched pair (ALPRO's PEM).

    The student sees the full input; the prompter saw the region alone.

    Args:
        prompter: Gives the labels.
        width: Width of the fused tokens.
    """

    def __init__(self, prompter: EntityPrompter, width: int) -> None:
        super().__init__()
        self.prompter = prompter
        self.predict = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, len(prompter.entities))
        )

    def forward(
        self, tokens: Float[Tensor, "batch length width"], inside: Bool[Tensor, "batch length"], regions: Any
    ) -> PairTerms:
        """Score one batch; no region that is kept costs a zero with gradient.

        Args:
            tokens: Fused tokens of the whole input.
            inside: Which of them lie inside the region; a row without any is left out.
            regions: The regions alone, as the prompter's encoder takes them.

        Raises:
            ValueError: Tokens and regions differ in their number of rows.
        """
        named = self.prompter(regions)
        if tokens.shape[:2] != inside.shape or len(tokens) != len(named.kept):
            raise ValueError(
                f"tokens of shape {list(tokens.shape)}, a mask of shape {list(inside.shape)} and {len(named.kept)} "
                "regions do not fit; give one region a row."
            )
        kept = named.kept & inside.any(1)
        loss = prompted_label_loss(self.predict(pool_inside(tokens, inside)), named.probability, kept)
        return PairTerms(loss, {"loss": loss.detach(), "kept": kept.float().sum() / max(1, len(kept))})


def cut_out(values: Shaped[Tensor, "*any"], inside: Bool[Tensor, "*grid"], patch: int) -> Shaped[Tensor, "*any"]:
    """The dense input with everything outside whole patches of a region set to zero, so that no context is left.

    Shape:
        values: [..., *spatial] with spatial = grid * patch; inside: [*grid], as drawn by `draw_crop` and reshaped.

    Raises:
        ValueError: The input is not made of this grid's patches.
    """
    axes = inside.ndim
    if not axes or tuple(values.shape[-axes:]) != tuple(count * patch for count in inside.shape):
        raise ValueError(f"an input of shape {list(values.shape)} is not {list(inside.shape)} patches of {patch}.")
    for axis in range(axes):
        inside = inside.repeat_interleave(patch, dim=axis)
    return values.masked_fill(~inside.to(values.device), 0)
