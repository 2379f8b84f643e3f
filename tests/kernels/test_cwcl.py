"""cwcl against the sheet's closed forms, the dense reference, finite differences and hostile input."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_kernels import cwcl, cwcl_reference, infonce, infonce_directions

DOUBLE = torch.float64
SCALE = torch.tensor(14.0, dtype=DOUBLE)


def random_case(rows, keys, dim=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sizes = ((rows, dim), (keys, dim), (keys, 5), (keys, 3))
    return tuple(torch.randn(*size, generator=generator, dtype=DOUBLE) for size in sizes)


def test_weights_that_are_the_identity_give_infonce(value_and_gradients, agree):
    """Opposite or orthogonal sources weigh at most one half, which the threshold sets to zero."""
    a, b, _, _ = random_case(6, 6)
    source = torch.eye(6, dtype=DOUBLE)
    found = value_and_gradients(lambda x, y, s: cwcl(x, y, s, source_ab=source, threshold=0.5), a, b, SCALE)
    expected = value_and_gradients(lambda x, y, s: 2 * infonce(x, y, s), a, b, SCALE)
    agree(found, expected, 1e-12)


@pytest.mark.parametrize("options", [{}, {"power": 3.0}, {"threshold": 0.4}])
def test_constant_logits_cost_the_logarithm_whatever_the_weights(options):
    _, _, source, other = random_case(9, 9)
    ones = torch.ones(9, 4, dtype=DOUBLE)
    # Rows of weights sum to one in either direction: a released code forgot it in one, and its loss grew with B.
    for sources in ({"source_ab": source}, {"source_ba": other}, {"source_ab": source, "source_ba": other}):
        loss = cwcl(ones, ones, SCALE, **sources, **options)
        assert loss.item() == pytest.approx(2 * math.log(9), abs=1e-12)


@pytest.mark.parametrize("options", [{}, {"power": 3.0}])
def test_autocast_reaches_neither_logits_nor_weights(options, value_and_gradients, agree):
    a, b, source, other = (tensor.float() for tensor in random_case(9, 9))
    loss = partial(cwcl, source_ab=source, source_ba=other, **options)
    plain = value_and_gradients(loss, a, b, SCALE.float())
    with torch.autocast("cpu", torch.bfloat16):
        inside = value_and_gradients(loss, a, b, SCALE.float())
    agree(inside, plain, 0.0)


def test_equal_sources_ask_for_equal_probabilities():
    """w is 1 everywhere: the weighted direction is log-sum-exp minus the mean logit."""
    a, b, _, _ = random_case(5, 5)
    logits = SCALE * torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b).t()
    plain = infonce_directions(a, b, SCALE).loss_b.mean()
    expected = (logits.logsumexp(1) - logits.mean(1)).mean() + plain
    torch.testing.assert_close(cwcl(a, b, SCALE, source_ab=torch.ones(5, 2)), expected, rtol=1e-12, atol=0)


def test_the_length_of_a_source_says_nothing_and_it_gets_no_gradient():
    a, b, source, _ = random_case(6, 6)
    a.requires_grad_()
    source.requires_grad_()
    loss = cwcl(a, b, SCALE, source_ab=source)
    loss.backward()
    assert source.grad is None
    torch.testing.assert_close(cwcl(a, b, SCALE, source_ab=7 * source), loss, rtol=1e-12, atol=0)


@pytest.mark.parametrize("options", [{}, {"threshold": 0.4}])
def test_an_extra_key_that_is_like_no_row_poisons_nothing(options, value_and_gradients, agree):
    """The source of the last key is opposite to the only row's: all its weights are zero, and it never anchors."""
    a, b = torch.eye(1, 3, dtype=DOUBLE), torch.eye(2, 3, dtype=DOUBLE)
    source = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=DOUBLE)
    found = value_and_gradients(lambda x, y: cwcl(x, y, SCALE, source_ba=source, **options), a, b)
    agree(found, value_and_gradients(lambda x, y: cwcl_reference(x, y, SCALE, source_ba=source, **options), a, b), 1e-9)


