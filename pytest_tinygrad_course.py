"""A pytest plugin: the fixture `gradcheck`, for tests of one's own operations, layers and losses.

Example of a test::

    def test_my_layer(gradcheck):
        gradcheck(lambda: loss(model(X), Y), model)

pytest imports this file in every run of an environment in which the package is installed. It stands
beside the package, not inside it, so that such a run neither imports the package nor NumPy, and
cannot be broken by them: that happens when a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture
def gradcheck() -> Iterator[Callable[..., Any]]:
    """Check derivatives against differences: ``gradcheck(f, x)`` or ``gradcheck(closure, model)``.

    It takes the arguments of `tinygrad_course.gradcheck.check_gradients` and returns its report.
    When a derivative is wrong the test fails with a `GradcheckError` that shows the report.
    Within the test `tinygrad_course.default_generator` is seeded with 0, and put back afterwards.
    """
    from tinygrad_course.gradcheck import check_gradients
    from tinygrad_course.random import default_generator

    def check(f: Any, inputs: Any = None, **options: Any) -> Any:
        __tracebackhide__ = True  # the report says it all: no traceback into the check
        report = check_gradients(f, inputs, **options)
        report.raise_if_failed()
        return report

    state = default_generator.get_state()
    default_generator.manual_seed(0)
    try:
        yield check
    finally:
        default_generator.set_state(state)
