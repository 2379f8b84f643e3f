"""Continuously weighted contrast: soft targets from the similarities inside a strong, frozen modality."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod_kernels.contrast import ContrastOptions, contrast
from crossmod_kernels.infonce import Backend, Memory
from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.targets import Targets
from crossmod_kernels.unit_rows import compute_dtype, unit_rows
from crossmod_kernels.validation import check_choices, check_embeddings, check_scalar
from crossmod_kernels.weights import AffineWeights, Side, Sources, TiledWeights


def cwcl(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    *,
    source_ab: Float[Tensor, "keys source_dim"] | None = None,
    source_ba: Float[Tensor, "keys other_source_dim"] | None = None,
    power: float = 1.0,
    threshold: float = 0.0,
    reduction: Literal["sum", "average"] = "sum",
    normalise: bool = True,
    memory: Memory = "auto",
    tile: tuple[int, int] | None = None,
    backend: Backend = "auto",
) -> Float[Tensor, ""]:
    """Continuously weighted contrastive loss (arXiv 2309.14580): L_ab + L_ba with T_ij = w_ij / sum_k w_ik.

    w_ij = (1 + cos(u_i, u_j)) / 2 from the source's row for each key, without gradient. A direction with a source is
    weighted, L = -mean_i sum_j T_ij log softmax_j(Z_ij); one without is plain InfoNCE. The paper weights only the
    direction that has a trustworthy source. Keys may outnumber rows: row i is paired with key i, and later keys never
    anchor. `reduction="average"` halves the sum. With `power` 1 and `threshold` 0 the weights cost a product of the
    widths only; otherwise (w_ij^power, weights up to `threshold` set to 0) one more product in each pass.
    Other arguments as for `infonce`.

    Shape: a (batch, dim); b (keys, dim), keys >= batch; scale (); source_ab, source_ba (keys, source_dim).

    Raises:
        ValueError: for shapes, types or devices that do not fit, a scale not above 0, no source at all, a power not
            above 0, or a threshold outside [0, 1).
    """
    check_embeddings(a, b, paired=True)
    check_scalar("scale", scale, positive=True)
    check_choices(memory, backend, tile)
    _check_weighting(b, source_ab, source_ba, power, threshold, reduction)
    like = a.new_empty(0, dtype=compute_dtype(a, b))
    targets = [_plain(a, b, like, rows=source_ab is None, columns=source_ba is None)]
    # Weights are summed as exactly as logits are: autocast may reach neither.
    with torch.autocast(a.device.type, enabled=False):
        if source_ab is not None:
            targets.append(_weighted(source_ab, len(a), like, "rows", power, threshold))
        if source_ba is not None:
            targets.append(_weighted(source_ba, len(a), like, "columns", power, threshold))
    options = ContrastOptions(normalise=normalise, memory=memory, tile=tile, backend=backend)
    loss_a, loss_b = contrast(a, b, scale, tuple(targets), options)
    total = loss_a.mean() + loss_b[: len(a)].mean()
    return total if reduction == "sum" else total / 2


def _check_weighting(
    b: Tensor,
    source_ab: Tensor | None,
    source_ba: Tensor | None,
    power: float,
    threshold: float,
    reduction: str,
) -> None:
    if source_ab is None and source_ba is None:
        raise ValueError("cwcl was given no source of weights: pass source_ab or source_ba, or use infonce")
    for name, source in (("source_ab", source_ab), ("source_ba", source_ba)):
        if source is None:
            continue
        if source.dim() != 2 or not source.is_floating_point() or len(source) != len(b):
            raise ValueError(
                f"{name} has shape {tuple(source.shape)} and type {source.dtype} for {len(b)} keys: pass a floating "
                "matrix of one row a key"
            )
        if source.device != b.device:
            raise ValueError(f"{name} is on {source.device} and the keys on {b.device}: move it there")
    if not power > 0:
        raise ValueError(f"power={power}: the weights' exponent has to be above 0")
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold={threshold}: pass at least 0 and below 1, the weight of an item with itself")
    if reduction not in ("sum", "average"):
        raise ValueError(f"reduction={reduction!r} is unknown: choose sum or average")


def _plain(a: Tensor, b: Tensor, like: Tensor, *, rows: bool, columns: bool) -> Targets:
    index = torch.arange(len(a), device=a.device)
    return PairTargets(index, index, like.new_full((len(a),), float(rows)), like.new_full((len(b),), float(columns)))


def _weighted(
    source: Tensor, batch: int, like: Tensor, side: Side, power: float, threshold: float
) -> AffineWeights | TiledWeights:
    unit = unit_rows(source.detach(), like.dtype, normalise=True).rows
    sources = Sources(unit[:batch], unit)
    if power == 1 and threshold == 0:
        return AffineWeights(sources, side)
    return TiledWeights(sources, side, power=power, threshold=threshold)
