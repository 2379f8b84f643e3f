import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from crossmod.fusion.asymmetric_stack import AsymmetricFusionStack
from crossmod.fusion.gated_bi_attention import GatedBiAttention, masked_softmax
from crossmod.text.block import TransformerBlock


def slow_fusion(block, a, b, mask_a, mask_b):
    """Head by head and sample by sample, over real tokens alone."""
    a, b = block.norm_a(a), block.norm_b(b)
    size = block.query.out_features // block.heads
    read_a, read_b = torch.zeros_like(block.value_a(a)), torch.zeros_like(block.value_b(b))
    for i in range(len(a)):
        for head in range(block.heads):
            own = slice(head * size, (head + 1) * size)
            logits = (block.query(a)[i, :, own] @ block.key(b)[i, :, own].T) / size**0.5
            to_a = torch.softmax(logits[:, mask_b[i]], 1)
            to_b = torch.softmax(logits.T[:, mask_a[i]], 1)
            read_a[i, :, own] = to_a @ block.value_b(b)[i, mask_b[i], own]
            read_b[i, :, own] = to_b @ block.value_a(a)[i, mask_a[i], own]
    return a + block.gate_a.alpha * block.out_a(read_a), b + block.gate_b.alpha * block.out_b(read_b)


@pytest.fixture
def sides():
    mask_a = torch.tensor([[True, True, True, False], [True] * 4])
    mask_b = torch.tensor([[True, False, True], [True, True, False]])
    return torch.randn(2, 4, 8).double(), torch.randn(2, 3, 6).double(), mask_a, mask_b


@pytest.fixture
def block():
    return GatedBiAttention(8, 6, inner_width=16, heads=4).double()


def test_it_equals_the_paper_on_real_tokens(block, sides):
    mask_a, mask_b = sides[2:]
    for got, expected, mask in zip(block(*sides), slow_fusion(block, *sides), (mask_a, mask_b), strict=True):
        torch.testing.assert_close(got[mask], expected[mask])


def test_gates_start_at_a_quarter_and_at_zero_give_the_norms_of_the_inputs(block, sides):
    a, b, *_ = sides
    assert block.gate_a.alpha.item() == block.gate_b.alpha.item() == 0.25
    closed = GatedBiAttention(8, 6, inner_width=16, heads=4, gate_initial=0.0).double()
    out_a, out_b = closed(a, b)
    assert torch.equal(out_a, closed.norm_a(a)) and torch.equal(out_b, closed.norm_b(b))
    assert torch.equal(closed(a, torch.randn_like(b))[0], out_a)


def test_both_directions_share_one_matrix_of_logits(block, sides):
    a, b, mask_a, mask_b = sides
    turned = GatedBiAttention(6, 8, inner_width=16, heads=4).double()
    pairs = {"query": "key", "value_a": "value_b", "out_a": "out_b", "norm_a": "norm_b", "gate_a": "gate_b"}
    for one, other in (*pairs.items(), *((v, k) for k, v in pairs.items())):
        getattr(turned, one).load_state_dict(getattr(block, other).state_dict())
    torch.testing.assert_close(turned._logits(b, a, None), block._logits(a, b, None).transpose(-1, -2))
    for got, expected in zip(turned(b, a, mask_b, mask_a), reversed(block(*sides)), strict=True):
        torch.testing.assert_close(got, expected)


def test_masked_tokens_have_no_influence(block, sides):
    a, b, mask_a, mask_b = sides
    out = block(*sides)
    spoiled = block(a, b.masked_fill(~mask_b[..., None], torch.nan), mask_a, mask_b)
    assert torch.equal(spoiled[0], out[0]) and torch.equal(spoiled[1], out[1])
    none = block(a, b, mask_a, torch.zeros_like(mask_b))
    assert torch.equal(none[0], block.norm_a(a.masked_fill(~mask_a[..., None], 0.0)))


def test_positions_join_the_queries(block, sides):
    a, b, *_ = sides
    positions = torch.randn(1, 4, 16).double()
    assert not torch.allclose(block(a, b, positions=positions)[0], block(a, b)[0])


def test_half_precision_with_huge_logits_stays_finite():
    block = GatedBiAttention(8, 8, inner_width=8, heads=1).half()
    for layer in (block.query, block.key):
        nn.init.constant_(layer.weight, 60.0)
        nn.init.constant_(layer.bias, 3000.0)
    a, b = torch.randn(1, 3, 8).half(), torch.randn(1, 2, 8).half()
    logits = block._logits(block.norm_a(a), block.norm_b(b), None)
    assert logits.abs().max() == 50_000 and all(side.isfinite().all() for side in block(a, b))


def test_gradients_agree_with_finite_differences(sides):
    block = GatedBiAttention(8, 6, inner_width=4, heads=2).double()
    a, b, mask_a, mask_b = sides
    a, b = a[:, :2].clone().requires_grad_(), b.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: block(x, y, mask_a[:, :2], mask_b), (a, b))


@settings(deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=4))
def test_softmax_over_a_mask_is_one_or_nothing(mask):
    mask = torch.tensor(mask)
    weights = masked_softmax(torch.linspace(-3, 3, 3).expand(len(mask), 3), mask)
    assert not weights[~mask].any()
    torch.testing.assert_close(weights.sum(1), mask.any(1).float())


class Counted(nn.Module):
    """Notes in which order the parts of a stack are called."""

    def __init__(self, name, order):
        super().__init__()
        self.name, self.order = name, order

    def forward(self, *tensors):
        self.order.append(self.name)
        return tensors[0] if len(tensors) == 2 else tensors[:2]


def test_six_blocks_with_interval_two_are_fused_before_0_2_and_4():
    order = []
    stack = AsymmetricFusionStack(
        [Counted(f"a{i}", order) for i in range(6)],
        [Counted(f"b{i}", order) for i in range(3)],
        [Counted(f"fuse{i}", order) for i in range(3)],
        interval=2,
    )
    _, depths = stack(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))
    assert stack.fused_before == (0, 2, 4) and len(depths) == 3
    assert order == ["fuse0", "b0", "a0", "a1", "fuse1", "b1", "a2", "a3", "fuse2", "b2", "a4", "a5"]


def test_the_stack_reaches_every_parameter():
    blocks_a = [TransformerBlock(8, 2, 2.0, 0.0, 3) for _ in range(3)]
    blocks_b = [TransformerBlock(6, 2, 2.0, 0.0, 2) for _ in range(2)]
    fusions = [GatedBiAttention(8, 6, inner_width=8, heads=2) for _ in range(2)]
    stack = AsymmetricFusionStack(blocks_a, blocks_b, fusions, interval=2)
    a, depths = stack(torch.randn(2, 4, 8), torch.randn(2, 3, 6))
    (a.square().sum() + depths[-1].square().sum()).backward()
    for name, parameter in stack.named_parameters():
        # Adding one vector to all keys moves no softmax: that bias alone has no gradient.
        assert parameter.grad is not None and (parameter.grad.abs().sum() > 0 or name.endswith("key.bias")), name


def test_numbers_that_do_not_fit_are_refused():
    parts = [nn.Identity() for _ in range(6)]
    with pytest.raises(ValueError, match="need 3 blocks and fusions"):
        AsymmetricFusionStack(parts, parts[:2], parts[:3], interval=2)
    with pytest.raises(ValueError, match="interval between fusions is 0"):
        AsymmetricFusionStack(parts, parts, parts, interval=0)
    with pytest.raises(ValueError, match="16 does not divide into 3"):
        GatedBiAttention(8, 6, inner_width=16, heads=3)
