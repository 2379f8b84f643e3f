"""Ranks: closed forms, the tie rule, groups, and the same answer however the matrix is cut."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_metrics import ranks, ranks_from_scores


def slow_ranks(scores, query_group, candidate_group, share):
    """One query and one candidate at a time, as the definition reads."""
    found = []
    for row, group in zip(scores.tolist(), query_group.tolist(), strict=True):
        positive = [other == group for other in candidate_group.tolist()]
        best = max(score for score, is_positive in zip(row, positive, strict=True) if is_positive)
        rank = 1.0
        for score, is_positive in zip(row, positive, strict=True):
            if not is_positive:
                rank += 1.0 if score > best else share if score == best else 0.0
        found.append(rank)
    return found


def paired(count):
    return torch.arange(count), torch.arange(count)


def test_one_hot_identities_all_rank_first():
    identity = torch.eye(40)
    assert ranks(identity, identity, *paired(40)).tolist() == [1.0] * 40


def test_random_embeddings_rank_near_the_middle():
    generator = torch.Generator().manual_seed(1)
    query, candidates = torch.randn(2, 1500, 32, generator=generator)
    found = ranks(query, candidates, *paired(1500))
    # The mean of 1,500 uniform ranks has a standard error of about 11.
    assert abs(float(found.mean()) - 750.5) < 45
    assert abs(float((found <= 150).double().mean()) - 0.1) < 0.03


@pytest.mark.parametrize(("ties", "expected"), [("mean", 24.0), ("pessimistic", 47.0), ("optimistic", 1.0)])
@pytest.mark.parametrize("normalise", [False, True])
def test_constant_embeddings_are_worth_what_the_tie_rule_says(ties, expected, normalise):
    # 0.1 is not a binary fraction and 47 is odd, so a plain float32 product may round columns differently.
    constant = torch.full((47, 37), 0.1)
    for chunk in (1, 5, 47):
        found = ranks(constant, constant, *paired(47), ties=ties, normalise=normalise, chunk=chunk)
        assert found.tolist() == [expected] * 47


def test_copies_of_a_candidate_tie_in_every_place_of_the_gallery():
    generator = torch.Generator().manual_seed(2)
    query = torch.randn(1, 301, generator=generator)
    copy = torch.randn(1, 301, generator=generator)
    candidates = torch.randn(997, 301, generator=generator) * 0.01
    places = torch.tensor([0, 7, 500, 991, 996])
    candidates[places] = copy * torch.sign(query @ copy.T)
    group = torch.arange(997)
    for place in places:
        found = ranks(query, candidates, group[place, None], group, memory_bytes=20_000)
        assert found.tolist() == [3.0]


def test_other_positives_never_push_a_query_down():
    scores_by_column = torch.tensor([[5.0], [4.0], [3.0], [2.0]])
    query = torch.ones(1, 1)
    assert ranks(query, scores_by_column, torch.tensor([1]), torch.tensor([1, 1, 1, 0])).tolist() == [1.0]
    assert ranks(query, scores_by_column, torch.tensor([1]), torch.tensor([0, 1, 1, 1])).tolist() == [2.0]
    # A positive that ties with the best positive is not a tie against the query.
    level = torch.ones(4, 1)
    assert ranks(query, level, torch.tensor([1]), torch.tensor([1, 1, 1, 0])).tolist() == [1.5]


@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(1, 12),
    candidates=st.integers(1, 30),
    groups=st.integers(1, 6),
    chunk=st.one_of(st.none(), st.integers(1, 15)),
    memory_bytes=st.sampled_from([1, 700, 5_000, 2**20]),
    ties=st.sampled_from(["mean", "pessimistic", "optimistic"]),
    levels=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_any_chunk_equals_the_dense_and_the_slow_definition(
    queries, candidates, groups, chunk, memory_bytes, ties, levels, seed
):
    generator = torch.Generator().manual_seed(seed)
    # Few integer levels make many exact ties.
    query = torch.randint(-levels, levels + 1, (queries, 3), generator=generator).float()
    gallery = torch.randint(-levels, levels + 1, (candidates, 3), generator=generator).float()
    candidate_group = torch.randint(groups, (candidates,), generator=generator)
    query_group = candidate_group[torch.randint(candidates, (queries,), generator=generator)]
    found = ranks(query, gallery, query_group, candidate_group, ties=ties, chunk=chunk, memory_bytes=memory_bytes)
    scores = query @ gallery.T
    dense = ranks_from_scores(scores, query_group[:, None] == candidate_group, ties=ties)
    share = {"mean": 0.5, "pessimistic": 1.0, "optimistic": 0.0}[ties]
    assert found.tolist() == dense.tolist() == slow_ranks(scores, query_group, candidate_group, share)


def test_real_valued_ranks_do_not_depend_on_the_chunk():
    generator = torch.Generator().manual_seed(3)
    query, candidates = torch.randn(60, 65, generator=generator), torch.randn(211, 65, generator=generator)
    groups = torch.arange(60), torch.arange(211) % 60
    whole = ranks(query, candidates, *groups, normalise=True, chunk=60)
    for chunk, memory_bytes in ((1, 2**20), (7, 900), (59, 40_000)):
        cut = ranks(query, candidates, *groups, normalise=True, chunk=chunk, memory_bytes=memory_bytes)
        assert torch.equal(cut, whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type_ranks_as_its_own_values_do(dtype):
    generator = torch.Generator().manual_seed(4)
    query, candidates = torch.randn(2, 50, 16, generator=generator).to(dtype)
    found = ranks(query, candidates, *paired(50))
    scores = (query.double() @ candidates.double().T).float()
    assert torch.equal(found, ranks_from_scores(scores, torch.eye(50, dtype=torch.bool)))


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e30])
def test_the_scale_of_the_embeddings_changes_no_rank(scale):
    generator = torch.Generator().manual_seed(5)
    query, candidates = torch.randn(2, 30, 8, generator=generator)
    assert torch.equal(ranks(query * scale, candidates * scale, *paired(30)), ranks(query, candidates, *paired(30)))


def test_normalise_ranks_by_cosine():
    query = torch.tensor([[1.0, 0.0]])
    candidates = torch.tensor([[2.0, 2.0], [0.5, 0.0]])
    groups = torch.tensor([1]), torch.tensor([0, 1])
    assert ranks(query, candidates, *groups).tolist() == [2.0]
    assert ranks(query, candidates, *groups, normalise=True).tolist() == [1.0]


def test_one_query_and_one_candidate():
    assert ranks(torch.ones(1, 1), torch.ones(1, 1), torch.zeros(1).long(), torch.zeros(1).long()).tolist() == [1.0]


def test_masked_scores_are_out_of_the_race():
    scores = torch.tensor([[-torch.inf, 0.5, 0.9]])
    assert ranks_from_scores(scores, torch.tensor([[False, True, False]])).tolist() == [2.0]


def test_hostile_input_is_refused_in_words():
    good, groups = torch.ones(3, 2), torch.arange(3)
    with pytest.raises(ValueError, match="candidates holds 1 NaN"):
        ranks(good, torch.tensor([[0.0, 1.0], [torch.nan, 1.0], [1.0, 1.0]]), groups, groups)
    with pytest.raises(ValueError, match="query holds 6 NaN or infinite"):
        ranks(good * torch.inf, good, groups, groups)
    with pytest.raises(ValueError, match="2 of 3 queries have no positive"):
        ranks(good, good, torch.tensor([0, 8, 9]), groups)
    with pytest.raises(ValueError, match="query is empty"):
        ranks(good[:0], good, groups[:0], groups)
    with pytest.raises(ValueError, match="query 3, query_group 2"):
        ranks(good, good, groups[:2], groups)
    with pytest.raises(ValueError, match="width 2 and candidates has width 5"):
        ranks(good, torch.ones(3, 5), groups, groups)
    with pytest.raises(ValueError, match="ties is 'first'"):
        ranks(good, good, groups, groups, ties="first")
    with pytest.raises(ValueError, match="chunk is 0"):
        ranks(good, good, groups, groups, chunk=0)
    with pytest.raises(ValueError, match="floating-point"):
        ranks(groups[:, None], good[:, :1], groups, groups)
    with pytest.raises(ValueError, match="1 of 1 queries have no positive"):
        ranks_from_scores(torch.ones(1, 2), torch.zeros(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="scores holds 1 NaN"):
        ranks_from_scores(torch.tensor([[torch.nan, 1.0]]), torch.tensor([[True, False]]))
