"""Shared by the tests of crossmod_kernels: random embeddings, and a loss with all its gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products lose time to a thread pool, and sums keep one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def value_and_gradients() -> Callable[..., list[Tensor]]:
    """loss(*tensors) and its gradient for each tensor, which are detached copies."""

    def run(loss: Callable[..., Tensor], *tensors: Tensor) -> list[Tensor]:
        leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
        value = loss(*leaves)
        value.backward()
        gradients = [leaf.grad for leaf in leaves]
        assert all(gradient is not None for gradient in gradients)
        return [value.detach(), *gradients]

    return run


@pytest.fixture
def agree() -> Callable[[list[Tensor], list[Tensor], float], None]:
    """Two lists of a value and gradients agree relative to the largest number, or to 0.001 where all are smaller."""

    def check(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            error = float((one.double() - other.double()).abs().max()) / max(1e-3, float(other.abs().max()))
            assert error <= tolerance, f"part {place}: relative error {error:.2e}"

    return check
