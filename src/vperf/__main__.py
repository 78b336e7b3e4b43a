"""`python -m vperf` is `vperf`: where both begin, and where Ctrl-C is met while modules load.

Not here: what the command does, and what it says of errors (cli/main.py).
"""

import sys


def run() -> int:
    """The command line; 130 where it was interrupted before it could say so itself."""
    try:
        from vperf.cli.main import main  # noqa: PLC0415  (loading it is what Ctrl-C interrupts)

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
