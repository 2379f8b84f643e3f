"""No matrix of queries by candidates is ever held: the tensors alive at any moment stay within the stated memory.

The same code serves 100,000 x 512; here the gallery is small, and the memory far smaller than its N x N matrix.
"""

from __future__ import annotations

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from crossmod_metrics import intra_modal_retrieval, ranks, top_k, uniformity

N, DIM = 2000, 32
FULL = 4 * N * N
"""Bytes of the N x N matrix in single precision: 16 MB."""
MEMORY = 2**20


class Peak(TorchDispatchMode):
    """The most bytes that tensors made inside held at one time, each storage counted once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._users: dict[int, int] = {}

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.numel():
                storage = tensor.untyped_storage()
                self._take(storage.data_ptr(), storage.nbytes())
                weakref.finalize(tensor, self._leave, storage.data_ptr(), storage.nbytes())
        self.most = max(self.most, self.now)
        return result

    def _take(self, place: int, size: int) -> None:
        if not self._users.get(place):
            self.now += size
        self._users[place] = self._users.get(place, 0) + 1

    def _leave(self, place: int, size: int) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            self.now -= size


@pytest.fixture
def space():
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(N) // 4
    return torch.randn(N, DIM, generator=generator), torch.randn(N, DIM, generator=generator), group


def _peak(call) -> int:
    with Peak() as peak:
        call()
    return peak.most


def test_the_measure_sees_the_matrix_that_it_is_there_to_refuse(space):
    a, b, _ = space
    assert _peak(lambda: (a @ b.T).sum()) == pytest.approx(FULL, rel=0.03)
    assert _peak(lambda: [(a[i : i + 10] @ b.T).sum() for i in range(0, 100, 10)]) < FULL / 20


SIDE = 4 * N * DIM
"""Bytes of one side in single precision; the measure counts a side that a slice is taken of."""


@pytest.mark.parametrize("normalise", [False, True])
def test_ranks(space, normalise):
    a, b, group = space
    assert _peak(lambda: ranks(a, b, group, group, normalise=normalise, memory_bytes=MEMORY)) < MEMORY < FULL / 15


def test_top_k(space):
    a, b, _ = space
    # Beside the block of scores: what torch.topk needs to select from it.
    assert _peak(lambda: top_k(a, b, 10, memory_bytes=MEMORY)) < 1.3 * MEMORY + 2 * SIDE < FULL / 8


def test_intra_modal_retrieval(space):
    a, _, group = space
    item = torch.arange(N)

    def search():
        intra_modal_retrieval(
            a[:300], a, group[:300], group, query_item=item[:300], gallery_item=item, memory_bytes=MEMORY
        )

    assert _peak(search) < MEMORY


def test_uniformity(space):
    a, _, _ = space
    in_double_precision = 2 * SIDE
    assert _peak(lambda: uniformity(a, memory_bytes=MEMORY)) < MEMORY + in_double_precision < FULL / 8
