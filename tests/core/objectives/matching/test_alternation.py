from __future__ import annotations

from collections import Counter

import pytest
import torch

from crossmod.cli.recipes import parse_recipe
from crossmod.errors import UserError
from crossmod.objectives.matching.alternation import AlternatingObjective, Alternation
from crossmod.objectives.matching.settings import Alternating
from crossmod.objectives.settings import InfoNCE, MaskedTokens
from crossmod.testing.tiny import domain
from crossmod.training.assemble import Parts, assemble
from crossmod.training.backward import backward

SETTINGS = "crossmod.objectives.settings"
TURNS = f"""{{turns: {{class_path: {SETTINGS}.Alternating, init_args: {{
    objectives: {{
        contrast: {{class_path: {SETTINGS}.InfoNCE, init_args: {{a: point, b: text}}}},
        hidden: {{class_path: {SETTINGS}.MaskedTokens, init_args: {{modality: text, weight: 2.0}}}}}},
    cycle: [[contrast], [hidden, contrast], [hidden]]}}}}}}"""


def _parts() -> Parts:
    return assemble(parse_recipe(domain, ["--data.points=40", f"--objectives={TURNS}"]))


def test_every_loss_is_used_equally_often_also_from_the_middle_of_a_cycle() -> None:
    cycle = Alternation([["pairs"], ["frames", "pairs"], ["order"]])
    whole = [cycle.active(step) for step in range(9)]
    assert Counter(whole) == {("pairs",): 3, ("frames", "pairs"): 3, ("order",): 3}
    resumed = Alternation([["pairs"], ["frames", "pairs"], ["order"]])
    assert [resumed.active(step) for step in range(4, 9)] == whole[4:]


def test_a_recipe_trains_by_turns_and_goes_on_in_mid_cycle() -> None:
    parts, other = _parts(), _parts()
    batch = parts.prepared.batch(torch.arange(8))
    seen = []
    for step in range(4):
        terms = backward(parts.model, parts.mixture, batch, step)
        seen.append({name.split("/")[1] for name in terms if name.startswith("turns/")})
        parts.mixture.after_step()
    # The tiny domain's own contrast stands beside the turns.
    assert seen == [{"contrast"}, {"hidden", "contrast"}, {"hidden"}, {"contrast"}]
    other.mixture.load_state_dict(parts.mixture.state_dict())
    assert "turns/hidden/loss" in backward(other.model, other.mixture, batch, 4)


def test_weights_count_and_what_waits_gets_no_gradient() -> None:
    parts = _parts()
    batch = parts.prepared.batch(torch.arange(8))
    turns = parts.mixture.objectives["turns"]
    assert isinstance(turns, AlternatingObjective) and turns.couples_batch
    backward(parts.model, parts.mixture, batch, 0)
    assert all(p.grad is None for p in turns.mixture.objectives["hidden"].parameters())
    turns.step.fill_(2)
    terms = backward(parts.model, parts.mixture, batch, 2)
    assert torch.allclose(terms["loss"], terms["contrast/loss"] + 2 * terms["turns/hidden/loss"])


def test_refuses_cycles_that_cannot_be_meant() -> None:
    for cycle in ([], [["a"], []], ["pairs"]):
        with pytest.raises(ValueError, match="names no objective"):
            Alternation(cycle)
    entries = {"pairs": InfoNCE(a="point", b="text"), "hidden": MaskedTokens(modality="text")}
    for names in ([["pairs"]], [["pairs", "hidden"], []], [["pairs"], ["hidden"], ["order"]], []):
        with pytest.raises(UserError, match="name each objective in some step"):
            Alternating(objectives=entries, cycle=names)
    with pytest.raises(ValueError, match="name each of them"):
        AlternatingObjective(entries, [["pairs"]], dict(_parts().model.towers))
    entries["hidden"] = MaskedTokens(modality="text", weight=0.0)
    with pytest.raises(ValueError, match=r"a turn of the cycle, \['hidden'\], has objectives of weight 0 alone"):
        AlternatingObjective(entries, [["pairs"], ["hidden"]], dict(_parts().model.towers))
