"""Hugging Face speech encoders: small ones of every kind, made and saved here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from crossmod.errors import UserError
from crossmod_speech.encoders.augmentation_settings import SpeechAugmentation
from crossmod_speech.encoders.pretrained_settings import HuggingFaceSpeech
from crossmod_speech.encoders.pretrained_tower import PretrainedSpeechTower
from crossmod_speech.encoders.pretrained_weights import convolved_length
from crossmod_speech.frontends.settings import RawWaveform, WhisperLogMel
from crossmod_speech.waveforms import WaveformInputs

transformers = pytest.importorskip("transformers")

SIZES: dict[str, Any] = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
STACK: dict[str, Any] = {
    **{"conv_dim": (8, 8, 8), "conv_kernel": (10, 3, 2), "conv_stride": (5, 4, 4), "vocab_size": 10},
    **{"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "layerdrop": 0.5, "mask_time_prob": 0.5},
}
KINDS = ("wav2vec2", "wav2vec2 with layer norm", "hubert", "wavlm", "unispeech", "whisper")


def _saved(kind: str, folder: Path) -> Path:
    """A folder of that kind with random weights."""
    torch.manual_seed(1)
    name = kind.split(" ", maxsplit=1)[0]
    if name == "whisper":
        config = transformers.WhisperConfig(
            d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32, decoder_layers=1,
            decoder_attention_heads=2, decoder_ffn_dim=32, num_mel_bins=12, max_source_positions=100, vocab_size=20,
            max_target_positions=8, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
            encoder_layerdrop=0.5,
        )  # fmt: skip
        model = transformers.WhisperForConditionalGeneration(config)
        extractor = transformers.WhisperFeatureExtractor(feature_size=12, chunk_length=2)
    else:
        stable = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
        options = {**SIZES, **STACK, **(stable if "layer norm" in kind else {})}
        config = transformers.CONFIG_MAPPING[name](**options)
        model = transformers.AutoModel.from_config(config)
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize="layer norm" in kind)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: _saved(kind, tmp_path_factory.mktemp("encoder")) for kind in KINDS}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settings(folder: Path, **options: Any) -> HuggingFaceSpeech:
    return HuggingFaceSpeech(folder=str(folder), **{"longest_seconds": 2.0, **options})


def build(folder: Path, **options: Any) -> PretrainedSpeechTower:
    chosen = settings(folder, **options)
    tower = chosen.build(chosen.fit_processor(()))
    assert isinstance(tower, PretrainedSpeechTower)
    return tower


def test_it_gives_what_transformers_gives(kind: str, folders: dict[str, Path], utterances: WaveformInputs) -> None:
    # transformers' own path for one utterance: its feature extractor, then its model, without any padding of ours.
    folder = folders[kind]
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tower = build(folder, layers="last").eval()
    ours = tower(utterances)
    for row in range(len(utterances)):
        samples = utterances.take(torch.tensor([row])).padded()[0].numpy()
        if len(samples) < 160 + 1 and kind != "whisper":
            continue  # transformers refuses what is less than a frame
        prepared = extractor(samples, sampling_rate=16000, return_tensors="pt")
        with torch.no_grad():
            if kind == "whisper":
                expected = model.encoder(prepared.input_features).last_hidden_state[0]
            else:
                expected = model(prepared.input_values).last_hidden_state[0]
        mask = ours.mask[row]
        real = int(mask.sum())
        assert real == (-(-(len(samples) // 160) // 2) if kind == "whisper" else len(expected))
        assert_close(ours.tokens[row, :real], expected[:real], atol=2e-4, rtol=1e-3)
        assert_close(ours.pooled[row], expected[:real].mean(0), atol=2e-4, rtol=1e-3)


def test_an_utterance_alone_is_the_utterance_in_a_batch(
    kind: str, folders: dict[str, Path], utterances: WaveformInputs
) -> None:
    tower = build(folders[kind], pooling="attention").eval()
    together = tower(utterances)
    for row in range(len(utterances)):
        alone = tower(utterances.take(torch.tensor([row])))
        assert_close(alone.pooled[0], together.pooled[row], atol=1e-5, rtol=1e-4)
        real = together.mask[row]
        assert_close(alone.tokens[0][alone.mask[0]], together.tokens[row][real], atol=2e-5, rtol=1e-4)


def test_every_trainable_parameter_learns(kind: str, folders: dict[str, Path], utterances: WaveformInputs) -> None:
    tower = build(folders[kind]).train()
    pooled = tower(utterances).pooled
    (pooled * torch.randn_like(pooled)).sum().backward()
    trained = {name: parameter for name, parameter in tower.named_parameters() if parameter.requires_grad}
    idle = [name for name, parameter in trained.items() if parameter.grad is None or not parameter.grad.any()]
    # A key's bias adds the same to all logits of a query; rounding alone would make its gradient other than zero.
    assert [name for name in idle if not name.endswith("k_proj.bias")] == []


def test_a_frozen_encoder_stays_as_it_is_and_its_shares_learn(
    kind: str, folders: dict[str, Path], utterances: WaveformInputs
) -> None:
    tower = build(folders[kind], frozen=True).train()
    assert not tower.encoder.training and tower.training
    first, second = tower(utterances).pooled, tower(utterances).pooled
    assert torch.equal(first, second), "dropout is on"
    (first * torch.randn_like(first)).sum().backward()
    assert all(parameter.grad is None for parameter in tower.encoder.parameters())
    assert tower.shares is not None and bool(tower.shares.grad.any())


def test_weighted_layers_are_a_mean_that_one_share_can_win(
    kind: str, folders: dict[str, Path], utterances: WaveformInputs
) -> None:
    weighted, last = build(folders[kind]).eval(), build(folders[kind], layers="last").eval()
    assert weighted.shares is not None and len(weighted.shares) == 3
    assert not torch.allclose(weighted(utterances).pooled, last(utterances).pooled, atol=1e-3)
    with torch.no_grad():
        weighted.shares[-1] = 40.0
        top = weighted(utterances).tokens
    expected = last(utterances).tokens
    assert_close(top, expected, atol=1e-5, rtol=1e-4)


def test_training_draws_from_torchs_generator_alone(
    kind: str, folders: dict[str, Path], utterances: WaveformInputs
) -> None:
    tower = build(folders[kind]).train()
    drawn = []
    for seed in range(2):
        np.random.seed(seed)  # noqa: NPY002 - the generator that transformers draws its masks from
        torch.manual_seed(7)
        drawn.append(tower(utterances).pooled)
    assert torch.equal(*drawn)


def test_no_utterance_and_half_precision(kind: str, folders: dict[str, Path], utterances: WaveformInputs) -> None:
    tower = build(folders[kind])
    assert tower(utterances.take(torch.empty(0, dtype=torch.int64))).pooled.shape == (0, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = tower(utterances).pooled.float().square().mean()
    loss.backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in tower.parameters() if p.grad is not None)


def test_a_model_folder_restores_it_without_the_encoders_folder(
    kind: str, folders: dict[str, Path], utterances: WaveformInputs
) -> None:
    tower = build(folders[kind]).eval()
    spec = json.loads(json.dumps(tower.processor.spec))
    gone = settings(Path("/absent"))
    processor = gone.load_processor(spec, tower.processor.files())
    other = gone.build(processor).eval()
    other.load_state_dict(tower.state_dict(), strict=True)
    assert torch.equal(other(utterances).pooled, tower(utterances).pooled)
    with pytest.raises(UserError, match="is not the file"):
        gone.load_processor(spec, {**tower.processor.files(), "config.json": b"{}"})
    with pytest.raises(UserError, match="longest_seconds"):
        replace(gone, longest_seconds=1.0).load_processor(spec, tower.processor.files())


def test_the_front_end_is_the_folders(folders: dict[str, Path]) -> None:
    front_ends = {kind: settings(folder).fit_processor(()).front_end for kind, folder in folders.items()}
    assert front_ends["hubert"] == RawWaveform() and front_ends["wav2vec2 with layer norm"] == RawWaveform(
        normalised=True
    )
    assert front_ends["whisper"] == WhisperLogMel(bins=12, whole_seconds=2.0)


def _changed(folder: Path, target: Path, name: str, **entries: Any) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    content = json.loads((folder / name).read_bytes())
    (target / name).write_text(json.dumps({**content, **entries}))
    return target


@pytest.mark.parametrize(
    ("kind", "name", "entries", "sentence"),
    [
        ("whisper", "config.json", {"num_mel_bins": 80}, "are not of one model"),
        (
            "whisper",
            "preprocessor_config.json",
            {"chunk_length": 30},
            "200 frames of 12 bins and its features are 3000",
        ),
        ("hubert", "config.json", {"model_type": "bert"}, "a model of type 'bert' is no speech encoder"),
        ("hubert", "config.json", {"add_adapter": True}, "has an adapter"),
        (
            "hubert",
            "preprocessor_config.json",
            {"feature_extractor_type": "WhisperFeatureExtractor"},
            "this hubert are made by WhisperFeatureExtractor",
        ),
    ],
)
def test_folders_that_contradict_themselves_are_refused(
    kind: str, name: str, entries: dict[str, Any], sentence: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = _changed(folders[kind], tmp_path / "changed", name, **entries)
    with pytest.raises(UserError) as refused:
        settings(folder).fit_processor(())
    assert sentence in str(refused.value)


def test_what_is_no_encoders_folder_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no config.json"):
        settings(tmp_path).fit_processor(())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds no preprocessor_config.json"):
        settings(tmp_path).fit_processor(())
    (tmp_path / "preprocessor_config.json").write_text("no json")
    with pytest.raises(UserError, match="is no speech encoder|is no JSON"):
        settings(tmp_path).fit_processor(())
    with pytest.raises(UserError, match="hears 2 s"):
        settings(folders["whisper"], longest_seconds=3.0).fit_processor(())
    with pytest.raises(UserError, match="no spectrogram to mask"):
        settings(folders["hubert"], augmentation=SpeechAugmentation()).fit_processor(())


def test_weights_are_safetensors_or_nothing(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = _changed(folders["hubert"], tmp_path / "pickled", "config.json")
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.ones(1)}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors only"):
        build(folder)


def test_newer_folders_name_their_features_elsewhere(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = _changed(folders["whisper"], tmp_path / "newer", "config.json")
    features = json.loads((folder / "preprocessor_config.json").read_bytes())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": features}))
    assert settings(folder).fit_processor(()).front_end == WhisperLogMel(bins=12, whole_seconds=2.0)


@pytest.mark.parametrize("samples", [160, 161, 399, 400, 401, 16000, 16001])
def test_frames_are_counted_as_the_convolutions_give_them(samples: int) -> None:
    kernels, strides = (10, 3, 2), (5, 4, 4)
    values = torch.zeros(1, 1, samples)
    for kernel, stride in zip(kernels, strides, strict=True):
        values = torch.nn.functional.conv1d(values, torch.zeros(1, 1, kernel), stride=stride)
    assert int(convolved_length(torch.tensor(samples), kernels, strides)) == values.shape[2]


def test_whisper_hears_changed_spectrograms_in_training_alone(
    folders: dict[str, Path], utterances: WaveformInputs
) -> None:
    augmentation = SpeechAugmentation(frequency_mask_bins=3)
    tower = build(folders["whisper"], augmentation=augmentation, frozen=True)
    plain = build(folders["whisper"], frozen=True).eval()
    assert not torch.allclose(tower.train()(utterances).pooled, plain(utterances).pooled, atol=1e-4)
    assert torch.equal(tower.eval()(utterances).pooled, plain(utterances).pooled)
