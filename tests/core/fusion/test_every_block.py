"""What every fusion block owes to whoever puts it into a model: half precision, batches of none and one, a state."""

import copy

import pytest
import torch
from torch import nn

from crossmod.fusion.bridged_encoder import BridgedCrossEncoder
from crossmod.fusion.co_attention import CoAttentionLayer
from crossmod.fusion.cross_attention import CrossAttentionLayer
from crossmod.fusion.cross_granularity import CrossGranularityDecoder
from crossmod.fusion.deformable_attention import DeformableSampler3D
from crossmod.fusion.deformable_tokens import DeformableFusion
from crossmod.fusion.frame_encoder import FrameEncoder
from crossmod.fusion.gated_bi_attention import GatedBiAttention
from crossmod.fusion.gated_injection import FusionInjector
from crossmod.fusion.multi_level_bridge import MultiLevelBridge, MultiLevelProjection
from crossmod.fusion.multi_source import MultiSourceEncoder
from crossmod.fusion.resampler import QueryGroup, QueryResampler, Source
from crossmod.fusion.segment_positions import SegmentPositions
from crossmod.fusion.strided_attention import JointStrideAttention, TemporalStrideAttention
from crossmod.fusion.token_pool import TokenReconstructionHead
from crossmod.fusion.two_stream import TwoStreamEncoder
from crossmod.text.block import TransformerBlock

A, B = (4, 8), (3, 8)
VOLUME = (2, 3, 4, 8)


def stacks():
    return ([TransformerBlock(8, 2, 2.0, 0.0, 1)] for _ in range(2))


# name: the block, the shapes of one sample's inputs, and how to call it with them
BLOCKS = {
    "layer": (lambda: CrossAttentionLayer(8, 2), (A, B), lambda m, a, b: m(a, b)),
    "gated layer": (lambda: CrossAttentionLayer(8, 2, gate="tanh"), (A, B), lambda m, a, b: m(a, b)),
    "granularities": (
        lambda: CrossGranularityDecoder(8, 8, width=8, depth=2, heads=2),
        (A, B),
        lambda m, a, b: m(a, b),
    ),
    "bridged": (
        lambda: BridgedCrossEncoder(8, 2, 2, width_a=8, width_b=8),
        (A, A, B, B),
        lambda m, a, c, b, d: tuple(m([a, c], [b, d])),
    ),
    "levels": (
        lambda: MultiLevelBridge(8, 2, levels=2, level_width=8, length=3),
        (A, B, B),
        lambda m, a, b, c: m(a, [b, c]),
    ),
    "injector": (
        lambda: FusionInjector(*stacks(), fused=1, width_a=8, width_b=8, heads=2),
        (A, B),
        lambda m, a, b: m(a, b),
    ),
    "co-attention": (lambda: CoAttentionLayer(8, 2), (A, B), lambda m, a, b: m(a, b)),
    "bi-attention": (lambda: GatedBiAttention(8, 8, inner_width=8, heads=2), (A, B), lambda m, a, b: m(a, b)),
    "resampler": (
        lambda: QueryResampler(8, 2, 2, {"keys": QueryGroup(count=2, source_width=8)}, text=True),
        (A, B),
        lambda m, a, b: tuple(m({"keys": Source(a)}, b))[::2],
    ),
    "sources": (
        lambda: MultiSourceEncoder(8, 2, 2, {"items": 8, "values": 8}),
        (A, B, B),
        lambda m, a, b, c: m(a, None, {"items": Source(b), "values": Source(c)}),
    ),
    "deformable": (
        lambda: DeformableSampler3D(8, 2, points=2),
        (A, (4, 3), VOLUME),
        lambda m, a, places, volume: m(a, places.sigmoid(), [volume]),
    ),
    "searched": (lambda: DeformableFusion(8, 2), (VOLUME, A), lambda m, volume, a: m(volume, a)),
    "joints": (
        lambda: JointStrideAttention(8, 2, window=2, stride=1),
        ((2, 5, 8), (1, 8)),
        lambda m, joints, cross: m(joints, cross),
    ),
    "frames": (
        lambda: TemporalStrideAttention(8, 2),
        ((4, 2, 8), (1, 8)),
        lambda m, tokens, cross: m(tokens, cross)[:2],
    ),
    "two streams": (
        lambda: TwoStreamEncoder(8, 2, 2, width_a=8, width_b=8),
        (A, B),
        lambda m, a, b: (m(a, b).a[-1], m(a, b).b[-1], m(a, b).pooled),
    ),
    "frames and recording": (
        lambda: FrameEncoder(8, 2, depth=1, positions=SegmentPositions(8, "index", segments=3)),
        ((3, 2, 8),),
        lambda m, tokens: tuple(m(tokens)),
    ),
    "projection": (lambda: MultiLevelProjection(2, 8, 8), (A, A), lambda m, a, b: m([a, b])),
    "reconstruction": (lambda: TokenReconstructionHead(8, 2, 4), (A,), lambda m, a: m(a)),
}


