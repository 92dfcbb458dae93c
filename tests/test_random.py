"""Generators: repeatable streams, exact states, and no use of NumPy's global one."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tinygrad_course import random as rng
from tinygrad_course.errors import TinygradCourseError
from tinygrad_course.random import Generator


def test_the_stream_is_numpys_pcg64() -> None:
    expected = np.random.Generator(np.random.PCG64(2)).random(400)
    np.testing.assert_array_equal(Generator(2).numpy.random(400), expected)
    np.testing.assert_array_equal(
        Generator(2).numpy.random(400), np.random.default_rng(2).random(400)
    )


def test_equal_seeds_give_equal_numbers_and_other_seeds_others() -> None:
    one, two, other = (Generator(seed).numpy.random(8) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_without_a_seed_generators_differ_and_tell_their_seed() -> None:
    one, two = Generator(), Generator()
    assert one.seed != two.seed
    np.testing.assert_array_equal(Generator(one.seed).numpy.random(4), one.numpy.random(4))


def test_manual_seed_restarts_in_place() -> None:
    generator = Generator(0)
    stream = generator.numpy
    stream.random(3)
    assert generator.manual_seed(9) is generator
    assert generator.numpy is stream
    assert stream.random() == np.random.default_rng(9).random()
    assert generator.seed == generator.initial_seed() == 9


def test_module_functions_act_on_the_default_generator() -> None:
    assert rng.manual_seed(4) is rng.default_generator
    state = rng.get_rng_state()
    first = rng.default_generator.numpy.random(5)
    rng.set_rng_state(state)
    np.testing.assert_array_equal(rng.default_generator.numpy.random(5), first)
    np.testing.assert_array_equal(first, np.random.default_rng(4).random(5))


def test_state_survives_json_also_between_two_32_bit_draws() -> None:
    generator = Generator(1)
    # A 32-bit draw keeps the other half of 64 bits for the next one; it belongs to the state.
    generator.numpy.integers(2**32, dtype=np.uint32)
    state = json.loads(json.dumps(generator.get_state()))
    expected = generator.numpy.integers(2**32, size=7, dtype=np.uint32)
    restored = Generator(99)
    restored.set_state(state)
    np.testing.assert_array_equal(restored.numpy.integers(2**32, size=7, dtype=np.uint32), expected)
    assert restored.seed == 1
    assert state["has_uint32"] == 1


def test_spawned_streams_are_independent_repeatable_and_leave_the_parent_alone() -> None:
    parent = Generator(3)
    children = [parent.spawn() for _ in range(3)]
    expected = [np.random.default_rng(s) for s in np.random.SeedSequence(3).spawn(3)]
    for child, numpy_child in zip(children, expected, strict=True):
        assert child.numpy.random() == numpy_child.random()
    assert parent.numpy.random() == Generator(3).numpy.random()
    grandchild = children[1].spawn()
    assert repr(grandchild) == "Generator(seed=3, spawn_key=(1, 0))"
    assert grandchild.numpy.random() != children[1].numpy.random()


def test_spawning_goes_on_after_a_restored_state() -> None:
    parent = Generator(3)
    parent.spawn()
    restored = Generator(0)
    restored.set_state(json.loads(json.dumps(parent.get_state())))
    assert restored.spawn().numpy.random() == parent.spawn().numpy.random()


def test_copies_go_on_separately() -> None:
    generator = Generator(8)
    generator.numpy.random()
    twin = copy.deepcopy(generator)
    expected = generator.numpy.random(3)
    np.testing.assert_array_equal(twin.numpy.random(3), expected)


@pytest.mark.parametrize(
    ("seed", "kind"),
    [(-1, ValueError), (1.5, TypeError), ("7", TypeError), (True, TypeError), ([1], TypeError)],
)
def test_bad_seeds_are_refused(seed: Any, kind: type[Exception]) -> None:
    for seeded in (Generator, Generator(0).manual_seed, rng.manual_seed):
        with pytest.raises(kind, match="expected an integer >= 0") as caught:
            seeded(seed)
        assert isinstance(caught.value, TinygradCourseError)


def test_manual_seed_needs_a_seed() -> None:
    with pytest.raises(TypeError, match="got the seed None"):
        rng.manual_seed(None)  # type: ignore[arg-type]


def test_numpy_integers_and_large_seeds_are_seeds() -> None:
    assert Generator(np.int64(5)).numpy.random() == Generator(5).numpy.random()
    assert Generator(2**100).numpy.random() == np.random.default_rng(2**100).random()


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "MT19937"},
        {"inc": 2},
        {"state": -1},
        {"state": 2**128},
        {"uinteger": 2**32},
        {"has_uint32": 0.0},
        {"seed": None},
        {"spawn_key": 3},
        {"extra": 1},
    ],
)
def test_a_bad_state_is_refused_and_changes_nothing(change: dict[str, Any]) -> None:
    generator = Generator(0)
    before = generator.get_state()
    with pytest.raises(ValueError, match="set_state: got .*get_state"):
        generator.set_state({**Generator(1).get_state(), **change})
    assert generator.get_state() == before


def test_a_state_that_is_no_dictionary_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a dictionary"):
        Generator(0).set_state([1, 2])  # type: ignore[arg-type]


def test_numpys_global_state_is_neither_read_nor_written() -> None:
    before = np.random.get_state(legacy=False)
    rng.manual_seed(0).numpy.random(10)
    Generator().spawn().numpy.random(10)
    after = np.random.get_state(legacy=False)
    assert str(before) == str(after)


def test_importing_does_not_import_numpy_random() -> None:
    code = "import tinygrad_course.random, sys; sys.exit('numpy.random' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
