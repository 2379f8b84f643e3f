"""distilled_infonce against its dense reference, infonce, finite differences and hostile input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_kernels import distilled_infonce, distilled_infonce_reference, distilled_rows, infonce

DOUBLE = torch.float64


def drawn(rows, keys, dim, seed=0, dtype=DOUBLE):
    """Two sides and their teacher's, of another width."""
    generator = torch.Generator().manual_seed(seed)
    sizes = ((rows, dim), (keys, dim), (rows, dim + 1), (keys, dim + 1))
    a, b, *teacher = (torch.randn(*size, generator=generator, dtype=DOUBLE).to(dtype) for size in sizes)
    return a, b, dict(zip(("teacher_a", "teacher_b"), teacher, strict=True))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 12),
    extra=st.integers(0, 8),
    dim=st.integers(1, 5),
    share=st.sampled_from([0.0, 0.4, 1.0]),
    scale=st.sampled_from([1.0, 14.3, 100.0, 400.0]),
    teacher_scale=st.sampled_from([1.0, 14.3, 500.0]),
    tile=st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)),
    memory=st.sampled_from(["recompute", "keep"]),
    normalise=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_equals_the_reference_in_double_precision(
    rows, extra, dim, share, scale, teacher_scale, tile, memory, normalise, seed
):
    a, b, teacher = drawn(rows, rows + extra, dim, seed)
    options = {**teacher, "teacher_scale": teacher_scale, "share": share, "normalise": normalise}
    found = []
    for loss, more in ((distilled_infonce, {"tile": tile, "memory": memory}), (distilled_infonce_reference, {})):
        leaves = [x.clone().requires_grad_() for x in (a, b, torch.tensor(scale, dtype=DOUBLE))]
        value = loss(*leaves, **options, **more)
        found.append([value.detach(), *torch.autograd.grad(value, leaves)])
    for one, other in zip(*found, strict=True):
        assert float((one - other).abs().max()) <= 1e-9 * max(1.0, float(other.abs().max()))


def test_finite_differences():
    a, b, teacher = drawn(4, 6, 3)
    inputs = [x.requires_grad_() for x in (a, b, torch.tensor(5.0, dtype=DOUBLE))]
    assert torch.autograd.gradcheck(
        lambda x, y, s: distilled_infonce(x, y, s, **teacher, teacher_scale=3.0, tile=(2, 4)), inputs
    )


def test_without_a_share_it_is_infonce_and_the_teacher_never_learns():
    a, b, teacher = drawn(6, 6, 4)
    scale = torch.tensor(9.0, dtype=DOUBLE)
    teacher = {name: value.requires_grad_() for name, value in teacher.items()}
    plain = distilled_infonce(a.requires_grad_(), b, scale, **teacher, teacher_scale=9.0, share=0.0)
    torch.testing.assert_close(plain, infonce(a, b, scale), rtol=1e-12, atol=0)
    distilled_infonce(a, b, scale, **teacher, teacher_scale=9.0).backward()
    assert all(value.grad is None for value in teacher.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_a_poisoned_row(dtype):
    a, b, teacher = drawn(5, 5, 4, dtype=dtype)
    scale = torch.tensor(20.0)
    loss = distilled_infonce(a.requires_grad_(), b, scale, **teacher, teacher_scale=20.0)
    loss.backward()
    assert loss.dtype == torch.float32 and a.grad.dtype == dtype and bool(a.grad.isfinite().all())
    b[2, 1] = math.nan
    assert math.isnan(distilled_infonce(a, b, scale, **teacher, teacher_scale=20.0).item())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a": torch.zeros(0, 4)}, "are empty"),
        ({"teacher_a": torch.ones(2, 4)}, "one teacher row for each"),
        ({"teacher_b": torch.ones(3, 5)}, "one width"),
        ({"share": 1.5}, "share in"),
        ({"teacher_scale": 0.0}, "scale above 0"),
        ({"scale": torch.tensor(0.0)}, "above 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(change, words):
    ones = torch.ones(3, 4)
    arguments = {"a": ones, "b": ones, "scale": torch.tensor(9.0), "teacher_a": ones, "teacher_b": ones}
    with pytest.raises(ValueError, match=words):
        distilled_infonce(**{**arguments, "teacher_scale": 9.0, **change})


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 9),
    extra=st.integers(0, 8),
    groups=st.sampled_from([None, 1, 3, 20]),
    share=st.sampled_from([0.0, 0.4, 1.0]),
    scale=st.sampled_from([1.0, 14.3, 400.0]),
    tile=st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 1000),
)
def test_rows_alone_equal_dense_targets_of_that_direction(rows, extra, groups, share, scale, tile, seed):
    a, b, teacher = drawn(rows, rows + extra, 4, seed)
    group_a = group_b = None
    hard = torch.eye(rows, rows + extra, dtype=DOUBLE)
    if groups is not None:
        group_b = torch.randint(groups, (rows + extra,), generator=torch.Generator().manual_seed(seed))
        group_a = group_b[:rows]
        same = (group_a[:, None] == group_b).double()
        hard = same / same.sum(1, keepdim=True)
    unit = torch.nn.functional.normalize
    soft = (7.0 * unit(teacher["teacher_a"], dim=1) @ unit(teacher["teacher_b"], dim=1).t()).softmax(1)
    target = share * soft + (1 - share) * hard
    upstream = torch.rand(rows, generator=torch.Generator().manual_seed(seed + 1), dtype=DOUBLE)
    found = []
    for tiled in (True, False):
        leaves = [x.clone().requires_grad_() for x in (a, b, torch.tensor(scale, dtype=DOUBLE))]
        x, y, s = leaves
        if tiled:
            options = {"group_a": group_a, "group_b": group_b, "tile": tile, "share": share}
            loss = distilled_rows(x, y, s, **teacher, teacher_scale=7.0, **options)
        else:
            loss = -(target * (s * unit(x, dim=1) @ unit(y, dim=1).t()).log_softmax(1)).sum(1)
        found.append([loss.detach(), *torch.autograd.grad(loss, leaves, upstream)])
    for one, other in zip(*found, strict=True):
        assert float((one - other).abs().max()) <= 1e-9 * max(1.0, float(other.abs().max()))


def test_rows_alone_refuse_a_row_whose_group_no_key_has():
    a, b, teacher = drawn(2, 3, 4)
    groups = {"group_a": torch.tensor([0, 5]), "group_b": torch.tensor([0, 1, 1])}
    with pytest.raises(ValueError, match="row 1 of a has group 5"):
        distilled_rows(a, b, torch.tensor(5.0, dtype=DOUBLE), **teacher, teacher_scale=1.0, **groups)
    with pytest.raises(ValueError, match="only 2 keys"):
        both = {"teacher_a": teacher["teacher_b"], "teacher_b": teacher["teacher_a"]}
        distilled_rows(b, a, torch.tensor(5.0, dtype=DOUBLE), **both, teacher_scale=1.0)
