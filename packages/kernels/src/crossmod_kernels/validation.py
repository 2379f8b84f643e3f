"""What the losses refuse, said once: every public function checks its arguments here before it computes."""

from __future__ import annotations

import torch
from torch import Tensor

MEMORY_MODES = ("recompute", "keep", "keep-bf16", "auto")
BACKENDS = ("auto", "torch", "triton")


def check_embeddings(a: Tensor, b: Tensor, *, paired: bool) -> None:
    """Refuse two sets of embeddings that no contrast can be taken between.

    Raises:
        ValueError: unless both are floating matrices of one width on one device, neither is empty, and, if row i
            is `paired` with key i, there is a key for every row.
    """
    for name, embeddings in (("a", a), ("b", b)):
        if embeddings.dim() != 2 or not embeddings.is_floating_point():
            raise ValueError(
                f"embeddings {name} have shape {tuple(embeddings.shape)} and type {embeddings.dtype}: "
                "pass a floating matrix of one row an item"
            )
        if 0 in embeddings.shape:
            raise ValueError(
                f"embeddings {name} are empty, shape {tuple(embeddings.shape)}: a contrast needs at least one "
                "item and one dimension, so skip empty batches"
            )
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"embeddings a have {a.shape[1]} dimensions and b have {b.shape[1]}: project both to one width"
        )
    if a.device != b.device:
        raise ValueError(f"embeddings a are on {a.device} and b on {b.device}: move both to one device")
    if paired and b.shape[0] < a.shape[0]:
        raise ValueError(
            f"there are {a.shape[0]} rows in a but only {b.shape[0]} keys in b: row i is paired with key i, "
            "so pass the larger set as b, or group ids"
        )


def check_scalar(name: str, value: Tensor, *, positive: bool) -> None:
    """Refuse a scale or a bias that is not one number; not-a-number passes and reaches the loss.

    Raises:
        ValueError: if it is no tensor of one floating element, or has to be above zero and is not.
    """
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.is_floating_point():
        found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"the {name} is no floating tensor of one element but {found}: pass a 0-dim tensor")
    if positive and float(value.detach()) <= 0.0:
        raise ValueError(
            f"the {name} is {float(value.detach())}: pass the multiplier itself, exp(log-scale), which is above 0"
        )


def check_groups(a: Tensor, b: Tensor, group_a: Tensor | None, group_b: Tensor | None) -> None:
    """Refuse group ids that do not name every row of their side.

    Raises:
        ValueError: for ids of the wrong type, shape or device, or ids of b without ids of a.
    """
    for name, group, embeddings in (("group_a", group_a, a), ("group_b", group_b, b)):
        if group is None:
            continue
        if group.is_floating_point() or group.is_complex() or group.dtype == torch.bool:
            raise ValueError(f"{name} has type {group.dtype}: group ids are whole numbers, pass int64")
        if group.shape != embeddings.shape[:1]:
            raise ValueError(
                f"{name} has shape {tuple(group.shape)} for {embeddings.shape[0]} items: pass one id an item"
            )
        if group.device != embeddings.device:
            raise ValueError(f"{name} is on {group.device}, its embeddings on {embeddings.device}: move it there")
    if group_a is None and group_b is not None:
        raise ValueError("group_b was given without group_a: pass the ids of both sides")
    if group_a is not None and group_b is None and a.shape[0] != b.shape[0]:
        raise ValueError(
            f"group_a alone names the keys only when every key has a row, but there are {a.shape[0]} rows and "
            f"{b.shape[0]} keys: pass group_b too"
        )


def check_choices(memory: str, backend: str, tile: tuple[int, int] | None) -> None:
    """Refuse an unknown mode of memory, an unknown backend, or an empty tile.

    Raises:
        ValueError: naming the choices.
    """
    if memory not in MEMORY_MODES:
        raise ValueError(f"memory={memory!r} is unknown: choose one of {', '.join(MEMORY_MODES)}")
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} is unknown: choose one of {', '.join(BACKENDS)}")
    if tile is not None and (len(tile) != 2 or min(tile) < 1):
        raise ValueError(f"tile={tile!r}: pass (rows, columns), both at least 1")
