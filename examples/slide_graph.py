"""The slide graph: J = 3(a + bc), its value forward and its derivatives backward.

You see what a computation graph is: each operation hands its value on to the right, and derivatives
flow back to the left, multiplied at each operation by its local derivative. Then a variable that is
used twice: its derivative is the sum over both uses.

Course: Deep Learning Specialization, course 1 week 2, "Computation graph".

    python examples/slide_graph.py --out pictures
"""

from __future__ import annotations

from pathlib import Path

from command_line import pictures_folder

import tinygrad_course as tc
import viz


def main(out: Path | None = None) -> dict[str, float]:
    a = tc.tensor(5.0, requires_grad=True, name="a")
    b = tc.tensor(3.0, requires_grad=True, name="b")
    c = tc.tensor(2.0, requires_grad=True, name="c")

    u = b * c
    v = a + u
    J = 3 * v

    u.retain_grad()  # a backward pass keeps the gradients of a, b and c only, unless asked
    v.retain_grad()
    J.backward()
    print(f"u = bc = {u:g}, v = a + u = {v:g}, J = 3v = {J:g}")
    print(f"dJ/dv = {v.grad:g}, dJ/du = {u.grad:g}")
    print(f"dJ/da = {a.grad:g}, dJ/db = {b.grad:g}, dJ/dc = {c.grad:g}")

    # Fan-out: a, b and c each take part twice, and the two contributions add up.
    fan = a * b + a * c - (b + c)
    da, db, dc = tc.autograd.grad(fan, [a, b, c])
    print(f"J = ab + ac - (b + c) = (a - 1)(b + c) = {fan:g}")
    print(f"dJ/da = b + c = {da:g}, dJ/db = dJ/dc = a - 1 = {db:g}")

    if out is not None:
        viz.draw(J, backward=True).render(out / "slide_graph.svg")
        viz.draw(fan, backward=True).render(out / "fan_out.svg")
    return {
        "J": J.item(),
        "dv": v.grad.item(),
        "du": u.grad.item(),
        "da": a.grad.item(),
        "db": b.grad.item(),
        "dc": c.grad.item(),
        "fan": fan.item(),
        "fan_da": da.item(),
        "fan_db": db.item(),
        "fan_dc": dc.item(),
    }


if __name__ == "__main__":
    main(pictures_folder())
