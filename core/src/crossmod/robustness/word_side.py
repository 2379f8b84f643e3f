"""One model under C-PGC's attack on sentences: one word, the same for all, in the place of each one's most important.

The word is learned on a tower that takes tokens as vectors; the attacked sentences are strings, so they are shown to
any model. A tower without such vectors (hashed n-grams, a frozen encoder that takes ids) has no gradient to its words.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.contracts.batch import Inputs
from crossmod.contracts.tower import TokenTower
from crossmod.errors import UserError
from crossmod.evaluation.retrieval import gallery
from crossmod.robustness.attacks import generator_stages
from crossmod.robustness.scene import About, Ranks
from crossmod.robustness.sentences import sentence_batch
from crossmod.robustness.settings import AttackSettings, GeneratedSettings, PatternSettings
from crossmod.robustness.side import AttackedModel
from crossmod.robustness.universal import Batches, GuidedBatch, UniversalOptions
from crossmod.robustness.universal_word import fit_generated_word, fit_universal_word, word_generator
from crossmod.robustness.victim import attackable
from crossmod.robustness.words import TokenWords, important_words, token_places, token_words, with_word
from crossmod.text.inputs import TextInputs
from crossmod.text.ngram_inputs import NgramInputs
from crossmod.training.prepare import Prepared


def attacks_words(settings: AttackSettings, prepared: Prepared, modality: str) -> bool:
    """Whether the attack replaces words of a modality: strings of several words, that a text tower reads."""
    if not isinstance(settings, PatternSettings):
        return False
    if not isinstance(prepared.inputs[modality], TextInputs | NgramInputs):
        return False
    items = prepared.corpus.columns[modality].items
    return any(isinstance(item, str) and len(item.split()) > 1 for item in items)


@final
class WordSide(AttackedModel[Sequence[str]]):
    """A model of which the attack replaces a word of every sentence."""

    @property
    def makes_attacks(self) -> bool:
        return isinstance(self.model.tower(self.modality), TokenTower)

    @property
    def budgets(self) -> tuple[float, ...]:
        return (1.0,)

    @property
    def unit(self) -> str:
        return "words of a sentence"

    @property
    def note(self) -> str:
        """The word, and how many sentences have no place for it."""
        spared = self._places.count(-1)
        left = f" {spared} of {len(self._places)} sentences hold no word that may be replaced." if spared else ""
        return f"The word is {self.word!r}.{left}"

    @property
    def noise_name(self) -> str:
        return "random word"

    @cached_property
    def texts(self) -> Sequence[str]:
        """The clean sentences."""
        return self._texts(self.settings.split)

    @cached_property
    def clean(self) -> Ranks:
        return self.ranks(self.texts)

    @cached_property
    def word(self) -> str:
        """The word that is put into every sentence, learned on the training split."""
        with attackable(self.model):
            return self._learned()

    def noise(self, epsilon: float) -> Sequence[str]:
        """A word by chance, the same for all sentences, in the same places."""
        return with_word(self.texts, self._places, random.Random(self.settings.seed).choice(self._words.words))

    def baselines(self, epsilon: float) -> dict[str, Sequence[str]]:
        """The random word, and the important word left out."""
        return {self.noise_name: self.noise(epsilon), "word left out": with_word(self.texts, self._places, "")}

    def ranks(self, content: Sequence[str], /) -> Ranks:
        return self.asked.ranks_of(self.model.embed(self.modality, content))

    def _attack(self, epsilon: float) -> Sequence[str]:
        return with_word(self.texts, self._places, self.word)

    @property
    def _pattern(self) -> PatternSettings:
        assert isinstance(self.settings, PatternSettings), "words are replaced by one for all alone"
        return self.settings

    @cached_property
    def _places(self) -> list[int]:
        return important_words(self._encode, self.texts, set(self._pattern.stop_words))

    @cached_property
    def _words(self) -> TokenWords:
        return token_words(self.model, self.modality, self._texts("train"), set(self._pattern.stop_words))

    def _encode(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        return self.model.embed(self.modality, texts)

    def _texts(self, split: str) -> list[str]:
        rows = self.prepared.rows(split, self.modality, self.guide)
        items: Sequence[Any] = self.prepared.corpus.columns[self.modality].items
        return [str(items[i]) for i in gallery(self.prepared, self.modality, rows).item.tolist()]

    def _learned(self) -> str:
        settings, words = self._pattern, self._words
        allowed = torch.ones(len(words.words), dtype=torch.bool, device=words.vectors.device)
        batches, options = self._batches(), UniversalOptions(epochs=settings.epochs, seed=settings.seed)
        if isinstance(settings, GeneratedSettings):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(settings.seed)
                network = word_generator(
                    words.vectors, self.asked.guides.shape[1], stages=generator_stages(settings), seed=settings.seed
                ).to(words.vectors.device)
            found = fit_generated_word(batches, network, words.vectors, allowed, options=options)
        else:
            found = fit_universal_word(batches, words.vectors, allowed, options=options)
        return words.words[found.token]

    def _drawn(self, count: int) -> list[int]:
        """The training sentences that the word is learned on, in the order of the corpus."""
        order = torch.randperm(count, generator=torch.Generator().manual_seed(self.settings.seed))
        return sorted(order[: self._pattern.sentences].tolist())

    def _batches(self) -> Batches:
        """Passes over the drawn sentences that have a word to replace, any one word of the list in its place."""
        texts, words = self._texts("train"), self._words
        drawn = self._drawn(len(texts))
        places = important_words(self._encode, [texts[i] for i in drawn], set(self._pattern.stop_words))
        some = [(i, place) for i, place in zip(drawn, places, strict=True) if place >= 0]
        held = with_word([texts[i] for i, _ in some], [place for _, place in some], words.words[0])
        at = token_places(self.model, self.modality, held, [place for _, place in some], int(words.tokens[0]))
        seen = [(text, i, place) for text, (i, _), place in zip(held, some, at, strict=True) if place >= 0]
        if not seen:
            raise UserError(f"no sentence of {self.modality} in the training split has a word that may be replaced.")
        index, where = torch.tensor([i for _, i, _ in seen]), torch.tensor([place for *_, place in seen])
        clean = self._encode([texts[i] for i in index.tolist()])
        inputs = self.model.tower(self.modality).processor([text for text, *_ in seen])

        def guided(rows: Int64[Tensor, "part"], own: Inputs, about: About) -> GuidedBatch:
            device = about.group.device
            places = where[rows].to(device)
            return sentence_batch(self.model, self.modality, own, places, *about, clean[rows].to(device))

        part = self.scene_of("train").take(index).with_inputs(inputs)
        return part.passes(self.model, self._pattern.batch_size, guided)
