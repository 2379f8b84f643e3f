"""Settings of towers that start from a Hugging Face speech encoder (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod_speech.encoders.augmentation_settings import SpeechAugmentation

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod_speech.encoders.pretrained_processor import PretrainedSpeechProcessor


@dataclass(frozen=True, kw_only=True)
class HuggingFaceSpeech(TowerSettings):
    """A speech encoder from a Hugging Face folder on this disk; takes `pip install "crossmod[huggingface]"`.

    Whisper's encoder, or wav2vec2, HuBERT, WavLM, UniSpeech. Nothing is downloaded, only safetensors are read, and no
    code of the folder is run. What it hears is what the folder's preprocessor_config.json says. Layers are not skipped
    in training, and transformers' own masking is off: `augmentation` masks spectrograms.

    Args:
        folder: The folder: config.json, preprocessor_config.json and model.safetensors.
        longest_seconds: Longer recordings are cut there, and counted; at most Whisper's window.
        layers: The "last" layer's states, or the sum of all layers' with learned "weighted" shares (SUPERB,
            arXiv:2105.01051: best for what the top layers have forgotten; SpeechCLIP).
        pooling: "mean" of the frames, or "attention" of a learned query.
        frozen: Keep the encoder as it is and train the rest. (SpeechCLIP freezes it, CWCL trains it.)
        augmentation: What is done to utterances in training; null leaves them as they are.
    """

    folder: str
    longest_seconds: float = 15.0
    layers: Literal["last", "weighted"] = "weighted"
    pooling: Literal["mean", "attention"] = "mean"
    frozen: bool = False
    augmentation: SpeechAugmentation | None = None

    def __post_init__(self) -> None:
        if not 0 < self.longest_seconds <= 3600:
            raise UserError(f"longest_seconds is {self.longest_seconds}; take more than 0 and at most 3600.")

    def fit_processor(self, items: Sequence[Any]) -> PretrainedSpeechProcessor:
        """Read what the folder says of its input; nothing is learned from the items."""
        from crossmod_speech.encoders.pretrained_processor import PretrainedSpeechProcessor

        return self._fitting(PretrainedSpeechProcessor.from_folder(self.folder, self.longest_seconds))

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> PretrainedSpeechProcessor:
        """Restore the processor of a model folder.

        Raises:
            UserError: A file is missing or was changed, or the checkpoint's encoder hears something else.
        """
        from crossmod_speech.encoders.pretrained_processor import PretrainedSpeechProcessor

        return self._fitting(PretrainedSpeechProcessor.load(spec, files, self.longest_seconds))

    def build(self, processor: Any) -> Tower:
        """Make the tower with the folder's weights.

        A processor that a model folder brought knows the architecture; where the Hugging Face folder is gone or holds
        another model by now, the weights are drawn at random, for the model folder's own to replace.
        """
        from crossmod.text.huggingface_folder import CONFIG
        from crossmod_speech.encoders.pretrained_tower import PretrainedSpeechTower
        from crossmod_speech.encoders.pretrained_weights import pretrained_encoder, untrained_encoder

        if processor.restored and not processor.belongs_to(self.folder):
            encoder = untrained_encoder(processor.files()[CONFIG])
        else:
            encoder = pretrained_encoder(self.folder)
        rate, augmentation = processor.front_end.sample_rate, self.augmentation
        return PretrainedSpeechTower(
            processor,
            encoder,
            layers=self.layers,
            pooling=self.pooling,
            frozen=self.frozen,
            augmentation=None if augmentation is None else augmentation.build(rate),
        )

    def _fitting(self, processor: PretrainedSpeechProcessor) -> PretrainedSpeechProcessor:
        front_end = processor.front_end
        if self.augmentation is not None:
            self.augmentation.require_fit(front_end)
        whole = float(getattr(front_end, "whole_seconds", 0.0))
        if whole and self.longest_seconds > whole:
            raise UserError(
                f"longest_seconds is {self.longest_seconds:g} and the encoder in {self.folder} hears {whole:g} s; take "
                "no more, or slide over longer recordings with WindowedSpeech."
            )
        return processor
