"""Which parts of a model train, and from which step on (LiT, arXiv:2111.07991: one tower locked for the whole run).

The policy is a function of the step alone, so a resumed run needs none of its state. Make the optimiser over
`ever_trainable` first and apply the policy of a step before that step: a frozen parameter has no gradient, and
optimisers leave parameters without one alone, weight decay included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from crossmod.state.logit_scale import LogitScale


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """One rule: what is frozen, and until when.

    Args:
        pattern: Regular expression that the whole dotted name of a module or parameter matches, such as
            `towers\\.volume` or `towers\\.text\\.blocks\\.[0-5]`. A module is frozen with all that it holds.
        until_step: First step at which it trains again; None never.
        keep_in_evaluation: Whether a frozen module ignores `train()`: no dropout, no running statistics.
    """

    pattern: str
    until_step: int | None = None
    keep_in_evaluation: bool = True

    def holds(self, step: int) -> bool:
        """Whether the rule is in force at a step."""
        return self.until_step is None or step < self.until_step


@dataclass(frozen=True)
class FreezeReport:
    """What a policy left trainable.

    Args:
        trainable: Names of the parameters that train.
        frozen: Names of the parameters that do not.
        trainable_count: Numbers in the trainable parameters.
        frozen_count: Numbers in the frozen ones.
    """

    trainable: tuple[str, ...]
    frozen: tuple[str, ...]
    trainable_count: int
    frozen_count: int


class FreezePolicy:
    """Freezes named parts, keeps them in evaluation mode, and gives them back at their step.

    Parameters that were constant before any policy (a fixed temperature, a momentum twin) stay constant.

    Args:
        rules: What is frozen; a part named by several rules trains when none of them is in force.

    Raises:
        ValueError: A pattern is no regular expression.
    """

    def __init__(self, rules: Sequence[Freeze]) -> None:
        self.rules = tuple(rules)
        for rule in self.rules:
            try:
                re.compile(rule.pattern)
            except re.error as error:
                raise ValueError(f"freeze pattern {rule.pattern!r} is no regular expression: {error}.") from None
        self._constant: set[nn.Parameter] = set()
        self._touched: set[nn.Parameter] = set()

    def apply(self, model: nn.Module, step: int) -> FreezeReport:
        """Put the state of `step` in place: gradients on or off, evaluation mode kept or given back.

        Raises:
            ValueError: A pattern matches nothing, or nothing but logit scales would train.
        """
        self._remember_constants(model)
        frozen_modules, frozen = self._named(model, step)
        kept = {module for module, rule in frozen_modules.items() if rule.keep_in_evaluation}
        for module in model.modules():
            if module in kept:
                _keep_in_evaluation(module)
            elif _is_kept(module):
                _give_back(module, training=model.training)
        for parameter in model.parameters():
            parameter.requires_grad_(parameter not in frozen and parameter not in self._constant)
            if parameter in frozen:
                parameter.grad = None
        report = _report(model)
        scales = {id(p) for part in model.modules() if isinstance(part, LogitScale) for p in part.parameters()}
        if all(id(p) in scales for p in model.parameters() if p.requires_grad):
            patterns = ", ".join(repr(rule.pattern) for rule in self.rules)
            raise ValueError(
                f"at step {step} the freeze patterns {patterns} leave nothing trainable except the logit scale; leave "
                "one tower or a head open."
            )
        return report

    def changes_at(self, step: int) -> bool:
        """Whether the state of `step` differs from that of the step before."""
        return any(rule.until_step == step for rule in self.rules)

    def ever_trainable(self, model: nn.Module) -> list[nn.Parameter]:
        """The parameters that train at some step: those that the optimiser has to know."""
        self._remember_constants(model)
        for rule in self.rules:
            _match(model, rule)
        never = FreezePolicy([rule for rule in self.rules if rule.until_step is None])
        _, frozen = never._named(model, 0)
        return [p for p in model.parameters() if p not in frozen and p not in self._constant]

    def _remember_constants(self, model: nn.Module) -> None:
        for parameter in model.parameters():
            if parameter not in self._touched:
                self._touched.add(parameter)
                if not parameter.requires_grad:
                    self._constant.add(parameter)

    def _named(self, model: nn.Module, step: int) -> tuple[dict[nn.Module, Freeze], set[nn.Parameter]]:
        modules: dict[nn.Module, Freeze] = {}
        parameters: set[nn.Parameter] = set()
        for rule in self.rules:
            matched, single = _match(model, rule)
            if not rule.holds(step):
                continue
            for module in matched:
                for part in module.modules():
                    if not (part in modules and modules[part].keep_in_evaluation):
                        modules[part] = rule
                parameters.update(module.parameters())
            parameters.update(single)
        return modules, parameters


def _match(model: nn.Module, rule: Freeze) -> tuple[list[nn.Module], list[nn.Parameter]]:
    modules = [part for name, part in model.named_modules() if name and re.fullmatch(rule.pattern, name)]
    parameters = [part for name, part in model.named_parameters() if re.fullmatch(rule.pattern, name)]
    if not modules and not parameters:
        names = ", ".join(sorted({".".join(name.split(".")[:2]) for name, _ in model.named_modules() if name}))
        raise ValueError(f"freeze pattern {rule.pattern!r} matches no part of the model, which has {names}.")
    return modules, parameters


def _stay_in_evaluation(module: nn.Module, mode: bool = True) -> nn.Module:
    """What `train` is on a frozen module: the class's own, always asked for evaluation."""
    return type(module).train(module, False)


def _keep_in_evaluation(module: nn.Module) -> None:
    # On the object and not on its class: a trained and a locked tower may be of one class.
    module.__dict__["train"] = partial(_stay_in_evaluation, module)
    module.train(False)


def _is_kept(module: nn.Module) -> bool:
    return getattr(module.__dict__.get("train"), "func", None) is _stay_in_evaluation


def _give_back(module: nn.Module, *, training: bool) -> None:
    del module.__dict__["train"]
    module.training = training


def _report(model: nn.Module) -> FreezeReport:
    trainable = dict(_with_gradient(model, True))
    frozen = dict(_with_gradient(model, False))
    return FreezeReport(
        tuple(trainable),
        tuple(frozen),
        sum(parameter.numel() for parameter in trainable.values()),
        sum(parameter.numel() for parameter in frozen.values()),
    )


def _with_gradient(model: nn.Module, wanted: bool) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad is wanted)
