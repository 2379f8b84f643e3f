"""The engine: the same samples whatever came before, speed and pitch that are heard, sentences where it fails."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from crossmod.errors import UserError
from crossmod_speech.synthesis import engine as engine_module
from crossmod_speech.synthesis.engine import Synthesiser


def fundamental_hertz(samples: npt.NDArray[np.int16], rate: int) -> float:
    """The strongest period between 60 and 400 Hz of the autocorrelation."""
    sound = samples.astype(np.float64)
    spectrum = np.abs(np.fft.rfft(sound, 2 * len(sound))) ** 2
    agreement = np.fft.irfft(spectrum)[: len(sound)]
    low, high = rate // 400, rate // 60
    return rate / (low + int(agreement[low:high].argmax()))


def test_what_was_said_before_does_not_change_what_is_said() -> None:
    with Synthesiser() as engine:
        alone = engine.say("turn on the lights", voice="en-us+m3")
    with Synthesiser() as engine:
        engine.say("something else", voice="de+f1")
        later = engine.say("turn on the lights", voice="en-us+m3")
    with Synthesiser() as engine:
        again = engine.say("turn on the lights", voice="en-us+m3")
    assert np.array_equal(alone, again)
    # Flutter goes on between utterances: without loading afresh the first two would be all one could compare.
    assert len(alone) == pytest.approx(len(later), rel=0.05)


def test_speed_and_pitch_are_heard() -> None:
    with Synthesiser() as engine:
        slow = engine.say("seven", voice="en-us+m3", words_per_minute=100)
        fast = engine.say("seven", voice="en-us+m3", words_per_minute=250)
        low = engine.say("no", voice="en-us+m3", pitch=20, pitch_range=0)
        high = engine.say("no", voice="en-us+m3", pitch=80, pitch_range=0)
        assert len(slow) > 1.5 * len(fast)
        assert fundamental_hertz(high, engine.sample_rate) > 1.2 * fundamental_hertz(low, engine.sample_rate)
        assert engine.sample_rate == 22050 and engine.version


def test_accents_and_variants_sound_different() -> None:
    with Synthesiser() as engine:
        said = [engine.say("water", voice=name) for name in ("en-us+m3", "en-gb-x-rp+m3", "en-us+f1", "de+m3")]
    assert len({samples.tobytes() for samples in said}) == 4


@pytest.mark.parametrize("text", ["", "   ", "..."])
def test_nothing_to_say_is_refused(text: str) -> None:
    with Synthesiser() as engine, pytest.raises(UserError, match="says nothing"):
        engine.say(text, voice="en-us")


def test_an_unknown_voice_is_named() -> None:
    with Synthesiser() as engine, pytest.raises(UserError, match="no voice 'xx-unheard-of'"):
        engine.say("yes", voice="xx-unheard-of")


def test_a_missing_library_and_missing_voices_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library, data = engine_module._files()
    monkeypatch.setattr(engine_module, "_files", lambda: (tmp_path / "none.so", data))
    with pytest.raises(UserError, match=r"none\.so cannot be loaded"), Synthesiser():
        pass
    monkeypatch.setattr(engine_module, "_files", lambda: (library, tmp_path))
    with pytest.raises(UserError, match="cannot read its voices"), Synthesiser():
        pass
    monkeypatch.undo()
    # Neither failure left the engine locked.
    with Synthesiser() as engine:
        assert len(engine.say("yes", voice="en"))


def test_threads_wait_for_each_other() -> None:
    with Synthesiser() as engine:
        alone = engine.say("set a timer for ten minutes", voice="en-us+m3")
    heard: list[npt.NDArray[np.int16]] = []

    def speak() -> None:
        with Synthesiser() as own:
            heard.append(own.say("set a timer for ten minutes", voice="en-us+m3"))

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 4 and all(np.array_equal(samples, alone) for samples in heard)
