"""Log-mel features of minibatches, on any device."""

from __future__ import annotations

from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod_speech.frontends.features import FrontEndModule, SpeechFeatures
from crossmod_speech.frontends.framing import extended, touched_frames
from crossmod_speech.frontends.lengths import first_places, own_lengths
from crossmod_speech.frontends.normalisation import normalised
from crossmod_speech.frontends.settings import LogMel
from crossmod_speech.frontends.spectra import BandLogs


@final
class LogMelModule(FrontEndModule):
    """The features that `settings` describe; it has no state, as its constants follow from the settings.

    On a processor utterances are computed one by one: a whole minibatch of spectra would leave its cache, and nothing
    is computed for padding. On accelerators they are computed together.

    Args:
        settings: Every switch.
        together: Compute the utterances of a minibatch together; None does what is faster on the device.
    """

    def __init__(self, settings: LogMel, *, together: bool | None = None) -> None:
        super().__init__()
        self.settings = settings
        self._together = together
        # Constants are no buffers: a module that is cast to half precision would cast them too.
        self._on: dict[torch.device, BandLogs] = {}
        self._band_logs(torch.device("cpu"))  # bands that cannot be are said when the module is made

    def __getstate__(self) -> dict[str, Any]:
        """Without the constants, which copies make again where they are."""
        return {**self.__dict__, "_on": {}}

    @torch.no_grad()
    def forward(self, samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"], /) -> SpeechFeatures:
        """Features of padded waveforms in float32, zero behind the frames of an utterance.

        Shape:
            samples: [batch, samples] amplitudes from -1 to 1; whatever stands behind an utterance is not looked at.
            lengths: [batch] samples of every utterance.

        Raises:
            ValueError: A length is below 0 or above what is there.
        """
        counts = own_lengths(samples, lengths)
        frames = self._own_frames(counts)
        most = self.settings.frames(samples.shape[1])
        return SpeechFeatures(self._features(samples, counts, frames, most), first_places(frames, most, samples.device))

    @torch.no_grad()
    def whole(self, samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"]) -> SpeechFeatures:
        """Features of `whole_seconds`: behind an utterance stand those of silence; the mask is still its own frames.

        Shape:
            samples: [batch, samples], as in `forward`.
            lengths: [batch].

        Raises:
            ValueError: The settings have no `whole_seconds`, or a length is impossible.
        """
        most = self.settings.whole_frames
        if not most:
            raise ValueError("whole_seconds is 0: no silence stands behind utterances; set it, or call the module.")
        counts = own_lengths(samples, lengths)
        values = self._features(samples, counts, [most] * len(counts), most)
        return SpeechFeatures(values, first_places(self._own_frames(counts), most, samples.device))

    def _own_frames(self, counts: list[int]) -> list[int]:
        return [self.settings.frames(count) for count in counts]

    def _features(
        self, samples: Float[Tensor, "batch samples"], counts: list[int], frames: list[int], most: int
    ) -> Float[Tensor, "batch frames bins"]:
        """The first `frames` frames of every utterance, and zeros up to the frame `most`."""
        samples = samples.detach().float()
        together = samples.device.type != "cpu" if self._together is None else self._together
        if together and counts:
            behind = ~first_places(frames, most, samples.device)
            return self._of_rows(samples, counts, most).masked_fill_(behind[..., None], 0.0)
        if len(counts) == 1 and frames == [most]:
            return self._of_rows(samples, counts, most)
        values = samples.new_zeros(len(counts), most, self.settings.bins)
        for row, (count, wanted) in enumerate(zip(counts, frames, strict=True)):
            values[row, :wanted] = self._of_rows(samples[row : row + 1, :count], [count], wanted)[0]
        return values

    def _of_rows(
        self, samples: Float[Tensor, "batch samples"], counts: list[int], frames: int
    ) -> Float[Tensor, "batch frames bins"]:
        """Normalised features of so many frames; behind an utterance those of silence."""
        settings, device = self.settings, samples.device
        touched = [touched_frames(settings, count) for count in counts]
        most = max([frames, *touched])
        logs = self._logs(samples, counts, max(touched, default=0))
        if touched != [most] * len(touched):
            silence = self._band_logs(device).silence
            spoken, logs = logs, silence.repeat(len(counts), most, 1)
            of_speech = first_places(touched, spoken.shape[1], device)
            logs[:, : spoken.shape[1]] = torch.where(of_speech[..., None], spoken, silence)
        if settings.after == "none":
            return logs[:, :frames]
        # Whisper's greatest value is one of the whole recording; means are those of the utterance's own frames.
        counted = touched if settings.after == "whisper" else self._own_frames(counts)
        return normalised(logs, first_places(counted, most, device), settings)[:, :frames]

    def _logs(
        self, samples: Float[Tensor, "batch samples"], counts: list[int], frames: int
    ) -> Float[Tensor, "batch frames bins"]:
        """Log energies of so many frames; of any value behind those that an utterance touches."""
        settings = self.settings
        if settings.whole_seconds:
            counts = [min(count, settings.whole_samples) for count in counts]
            samples = samples[:, : settings.whole_samples]
        if not frames:
            return samples.new_empty(len(counts), 0, settings.bins)
        signal = extended(samples, counts, settings)
        stride = signal.shape[1] // settings.hop_length
        logs = self._band_logs(signal.device)(signal.view(-1), (len(counts) - 1) * stride + frames)
        if len(counts) == 1:
            return logs[None]
        behind = logs.new_zeros(stride - frames, settings.bins)
        return torch.cat((logs, behind)).view(len(counts), stride, -1)[:, :frames]

    def _band_logs(self, device: torch.device) -> BandLogs:
        if device not in self._on:
            self._on[device] = BandLogs(self.settings, device)
        return self._on[device]
