"""What a complete run leaves: final scores, model folder with card, report, and the table on the screen."""

from __future__ import annotations

from dataclasses import fields, replace
from importlib import import_module

from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.retrieval import Direction, retrieval_table, retrieve
from crossmod.evaluation.run import find_evaluation, run_evaluation
from crossmod.evaluation.sheet import sheet
from crossmod.recipe import Recipe
from crossmod.runs.card import data_warnings, model_card
from crossmod.runs.folder import RunFolder
from crossmod.runs.model_folder import load_weights, save_model
from crossmod.state.low_rank import fold_adapters
from crossmod.training.display import Display
from crossmod.training.fit import Fit
from crossmod_report import RunRecord, Table, rank_histogram, read_metrics, run_report, text_table, write_page


def finish(domain: Domain, recipe: Recipe, folder: RunFolder, fit: Fit, display: Display) -> None:
    """Evaluate and export the best weights, write card and report, show the table.

    The weights are those of the best validation score where a run validated, else the last ones; an averaged model
    counts as its average. The test split is read here, once, and decides nothing; `run.finish_on validation` leaves
    it unread.
    """
    step = _final_weights(folder, fit)
    model, prepared = fit.parts.model, fit.parts.prepared
    split = recipe.run.finish_on if len(prepared.corpus.rows("test")) else "validation"
    display.say(f"evaluating the {split} split")
    context = EvaluationContext(model, recipe, display, prepared)
    directions = retrieve(context, split=split)
    table = retrieval_table(
        directions,
        f"retrieval, {split} split of {prepared.corpus.name}",
        "Candidates are the items of the same split; every item of a query's group is right; ties take the mean rank.",
    )
    scores = {direction.name: direction.scores() for direction in directions}
    flat = {f"{name} {key}": value for name, values in scores.items() for key, value in values.items()}
    fit.log.write(step, split, flat)
    # A model of one modality has nothing to retrieve.
    tables = [*([table] if directions else []), *_further(domain, context, split, display)]
    environment = folder.read_environment()
    card = model_card(domain, recipe, model, prepared, environment, tables, step)
    save_model(folder.model, model, domain, recipe, card, {"step": step, "scores": scores})
    _write_report(domain, context, folder, directions, tables, split)
    for sentence in data_warnings(prepared):
        display.say(f"note: {sentence}")
    display.say("")
    for table in tables:
        display.say(text_table(table))
    display.say(f"report      {folder.report}")
    display.say(f"model       {folder.model}")
    display.say(f"run folder  {folder.path}")


def _further(domain: Domain, context: EvaluationContext, split: str, display: Display) -> list[Table]:
    """The evaluations that the domain ends a run with; one that this corpus has nothing for says so."""
    tables: list[Table] = []
    for name in (*domain.finish, *context.recipe.run.finish):
        evaluation = find_evaluation(domain, name)
        takes_split = "split" in {entry.name for entry in fields(evaluation.settings)}
        try:
            tables += run_evaluation(context, evaluation, [f"--split={split}"] if takes_split else [])
        except UserError as error:
            display.say(f"note: not evaluated on {name}: {error}")
    return tables


def _final_weights(folder: RunFolder, fit: Fit) -> int:
    """Put the weights that are evaluated and exported into the model, adapters folded in; returns their step."""
    checkpoint = folder.best()
    if checkpoint is None:
        checkpoint = fit.checkpoint()
    weights = {**checkpoint.part("model"), **checkpoint.part("average")}
    load_weights(fit.parts.model, weights, str(folder.path))
    fold_adapters(fit.parts.model)
    fit.parts.model.to("cpu").eval()
    return checkpoint.step


def _write_report(
    domain: Domain,
    context: EvaluationContext,
    folder: RunFolder,
    directions: list[Direction],
    tables: list[Table],
    split: str,
) -> None:
    prepared = context.prepared
    sheets = [
        found
        for direction in directions
        if (found := sheet(domain, context, direction.query, direction.candidate, split=split))
    ]
    for target in domain.sheets:
        module, _, name = target.partition(":")
        sheets += getattr(import_module(module), name)(context, split)
    environment, logged = folder.read_environment(), read_metrics(folder.metrics)
    record = RunRecord(
        name=folder.path.name,
        domain=domain.name,
        corpus=prepared.corpus.name,
        seed=context.recipe.seed,
        command=str(environment.get("command", "")),
        recipe=folder.recipe.read_text(encoding="utf-8"),
        status="complete",
        environment=environment,
        metrics=replace(logged, rows=[row for row in logged.rows if row.get("split") != split]),
        results=tables,
        figures=[
            rank_histogram(
                direction.ranks.ceil().long().tolist(),
                direction.metrics.candidates,
                title=f"ranks, {direction.name}, {split} split",
            )
            for direction in directions
        ],
        sheets=sheets,
        warnings=data_warnings(prepared),
        usage={
            "load": f'import crossmod\n\nmodel = crossmod.load("{folder.model}")',
            "evaluate": f"crossmod evaluate {folder.path} --on retrieval",
            "embed": f"crossmod embed {folder.path} --modality {context.model.modalities[-1]} --output vectors.parquet",
        },
        facts=dict(prepared.corpus.facts),
    )
    write_page(run_report(record), folder.report)
