"""Volumes ranked by the patches that sentences select: what SimCroP learns, which has no contrast of whole samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.retrieval import Direction, Gallery, gallery, retrieval_table
from crossmod.model import CrossModal
from crossmod.objectives.pairs.phrases import PhraseTower
from crossmod.training.prepare import Prepared
from crossmod_medical.pretraining.evaluation_settings import SentencePatchSettings
from crossmod_metrics import average_precision, chance, multi_task, ranks_from_scores, retrieval_metrics, roc_auc
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell

BATCH = 64


@dataclass(frozen=True)
class Sentences:
    """The sentences of some reports, end to end.

    Shape:
        vectors: [sentences, dim], unit length; identity: [sentences]; equal numbers are equal words.
        report: [sentences]; which of the reports each belongs to.
    """

    vectors: Float[Tensor, "sentences dim"]
    identity: Int64[Tensor, "sentences"]
    report: Int64[Tensor, "sentences"]


@torch.no_grad()
def embed_sentences(model: CrossModal, prepared: Prepared, modality: str, item: Int64[Tensor, "items"]) -> Sentences:
    """Every sentence of the reports, projected as reports are.

    Raises:
        UserError: The modality's tower knows no sentences.
    """
    tower = model.tower(modality)
    if not isinstance(tower, PhraseTower):
        raise UserError(
            f"sentence-patches needs the sentences of {modality!r}, which its tower {type(tower).__name__} does not "
            "tell; train a recipe with ReportTransformer or ReportLevels."
        )
    vectors: list[Tensor] = []
    identity: list[Tensor] = []
    report: list[Tensor] = []
    for index in torch.split(item, BATCH):
        inputs = prepared.inputs[modality].take(index)
        phrases = tower.phrases(inputs, tower(inputs))
        vectors.append(model.project(modality, phrases.values[phrases.mask]))
        identity.append(phrases.identity[phrases.mask])
        report.append(phrases.mask.nonzero()[:, 0] + BATCH * len(report))
    return Sentences(torch.cat(vectors), torch.cat(identity), torch.cat(report))


@torch.no_grad()
def embed_patches(
    model: CrossModal, prepared: Prepared, modality: str, item: Int64[Tensor, "items"]
) -> Iterator[Float[Tensor, "batch patches dim"]]:
    """Every patch of the volumes, projected as volumes are, some volumes at a time.

    Raises:
        UserError: The modality's tower returns no tokens.
    """
    tower = model.tower(modality)
    for index in torch.split(item, BATCH):
        tokens = tower(prepared.inputs[modality].take(index)).tokens
        if tokens is None:
            raise UserError(f"sentence-patches needs the patches of {modality!r}, of which its tower returns none.")
        yield model.project(modality, tokens)


def sentence_scores(
    sentences: Float[Tensor, "sentences dim"], patches: Float[Tensor, "volumes patches dim"], share: float, least: int
) -> Float[Tensor, "sentences volumes"]:
    """Mean cosine of a sentence with the patches of a volume that it is most similar to."""
    count = min(patches.shape[1], max(least, int(share * patches.shape[1])))
    scores = [(sentences @ volume.T).topk(count, 1).values.mean(1) for volume in patches]
    return torch.stack(scores, 1)


@dataclass(frozen=True)
class Scored:
    """All sentences against all volumes of a split.

    Shape:
        scores: [sentences, volumes].
    """

    sentences: Sentences
    reports: Gallery
    volumes: Gallery
    scores: Float[Tensor, "sentences volumes"]

    def of_reports(self) -> Float[Tensor, "reports volumes"]:
        """The mean over a report's sentences."""
        count = torch.bincount(self.sentences.report, minlength=len(self.reports.item))[:, None]
        total = self.scores.new_zeros(len(self.reports.item), self.scores.shape[1])
        return total.index_add(0, self.sentences.report, self.scores) / count

    def of_distinct(self) -> tuple[Float[Tensor, "distinct volumes"], Bool[Tensor, "distinct volumes"]]:
        """The score of each distinct sentence, its mean over reports, and the volumes whose study says it."""
        known, number = torch.unique(self.sentences.identity, return_inverse=True)
        count = torch.bincount(number, minlength=len(known))[:, None]
        total = self.scores.new_zeros(len(known), self.scores.shape[1]).index_add(0, number, self.scores)
        same = self.reports.group[self.sentences.report][:, None] == self.volumes.group
        said = total.new_zeros(total.shape).index_add(0, number, same.to(total.dtype)) > 0
        return total / count, said


