"""Makes the speech tower of its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmod.objectives.local.gumbel_quantiser import GumbelQuantiser
from crossmod_speech.frontends.settings import RawWaveform
from crossmod_speech.speecht5.convolutions import ConvolutionStack
from crossmod_speech.speecht5.decoder import SharedDecoder
from crossmod_speech.speecht5.encoder import SharedEncoder
from crossmod_speech.speecht5.filter_bank_stack import FilterBankStack
from crossmod_speech.speecht5.frame_nets import FramePostNet, FramePreNet
from crossmod_speech.speecht5.processor import SpeechT5Processor
from crossmod_speech.speecht5.tower import SpeechEncoderPreNet, SpeechT5Tower

if TYPE_CHECKING:
    from crossmod_speech.speecht5.settings import SpeechT5


def _convolutions(settings: SpeechT5) -> ConvolutionStack | FilterBankStack:
    if isinstance(settings.front_end, RawWaveform):
        return ConvolutionStack(settings.channels, settings.shape)
    return FilterBankStack(settings.front_end.bins, settings.channels)


def build_tower(settings: SpeechT5, processor: SpeechT5Processor) -> SpeechT5Tower:
    """The tower, freshly initialised."""
    bins, width = settings.spectrogram.bins, settings.width
    shared = {"expansion": settings.expansion, "dropout": settings.dropout}
    return SpeechT5Tower(
        processor,
        SpeechEncoderPreNet(
            _convolutions(settings),
            width,
            kernel=settings.positions_kernel,
            groups=settings.positions_groups,
            dropout=settings.dropout,
        ),
        SharedEncoder(
            width,
            settings.heads,
            settings.encoder_depth,
            norm=settings.norm,
            layer_drop=settings.layer_drop,
            **shared,
        ),
        SharedDecoder(width, settings.heads, settings.decoder_depth, norm=settings.norm, **shared),
        GumbelQuantiser(width, settings.codes, settings.groups),
        FramePreNet(bins, width, 2 * bins, hidden=settings.frame_hidden, dropout=settings.frame_dropout),
        FramePostNet(width, bins, settings.reduction, channels=settings.post_channels),
        width=width,
        standardised=settings.standardised,
    )
