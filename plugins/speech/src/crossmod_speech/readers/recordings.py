"""Reads recordings with libsndfile: mono, at the wanted rate, and no more of a file than what is asked for."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crossmod_speech.readers.reasons import UnusableSpeech
from crossmod_speech.sources import SpeechSource

if TYPE_CHECKING:
    from soundfile import SoundFile

RATES = (4000, 384_000)
"""Samples a second that a recording of speech may have; others are broken headers."""

MOST_CHANNELS = 64

BLOCK = 1 << 16
"""Frames that are decoded at a time: a long recording is mixed down as it is read, never held with all its channels."""


def read_speech(source: SpeechSource, sample_rate: int, longest_seconds: float) -> tuple[npt.NDArray[np.int16], bool]:
    """The samples of a source, channels averaged, then resampled (soxr, very high quality).

    Args:
        source: The recording and its part.
        sample_rate: Samples a second of the result.
        longest_seconds: What is beyond is not read.

    Returns:
        [samples] int16, and whether the end was cut off.

    Raises:
        UnusableSpeech: There is no such file, or it is broken, empty, silent throughout or not finite; or the part
            lies outside of it.
    """
    import soundfile

    with _opened(source) as stream:
        try:
            with soundfile.SoundFile(stream) as recording:
                _require_sound(recording)
                start, stop = _bounds(source, recording)
                most = math.ceil(longest_seconds * recording.samplerate)
                mono = _mono(recording, start, min(stop, start + most))
                rate, cut = recording.samplerate, stop - start > most
        except (soundfile.LibsndfileError, RuntimeError, TypeError):
            # What libsndfile says may quote the file's comments, and helps nobody.
            raise UnusableSpeech("the file is no audio that libsndfile reads, or it is broken") from None
    return _as_samples(mono, rate, sample_rate), cut


@contextmanager
def _opened(source: SpeechSource) -> Iterator[io.BufferedIOBase]:
    if not source.archive:
        path = Path(source.path)
        try:
            if not path.is_file():
                raise UnusableSpeech("there is no such file")
            stream = path.open("rb")
        except OSError as error:
            raise UnusableSpeech(f"the file cannot be opened ({error.strerror})") from None
        with stream:
            yield stream
        return
    try:
        with zipfile.ZipFile(source.archive) as archive:
            found = archive.getinfo(source.path)
            if found.flag_bits & 1:
                raise UnusableSpeech("the archive is encrypted")
            content = archive.read(found)
    except FileNotFoundError:
        raise UnusableSpeech("there is no such archive") from None
    except KeyError:
        raise UnusableSpeech("the archive holds no such file") from None
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError):
        raise UnusableSpeech("the archive is broken") from None
    yield io.BytesIO(content)


def _require_sound(recording: SoundFile) -> None:
    if not RATES[0] <= recording.samplerate <= RATES[1]:
        raise UnusableSpeech(
            f"its rate is {recording.samplerate} Hz; speech has {RATES[0]} to {RATES[1]} samples a second"
        )
    if not 1 <= recording.channels <= MOST_CHANNELS:
        raise UnusableSpeech(f"it has {recording.channels} channels; at most {MOST_CHANNELS} are mixed down")
    if recording.frames < 1:
        raise UnusableSpeech("it holds no sample")


def _bounds(source: SpeechSource, recording: SoundFile) -> tuple[int, int]:
    """First and last frame of the part."""
    seconds = recording.frames / recording.samplerate
    start_seconds, end_seconds = source.start_seconds, source.end_seconds
    if end_seconds is None and start_seconds < seconds:
        end_seconds = seconds
    part = f"its part from {start_seconds:g} s to {'its end' if end_seconds is None else f'{end_seconds:g} s'}"
    if end_seconds is not None and not (0 <= start_seconds < end_seconds < math.inf):
        raise UnusableSpeech(f"{part} is none")
    # Times of tables are rounded, so an end half a frame of features behind the file is its end.
    if end_seconds is None or start_seconds >= seconds or end_seconds > seconds + 0.02:
        raise UnusableSpeech(f"{part} lies outside of its {seconds:.2f} s")
    start, stop = round(start_seconds * recording.samplerate), round(end_seconds * recording.samplerate)
    if start >= min(stop, recording.frames):
        raise UnusableSpeech(f"{part} holds no sample")
    return start, min(stop, recording.frames)


def _mono(recording: SoundFile, start: int, stop: int) -> npt.NDArray[np.float32]:
    if start:
        recording.seek(start)
    mono = np.empty(stop - start, np.float32)
    at = 0
    while at < len(mono):
        block = recording.read(min(BLOCK, len(mono) - at), dtype="float32", always_2d=True)
        if not len(block):
            raise UnusableSpeech(
                f"the file is broken after {(start + at) / recording.samplerate:.2f} s of the "
                f"{recording.frames / recording.samplerate:.2f} s that its header names"
            )
        mono[at : at + len(block)] = block.mean(axis=1)
        at += len(block)
    if not np.isfinite(mono).all():
        raise UnusableSpeech("it holds samples that are no numbers")
    return mono


def _as_samples(mono: npt.NDArray[np.float32], rate: int, sample_rate: int) -> npt.NDArray[np.int16]:
    import soxr

    if not mono.any():
        raise UnusableSpeech("it is silent throughout")
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate, quality="VHQ")
        if not len(mono):
            raise UnusableSpeech(f"it is too short to be brought to {sample_rate} samples a second")
    samples: npt.NDArray[np.int16] = np.clip(np.rint(mono * 32768.0), -32768, 32767).astype(np.int16)
    return samples
