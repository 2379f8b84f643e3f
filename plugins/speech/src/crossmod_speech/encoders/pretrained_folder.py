"""What a Hugging Face folder of a speech encoder says of its input (torch-free, and without transformers)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossmod.errors import UserError
from crossmod.text.huggingface_folder import CONFIG
from crossmod_speech.frontends.contract import FrontEnd
from crossmod_speech.frontends.settings import RawWaveform, WhisperLogMel

PREPROCESSOR = "preprocessor_config.json"

PROCESSOR = "processor_config.json"
"""Where newer folders hold what `preprocessor_config.json` said, under "feature_extractor"."""

WAVEFORM_TYPES = ("hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm")
"""Encoders that read waveforms by a stack of convolutions, and then see whole utterances."""

SPECTRUM_TYPES = ("whisper",)
"""Encoders that read log-mel spectrograms of one length."""


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a folder that a processor carries, by name: the configuration, and that of the features.

    Raises:
        UserError: The folder lacks one of them.
    """
    if not (folder / CONFIG).is_file():
        raise UserError(
            f"{folder} holds no {CONFIG}; give the folder of a downloaded Hugging Face speech encoder, not its parent."
        )
    for name in (PREPROCESSOR, PROCESSOR):
        if (folder / name).is_file():
            return {CONFIG: (folder / CONFIG).read_bytes(), name: (folder / name).read_bytes()}
    raise UserError(
        f"{folder} holds no {PREPROCESSOR}, which says what the encoder hears; download it with the weights."
    )


def front_end_of(files: Mapping[str, bytes]) -> FrontEnd:
    """The front end that a folder's files describe.

    Raises:
        UserError: The encoder is of another kind, or its configuration and that of its features contradict each other.
    """
    config = _read(files, CONFIG)
    kind = config.get("model_type")
    features = _read(files, PREPROCESSOR) if PREPROCESSOR in files else _read(files, PROCESSOR)["feature_extractor"]
    extractor = features.get("feature_extractor_type", "")
    if kind in WAVEFORM_TYPES:
        _require(kind, extractor, "Wav2Vec2FeatureExtractor")
        if config.get("add_adapter"):
            raise UserError(
                f"this {kind} has an adapter behind its encoder, which shortens it once more; take one without."
            )
        return RawWaveform(
            sample_rate=int(features.get("sampling_rate", 16000)), normalised=bool(features.get("do_normalize", True))
        )
    if kind in SPECTRUM_TYPES:
        _require(kind, extractor, "WhisperFeatureExtractor")
        return _whisper(config, features)
    known = ", ".join((*WAVEFORM_TYPES, *SPECTRUM_TYPES))
    raise UserError(f"a model of type {kind!r} is no speech encoder that crossmod reads; take one of {known}.")


def _whisper(config: Mapping[str, Any], features: Mapping[str, Any]) -> WhisperLogMel:
    bins, seconds = int(features.get("feature_size", 80)), float(features.get("chunk_length", 30))
    front_end = WhisperLogMel(
        sample_rate=int(features.get("sampling_rate", 16000)),
        bins=bins,
        n_fft=int(features.get("n_fft", 400)),
        window_length=int(features.get("n_fft", 400)),
        hop_length=int(features.get("hop_length", 160)),
        whole_seconds=seconds,
    )
    wanted = int(config.get("num_mel_bins", 80)), 2 * int(config.get("max_source_positions", 1500))
    if wanted != (bins, front_end.whole_frames):
        raise UserError(
            f"the encoder reads {wanted[1]} frames of {wanted[0]} bins and its features are {front_end.whole_frames} "
            f"frames of {bins}; {CONFIG} and {PREPROCESSOR} are not of one model."
        )
    return front_end


def _require(kind: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise UserError(
            f"the features of this {kind} are made by {found or 'nothing that is named'}, where {wanted} was expected; "
            f"take the {PREPROCESSOR} that was published with the weights."
        )


def _read(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        content = json.loads(files[name])
    except ValueError:
        raise UserError(f"{name} of the speech encoder's folder is no JSON; download it again.") from None
    if not isinstance(content, dict):
        raise UserError(f"{name} of the speech encoder's folder holds no settings; download it again.")
    return content
