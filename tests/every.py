"""A claim about every one of hundreds of files or names, as one test.

A test of its own for each costs more than it checks. All are tried, and a failure names each that
fails. For a handful of cases, or where fixtures are wanted, there is `pytest.mark.parametrize`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

Claim = Callable[..., None]


def every(items: Iterable[tuple[str, tuple[Any, ...]]]) -> Callable[[Claim], Callable[[], None]]:
    """A test that the claim holds of the values of each (name, values)."""
    known = list(items)
    assert known

    def of(claim: Claim) -> Callable[[], None]:
        def test() -> None:
            failed = []
            for name, values in known:
                try:
                    claim(*values)
                except (Exception, pytest.fail.Exception) as error:
                    failed.append(f"{name}: {type(error).__name__}: {error}")
            if failed:
                raise AssertionError(f"{len(failed)} of {len(known)} fail\n" + "\n".join(failed))

        test.__name__, test.__doc__, test.__module__ = (
            claim.__name__,
            claim.__doc__,
            claim.__module__,
        )
        return test

    return of
