"""The commands of ``tinygrad-course``, one module each.

Every command has ``add(commands)``, which describes its arguments, and ``run(arguments)``, which
does the work and returns the exit status. What a user does wrong is raised as one of the package's
errors (or `OSError`); `tinygrad_course.cli` turns it into one line. Importing a command is light:
it loads Matplotlib, scikit-learn and `viz` when it runs.
"""
