"""sigmoid_pairs against the sheet's closed forms, the dense reference, finite differences and hostile input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_kernels import sigmoid_pairs, sigmoid_pairs_reference

DOUBLE = torch.float64


def random_pair(rows, keys, dim, dtype=DOUBLE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(size, dim, generator=generator, dtype=DOUBLE).to(dtype) for size in (rows, keys))


def numbers(scale=10.0, bias=-10.0, dtype=DOUBLE):
    return torch.tensor(scale, dtype=dtype), torch.tensor(bias, dtype=dtype)


def softplus(x):
    return math.log1p(math.exp(x))


def test_orthogonal_embeddings_have_the_closed_form():
    eye = torch.eye(16, dtype=DOUBLE)
    loss = sigmoid_pairs(eye[:8], eye[8:], *numbers())
    assert loss.item() == pytest.approx(softplus(10.0) + 7 * softplus(-10.0), abs=1e-12)
    assert loss.item() == pytest.approx(10.000363, abs=1e-6)


def test_own_and_foreign_blocks_add_up_to_the_joined_batch(value_and_gradients, agree):
    """Two shares of a batch, each its own positives and the other's keys as negatives, averaged."""
    a, b = random_pair(10, 10, 4)

    def exchanged(x, y, scale, bias):
        parts = []
        for own, other in ((slice(0, 5), slice(5, 10)), (slice(5, 10), slice(0, 5))):
            parts.append(sigmoid_pairs(x[own], y[own], scale, bias))
            parts.append(sigmoid_pairs(x[own], y[other], scale, bias, negative_only=True))
        return torch.stack(parts).sum() / 2

    agree(
        value_and_gradients(exchanged, a, b, *numbers()),
        value_and_gradients(sigmoid_pairs, a, b, *numbers()),
        1e-12,
    )


def test_tiles_change_nothing(value_and_gradients, agree):
    a, b = random_pair(8, 8, 5)
    whole = value_and_gradients(sigmoid_pairs, a, b, *numbers())
    for tile in ((3, 8), (8, 3), (3, 3), (1, 1)):
        tiled = value_and_gradients(
            lambda x, y, s, t, tile=tile: sigmoid_pairs(x, y, s, t, tile=tile), a, b, *numbers()
        )
        agree(tiled, whole, 1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_at_logits_of_100_is_finite(dtype):
    a = torch.eye(4, 8, dtype=dtype).requires_grad_()
    loss = sigmoid_pairs(a, -a.detach(), *numbers(100.0, 0.0, torch.float32))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.item() == pytest.approx(100.0 + 3 * math.log(2), rel=1e-6)
    assert a.grad.dtype == dtype and bool(a.grad.isfinite().all())


def test_one_pair_of_equal_group_changes_the_gradient_of_that_pair_alone():
    """With b the identity, a times the scale plus the bias is the matrix of logits."""
    logits = torch.randn(6, 6, dtype=DOUBLE, generator=torch.Generator().manual_seed(2)).requires_grad_()
    scale, bias = numbers(1.0, 0.5)
    eye, group_a = torch.eye(6, dtype=DOUBLE), torch.arange(6)
    gradients = []
    for group_b in (torch.arange(6), torch.tensor([0, 1, 2, 3, 4, 0])):
        loss = sigmoid_pairs(logits, eye, scale, bias, group_a=group_a, group_b=group_b, normalise=False)
        (gradient,) = torch.autograd.grad(loss, logits)
        sign = torch.where(group_a[:, None] == group_b, 1.0, -1.0).double()
        expected = -sign * torch.sigmoid(-sign * (logits.detach() + bias)) / 6
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-14)
        gradients.append(gradient)
    changed = (gradients[0] != gradients[1]).nonzero().tolist()
    assert changed == [[0, 5], [5, 5]]


def test_an_extra_key_adds_its_softplus():
    a, b = random_pair(5, 6, 3)
    scale, bias = numbers()
    more, fewer = (sigmoid_pairs(a, keys, scale, bias) for keys in (b, b[:5]))
    cosine = torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b[5:]).t()
    added = torch.nn.functional.softplus(scale * cosine + bias).sum() / 5
    torch.testing.assert_close(more - fewer, added, rtol=1e-9, atol=0)


def test_a_fitted_batch_keeps_its_tiny_terms_in_single_precision():
    """Positives at 15 and negatives at -15: 1 + exp(-15) rounds away what log1p keeps."""
    eye = torch.eye(8)
    loss = sigmoid_pairs(eye, 2 * eye - 1, *numbers(15.0, 0.0, torch.float32), normalise=False)
    assert loss.item() == pytest.approx(8 * softplus(-15.0), rel=1e-5)


