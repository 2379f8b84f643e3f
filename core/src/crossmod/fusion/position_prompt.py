"""PTP: a sentence that says which block of the field holds which object, added to the caption (torch-free)."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from crossmod.fusion.boxes import Box

_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class Located:
    """An object: what it is called, and its box in the field as the model sees it, after augmentation."""

    name: str
    box: Box


@dataclass(frozen=True, kw_only=True)
class PositionPrompt:
    """Append "the block 4 has a dog" to a caption (PTP, arXiv:2212.09737).

    One object is drawn each time that a sample is read. Caption and prompt are lower-cased and freed of punctuation,
    as in the released code (which also lets "a" stand before vowels). Where the whole would be too long, the caption
    is cut, never the prompt. Boxes of a volume belong into patient coordinates first (`Box.moved` with the affine),
    or left and right follow the order of the voxels.

    Args:
        grid: Blocks along each axis, in array order; (3, 3) in the paper.
        template: The sentence, with {block} and {name}.
        names: What the blocks are called, row by row; None counts them from 0.
        probability: How often a prompt is added; below 1 its style does not settle in generated text (1 in the paper).
        lost: An object that the crop cut off is said to be in block "x" (the paper), or not drawn ("skip").
        caption_words: Most words of the caption (22).
        prompt_words: Most words of the prompt (8).

    Raises:
        ValueError: An option is outside its range, or names and blocks differ in number.
    """

    grid: tuple[int, ...] = (3, 3)
    template: str = "the block {block} has a {name}"
    names: tuple[str, ...] | None = None
    probability: float = 1.0
    lost: Literal["x", "skip"] = "x"
    caption_words: int = 22
    prompt_words: int = 8

    def __post_init__(self) -> None:
        blocks = 1
        for along in self.grid:
            blocks *= along
        if not self.grid or min(self.grid) < 1 or (self.names is not None and len(self.names) != blocks):
            named = "no" if self.names is None else len(self.names)
            raise ValueError(f"a grid of {self.grid} has {blocks} blocks and was given {named} names; give one each.")
        if "{block}" not in self.template or "{name}" not in self.template:
            raise ValueError(f"the template {self.template!r} lacks {{block}} or {{name}}; it has to hold both.")
        if not 0 <= self.probability <= 1 or self.lost not in ("x", "skip"):
            raise ValueError(f"probability={self.probability}, lost={self.lost!r}: take 0..1, and 'x' or 'skip'.")

    def sentence(self, found: Located, size: Sequence[float]) -> str:
        """The prompt of one object in a field of this size."""
        block = found.box.block(size, self.grid)
        place = "x" if block is None else str(block) if self.names is None else self.names[block]
        return _cleaned(self.template.format(block=place, name=found.name), self.prompt_words)

    def __call__(
        self,
        caption: str,
        objects: Sequence[Located],
        size: Sequence[float],
        draw: random.Random,
        *,
        tokens: Callable[[str], int] | None = None,
        most_tokens: int = 30,
    ) -> str:
        """The caption, and after a full stop the prompt of one object drawn from those given.

        Args:
            caption: The caption.
            objects: What was found in the field.
            size: The field's size on each axis.
            draw: Where the chance comes from.
            tokens: Counts the tokens of a text; None leaves it at the limits in words.
            most_tokens: Most tokens of the whole.

        Raises:
            ValueError: The prompt alone has more tokens than the whole may have.
        """
        words = _cleaned(caption, self.caption_words).split()
        visible = [found for found in objects if self.lost == "x" or found.box.clipped(size) is not None]
        prompt = ""
        if visible and draw.random() < self.probability:
            prompt = self.sentence(draw.choice(visible), size)
        text = _joined(words, prompt)
        while tokens is not None and tokens(text) > most_tokens:
            if not words:
                raise ValueError(
                    f"the prompt {prompt!r} has more than {most_tokens} tokens; shorten template or names."
                )
            words.pop()
            text = _joined(words, prompt)
        return text


def _cleaned(text: str, most_words: int) -> str:
    return " ".join(text.lower().translate(_PUNCTUATION).split()[:most_words])


def _joined(words: Sequence[str], prompt: str) -> str:
    return ". ".join(part for part in (" ".join(words), prompt) if part)
