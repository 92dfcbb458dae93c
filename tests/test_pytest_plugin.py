"""The pytest plugin: its fixture, and that a run without it neither imports nor breaks anything."""

from __future__ import annotations

import subprocess
import sys

pytest_plugins = ["pytester"]

GOOD = """
def test_cube(gradcheck):
    import tinygrad_course as tc

    x = tc.tensor([1.0, 2.0], requires_grad=True, name="x")
    report = gradcheck(lambda x: (x**3).sum(), x)
    assert report.difference < 1e-9
"""

BAD = """
import tinygrad_course as tc


class Square(tc.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x


def test_square(gradcheck):
    x = tc.tensor([1.0, 2.0], requires_grad=True, name="x")
    gradcheck(Square.apply, x)
"""

SEEDED = """
import tinygrad_course as tc

SEEN = []
tc.manual_seed(123)


def test_one(gradcheck):
    SEEN.append(tc.rand(3).tolist())


def test_two(gradcheck):
    SEEN.append(tc.rand(3).tolist())
    assert SEEN[0] == SEEN[1]


def test_three():
    assert tc.rand(3).tolist() not in SEEN
"""

LAZY = """
import sys


def test_nothing_is_imported():
    assert "tinygrad_course" not in sys.modules
    assert "numpy" not in sys.modules
"""


def test_the_fixture_passes_right_derivatives(pytester):
    pytester.makepyfile(GOOD)
    pytester.runpytest().assert_outcomes(passed=1)


def test_the_fixture_shows_the_report_of_wrong_ones(pytester):
    pytester.makepyfile(BAD)
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*GradcheckError: gradcheck: x: 2 of 2 checked entries disagree*", "*exactly 1/2*"]
    )
    result.stdout.fnmatch_lines(["*parameter*analytic*numeric*ratio*", "*WRONG*"])
    # The traceback ends in the user's test.
    result.stdout.no_fnmatch_line("*checking/check.py*")
    result.stdout.no_fnmatch_line("*pytest_tinygrad_course.py*")


def test_the_fixture_seeds_and_restores_the_default_generator(pytester):
    pytester.makepyfile(SEEDED)
    pytester.runpytest("-p", "no:randomly").assert_outcomes(passed=3)


def test_the_fixture_is_listed_with_its_text(pytester):
    result = pytester.runpytest("--fixtures")
    result.stdout.fnmatch_lines(["gradcheck*", "*Check derivatives against differences*"])


def test_a_run_without_the_fixture_imports_nothing(pytester):
    pytester.makepyfile(LAZY)
    code = "import pytest, sys; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=pytester.path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
