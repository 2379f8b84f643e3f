"""A front end: which numbers of a waveform an encoder reads (torch-free); it is part of every checkpoint."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from crossmod.settings import Settings

if TYPE_CHECKING:
    from crossmod_speech.frontends.features import FrontEndModule


@dataclass(frozen=True, kw_only=True)
class FrontEnd(Settings, ABC):
    """Features of a waveform.

    Args:
        sample_rate: Samples a second that recordings are brought to.
    """

    sample_rate: int = 16000

    @property
    @abstractmethod
    def bins(self) -> int:
        """Numbers a frame."""

    @property
    @abstractmethod
    def seconds_per_frame(self) -> float:
        """Time from one frame to the next."""

    @abstractmethod
    def frames(self, samples: int) -> int:
        """How many frames so many samples give; 0 where they are too few for one."""

    @abstractmethod
    def build(self) -> FrontEndModule:
        """Make the module that computes them, without parameters."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """Every switch, as JSON values: the checkpoint of a tower holds them, and loading refuses others."""
        found: dict[str, Any] = json.loads(json.dumps({"front_end": type(self).__name__, **asdict(self)}))
        return found