def test_average_is_half_of_the_sum():
    a, b, source, _ = random_case(6, 6)
    whole, half = (cwcl(a, b, SCALE, source_ab=source, reduction=name) for name in ("sum", "average"))
    torch.testing.assert_close(half * 2, whole, rtol=1e-12, atol=0)


def test_swapping_sides_swaps_directions():
    a, b, source, other = random_case(6, 6)
    one = cwcl(a, b, SCALE, source_ab=source, source_ba=other)
    torch.testing.assert_close(cwcl(b, a, SCALE, source_ab=other, source_ba=source), one, rtol=1e-12, atol=0)


@pytest.mark.parametrize("options", [{}, {"power": 2.0, "threshold": 0.3}])
@pytest.mark.parametrize("sides", ["ab", "ba", "both"])
def test_finite_differences(options, sides):
    a, b, source, other = random_case(5, 7)
    given = {} if sides == "ba" else {"source_ab": source}
    given |= {} if sides == "ab" else {"source_ba": other}
    inputs = [tensor.clone().requires_grad_() for tensor in (a, b, SCALE)]
    assert torch.autograd.gradcheck(lambda x, y, s: cwcl(x, y, s, **given, **options, tile=(2, 4)), inputs)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(2, 20),
    more=st.integers(0, 6),
    tile=st.none() | st.tuples(st.integers(1, 25), st.integers(1, 25)),
    options=st.sampled_from([{}, {"power": 0.5}, {"threshold": 0.45}, {"power": 3.0, "threshold": 0.2}]),
    sides=st.sampled_from(["ab", "ba", "both"]),
    memory=st.sampled_from(["recompute", "keep"]),
    scale=st.sampled_from([1.0, 14.0, 100.0, 300.0]),
    normalise=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_equals_the_reference_in_double_precision(rows, more, tile, options, sides, memory, scale, normalise, seed):
    a, b, source, other = random_case(rows, rows + more, seed=seed)
    given = {} if sides == "ba" else {"source_ab": source}
    given |= {} if sides == "ab" else {"source_ba": other}
    results = []
    for loss, how in ((cwcl, {"tile": tile, "memory": memory}), (cwcl_reference, {})):
        leaves = [x.clone().requires_grad_() for x in (a, b, torch.tensor(scale, dtype=DOUBLE))]
        value = loss(*leaves, **given, **options, normalise=normalise, **how)
        value.backward()
        results.append([value.detach(), *(leaf.grad for leaf in leaves)])
    for one, other_result in zip(*results, strict=True):
        bound = 1e-10 * max(1.0, float(other_result.abs().max()), scale * 1e-2)
        assert float((one - other_result).abs().max()) <= bound


def test_single_precision_is_within_2e_6_of_the_reference(value_and_gradients):
    a, b, source, _ = (tensor.float() for tensor in random_case(150, 150, 32))
    found = value_and_gradients(lambda x, y, s: cwcl(x, y, s, source_ab=source), a, b, SCALE.float())
    expected = value_and_gradients(
        lambda x, y, s: cwcl_reference(x, y, s, source_ab=source.double()), a.double(), b.double(), SCALE
    )
    for one, other in zip(found, expected, strict=True):
        assert float((one.double() - other).abs().max()) <= 2e-6 * float(other.abs().max())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source_ab": None}, "no source of weights"),
        ({"source_ab": torch.ones(2, 4)}, "3 keys"),
        ({"source_ab": torch.ones(3, 4, dtype=torch.int64)}, "floating"),
        ({"power": 0.0}, "above 0"),
        ({"threshold": 1.0}, "below 1"),
        ({"reduction": "mean"}, "sum or average"),
        ({"b": torch.ones(2, 4)}, "only 2 keys"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(change, words):
    arguments = {"a": torch.ones(3, 4), "b": torch.ones(3, 4), "scale": SCALE, "source_ab": torch.ones(3, 2)}
    with pytest.raises(ValueError, match=words):
        cwcl(**{**arguments, **change})


def test_a_poisoned_source_is_not_a_number_in_the_loss():
    a, b, source, _ = random_case(5, 5)
    source[1, 1] = math.nan
    assert math.isnan(cwcl(a, b, SCALE, source_ab=source).item())
    assert math.isnan(cwcl(a, b, SCALE, source_ab=source, power=2.0).item())
