"""Bands that are even on a mel scale: which share of every line of a spectrum they sum."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from crossmod.errors import UserError
from crossmod_speech.frontends.settings import LogMel

Values = npt.NDArray[np.float64]

SLANEY_BREAK_HZ = 1000.0
SLANEY_HZ_A_MEL = 200 / 3
SLANEY_GROWTH = np.log(6.4) / 27
"""Slaney's Auditory Toolbox: 15 mels of 66.7 Hz each up to 1 kHz, then 27 mels for every factor of 6.4."""


def mel_of(hertz: Values, scale: Literal["htk", "slaney"]) -> Values:
    """Pitches of frequencies.

    Shape:
        hertz: any.
        returns: the same.
    """
    if scale == "htk":
        return 2595.0 * np.log10(1 + hertz / 700.0)
    above = SLANEY_BREAK_HZ / SLANEY_HZ_A_MEL + np.log(np.maximum(hertz, 1.0) / SLANEY_BREAK_HZ) / SLANEY_GROWTH
    return np.where(hertz < SLANEY_BREAK_HZ, hertz / SLANEY_HZ_A_MEL, above)


def hertz_of(mel: Values, scale: Literal["htk", "slaney"]) -> Values:
    """Frequencies of pitches, the inverse of `mel_of`.

    Shape:
        mel: any.
        returns: the same.
    """
    if scale == "htk":
        return 700.0 * (10 ** (mel / 2595.0) - 1)
    above = SLANEY_BREAK_HZ * np.exp(SLANEY_GROWTH * (mel - SLANEY_BREAK_HZ / SLANEY_HZ_A_MEL))
    return np.where(mel * SLANEY_HZ_A_MEL < SLANEY_BREAK_HZ, mel * SLANEY_HZ_A_MEL, above)


def band_edges_hz(settings: LogMel) -> Values:
    """Where bands begin, peak and end: band i does so at the edges i, i + 1 and i + 2.

    Shape:
        returns: [bins + 2], rising.
    """
    lowest, highest = mel_of(np.array([settings.lowest_hz, settings.top_hz]), settings.mel)
    return hertz_of(np.linspace(lowest, highest, settings.bins + 2), settings.mel)


def band_weights(settings: LogMel) -> Values:
    """The triangles.

    Shape:
        returns: [bins, n_fft / 2 + 1].

    Raises:
        UserError: A band lies between two lines of the spectrum, so that it would be the floor for ever.
    """
    edges = band_edges_hz(settings)
    lines = np.linspace(0, settings.sample_rate / 2, settings.n_fft // 2 + 1)
    at, corners = lines, edges
    if settings.triangles == "mel":
        at, corners = mel_of(lines, settings.mel), mel_of(edges, settings.mel)
    start, peak, stop = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    weights: Values = np.maximum(np.minimum((at - start) / (peak - start), (stop - at) / (stop - peak)), 0)
    empty = np.flatnonzero(weights.max(axis=1) == 0)
    if len(empty):
        band = int(empty[0])
        raise UserError(
            f"{len(empty)} of {settings.bins} bands hold no line of the spectrum, as the one from {edges[band]:.0f} to "
            f"{edges[band + 2]:.0f} Hz with lines every {lines[1]:.1f} Hz; take fewer bins or a greater n_fft."
        )
    if settings.area_normalised:
        weights *= (2 / (edges[2:] - edges[:-2]))[:, None]
    return weights
