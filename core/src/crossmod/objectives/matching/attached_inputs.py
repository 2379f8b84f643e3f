"""What is attached to the rows of a batch, encoded: as a list, or padded row by row."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.contracts.batch import AttachedInputs, Batch
from crossmod.contracts.objective import Forwards
from crossmod.errors import UserError


class RowsOfAttached(NamedTuple):
    """Embeddings of what is attached to rows.

    Shape:
        embedding: [rows, most, dim]; zero where `mask` is false.
        mask: [rows, most]; true = there.
    """

    embedding: Float[Tensor, "rows most dim"]
    mask: Bool[Tensor, "rows most"]


def find_attached(batch: Batch, name: str) -> AttachedInputs:
    """What is attached to the rows of a batch under a name.

    Raises:
        UserError: The corpus attaches nothing of that name.
    """
    if name not in batch.attached:
        known = ", ".join(sorted(batch.attached)) or "nothing at all"
        raise UserError(
            f"an objective asks for what is attached to the rows as {name!r}, but the corpus attaches {known}; name "
            "one of these, or let the domain's reader fill Corpus.attached."
        )
    return batch.attached[name]


def embed_attached(forwards: Forwards, attached: AttachedInputs) -> Float[Tensor, "attached dim"]:
    """The normalised embeddings of everything that is attached, in its order; its tower runs once."""
    pooled = forwards.tower(attached.modality)(attached.inputs).pooled
    return forwards.project(attached.modality, pooled)


def attached_by_row(
    forwards: Forwards, attached: AttachedInputs, rows: Int64[Tensor, "rows"], like: Float[Tensor, "items dim"]
) -> RowsOfAttached:
    """Embeddings of what is attached to the given rows of the batch, padded to the most that one of them has.

    Args:
        forwards: The model.
        attached: What is attached to the whole batch.
        rows: Ascending rows of the batch.
        like: Embeddings of the same space, for width and precision where nothing is attached.
    """
    among = torch.searchsorted(rows, attached.row)
    wanted = (rows[among.clamp(max=max(0, len(rows) - 1))] == attached.row) if len(rows) else among < 0
    chosen = wanted.nonzero()[:, 0]
    if not len(chosen):
        return RowsOfAttached(like.new_zeros(len(rows), 0, like.shape[1]), rows.new_zeros(len(rows), 0).bool())
    part = AttachedInputs(attached.modality, attached.inputs.take(chosen), among[chosen], attached.place[chosen])
    counts = torch.bincount(part.row, minlength=len(rows))
    mask = torch.arange(int(counts.max()), device=rows.device) < counts[:, None]
    embedding = embed_attached(forwards, part)
    padded = embedding.new_zeros(*mask.shape, embedding.shape[1])
    # Attached inputs stand row by row, which is the order that a mask is filled in.
    return RowsOfAttached(padded.masked_scatter(mask[..., None], embedding), mask)
