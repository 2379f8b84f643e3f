"""What is learned of training recordings before the first step (torch-free): levels of bands, and clusters."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from crossmod.errors import UserError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SpeechStatistics:
    """Statistics of training recordings; a file of the processor.

    Args:
        band_mean, band_deviation: [bins] of the spectrogram.
        cepstrum_mean, cepstrum_deviation: [coefficients] of the cepstra that clusters are of; empty without clusters.
        centroids: [clusters, coefficients] standardised; empty without clusters.
    """

    band_mean: Array
    band_deviation: Array
    cepstrum_mean: Array
    cepstrum_deviation: Array
    centroids: Array

    @classmethod
    def read(cls, content: bytes) -> SpeechStatistics:
        """The statistics of a file that `content` wrote.

        Raises:
            UserError: It is no such file.
        """
        try:
            held = json.loads(content)
            return cls(**{name: np.asarray(held[name], np.float32) for name in cls.__dataclass_fields__})
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"the statistics of the speech processor cannot be read ({error}); export again.") from None

    @property
    def content(self) -> bytes:
        """The file: single precision is written exactly."""
        return json.dumps({name: values.tolist() for name, values in asdict(self).items()}).encode()
