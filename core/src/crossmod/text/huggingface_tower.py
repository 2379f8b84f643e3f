"""Any Hugging Face text encoder as a tower."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.contracts.tower import Features, Tower
from crossmod.errors import UserError
from crossmod.text.block import masked_mean
from crossmod.text.huggingface import HuggingFaceProcessor
from crossmod.text.huggingface_folder import CONFIG, read_weights, untrained
from crossmod.text.inputs import TextInputs

Pooling = Literal["mean", "cls", "pooler"]


class HuggingFaceTower(Tower):
    """An encoder of the transformers library, pooled.

    Args:
        processor: The processor that makes its inputs; carries the encoder's configuration.
        encoder: The encoder, as `pretrained_encoder` or `untrained_encoder` makes it.
        pooling: "mean" of the real tokens (Sentence-BERT, arXiv:1908.10084), the first token ("cls"), or the
            encoder's own pooling layer ("pooler").
        frozen: Keep the encoder's weights as they are, and its dropout off.
        hidden_layers: Last hidden layers whose mean gives the tokens; 1 takes the output alone.

    Raises:
        UserError: The encoder has no pooling layer, or fewer layers.
    """

    def __init__(
        self,
        processor: HuggingFaceProcessor,
        encoder: Any,
        *,
        pooling: Pooling = "mean",
        frozen: bool = False,
        hidden_layers: int = 1,
    ) -> None:
        super().__init__()
        layers = int(getattr(encoder.config, "num_hidden_layers", 1))
        if not 1 <= hidden_layers <= layers:
            raise UserError(f"hidden_layers is {hidden_layers}; this encoder has 1 to {layers} layers to average.")
        pooler = getattr(encoder, "pooler", None)
        if pooling == "pooler" and pooler is None:
            raise UserError("this encoder has no pooling layer of its own; set the text tower's pooling to mean.")
        if pooling not in ("mean", "cls", "pooler"):
            raise UserError(f"the text pooling is {pooling!r}; take 'mean', 'cls' or 'pooler'.")
        self.processor = processor
        self.encoder = encoder
        self.width = int(encoder.config.hidden_size)
        self.padding = processor.padding
        self.pooling = pooling
        self.frozen = frozen
        self.hidden_layers = hidden_layers
        if frozen:
            encoder.requires_grad_(False)
        elif pooler is not None and pooling != "pooler":
            # Unread weights would never see a gradient, which distributed training takes for a fault.
            pooler.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, inputs: TextInputs, /) -> Features:
        """Encode texts."""
        ids, real = inputs.padded(self.padding)
        if not len(inputs):
            nothing = self.encoder.get_input_embeddings().weight.new_zeros(0, self.width)
            return Features(nothing, nothing[:, None], real.new_zeros(0, 1))
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            output = self.encoder(
                input_ids=ids,
                attention_mask=real.long(),
                output_hidden_states=self.hidden_layers > 1,
                return_dict=True,
            )
        tokens = output.last_hidden_state
        if self.hidden_layers > 1:
            tokens = torch.stack(list(output.hidden_states[-self.hidden_layers :])).mean(0)
        return Features(self._pooled(output, tokens, real), tokens, real)

    def _pooled(
        self, output: Any, tokens: Float[Tensor, "batch length width"], real: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch width"]:
        if self.pooling == "pooler":
            pooled: Tensor = output.pooler_output
            return pooled
        return tokens[:, 0] if self.pooling == "cls" else masked_mean(tokens, real)


def pretrained_encoder(folder: str | Path, pooling: Pooling) -> Any:
    """The encoder of a folder with its weights.

    Raises:
        UserError: The weights cannot be read or are incomplete.
    """
    return read_weights(Path(folder), unused="" if pooling == "pooler" else "pooler.")


def untrained_encoder(processor: HuggingFaceProcessor) -> Any:
    """The encoder that a processor's configuration describes, its weights drawn at random."""
    return untrained(processor.files()[CONFIG])
