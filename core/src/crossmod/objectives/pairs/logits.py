"""Logit builders from pooled embeddings: cosines, and the best of several queries."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from crossmod.objectives.pairs.precision import alike, unit, without_autocast
from crossmod_kernels.validation import check_embeddings


def cosine_logits(
    a: Float[Tensor, "batch dim"], b: Float[Tensor, "keys dim"], scale: Float[Tensor, ""] | float = 1.0
) -> Float[Tensor, "batch keys"]:
    """scale * <a_i, b_j> of L2-normalised rows (eps 1e-8), in at least float32 even under autocast.

    Shape:
        a: [batch, dim]; b: [keys, dim]; scale: [].

    Raises:
        ValueError: Either side is empty or no floating matrix, or widths or devices differ.
    """
    check_embeddings(a, b, paired=False)
    with without_autocast(a):
        rows, keys = alike(unit(a), unit(b))
        return scale * (rows @ keys.t())


def best_query_logits(
    queries: Float[Tensor, "batch queries dim"],
    keys: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""] | float = 1.0,
) -> Float[Tensor, "batch keys"]:
    """scale * max_m <q_im, k_j> of L2-normalised vectors (BLIP-2, as NEVLP takes it [C]); ties go to the first query.

    Shape:
        queries: [batch, queries, dim]; keys: [keys, dim].

    Raises:
        ValueError: The queries are no [batch, queries, dim], or as `cosine_logits`.
    """
    if queries.ndim != 3 or 0 in queries.shape:
        raise ValueError(
            f"queries have shape {tuple(queries.shape)}; pass [batch, queries, dim] with at least one each"
        )
    batch, count, _ = queries.shape
    cosines = cosine_logits(queries.flatten(0, 1), keys).view(batch, count, len(keys))
    return scale * cosines.max(1).values
