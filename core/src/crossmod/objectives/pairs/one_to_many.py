"""1-to-K contrast: an item meets all its K counterparts (languages, paraphrases, sections) at once (CCR^k)."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.objectives.pairs.soft_targets import PairLoss
from crossmod_kernels import infonce_directions


def one_to_many_infonce(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    group_a: Int64[Tensor, "batch"],
    group_b: Int64[Tensor, "keys"],
    *,
    release_compat: bool = False,
) -> PairLoss:
    """(L_ab + L_ba) / 2: each row's K positives share one softmax, each key finds its row (arXiv:2406.18254).

    L_ab is at least ln K. Group sizes may be ragged. No batch x keys matrix is kept: this is
    `crossmod_kernels.infonce_directions`.
    `release_compat` gives the released code's (K * L_ab + L_ba) / (2 K), whose second term is K times too small.

    Shape:
        a: [batch, dim]; b: [keys, dim], keys >= batch in general; group_a: [batch]; group_b: [keys]; scale: [].

    Raises:
        ValueError: A row has no key, a key no row, or `release_compat` meets groups that differ in size.
    """
    found = infonce_directions(a, b, scale, group_a=group_a, group_b=group_b)
    if not bool(found.has_positive.all()):
        key = int((~found.has_positive).nonzero()[0])
        raise ValueError(f"key {key} has the group {int(group_b[key])}, which no row has; drop it or pass its row")
    loss_ab, loss_ba = found.loss_a.mean(), found.loss_b.mean()
    if not release_compat:
        return PairLoss((loss_ab + loss_ba) / 2, loss_ab, loss_ba)
    counts = (group_a[:, None] == group_b[None, :]).sum(1)
    if bool((counts != counts[0]).any()):
        raise ValueError(f"release_compat needs equal groups, but they hold {sorted(set(counts.tolist()))} keys")
    return PairLoss((loss_ab + loss_ba / counts[0]) / 2, loss_ab, loss_ba)
