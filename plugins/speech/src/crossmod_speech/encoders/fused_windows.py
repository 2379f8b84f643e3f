"""Long recordings as one window: the whole of them, squeezed, fused with three windows of their own (CLAP's fusion)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tower
from crossmod.ragged import offsets_of
from crossmod_speech.encoders.frame_encoder import FrameEncoderTower
from crossmod_speech.encoders.windows import Fill, filled, thirds
from crossmod_speech.frontends.features import SpeechFeatures
from crossmod_speech.waveforms import WaveformInputs

LOCAL_WINDOWS = 3


class AttentionalFusion(nn.Module):
    """2 w x + 2 (1 - w) y, with w = sigmoid(local(x + y) + global(mean(x + y))) (AFF, arXiv:2009.14082).

    Its batch norms are layer norms here, so that no recording depends on the others of a batch.

    Args:
        width: Width of the tokens.
        reduction: The perceptrons' hidden layers are so many times narrower (4 in the paper).
    """

    def __init__(self, width: int, reduction: int = 4) -> None:
        super().__init__()
        self.local, self.overall = _bottleneck(width, reduction), _bottleneck(width, reduction)

    def forward(
        self, x: Float[Tensor, "batch length width"], y: Float[Tensor, "batch length width"]
    ) -> Float[Tensor, "batch length width"]:
        """Fuse token by token."""
        both = x + y
        share = (self.local(both) + self.overall(both.mean(1, keepdim=True))).sigmoid()
        fused: Tensor = 2 * (share * x + (1 - share) * y)
        return fused


class FusedSpeechTower(Tower):
    """Recordings longer than the window, squeezed into it and fused with windows of their front, middle and back.

    LAION-CLAP's fusion (arXiv:2211.06687) on the tokens of any encoder of frames. The windows are drawn in training,
    and otherwise lie in the middle of their thirds. Where no recording of a training batch is longer, one at random
    counts as if it were, so that the fusion always has a gradient; encoding in chunks draws one a chunk.

    Args:
        processor: What makes the whole recordings.
        tower: Gives front end, subsampling and encoder.
        window_samples: Samples of a window.
        window_frames: Frames of a window.
        fill: What stands behind recordings that are shorter.
    """

    def __init__(
        self, processor: Processor, tower: FrameEncoderTower, *, window_samples: int, window_frames: int, fill: Fill
    ) -> None:
        super().__init__()
        self.processor, self.width, self.tower = processor, tower.width, tower
        self.window_samples, self.window_frames, self.fill = window_samples, window_frames, fill
        # Three windows behind each other become as long as one.
        self.narrowing = nn.Conv1d(self.width, self.width, LOCAL_WINDOWS, LOCAL_WINDOWS)
        self.fusion = AttentionalFusion(self.width)

    def forward(self, inputs: WaveformInputs, /) -> Features:
        """Encode recordings."""
        if not len(inputs):
            return self.tower(inputs)  # type: ignore[no-any-return]
        features = self.tower.hearing(self._filled(inputs))
        frames = features.mask.sum(1).tolist()
        longer = [count > self.window_frames for count in frames]
        if self.training and not any(longer):
            longer[int(torch.randint(len(longer), ()))] = True
        tokens, mask = self.tower.subsampling(self._squeezed(features, frames))
        rows = torch.tensor(longer, device=tokens.device).nonzero().squeeze(1)
        if len(rows):
            local = self._local_tokens(features, [(row, frames[row]) for row in rows.tolist()], tokens.shape[1])
            tokens = tokens.index_copy(0, rows, self.fusion(tokens[rows], local.to(tokens.dtype)).to(tokens.dtype))
            tokens = tokens.masked_fill(~mask[..., None], 0.0)
        return self.tower.encode(tokens, mask)

    def _filled(self, inputs: WaveformInputs) -> WaveformInputs:
        pieces = torch.split(inputs.samples, inputs.lengths.tolist())
        parts = [filled(piece, self.window_samples, self.fill) for piece in pieces]
        lengths = torch.tensor([len(part) for part in parts], dtype=torch.int64, device=inputs.offsets.device)
        return WaveformInputs(torch.cat(parts), offsets_of(lengths), inputs.sample_rate)

    def _squeezed(self, features: SpeechFeatures, frames: list[int]) -> SpeechFeatures:
        """Every recording in one window: shorter ones as they are, longer ones interpolated along time."""
        window = self.window_frames
        values = [
            functional.interpolate(row[None, :count].mT, window, mode="linear").mT[0]
            if count > window
            else functional.pad(row[:count], (0, 0, 0, window - count))
            for row, count in zip(features.values, frames, strict=True)
        ]
        counts = torch.tensor(frames, device=features.mask.device).clamp(max=window)
        mask: Bool[Tensor, "batch window"] = torch.arange(window, device=counts.device) < counts[:, None]
        return SpeechFeatures(torch.stack(values), mask)

    def _local_tokens(
        self, features: SpeechFeatures, rows: list[tuple[int, int]], length: int
    ) -> Float[Tensor, "chosen length width"]:
        """Tokens of three windows of each of the chosen recordings, narrowed to the length of one."""
        window, parts = self.window_frames, []
        for row, count in rows:
            whole = functional.pad(features.values[row, :count], (0, 0, 0, max(0, window - count)))
            for first, last in thirds(max(0, count - window)):
                start = int(torch.randint(first, last + 1, ())) if self.training else (first + last) // 2
                parts.append(whole[start : start + window])
        every = torch.stack(parts)
        tokens, _ = self.tower.subsampling(SpeechFeatures(every, every.new_ones(every.shape[:2], dtype=torch.bool)))
        behind_each_other = tokens.view(len(rows), LOCAL_WINDOWS * length, self.width)
        narrowed: Tensor = self.narrowing(behind_each_other.mT).mT
        return narrowed


def _bottleneck(width: int, reduction: int) -> nn.Sequential:
    hidden = max(1, width // reduction)
    return nn.Sequential(
        nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, width), nn.LayerNorm(width)
    )
