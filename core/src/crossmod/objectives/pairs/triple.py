"""TCL's three contrasts together: across modalities, inside each, and between globals and locals (arXiv:2202.10401)."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.objectives.pairs.intra_modal import intra_modal_contrast
from crossmod.objectives.pairs.local_information import global_local_contrast
from crossmod.objectives.pairs.momentum import MomentumKeys, momentum_contrast


class Side(NamedTuple):
    """One modality of a batch, as TCL sees it.

    Shape:
        online: [batch, dim], with gradient; keys: momentum features (of another view) and queue;
        local: [samples, places, dim], momentum locals, or None; mask: [samples, places], true = real; samples beyond
        the batch are negatives alone.
    """

    online: Float[Tensor, "batch dim"]
    keys: MomentumKeys
    local: Float[Tensor, "samples places dim"] | None = None
    mask: Bool[Tensor, "samples places"] | None = None


class TripleLoss(NamedTuple):
    """The weighted sum and its parts, each the mean over two directions or sides. Shape: each ()."""

    loss: Float[Tensor, ""]
    cross_modal: Float[Tensor, ""]
    intra_modal: Float[Tensor, ""]
    local: Float[Tensor, ""]


def triple_contrast(
    a: Side,
    b: Side,
    scale: Float[Tensor, ""],
    *,
    share: float = 0.4,
    intra_weight: float = 1.0,
    local_weight: float = 1.0,
    group: Int64[Tensor, "batch"] | None = None,
    release_compat: bool = False,
) -> TripleLoss:
    """L = L_cma + intra_weight * L_imc + local_weight * L_lmi, each the mean of its two halves.

    `release_compat` divides the sum by three: the released code averages the six halves, so that contrast weighs 1/6 a
    half beside matching and language modelling. A side without locals leaves its half of L_lmi out.

    Shape:
        scale: []; group: [batch].

    Raises:
        ValueError: As the three parts.
    """
    cross_modal = momentum_contrast(a.online, b.online, scale, a.keys, b.keys, share=share, group=group).loss
    intra_modal, local = scale.new_zeros(()), scale.new_zeros(())
    for side in (a, b):
        intra_modal = intra_modal + 0.5 * intra_modal_contrast(
            side.online,
            side.keys.batch,
            scale,
            queue=side.keys.queue,
            group=group,
            queue_group=side.keys.queue_group,
        )
        if side.local is not None:
            local = local + 0.5 * global_local_contrast(side.online, side.local, scale, side.mask)
    loss = cross_modal + intra_weight * intra_modal + local_weight * local
    return TripleLoss(loss / 3 if release_compat else loss, cross_modal, intra_modal, local)
