"""How derivatives are checked; `gradcheck` and `check_backprop` of the package are the ways in.

Against differences: `state` puts everything back that a check touches, `differences` computes
numeric derivatives, `causes` names what went wrong, `report` shows it.

Backpropagation written by hand, against the derived one: `backprop` is the function, `session` one
run of it. `matching` finds out what a learner's arrays are, `calling` and `functions` get them from
functions, `numeric` is the reference for a NumPy forward. A `tape` runs the derivation, `judgement`
tells errors from what inherits them, `diagnosis` looks for the mistake among those of `wholes` and
`operands`, `wording` and `verdicts` say it.
"""
