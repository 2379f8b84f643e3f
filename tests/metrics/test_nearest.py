"""Top-k search: exact, ordered by score and then by index, for any block."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_metrics import nearest, top_k


def slow_top_k(scores, k):
    return [sorted(range(len(row)), key=lambda place: (-row[place], place))[:k] for row in scores.tolist()]


@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(1, 9),
    candidates=st.integers(1, 40),
    levels=st.integers(0, 3),
    block=st.sampled_from([1, 3, 16, 64]),
    seed=st.integers(0, 2**31),
    data=st.data(),
)
def test_any_block_equals_a_full_sort_ties_by_index(queries, candidates, levels, block, seed, data):
    k = data.draw(st.integers(1, candidates))
    chunk = data.draw(st.one_of(st.none(), st.integers(1, queries)))
    generator = torch.Generator().manual_seed(seed)
    query = torch.randint(-levels, levels + 1, (queries, 2), generator=generator).float()
    gallery = torch.randint(-levels, levels + 1, (candidates, 2), generator=generator).float()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "_COLUMNS", block)
        found = top_k(query, gallery, k, chunk=chunk)
    scores = query @ gallery.T
    assert found.indices.tolist() == slow_top_k(scores, k)
    assert torch.equal(found.scores, scores.gather(1, found.indices))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_float_type_and_the_cosine(dtype):
    generator = torch.Generator().manual_seed(0)
    query, gallery = torch.randn(5, 16, generator=generator).to(dtype), torch.randn(300, 16, generator=generator)
    gallery = gallery.to(dtype)
    cosine = torch.nn.functional.normalize(query.double()) @ torch.nn.functional.normalize(gallery.double()).T
    found = top_k(query, gallery, 10, normalise=True)
    assert torch.equal(found.indices, cosine.topk(10, dim=1).indices)
    assert torch.allclose(found.scores.double(), cosine.topk(10, dim=1).values, atol=1e-6)


def test_hostile_input_is_refused_in_words():
    with pytest.raises(ValueError, match="k is 4 for 3 candidates"):
        top_k(torch.ones(1, 2), torch.ones(3, 2), 4)
    with pytest.raises(ValueError, match="query holds 2 NaN"):
        top_k(torch.full((1, 2), torch.nan), torch.ones(3, 2), 1)
    with pytest.raises(ValueError, match="candidates is empty"):
        top_k(torch.ones(1, 2), torch.ones(0, 2), 1)
