"""Align a short moment with the words that speak of it, not with the whole text (HiTeA's CME).

(spec) marks what is our exact definition: the full text of arXiv:2212.14546 was not available, only its abstract.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.matching.contrast_rows import join_rows, row_contrast, same_group, share_of_mean
from crossmod.objectives.pairs.precision import unit, without_autocast
from crossmod.state.gathered_rows import gather_rows
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels.validation import check_groups


@torch.no_grad()
def select_words(
    words: Float[Tensor, "batch length dim"],
    eligible: Bool[Tensor, "batch length"],
    moment: Float[Tensor, "batch dim"],
    share: float = 0.4,
) -> Bool[Tensor, "batch length"]:
    """(spec) The ceil(share * eligible) eligible words with the largest cosine to the moment, in each row.

    Shape:
        words: [batch, length, dim]; eligible: [batch, length], true = real and no special token; moment: [batch, dim].

    Raises:
        ValueError: Shapes do not fit, the share lies outside (0, 1], or an eligible word or a moment is not finite.
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share of words is {share}; it lies above 0 and goes up to 1.")
    if words.shape[:2] != eligible.shape or moment.shape != (words.shape[0], words.shape[2]):
        raise ValueError(
            f"words of shape {list(words.shape)}, a mask of shape {list(eligible.shape)} and moments of shape "
            f"{list(moment.shape)} do not fit; give one moment of the words' width a text."
        )
    with without_autocast(words):
        relevance = torch.einsum("bld,bd->bl", unit(words), unit(moment)).masked_fill(~eligible, -torch.inf)
    if not bool((torch.isfinite(relevance) | ~eligible).all()):
        raise ValueError(
            "words or moments contain NaN or infinity, so none can be selected; look at the towers' inputs."
        )
    # The small step down keeps 0.4 * 5 = 2.0000000000000004 from asking for three.
    wanted = torch.tensor([math.ceil(share * count - 1e-9) for count in eligible.sum(1).tolist()], device=words.device)
    place = relevance.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (place < wanted[:, None]) & eligible


def moment_text(
    words: Float[Tensor, "batch length dim"],
    selected: Bool[Tensor, "batch length"],
    moment: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
) -> Float[Tensor, "batch dim"]:
    """(spec) u = normalise(sum_j softmax_j(scale cos(t_j, sg(m))) t_j) over the selected words; zero without any.

    No gradient reaches words that were not selected, nor the moment.
    """
    directions = unit(words)
    with without_autocast(words):
        relevance = scale * torch.einsum("bld,bd->bl", directions, unit(moment.detach()))
    some = selected.any(1, keepdim=True)
    # A row without words gets finite logits, and its weights are taken away afterwards: -inf alone would give NaN.
    weight = torch.softmax(relevance.masked_fill(~selected & some, -torch.inf), dim=1) * selected
    chosen = directions.masked_fill(~selected[..., None], 0.0)
    with without_autocast(words):
        return unit(torch.einsum("bl,bld->bd", weight, chosen))


class MomentWordContrast(nn.Module):
    """(spec) L = symmetric InfoNCE between moments and the text features of the words that they select.

    Both sides are normalised here, and contrasted over all processes, however many texts each has.

    Args:
        scale: The temperature, which HiTeA shares with its plain contrast; its own when None.
        share: Share of a text's words that is selected.

    Shape:
        moment: [batch, dim]; words: [batch, length, dim]; eligible: [batch, length]; group: [batch] or None.
    """

    def __init__(self, scale: LogitScale | None = None, share: float = 0.4) -> None:
        super().__init__()
        self.scale = scale if scale is not None else LogitScale()
        self.share = share

    def forward(
        self,
        moment: Float[Tensor, "batch dim"],
        words: Float[Tensor, "batch length dim"],
        eligible: Bool[Tensor, "batch length"],
        group: Int64[Tensor, "batch"] | None = None,
    ) -> PairTerms:
        """Contrast moments with their words; texts without an eligible word are left out, none left costs a zero."""
        check_groups(moment, words, group, None)
        scale = self.scale()
        selected = select_words(words, eligible, moment, self.share)
        kept = selected.any(1)
        chosen, text = moment[kept], moment_text(words, selected, moment, scale)[kept]
        (all_moments, start), (all_texts, _) = join_rows(chosen), join_rows(text)
        if group is None:
            positive = torch.zeros(len(chosen), len(all_moments), dtype=torch.bool, device=chosen.device)
            own = torch.arange(len(chosen), device=chosen.device)
            positive[own, start + own] = True
        else:
            (all_groups,) = gather_rows(group[kept])
            positive = same_group(group[kept], all_groups, start)
        there = share_of_mean(row_contrast(chosen, all_texts, scale, positive))
        back = share_of_mean(row_contrast(text, all_moments, scale, positive))
        loss = (there + back) / 2
        return PairTerms(loss, {"loss": loss.detach(), "scale": scale.detach()})
