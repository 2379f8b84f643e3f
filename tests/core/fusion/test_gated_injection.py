import copy

import pytest
import torch
from torch import nn

from crossmod.fusion.co_attention import OwnStage
from crossmod.fusion.gated_injection import FusionInjector, GatedInjection
from crossmod.fusion.masks import build_mask
from crossmod.text.block import TransformerBlock


def blocks(width, count):
    return [TransformerBlock(width, 2, 2.0, 0.0, count) for _ in range(count)]


@pytest.fixture
def injector():
    return FusionInjector(blocks(8, 3), blocks(6, 4), fused=2, width_a=8, width_b=6, heads=2)


@pytest.fixture
def tokens():
    return torch.randn(2, 5, 8), torch.randn(2, 4, 6)


def opened(injector):
    for injection in (*injector.into_a, *injector.into_b):
        nn.init.constant_(injection.gate.alpha, 0.7)
    return injector


def test_it_starts_as_the_dual_encoder_to_the_bit(injector, tokens):
    fused, dual = injector(*tokens), injector(*tokens, fused_mode=False)
    for got, expected, own, stack in zip(fused, dual, tokens, (injector.blocks_a, injector.blocks_b), strict=True):
        assert torch.equal(got, expected)
        for block in stack:
            own = block(own, None)
        assert torch.equal(expected, own)


def test_first_the_gates_learn_then_what_is_behind_them(injector, tokens):
    optimiser = torch.optim.SGD(injector.parameters(), lr=0.1)
    for step in range(2):
        optimiser.zero_grad()
        sum(side.square().sum() for side in injector(*tokens)).backward()
        for injection in (*injector.into_a, *injector.into_b):
            assert injection.gate.alpha.grad != 0
            for layer in (injection.attention.query, injection.attention.key_value, injection.attention.out):
                assert bool(layer.weight.grad.any()) == bool(step)
        optimiser.step()


def test_dual_mode_needs_one_side_and_never_asks_the_injections(injector, tokens):
    calls = []
    for injection in (*injector.into_a, *injector.into_b):
        injection.attention.register_forward_hook(lambda *_: calls.append(1))
    a, b = injector(tokens[0], None, fused_mode=False)
    assert a.shape == (2, 5, 8) and b is None and not calls
    injector(*tokens)
    assert len(calls) == 4
    with pytest.raises(ValueError, match="one side only"):
        injector(tokens[0], None)


def slow_pair(block_a, block_b, into_a, into_b, a, b):
    """One fused pair from the paper: both reads start from the states before the pair."""
    out = []
    for block, into, own, other in ((block_a, into_a, a, b), (block_b, into_b, b, a)):
        s = block._attention(block.attention_norm(own), None)
        s = s + into.gate.alpha * into.attention(into.query_norm(s), other)
        h = own + s
        out.append(h + block.mlp_out(nn.functional.gelu(block.mlp_in(block.mlp_norm(h)))))
    return out


def test_a_fused_pair_reads_the_states_before_it(tokens):
    injector = opened(FusionInjector(blocks(8, 1), blocks(6, 1), fused=1, width_a=8, width_b=6, heads=2))
    got = injector(*tokens)
    for injection in (*injector.into_a, *injector.into_b):
        assert injection._given is None
    block_a, block_b = copy.deepcopy(injector.blocks_a[0]), copy.deepcopy(injector.blocks_b[0])
    block_a.attention_out._forward_hooks.clear()
    block_b.attention_out._forward_hooks.clear()
    expected = slow_pair(block_a, block_b, injector.into_a[0], injector.into_b[0], *tokens)
    for left, right in zip(got, expected, strict=True):
        torch.testing.assert_close(left, right)


def test_padding_has_no_influence_and_the_order_of_one_side_matters_not_to_the_other(injector, tokens):
    a, b = tokens
    plain_a, plain_b = opened(injector)(a, b)
    mask = torch.arange(6).expand(2, -1) < 4
    padded_a, padded_b = injector(a, torch.cat([b, torch.randn(2, 2, 6)], 1), None, mask)
    torch.testing.assert_close(padded_a, plain_a)
    torch.testing.assert_close(padded_b[:, :4], plain_b)
    order = torch.randperm(5)
    turned_a, turned_b = injector(a[:, order], b)
    torch.testing.assert_close(turned_a, plain_a[:, order])
    torch.testing.assert_close(turned_b, plain_b)


def test_one_direction_alone(injector, tokens):
    a, b = tokens
    opened(injector)
    got_a, got_b = injector(a, b, a_reads_b=False)
    dual_a, _ = injector(a, b, fused_mode=False)
    assert torch.equal(got_a, dual_a)
    assert not torch.allclose(got_b, injector(a, b, fused_mode=False)[1])


