"""The base class that gives `Tensor` its operation methods.

At run time it is empty: each operation attaches itself when it is defined (see `ops/define`). The
stub beside this file, written by ``python tools/make_stubs.py``, tells editors and type checkers
which methods there are.
"""


class TensorMethods:
    """Operations as methods: ``x.exp()``, ``x.sum(axis=0)``, ``x.reshape(2, -1)`` and so on."""

    __slots__ = ()
