"""Voices: of all languages, split within each, no timbre in two splits, and all of them can be spoken."""

from __future__ import annotations

import numpy as np
import pytest

from crossmod_speech.synthesis.engine import Synthesiser
from crossmod_speech.synthesis.voices import ACCENTS, FEMALE, MALE, UNSTATED, draw_voices

FAMILIES = (*FEMALE, *MALE, *UNSTATED)


@pytest.mark.parametrize(("count", "share"), [(5, 0.0), (16, 0.25), (60, 0.2), (200, 0.4)])
@pytest.mark.parametrize("seed", [0, 7])
def test_no_family_of_variants_stands_in_two_splits(count: int, share: float, seed: int) -> None:
    voices = draw_voices(count, share, seed)
    family = {variant: number for number, several in enumerate(FAMILIES) for variant in several}
    pairs = {(family[voice.variant], voice.split) for voice in voices}
    assert len(pairs) == len({number for number, _ in pairs})
    assert len(voices) == count == len({voice.name for voice in voices})
    assert {voice.split for voice in voices if voice.language == "en"} == {"train", "validation", "test"}
    assert sum(voice.language != "en" for voice in voices) == round(count * share)


def test_equal_seeds_give_equal_voices_and_others_do_not() -> None:
    assert draw_voices(20, 0.2, 3) == draw_voices(20, 0.2, 3)
    assert draw_voices(20, 0.2, 3) != draw_voices(20, 0.2, 4)


def test_no_variant_is_listed_twice() -> None:
    variants = [variant for several in FAMILIES for variant in several]
    assert len(variants) == len(set(variants))


def test_the_engine_has_every_variant_and_accent_and_they_differ() -> None:
    heard = {}
    with Synthesiser() as engine:
        for several in FAMILIES:
            for variant in several:
                heard[variant] = engine.say("yes", voice=f"en-us+{variant}")
        for accents in ACCENTS.values():
            for accent in accents:
                assert len(engine.say("radio", voice=f"{accent}+m3"))
    assert len({samples.tobytes() for samples in heard.values()}) == len(heard)
    assert all(np.abs(samples.astype(int)).max() > 1000 for samples in heard.values())


@pytest.mark.parametrize("variant", sorted({several[0] for several in FAMILIES})[::9])
def test_a_variant_says_the_same_every_time(variant: str) -> None:
    said = []
    for _ in range(2):
        with Synthesiser() as engine:
            said.append(engine.say("what is the weather like", voice=f"en-us+{variant}"))
    assert np.array_equal(*said)
