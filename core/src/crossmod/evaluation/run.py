"""`crossmod evaluate`: load a model, run a named evaluation, print and keep its tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from crossmod.cli.recipes import parse_settings
from crossmod.domain import Domain, Evaluation
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.settings import CORE_EVALUATIONS
from crossmod.recipe import DataSettings
from crossmod.runs.atomic import write_text
from crossmod.runs.model_folder import load_model_and_recipe
from crossmod.training.display import Display
from crossmod_report import Table, text_table


def evaluations(domain: Domain) -> Mapping[str, Evaluation]:
    """Everything that a model of this domain can be scored on, by name."""
    return {**CORE_EVALUATIONS, **domain.evaluations}


def find_evaluation(domain: Domain, name: str) -> Evaluation:
    """One of them.

    Raises:
        UserError: There is none of this name.
    """
    known = evaluations(domain)
    if name not in known:
        raise UserError(f"{domain.name} has no evaluation {name!r}; it has {', '.join(known)}.")
    return known[name]


def validation_score(domain: Domain, name: str) -> Callable[[EvaluationContext], float]:
    """What scores a model on the validation split by the one number that an evaluation names.

    Raises:
        UserError: There is no evaluation of this name, or it names no such number.
    """
    target = find_evaluation(domain, name).score
    if not target:
        scored = [known for known, evaluation in evaluations(domain).items() if evaluation.score]
        raise UserError(f"evaluation {name!r} gives no one score to select weights by; take {', '.join(scored)}.")
    module, _, function = target.partition(":")
    score: Callable[[EvaluationContext], float] = getattr(import_module(module), function)
    return score


def run_evaluation(context: EvaluationContext, evaluation: Evaluation, options: Sequence[str]) -> list[Table]:
    """Run one named evaluation.

    Args:
        context: The model and its corpus.
        evaluation: What to run.
        options: `--option value` words for its settings.
    """
    module, _, name = evaluation.target.partition(":")
    tables: list[Table] = getattr(import_module(module), name)(context, parse_settings(evaluation.settings, options))
    return tables


def evaluate(
    domain: Domain | None,
    path: Path,
    *,
    name: str = "retrieval",
    options: Sequence[str] = (),
    data: DataSettings | None = None,
    as_json: bool = False,
) -> int:
    """Score a run or a model folder, print the tables and keep them beside the model as JSON.

    Args:
        domain: The domain, when it is not an installed one.
        path: A run folder or a model folder.
        name: Which evaluation.
        options: Its own options.
        data: Another corpus than the one that the model was trained on.
        as_json: Print JSON instead of tables.

    Raises:
        UserError: There is no such evaluation or model.
    """
    from dataclasses import replace

    model, recipe, domain = load_model_and_recipe(path, domain)
    evaluation = find_evaluation(domain, name)
    if data is not None:
        recipe = replace(recipe, data=data)
    with Display.for_main(not as_json) as display:
        context = EvaluationContext(model, recipe, display)
        tables = run_evaluation(context, evaluation, options)
        written = json.dumps([asdict(table) for table in tables], indent=2) + "\n"
        write_text(path / "evaluations" / f"{name}.json", written)
        for table in tables:
            display.say(text_table(table))
    if as_json:
        print(written, end="")
    return 0