def score_split(model: CrossModal, prepared: Prepared, settings: SentencePatchSettings) -> Scored:
    """Score every sentence of a split's reports against every of its volumes.

    Raises:
        UserError: The split has no study with both, or a tower cannot tell sentences or patches.
    """
    rows = prepared.rows(settings.split, settings.image, settings.text)
    if not len(rows):
        raise UserError(f"split {settings.split} has no {settings.image} with {settings.text}; take another split.")
    reports, volumes = (gallery(prepared, one, rows) for one in (settings.text, settings.image))
    sentences = embed_sentences(model, prepared, settings.text, reports.item)
    parts = [
        sentence_scores(sentences.vectors, patches, settings.share, settings.least)
        for patches in embed_patches(model, prepared, settings.image, volumes.item)
    ]
    return Scored(sentences, reports, volumes, torch.cat(parts, 1))


def report_direction(scored: Scored, name: str, recalls: tuple[int, ...]) -> Direction:
    """Volumes ranked by reports through their sentences; volumes of the same study are right."""
    right = scored.reports.group[:, None] == scored.volumes.group
    found = ranks_from_scores(scored.of_reports(), right)
    size = len(scored.volumes.item)
    ks = tuple(k for k in recalls if k <= size) or (1,)
    return Direction(name, "volumes", retrieval_metrics(found, size, ks), chance(size, right.sum(1), ks), found)


def sentence_row(scored: Scored, name: str) -> Row:
    """Mean over distinct sentences of AP and AUROC of the volumes whose study says the sentence."""
    scores, said = scored.of_distinct()
    varied = said.any(1) & ~said.all(1)
    cells: dict[str, Cell] = {"model": name, "sentences": int(varied.sum())}
    if bool(varied.any()):
        scored_said = scores[varied].T, said[varied].T.long()
        cells |= {
            "ap": multi_task(average_precision, *scored_said).mean,
            "chance": float(said[varied].double().mean()),
            "auroc": multi_task(roc_auc, *scored_said).mean,
        }
    return Row(cells=cells)


def evaluate(context: EvaluationContext, settings: SentencePatchSettings) -> list[Table]:
    """The `sentence-patches` evaluation."""
    prepared, models = context.prepared, {"trained": context.model.eval()}
    if settings.untrained:
        models["untrained"] = context.untrained(settings.seed).model
    scored = {name: score_split(model, prepared, settings) for name, model in models.items()}
    where = f"{settings.split} split of {prepared.corpus.name}"
    directions = [report_direction(found, f"sentences, {name}", settings.recalls) for name, found in scored.items()]
    note = "A report scores a volume by the mean over its sentences of the cosines with the patches each selects."
    columns = [
        Column(key="model", title="model"),
        Column(key="ap", title="mean AP", decimals=3),
        Column(key="chance", title="chance", decimals=3),
        Column(key="auroc", title="AUROC", decimals=3),
        Column(key="sentences", title="sentences", decimals=0),
    ]
    rows = [sentence_row(found, name) for name, found in scored.items()]
    return [
        retrieval_table(directions, f"volumes by patches, {where}", note),
        Table(
            columns=columns,
            rows=rows,
            title=f"volumes by single sentences, {where}",
            note="Right are the volumes of every study whose report holds the sentence word for word.",
        ),
    ]
