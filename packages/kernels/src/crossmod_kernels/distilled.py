"""InfoNCE towards a teacher's soft targets, which are never held as a matrix: the contrast behind ALBEF."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod_kernels.contrast import ContrastOptions, contrast
from crossmod_kernels.infonce import Backend, Memory
from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.softmax_weights import SoftmaxWeights
from crossmod_kernels.unit_rows import compute_dtype, unit_rows
from crossmod_kernels.validation import check_choices, check_embeddings, check_scalar
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
    check_embeddings(teacher_a, teacher_b, paired=True)
    check_scalar("scale", scale, positive=True)
    check_choices(memory, backend, tile)
    if (len(teacher_a), len(teacher_b)) != (len(a), len(b)) or teacher_a.device != a.device:
        raise ValueError(
            f"the teacher has {len(teacher_a)} rows and {len(teacher_b)} keys on {teacher_a.device} for {len(a)} and "
            f"{len(b)} on {a.device}: pass one teacher row for each"
        )
    if not 0 <= share <= 1 or not teacher_scale > 0:
        raise ValueError(f"share={share} and teacher_scale={teacher_scale}: pass a share in [0, 1] and a scale above 0")
    like = a.new_empty(0, dtype=compute_dtype(a, b))
    unit_a, unit_b = (unit_rows(side.detach(), like.dtype, normalise=True).rows for side in (teacher_a, teacher_b))
    index = torch.arange(len(a), device=a.device)
    hard = PairTargets(index, index, like.new_full((len(a),), 1 - share), like.new_full((len(b),), 1 - share))
    teacher = Sources(unit_a, unit_b)
    sides: tuple[Side, Side] = ("rows", "columns")
    soft = (SoftmaxWeights(teacher, side, scale=teacher_scale, share=share) for side in sides)
    options = ContrastOptions(normalise=normalise, memory=memory, tile=tile, backend=backend)
    loss_a, loss_b = contrast(a, b, scale, (hard, *soft), options)
    return (loss_a.mean() + loss_b[: len(a)].mean()) / 2
