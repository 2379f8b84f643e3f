"""eSpeak NG, called in this process: one utterance takes about a millisecond."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from crossmod.errors import UserError

RATE, PITCH, PITCH_RANGE = 1, 3, 4
"""Parameters of `espeak_SetParameter`."""

SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
UTF_8 = 1

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

_in_use = threading.Lock()
"""The engine keeps its state in variables of the library, so a process has one at a time."""


class Synthesiser:
    """The engine, from its loading to its release; use it in a `with` statement.

    Flutter, breath and noise go on from one utterance to the next. The library is loaded afresh by every
    `Synthesiser`, so the same calls give the same samples whatever was said in the process before. (Not where the
    system keeps libraries loaded, as musl does.) Threads wait for each other.

    Example:
        >>> with Synthesiser() as engine:
        ...     samples = engine.say("hello", voice="en-us+f1")
        >>> 0.2 < len(samples) / engine.sample_rate < 1.0
        True
    """

    def __init__(self) -> None:
        self.sample_rate = 0
        self._parts: list[npt.NDArray[np.int16]] = []
        self._library: Any = None
        # The library holds no reference to it, and a collected callback would crash the process.
        self._callback = _CALLBACK(self._take)

    def __enter__(self) -> Self:
        _in_use.acquire()
        try:
            self._load()
        except BaseException:
            _in_use.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._library.espeak_Terminate()
            _unload(self._library)
        finally:
            self._library = None
            _in_use.release()

    @property
    def version(self) -> str:
        """Version of the engine."""
        self._library.espeak_Info.restype = ctypes.c_char_p
        return str(self._library.espeak_Info(None).decode())

    def say(
        self, text: str, *, voice: str, words_per_minute: int = 175, pitch: int = 50, pitch_range: int = 50
    ) -> npt.NDArray[np.int16]:
        """Speak a text.

        Args:
            text: What to say.
            voice: A language, with a variant behind a plus: `en-gb-x-rp+m3`.
            words_per_minute: Speed, 80 to 450.
            pitch: 0 to 100.
            pitch_range: How far the melody goes, 0 to 100.

        Returns:
            [samples] int16 at `sample_rate`.

        Raises:
            UserError: The engine has no such voice, or says nothing.
        """
        assert self._library is not None, "the engine is used outside of its `with` statement"
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise UserError(f"eSpeak NG has no voice {voice!r}; `espeak-ng --voices` lists those it has.")
        for parameter, value in ((RATE, words_per_minute), (PITCH, pitch), (PITCH_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._parts.clear()
        content = text.encode()
        failed = self._library.espeak_Synth(
            content, ctypes.c_size_t(len(content) + 1), ctypes.c_uint(0), 1, ctypes.c_uint(0), UTF_8, None, None
        )
        samples = np.concatenate([*self._parts, np.empty(0, np.int16)])
        if failed or not samples.any():
            raise UserError(f"eSpeak NG says nothing for {text[:80]!r} (code {failed}); give it words of letters.")
        return samples

    def _take(self, samples: Any, count: int, events: Any) -> int:
        if count > 0 and samples:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def _load(self) -> None:
        library, data = _files()
        try:
            self._library = ctypes.CDLL(str(library))
        except OSError as error:
            raise UserError(
                f"the eSpeak NG library {library} cannot be loaded ({error}); reinstall it with `pip install "
                "--force-reinstall espeakng-loader`."
            ) from None
        # Without this flag a missing folder of voices would end the whole process.
        rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, str(data).encode(), DO_NOT_EXIT)
        if rate <= 0:
            _unload(self._library)
            raise UserError(
                f"eSpeak NG cannot read its voices in {data}; reinstall them with `pip install --force-reinstall "
                "espeakng-loader`, into a folder whose path has fewer than 140 letters."
            )
        self.sample_rate = int(rate)
        self._library.espeak_SetSynthCallback(self._callback)
        if os.name == "posix":
            # The engine seeds the noise of consonants by the clock.
            ctypes.CDLL(None).srand(0)


def _files() -> tuple[Path, Path]:
    """The library and its folder of voices."""
    try:
        import espeakng_loader
    except ImportError:
        raise UserError("the synthesised corpus needs espeakng-loader; `pip install espeakng-loader`.") from None
    return Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())


def _unload(library: Any) -> None:
    release = getattr(_ctypes, "dlclose" if os.name == "posix" else "FreeLibrary")
    release(library._handle)
