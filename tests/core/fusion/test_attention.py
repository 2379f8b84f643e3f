import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.fusion.attention import MultiHeadAttention, attend


def slow_attend(query, key, value, mask):
    """One query at a time, over the keys that it may see."""
    out = torch.zeros(*query.shape[:-1], value.shape[-1], dtype=query.dtype)
    for place in torch.cartesian_prod(*(torch.arange(n) for n in query.shape[:-1])).tolist():
        b, h, q = place
        seen = mask[b, h, q].nonzero()[:, 0]
        if len(seen):
            weights = torch.softmax(key[b, h, seen] @ query[b, h, q] / query.shape[-1] ** 0.5, 0)
            out[b, h, q] = weights @ value[b, h, seen]
    return out


@settings(deadline=None)
@given(seed=st.integers(0, 1000), share=st.sampled_from([0.0, 0.3, 0.9, 1.0]))
def test_attend_equals_a_softmax_over_the_seen_keys(seed, share):
    draw = torch.Generator().manual_seed(seed)
    query, key, value = (torch.randn(2, 2, n, 3, generator=draw, dtype=torch.float64) for n in (4, 5, 5))
    mask = torch.rand(2, 2, 4, 5, generator=draw) < share
    torch.testing.assert_close(attend(query, key, value, mask), slow_attend(query, key, value, mask))


def test_a_query_that_sees_nothing_gives_zero_and_takes_no_gradient():
    query, key, value = (torch.randn(1, 1, 2, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    mask = torch.tensor([[[[False, False], [True, True]]]])
    out = attend(query, key, value, mask)
    assert torch.equal(out[0, 0, 0], torch.zeros(4, dtype=torch.float64))
    out[0, 0, 0].sum().backward()
    for tensor in (query, key, value):
        assert torch.equal(tensor.grad, torch.zeros_like(tensor))


@pytest.mark.parametrize("masked", [False, True])
def test_attend_gradients_agree_with_finite_differences(masked):
    query, key, value = (torch.randn(2, 1, n, 2, dtype=torch.float64, requires_grad=True) for n in (2, 3, 3))
    mask = torch.tensor([[True, False, True], [False, False, False]])[:, None, None] if masked else None
    assert torch.autograd.gradcheck(lambda q, k, v: attend(q, k, v, mask), (query, key, value))


@pytest.fixture
def layer():
    layer = MultiHeadAttention(8, 2, context_width=6).double()
    for bias in (layer.query.bias, layer.key_value.bias, layer.out.bias):
        torch.nn.init.normal_(bias)
    return layer


def test_masked_keys_have_no_influence_whatever_they_hold(layer):
    tokens, context = torch.randn(2, 3, 8).double(), torch.randn(2, 4, 6).double()
    mask = torch.tensor([[True, True, False, False], [True, False, True, True]])
    expected = layer(tokens, context, mask)
    for filler in (1e6, torch.inf, torch.nan):
        spoiled = context.masked_fill(~mask[..., None], filler)
        layer.zero_grad()
        out = layer(tokens, spoiled, mask)
        torch.testing.assert_close(out, expected, rtol=0, atol=0)
        out.sum().backward()
        assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_nothing_to_see_is_exactly_zero_the_bias_included(layer):
    tokens = torch.randn(2, 3, 8).double()
    none = layer(tokens, torch.empty(2, 0, 6).double())
    hidden = layer(tokens, torch.randn(2, 4, 6).double(), torch.zeros(2, 4, dtype=torch.bool))
    assert torch.equal(none, torch.zeros_like(tokens)) and torch.equal(hidden, none)
    none.sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_only_the_blind_query_is_zero(layer):
    tokens, context = torch.randn(1, 2, 8).double(), torch.randn(1, 3, 6).double()
    mask = torch.tensor([[[True, True, True], [False, False, False]]])
    out = layer(tokens, context, mask=mask)
    torch.testing.assert_close(out[:, :1], layer(tokens[:, :1], context))
    assert not out[0, 1].any()


def test_key_order_and_batch_neighbours_do_not_matter(layer):
    tokens, context = torch.randn(3, 2, 8).double(), torch.randn(3, 5, 6).double()
    out = layer(tokens, context)
    torch.testing.assert_close(layer(tokens, context[:, torch.randperm(5)]), out)
    torch.testing.assert_close(layer(tokens[1:2], context[1:2]), out[1:2])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_near_double(layer, dtype):
    tokens, context = torch.randn(2, 3, 8).to(dtype), torch.randn(2, 4, 6).to(dtype)
    mask = torch.tensor([[True] * 4, [False] * 4])
    expected = layer(tokens.double(), context.double(), mask)
    half = MultiHeadAttention(8, 2, context_width=6).to(dtype)
    half.load_state_dict(layer.state_dict())
    out = half(tokens, context, mask)
    assert out.dtype == dtype and not out[1].any()
    torch.testing.assert_close(out.double(), expected, rtol=0.05, atol=0.05)


def test_empty_batch_expanded_and_non_contiguous_inputs(layer):
    assert layer(torch.empty(0, 3, 8).double(), torch.empty(0, 4, 6).double()).shape == (0, 3, 8)
    row = torch.randn(1, 3, 8).double()
    context = torch.randn(6, 4, 2).double().permute(2, 1, 0)
    torch.testing.assert_close(layer(row.expand(2, -1, -1), context), layer(row.repeat(2, 1, 1), context.contiguous()))


def test_what_does_not_fit_is_refused(layer):
    tokens, context = torch.randn(2, 3, 8).double(), torch.randn(2, 4, 6).double()
    with pytest.raises(ValueError, match="tokens 2, context 1"):
        layer(tokens, context[:1])
    with pytest.raises(ValueError, match="context_mask is torch.float32"):
        layer(tokens, context, torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"mask is torch.bool \(2, 4, 3\)"):
        layer(tokens, context, mask=torch.ones(2, 4, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="does not divide into 3 heads"):
        MultiHeadAttention(8, 3)
