"""infonce against the sheet's closed forms, the dense reference, finite differences and hostile input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_kernels import infonce, infonce_directions, infonce_reference

DOUBLE = torch.float64


def random_pair(rows, keys, dim, dtype=DOUBLE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(size, dim, generator=generator, dtype=DOUBLE) for size in (rows, keys))
    return a.to(dtype), b.to(dtype), torch.tensor(14.0, dtype=dtype)


def random_groups(rows, keys, groups, seed=0):
    """Ids of keys, and for each row the id of some key."""
    generator = torch.Generator().manual_seed(seed)
    group_b = torch.randint(0, groups, (keys,), generator=generator)
    return group_b[torch.randint(0, keys, (rows,), generator=generator)], group_b


def test_equal_logits_cost_the_logarithm_of_the_batch():
    a = torch.ones(37, 5, dtype=DOUBLE)
    assert float(infonce(a, a, torch.tensor(20.0))) == pytest.approx(math.log(37), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_separated_orthonormal_pairs_at_scale_100_cost_nothing(dtype):
    eye = torch.eye(16, dtype=dtype)
    assert abs(float(infonce(eye, eye, torch.tensor(100.0, dtype=dtype)))) < 1e-6


def test_two_pairs_have_the_logistic_value():
    eye = torch.eye(2, dtype=DOUBLE)
    assert float(infonce(eye, eye, torch.tensor(3.0))) == pytest.approx(math.log1p(math.exp(-3.0)), abs=1e-12)


def test_one_pair_has_no_negatives():
    a, b, scale = random_pair(1, 1, 4)
    a.requires_grad_()
    loss = infonce(a, b, scale)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    assert float(a.grad.abs().max()) < 1e-12


def test_swapping_sides_permuting_pairs_and_lengths_change_nothing():
    a, b, scale = random_pair(11, 11, 6)
    loss = infonce(a, b, scale)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(3))
    for other in (infonce(b, a, scale), infonce(a[order], b[order], scale), infonce(7 * a, b / 3, scale)):
        torch.testing.assert_close(other, loss, rtol=1e-12, atol=0)


def test_gradient_of_the_logits_is_softmax_minus_targets():
    """With b the identity and unnormalised rows, a times the scale is the matrix of logits."""
    logits = torch.randn(6, 6, dtype=DOUBLE, generator=torch.Generator().manual_seed(1)).requires_grad_()
    directions = infonce_directions(logits, torch.eye(6, dtype=DOUBLE), torch.tensor(1.0), normalise=False)
    directions.loss_a.mean().backward()
    expected = (logits.detach().softmax(1) - torch.eye(6)) / 6
    torch.testing.assert_close(logits.grad, expected, rtol=0, atol=1e-12)


def test_one_group_costs_the_logarithm_and_is_stationary_at_equal_logits():
    a = torch.ones(9, 4, dtype=DOUBLE).requires_grad_()
    loss = infonce(a, a.detach(), torch.tensor(10.0), group_a=torch.zeros(9, dtype=torch.int64))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(9), abs=1e-12)
    assert float(a.grad.abs().max()) < 1e-14


def test_identical_duplicates_give_the_same_with_and_without_groups(value_and_gradients, agree):
    """Where both members of a group have one key embedding, sharing the target changes neither loss nor gradient."""
    a, b, scale = random_pair(8, 8, 5)
    b[1], a[1] = b[0], a[0]
    group = torch.tensor([0, 0, 2, 3, 4, 5, 6, 7])
    plain = value_and_gradients(lambda x: infonce(x, b, scale), a)
    grouped = value_and_gradients(lambda x: infonce(x, b, scale, group_a=group), a)
    agree(grouped, plain, 1e-12)


@pytest.mark.parametrize("memory", ["recompute", "keep"])
@pytest.mark.parametrize("groups", [None, 1, 5, 60])
def test_finite_differences(memory, groups):
    a, b, scale = random_pair(7, 9, 4)
    group_a, group_b = (None, None) if groups is None else random_groups(7, 9, groups)
    inputs = (a.requires_grad_(), b.requires_grad_(), scale.requires_grad_())
    assert torch.autograd.gradcheck(
        lambda x, y, s: infonce(x, y, s, group_a=group_a, group_b=group_b, memory=memory, tile=(3, 4)), inputs
    )


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 24),
    more=st.integers(0, 9),
    dim=st.integers(1, 9),
    groups=st.none() | st.integers(1, 30),
    tile=st.none() | st.tuples(st.integers(1, 30), st.integers(1, 30)),
    memory=st.sampled_from(["recompute", "keep", "auto"]),
    normalise=st.booleans(),
    scale=st.sampled_from([0.5, 14.0, 100.0, 500.0]),
    seed=st.integers(0, 1000),
)
def test_equals_the_reference_in_double_precision(rows, more, dim, groups, tile, memory, normalise, scale, seed):
    a, b, _ = random_pair(rows, rows + more, dim, seed=seed)
    group_a, group_b = (None, None) if groups is None else random_groups(rows, rows + more, groups, seed)
    found, expected = [], []
    for loss, options, results in (
        (infonce, {"tile": tile, "memory": memory}, found),
        (infonce_reference, {}, expected),
    ):
        leaves = [x.clone().requires_grad_() for x in (a, b, torch.tensor(scale, dtype=DOUBLE))]
        value = loss(*leaves, group_a=group_a, group_b=group_b, normalise=normalise, **options)
        value.backward()
        results.extend([value.detach(), *(leaf.grad for leaf in leaves)])
    for one, other in zip(found, expected, strict=True):
        bound = 1e-10 * max(1.0, float(other.abs().max()), scale * 1e-2)
        assert float((one - other).abs().max()) <= bound


@pytest.mark.parametrize("scale", [14.3, 59.0, 61.0, 100.0])
@pytest.mark.parametrize("groups", [None, 40, 2])
def test_single_precision_is_within_2e_6_of_the_reference(scale, groups, value_and_gradients, agree):
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(200, 64, generator=generator, dtype=DOUBLE)
    b = a + 3.0 * torch.randn(200, 64, generator=generator, dtype=DOUBLE)
    group = None if groups is None else torch.randint(0, groups, (200,), generator=generator)
    # Rounded first, so that both see the same embeddings.
    a, b = a.float(), b.float()
    found = value_and_gradients(
        lambda x, y, s: infonce(x, y, s, group_a=group, tile=(64, 48)), a, b, torch.tensor(scale)
    )
    expected = value_and_gradients(
        lambda x, y, s: infonce_reference(x, y, s, group_a=group),
        a.double(),
        b.double(),
        torch.tensor(scale).double(),
    )
    for one, other in zip(found, expected, strict=True):
        # The rounding of a logit of size `scale` is in any single-precision result, the dense one's too.
        bound = 2e-6 * max(1.0, scale / 14.3) * float(other.abs().max())
        assert float((one.double() - other).abs().max()) <= bound


def test_kept_in_bf16_keeps_three_digits_of_the_gradient_and_all_of_the_loss(value_and_gradients):
    a, b, scale = random_pair(40, 40, 16, torch.float32)
    exact = value_and_gradients(lambda x, y: infonce(x, y, scale, memory="recompute"), a, b)
    kept = value_and_gradients(lambda x, y: infonce(x, y, scale, memory="keep-bf16"), a, b)
    assert torch.equal(kept[0], exact[0])
    for one, other in zip(kept[1:], exact[1:], strict=True):
        error = float((one - other).norm() / other.norm())
        assert 0 < error < 4e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_have_single_precision_logits(dtype, value_and_gradients):
    a, b, _ = random_pair(30, 30, 16, dtype)
    scale = torch.tensor(100.0)
    half = value_and_gradients(lambda x, y: infonce(x, y, scale), a, b)
    single = value_and_gradients(lambda x, y: infonce(x, y, scale), a.float(), b.float())
    assert half[0].dtype == torch.float32 and torch.equal(half[0], single[0])
    assert half[1].dtype == dtype
    for one, other in zip(half[1:], single[1:], strict=True):
        assert torch.equal(one, other.to(dtype))


def test_autocast_does_not_reach_the_logits(value_and_gradients, agree):
    a, b, scale = random_pair(30, 30, 16, torch.float32)
    plain = value_and_gradients(lambda x, y: infonce(x, y, scale), a, b)
    with torch.autocast("cpu", torch.bfloat16):
        inside = value_and_gradients(lambda x, y: infonce(x, y, scale), a, b)
    agree(inside, plain, 0.0)


def test_views_and_expanded_rows_are_read_right(value_and_gradients, agree):
    a, b, scale = random_pair(6, 6, 8)
    for view in (a.t().contiguous().t(), a[:1].expand(6, 8), a.repeat(1, 2)[:, ::2], a.flip(0)):
        for normalise in (True, False):
            found = infonce(view, b, scale, normalise=normalise)
            expected = infonce_reference(view.contiguous(), b, scale, normalise=normalise)
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_frozen_side_gets_no_gradient_and_changes_no_other(value_and_gradients, agree):
    a, b, scale = random_pair(12, 12, 5)
    _, both_a, both_b, both_scale = value_and_gradients(lambda x, y, s: infonce(x, y, s), a, b, scale)
    agree(value_and_gradients(lambda x, s: infonce(x, b, s), a, scale)[1:], [both_a, both_scale], 1e-12)
    agree(value_and_gradients(lambda y, s: infonce(a, y, s), b, scale)[1:], [both_b, both_scale], 1e-12)
    agree(value_and_gradients(lambda s: infonce(a, b, s), scale)[1:], [both_scale], 1e-12)


def test_a_row_of_zeros_has_a_finite_loss_like_the_reference():
    a, b, scale = random_pair(5, 5, 4)
    a[2] = 0.0
    torch.testing.assert_close(infonce(a, b, scale), infonce_reference(a, b, scale), rtol=1e-12, atol=0)


@pytest.mark.parametrize("memory", ["recompute", "keep", "keep-bf16"])
def test_a_second_backward_pass_over_a_retained_graph_gives_the_same(memory):
    a, b, scale = random_pair(9, 9, 4)
    a.requires_grad_()
    loss = infonce(a, b, scale, memory=memory)
    (first,) = torch.autograd.grad(loss, a, retain_graph=True)
    (second,) = torch.autograd.grad(loss, a)
    assert torch.equal(first, second)


def test_double_backward_is_refused():
    a, b, scale = random_pair(4, 4, 3)
    a.requires_grad_()
    with pytest.raises(NotImplementedError, match="no double backward"):
        torch.autograd.grad(infonce(a, b, scale), a, create_graph=True)


def test_losses_of_pairs_average_to_the_mean():
    a, b, scale = random_pair(10, 10, 5)
    group = torch.tensor([0, 0, 1, 1, 1, 2, 3, 4, 5, 6])
    each = infonce(a, b, scale, group_a=group, reduction="none")
    assert each.shape == (10,)
    torch.testing.assert_close(each.mean(), infonce(a, b, scale, group_a=group), rtol=1e-12, atol=0)


def test_losses_of_pairs_can_be_weighted(value_and_gradients, agree):
    """Gradients that differ from pair to pair arrive at the right rows and columns."""
    a, b, scale = random_pair(6, 6, 4)
    weight = torch.arange(1.0, 7.0, dtype=DOUBLE)

    def dense(x, y):
        logits = scale * torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(y).t()
        both = logits.log_softmax(1).diagonal() + logits.log_softmax(0).diagonal()
        return -(weight * both).sum() / 2

    found = value_and_gradients(lambda x, y: (weight * infonce(x, y, scale, reduction="none")).sum(), a, b)
    agree(found, value_and_gradients(dense, a, b), 1e-12)


def test_extra_keys_are_negatives_of_rows_and_never_anchor():
    a, b, scale = random_pair(4, 7, 5)
    directions = infonce_directions(a, b, scale)
    assert directions.has_positive.tolist() == [True] * 4 + [False] * 3
    alone = infonce_directions(a, b[:4], scale)
    torch.testing.assert_close(directions.loss_b[:4], alone.loss_b, rtol=1e-12, atol=0)
    assert bool((directions.loss_a > alone.loss_a).all())


@pytest.mark.parametrize("poison", [math.nan, math.inf])
@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("side", [0, 1])
def test_not_a_number_in_the_input_is_not_a_number_in_the_loss(poison, normalise, side):
    pair = list(random_pair(5, 5, 3)[:2])
    pair[side][2, 1] = poison
    assert math.isnan(float(infonce(*pair, torch.tensor(10.0), normalise=normalise)))


def test_a_poisoned_scale_is_not_a_number_in_the_loss():
    a, b, _ = random_pair(5, 5, 3)
    assert math.isnan(float(infonce(a, b, torch.tensor(math.nan))))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a": torch.zeros(0, 4), "b": torch.zeros(0, 4)}, "are empty"),
        ({"a": torch.zeros(3, 0), "b": torch.zeros(3, 0)}, "are empty"),
        ({"b": torch.zeros(3, 5)}, "4 dimensions and b have 5"),
        ({"b": torch.zeros(2, 4)}, "3 rows in a but only 2 keys"),
        ({"a": torch.zeros(3, 4, 1)}, "floating matrix"),
        ({"a": torch.zeros(3, 4, dtype=torch.int64)}, "floating matrix"),
        ({"scale": torch.tensor(0.0)}, "above 0"),
        ({"scale": torch.tensor(-2.0)}, "above 0"),
        ({"scale": torch.ones(2)}, "one element"),
        ({"scale": 14.0}, "one element"),
        ({"group_a": torch.zeros(2, dtype=torch.int64)}, "one id an item"),
        ({"group_a": torch.zeros(3)}, "whole numbers"),
        ({"group_b": torch.zeros(3, dtype=torch.int64)}, "without group_a"),
        ({"group_a": torch.arange(3), "group_b": torch.tensor([0, 1, 1])}, "row 2 of a has group 2"),
        ({"memory": "all"}, "recompute, keep"),
        ({"backend": "cuda"}, "auto, torch, triton"),
        ({"backend": "triton"}, "TRITON_INTERPRET"),
        ({"tile": (0, 4)}, "at least 1"),
        ({"reduction": "sum"}, "mean or none"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(change, words):
    arguments = {"a": torch.ones(3, 4), "b": torch.ones(3, 4), "scale": torch.tensor(10.0), **change}
    with pytest.raises(ValueError, match=words):
        infonce(**arguments)


def test_one_loss_a_pair_needs_pairs():
    a, b, scale = random_pair(4, 6, 3)
    with pytest.raises(ValueError, match="4 rows meet 6 keys"):
        infonce(a, b, scale, reduction="none")


def test_group_ids_of_rows_do_not_name_extra_keys():
    a, b, scale = random_pair(4, 6, 3)
    with pytest.raises(ValueError, match="pass group_b too"):
        infonce(a, b, scale, group_a=torch.arange(4))
