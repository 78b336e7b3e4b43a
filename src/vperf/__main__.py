"""`python -m vperf` is `vperf`."""

import sys

from vperf.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