@pytest.mark.parametrize("groups", [None, 1, 4, 50])
@pytest.mark.parametrize("bias", [-10.0, 3.0])
def test_finite_differences(groups, bias):
    a, b = random_pair(5, 7, 3)
    group_a = group_b = None
    if groups is not None:
        generator = torch.Generator().manual_seed(1)
        group_a, group_b = (torch.randint(0, groups, (size,), generator=generator) for size in (5, 7))
    inputs = [tensor.requires_grad_() for tensor in (a, b, *numbers(4.0, bias))]
    assert torch.autograd.gradcheck(
        lambda x, y, s, t: sigmoid_pairs(x, y, s, t, group_a=group_a, group_b=group_b, tile=(2, 4)), inputs
    )


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 20),
    keys=st.integers(1, 25),
    dim=st.integers(1, 6),
    groups=st.integers(1, 30),
    tile=st.none() | st.tuples(st.integers(1, 30), st.integers(1, 30)),
    normalise=st.booleans(),
    scale=st.sampled_from([0.5, 10.0, 100.0, 300.0]),
    bias=st.sampled_from([-10.0, 0.0, 5.0]),
    mode=st.sampled_from(["identity", "groups", "negatives"]),
    seed=st.integers(0, 1000),
)
def test_equals_the_reference_in_double_precision(rows, keys, dim, groups, tile, normalise, scale, bias, mode, seed):
    keys = max(rows, keys) if mode == "identity" else keys
    a, b = random_pair(rows, keys, dim, seed=seed)
    options = {"normalise": normalise, "negative_only": mode == "negatives"}
    if mode == "groups":
        generator = torch.Generator().manual_seed(seed)
        options |= {
            name: torch.randint(0, groups, (size,), generator=generator)
            for name, size in (("group_a", rows), ("group_b", keys))
        }
    results = []
    for loss, more in ((sigmoid_pairs, {"tile": tile}), (sigmoid_pairs_reference, {})):
        leaves = [x.clone().requires_grad_() for x in (a, b, *numbers(scale, bias))]
        value = loss(*leaves, **options, **more)
        value.backward()
        results.append([value.detach(), *(leaf.grad for leaf in leaves)])
    for one, other in zip(*results, strict=True):
        assert float((one - other).abs().max()) <= 1e-10 * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize(("scale", "bias"), [(10.0, -10.0), (10.0, -2.71), (60.0, -10.0)])
def test_single_precision_is_within_2e_6_of_the_reference(scale, bias, value_and_gradients):
    a, b = random_pair(160, 160, 48, torch.float32)
    b = a + b
    found = value_and_gradients(sigmoid_pairs, a, b, *numbers(scale, bias, torch.float32))
    expected = value_and_gradients(sigmoid_pairs_reference, a.double(), b.double(), *numbers(scale, bias))
    for one, other in zip(found, expected, strict=True):
        bound = 2e-6 * max(1.0, scale / 14.3) * float(other.abs().max())
        assert float((one.double() - other).abs().max()) <= bound


def test_autocast_does_not_reach_the_logits():
    a, b = random_pair(30, 30, 16, torch.float32)
    arguments = numbers(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = sigmoid_pairs(a, b, *arguments)
    assert torch.equal(inside, sigmoid_pairs(a, b, *arguments))


def test_frozen_inputs_get_no_gradient_and_change_no_other(value_and_gradients, agree):
    a, b = random_pair(7, 7, 4)
    scale, bias = numbers()
    _, of_a, of_b, of_scale, of_bias = value_and_gradients(sigmoid_pairs, a, b, scale, bias)
    found = value_and_gradients(lambda y, s: sigmoid_pairs(a, y, s, bias), b, scale)
    agree(found[1:], [of_b, of_scale], 1e-12)
    found = value_and_gradients(lambda s, t: sigmoid_pairs(a, b, s, t), scale, bias)
    agree(found[1:], [of_scale, of_bias], 1e-12)
    agree(value_and_gradients(lambda x: sigmoid_pairs(x, b, scale, bias), a)[1:], [of_a], 1e-12)


def test_the_arriving_gradient_scales_all_and_a_retained_graph_repeats():
    a, b = random_pair(6, 6, 3)
    leaves = [x.requires_grad_() for x in (a, b, *numbers())]
    loss = sigmoid_pairs(*leaves)
    once = torch.autograd.grad(loss, leaves, retain_graph=True)
    thrice = torch.autograd.grad(3 * loss, leaves)
    for one, other in zip(once, thrice, strict=True):
        torch.testing.assert_close(3 * one, other, rtol=1e-12, atol=0)


def test_double_backward_is_refused():
    a, b = random_pair(4, 4, 3)
    a.requires_grad_()
    with pytest.raises(NotImplementedError, match="no double backward"):
        torch.autograd.grad(sigmoid_pairs(a, b, *numbers()), a, create_graph=True)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
@pytest.mark.parametrize("normalise", [True, False])
def test_not_a_number_in_the_input_is_not_a_number_in_the_loss(poison, normalise):
    a, b = random_pair(5, 5, 3)
    a[2] = poison
    b[2] = torch.tensor([1.0, -1.0, 0.0])
    assert math.isnan(sigmoid_pairs(a, b, *numbers(), normalise=normalise).item())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a": torch.zeros(0, 4)}, "are empty"),
        ({"b": torch.zeros(2, 4)}, "3 rows in a but only 2 keys"),
        ({"scale": torch.tensor(-1.0)}, "above 0"),
        ({"bias": -10.0}, "bias is no floating tensor"),
        ({"negative_only": True, "group_a": torch.arange(3)}, "drop one"),
        ({"group_a": torch.arange(4)}, "one id an item"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(change, words):
    scale, bias = numbers(dtype=torch.float32)
    arguments = {"a": torch.ones(3, 4), "b": torch.ones(3, 4), "scale": scale, "bias": bias, **change}
    with pytest.raises(ValueError, match=words):
        sigmoid_pairs(**arguments)
