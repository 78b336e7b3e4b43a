"""A bar on stderr for what takes long; nothing at all where stderr is no terminal.

Not here: what takes long.
"""

from __future__ import annotations

import sys
import time

from vperf.cli import output

_CELLS = 28
_SHOWN_AFTER_S = 0.5
_AGAIN_AFTER_S = 0.1
_EVERY = 16


class Progress:
    """Call it with what is done; leaving its `with` takes the bar away."""

    def __init__(self, *, quiet: bool = False) -> None:
        """`quiet`: the answer itself is seen to come, where it goes to a terminal."""
        self._on = sys.stderr.isatty() and not (quiet and sys.stdout.isatty())
        self._start = self._last = time.monotonic()
        self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()

    def __call__(self, done: int, count: int, label: str | None = None) -> None:
        """So many of all are done. With a `label`, one of few long steps; else one of many."""
        if not self._on:
            return
        now = time.monotonic()
        if label is None:
            if (
                done % _EVERY
                or now - self._start < _SHOWN_AFTER_S
                or now - self._last < _AGAIN_AFTER_S
            ):
                return
            label = f"{(now - self._start) * (count - done) / done:,.0f} s left"
        self._last, self._drawn = now, True
        bar = ("#" * (_CELLS * done // max(1, count))).ljust(_CELLS, ".")
        line = f"[{bar}] {done:,} of {count:,}{label and ', '}{label}"[: output.width() - 1]
        sys.stderr.write(f"\r\x1b[K{output.printable(line, sys.stderr)}")
        sys.stderr.flush()

    def often(self, done: int, count: int) -> None:
        """The same where it is told seldom enough, not one by one."""
        if done >= _EVERY:
            self(done - done % _EVERY, count)

    def clear(self) -> None:
        """Take the bar away."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False
