"""`crossmod embed`: the vectors of a corpus as a Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossmod.cli.arguments import Arguments, assignments, suggestion
from crossmod.cli.choose import folder_domain
from crossmod.cli.recipes import parse_recipe
from crossmod.cli.trained import find_trained
from crossmod.errors import UserError

HELP = """\
usage: crossmod embed RUN --modality NAME --output FILE.parquet [--split NAME] [--data.OPTION VALUE ...]

Embed the items of one modality with a trained model and write id, group, split and vector of each row as
Parquet. RUN is a run folder, or the model folder of one; the corpus is the one that it was trained on, unless --data
says otherwise.

  --modality NAME           which items: one of the model's towers, such as text
  --output FILE.parquet     where to
  --split NAME              train, validation, test or all (all)
  --data.OPTION VALUE       change where the corpus is read from, such as --data.path new.csv
  --domain FOLDER           take the domain from a plugin's source folder, not an installed one

example:
  crossmod embed runs/first --modality text --output text.parquet --split test
"""

SPLITS = ("all", "train", "validation", "test")


def run(words: Sequence[str]) -> int:
    """Embed the corpus."""
    arguments = Arguments("embed", words)
    if arguments.flag("--help", "-h"):
        print(HELP, end="")
        return 0
    path, given = arguments.leading(), folder_domain(arguments)
    modality, output = arguments.value("--modality"), arguments.value("--output")
    split = arguments.value("--split") or "all"
    if path is None or modality is None or output is None:
        raise UserError("crossmod embed needs RUN, --modality and --output; see crossmod embed --help.")
    if split not in SPLITS:
        raise UserError(f"--split takes one of {', '.join(SPLITS)}, not '{split}'.")
    if Path(output).suffix != ".parquet":
        raise UserError(f"--output {output} is written as Parquet; give it a name that ends in .parquet.")
    trained = find_trained(Path(path))
    domain = trained.load_domain(given)
    about_data = _data_options(arguments.rest())
    recipe = parse_recipe(domain, about_data, base=trained.recipe())
    if modality not in recipe.towers.modalities:
        names = list(recipe.towers.modalities)
        hint = suggestion(modality, names) or f"; it has {', '.join(names)}."
        raise UserError(f"{path} has no tower '{modality}'{hint}")
    from crossmod.evaluation.embed import embed

    data = recipe.data if about_data else None
    return embed(domain, Path(path), modality=modality, output=Path(output), split=split, data=data)


def _data_options(words: list[str]) -> list[str]:
    for key, _ in assignments(words):
        if key != "data" and not key.startswith("data."):
            raise UserError(f"--{key} changes nothing in a trained model; crossmod embed takes --data options only.")
    return words
