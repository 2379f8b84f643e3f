"""A tower's features together with the states of its top layers, for objectives that read them (BridgeTower)."""

from __future__ import annotations

from crossmod.contracts.batch import Inputs
from crossmod.contracts.tower import Features, Tower
from crossmod.fusion.taps import HiddenStateTap


def features_with_states(tower: Tower, inputs: Inputs, states: int) -> Features:
    """The tower's features, with `hidden` holding its last `states` states, lowest first.

    Every state has passed the tower's own final norm, as in the released code of BridgeTower. A tower that offers
    fewer states brings what it has; one that offers none brings its features alone.

    Raises:
        ValueError: The tower runs its layers more than once, or on packed tokens.
    """
    layers = list(tower.state_layers)[-states:]
    features: Features
    if not layers or not len(inputs):
        features = tower(inputs)
        hidden = None if features.tokens is None or not layers else (features.tokens,) * len(layers)
        return features if hidden is None else features._replace(hidden=hidden)
    with HiddenStateTap(layers, norm=tower.state_norm).listening() as heard:
        features = tower(inputs)
    return features._replace(hidden=tuple(heard))
