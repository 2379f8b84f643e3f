"""A queue of past features with their groups: more negatives than a batch holds (MoCo, arXiv:1911.05722)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.state.gathered_rows import gather_rows


class QueuedRows(NamedTuple):
    """The filled part of a queue, newest row first.

    Shape:
        features: [filled, width], without gradient.
        group: [filled] int64.
    """

    features: Float[Tensor, "filled width"]
    group: Int64[Tensor, "filled"]


class FeatureQueue(nn.Module):
    """The newest `capacity` feature rows and the group of each, checkpointed with whoever holds it.

    New rows overwrite the oldest; the batch need not divide the capacity. Under torch.distributed the rows of all
    processes enter in the order of the processes, so the queues of all processes stay equal to each other and to that
    of one process with the whole batch. Groups let a loss tell that a queued row describes the same thing as a row
    of the batch (ALBEF's fine-tuning, arXiv:2107.07651; its pre-training code keeps none and contrasts them).

    Args:
        capacity: Rows kept (65,536 in ALBEF).
        width: Width of a row.

    Raises:
        ValueError: The capacity or the width is below one.
    """

    features: Tensor
    group: Tensor
    cursor: Tensor
    filled: Tensor

    def __init__(self, capacity: int, width: int) -> None:
        super().__init__()
        if capacity < 1 or width < 1:
            raise ValueError(f"a queue of {capacity} rows of width {width} holds nothing; give at least one of each.")
        self.capacity = capacity
        self.register_buffer("features", torch.zeros(capacity, width))
        self.register_buffer("group", torch.zeros(capacity, dtype=torch.int64))
        self.register_buffer("cursor", torch.zeros((), dtype=torch.int64))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        """Rows that are filled."""
        return int(self.filled)

    @torch.no_grad()
    def enqueue_(self, features: Float[Tensor, "batch width"], group: Int64[Tensor, "batch"]) -> None:
        """Add the rows of every process; call after the loss, or the batch would meet itself in the queue.

        Of more rows than the capacity the last ones stay.

        Shape:
            features: [batch, width]; group: [batch] int64. Every process calls with its own rows, perhaps none.

        Raises:
            ValueError: Shapes do not fit, or a feature is not finite; the queue is left as it was.
        """
        width = self.features.shape[1]
        if features.ndim != 2 or features.shape[1] != width or group.shape != features.shape[:1]:
            raise ValueError(
                f"features of shape {list(features.shape)} with groups of shape {list(group.shape)} do not fit a queue "
                f"of width {width}; give [batch, {width}] and [batch]."
            )
        rows, groups = gather_rows(features.to(self.features.dtype), group)
        # After gathering, so that all processes refuse together instead of waiting for one that did.
        if not bool(torch.isfinite(rows).all()):
            raise ValueError(
                "features with NaN or infinity would stay in the queue for many steps; lower the learning rate or "
                "look for broken inputs before enqueueing."
            )
        rows, groups = rows[-self.capacity :], groups[-self.capacity :]
        places = (self.cursor + torch.arange(len(rows), device=rows.device)) % self.capacity
        self.features[places] = rows
        self.group[places] = groups
        self.cursor.copy_((self.cursor + len(rows)) % self.capacity)
        self.filled.copy_((self.filled + len(rows)).clamp(max=self.capacity))

    @torch.no_grad()
    def rows(self) -> QueuedRows:
        """The filled rows, newest first; copies, so that a later `enqueue_` leaves them and their graph alone."""
        steps = torch.arange(len(self), device=self.group.device)
        places = (self.cursor - 1 - steps) % self.capacity
        return QueuedRows(self.features[places], self.group[places])
