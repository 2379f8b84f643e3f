"""A domain: what a plugin package hands to crossmod through its entry point (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crossmod.recipe import Recipe
from crossmod.settings import Settings


@dataclass(frozen=True)
class Evaluation:
    """A named way to score a trained model.

    Args:
        name: What `crossmod evaluate RUN --on NAME` takes.
        summary: One line for `--help`.
        target: `"package.module:function"`, called as `function(context, settings)` with a
            `crossmod.evaluation.context.EvaluationContext`, returning a list of `crossmod_report.Table`; imported
            only when it runs.
        settings: The evaluation's own options.
        score: `"package.module:function"`, called as `function(context)` and returning one number of the validation
            split, larger being better, which `run.select_by` keeps the best weights by; empty where there is none.
    """

    name: str
    summary: str
    target: str
    settings: type[Settings]
    score: str = ""


@dataclass(frozen=True)
class Domain:
    """One field of application.

    Args:
        name: The word after `crossmod train`.
        summary: One line for `crossmod domains`.
        recipe: The domain's recipe class.
        recipes: Folder of packaged recipe YAML files; `default.yaml` is what a bare `crossmod train NAME` runs.
        evaluations: Named evaluations beside the ones that core offers every domain.
        drawings: By modality, `"package.module:function"` that draws a raw item for the run report, as an SVG text or
            as the bytes of a PNG; None instead shows the item without a picture. Modalities without one are shown as
            text.
        finish: Names of evaluations that a finished run is scored on beside retrieval, with their default options;
            one that the corpus has no labels for is left out.
        sheets: `"package.module:function"` of further retrieval sheets of the run report, each called as
            `function(context, split)` with a `crossmod.evaluation.context.EvaluationContext` and returning a list of
            `crossmod_report.RetrievalSheet`, empty where there is nothing to show.
    """

    name: str
    summary: str
    recipe: type[Recipe]
    recipes: Path
    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    drawings: Mapping[str, str] = field(default_factory=dict)
    finish: tuple[str, ...] = ()
    sheets: tuple[str, ...] = ()

    def recipe_names(self) -> list[str]:
        """The packaged recipes that `--config NAME` finds, the default first."""
        names = sorted(path.stem for path in self.recipes.glob("*.yaml"))
        return sorted(names, key=lambda name: name != "default")
