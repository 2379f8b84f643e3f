"""What names one utterance: a recording, or a part of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SpeechSource:
    """A recording, or what is said between two times of it.

    Args:
        path: Where it lies; a name inside `archive` where that is given.
        start_seconds: Where it begins.
        end_seconds: Where it ends; None is the end of the recording.
        archive: A zip file that holds the recording; empty reads the path itself.
        name: What reports call it; empty shows the path and the times.
    """

    path: str
    start_seconds: float = 0.0
    end_seconds: float | None = None
    archive: str = ""
    name: str = ""

    def __str__(self) -> str:
        if self.name:
            return self.name
        whole = self.start_seconds == 0 and self.end_seconds is None
        end = "end" if self.end_seconds is None else f"{self.end_seconds:g} s"
        return self.path if whole else f"{self.path} from {self.start_seconds:g} s to {end}"


def speech_source(item: Any) -> SpeechSource | None:
    """The item as a source: itself, or a path as text; None where it is neither."""
    if isinstance(item, SpeechSource):
        return item
    if isinstance(item, str) and item.strip() and "\0" not in item:
        return SpeechSource(item)
    return None
