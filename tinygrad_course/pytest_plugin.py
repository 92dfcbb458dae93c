"""A pytest plugin: the fixture `gradcheck`, for tests of one's own operations and models.

pytest imports this file in every run of an environment in which the package is installed, so it
imports the package itself only when a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def gradcheck() -> Callable[..., Any]:
    """Return the gradient check."""
    from tinygrad_course.gradcheck import gradcheck as check  # type: ignore[import-not-found,unused-ignore]

    return check
