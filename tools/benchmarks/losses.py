"""Losses against open_clip and against their plain dense forms: forward and backward in float32, one thread."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax, normalize

import crossmod_kernels as kernels
from benchmarks.measure import Result, interleaved, missing, peak_of_child, print_peak, share, speed

WIDTH = 512
SOURCE_WIDTH = 384
TOKENS_A, TOKENS_B, TOKEN_WIDTH = 50, 32, 256
SCALE, BIAS = 14.3, -10.0

Step = Callable[[], object]


class Contest(NamedTuple):
    """One loss by us and by its peer. `steps` makes both from a batch size; `smaller` is None if memory is no goal."""

    steps: Callable[[int], dict[str, Step]]
    batch: int
    peer: str
    faster: float
    smaller: float
    row_values: int  # gradients a pair leaves behind
    package: str | None = None


def _rows(seed: int, *shape: int) -> Tensor:
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def _step(loss: Callable[..., Tensor], *leaves: Tensor) -> Step:
    def run() -> None:
        for leaf in leaves:
            leaf.grad = None
        loss(*leaves).backward()  # type: ignore[no-untyped-call]

    return run


def _leaves(batch: int) -> tuple[Tensor, ...]:
    values = _rows(0, batch, WIDTH), _rows(1, batch, WIDTH), torch.tensor(SCALE), torch.tensor(BIAS)
    return tuple(value.requires_grad_() for value in values)


def _infonce(batch: int) -> dict[str, Step]:
    from open_clip.loss import ClipLoss

    a, b, scale, _ = _leaves(batch)
    return {"ours": _step(kernels.infonce, a, b, scale), "theirs": _step(ClipLoss(), a, b, scale)}


def _siglip(batch: int) -> dict[str, Step]:
    from open_clip.loss import SigLipLoss

    leaves = _leaves(batch)
    return {"ours": _step(kernels.sigmoid_pairs, *leaves), "theirs": _step(SigLipLoss(), *leaves)}


def _cwcl(batch: int) -> dict[str, Step]:
    a, b, scale, _ = _leaves(batch)
    source = _rows(2, batch, SOURCE_WIDTH)

    def plain(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
        weights = 0.5 + 0.5 * (source @ source.t())
        logits = scale * a @ b.t()
        weighted = (weights / weights.sum(1, keepdim=True) * log_softmax(logits, 1)).sum(1)
        return cross_entropy(logits.t(), torch.arange(batch)) - weighted.mean()

    ours = _step(lambda a, b, scale: kernels.cwcl(a, b, scale, source_ab=source), a, b, scale)
    return {"ours": ours, "theirs": _step(plain, a, b, scale)}


def _filip(batch: int) -> dict[str, Step]:
    a = _rows(0, batch, TOKENS_A, TOKEN_WIDTH).requires_grad_()
    b = _rows(1, batch, TOKENS_B, TOKEN_WIDTH).requires_grad_()
    own = torch.arange(batch)

    def contrast(ab: Tensor, ba: Tensor) -> Tensor:
        return (cross_entropy(SCALE * ab, own) + cross_entropy(SCALE * ba, own)) / 2

    def plain(a: Tensor, b: Tensor) -> Tensor:
        products = torch.einsum("ikd,jrd->ijkr", a, b)
        return contrast(products.max(3).values.mean(2), products.max(2).values.mean(2).t())

    ours = _step(lambda a, b: contrast(*kernels.late_interaction(a, b, normalise=False)), a, b)
    return {"ours": ours, "theirs": _step(plain, a, b)}


CONTESTS = {
    "infonce": Contest(_infonce, 8192, "open_clip ClipLoss", 2.0, 0.04, 2 * WIDTH, "open_clip"),
    "infonce-16k": Contest(_infonce, 16384, "open_clip ClipLoss", 2.0, 0.04, 2 * WIDTH, "open_clip"),
    "siglip": Contest(_siglip, 4096, "open_clip SigLipLoss", 1.8, 0.10, 2 * WIDTH, "open_clip"),
    "cwcl": Contest(_cwcl, 4096, "plain", 1.1, 0.12, 2 * WIDTH),
    "filip": Contest(_filip, 128, "plain max().values", 2.0, 0.10, (TOKENS_A + TOKENS_B) * TOKEN_WIDTH),
}
WARM_SHARE = 8  # the warming step has so many times fewer pairs


def _compare(name: str, rounds: int) -> list[Result]:
    contest = CONTESTS[name]
    what = f"{name}, B = {contest.batch:,} ({contest.peer})"
    if contest.package and importlib.util.find_spec(contest.package) is None:
        return [missing(what, contest.package, f">= {contest.faster}x")]
    torch.set_num_threads(1)
    seconds = interleaved(contest.steps(contest.batch), rounds)
    ours, theirs = (peak_of_child("losses", name, who) for who in ("ours", "theirs"))
    return [
        speed(what, seconds["ours"], seconds["theirs"], contest.faster),
        share(f"{what}, peak MiB", ours, theirs, contest.smaller),
    ]


def infonce(rounds: int) -> list[Result]:
    """InfoNCE at B = 8,192."""
    return _compare("infonce", min(rounds, 3))


def infonce_16k(rounds: int) -> list[Result]:
    """InfoNCE at B = 16,384."""
    return _compare("infonce-16k", min(rounds, 2))


def siglip(rounds: int) -> list[Result]:
    """SigLIP at B = 4,096."""
    return _compare("siglip", rounds)


def cwcl(rounds: int) -> list[Result]:
    """CWCL, one direction weighted, at B = 4,096."""
    return _compare("cwcl", rounds)


def filip(rounds: int) -> list[Result]:
    """FILIP's late interaction on 50 x 32 tokens at B = 128."""
    return _compare("filip", rounds)


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = CONTESTS[sys.argv[1]]
    run, warm = (found.steps(batch)[sys.argv[2]] for batch in (found.batch, found.batch // WARM_SHARE))
    print_peak(run, warm, found.batch * found.row_values * 4 / 2**20)
