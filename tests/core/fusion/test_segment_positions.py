import math

import pytest
import torch

from crossmod.fusion.segment_positions import SegmentPositions


def test_one_vector_a_segment_is_added_to_all_its_tokens():
    positions, tokens = SegmentPositions(6, "index", segments=5), torch.randn(2, 3, 4, 6)
    out, mask = positions(tokens)
    assert mask is None
    torch.testing.assert_close(out.view(2, 3, 4, 6) - tokens, positions.table[:3, None].expand(2, -1, 4, -1))


def test_the_mask_covers_all_tokens_of_a_segment():
    tokens, mask = torch.randn(1, 3, 2, 6), torch.tensor([[True, False, True]])
    assert SegmentPositions(6, "index")(tokens, mask)[1].tolist() == [[True, True, False, False, True, True]]


def test_equal_coordinates_are_equal_and_other_spacings_are_others():
    positions, tokens = SegmentPositions(6, "continuous", shortest=2.0, longest=500.0), torch.zeros(1, 3, 1, 6)
    narrow, _ = positions(tokens, coordinates=torch.tensor([[0.0, 1.0, 2.0]]))
    wide, _ = positions(tokens, coordinates=torch.tensor([[0.0, 5.0, 10.0]]))
    again, _ = positions(tokens, coordinates=torch.tensor([[10.0, 1.0, 0.0]]))
    assert torch.equal(narrow[0, 0], wide[0, 0]) and torch.equal(again[0, 0], wide[0, 2])
    assert not torch.allclose(narrow[0, 1:], wide[0, 1:], atol=1e-3)


def test_a_coordinate_is_its_waves_of_equal_ratios():
    positions = SegmentPositions(6, "continuous", shortest=2.0, longest=32.0, periods=3)
    out, _ = positions(torch.zeros(1, 1, 1, 6), coordinates=torch.tensor([[5.0]]))
    phases = [2 * math.pi * 5.0 / period for period in (2.0, 8.0, 32.0)]
    waves = torch.tensor([*map(math.sin, phases), *map(math.cos, phases)])
    torch.testing.assert_close(out[0, 0], positions.map(waves))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_tells_large_neighbouring_coordinates_apart(dtype):
    positions = SegmentPositions(16, "continuous", shortest=2.0, longest=4000.0)
    seconds = torch.tensor([[1500.0, 1500.5]])
    exact, _ = positions(torch.zeros(1, 2, 1, 16), coordinates=seconds)
    half, _ = positions.to(dtype)(torch.zeros(1, 2, 1, 16, dtype=dtype), coordinates=seconds)
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), exact, atol=0.05, rtol=0.05)


def test_far_and_near_coordinates_are_told_apart():
    positions = SegmentPositions(16, "continuous", shortest=2.0, longest=4000.0, periods=12)
    out, _ = positions(torch.zeros(1, 1500, 1, 16), coordinates=torch.arange(1500.0)[None])
    assert (torch.cdist(out[0], out[0]) + torch.eye(1500)).min() > 1e-3


def test_padded_segments_may_have_any_coordinate():
    positions = SegmentPositions(6, "continuous")
    mask = torch.tensor([[True, False]])
    out, _ = positions(torch.zeros(1, 2, 1, 6), mask, torch.tensor([[3.0, torch.nan]]))
    assert out.isfinite().all()
    with pytest.raises(ValueError, match="not finite"):
        positions(torch.zeros(1, 2, 1, 6), ~mask, torch.tensor([[3.0, torch.nan]]))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="3 segments were given to a table of 2"):
        SegmentPositions(6, "index", segments=2)(torch.zeros(1, 3, 1, 6))
    with pytest.raises(ValueError, match="coordinates=False"):
        SegmentPositions(6, "continuous")(torch.zeros(1, 3, 1, 6))
    with pytest.raises(ValueError, match="coordinates=True"):
        SegmentPositions(6, "index")(torch.zeros(1, 3, 1, 6), coordinates=torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"\(1, 4\)"):
        SegmentPositions(6, "index")(torch.zeros(1, 3, 1, 6), torch.ones(1, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="do not ascend"):
        SegmentPositions(6, "continuous", shortest=5.0, longest=1.0)