def test_a_copy_is_independent_and_names_no_weight_twice(injector, tokens):
    opened(injector)
    twin = copy.deepcopy(injector)
    expected = injector(*tokens)[0]
    with torch.no_grad():
        for parameter in injector.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(twin(*tokens)[0], expected)
    state = injector.state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)


def captioner():
    stages = [OwnStage(6, 2, 2.0, 0.0) for _ in range(3)]
    return opened(
        FusionInjector(
            blocks(8, 3), stages, fused=2, width_a=8, width_b=6, heads=2, at_b="read.attention.out", query_norm_b=False
        )
    )


def test_a_captioner_reads_the_other_side_and_leaks_nothing_backwards(tokens):
    a, b = tokens
    injector, causal = captioner(), build_mask("causal", 4)
    later = b.clone()
    later[:, 2] = torch.arange(6.0)
    (before_a, before), (after_a, after) = (injector(a, x, a_reads_b=False, self_mask_b=causal) for x in (b, later))
    assert torch.equal(before_a, after_a) and torch.equal(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2:], after[:, 2:])
    assert not torch.allclose(injector(a.flip(0), b, a_reads_b=False, self_mask_b=causal)[1], before)
    dual = injector(None, b, fused_mode=False, self_mask_b=causal)[1]
    assert torch.equal(injector(None, later, fused_mode=False, self_mask_b=causal)[1][:, :2], dual[:, :2])
    with pytest.raises(ValueError, match="carry b's later tokens back"):
        injector(a, b, self_mask_b=causal)


def test_windows_read_as_the_whole_row_does():
    injection, submodule = GatedInjection(4, 6, 2, windowed=True), nn.Identity()
    nn.init.constant_(injection.gate.alpha, 0.7)
    injection.attach(submodule)
    row, context, mask = torch.randn(2, 6, 4), torch.randn(2, 3, 6), torch.tensor([[True] * 3, [True, False, True]])
    with injection.given(context, mask):
        torch.testing.assert_close(submodule(row.reshape(6, 2, 4)).reshape(2, 6, 4), injection(row, context, mask))
        with pytest.raises(ValueError, match="3 windows do not divide among 2 samples"):
            submodule(torch.randn(3, 2, 4))
    with injection.given(context[:0]):
        assert submodule(torch.empty(0, 2, 4)).shape == (0, 2, 4)


class Widening(nn.Module):
    """A block of a tower whose second stage is twice as wide as the first."""

    def __init__(self, width, out_width):
        super().__init__()
        self.attention_out, self.grow = nn.Linear(width, width), nn.Linear(width, out_width)

    def forward(self, tokens, mask):
        return self.grow(tokens + self.attention_out(tokens))


def test_stages_of_several_widths_have_one_a_pair(tokens):
    stages = [Widening(8, 8), Widening(8, 16), Widening(16, 16)]
    injector = FusionInjector(stages, blocks(6, 3), fused=2, width_a=(8, 16), width_b=6, heads=2)
    assert [injection.attention.key_value.in_features for injection in injector.into_b] == [8, 16]
    assert opened(injector)(*tokens)[0].shape == (2, 5, 16)
    with pytest.raises(ValueError, match="3 widths were given for 2 fused pairs"):
        FusionInjector(stages, blocks(6, 3), fused=2, width_a=(8, 8, 16), width_b=6, heads=2)


class TupledAttention(nn.Module):
    def forward(self, x):
        return x, "weights"


def test_of_a_tuple_the_first_entry_is_injected():
    injection, submodule = GatedInjection(4, 4, 1), TupledAttention()
    nn.init.ones_(injection.gate.alpha)
    injection.attach(submodule)
    x, context = torch.randn(1, 2, 4), torch.randn(1, 3, 4)
    with injection.given(context):
        out, extra = submodule(x)
    assert extra == "weights"
    torch.testing.assert_close(out, injection(x, context))
    assert torch.equal(submodule(x)[0], x)


def test_what_cannot_be_injected_is_refused():
    with pytest.raises(ValueError, match="no submodule 'attn'"):
        FusionInjector(blocks(8, 1), blocks(8, 1), fused=1, width_a=8, width_b=8, heads=2, at="attn")
    with pytest.raises(ValueError, match="3 fused pairs were asked for from 2 and 4"):
        FusionInjector(blocks(8, 2), blocks(8, 4), fused=3, width_a=8, width_b=8, heads=2)
