from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.local.span_denoising import Span, cut_spans, draw_spans, fill_spans, infill

SENTINELS = list(range(1000, 1100))


@given(length=st.integers(0, 200), share=st.floats(0.01, 0.9), mean=st.integers(1, 8), seed=st.integers(0, 999))
def test_spans_stay_apart_within_bounds_and_can_be_undone(length: int, share: float, mean: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    spans = draw_spans(length, share, mean, generator)
    if length < 2:
        assert spans == []
        return
    assert 1 <= len(spans) <= max(int(length * share / mean + 1e-9), 1)
    assert all(1 <= span.stop - span.start <= 2 * mean - 1 for span in spans)
    assert all(a.stop < b.start for a, b in pairwise(spans)), "spans touch or overlap"
    assert spans[0].start >= 0 and spans[-1].stop <= length
    ids = torch.randint(0, 50, (length,), generator=generator)
    noised = cut_spans(ids, spans, SENTINELS)
    covered = sum(span.stop - span.start for span in spans)
    assert len(noised.inputs) == length - covered + len(spans) and len(noised.targets) == covered + len(spans)
    assert torch.equal(fill_spans(noised.inputs, noised.targets, SENTINELS), ids)


def test_fifteen_percent_are_cut() -> None:
    generator = torch.Generator().manual_seed(0)
    share = [sum(s.stop - s.start for s in draw_spans(200, 0.15, 5, generator)) / 200 for _ in range(2000)]
    assert sum(share) / len(share) == pytest.approx(0.15, abs=0.01)


def test_every_place_is_cut_equally_often() -> None:
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(40)
    for _ in range(4000):
        for span in draw_spans(40, 0.15, 3, generator):
            counts[span.start : span.stop] += 1
    inner = counts[5:-5] / 4000
    assert float(inner.max() / inner.min()) < 1.35


def test_the_sentinels_stand_where_the_spans_were() -> None:
    noised = cut_spans(torch.arange(8), [Span(1, 3), Span(6, 7)], [90, 91])
    assert noised.inputs.tolist() == [0, 90, 3, 4, 5, 91, 7]
    assert noised.targets.tolist() == [90, 1, 2, 91, 6]
    untouched = cut_spans(torch.arange(3), [], [90])
    assert untouched.inputs.tolist() == [0, 1, 2] and untouched.targets.tolist() == []


def test_what_could_not_be_undone_is_refused() -> None:
    ids = torch.arange(8)
    with pytest.raises(ValueError, match="as many sentinels"):
        cut_spans(ids, [Span(1, 3), Span(6, 7)], [90])
    with pytest.raises(ValueError, match="holds a sentinel"):
        cut_spans(ids, [Span(1, 3)], [5])
    with pytest.raises(ValueError, match="overlaps"):
        cut_spans(ids, [Span(1, 3), Span(2, 4)], [90, 91])
    with pytest.raises(ValueError, match="leaves a text"):
        cut_spans(ids, [Span(6, 9)], [90])
    with pytest.raises(ValueError, match="different texts"):
        fill_spans(torch.tensor([1, 90]), torch.tensor([91, 2]), [90, 91])
    with pytest.raises(ValueError, match="cannot be drawn"):
        draw_spans(10, 0.0)


@given(length=st.integers(0, 60), share=st.floats(0, 1), seed=st.integers(0, 999))
def test_infilling_hides_its_budget_and_leaves_the_ends(length: int, share: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.arange(length + 2) + 10
    fixed = torch.zeros(length + 2, dtype=torch.bool)
    fixed[0] = fixed[-1] = True
    noised = infill(ids, fixed, 3, share, 3.5, generator, random_share=0.0)
    assert int(noised[0]) == 10 and int(noised[-1]) == length + 11
    kept = noised[noised != 3]
    assert len(kept) == length + 2 - math.ceil(length * share - 1e-9)
    assert (kept.diff() > 0).all(), "the order is kept"


def test_a_tenth_of_the_masks_are_random_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    fixed = torch.zeros(400, dtype=torch.bool)
    ids = torch.full((400,), 7)
    masks = randoms = 0
    for _ in range(200):
        noised = infill(ids, fixed, 3, 0.3, 3.5, generator, random_ids=(100, 200))
        masks += int((noised == 3).sum())
        randoms += int((noised >= 100).sum())
    assert randoms / (masks + randoms) == pytest.approx(0.1, abs=0.015)
    with pytest.raises(ValueError, match="random_ids"):
        infill(ids, fixed, 3)
    with pytest.raises(ValueError, match="cannot be cut"):
        infill(ids, fixed, 3, 0.3, 0.5, random_share=0.0)
