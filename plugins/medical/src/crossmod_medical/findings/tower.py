"""The tower of findings: one learned row each, and how sentences of a report speak for them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tower
from crossmod_medical.findings.processor import FindingProcessor


@dataclass(frozen=True, eq=False)
class FindingInputs:
    """Sets of findings.

    Shape:
        present: [samples, findings].
    """

    present: Bool[Tensor, "samples findings"]

    def __len__(self) -> int:
        return len(self.present)

    def take(self, index: Int64[Tensor, "chosen"]) -> FindingInputs:
        """The sets at `index`, in that order; an index may repeat."""
        return FindingInputs(self.present[index])

    def to(self, device: torch.device | str) -> FindingInputs:
        """The same sets on another device."""
        return FindingInputs(self.present.to(device))


class FindingTower(Tower):
    """Sets of findings to the sum of their rows.

    Args:
        processor: The processor that knows the findings.
        width: Width of a row.
        scale: Factor on the cosines of sentences and findings, constant.
    """

    processor: FindingProcessor

    def __init__(self, processor: FindingProcessor, width: int, scale: float) -> None:
        super().__init__()
        self.processor, self.width = processor, width
        self.rows = nn.Parameter(torch.empty(len(processor.names), width))
        nn.init.normal_(self.rows, std=width**-0.5)
        self.scale = scale
        self.bias = nn.Parameter(torch.full((len(processor.names),), -scale / 2))

    def forward(self, inputs: FindingInputs, /) -> Features:
        """Encode sets."""
        return Features(inputs.present.to(self.rows.dtype) @ self.rows)

    def evidence(
        self,
        sentences: Float[Tensor, "reports sentences dim"],
        mask: Bool[Tensor, "reports sentences"],
        findings: Float[Tensor, "findings dim"],
    ) -> Float[Tensor, "reports findings"]:
        """logit = log sum over sentences of exp(scale * cosine) + bias: one sentence is enough (multiple instances).

        Shape:
            sentences: [reports, sentences, dim], L2-normalised; findings: [findings, dim], the projected rows.
        """
        cosine = torch.einsum("bsd,fd->bsf", sentences, findings)
        spoken = (self.scale * cosine).masked_fill(~mask[..., None], -torch.inf)
        return spoken.logsumexp(1) + self.bias
