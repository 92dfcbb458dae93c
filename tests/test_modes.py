"""The switches for recording: blocks, decorators with and without parentheses, threads, tasks."""

import asyncio
import threading

import pytest

import tinygrad_course as tc


def is_on():
    return tc.is_grad_enabled()


def test_blocks_nest_and_restore():
    with tc.no_grad():
        assert not is_on()
        with tc.enable_grad():
            assert is_on()
        assert not is_on()
    assert is_on()


def test_a_block_left_by_an_error_restores():
    with pytest.raises(KeyError), tc.no_grad():
        raise KeyError
    assert is_on()


@pytest.mark.parametrize(
    "decorate, inside",
    [
        (tc.no_grad, False),
        (tc.no_grad(), False),
        (tc.enable_grad, True),
        (lambda function: tc.set_grad_enabled(False)(function), False),
    ],
)
def test_decorators(decorate, inside):
    wrapped = decorate(is_on)
    for _ in range(2):
        with tc.no_grad() if inside else tc.enable_grad():
            assert wrapped() is inside
    assert is_on()


def test_set_grad_enabled_called_alone_holds_until_called_again():
    tc.set_grad_enabled(False)
    try:
        assert not is_on()
        with tc.set_grad_enabled(True):
            assert is_on()
        assert not is_on()
    finally:
        tc.set_grad_enabled(True)
    assert is_on()


def test_a_decorated_function_may_call_itself():
    @tc.no_grad
    def down(n):
        return [is_on()] + (down(n - 1) if n else [])

    assert down(3) == [False] * 4
    assert is_on()


def test_each_thread_has_its_own_switch():
    seen = {}
    ready, go = threading.Event(), threading.Event()

    def other():
        ready.set()
        go.wait(5)
        seen["other"] = is_on()

    thread = threading.Thread(target=other)
    with tc.no_grad():
        thread.start()
        ready.wait(5)
        go.set()
        thread.join()
        assert not is_on()
    assert seen["other"] is True


def test_each_task_has_its_own_switch():
    async def off(seen):
        with tc.no_grad():
            await asyncio.sleep(0)
            seen.append(("off", is_on()))

    async def on(seen):
        await asyncio.sleep(0)
        seen.append(("on", is_on()))

    async def both():
        seen = []
        await asyncio.gather(off(seen), on(seen))
        return seen

    assert sorted(asyncio.run(both())) == [("off", False), ("on", True)]
