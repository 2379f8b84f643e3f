"""A text encoder that reads embeddings in place of tokens: how SpeechCLIP's keywords pass through it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.contracts.tower import Tokens, Tower
from crossmod.errors import UserError
from crossmod.text.block import masked_mean
from crossmod.text.byte_pair import SPECIALS
from crossmod.text.huggingface_folder import TOKENIZER
from crossmod.text.huggingface_tower import HuggingFaceTower
from crossmod.text.transformer import TextTransformerTower


class ReadableText(NamedTuple):
    """What of a text tower is needed to read keywords.

    Args:
        tower: The text tower.
        before: Special tokens that every text begins with.
        after: Special tokens that every text ends with.

    Shape:
        specials: [vocabulary]; true = special token.
    """

    tower: TextTransformerTower | HuggingFaceTower
    before: tuple[int, ...]
    after: tuple[int, ...]
    specials: Bool[Tensor, "vocabulary"]

    @classmethod
    def of(cls, tower: Tower) -> ReadableText:
        """Look into a text tower.

        Raises:
            UserError: It reads no embeddings, or pools what has no part in them.
        """
        if isinstance(tower, TextTransformerTower):
            specials = torch.arange(tower.vocabulary) < len(SPECIALS)
            return cls(tower, (SPECIALS.index("[CLS]"),), (SPECIALS.index("[SEP]"),), specials)
        if not isinstance(tower, HuggingFaceTower):
            raise UserError(
                f"keywords are read by a text encoder over token embeddings, and {type(tower).__name__} has none; take "
                "TextTransformer or HuggingFaceText."
            )
        if tower.pooling == "pooler" or tower.hidden_layers != 1:
            raise UserError("keywords are pooled by mean or cls of the last layer; set the text tower so.")
        return cls(tower, *_hugging_face_specials(tower))

    @property
    def embeddings(self) -> Float[Tensor, "vocabulary width"]:
        """The token embeddings."""
        if isinstance(self.tower, TextTransformerTower):
            return self.tower.embedding.weight
        weight: Tensor = self.tower.encoder.get_input_embeddings().weight
        return weight

    def read(self, values: Float[Tensor, "batch keywords width"]) -> Float[Tensor, "batch text_width"]:
        """The pooled vector of texts whose tokens are embedded already, between the special tokens of every text.

        Raises:
            ValueError: The text tower has fewer positions.
        """
        rows = self.embeddings
        before, after = (
            rows[torch.tensor(ids, dtype=torch.int64, device=rows.device)].to(values.dtype).expand(len(values), -1, -1)
            for ids in (self.before, self.after)
        )
        whole = torch.cat([before, values, after], 1)
        real = torch.ones(whole.shape[:2], dtype=torch.bool, device=whole.device)
        tower = self.tower
        if isinstance(tower, TextTransformerTower):
            if whole.shape[1] > len(tower.positions):
                raise ValueError(
                    f"{values.shape[1]} keywords and the special tokens are more than the {len(tower.positions)} "
                    "positions of the text tower; take fewer keywords."
                )
            return tower.encode(Tokens(whole, real.long(), real, context=real), real).pooled
        states: Tensor = tower.encoder(inputs_embeds=whole, attention_mask=real.long(), return_dict=True)[0]
        return states[:, 0] if tower.pooling == "cls" else masked_mean(states, real)


def _hugging_face_specials(tower: HuggingFaceTower) -> tuple[tuple[int, ...], tuple[int, ...], Bool[Tensor, "tokens"]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tower.processor.files()[TOKENIZER].decode())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    empty = tokenizer.encode("")
    encoded = tokenizer.encode("a")
    special = [bool(flag) for flag in encoded.special_tokens_mask]
    first = special.index(False)
    ids = tuple(encoded.ids)
    specials = torch.zeros(int(tower.encoder.get_input_embeddings().weight.shape[0]), dtype=torch.bool)
    known = [number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special]
    specials[torch.tensor([*known, *empty.ids], dtype=torch.int64)] = True
    # An embedding matrix that is padded to a round size has rows that no token has.
    specials[tokenizer.get_vocab_size() :] = True
    return ids[:first], ids[len(ids) - special[::-1].index(False) :], specials
