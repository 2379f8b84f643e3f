"""Options of the attacks that `crossmod evaluate RUN --attack NAME` offers (torch-free)."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal, Self, final

from crossmod.errors import UserError
from crossmod.settings import Settings

STOP_WORDS = (
    *("a", "an", "the", "and", "or", "but", "if", "of", "in", "on", "at", "to", "by", "for", "from", "with", "as"),
    *("is", "are", "was", "were", "be", "been", "has", "have", "had", "this", "that", "these", "those", "it", "its"),
)


@dataclass(frozen=True, kw_only=True)
class AttackSettings(Settings):
    """What every attack can be told.

    Args:
        modality: The attacked one; empty attacks every one that the attack can change.
        guide: The modality that it is searched by; empty takes every other.
        split: Whose items are attacked.
        budget: Largest change of a number of the input, or several such as [0.03,0.5], in the units that the tower
            reads: standard deviations of the training items for vectors. (0.03 is SGA's 2/255 and 0.18 C-PGC's
            12/255 in standard deviations of a picture's pixels, about 0.26 of their range; 0.5 shows what is left
            under a strong attack.)
        lower: Smallest number that an input can hold; null takes what the tower declares, else none.
        upper: Largest.
        noise: Deviation of the noise on the further copies that an attack looks at. (SGA's 0.05 of the range of
            pixels, in their standard deviations.) 0 leaves copies of vectors out.
        batch_size: Samples that are attacked together. (Memory only for SGA; C-PGC's code takes 4.)
        recalls: The k of recall and of attack success at k.
        transfer: Another run or model whose towers read the same inputs: inputs made on either are shown to both.
        seed: Of starts, copies and noise.
    """

    modality: str = ""
    guide: str = ""
    split: Literal["train", "validation", "test"] = "test"
    budget: float | tuple[float, ...] = (0.03, 0.18, 0.5)
    lower: float | None = None
    upper: float | None = None
    noise: float = 0.2
    batch_size: int = 64
    recalls: tuple[int, ...] = (1, 5, 10)
    transfer: str = ""
    seed: int = 0

    @property
    @abstractmethod
    def attack(self) -> str:
        """What `--attack` takes, as tables name it."""

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budget, or the budgets one after the other."""
        return tuple(self.budget) if isinstance(self.budget, tuple | list) else (self.budget,)

    def build(self) -> Self:
        """Refuse what no attack can be run with.

        Raises:
            UserError: No budget or recall, a budget that is no size, a batch of none, or negative noise.
        """
        if not self.budgets or not self.recalls or min(self.recalls) < 1:
            raise UserError("--budget and --recalls need one number or more, such as --budget 0.03 --recalls [1,5].")
        if not all(0 <= size < math.inf for size in self.budgets):
            raise UserError(f"--budget is {self.budget}; give numbers from 0, in the units that the tower reads.")
        if self.batch_size < 1 or self.noise < 0:
            raise UserError("--batch_size is at least 1 and --noise at least 0.")
        return self


@final
@dataclass(frozen=True, kw_only=True)
class SetGuidedSettings(AttackSettings):
    """Retrieval under the set-level guidance attack, which moves every sample away from all that describes it.

    Args:
        steps: Steps of ascent. (10, as published; a step is a quarter of the budget.)
    """

    steps: int = 10

    @property
    def attack(self) -> str:
        """SGA's name."""
        return "sga"

    def build(self) -> Self:
        """Refuse what the attack cannot be run with.

        Raises:
            UserError: See `AttackSettings`; or fewer than no steps.
        """
        if self.steps < 0:
            raise UserError(f"--steps is {self.steps}; give 0 or more.")
        return super().build()


@dataclass(frozen=True, kw_only=True)
class PatternSettings(AttackSettings):
    """What every search for one pattern, or one word, for all samples can be told; it is found on the training split.

    Sentences are attacked too, where their tower takes tokens as vectors: one word replaces the most important one of
    each, so `budget`, `lower`, `upper` and `noise` have no part in it.

    Args:
        epochs: Passes over the training split. (40, as in C-PGC's code.)
        stop_words: Words that an attack on sentences never replaces and never puts in, in lower case. (Articles,
            conjunctions and short prepositions of English, ours; C-PGC has a longer list.)
        sentences: Most training sentences that a word is learned on, drawn by `seed`; a sentence costs an embedding a
            word before the first pass. [ours]
    """

    epochs: int = 40
    stop_words: tuple[str, ...] = STOP_WORDS
    sentences: int = 500

    def build(self) -> Self:
        """Refuse what the attack cannot be run with.

        Raises:
            UserError: See `AttackSettings`; fewer than no epochs, or no sentence.
        """
        if self.epochs < 0:
            raise UserError(f"--epochs is {self.epochs}; give 0 or more.")
        if self.sentences < 1:
            raise UserError(f"--sentences is {self.sentences}; give 1 or more.")
        return super().build()


@final
@dataclass(frozen=True, kw_only=True)
class GeneratedSettings(PatternSettings):
    """Retrieval under C-PGC's one pattern or word for all samples, from a generator that reads the other modality.

    Args:
        generator_widths: Channels of the generator, two a stage. (Its code.)
    """

    generator_widths: tuple[int, ...] = (1024, 512, 256, 128, 64, 32)

    @property
    def attack(self) -> str:
        """C-PGC's name."""
        return "c-pgc"

    def build(self) -> Self:
        """Refuse what the attack cannot be run with.

        Raises:
            UserError: See `PatternSettings`; or an odd number of widths.
        """
        if not self.generator_widths or len(self.generator_widths) % 2 or min(self.generator_widths) < 1:
            raise UserError("--generator_widths needs two numbers a stage, such as --generator_widths [64,32].")
        return super().build()


@final
@dataclass(frozen=True, kw_only=True)
class UniversalSettings(PatternSettings):
    """Retrieval under one pattern or word for all samples, found on C-PGC's loss without its generator [ours]."""

    @property
    def attack(self) -> str:
        """The name of the direct search."""
        return "universal"
