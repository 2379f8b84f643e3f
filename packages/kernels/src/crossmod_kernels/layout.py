"""What the processes agree on before they exchange embeddings, so that a fault on one is an error on all.

A process that raised alone would leave the others waiting in a collective until it times out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor

from crossmod_kernels.collectives import Ranks, gather_vector

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def agree(
    a: Tensor,
    b: Tensor,
    group_a: Tensor | None,
    group_b: Tensor | None,
    check: Callable[[], None],
    process_group: dist.ProcessGroup | None,
) -> Ranks:
    """Run `check` here, then compare sizes, widths, types and the use of groups over all processes.

    Shape: a, b (batch, dim), of any batch size per process; group_a, group_b (batch,).

    Raises:
        ValueError: on every process, if `check` raised on any, or if they do not fit together.
        RuntimeError: if no process group was initialised.
    """
    if not dist.is_available() or not dist.is_initialized():
        raise RuntimeError(
            "no process group is initialised: call torch.distributed.init_process_group first, or use the loss for "
            "one process"
        )
    fault: ValueError | None = None
    try:
        check()
        if len(a) != len(b):
            raise ValueError(f"there are {len(a)} rows and {len(b)} keys: processes hold pairs, so pass as many")
    except ValueError as error:
        fault = error
    groups = int(group_a is not None) + 2 * int(group_b is not None)
    facts = [int(fault is not None), 0, 0, 0, 0, 0]
    if fault is None:
        facts[1:] = [len(a), a.shape[1], DTYPES.index(a.dtype), DTYPES.index(b.dtype), groups]
    every = gather_vector(torch.tensor(facts, device=a.device), process_group).tolist()
    if fault is not None:
        raise fault
    _compare(every)
    return Ranks(process_group, dist.get_rank(process_group), tuple(row[1] for row in every))


def _compare(every: list[list[int]]) -> None:
    faulty = [rank for rank, facts in enumerate(every) if facts[0]]
    if faulty:
        raise ValueError(f"process {faulty[0]} refused its embeddings: see the error there")
    for place, what in ((2, "dimensions"), (3, "types of a"), (4, "types of b"), (5, "group ids given")):
        found = [facts[place] for facts in every]
        if len(set(found)) > 1:
            shown = [DTYPES[number] for number in found] if place in (3, 4) else found
            raise ValueError(f"the processes differ in their {what}: {shown}; give all of them the same")
