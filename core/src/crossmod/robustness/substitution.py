"""The text side of SGA (arXiv:2307.14061): one word of a sentence is replaced, guided by the other modality.

Words are told apart before any tokenizer sees them, so a position never shifts by a leading special token; the
released code reads the prediction one token too early, and its figures differ from these for that reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from crossmod.errors import UserError
from crossmod.robustness.augment import Augmentation
from crossmod.robustness.budget import Budget
from crossmod.robustness.set_guided import STEP_SHARE, STEPS, set_guided_pgd
from crossmod.robustness.victim import Encode

EncodeTexts = Callable[[Sequence[str]], Float[Tensor, "texts dim"]]
"""Sentences in, embeddings out; no gradient is asked for."""
Candidates = Callable[[Sequence[str], int], Sequence[str]]
"""The words of a sentence and a position in; words that could stand there out, the likeliest first."""


@final
@dataclass(frozen=True)
class WordSubstitution:
    """Replaces the most important word that is no stop word.

    Importance of word w is KL(softmax f(t) || softmax f(t with w -> unknown)) over embedding dimensions; the candidate
    that minimises <f(t'), guide> is taken, and the original word is one of the candidates.

    Args:
        candidates: What could stand at a position: a masked language model of the domain, or a table of synonyms.
            (SGA: the top 10 whole words of BERT with a logit above 0.3.)
        stop_words: In lower case; never replaced and never a replacement.
        unknown: What stands for a hidden word.
        most_candidates: So many are tried at the position.
    """

    candidates: Candidates
    stop_words: frozenset[str] = field(default_factory=frozenset)
    unknown: str = "[UNK]"
    most_candidates: int = 10

    def __call__(self, encode: EncodeTexts, text: str, guide: Float[Tensor, "dim"]) -> str:
        """The attacked sentence; the sentence as it is when no word of it may change or no candidate does harm.

        Raises:
            UserError: A candidate is not one whole word.
        """
        words = text.split()
        for place in self.by_importance(encode, words):
            trial = [
                text,
                *(" ".join([*words[:place], word, *words[place + 1 :]]) for word in self._options(words, place)),
            ]
            embedded = encode(trial)
            agreement = embedded @ guide.detach().to(embedded)
            # The sentence itself is the first candidate: where nothing is worse than it, the next word is tried.
            chosen = int((agreement == agreement.min()).nonzero()[0])
            if chosen:
                return trial[chosen]
        return text

    def by_importance(self, encode: EncodeTexts, words: Sequence[str]) -> list[int]:
        """Positions of the words that may change, by falling importance; equals in the order of the sentence."""
        return self.by_importance_of_each(encode, [words])[0]

    def by_importance_of_each(self, encode: EncodeTexts, sentences: Sequence[Sequence[str]]) -> list[list[int]]:
        """The same for several sentences, which are encoded together."""
        places = [
            [place for place, word in enumerate(words) if word.lower() not in self.stop_words] for words in sentences
        ]
        trial = [
            " ".join(hidden)
            for words, free in zip(sentences, places, strict=True)
            for hidden in [words, *([*words[:place], self.unknown, *words[place + 1 :]] for place in free)]
            if free
        ]
        if not trial:
            return places
        counts = [len(free) + 1 for free in places if free]
        parts = iter(torch.split(log_softmax(encode(trial).double(), dim=1), counts))
        return [_by_divergence(next(parts), free) if free else [] for free in places]

    def _options(self, words: Sequence[str], place: int) -> list[str]:
        offered = list(self.candidates(words, place))[: self.most_candidates]
        for word in offered:
            if word.split() != [word]:
                raise UserError(f"the candidate {word!r} is not one whole word; give candidates without spaces.")
        return [word for word in offered if word.lower() not in self.stop_words and word != words[place]]


def _by_divergence(logs: Float[Tensor, "trials dim"], places: Sequence[int]) -> list[int]:
    """The places by falling divergence of the first row from the row of each, equals in the order of the sentence."""
    divergence = kl_div(logs[1:], logs[:1].expand_as(logs[1:]), reduction="none", log_target=True).sum(dim=1)
    return [places[rank] for rank in torch.sort(divergence, descending=True, stable=True).indices.tolist()]


@torch.no_grad()
def set_level_guidance(
    encode: Encode,
    clean: Float[Tensor, "batch *shape"],
    encode_texts: EncodeTexts,
    texts: Sequence[str],
    owner: Sequence[int],
    budget: Budget,
    substitution: WordSubstitution,
    *,
    augmentations: Sequence[Augmentation] = (),
    steps: int = STEPS,
    step_share: float = STEP_SHARE,
    seed: int = 0,
) -> tuple[Float[Tensor, "batch *shape"], list[str]]:
    """SGA in full, text -> continuous side -> text: the attacked samples, and the attacked original sentences.

    Args:
        encode: The attacked encoder of the continuous side.
        clean: The samples.
        encode_texts: The attacked encoder of sentences.
        texts: The sentences.
        owner: For each sentence, the sample that it describes.
        budget: How far a sample may move.
        substitution: How a sentence may change.
        augmentations: See `set_guided_pgd`, as the rest.
        steps: S of the paper.
        step_share: Step size in epsilons.
        seed: Of the continuous side.

    Raises:
        UserError: As `set_guided_pgd`.
    """
    if len(texts) != len(owner):
        raise UserError(f"there are {len(texts)} sentences and {len(owner)} owners; give the sample of each sentence.")
    before = encode(clean)
    first = [substitution(encode_texts, text, before[i]) for text, i in zip(texts, owner, strict=True)]
    values = set_guided_pgd(
        encode,
        clean,
        encode_texts(first),
        torch.tensor(owner, dtype=torch.int64, device=clean.device),
        budget,
        augmentations=augmentations,
        steps=steps,
        step_share=step_share,
        seed=seed,
    )
    after = encode(values)
    return values, [substitution(encode_texts, text, after[i]) for text, i in zip(texts, owner, strict=True)]
