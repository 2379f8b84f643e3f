import pytest
import torch

from crossmod.fusion.strided_attention import JointStrideAttention, TemporalStrideAttention


def slow_joints(layer, joints, cross, mask):
    """Frame by frame and window by window, over seen joints alone."""
    out, token = joints.clone(), cross.clone()
    for b in range(len(joints)):
        gains = []
        for t in range(joints.shape[1]):
            gained, windows = torch.zeros_like(joints[b, t]), torch.zeros(joints.shape[2], 1)
            for start in layer.starts(joints.shape[2]):
                place = slice(start, start + layer.window)
                held = layer.norm(torch.cat([cross[b], joints[b, t, place]]))[None]
                seen = torch.cat([torch.tensor([True]), mask[b, t, place]])
                read = layer.attention(held, held[:, seen])[0]
                gained[place] += read[1:]
                windows[place] += 1
                if mask[b, t, place].any():
                    gains.append(read[:1])
            out[b, t] = joints[b, t] + gained / windows
        if gains:
            token[b] = cross[b] + torch.stack(gains).mean(0)
    return out, token


@pytest.fixture
def held():
    mask = torch.ones(2, 3, 7, dtype=torch.bool)
    mask[0, 1, 2:] = False
    mask[1] = False
    return torch.randn(2, 3, 7, 8), torch.randn(2, 1, 8), mask


def test_windows_cover_every_joint_and_end_at_the_last():
    layer = JointStrideAttention(8, 2, window=3, stride=2)
    assert layer.starts(7) == [0, 2, 4] and layer.starts(8) == [0, 2, 4, 5] and layer.starts(2) == [0]
    assert layer.starts(0) == []


def test_it_equals_the_loop_over_frames_and_windows(held):
    joints, cross, mask = held
    layer = JointStrideAttention(8, 2, window=3, stride=2)
    got, token = layer(joints, cross, mask)
    expected, expected_token = slow_joints(layer, joints, cross, mask)
    torch.testing.assert_close(got[mask], expected[mask])
    torch.testing.assert_close(token, expected_token)
    assert torch.equal(token[1], cross[1])


def test_masked_joints_have_no_influence(held):
    joints, cross, mask = held
    layer = JointStrideAttention(8, 2, window=4, stride=3)
    got, token = layer(joints, cross, mask)
    spoiled, same = layer(joints.masked_fill(~mask[..., None], torch.nan), cross, mask)
    assert torch.equal(spoiled[mask], got[mask]) and torch.equal(same, token)


def test_one_window_over_all_is_plain_attention():
    joints, cross = torch.randn(2, 1, 5, 8), torch.randn(2, 1, 8)
    layer = JointStrideAttention(8, 2, window=5, stride=1)
    held = torch.cat([cross, joints[:, 0]], 1)
    normed = layer.norm(held)
    expected = held + layer.attention(normed, normed)
    got, token = layer(joints, cross)
    torch.testing.assert_close(torch.cat([token, got[:, 0]], 1), expected)


def test_without_joints_everything_comes_back():
    layer, cross = JointStrideAttention(8, 2, window=3, stride=2), torch.randn(2, 1, 8)
    for shape in ((2, 0, 7, 8), (2, 3, 0, 8)):
        joints, token = layer(torch.empty(shape), cross)
        assert joints.shape == shape and token is cross


def test_a_stride_beyond_the_window_is_refused(held):
    with pytest.raises(ValueError, match="leave joints out"):
        JointStrideAttention(8, 2, window=2, stride=3)
    with pytest.raises(ValueError, match=r"\(2, 3, 6\)"):
        JointStrideAttention(8, 2, window=2, stride=2)(held[0], held[1], held[2][:, :, :6])


@pytest.mark.parametrize("frames", [0, 1, 5, 8])
def test_deeper_blocks_keep_the_declared_frames(frames):
    tokens, cross = torch.randn(2, frames, 3, 8), torch.randn(2, 1, 8)
    mask = torch.rand(2, frames, 3) > 0.3
    for depth in range(3):
        layer = TemporalStrideAttention(8, 2, stride=1 if depth == 0 else 2)
        expected = layer.kept_frames(tokens.shape[1])
        tokens, cross, mask = layer(tokens, cross, mask)
        assert tokens.shape == (2, expected, 3, 8) and cross.shape == (2, 1, 8) and mask.shape == (2, expected, 3)
        assert expected == len(range(0, frames, 2**depth))


def test_dropped_frames_and_masked_tokens_have_no_influence():
    layer, tokens, cross = TemporalStrideAttention(8, 2), torch.randn(2, 5, 3, 8), torch.randn(2, 1, 8)
    mask = torch.ones(2, 5, 3, dtype=torch.bool)
    mask[0, 2, 1] = False
    got, token, kept = layer(tokens, cross, mask)
    other = tokens.clone()
    other[:, 1::2] = torch.nan
    other[0, 2, 1] = torch.arange(8.0)
    out, same, _ = layer(other, cross, mask)
    assert torch.equal(same, token) and torch.equal(out[kept], got[kept])
    held = torch.cat([cross[1:], tokens[1:, ::2].flatten(1, 2)], 1)
    normed = layer.residual.norm(held)
    torch.testing.assert_close(token[1:], (held + layer.attention(normed, normed))[:, :1])
    with pytest.raises(ValueError, match="stride 0"):
        TemporalStrideAttention(8, 2, stride=0)
