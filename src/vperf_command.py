"""Where the `vperf` command begins: Ctrl-C while vperf loads ends it as a signal does, in silence.

Outside of the package, whose first import is half of a start. Not here: the command (vperf.cli).
"""

import signal


def run() -> int:
    """The command line."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # not where a job in the background ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from vperf.__main__ import run as begin  # noqa: PLC0415  (loading it is what is interrupted)

    signal.signal(signal.SIGINT, usual)
    return begin()
