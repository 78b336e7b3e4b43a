"""How a sentence spells an option: as a flag, or as the argument that it is where no flags are.

A sentence names its option by `flag("max_num_seqs")`; the end that speaks to somebody chooses the
spelling, and nobody looks for flags in a finished sentence. What is kept of a sentence is spelled
as when it was made, for a process has one end. Not here: which options there are (scenario.py and
the commands).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def as_flag(name: str) -> str:
    """ "--max-num-seqs" of "max_num_seqs"."""
    return f"--{name.replace('_', '-')}"


_spelling: ContextVar[Callable[[str], str]] = ContextVar("spelling", default=as_flag)


def flag(name: str) -> str:
    """An option as whoever reads the sentence gives it."""
    return _spelling.get()(name)


@contextmanager
def spelled(spelling: Callable[[str], str]) -> Iterator[None]:
    """Options in the sentences made meanwhile, in another spelling."""
    before = _spelling.set(spelling)
    try:
        yield
    finally:
        _spelling.reset(before)


class _Flags:
    def __getitem__(self, name: str) -> str:
        return flag(name)


FLAGS = _Flags()
"""Options in a format string: "{flag[max_num_seqs]}"."""
