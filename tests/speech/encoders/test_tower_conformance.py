"""Every tower of speech keeps the promises that a domain's towers make, whichever of them its default recipe has."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from crossmod.contracts.batch import Inputs
from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Tower
from crossmod.recipe import TowerSettings
from crossmod.testing.conformance import TowerConformance
from crossmod.testing.conformance.towers import MakeTower
from crossmod.text.settings import TextTransformer
from crossmod_speech.encoders.augmentation_settings import SpeechAugmentation
from crossmod_speech.encoders.keyword_settings import CascadedSpeech, ParallelSpeech, read_keywords
from crossmod_speech.encoders.settings import SpeechConformer, SpeechTransformer
from crossmod_speech.encoders.windowed_settings import FusedSpeech, WindowedSpeech
from crossmod_speech.waveforms import WaveformInputs

SMALL: dict[str, Any] = {"width": 32, "heads": 2, "depth": 1}
TRANSFORMER = SpeechTransformer(**SMALL)

TOWERS: dict[str, TowerSettings] = {
    "transformer": TRANSFORMER,
    "augmented transformer": SpeechTransformer(**SMALL, augmentation=SpeechAugmentation()),
    "transformer with learned distances": SpeechTransformer(**SMALL, positions="relative", pooling="attention"),
    "conformer": SpeechConformer(**SMALL, pooling="cls"),
    "conformer with batch norm": SpeechConformer(**SMALL, convolution_norm="batch"),
    "windows": WindowedSpeech(tower=TRANSFORMER, window_seconds=0.3),
    "fused windows": FusedSpeech(tower=TRANSFORMER, window_seconds=0.3),
    "parallel branch": ParallelSpeech(tower=TRANSFORMER, heads=4),
    "cascaded branch": CascadedSpeech(tower=TRANSFORMER, keywords=3),
}


class TestTowers(TowerConformance):
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "modality" in metafunc.fixturenames:
            metafunc.parametrize("modality", TOWERS)

    @pytest.fixture(scope="class")
    @classmethod
    def processors(cls) -> dict[str, Processor]:
        return {name: settings.fit_processor(()) for name, settings in TOWERS.items()}

    @pytest.fixture
    def make(self, modality: str, processors: dict[str, Processor]) -> MakeTower:
        text = TextTransformer(vocabulary=280, width=16, heads=2, depth=1, length=16)

        def make(seed: int = 0) -> Tower:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(9)
                reader = text.build(text.fit_processor(["some words", "of a text"])).requires_grad_(False).eval()
                torch.manual_seed(seed)
                towers = {"speech": TOWERS[modality].build(processors[modality]), "text": reader}
                return read_keywords(towers)["speech"].eval()

        return make

    @pytest.fixture
    def inputs(self, utterances: WaveformInputs) -> Inputs:
        # The shortest of them holds no frame of 25 ms.
        return utterances.take(torch.arange(1, 5))
