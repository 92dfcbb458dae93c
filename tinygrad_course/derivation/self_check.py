# mypy: ignore-errors
# ruff: noqa: F821
"""How the program of an exercise checks itself: NumPy alone, with central differences.

The functions below stand at the end of every such program (see `exercise`), which defines what
they read: its `forward`, `backward`, `stepped` and `example`, and names in capitals. Nothing of
this module runs here.
"""

import inspect

import numpy as np


def check():
    """Compare the lines that you filled in with central differences; return True when right."""
    inputs = example()
    yours, problem = run_backward(inputs)
    empty = [name for name in BLANKS if name in yours and yours[name] is None]
    passed = False
    if any(yours.get(name) is not None for name in BLANKS):
        passed, verdicts = compare(inputs, yours)
        print(verdicts if passed else diagnosis(inputs, yours) or verdicts)
    if empty:
        print(f"Not filled in yet: {', '.join(empty)}.")
    elif problem:
        print(f"backward() stops{problem}.")
    return passed and not empty and not problem


def run_backward(inputs):
    """Return what backward() computed, as far as it came, and what stopped it."""
    _, values = forward(**inputs)
    known = {**inputs, **values}
    given = {name: known[name] for name in inspect.signature(backward).parameters if name in known}
    try:
        return backward(**given), ""
    except Exception as error:
        frame, last = error.__traceback__, None
        while frame is not None:
            if frame.tb_frame.f_code is backward.__code__:
                last = frame
            frame = frame.tb_next
        found = last.tb_frame.f_locals if last else {}
        where = f" in line {last.tb_lineno}" if last else ""
        names = (*DERIVATIVE_OF, *BLANKS)
        computed = {name: found[name] for name in names if name in found}
        return computed, f"{where}: {type(error).__name__}: {error}"


def compare(inputs, yours):
    """Return whether all is right, and a verdict for each derivative, one in a line."""
    _, values = forward(**inputs)
    quantities = {**inputs, **values}
    wrong, right_gradients = {}, True
    for name, of in DERIVATIVE_OF.items():
        if yours.get(name) is None:
            right_gradients &= of not in PARAMETERS
            continue
        expected = differences(of, np.shape(quantities[of]), inputs)
        reason = mistake(yours[name], expected * M ** POWER_OF_M.get(name, 0))
        if reason:
            wrong[name] = reason
            right_gradients &= of not in PARAMETERS
    if right_gradients:
        # dZ may be scaled in another way than here, as long as dW and db come out right.
        wrong = {}
    lines, first = [], next(iter(wrong), None)
    for name in DERIVATIVE_OF:
        if yours.get(name) is not None:
            later = f"wrong too; first put {first} right"
            said = "right" if name not in wrong else wrong[name] if name == first else later
            lines.append(f"{name:<8} {said}")
    return right_gradients, "\n".join(lines)


def differences(name, shape, inputs):
    """Return (J(v + eps) - J(v - eps)) / (2 eps) for the entries of v; NaN for those left out."""
    found, step = np.full(shape, np.nan), np.zeros(shape)
    entries = list(np.ndindex(shape))
    for entry in entries[:: 1 + len(entries) // ENTRIES]:
        costs = []
        for sign in (1, -1):
            step[entry] = sign * EPS
            costs.append(cost_at(name, step, inputs))
        step[entry] = 0
        found[entry] = (costs[0] - costs[1]) / (2 * EPS)
    return found


def cost_at(name, step, inputs):
    """Return the cost with a step added to one quantity."""
    if name in inputs:
        J, _ = forward(**{**inputs, name: inputs[name] + step})
    else:
        J = stepped({name: step}, **inputs)
    return float(np.sum(J))


def mistake(yours, expected):
    """Return what is wrong with an array, and nothing when it is right."""
    try:
        yours = np.asarray(yours, dtype=float)
    except (TypeError, ValueError):
        return f"WRONG: it is {type(yours).__name__}, and no array of numbers"
    if yours.shape != expected.shape:
        hint = ", as its transpose has" if yours.T.shape == expected.shape else ""
        return f"WRONG: its shape is {yours.shape}, expected {expected.shape}{hint}"
    compared = np.isfinite(expected)
    a, b = yours[compared], expected[compared]
    if not np.isfinite(a).all():
        return "WRONG: it holds NaN or infinite numbers"
    # The number of the courses' gradient check, and 0 for 0 against 0.
    difference = np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b) + 1e-12)
    if difference < TOLERANCE:
        return ""
    said = f"WRONG: difference {difference:.1e}"
    ratio = a @ b / (b @ b) if b.any() else 0.0
    if np.linalg.norm(a - ratio * b) < TOLERANCE * np.linalg.norm(a):
        if abs(ratio + 1) < TOLERANCE:
            return f"{said}; it has the wrong sign"
        known = {M: "m", 1 / M: "1/m"} if M > 2 else {}
        near = [text for value, text in known.items() if abs(ratio - value) < TOLERANCE * M]
        return f"{said}; it is exactly {near[0] if near else f'{ratio:.4g}'} times the right value"
    if yours.ndim == 2 and yours.T.shape == expected.shape:
        if np.allclose(yours.T[compared], b, rtol=TOLERANCE):
            return f"{said}; it is the transpose"
    return said


def diagnosis(inputs, yours):
    """Return what tinygrad_course says is wrong; nothing where it is not installed."""
    found = {name: value for name, value in yours.items() if value is not None}
    names = {name: f"d{of}" for name, of in DERIVATIVE_OF.items() if f"d{of}" != name in found}
    gradients = [of for name, of in DERIVATIVE_OF.items() if name in found and of in PARAMETERS]
    try:
        import tinygrad_course as tc

        tensors = dict(inputs)
        for name in inputs.keys() - {"rng"}:
            array = np.asarray(inputs[name])
            tensors[name] = tc.tensor(array, requires_grad=name in PARAMETERS, name=name)
        J, values = forward(**tensors)
        for name, value in values.items():
            value.name = name
        report = tc.check_backprop(J, found, wrt=gradients, names=names)
    except Exception:  # not installed, or a forward() that it cannot follow
        return ""
    return "" if report.passed else str(report).rstrip()
