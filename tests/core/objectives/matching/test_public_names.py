from __future__ import annotations

import pytest

from crossmod.objectives import matching


def test_every_public_name_is_there_and_is_no_module() -> None:
    for name in matching.__all__:
        assert callable(getattr(matching, name)), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        matching.nothing  # noqa: B018
