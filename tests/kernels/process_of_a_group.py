"""One process of a gloo group, started by test_distributed.py: runs every case on its share and saves the results.

Usage: process_of_a_group.py RANK PROCESSES RENDEZVOUS_FILE RESULT_FILE
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from crossmod_kernels import infonce_distributed, sigmoid_pairs_distributed

TOTAL = 12
SPLITS = {
    2: {"equal": [6, 6], "unequal": [5, 7]},
    3: {"equal": [4, 4, 4], "unequal": [1, 3, 8]},
    4: {"equal": [3, 3, 3, 3], "unequal": [1, 2, 4, 5]},
}
DTYPES = {"float64": torch.float64, "float32": torch.float32}
SCALES = {"constant shift": 14.0, "running maximum": 400.0}


def joined_batch(dtype):
    """The whole batch and its group ids, the same in every process."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(TOTAL, 5, generator=generator, dtype=torch.float64).to(dtype) for _ in range(2))
    return a, b, torch.tensor([0, 1, 0, 2, 3, 4, 4, 5, 0, 6, 7, 2])


def groups_of(kind, group):
    """Keywords for groups: none, some shared between processes, or one group for all."""
    return {"identity": {}, "groups": {"group_a": group}, "one group": {"group_a": torch.zeros_like(group)}}[kind]


def own_part(rank, sizes):
    start = sum(sizes[:rank])
    return slice(start, start + sizes[rank])


def differentiate(loss, *tensors, factor=1.0):
    """The loss and the gradients of its inputs."""
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = loss(*leaves)
    (factor * value).backward()
    return [value.detach(), *(leaf.grad for leaf in leaves)]


def losses(rank, processes):
    results = {}
    for split, sizes in SPLITS[processes].items():
        part = own_part(rank, sizes)
        for dtype_name, dtype in DTYPES.items():
            a, b, group = joined_batch(dtype)
            for kind in ("identity", "groups", "one group"):
                more = {name: ids[part] for name, ids in groups_of(kind, group).items()}
                for scale_name, scale in SCALES.items():
                    results["infonce", split, dtype_name, kind, scale_name] = differentiate(
                        lambda x, y, s, more=more: infonce_distributed(x, y, s, **more, tile=(2, 5)),
                        a[part],
                        b[part],
                        torch.tensor(scale, dtype=dtype),
                    )
                results["sigmoid", split, dtype_name, kind] = differentiate(
                    lambda x, y, s, t, more=more: sigmoid_pairs_distributed(x, y, s, t, **more, tile=(2, 5)),
                    a[part],
                    b[part],
                    torch.tensor(10.0, dtype=dtype),
                    torch.tensor(-5.0, dtype=dtype),
                )
    return results


def message_of(call):
    """The error a call raises, as text; every process has to raise for the next collective to match."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return "no error"


def refusals(rank, processes):
    part = own_part(rank, SPLITS[processes]["equal"])
    a, b, group = joined_batch(torch.float64)
    a, b, group = a[part], b[part], group[part]
    scale, bias = torch.tensor(10.0), torch.tensor(-5.0)
    first = rank == 0
    leaf = a.clone().requires_grad_()
    weighed = sigmoid_pairs_distributed(leaf, b, scale, bias) * (rank + 1)
    stranger = torch.where(torch.arange(len(group)) == 0, 99 + rank, group)
    return {
        "width": message_of(lambda: infonce_distributed(a[:, : 5 - first], b[:, : 5 - first], scale)),
        "empty": message_of(lambda: infonce_distributed(a[: 0 if first else None], b, scale)),
        "unpaired": message_of(lambda: sigmoid_pairs_distributed(a, b[:1] if first else b, scale, bias)),
        "types": message_of(lambda: infonce_distributed(a.float() if first else a, b, scale)),
        "groups": message_of(lambda: infonce_distributed(a, b, scale, group_a=group if first else None)),
        "alone": message_of(lambda: infonce_distributed(a, b, scale, group_a=stranger, group_b=group)),
        "factor": message_of(weighed.backward),
    }


def own_factors(rank, processes):
    """Each process weighs its InfoNCE differently: the gradient is that of the weighted sum."""
    part = own_part(rank, SPLITS[processes]["unequal"])
    a, b, _ = joined_batch(torch.float64)
    scale = torch.tensor(14.0, dtype=torch.float64)
    return differentiate(infonce_distributed, a[part], b[part], scale, factor=rank + 1.0)


def poisoned(rank, processes):
    """Not-a-number in one row of the first process."""
    part = own_part(rank, SPLITS[processes]["equal"])
    a, b, _ = joined_batch(torch.float64)
    a[0, 0] = torch.nan
    return infonce_distributed(a[part], b[part], torch.tensor(10.0)).item()


def main():
    rank, processes, rendezvous, result = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=Path(rendezvous).as_uri(),
        rank=int(rank),
        world_size=int(processes),
        timeout=timedelta(seconds=120),
    )
    arguments = int(rank), int(processes)
    saved = {
        "losses": losses(*arguments),
        "refusals": refusals(*arguments),
        "own factors": own_factors(*arguments),
        "poisoned": poisoned(*arguments),
    }
    torch.save(saved, result)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
