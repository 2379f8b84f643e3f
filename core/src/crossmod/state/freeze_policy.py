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
from crossmod.state.named_parts import adapter_parts, match


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """One rule: what is frozen, from when, and until when.

    Args:
        pattern: Regular expression that the whole dotted name of a module or parameter matches, such as
            `towers\\.volume` or `towers\\.text\\.blocks\\.[0-5]`. A module is frozen with all that it holds, except for
            low-rank adapters, which are left to their own schedule.
        but: What trains all the same, as a pattern of the same kind (`.*\\.bias|.*norm.*`); empty leaves nothing open.
        from_step: First step at which it is frozen.
        until_step: First step at which it trains again; None never.
        keep_in_evaluation: Whether a frozen module ignores `train()`: no dropout, no running statistics.
    """

    pattern: str
    but: str = ""
    from_step: int = 0
    until_step: int | None = None
    keep_in_evaluation: bool = True

    def holds(self, step: int) -> bool:
        """Whether the rule is in force at a step."""
        return self.from_step <= step and (self.until_step is None or step < self.until_step)


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
        ValueError: A pattern is no regular expression, or a rule ends before it begins.
    """

    def __init__(self, rules: Sequence[Freeze]) -> None:
        self.rules = tuple(rules)
        for rule in self.rules:
            for pattern in (rule.pattern, rule.but):
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ValueError(f"freeze pattern {pattern!r} is no regular expression: {error}.") from None
            if rule.from_step < 0 or (rule.until_step is not None and rule.until_step <= rule.from_step):
                raise ValueError(
                    f"freezing {rule.pattern!r} from step {rule.from_step} until step {rule.until_step} freezes "
                    "nothing; let it end after it begins, at step 0 or later."
                )
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
        return step in self.changes()

    def changes(self) -> set[int]:
        """The steps after the first at which a rule comes into force or ends."""
        steps = {bound for rule in self.rules for bound in (rule.from_step, rule.until_step) if bound is not None}
        return steps - {0}

    def ever_trainable(self, model: nn.Module) -> list[nn.Parameter]:
        """The parameters that train at some step: those that the optimiser has to know."""
        self._remember_constants(model)
        for rule in self.rules:
            match(model, rule.pattern, rule.but)
        never = FreezePolicy([rule for rule in self.rules if rule.until_step is None and rule.from_step == 0])
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
        adapters = adapter_parts(model)
        for rule in self.rules:
            matched = match(model, rule.pattern, rule.but)
            if not rule.holds(step):
                continue
            for part in matched.modules - adapters.modules:
                if not (part in modules and modules[part].keep_in_evaluation):
                    modules[part] = rule
            parameters |= (matched.parameters - adapters.parameters) | matched.named
        return modules, parameters


def _stay_in_evaluation(module: nn.Module, mode: bool = True) -> nn.Module:
    """What `train` is on a frozen module: the class's own, always asked for evaluation; its open parts follow."""
    type(module).train(module, False)
    for child in module.children() if mode else ():
        child.train(mode)
    return module


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
