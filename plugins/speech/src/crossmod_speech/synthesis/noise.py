"""What is heard behind an utterance: white and pink noise, and the babble of other voices."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from crossmod.sources.draw import Draw
from crossmod_speech.synthesis.engine import Synthesiser

BABBLERS = ("en-us+m8", "de+f1", "fr+max", "es+steph", "it+antonio", "en+quincy")
"""Voices that talk at once; what they say is not to be understood."""

BABBLE_SECONDS = 20
LOWEST_PINK_HERTZ = 50.0


def noise_of(kind: str, length: int, sample_rate: int, draw: Draw) -> npt.NDArray[np.float64]:
    """Noise of root mean square one.

    Args:
        kind: "white", "pink" (equal power an octave above 50 Hz) or "babble".
        length: Samples.
        sample_rate: Samples a second.
        draw: Where it is drawn from.
    """
    if kind == "babble":
        bed = babble(sample_rate)
        noise = np.take(bed, draw.below(len(bed)) + np.arange(length), mode="wrap")
    else:
        # Uniform numbers of a bit stream that numpy keeps; their spectrum is as flat as that of normal ones.
        stream = np.random.Generator(np.random.PCG64(draw.below(1 << 48)))
        noise = stream.random(length) - 0.5
        if kind == "pink":
            spectrum = np.fft.rfft(noise)
            hertz = np.fft.rfftfreq(length, 1.0 / sample_rate)
            noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, LOWEST_PINK_HERTZ)), length)
        else:
            assert kind == "white", kind
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


@lru_cache(maxsize=2)
def babble(sample_rate: int) -> npt.NDArray[np.float64]:
    """Six voices of five languages that speak at once, for 20 seconds."""
    import soxr

    from crossmod_speech.synthesis.english import SLOTS
    from crossmod_speech.synthesis.languages import LANGUAGES

    length = BABBLE_SECONDS * sample_rate
    bed = np.zeros(length)
    with Synthesiser() as engine:
        for name in BABBLERS:
            draw = Draw("babble", name)
            language = LANGUAGES[name[:2]]
            intents = list(language.wordings)
            said = [language.sentence(draw.choose(intents), draw, SLOTS).text for _ in range(20)]
            samples = engine.say(". ".join(said), voice=name, pitch=40 + draw.below(20))
            voice = soxr.resample(samples.astype(np.float64), engine.sample_rate, sample_rate, quality="VHQ")
            voice = np.resize(voice, length)
            bed += voice / np.sqrt(np.mean(voice**2))
    return bed
