"""Images with texts of a whole corpus or of one minibatch; an image that has many questions is held, and read, once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int8, Int64
from torch import Tensor

from crossmod.contracts.batch import Inputs
from crossmod_medical.images import ImageInputs

UNKNOWN, OPEN, CLOSED = -1, 0, 1


@dataclass(frozen=True, eq=False)
class PairInputs:
    """Pairs; satisfies `crossmod.contracts.batch.Inputs`.

    Args:
        images: The distinct images.
        texts: The texts, as the text processor makes them.

    Shape:
        picture: [samples] int64, the image of every pair; -1 where it has none.
        text: [samples] int64, its text; -1 where it has none.
        kind: [samples] int8, whether a question is closed (1) or open (0); -1 where unknown.
    """

    images: ImageInputs
    texts: Inputs
    picture: Int64[Tensor, "samples"]
    text: Int64[Tensor, "samples"]
    kind: Int8[Tensor, "samples"]

    def __len__(self) -> int:
        return len(self.picture)

    @property
    def complete(self) -> Bool[Tensor, "samples"]:
        """Which pairs have both sides."""
        return (self.picture >= 0) & (self.text >= 0)

    def take(self, index: Int64[Tensor, "chosen"]) -> PairInputs:
        """The pairs at `index`, in that order, with the images and texts that they hold."""
        index = index.to(self.picture.device)
        used, picture = _compact(self.picture[index])
        said = self.text[index]
        there = said >= 0
        # Texts are short and mostly distinct: they are gathered, not looked through for repeats.
        text = (there.long().cumsum(0) - 1).masked_fill(~there, -1)
        return PairInputs(self.images.take(used), self.texts.take(said[there]), picture, text, self.kind[index])

    def to(self, device: torch.device | str) -> PairInputs:
        """The same pairs on another device."""
        return PairInputs(
            self.images.to(device),
            self.texts.to(device),
            self.picture.to(device),
            self.text.to(device),
            self.kind.to(device),
        )

    def without_images(self) -> PairInputs:
        """The same texts, as if no image were there."""
        nothing = self.picture[:0]
        return replace(self, images=self.images.take(nothing), picture=torch.full_like(self.picture, -1))

    def without_texts(self) -> PairInputs:
        """The same images, as if no text were there."""
        nothing = self.text[:0]
        return replace(self, texts=self.texts.take(nothing), text=torch.full_like(self.text, -1))


def _compact(place: Int64[Tensor, "chosen"]) -> tuple[Int64[Tensor, "used"], Int64[Tensor, "chosen"]]:
    """The distinct places that are used, and where each chosen one is among them; -1 stays."""
    used, inverse = torch.unique(place, return_inverse=True)
    absent = int(bool(len(used)) and int(used[0]) < 0)
    return used[absent:], inverse - absent
