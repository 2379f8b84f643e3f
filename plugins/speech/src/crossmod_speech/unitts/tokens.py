"""Which number a token of a language model over texts and codes has: text first, then controls, then codes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from crossmod.errors import UserError

CONTROLS = ("<|inter_audio_begin|>", "<|inter_audio_end|>", "<|endofaudio|>")
"""Begin and end of speech within a text, and the end of speech that stands alone (UniTTS, arXiv:2505.17426)."""


@dataclass(frozen=True)
class TokenMap:
    """Numbers of all tokens; text keeps its own.

    Args:
        text: Tokens of the text vocabulary, its specials included. (152,064 in UniTTS, controls included.)
        codes: Codes of the codec's codebook. (32,768.)
    """

    text: int
    codes: int

    @property
    def begin(self) -> int:
        """Speech begins."""
        return self.text

    @property
    def end(self) -> int:
        """Speech within a text ends."""
        return self.text + 1

    @property
    def end_of_audio(self) -> int:
        """Speech that stands alone ends."""
        return self.text + 2

    @property
    def first_code(self) -> int:
        """The number of code 0."""
        return self.text + len(CONTROLS)

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return self.first_code + self.codes

    def is_code(self, ids: Int64[Tensor, "*tokens"]) -> Bool[Tensor, "*tokens"]:
        """Which tokens are codes."""
        return (ids >= self.first_code) & (ids < self.size)

    def ids_of(self, codes: Int64[Tensor, "*tokens"]) -> Int64[Tensor, "*tokens"]:
        """The tokens of codes.

        Raises:
            UserError: A code lies outside of the codebook.
        """
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.codes:
            raise UserError(
                f"codes from {int(codes.min())} to {int(codes.max())} were given to a language model of {self.codes} "
                "codes; set `codes` of the model to those of the codec."
            )
        return codes + self.first_code

    def codes_of(self, ids: Int64[Tensor, "*tokens"]) -> Int64[Tensor, "*tokens"]:
        """The codes of tokens, the inverse of `ids_of`.

        Raises:
            ValueError: A token is no code.
        """
        wrong = ids[~self.is_code(ids)]
        if len(wrong):
            raise ValueError(
                f"token {int(wrong[0])} is no code; codes are {self.first_code} to {self.size - 1}, what is below is "
                "text and control tokens."
            )
        return ids - self.first_code

    def speakable(self, end: int) -> Bool[Tensor, "tokens"]:
        """What may follow once speech has begun: codes, and the token that ends it."""
        allowed = self.is_code(torch.arange(self.size))
        allowed[end] = True
        return allowed
