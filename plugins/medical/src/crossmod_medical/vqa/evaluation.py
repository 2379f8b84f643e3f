"""The `vqa` evaluation: how many questions of a split are answered as the corpus answers them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.contracts.batch import Inputs
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.training.prepare import Prepared
from crossmod_medical.pairs.inputs import PairInputs
from crossmod_medical.pairs.item import ImageText
from crossmod_medical.vqa.answer_tower import AnswerInputs, AnswerTower
from crossmod_medical.vqa.scoring import accuracies, commonest_answers, nearest_questions
from crossmod_medical.vqa.settings import VqaSettings
from crossmod_medical.vqa.words import WordProcessor, split_words
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell


def evaluate(context: EvaluationContext, settings: VqaSettings) -> list[Table]:
    """Accuracy of the model, of itself with other images, and of what needs none; and what could be answered at all.

    An answer is right when it equals the corpus's, both normalised. Answers outside the training vocabulary count as
    wrong in every row.

    Raises:
        UserError: The corpus or the model is not one of questions, or the split has none.
    """
    prepared, answers = context.prepared, _answer_tower(context, settings)
    rows = _rows(prepared, settings)
    inputs, truth = _asked(prepared, settings, rows)
    image = _images(prepared, settings, rows)
    table = context.model.project(settings.answer, answers.known()).detach()
    train = _rows(prepared, VqaSettings(split="train", question=settings.question, answer=settings.answer))
    seen, learned = _asked(prepared, settings, train)
    known = learned > 0
    known_words, words = _words(prepared, settings, train[known], rows)
    same_image = image[:, None] == _images(prepared, settings, train[known])
    given = {
        "model": _answers(context, settings, inputs, table),
        "model, image exchanged": _answers(context, settings, _exchanged(inputs, settings.seed), table),
        "nearest training questions": nearest_questions(known_words, learned[known], words, settings.neighbours),
        "nearest of the same image": nearest_questions(
            known_words, learned[known], words, settings.neighbours, same_image
        ),
        "commonest answer of the kind": commonest_answers(learned[known], seen.kind[known], inputs.kind),
    }
    body = []
    for name, answer in given.items():
        scores = accuracies(
            (answer == truth) & (truth > 0), inputs.kind, image, resamples=settings.resamples, seed=settings.seed
        )
        cells: dict[str, Cell] = {"answers": name}
        for part, score in scores.items():
            if score.value is not None and score.lower is not None and score.upper is not None:
                cells[part] = 100 * score.value
                cells[f"{part} interval"] = f"{100 * score.lower:.1f} to {100 * score.upper:.1f}"
        body.append(Row(cells=cells, role="result" if name == "model" else "reference"))
    ceiling = accuracies(truth > 0, inputs.kind, image, resamples=2, seed=settings.seed)
    covered: dict[str, Cell] = {"answers": "answer in the training vocabulary"}
    covered |= {part: 100 * score.value for part, score in ceiling.items() if score.value is not None}
    body.append(Row(cells=covered, role="reference"))
    return [_table(body, prepared, settings, len(rows), len(answers.processor.answers))]


def _table(body: list[Row], prepared: Prepared, settings: VqaSettings, questions: int, answers: int) -> Table:
    columns = [Column(key="answers", title="who answers")]
    for part in ("open", "closed", "overall"):
        columns.append(Column(key=part, title=f"{part} %", decimals=1))
        columns.append(Column(key=f"{part} interval", title="95 %"))
    note = (
        f"{questions} questions, {answers} known answers; intervals resample images. The exchanged row gives every "
        f"question another question's image. In the nearest rows {settings.neighbours} training questions vote, of "
        "all images or of the same image, whose pixels are not looked at."
    )
    title = f"answers, {settings.split} split of {prepared.corpus.name}"
    return Table(columns=columns, rows=body, title=title, note=note)


def _answer_tower(context: EvaluationContext, settings: VqaSettings) -> AnswerTower:
    _, tower = (context.model.tower(modality) for modality in (settings.question, settings.answer))
    if not isinstance(tower, AnswerTower):
        raise UserError(f"{settings.answer!r} holds no answers but {type(tower).__name__}; train with AnswerTable.")
    return tower


def _rows(prepared: Prepared, settings: VqaSettings) -> Int64[Tensor, "questions"]:
    """The rows of a split that have a question and an answer."""
    rows = prepared.rows(settings.split, settings.question, settings.answer)
    if not len(rows):
        raise UserError(f"the {settings.split} split of {prepared.corpus.name} has no question with an answer.")
    return rows


def _asked(
    prepared: Prepared, settings: VqaSettings, rows: Int64[Tensor, "questions"]
) -> tuple[PairInputs, Int64[Tensor, "questions"]]:
    """The questions of some rows, and the class of the answer of each, 0 where training never saw it."""
    questions: Inputs = prepared.inputs[settings.question]
    answers: Inputs = prepared.inputs[settings.answer]
    if not isinstance(questions, PairInputs) or not isinstance(answers, AnswerInputs):
        raise UserError(f"{prepared.corpus.name} is no corpus of questions about images; choose one with --data.")
    asked = questions.take(prepared.item[settings.question][rows])
    return asked, answers.answer[prepared.item[settings.answer][rows]]


def _images(prepared: Prepared, settings: VqaSettings, rows: Tensor) -> Int64[Tensor, "questions"]:
    """A number for every image, the same in all its questions."""
    questions = prepared.inputs[settings.question]
    assert isinstance(questions, PairInputs)
    return questions.picture[prepared.item[settings.question][rows]]


def _answers(
    context: EvaluationContext, settings: VqaSettings, inputs: PairInputs, table: Float[Tensor, "answers dim"]
) -> Int64[Tensor, "questions"]:
    """The class of the answer whose row lies nearest."""
    vectors = context.model.embed(settings.question, inputs)
    return (vectors @ table.cpu().T).argmax(1) + 1


def _exchanged(inputs: PairInputs, seed: int) -> PairInputs:
    """Every question with the image of another one, drawn at random."""
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    return PairInputs(inputs.images, inputs.texts, inputs.picture[order], inputs.text, inputs.kind)


def _words(
    prepared: Prepared, settings: VqaSettings, train: Tensor, rows: Tensor
) -> tuple[Float[Tensor, "train words"], Float[Tensor, "questions words"]]:
    """Which words the training questions and those asked hold, each as heavy as it is rare in training."""
    read = [_texts(prepared, settings, chosen) for chosen in (train, rows)]
    words = WordProcessor.fit(read[0], length=1 << 20)
    weight = dict(zip(words.words, words.rarity, strict=True))
    place = {word: number for number, word in enumerate(words.words)}
    counts = [torch.zeros(len(texts), len(place)) for texts in read]
    for count, texts in zip(counts, read, strict=True):
        for row, text in enumerate(texts):
            for word in set(split_words(text)) & place.keys():
                count[row, place[word]] = weight[word]
    return counts[0], counts[1]


def _texts(prepared: Prepared, settings: VqaSettings, rows: Tensor) -> list[str]:
    items = prepared.corpus.columns[settings.question].items
    asked: list[ImageText] = [items[place] for place in prepared.item[settings.question][rows].tolist()]
    return [item.text or "" for item in asked]
