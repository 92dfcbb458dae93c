"""``python -m tinygrad_course`` is the command line, as ``tinygrad-course`` is."""

import sys

from tinygrad_course.cli import main

if __name__ == "__main__":
    sys.exit(main())
