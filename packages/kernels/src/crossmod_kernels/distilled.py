"""InfoNCE towards a teacher's soft targets, which are never held as a matrix: the contrast behind ALBEF."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod_kernels.contrast import ContrastOptions, contrast
from crossmod_kernels.group_match import check_every_row_has_a_key, match_groups
from crossmod_kernels.infonce import Backend, Memory
from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.positives import group_targets
from crossmod_kernels.softmax_weights import SoftmaxWeights
from crossmod_kernels.targets import Targets
from crossmod_kernels.unit_rows import compute_dtype, unit_rows
from crossmod_kernels.validation import check_choices, check_embeddings, check_groups, check_scalar
from crossmod_kernels.weights import Side, Sources


def distilled_infonce(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    *,
    teacher_a: Float[Tensor, "batch teacher_dim"],
    teacher_b: Float[Tensor, "keys teacher_dim"],
    teacher_scale: float,
    share: float = 0.4,
    normalise: bool = True,
    memory: Memory = "auto",
    tile: tuple[int, int] | None = None,
    backend: Backend = "auto",
) -> Float[Tensor, ""]:
    """(L_ab + L_ba) / 2 with targets share * softmax(teacher_scale * u_i.v_j) + (1 - share) [i = j] (arXiv 2107.07651).

    The softmax runs over keys for a -> b and over rows for b -> a. The teacher's embeddings, those of a momentum twin
    perhaps, are normalised here and have no gradient. Keys may outnumber rows: row i is paired with key i, and later
    keys never anchor. `share` 0.4 is the paper's. Other arguments as for `infonce`.

    Shape: a (batch, dim); b (keys, dim), keys >= batch; scale (); teacher_a (batch, teacher_dim); teacher_b
        (keys, teacher_dim).

    Raises:
        ValueError: for shapes, types or devices that do not fit, a scale not above 0, or a share outside [0, 1].
    """
    check_embeddings(a, b, paired=True)
    check_choices(memory, backend, tile)
    teacher = _teacher(a, b, scale, (teacher_a, teacher_b), teacher_scale, share)
    like = a.new_empty(0, dtype=compute_dtype(a, b))
    index = torch.arange(len(a), device=a.device)
    hard = PairTargets(index, index, like.new_full((len(a),), 1 - share), like.new_full((len(b),), 1 - share))
    sides: tuple[Side, Side] = ("rows", "columns")
    soft = (SoftmaxWeights(teacher, side, scale=teacher_scale, share=share) for side in sides)
    options = ContrastOptions(normalise=normalise, memory=memory, tile=tile, backend=backend)
    loss_a, loss_b = contrast(a, b, scale, (hard, *soft), options)
    return (loss_a.mean() + loss_b[: len(a)].mean()) / 2


def distilled_rows(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    *,
    teacher_a: Float[Tensor, "batch teacher_dim"],
    teacher_b: Float[Tensor, "keys teacher_dim"],
    teacher_scale: float,
    share: float = 0.4,
    group_a: Int64[Tensor, "batch"] | None = None,
    group_b: Int64[Tensor, "keys"] | None = None,
    normalise: bool = True,
    memory: Memory = "auto",
    tile: tuple[int, int] | None = None,
    backend: Backend = "auto",
) -> Float[Tensor, "batch"]:
    """The loss of every row towards share * softmax(teacher_scale * u_i.v_j) + (1 - share) * hard_ij, rows alone.

    What ALBEF (arXiv 2107.07651) needs twice, as each of its directions has keys and a queue of its own. The hard
    target is key i, or with groups all keys of the row's group in equal parts. Other arguments as `distilled_infonce`.

    Shape: a (batch, dim); b (keys, dim), keys >= batch without groups; scale (); teacher_a (batch, teacher_dim);
        teacher_b (keys, teacher_dim); group_a (batch,); group_b (keys,); returns (batch,).

    Raises:
        ValueError: as `distilled_infonce`, for groups that do not fit, and for a row whose group no key has.
    """
    check_embeddings(a, b, paired=group_a is None)
    check_groups(a, b, group_a, group_b)
    check_choices(memory, backend, tile)
    teacher = _teacher(a, b, scale, (teacher_a, teacher_b), teacher_scale, share)
    like = a.new_empty(0, dtype=compute_dtype(a, b))
    targets = [_hard_rows(a, b, group_a, group_b, 1 - share, like)]
    if share:
        targets.append(SoftmaxWeights(teacher, "rows", scale=teacher_scale, share=share))
    options = ContrastOptions(normalise=normalise, memory=memory, tile=tile, backend=backend)
    loss_a, _ = contrast(a, b, scale, tuple(targets), options)
    return loss_a


def _teacher(
    a: Tensor, b: Tensor, scale: Tensor, teacher: tuple[Tensor, Tensor], teacher_scale: float, share: float
) -> Sources:
    """The teacher's unit rows, once everything about it is known to fit."""
    teacher_a, teacher_b = teacher
    check_embeddings(teacher_a, teacher_b, paired=False)
    check_scalar("scale", scale, positive=True)
    if (len(teacher_a), len(teacher_b)) != (len(a), len(b)) or teacher_a.device != a.device:
        raise ValueError(
            f"the teacher has {len(teacher_a)} rows and {len(teacher_b)} keys on {teacher_a.device} for {len(a)} and "
            f"{len(b)} on {a.device}: pass one teacher row for each"
        )
    if not 0 <= share <= 1 or not teacher_scale > 0:
        raise ValueError(f"share={share} and teacher_scale={teacher_scale}: pass a share in [0, 1] and a scale above 0")
    dtype = compute_dtype(a, b)
    return Sources(*(unit_rows(side.detach(), dtype, normalise=True).rows for side in teacher))


def _hard_rows(
    a: Tensor, b: Tensor, group_a: Tensor | None, group_b: Tensor | None, share: float, like: Tensor
) -> Targets:
    """A row's share of its own key, or of the keys of its group in equal parts; keys anchor nothing."""
    nothing = like.new_zeros(len(b))
    if group_a is None:
        index = torch.arange(len(a), device=a.device)
        return PairTargets(index, index, like.new_full((len(a),), share), nothing)
    keys = group_a if group_b is None else group_b
    check_every_row_has_a_key(group_a, keys)
    match = match_groups(group_a, keys)
    in_row = share / match.columns_in_group[match.row_group].to(like.dtype)
    return group_targets(match, in_row, nothing)
