"""Contrasts of an event-aware dual encoder: frames with their captions, and texts told in the wrong order (EA-VTR).

(spec) marks what is our exact definition: the paper (arXiv:2407.07478) was read in its abstract and a summary only.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.matching.contrast_rows import join_rows, row_contrast, same_group, share_of_mean
from crossmod.objectives.pairs.precision import unit, without_autocast
from crossmod.state.gathered_rows import gather_rows
from crossmod.state.logit_scale import LogitScale


class LocalTextContrast(nn.Module):
    """(spec) Symmetric InfoNCE of all captioned frames with their captions, over all processes.

    Of the other frames of the same recording, those whose captions are nearly the same are no negatives.

    Args:
        scale: The temperature; EA-VTR's start is not verified, (spec) takes 1/0.07 clamped to [2, 100].
        duplicate: Cosine of two captions above which they count as the same.

    Shape:
        local, text: [captioned, dim], frame i with its caption; recording: [captioned] int64.
    """

    def __init__(self, scale: LogitScale | None = None, duplicate: float = 0.9) -> None:
        super().__init__()
        self.scale = scale if scale is not None else LogitScale(smallest=2.0)
        self.duplicate = duplicate

    def forward(
        self,
        local: Float[Tensor, "captioned dim"],
        text: Float[Tensor, "captioned dim"],
        recording: Int64[Tensor, "captioned"],
    ) -> PairTerms:
        """Contrast one batch; no captioned frame costs a zero with gradient.

        Raises:
            ValueError: Shapes do not fit.
        """
        if local.shape != text.shape or recording.shape != local.shape[:1]:
            raise ValueError(
                f"frames of shape {list(local.shape)}, captions of shape {list(text.shape)} and {len(recording)} "
                "recordings do not fit; give one caption and one recording a frame."
            )
        (all_local, start), (all_text, _) = join_rows(local), join_rows(text)
        (all_recordings,) = gather_rows(recording)
        own = torch.arange(len(local), device=local.device)
        positive = torch.zeros(len(local), len(all_local), dtype=torch.bool, device=local.device)
        positive[own, start + own] = True
        forbidden = duplicate_captions(text, all_text, recording, all_recordings, self.duplicate)
        scale = self.scale()
        there = share_of_mean(row_contrast(local, all_text, scale, positive, forbidden=forbidden))
        back = share_of_mean(row_contrast(text, all_local, scale, positive, forbidden=forbidden))
        loss = (there + back) / 2
        return PairTerms(loss, {"loss": loss.detach(), "scale": scale.detach()})


@torch.no_grad()
def duplicate_captions(
    text: Float[Tensor, "rows dim"],
    others: Float[Tensor, "keys dim"],
    recording: Int64[Tensor, "rows"],
    other_recordings: Int64[Tensor, "keys"],
    threshold: float,
) -> Bool[Tensor, "rows keys"]:
    """Pairs of captions of one recording whose cosine lies above the threshold; a caption with itself is one."""
    with without_autocast(text):
        cosine = unit(text) @ unit(others).T
    return (recording[:, None] == other_recordings[None, :]) & (cosine > threshold)


class OrderContrast(nn.Module):
    """(spec) Symmetric InfoNCE of composed recordings with their texts; each meets its own wrong orders as well.

    A recording is contrasted with every text of the batch and with its own text reordered; a text with every recording
    and with its own recording reordered, where those are given (EA-VTR's ETL).

    Args:
        scale: The temperature; (spec) starts at 1/0.07, clamped to [2, 100].

    Shape:
        a, b: [batch, dim]; reordered_b, reordered_a: [batch, orders, dim]; masks: [batch, orders], true = there.
    """

    def __init__(self, scale: LogitScale | None = None) -> None:
        super().__init__()
        self.scale = scale if scale is not None else LogitScale(smallest=2.0)

    def forward(
        self,
        a: Float[Tensor, "batch dim"],
        b: Float[Tensor, "batch dim"],
        group: Int64[Tensor, "batch"],
        reordered_b: Float[Tensor, "batch orders dim"],
        mask_b: Bool[Tensor, "batch orders"] | None = None,
        reordered_a: Float[Tensor, "batch orders_a dim"] | None = None,
        mask_a: Bool[Tensor, "batch orders_a"] | None = None,
    ) -> PairTerms:
        """Contrast one batch; groups share their target. An empty batch costs a zero with gradient.

        Raises:
            ValueError: Batches differ in size.
        """
        if not len(a) == len(b) == len(group) == len(reordered_b):
            raise ValueError(
                f"{len(a)} recordings, {len(b)} texts, {len(group)} groups and {len(reordered_b)} reordered texts; "
                "give one of each."
            )
        (all_a, start), (all_b, _) = join_rows(a), join_rows(b)
        (all_groups,) = gather_rows(group)
        positive = same_group(group, all_groups, start)
        scale = self.scale()
        there = row_contrast(a, all_b, scale, positive, own_negatives=reordered_b, own_mask=mask_b)
        back = row_contrast(b, all_a, scale, positive, own_negatives=reordered_a, own_mask=mask_a)
        loss = (share_of_mean(there) + share_of_mean(back)) / 2
        accuracy = order_accuracy(a, b, reordered_b, mask_b)
        return PairTerms(loss, {"loss": loss.detach(), "scale": scale.detach(), "order_accuracy": accuracy})


@torch.no_grad()
def order_accuracy(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "batch dim"],
    reordered: Float[Tensor, "batch orders dim"],
    mask: Bool[Tensor, "batch orders"] | None = None,
) -> Float[Tensor, ""]:
    """Share of rows whose text in the right order is nearer than in every other; a tie counts half, no row gives NaN.

    An encoder that does not see order ties everywhere, and scores the half that it deserves.
    """
    a, b, reordered = (unit(rows) for rows in (a, b, reordered))
    # The right order is scored by the same product as the others, so that equal texts tie to the bit.
    texts = torch.cat([b[:, None], reordered], dim=1)
    cosine = (a[:, None] * texts).sum(-1)
    rivals = cosine[:, 1:] if mask is None else cosine[:, 1:].masked_fill(~mask, -torch.inf)
    if not rivals.shape[1]:
        return cosine.new_ones(()) if len(a) else cosine.new_tensor(torch.nan)
    best = rivals.amax(1)
    return ((cosine[:, 0] > best).float() + 0.5 * (cosine[:, 0] == best).float()).mean()