@pytest.fixture(params=BLOCKS, ids=str)
def case(request):
    build, shapes, call = BLOCKS[request.param]
    module = build()
    # Away from zero, so that gated parts take part.
    for name, parameter in module.named_parameters():
        if name.endswith("alpha"):
            nn.init.constant_(parameter, 0.6)

    def run(block, inputs):
        out = call(block, *inputs)
        return out if isinstance(out, tuple) else (out,)

    def draw(batch, **options):
        generator = torch.Generator().manual_seed(batch)
        return [torch.randn(batch, *shape, generator=generator).to(**options) for shape in shapes]

    return module, draw, run


def test_rows_of_a_batch_are_independent(case):
    module, draw, run = case
    inputs = draw(3)
    whole = run(module, inputs)
    for row in range(3):
        single = run(module, [each[row : row + 1] for each in inputs])
        for part, one in zip(whole, single, strict=True):
            torch.testing.assert_close(part[row : row + 1], one)


def test_an_empty_batch_gives_empty_outputs_that_backward_takes(case):
    module, draw, run = case
    out = run(module, draw(0))
    assert all(part.shape[0] == 0 for part in out)
    sum(part.sum() for part in out).backward()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_single(case, dtype):
    module, draw, run = case
    half = copy.deepcopy(module).to(dtype)
    inputs = [each.to(dtype) for each in draw(2)]
    expected = run(copy.deepcopy(half).float(), [each.float() for each in inputs])
    for part, exact in zip(run(half, inputs), expected, strict=True):
        assert part.dtype == dtype
        torch.testing.assert_close(part.float(), exact, atol=0.1, rtol=0.1)


def test_autocast_trains(case):
    module, draw, run = case
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = run(module, draw(2))
    sum(part.float().square().sum() for part in out).backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in module.parameters())
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in module.parameters())


def test_expanded_and_non_contiguous_inputs_are_as_their_copies(case):
    module, draw, run = case
    inputs = [each[:1].expand(2, *each.shape[1:]) for each in draw(1)]
    strided = [each.transpose(-1, -2).contiguous().transpose(-1, -2) for each in inputs]
    plain = run(module, [each.contiguous() for each in inputs])
    for other in (inputs, strided):
        for part, expected in zip(run(module, other), plain, strict=True):
            torch.testing.assert_close(part, expected)


def test_a_state_restores_the_function(case):
    module, draw, run = case
    other = copy.deepcopy(module)
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    other.load_state_dict(module.state_dict())
    for part, expected in zip(run(other, draw(2)), run(module, draw(2)), strict=True):
        assert torch.equal(part, expected)


def test_gradient_agrees_with_finite_differences_and_reaches_every_parameter(case):
    module, draw, run = case
    module = copy.deepcopy(module).double()
    draw_noise = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in module.parameters():
            # Away from zeros that shut a branch, and from cell borders, where trilinear samples have a corner.
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=draw_noise, dtype=torch.float64) + 0.013)
    inputs = [each.double().requires_grad_() for each in draw(1)]
    assert torch.autograd.gradcheck(lambda *held: run(module, held), inputs, fast_mode=True, atol=1e-4)
    weighted = (
        torch.randn(part.shape, generator=draw_noise, dtype=torch.float64) * part for part in run(module, inputs)
    )
    sum(part.sum() for part in weighted).backward()
    for name, parameter in module.named_parameters():
        # Adding one vector to all keys moves no softmax: that bias alone has no gradient.
        assert parameter.grad is not None and (parameter.grad.any() or name.endswith("key.bias")), name
    assert all(each.grad.any() for each in inputs)


def test_inputs_of_different_batches_are_refused(case):
    module, draw, run = case
    for smaller in range(len(draw(3)) if len(draw(3)) > 1 else 0):
        for rows in (1, 2):
            inputs = [each[:rows] if index == smaller else each for index, each in enumerate(draw(3))]
            with pytest.raises(ValueError):
                run(module, inputs)


def test_what_is_not_finite_stays_in_its_row(case):
    module, draw, run = case
    inputs = draw(2)
    expected = run(module, inputs)
    spoiled = [torch.cat([torch.full_like(each[:1], torch.nan), each[1:]]) for each in inputs]
    for part, clean in zip(run(module, spoiled), expected, strict=True):
        assert part[0].isnan().any()
        torch.testing.assert_close(part[1], clean[1])
