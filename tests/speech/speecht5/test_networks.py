"""Parts of the encoder-decoder: what a token sees, and that nothing depends on padding."""

from __future__ import annotations

import pytest
import torch

from crossmod_speech.speecht5.decoder import SharedDecoder, attention_weights
from crossmod_speech.speecht5.encoder import SharedEncoder
from crossmod_speech.speecht5.frame_nets import FramePostNet, FramePreNet
from crossmod_speech.speecht5.guided_attention import guided_attention_loss, off_diagonal
from crossmod_speech.speecht5.positions import ConvolutionalPositions


def first(counts: list[int], places: int) -> torch.Tensor:
    return torch.arange(places) < torch.tensor(counts)[:, None]


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_encoder_states_do_not_depend_on_padding(norm: str) -> None:
    encoder = SharedEncoder(8, 2, 2, dropout=0.0, norm=norm).eval()
    tokens, mask = torch.randn(2, 9, 8), first([9, 5], 9)
    states = encoder(tokens, mask)
    assert not states[~mask].any()
    torch.testing.assert_close(encoder(tokens[1:, :5], mask[1:, :5])[0], states[1, :5])


def test_post_norm_ends_normalised_as_published() -> None:
    states = SharedEncoder(8, 2, 2, dropout=0.0)(torch.randn(1, 4, 8), first([4], 4))
    torch.testing.assert_close(states.mean(-1), torch.zeros(1, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(states.var(-1, correction=0), torch.ones(1, 4), atol=1e-3, rtol=0)


def test_layers_are_left_out_in_training_alone() -> None:
    encoder = SharedEncoder(8, 2, 3, dropout=0.0, layer_drop=0.999)
    tokens, mask = torch.randn(1, 4, 8), first([4], 4)
    torch.testing.assert_close(encoder(tokens, mask), encoder.norm(tokens))
    assert not torch.allclose(encoder.eval()(tokens, mask), encoder.norm(tokens))


def test_decoder_sees_only_what_came_before_and_only_real_states() -> None:
    decoder = SharedDecoder(8, 2, 2, dropout=0.0).eval()
    tokens, states, mask = torch.randn(2, 6, 8), torch.randn(2, 5, 8), first([5, 3], 5)
    decoded = decoder(tokens, states, mask)
    later = tokens.clone()
    later[:, 4:] += 1
    torch.testing.assert_close(decoder(later, states, mask)[:, :4], decoded[:, :4])
    torch.testing.assert_close(decoder(tokens[1:], states[1:, :3], mask[1:, :3]), decoded[1:])
    moved = states.clone()
    moved[0, 0] += 1
    assert (decoder(tokens, moved, mask)[0] - decoded[0]).abs().sum(-1).min() > 0


def test_weights_that_are_read_are_those_of_the_attention() -> None:
    decoder = SharedDecoder(8, 2, 3, dropout=0.0)
    tokens, states, mask = torch.randn(2, 6, 8), torch.randn(2, 5, 8), first([5, 3], 5)
    with decoder.reading(2, 1) as heard:
        decoder(tokens, states, mask)
    assert [each.shape for each in heard] == [(2, 1, 6, 5)] * 2
    for weights in heard:
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 1, 6))
        assert not weights[1, :, :, 3:].any()
    decoder(tokens, states, mask)
    assert len(heard) == 2, "outside nobody listens"
    attention = decoder.layers[0].cross
    weights = attention_weights(attention, tokens, states, mask, heads=2)
    _, value = attention.key_value(states).chunk(2, -1)
    mixed = weights @ value.unflatten(-1, (2, -1)).transpose(1, 2)
    torch.testing.assert_close(
        attention.out(mixed.transpose(1, 2).flatten(2)), attention(tokens, states, mask), atol=1e-5, rtol=1e-5
    )


