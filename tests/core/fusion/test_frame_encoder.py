import pytest
import torch

from crossmod.fusion.frame_encoder import FrameEncoder
from crossmod.fusion.segment_positions import SegmentPositions


def slow_encoder(encoder, tokens):
    """Recording by recording and frame by frame."""
    local, overall = [], []
    for recording in tokens:
        frames = []
        for frame in recording:
            held = torch.cat([encoder.classes[:1], frame])[None]
            for layer in encoder.within:
                held = layer(held)
            frames.append(held[0, 0])
        local.append(torch.stack(frames))
        placed = local[-1] if encoder.positions is None else local[-1] + encoder.positions.table[: len(frames)]
        held = torch.cat([encoder.classes[1:], placed])[None]
        for layer in encoder.over:
            held = layer(held)
        overall.append(held[0, 0])
    return torch.stack(local), torch.stack(overall)


@pytest.mark.parametrize("positions", [None, "index"])
def test_it_equals_the_loop_over_recordings_and_frames(positions):
    place = SegmentPositions(8, "index", segments=4) if positions else None
    encoder, tokens = FrameEncoder(8, 2, depth=2, depth_in_time=2, positions=place), torch.randn(2, 3, 4, 8)
    for got, expected in zip(encoder(tokens), slow_encoder(encoder, tokens), strict=True):
        torch.testing.assert_close(got, expected)


def test_frames_are_a_set_until_they_have_positions():
    tokens, order = torch.randn(2, 3, 4, 8), torch.tensor([2, 0, 1])
    free = FrameEncoder(8, 2, depth=1)
    plain, turned = free(tokens), free(tokens[:, order])
    torch.testing.assert_close(turned.local, plain.local[:, order])
    torch.testing.assert_close(turned.overall, plain.overall)
    placed = FrameEncoder(8, 2, depth=1, positions=SegmentPositions(8, "continuous", shortest=1.0, longest=60.0))
    seconds = torch.tensor([[0.0, 4.0, 9.0]]).expand(2, -1)
    plain, turned = placed(tokens, None, seconds), placed(tokens[:, order], None, seconds)
    assert not torch.allclose(turned.overall, plain.overall, atol=1e-4)
    together = placed(tokens[:, order], None, seconds[:, order])
    torch.testing.assert_close(together.overall, plain.overall)


def test_padded_frames_have_no_influence():
    encoder, tokens = FrameEncoder(8, 2, depth=1), torch.randn(2, 3, 4, 8)
    mask = torch.tensor([[True, True, False], [False] * 3])
    spoiled = tokens.masked_fill(~mask[..., None, None], torch.nan)
    out = encoder(spoiled, mask)
    short = encoder(tokens[:1, :2])
    torch.testing.assert_close(out.local[0, :2], short.local[0])
    torch.testing.assert_close(out.overall[0], short.overall[0])
    # Without any frame a recording is what its class token alone becomes.
    torch.testing.assert_close(out.overall[1], encoder(tokens[:1, :0]).overall[0])


def test_what_does_not_fit_is_refused():
    encoder, tokens = FrameEncoder(8, 2, depth=1), torch.randn(2, 3, 4, 8)
    with pytest.raises(ValueError, match=r"bool \[2, 3\]"):
        encoder(tokens, torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="without positions"):
        encoder(tokens, None, torch.zeros(2, 3))
