"""Reports to the n-grams of each of their sentences (torch-free until `inputs`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmod.contracts.processor import Processed, Processor
from crossmod.text.readable import readable_texts
from crossmod_medical.encoders.sentence_processor import SENTENCE_RULES, sentences_of

if TYPE_CHECKING:
    from crossmod.text.ngrams import NgramProcessor
    from crossmod_medical.encoders.sentence_bags import SentenceBags

KIND = "n-grams of sentences"


class SentenceBagProcessor(Processor):
    """Reports to the weighted n-grams of every sentence; sentences of unknown words alone are left out and counted.

    Args:
        bags: What reads a sentence.
    """

    smallest_for_workers = 4096

    def __init__(self, bags: NgramProcessor) -> None:
        self.bags = bags

    @property
    def spec(self) -> Mapping[str, Any]:
        """The n-grams and the version of the sentence rules."""
        return {"kind": KIND, "sentence_rules": SENTENCE_RULES, "bags": dict(self.bags.spec)}

    def files(self) -> Mapping[str, bytes]:
        """The weights of the n-grams."""
        return self.bags.files()

    def process(self, items: Sequence[Any]) -> Processed:
        """Read reports; one without any known n-gram is rejected."""
        readable = readable_texts(items)
        parts = [sentences_of(text) for text in readable.texts]
        read = self.bags.process([sentence for part in parts for sentence in part])
        owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])[read.accepted]
        held = np.bincount(owner, minlength=len(parts))
        places = np.asarray(readable.positions, np.int64)
        unknown = [(int(place), "none of its n-grams occurs in the training texts") for place in places[held == 0]]
        left_out = len(read.rejected)
        return Processed(
            arrays={**read.arrays, "sentences": held[held > 0].astype(np.int64)},
            accepted=places[held > 0],
            rejected=sorted([*readable.rejected, *unknown]),
            counts={"sentences without any known n-gram, left out": left_out} if left_out else {},
        )

    def inputs(self, parts: Sequence[Processed]) -> SentenceBags:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        import torch

        from crossmod.ragged import offsets_of
        from crossmod_medical.encoders.sentence_bags import SentenceBags

        held = np.concatenate([part.arrays["sentences"] for part in parts])
        return SentenceBags(self.bags.inputs(parts), offsets_of(torch.from_numpy(held)))