def test_frame_pre_net_keeps_its_dropout_in_evaluation() -> None:
    net = FramePreNet(4, 8, 6).eval()
    frames, voice = torch.randn(1, 5, 4), torch.randn(1, 6)
    torch.manual_seed(0)
    one, other = net(frames, voice), net(frames, voice)
    assert not torch.equal(one, other)
    certain = FramePreNet(4, 8, 6, dropout=0.0)
    torch.testing.assert_close(certain(frames, 3 * voice), certain(frames, voice))  # a voice has no length


def test_frame_post_net_says_so_many_frames_a_step_and_ignores_padding() -> None:
    net, mask = FramePostNet(8, 4, reduction=3), first([15, 7], 15)
    states = torch.randn(2, 5, 8)
    spoken = net(states, mask)
    assert spoken.before.shape == spoken.after.shape == (2, 15, 4) and spoken.stop.shape == (2, 15)
    torch.testing.assert_close(spoken.before[0, 3:6].flatten(), net.frames(states)[0, 1])
    net.eval()
    more = torch.nn.functional.pad(states, (0, 0, 0, 4), value=9.0)
    longer = net(more, first([15, 7], 27))
    torch.testing.assert_close(longer.after[0, :15], net(states, mask).after[0, :15])
    torch.testing.assert_close(longer.after[1, :7], net(states, mask).after[1, :7])


def test_batch_statistics_are_those_of_real_frames() -> None:
    net, states = FramePostNet(8, 4), torch.randn(1, 6, 8)
    net(states, first([12], 12))
    kept = net.norms[0].running_mean.clone()
    other = FramePostNet(8, 4)
    other.load_state_dict(net.state_dict())
    for norm in other.norms:
        norm.reset_running_stats()
    other(torch.cat([states, torch.full((1, 6, 8), 50.0)], 1), first([12], 24))
    torch.testing.assert_close(other.norms[0].running_mean, kept)


def test_convolution_of_places_sees_neighbours_alone() -> None:
    places, mask = ConvolutionalPositions(8, 4, 2), first([20, 6], 20)
    tokens = torch.randn(2, 20, 8)
    moved = tokens.clone()
    moved[:, 10] += 1
    changed = (places(moved, mask) - places(tokens, mask)).abs().sum(-1) > 0
    assert changed[0].nonzero()[:, 0].tolist() == [9, 10, 11, 12]
    torch.testing.assert_close(places(tokens[1:, :6], mask[1:, :6])[0], places(tokens, mask)[1, :6])


def test_off_diagonal_is_zero_on_it_and_grows_away() -> None:
    penalty = off_diagonal(first([4, 2], 4), first([4, 4], 4))
    torch.testing.assert_close(penalty[0].diagonal(), torch.zeros(4))
    torch.testing.assert_close(penalty[0, 0, 2], 1 - torch.exp(torch.tensor(-(0.5**2) / (2 * 0.4**2))))
    assert (penalty[0, 0].diff() > 0).all() and not penalty[1, 2:].any()


def test_guided_attention_prefers_the_diagonal_and_ignores_padding() -> None:
    steps, keys = first([4], 4), first([4], 4)
    diagonal, reversed_ = torch.eye(4)[None, None], torch.eye(4).flip(0)[None, None]
    assert guided_attention_loss([diagonal], steps, keys) == 0 < guided_attention_loss([reversed_], steps, keys)
    padded = torch.nn.functional.pad(reversed_, (0, 3, 0, 2), value=0.7)
    torch.testing.assert_close(
        guided_attention_loss([padded, padded], first([4], 6), first([4], 7)),
        guided_attention_loss([reversed_], steps, keys),
    )


@pytest.mark.parametrize(("weights", "sigma"), [([], 0.4), ([torch.eye(4)[None, None]], 0.0)])
def test_guided_attention_refuses_what_it_cannot_score(weights: list[torch.Tensor], sigma: float) -> None:
    with pytest.raises(ValueError, match=r"no attention|sigma"):
        guided_attention_loss(weights, first([4], 4), first([4], 4), sigma)
