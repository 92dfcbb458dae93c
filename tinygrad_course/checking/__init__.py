"""How derivatives are checked against differences; `tinygrad_course.gradcheck` is the way in.

`state` puts everything back that a check touches, `differences` computes numeric derivatives,
`causes` names what went wrong, `report` shows it.
"""
