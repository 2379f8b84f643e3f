"""Deeper models that compute what they computed before: blocks that start as the identity (GrowCLIP, arXiv:2308.11331).

[C] marks in these files: the paper's rule is not public in code; the operators are our definition of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


@torch.no_grad()
def make_identity_(block: nn.Module, outputs: Sequence[str]) -> nn.Module:
    """[C] Zero the layers that write into the residual stream: a pre-norm residual block then adds nothing.

    Its other parameters keep their fresh initialisation and receive gradient once the zeroed ones have moved.

    Args:
        block: A block of the form x + branch(x), such as `TransformerBlock`.
        outputs: Dotted names of its branches' last layers, `("attention_out", "mlp_out")` there.

    Raises:
        ValueError: A name is not a part of the block, or has no parameters.
    """
    parts = dict(block.named_modules())
    for name in outputs:
        if name not in parts or not list(parts[name].parameters()):
            known = ", ".join(part for part, module in parts.items() if part and list(module.parameters(recurse=False)))
            raise ValueError(f"the block has no layer {name!r} to zero; it has {known}.")
    for name in outputs:
        for parameter in parts[name].parameters():
            parameter.zero_()
    return block


def insert_blocks_(
    blocks: nn.ModuleList, position: int, fresh: Sequence[nn.Module], outputs: Sequence[str]
) -> dict[str, str]:
    """[C] Insert fresh blocks as identities before `position`; the tower computes what it computed.

    Args:
        blocks: A tower's blocks, applied one after the other; changed in place.
        position: Index of the block that the first fresh one comes before; `len(blocks)` appends.
        fresh: The new blocks.
        outputs: As in `make_identity_`.

    Returns:
        For every old block that moved or stayed, its new name to its old one ("3" to "2"), which is what
        `inherit` needs to find a parameter in the smaller model.

    Raises:
        ValueError: The position lies outside the tower, or as `make_identity_`.
    """
    if not 0 <= position <= len(blocks):
        raise ValueError(f"blocks cannot be inserted at {position}; the tower has {len(blocks)}, so give 0 to that.")
    ready = [make_identity_(block, outputs) for block in fresh]
    old = list(blocks)
    for place, block in enumerate(ready):
        blocks.insert(position + place, block)
    shift = len(ready)
    return {str(place + shift if place >= position else place): str(place) for place in range(len(old))}
