"""Settings: frozen, torch-free descriptions of a part, which build that part on demand.

Everything that a run can be told is a `Settings` tree. Heavy libraries are imported inside `build`, so that
`crossmod train molecule --help` reads every option without importing torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Settings(ABC):
    """A frozen description of one part of a run; `build` makes the part."""

    @abstractmethod
    def build(self, *args: Any, **kwargs: Any) -> Any:
        """Make the described part; each kind of settings states its own arguments."""


@dataclass(frozen=True, kw_only=True)
class Options(Settings):
    """Options of an evaluation: they describe no part of their own and are read as they are."""

    def build(self) -> Self:
        """The options themselves."""
        return self
