"""Who forms the tiles: one interface, in plain torch for every device and in Triton for CUDA."""

from __future__ import annotations

import importlib.util
import os
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.targets import Targets
from crossmod_kernels.tile_plan import KeptTiles, Logits, TilePlan


class Sums(NamedTuple):
    """Sums of exp(logits - shift) over every row and every column."""

    row: Tensor
    column: Tensor


class Weights(NamedTuple):
    """The factors that turn exp(logits - shift) into the gradient of the logits: E_ij (row_i + column_j)."""

    row: Tensor
    column: Tensor


class Wanted(NamedTuple):
    """Which gradients somebody asked for: a frozen side costs no product."""

    a: bool
    b: bool


class SigmoidSums(NamedTuple):
    """Sums over all but the listed pairs of softplus(Z) and sigmoid(Z), and the gradients of all pairs' terms."""

    softplus: Tensor
    sigmoid: Tensor
    gradient_a: Tensor | None
    gradient_b: Tensor | None


class Engine(Protocol):
    """Passes over the tiles of one matrix of logits. Gradients are per unit of scale, in at least fp32."""

    def operand_dtype(self, a: Tensor, b: Tensor) -> torch.dtype:
        """The type in which a and b enter the products."""

    def plan(self, a: Tensor, b: Tensor, tile: tuple[int, int] | None) -> TilePlan:
        """The tiles this engine is fast with, or those asked for."""

    def sums(self, logits: Logits, shift: float, targets: tuple[Targets, ...], kept: KeptTiles | None) -> Sums:
        """One product: row and column sums from the same tile."""

    def gradients(
        self,
        logits: Logits,
        shift: float,
        weights: Weights,
        targets: tuple[Targets, ...],
        kept: KeptTiles | None,
        wanted: Wanted,
    ) -> tuple[Tensor | None, Tensor | None]:
        """Three products, two if the tiles were kept."""

    def sigmoid(
        self, logits: Logits, bias: float, bound: float, pairs: PairTargets | None, wanted: Wanted
    ) -> SigmoidSums:
        """Three products: loss and gradients of independent logistic terms in one pass; no Z is above `bound`."""


def choose_engine(backend: str, device: torch.device) -> Engine:
    """The engine named, or for "auto" Triton on CUDA where it is installed, and plain torch elsewhere.

    Raises:
        ValueError: if Triton is asked for and is not installed, or cannot reach the device.
    """
    check_backend(backend, device)
    installed = importlib.util.find_spec("triton") is not None
    if backend == "triton" or (backend == "auto" and device.type == "cuda" and installed):
        from crossmod_kernels.cuda.engine import TritonEngine

        return TritonEngine()
    from crossmod_kernels.torch_engine import TorchEngine

    return TorchEngine()


def check_backend(backend: str, device: torch.device) -> None:
    """Refuse Triton where it cannot run.

    Raises:
        ValueError: if Triton is asked for and is not installed, or cannot reach the device.
    """
    if backend == "triton" and importlib.util.find_spec("triton") is None:
        raise ValueError(
            "backend='triton' was asked for but the triton module is not installed: install it (it comes with "
            "torch on Linux) or pass backend='torch'"
        )
    if backend == "triton" and device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise ValueError(
            f"backend='triton' was asked for tensors on {device}: move them to CUDA, pass backend='torch', or set "
            "TRITON_INTERPRET=1 before the first import to try the kernels slowly"
        )
