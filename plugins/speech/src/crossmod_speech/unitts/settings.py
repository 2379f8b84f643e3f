"""Settings of the language model over texts and codes, and of its pre-training (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossmod.contracts.processor import Processor
from crossmod.errors import UserError
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings, TowerSettings
from crossmod_speech.codec.settings import codec_tower

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower
    from crossmod.text.byte_pair import BytePairProcessor
    from crossmod_speech.unitts.tower import SpokenLanguageTower


@dataclass(frozen=True, kw_only=True)
class SpokenLanguageModel(TowerSettings):
    """A causal transformer over texts and a codec's codes (UniTTS, arXiv:2505.17426; Qwen2.5-7B as published).

    Args:
        codes: Codes of the codec. (32,768.)
        vocabulary: Largest number of text tokens; at least 260. (152,064, controls included.)
        length: Most tokens a text keeps, first and last included; longer ones are cut and counted.
        longest: Most tokens of a document; longer speech is cut.
        lower_case: Drop case. (Kept as published.)
        width: Width of the tokens. (3584.)
        depth: Blocks. (28.)
        heads: Attention heads; they divide the width. (28.)
        dropout: Probability on embedded tokens and on what each branch adds. (Convention for small corpora.)
    """

    codes: int = 512
    vocabulary: int = 512
    length: int = 48
    longest: int = 320
    lower_case: bool = True
    width: int = 192
    depth: int = 4
    heads: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.codes, self.length, self.width, self.depth, self.heads) < 1 or self.width % self.heads:
            raise UserError(
                f"a language model of width {self.width}, depth {self.depth} and {self.heads} heads cannot be made; "
                "sizes are positive and heads divide the width."
            )
        if self.longest <= self.length or not 0 <= self.dropout < 1:
            raise UserError(
                f"longest is {self.longest} and length {self.length}; documents hold a text and its speech. Take more "
                "for longest, and dropout from 0 to below 1."
            )

    def fit_processor(self, items: Sequence[Any]) -> BytePairProcessor:
        """Learn the text vocabulary on the training texts."""
        from crossmod.text.byte_pair import BytePairProcessor

        return BytePairProcessor.fit(items, vocabulary=self.vocabulary, length=self.length, lower_case=self.lower_case)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> BytePairProcessor:
        """Make the processor that a checkpoint's spec and files describe.

        Raises:
            UserError: The checkpoint reads texts otherwise.
        """
        from crossmod.text.settings import TextTransformer

        same = TextTransformer(vocabulary=self.vocabulary, length=self.length, lower_case=self.lower_case)
        return same.load_processor(spec, files)

    def build(self, processor: Processor) -> SpokenLanguageTower:
        """Make the model, freshly initialised."""
        from crossmod.text.byte_pair import BytePairProcessor
        from crossmod_speech.unitts.tower import SpokenLanguageTower

        assert isinstance(processor, BytePairProcessor)
        return SpokenLanguageTower(
            processor,
            codes=self.codes,
            longest=self.longest,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            dropout=self.dropout,
        )


@dataclass(frozen=True, kw_only=True)
class SpokenLanguage(ObjectiveSettings):
    """Predict the next token of documents of speech, of text, and of both in either order.

    The codec is to be trained already, and frozen.

    Args:
        speech: The modality whose tower is a DistilCodec of one codebook.
        text: The modality whose tower is a SpokenLanguageModel.
        audio: Share of documents of speech alone. (100 of 322 billion tokens.)
        written: Share of texts alone. (140.)
        text_to_speech: Share of texts with their speech behind them. (82 together with the next.)
        speech_to_text: Share of speech with its text behind it.
        codebook_start: Start the codes' embeddings at the codec's codebook, whose width is then the model's (the reason
            for its width in UniTTS); not for a model that has learned codes already.
    """

    speech: str = "speech"
    text: str = "text"
    audio: float = 0.2
    written: float = 0.1
    text_to_speech: float = 0.5
    speech_to_text: float = 0.2
    codebook_start: bool = False

    def __post_init__(self) -> None:
        shares = (self.audio, self.written, self.text_to_speech, self.speech_to_text)
        if min(shares) < 0 or not sum(shares) > 0:
            raise UserError(f"the shares of tasks are {list(shares)}; take 0 or more, and at least one above.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: A tower is of another kind, or the codes of both differ.
        """
        from crossmod_speech.unitts.training import SpokenLanguageObjective

        codec = codec_tower(towers, self.speech, "SpokenLanguage")
        language = language_tower(towers, self.text, "SpokenLanguage")
        quantiser = codec.bottleneck.quantiser
        if quantiser.codes != language.tokens.codes:
            raise UserError(
                f"the codec has {quantiser.codes} codes and the language model {language.tokens.codes}; set "
                f"towers.{self.text}.codes {quantiser.codes}."
            )
        if self.codebook_start:
            language.embed_codes(codec.bottleneck.codebooks[0])
        shares = (self.audio, self.written, self.text_to_speech, self.speech_to_text)
        return SpokenLanguageObjective(self.speech, self.text, shares)


def language_tower(towers: Mapping[str, Tower], modality: str, asker: str) -> SpokenLanguageTower:
    """The language model of a modality.

    Raises:
        UserError: There is no such modality, or its tower is none.
    """
    from crossmod_speech.unitts.tower import SpokenLanguageTower

    require_modalities(towers, modality)
    tower = towers[modality]
    if not isinstance(tower, SpokenLanguageTower):
        raise UserError(
            f"{asker} needs a language model as the tower of {modality!r}, not {type(tower).__name__}; take "
            "SpokenLanguageModel."
        )
    return tower
