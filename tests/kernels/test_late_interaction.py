"""late_interaction against the dense reference, closed forms, finite differences and hostile input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_kernels import late_interaction, late_interaction_reference

DOUBLE = torch.float64


def ragged(samples, length, dim, seed=0, dtype=DOUBLE):
    """Tokens and a mask with at least one real token a sample, anywhere."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(samples, length, dim, generator=generator, dtype=DOUBLE).to(dtype)
    mask = torch.rand(samples, length, generator=generator) > 0.4
    mask[torch.arange(samples), torch.randint(length, (samples,), generator=generator)] = True
    return tokens, mask


def weighed(scores):
    """One number that depends on every score in its own way."""
    ab, ba = scores
    return (ab * torch.arange(1.0, ab.numel() + 1, dtype=ab.dtype).view_as(ab)).sum() + ba.square().sum()


@settings(max_examples=60, deadline=None)
@given(
    samples=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    lengths=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    dim=st.integers(1, 5),
    tile=st.none() | st.tuples(st.integers(1, 7), st.integers(1, 7)),
    masked=st.booleans(),
    normalise=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_equals_the_reference_in_double_precision(samples, lengths, dim, tile, masked, normalise, seed):
    (a, mask_a), (b, mask_b) = (ragged(samples[side], lengths[side], dim, seed + side) for side in (0, 1))
    masks = (mask_a, mask_b) if masked else (None, None)
    found = []
    for function, more in ((late_interaction, {"tile": tile}), (late_interaction_reference, {})):
        leaves = [tokens.clone().requires_grad_() for tokens in (a, b)]
        scores = function(*leaves, *masks, normalise=normalise, **more)
        found.append([*(score.detach() for score in scores), *torch.autograd.grad(weighed(scores), leaves)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)


def test_closed_forms():
    e = torch.eye(3)
    assert [float(score) for score in late_interaction(e[None, :2], e[None, [0, 2]])] == [0.5, 0.5]
    assert [float(score) for score in late_interaction(e[None, :2], e[None, :1])] == [0.5, 1.0]
    assert float(late_interaction(2 * e[None, :1], e[None, :1], normalise=False).ab) == 2.0


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("normalise", [False, True])
def test_finite_differences(masked, normalise):
    (a, mask_a), (b, mask_b) = ragged(3, 4, 3, 1), ragged(2, 3, 3, 2)
    masks = (mask_a, mask_b) if masked else (None, None)
    assert torch.autograd.gradcheck(
        lambda x, y: tuple(late_interaction(x, y, *masks, normalise=normalise, tile=(2, 1))),
        [a.requires_grad_(), b.requires_grad_()],
    )


@pytest.mark.parametrize("rubbish", [1e30, math.nan, math.inf])
def test_what_stands_in_the_padding_reaches_neither_scores_nor_gradients(rubbish):
    (a, mask_a), (b, mask_b) = ragged(4, 5, 3, 1), ragged(3, 6, 3, 2)
    found = []
    for filler in (0.0, rubbish):
        leaves = [x.masked_fill(~m[..., None], filler).requires_grad_() for x, m in ((a, mask_a), (b, mask_b))]
        scores = late_interaction(*leaves, mask_a, mask_b)
        found.append([*(score.detach() for score in scores), *torch.autograd.grad(weighed(scores), leaves)])
    for clean, poisoned in zip(*found, strict=True):
        assert torch.equal(clean, poisoned)


@pytest.mark.parametrize("length", [3, 300])
def test_a_tie_goes_to_the_first_token_of_either_side(length):
    a, b = torch.ones(1, length, 2, requires_grad=True), torch.ones(1, length, 2, requires_grad=True)
    scores = late_interaction(a, b, normalise=False)
    for score, partner in ((scores.ab, b), (scores.ba, a)):
        (gradient,) = torch.autograd.grad(score.sum(), partner, retain_graph=True)
        torch.testing.assert_close(gradient[0, 0], torch.ones(2))
        assert not bool(gradient[0, 1:].any())


def test_long_sets_keep_places_that_do_not_fit_a_byte():
    a, b = torch.randn(1, 2, 4, dtype=DOUBLE), torch.randn(1, 400, 4, dtype=DOUBLE)
    b[0, 390] = 50 * a[0, 0]
    b.requires_grad_()
    (gradient,) = torch.autograd.grad(late_interaction(a[:, :1], b, normalise=False).ab.sum(), b)
    assert gradient[0].abs().sum(1).nonzero().tolist() == [[390]]


@pytest.mark.parametrize("shape", [(16, 64, 24, 40, 64), (3, 197, 5, 77, 32)])
def test_large_tiles_in_single_precision_agree_with_double(shape):
    """Large enough that the products run in another library than small ones do."""
    samples_a, length_a, samples_b, length_b, dim = shape
    (a, mask_a), (b, mask_b) = ragged(samples_a, length_a, dim, 3), ragged(samples_b, length_b, dim, 4)
    found = []
    for dtype in (torch.float32, DOUBLE):
        scores = late_interaction(a.to(dtype), b.to(dtype), mask_a, mask_b)
        found.append([score.double() for score in scores])
    for one, other in zip(*found, strict=True):
        assert float((one - other).abs().max()) <= 1e-6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scored_in_single_and_multiplied_in_half_on_request(dtype):
    a, b = (torch.randn(3, n, 32).to(dtype).requires_grad_() for n in (4, 5))
    single, half = late_interaction(a, b), late_interaction(a, b, product_dtype=dtype)
    assert torch.equal(single.ab, late_interaction(a.float(), b.float()).ab)
    assert half.ab.dtype == torch.float32 and torch.allclose(half.ab, single.ab, atol=2e-2)
    half.ab.sum().backward()
    assert a.grad.dtype == dtype and bool(a.grad.isfinite().all()) and bool(b.grad.any())


def test_expanded_and_strided_tokens_and_frozen_sides():
    a, b = torch.randn(1, 3, 4).expand(2, 3, 4), torch.randn(4, 3, 2).transpose(0, 2).requires_grad_()
    found, dense = late_interaction(a, b), late_interaction(a.contiguous(), b.detach().contiguous())
    torch.testing.assert_close(tuple(found), tuple(dense))
    found.ab.sum().backward()
    assert b.grad is not None and b.grad.shape == b.shape


def test_a_retained_graph_repeats_and_double_backward_is_refused():
    a, b = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 2, 4)
    total = weighed(late_interaction(a, b))
    first, second = (torch.autograd.grad(total, a, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    with pytest.raises(NotImplementedError, match="no double backward"):
        torch.autograd.grad(late_interaction(a, b).ab.sum(), a, create_graph=True)


def test_a_change_in_place_between_the_passes_is_noticed():
    a, b = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 2, 4)
    total = weighed(late_interaction(a, b, normalise=False))
    b.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_not_a_number_in_a_real_token_is_not_a_number_in_its_scores_alone(poison):
    a, b = torch.randn(3, 4, 5), torch.randn(2, 3, 5)
    a[1, 2] = poison
    for scores in (late_interaction(a, b).ab, late_interaction(a, b).ba.t()):
        assert bool(scores[1].isnan().all()) and bool(scores[[0, 2]].isfinite().all())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tokens_a": torch.zeros(0, 2, 4)}, "tokens a have shape"),
        ({"tokens_b": torch.zeros(2, 4)}, "tokens b have shape"),
        ({"tokens_b": torch.zeros(2, 2, 5)}, "one width"),
        ({"tokens_a": torch.zeros(2, 3, 4, dtype=torch.int64)}, "int64"),
        ({"mask_a": torch.ones(2, 2, dtype=torch.bool)}, "mask_a has shape"),
        ({"mask_b": torch.ones(2, 2)}, "bool"),
        ({"mask_b": torch.tensor([[True, True], [False, False]])}, "sample 1 of b has no real token"),
        ({"tile": (0, 4)}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(change, words):
    arguments = {"tokens_a": torch.ones(2, 3, 4), "tokens_b": torch.ones(2, 2, 4), **change}
    with pytest.raises(ValueError, match=words):
        late_interaction(**arguments)
