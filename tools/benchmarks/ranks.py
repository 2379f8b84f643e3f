"""InfoNCE on two processes against open_clip's local loss: processor time of both, and bytes on their sockets."""

from __future__ import annotations

import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.measure import Result, missing, share, speed

PROCESSES, BATCH, WIDTH, SCALE = 2, 8192, 512, 14.3
# Linux's struct tcp_info: eight bytes, 24 words, two rates, then the bytes that the other end has acknowledged.
ACKNOWLEDGED = struct.Struct("=Q"), 120


def infonce_ranks(rounds: int) -> list[Result]:
    """InfoNCE on two gloo processes, B = 8,192 together."""
    what = f"infonce on {PROCESSES} gloo ranks, B = {BATCH:,} (open_clip local loss, gathered gradients)"
    try:
        import open_clip  # noqa: F401
    except ImportError:
        return [missing(what, "open_clip", ">= 1.6x")]
    found = _run(min(rounds, 4))
    seconds = {
        who: statistics.median(map(sum, zip(*(rank[who]["seconds"] for rank in found), strict=True))) for who in CASES
    }
    mib = {who: sum(rank[who]["bytes"] for rank in found) / 2**20 for who in CASES}
    error = max(rank["difference"] for rank in found)
    return [
        speed(what, seconds["ours"], seconds["theirs"], 1.6),
        share(f"{what}, MiB sent a step", mib["ours"], mib["theirs"], 0.55),
        Result(f"{what}, relative difference of gradients", f"{error:.1e}", "1e-5", "-", "<= 1e-5", error <= 1e-5),
    ]


def _sums(every: list[list[float]]) -> list[float]:
    return [sum(values) for values in zip(*every, strict=True)]


def _run(rounds: int) -> list[dict[str, dict[str, list[float]]]]:
    """Start the processes and read what each prints."""
    with tempfile.TemporaryDirectory() as place:
        words = [sys.executable, "-m", "benchmarks.ranks", str(rounds), f"{place}/rendezvous"]
        here = Path(__file__).parents[1]
        started = [
            subprocess.Popen([*words, str(rank)], stdout=subprocess.PIPE, text=True, cwd=here)
            for rank in range(PROCESSES)
        ]
        outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError("a process of the two-rank measurement failed; see its error above")
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def _ours(a: Tensor, b: Tensor) -> Tensor:
    from crossmod_kernels import infonce_distributed

    return infonce_distributed(a, b, torch.tensor(SCALE), normalise=False)


def _theirs(a: Tensor, b: Tensor) -> Tensor:
    from open_clip.loss import ClipLoss

    loss = ClipLoss(local_loss=True, gather_with_grad=True, rank=dist.get_rank(), world_size=PROCESSES)
    found: Tensor = loss(a, b, torch.tensor(SCALE))
    return found


CASES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"ours": _ours, "theirs": _theirs}


def _bytes_sent() -> int:
    """Bytes that all open TCP sockets of this process have sent and the other end has acknowledged."""
    total = 0
    for entry in Path("/proc/self/fd").iterdir():
        # The listing's own descriptor is gone by now, so that its link cannot be read.
        if not entry.exists() and not entry.is_symlink():
            continue
        if entry.readlink().name.startswith("socket:"):
            with socket.socket(fileno=os.dup(int(entry.name))) as end:
                if end.type == socket.SOCK_STREAM and end.family in (socket.AF_INET, socket.AF_INET6):
                    info = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
                    total += ACKNOWLEDGED[0].unpack_from(info, ACKNOWLEDGED[1])[0]
    return total


def _rank(rounds: int, rendezvous: str, rank: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=PROCESSES)
    own = slice(rank * BATCH // PROCESSES, (rank + 1) * BATCH // PROCESSES)
    rows = (torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    a, b = (normalize(side, dim=1)[own].clone().requires_grad_() for side in rows)
    seconds: dict[str, list[float]] = {who: [] for who in CASES}
    sent: dict[str, int] = {}
    gradients = {}
    for number in range(rounds + 1):
        for who, loss in CASES.items():
            a.grad = b.grad = None
            dist.barrier()
            before, start = _bytes_sent(), time.process_time()
            loss(a, b).backward()  # type: ignore[no-untyped-call]
            if number:
                seconds[who].append(time.process_time() - start)
            dist.barrier()
            sent[who] = _bytes_sent() - before
            gradients[who] = torch.cat([_gradient(a), _gradient(b)])
    difference = float((gradients["ours"] - gradients["theirs"]).abs().max() / gradients["theirs"].abs().max())
    found = {who: {"seconds": seconds[who], "bytes": sent[who]} for who in CASES}
    dist.destroy_process_group()
    print(json.dumps({**found, "difference": difference}))


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad.clone()


if __name__ == "__main__":
    _rank(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
