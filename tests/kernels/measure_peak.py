"""Peak memory of loss steps in a process of its own, started by test_memory.py.

Usage: measure_peak.py DIM LOSS:BATCH ...; prints as JSON, for each step, the MiB above what was held before it, inputs
and gradients included in that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from crossmod_kernels import cwcl, infonce, sigmoid_pairs


def status_mib(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def random_rows(batch, dim, seed):
    return torch.randn(batch, dim, generator=torch.Generator().manual_seed(seed))


def losses(batch, source):
    """Every measured loss as a function of a and b."""
    scale, bias = torch.tensor(10.0, requires_grad=True), torch.tensor(-10.0, requires_grad=True)
    groups = torch.arange(batch) // 32
    return {
        "infonce": lambda x, y: infonce(x, y, scale, normalise=False),
        "infonce normalised": lambda x, y: infonce(x, y, scale),
        "infonce groups": lambda x, y: infonce(x, y, scale, normalise=False, group_a=groups),
        "sigmoid": lambda x, y: sigmoid_pairs(x, y, scale, bias, normalise=False),
        "sigmoid normalised": lambda x, y: sigmoid_pairs(x, y, scale, bias),
        "cwcl": lambda x, y: cwcl(x, y, scale, source_ab=source, normalise=False),
    }


def step(loss, a, b):
    """One loss with its gradients, which are held until the step is over."""
    a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
    loss(a, b).backward()
    return a.grad, b.grad


def peak_mib(name, batch, dim):
    a, b, source = (random_rows(batch, dim, seed) for seed in range(3))
    gradients = [torch.zeros_like(a), torch.zeros_like(b)]
    loss = losses(batch, source)[name]
    Path("/proc/self/clear_refs").write_text("5")
    before = status_mib("VmRSS")
    del gradients
    step(loss, a, b)
    return status_mib("VmHWM") - before


def main():
    torch.set_num_threads(1)
    dim = int(sys.argv[1])
    steps = [(name, int(batch)) for name, batch in (argument.split(":") for argument in sys.argv[2:])]
    for name, _ in steps:  # the library's own set-up out of the way
        step(losses(64, random_rows(64, dim, 0))[name], random_rows(64, dim, 1), random_rows(64, dim, 2))
    print(json.dumps({f"{name}:{batch}": peak_mib(name, batch, dim) for name, batch in steps}))


if __name__ == "__main__":
    main()
