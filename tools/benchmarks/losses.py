"""Contrastive losses against open_clip: processor seconds and peak memory, forward and backward, float32."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Result, interleaved, memory_mib, reset_peak

WIDTH = 512


def _inputs(batch: int) -> tuple[object, object, object]:
    import torch

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.nn.functional.normalize(torch.randn(batch, WIDTH, generator=generator), dim=1) for _ in range(2))
    return a.requires_grad_(), b.requires_grad_(), torch.tensor(14.3, requires_grad=True)


def _case(loss: str, who: str, batch: int) -> Callable[[], None]:
    """One forward and backward of `loss` by `who`."""
    import torch

    a, b, scale = _inputs(batch)
    bias = torch.tensor(-10.0, requires_grad=True)
    score: Callable[[], object]
    if who == "ours":
        from crossmod_kernels import infonce, sigmoid_pairs

        score = (lambda: infonce(a, b, scale)) if loss == "infonce" else (lambda: sigmoid_pairs(a, b, scale, bias))
    else:
        from open_clip.loss import ClipLoss, SigLipLoss

        module = ClipLoss() if loss == "infonce" else SigLipLoss()
        score = (lambda: module(a, b, scale)) if loss == "infonce" else (lambda: module(a, b, scale, bias))

    def run() -> None:
        for tensor in (a, b, scale, bias):
            tensor.grad = None  # type: ignore[attr-defined]
        score().backward()  # type: ignore[attr-defined]

    return run


def _peak(loss: str, who: str, batch: int) -> float:
    """Peak MiB of a fresh process on top of inputs and gradients."""
    words = [sys.executable, "-m", "benchmarks.losses", loss, who, str(batch)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return float(json.loads(done.stdout.splitlines()[-1]))


def _compare(loss: str, peer: str, batch: int, rounds: int, faster: float, smaller: float) -> list[Result]:
    try:
        import open_clip  # noqa: F401
    except ImportError:
        return [Result(f"{loss}, B = {batch}", "-", "open_clip is not installed", "-", f">= {faster}x", False)]
    seconds = interleaved({who: _case(loss, who, batch) for who in ("ours", "theirs")}, rounds)
    ratio = seconds["theirs"] / seconds["ours"]
    ours, theirs = (_peak(loss, who, batch) for who in ("ours", "theirs"))
    name = f"B = {batch:,}, D = {WIDTH} (open_clip {peer})"
    return [
        Result(
            f"{loss} s, {name}",
            f"{seconds['ours']:.2f}",
            f"{seconds['theirs']:.2f}",
            f"{ratio:.2f}x",
            f">= {faster}x",
            ratio >= faster,
        ),
        Result(
            f"{loss} peak MiB, {name}",
            f"{ours:.0f}",
            f"{theirs:.0f}",
            f"{ours / theirs:.1%}",
            f"<= {smaller:.0%}",
            ours <= smaller * theirs,
        ),
    ]


def infonce(rounds: int) -> list[Result]:
    """InfoNCE at B = 8,192."""
    return _compare("infonce", "ClipLoss", 8192, min(rounds, 3), 2.0, 0.04)


def siglip(rounds: int) -> list[Result]:
    """SigLIP at B = 4,096."""
    return _compare("siglip", "SigLipLoss", 4096, rounds, 1.8, 0.10)


def _measure_child(loss: str, who: str, batch: int) -> None:
    run = _case(loss, who, batch)
    small = _case(loss, who, 64)
    small()  # libraries and buffers that any size needs
    reset_peak()
    before = memory_mib("VmRSS")
    run()
    print(json.dumps(memory_mib("VmHWM") - before - 2 * batch * WIDTH * 4 / 2**20))


if __name__ == "__main__":
    _measure_child(sys.argv[1], sys.argv[2], int(sys.argv[3]))
