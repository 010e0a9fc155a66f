"""`python -m feedback` and the command `feedback`."""

import sys

from feedback.cli import main

if __name__ == "__main__":
    sys.exit(main())
