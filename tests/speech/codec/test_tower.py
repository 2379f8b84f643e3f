"""The codec's network: round trips, straight-through gradients, padding, and what its settings refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from crossmod.errors import UserError
from crossmod_speech.codec.convnext import ConvNextEncoder
from crossmod_speech.codec.settings import CodecGenerator, DistilCodec
from crossmod_speech.codec.tower import DistilCodecTower
from crossmod_speech.frontends.settings import DistilCodecLogMel, RawWaveform
from crossmod_speech.waveforms import WaveformInputs

Build = Callable[..., DistilCodecTower]
KINDS = {
    "student": {},
    "teacher": {"groups": 3, "stages": 4, "codes": 16},
    "half the rate": {"groups": 2, "stages": 2, "downsampling": 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_codes_alone_give_what_the_forward_pass_gave(
    kind: str, settings: DistilCodec, inputs: WaveformInputs, build: Build
) -> None:
    tower = build(replace(settings, **KINDS[kind]))
    with torch.no_grad():
        for row in range(3):
            coded = tower.codes(inputs.take(torch.tensor([row])))
            values = tower.bottleneck.look_up(coded.codes)[:, : coded.values.shape[1]]
            assert (values - coded.values).abs().max() < 1e-5
    assert tower.codebooks == tower.bottleneck.quantiser.groups * tower.bottleneck.quantiser.stages


def test_frames_and_samples(settings: DistilCodec, build: Build) -> None:
    tower, hop = build(settings), settings.front_end.hop_length
    for samples in (256, 256 + hop - 1, 256 + hop, 4001):
        latents, mask = tower.latents(torch.randn(1, samples).clamp(-1, 1), torch.tensor([samples]))
        coded = tower.bottleneck(latents, mask)
        assert coded.codes.shape[1] == samples // hop == int(mask.sum())
        assert tower.decode(coded.codes).shape == (1, samples // hop * hop)
    published = DistilCodec()
    assert published.front_end.frames(72_000) == 72_000 // 256 and published.front_end.seconds_per_frame == 256 / 24_000


def test_the_gradient_passes_straight_through_and_codebooks_get_none(
    settings: DistilCodec, inputs: WaveformInputs, build: Build
) -> None:
    tower = build(settings)
    quantiser = tower.bottleneck.quantiser
    latents, mask = tower.latents(inputs.padded(), inputs.lengths)
    entered = quantiser.enter[0](latents).detach().requires_grad_()
    found = quantiser.quantisers[0](entered, mask)
    found.values.retain_grad()
    quantiser.leave[0](found.values).square().sum().backward()
    assert entered.grad is not None and torch.equal(entered.grad, found.values.grad)
    assert not [name for name, _ in quantiser.named_parameters() if "codebook" in name]
    tower.zero_grad()
    tower.generator(tower.bottleneck(*tower.latents(inputs.padded(), inputs.lengths)).values).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tower.encoder.stem.parameters())


def test_padding_has_no_part_in_codes(settings: DistilCodec, inputs: WaveformInputs, build: Build) -> None:
    # Response normalisation has to be trained to matter: its factors start at zero.
    tower = build(replace(settings, downsampling=2))
    for name, parameter in tower.encoder.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.constant_(parameter, 0.5)
    with torch.no_grad():
        together, mask = tower.latents(inputs.padded(), inputs.lengths)
        codes = tower.codes(inputs)
        for row in range(len(inputs)):
            alone = inputs.take(torch.tensor([row]))
            latents, real = tower.latents(alone.padded(), alone.lengths)
            assert torch.allclose(together[row, : real.sum()], latents[0], atol=1e-5)
            assert torch.equal(codes.codes[row][codes.mask[row]], tower.codes(alone).codes[0])
    assert not together[~mask].any() and not codes.values[~mask].any()
    features = tower(inputs)
    assert torch.allclose(features.pooled[0], features.tokens[0, : mask[0].sum()].mean(0), atol=1e-6)
    assert tower(inputs.take(torch.zeros(0, dtype=torch.int64))).pooled.shape == (0, tower.width)


def test_a_zero_code_never_lets_a_residual_grow_and_groups_pass_through(
    settings: DistilCodec, inputs: WaveformInputs, build: Build
) -> None:
    tower = build(replace(settings, groups=2, stages=3, codes=8, code_width=24))
    quantiser = tower.bottleneck.quantiser
    latents, _ = tower.latents(inputs.padded(), inputs.lengths)
    part = latents.detach()[..., :24]
    for residual in quantiser.quantisers:
        rest = part
        for stage in residual.stages:
            stage.codebook[0] = 0.0
            after = rest - stage(rest).values
            assert bool((after.norm(dim=-1) <= rest.norm(dim=-1) + 1e-6).all())
            rest = after
    # Identity projections and a codebook that holds the frames: what comes out is what went in, group by group.
    frames = torch.randn(1, 8, 48)
    for group, (enter, leave, residual) in enumerate(
        zip(quantiser.enter, quantiser.leave, quantiser.quantisers, strict=True)
    ):
        for layer in (enter, leave):
            torch.nn.init.eye_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        residual.stages[0].codebook.copy_(frames[0, :, 24 * group : 24 * (group + 1)])
        for stage in list(residual.stages)[1:]:
            stage.codebook.zero_()
    found = quantiser(frames)
    assert torch.allclose(found.values, frames, atol=1e-6)
    assert torch.equal(found.codes[0, :, 0], torch.arange(8)) and torch.equal(found.codes[0, :, 3], torch.arange(8))


def test_a_branch_is_left_out_at_its_rate_and_never_in_evaluation() -> None:
    torch.manual_seed(0)
    encoder = ConvNextEncoder(8, (16,), (3,), drop_path=0.5)
    assert [block.drop_path for block in encoder.stages[0]] == [0.0, 0.25, 0.5]
    frames, mask = torch.randn(64, 9, 8), torch.ones(64, 9, dtype=torch.bool)
    block = encoder.stages[0][2]
    x = torch.randn(2000, 3, 16)
    kept = (block(x, torch.ones(2000, 3, dtype=torch.bool)) != x).flatten(1).any(1)
    assert abs(float(kept.float().mean()) - 0.5) < 0.05
    encoder.eval()
    assert torch.equal(encoder(frames, mask), encoder(frames, mask))


def test_codes_of_another_codec_are_refused(settings: DistilCodec, build: Build) -> None:
    tower = build(settings)
    with pytest.raises(ValueError, match="codes of 2 codebooks"):
        tower.decode(torch.zeros(1, 4, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="from 0 to 32 were given; this codec has 0 to 31"):
        tower.decode(torch.tensor([[[0], [32]]]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"front_end": RawWaveform()}, "reads a LogMel, not a RawWaveform"),
        ({"front_end": DistilCodecLogMel(hop_length=128)}, "makes 64 samples a frame, and the front end's hop is 128"),
        ({"groups": 5}, "5 groups do not divide"),
        ({"encoder_depths": (1,)}, "as many widths as depths"),
        ({"codes": 1}, "2 codes or more"),
    ],
)
def test_what_cannot_be_a_codec_is_refused(settings: DistilCodec, change: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        replace(settings, **change)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"channels": 24}, "cannot be halved 5 times"),
        ({"upsampling_kernels": (16, 12, 4, 4, 3)}, "do not fit the factors"),
        ({"field_kernels": (4,)}, "odd numbers"),
    ],
)
def test_what_cannot_be_a_generator_is_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        CodecGenerator(**options)
