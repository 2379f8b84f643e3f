"""What this package hands to crossmod: the speech domain (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import crossmod_speech.systems  # noqa: F401 - makes their settings known to the command line
from crossmod.domain import Domain
from crossmod.recipe import Recipe, TowerSettings, TowersSettings
from crossmod_speech.codec.evaluation_settings import EVALUATIONS as CODECS
from crossmod_speech.comparison.settings import EVALUATIONS as COMPARISONS
from crossmod_speech.data import SpeechData
from crossmod_speech.encoders.keyword_settings import read_keywords
from crossmod_speech.encoders.settings import SpeechTransformer
from crossmod_speech.speecht5.evaluation_settings import EVALUATIONS as SPEECHT5
from crossmod_speech.unitts.evaluation_settings import EVALUATIONS as UNITTS

if TYPE_CHECKING:
    from crossmod.contracts.processor import Processor
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class SpeechTowers(TowersSettings):
    """The encoders of utterances and of their texts.

    Args:
        speech: The encoder of recordings, given as paths.
        text: The encoder of transcripts, intents and prompts; null where a run needs no text (a codec).
    """

    speech: TowerSettings = field(default_factory=SpeechTransformer)
    text: TowerSettings | None

    def build(self, processors: Mapping[str, Processor]) -> dict[str, Tower]:
        """Make every tower; keyword branches get the token embeddings of the text tower."""
        return read_keywords(super().build(processors))


@dataclass(frozen=True, kw_only=True)
class SpeechRecipe(Recipe):
    """A run on utterances and texts.

    Args:
        data: The corpus of utterances.
        towers: The encoders of both.
    """

    data: SpeechData
    towers: SpeechTowers


domain = Domain(
    name="speech",
    summary="Spoken utterances with what is said and meant",
    recipe=SpeechRecipe,
    recipes=Path(__file__).parent / "recipes",
    evaluations={**COMPARISONS, **SPEECHT5, **CODECS, **UNITTS},
    sheets=("crossmod_speech.codec.sheets:reconstruction_sheets",),
)
