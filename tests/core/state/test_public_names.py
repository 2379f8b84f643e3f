from __future__ import annotations

import subprocess
import sys

import pytest

from crossmod import state


def test_every_public_name_is_there_and_is_no_module() -> None:
    for name in state.__all__:
        assert callable(getattr(state, name)), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        state.nothing  # noqa: B018


def test_the_list_of_names_needs_no_torch() -> None:
    code = "import sys, crossmod.state; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
