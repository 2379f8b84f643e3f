"""What the towers of reports and findings are trained by: every finding told by some sentence."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Features
from crossmod_medical.findings.tower import FindingInputs, FindingTower


def evidence_logits(
    forwards: Forwards, report: str, finding: str, features: Features
) -> Float[Tensor, "reports findings"]:
    """The logit of every finding in every report."""
    tower, tokens, mask = forwards.tower(finding), features.tokens, features.mask
    assert isinstance(tower, FindingTower) and tokens is not None and mask is not None
    sentences = forwards.project(report, tokens)
    return tower.evidence(sentences, mask, forwards.project(finding, tower.rows))


class EvidenceObjective(Objective):
    """Binary cross-entropy of every finding of every report, the mean over both.

    Args:
        report, finding: Their modalities.
    """

    couples_batch = False

    def __init__(self, report: str, finding: str) -> None:
        super().__init__()
        self.report, self.finding = report, finding

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have a report and findings."""
        reports, findings, _ = batch.common(self.report, self.finding)
        stated = batch.inputs[self.finding]
        assert isinstance(stated, FindingInputs)
        features = forwards.features(self.report)
        if not len(reports):
            nothing = features.pooled[reports].sum()
            return Outcome(nothing, {"loss": nothing.detach()})
        logits = evidence_logits(forwards, self.report, self.finding, features)[reports]
        truth: Bool[Tensor, "reports findings"] = stated.present[findings]
        loss = functional.binary_cross_entropy_with_logits(logits.float(), truth.float())
        right = ((logits.detach() > 0) == truth).float().mean()
        return Outcome(loss, {"loss": loss.detach(), "accuracy": right})
