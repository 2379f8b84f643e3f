"""How many processes train together, and which one this is."""

from __future__ import annotations

import os

import torch.distributed as dist


def world_size() -> int:
    """The number of processes that train together; 1 outside torch.distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process; before torch.distributed starts, what its launcher said."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank()
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def is_main() -> bool:
    """Whether this process writes files and talks to the terminal."""
    return rank() == 0
