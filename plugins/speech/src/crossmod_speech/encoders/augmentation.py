"""Changes training utterances: speed, shift and noise of waveforms, masks of features (SpecAugment)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod_speech.encoders.augmentation_settings import SpeechAugmentation
from crossmod_speech.encoders.noise import RecordedNoise, coloured_noise, mixed
from crossmod_speech.encoders.speed import at_speed
from crossmod_speech.frontends.features import SpeechFeatures

SHORTEST_SECONDS = 0.25
"""Utterances shorter than this keep their speed, so that each still gives a frame."""


class SpeechAugmenter(nn.Module):
    """Every draw comes from torch's default generator on the CPU: a seed fixes them on any device.

    Args:
        settings: What is changed, and how much.
        sample_rate: Samples a second of the waveforms.
    """

    def __init__(self, settings: SpeechAugmentation, sample_rate: int) -> None:
        super().__init__()
        self.settings, self.sample_rate = settings, sample_rate
        folder = settings.noise_folder if settings.noise_probability else ""
        self.recordings = RecordedNoise(folder, sample_rate) if folder else None

    @torch.no_grad()
    def waveforms(
        self, samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"]
    ) -> tuple[Float[Tensor, "batch longest"], Int64[Tensor, "batch"]]:
        """Utterances at other speeds, shifted, with noise; and their new lengths.

        Shape:
            samples: [batch, samples] amplitudes; zero behind each utterance.
            lengths: [batch].
        """
        settings = self.settings
        if set(settings.speeds) != {1.0}:
            samples, lengths = self._at_speeds(samples, lengths)
        if settings.shift_seconds:
            most = round(settings.shift_seconds * self.sample_rate)
            samples = shifted(samples, lengths, torch.randint(-most, most + 1, (len(samples),)))
        if settings.noise_probability:
            samples = self._with_noise(samples, lengths)
        return samples, lengths

    @torch.no_grad()
    def features(self, features: SpeechFeatures) -> SpeechFeatures:
        """Features with runs of bins and of frames replaced by the utterance's mean (SpecAugment, arXiv:1904.08779)."""
        settings, (values, mask) = self.settings, features
        lengths = mask.sum(1).cpu()
        hidden = torch.zeros(values.shape, dtype=torch.bool, device=values.device)
        bins = torch.full_like(lengths, values.shape[2])
        widest = torch.full_like(lengths, settings.frequency_mask_bins)
        for _ in range(settings.frequency_masks):
            hidden |= drawn_runs(bins, widest, values.shape[2]).to(values.device)[:, None, :]
        longest = (lengths * settings.time_mask_share).long().clamp(max=settings.time_mask_frames)
        for _ in range(settings.time_masks):
            hidden |= drawn_runs(lengths, longest, values.shape[1]).to(values.device)[:, :, None]
        real = mask[..., None]
        mean = (values * real).sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp(min=1)
        return SpeechFeatures(torch.where(hidden & real, mean, values), mask)

    def _at_speeds(
        self, samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"]
    ) -> tuple[Float[Tensor, "batch longest"], Int64[Tensor, "batch"]]:
        chosen = torch.randint(len(self.settings.speeds), (len(samples),)).to(lengths.device)
        long = lengths >= SHORTEST_SECONDS * self.sample_rate
        parts = [(torch.arange(len(samples), device=lengths.device)[~long], samples[~long], lengths[~long])]
        for number, speed in enumerate(self.settings.speeds):
            rows = ((chosen == number) & long).nonzero().squeeze(1)
            if len(rows):
                parts.append((rows, *at_speed(samples[rows], lengths[rows], speed)))
        changed = samples.new_zeros(len(samples), max(part.shape[1] for _, part, _ in parts))
        counts = torch.zeros_like(lengths)
        for rows, part, count in parts:
            changed[rows, : part.shape[1]] = part
            counts[rows] = count
        return changed[:, : int(counts.max())], counts

    def _with_noise(
        self, samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"]
    ) -> Float[Tensor, "batch samples"]:
        low, high = self.settings.noise_decibels
        noisy = torch.rand(len(samples)) < self.settings.noise_probability
        decibels = low + (high - low) * torch.rand(len(samples))
        if self.recordings is not None:
            noise = self.recordings.drawn(len(samples), samples.shape[1])
        else:
            noise = coloured_noise(len(samples), samples.shape[1], exponent=1 if self.settings.noise == "pink" else 0)
        device = samples.device
        with_noise = mixed(samples, lengths, noise.to(device), decibels.to(device))
        return torch.where(noisy.to(device)[:, None], with_noise, samples)


def shifted(
    samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"], steps: Int64[Tensor, "batch"]
) -> Float[Tensor, "batch samples"]:
    """Utterances moved so many samples to the right; what leaves an utterance's end is lost, and zeros move in.

    >>> shifted(torch.tensor([[1.0, 2.0, 3.0, 0.0]]), torch.tensor([3]), torch.tensor([1]))
    tensor([[0., 1., 2., 0.]])
    """
    place = torch.arange(samples.shape[1], device=samples.device)
    source = place - steps.to(samples.device)[:, None]
    inside = (source >= 0) & (source < lengths[:, None]) & (place < lengths[:, None])
    return samples.gather(1, source.clamp(0, max(samples.shape[1] - 1, 0))).masked_fill(~inside, 0.0)


def drawn_runs(extents: Int64[Tensor, "batch"], longest: Int64[Tensor, "batch"], size: int) -> Bool[Tensor, "batch at"]:
    """One run a sample, of 0 to `longest` places, anywhere inside the sample's extent.

    Shape:
        returns: [batch, size].
    """
    width = (torch.rand(len(extents)) * (torch.minimum(longest, extents) + 1)).long()
    start = (torch.rand(len(extents)) * (extents - width + 1)).long()
    place = torch.arange(size)
    return (place >= start[:, None]) & (place < (start + width)[:, None])
