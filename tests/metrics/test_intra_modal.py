"""Search inside a modality: the query never finds itself, ties are stated, and a gap can hide an order."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crossmod_metrics import intra_modal_retrieval, modality_gap


def _slow(query, gallery, query_group, gallery_group, query_item, gallery_item, k):
    """Average precision, AP at k and R-precision by a loop, for scores without ties."""
    rows = []
    for q in range(len(query)):
        cosine = torch.nn.functional.cosine_similarity(query[q].double(), gallery.double(), dim=1)
        order = [g for g in cosine.argsort(descending=True).tolist() if query_item[q] != gallery_item[g]]
        right = [bool(query_group[q] == gallery_group[g]) for g in order]
        total = sum(right)
        if total:
            places = [place for place, hit in enumerate(right, 1) if hit]
            gains = [(number / place, place) for number, place in enumerate(places, 1)]
            rows.append(
                (
                    sum(gain for gain, _ in gains) / total,
                    sum(gain for gain, place in gains if place <= k) / min(total, k),
                    sum(place <= total for place in places) / total,
                )
            )
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)], len(rows)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6), queries=st.integers(1, 9), items=st.integers(2, 15), memory=st.sampled_from([1, 2**20])
)
def test_agrees_with_a_loop(seed, queries, items, memory):
    generator = torch.Generator().manual_seed(seed)
    query, gallery = (torch.randn(n, 4, generator=generator) for n in (queries, items))
    group, item = torch.randint(3, (items,), generator=generator), torch.arange(items)
    query_group, query_item = (
        torch.randint(3, (queries,), generator=generator),
        torch.randint(items, (queries,), generator=generator),
    )
    expected, scored = _slow(query, gallery, query_group, group, query_item, item, 3)
    assume(scored)
    found = intra_modal_retrieval(
        query, gallery, query_group, group, query_item=query_item, gallery_item=item, k=3, memory_bytes=memory
    )
    values = (found.mean_average_precision, found.mean_average_precision_at_k, found.r_precision)
    assert values == pytest.approx(expected, abs=1e-9)
    assert (found.queries, found.queries_skipped) == (scored, queries - scored)


@pytest.mark.parametrize("query_space", [0, 1])
@pytest.mark.parametrize("gallery_space", [0, 1])
def test_an_item_never_finds_itself_in_any_of_the_four_combinations(query_space, gallery_space):
    torch.manual_seed(0)
    native = torch.randn(12, 5)
    spaces = (native, native @ torch.linalg.qr(torch.randn(5, 5)).Q)
    alone = torch.arange(12)
    group = torch.cat((torch.zeros(2, dtype=torch.int64), torch.arange(1, 11)))
    query, gallery = spaces[query_space], spaces[gallery_space]
    found = intra_modal_retrieval(query, gallery, group, group, query_item=alone, gallery_item=alone)
    assert (found.queries, found.queries_skipped) == (2, 10)
    with_self = intra_modal_retrieval(query, gallery, group, group)
    assert with_self.queries == 12


@pytest.mark.parametrize(("ties", "places"), [("mean", 3.0), ("pessimistic", 5.0), ("optimistic", 1.0)])
def test_a_constant_embedding_takes_the_stated_place(ties, places):
    same = torch.ones(6, 3)
    group = torch.tensor([0, 0, 1, 2, 3, 4])
    found = intra_modal_retrieval(
        same[:1], same, group[:1], group, query_item=torch.tensor([0]), gallery_item=torch.arange(6), ties=ties, k=3
    )
    assert found.mean_average_precision == pytest.approx(1 / places)
    assert found.mean_average_precision_at_k == pytest.approx(1 / places if places <= 3 else 0.0)
    assert found.r_precision == float(places == 1)


def test_an_offset_of_a_modality_hides_what_the_other_modality_finds():
    """Cross the Gap's counter-example: noise orthogonal to the shared subspace ranks a-to-a search, not a-to-b."""
    generator = torch.Generator().manual_seed(3)
    classes, each = 5, 8
    group = torch.arange(classes).repeat_interleave(each)
    shared = torch.nn.functional.one_hot(group, classes).double()
    own_noise = 2.0 * torch.randn(len(group), 16, generator=generator, dtype=torch.float64)
    none, one = torch.zeros_like(own_noise), torch.ones(len(group), 1, dtype=torch.float64)
    native = torch.cat((shared, own_noise, one, 0 * one), 1)
    inverted = torch.cat((shared, none, 0 * one, one), 1)
    item = torch.arange(len(group))
    inside = intra_modal_retrieval(native, native, group, group, query_item=item, gallery_item=item)
    across = intra_modal_retrieval(inverted, native, group, group, query_item=item, gallery_item=item)
    assert inside.mean_average_precision < 0.5 < 0.9 < across.mean_average_precision


def test_the_gap_of_orthogonal_offsets_is_the_norm_of_their_difference():
    generator = torch.Generator().manual_seed(0)
    content = torch.nn.functional.normalize(torch.randn(50, 6, generator=generator, dtype=torch.float64), dim=1)
    offset = torch.zeros(50, 2, dtype=torch.float64)
    a = torch.cat((0.6 * content, offset.index_fill(1, torch.tensor([0]), 0.8)), 1)
    b = torch.cat((0.6 * content, offset.index_fill(1, torch.tensor([1]), 0.8)), 1)
    assert modality_gap(a, b) == pytest.approx(0.8 * 2**0.5)


def test_refusals():
    points, group = torch.eye(3), torch.arange(3)
    with pytest.raises(ValueError, match="no query has a positive beside itself"):
        intra_modal_retrieval(points, points, group, group, query_item=group, gallery_item=group)
    with pytest.raises(ValueError, match="one of query_item and gallery_item is missing"):
        intra_modal_retrieval(points, points, group, group, query_item=group)
    with pytest.raises(ValueError, match="ties is 'lucky'"):
        intra_modal_retrieval(points, points, group, group, ties="lucky")
    with pytest.raises(ValueError, match="k is 0"):
        intra_modal_retrieval(points, points, group, group, k=0)
    with pytest.raises(ValueError, match="lengths differ"):
        intra_modal_retrieval(points, points, group[:2], group)
