"""Every error vperf raises on purpose, and the exit code the command line gives it.

    VperfError                       exit 2
    ├── InputError                   what the user gave cannot be used (file, field, option)
    │   ├── UnsupportedModelError    a readable config of an architecture that is not understood
    │   └── UnknownNameError         a name that no catalog holds; carries the nearest ones
    └── HubError                     exit 3: the Hub could not be reached, or refused

Not here: "does not fit" and "generic constants used". Those are answers, not errors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cached_property


class VperfError(Exception):
    """Base of every deliberate error: one line of text, a next step, an exit code."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """What the user can do next; printed after the message."""

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


MAX_COUNT = 10**9
"""No length, batch or number of anything beyond it is a scenario."""


def check_count(field: str, value: int, least: int, most: int = MAX_COUNT) -> int:
    """The value; InputError where it is no integer from `least` to `most`."""
    if type(value) is not int or not least <= value <= most:
        raise InputError(f"must be an integer from {least} to {most}, not {value!r}", field=field)
    return value


def install(package: str) -> str:
    """The command that installs a package for the Python that runs."""
    words = f'"{package}"' if "[" in package else package
    return f"{sys.executable} -m pip install {words}"


class InputError(VperfError):
    """The input cannot be used; names the file (or option) and the field."""

    def __init__(self, message: str, *, source: str = "", field: str = "", hint: str = "") -> None:
        where = ": ".join(part for part in (source, field) if part)
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.source = source
        self.field = field


class UnsupportedModelError(InputError):
    """The config was read, but it describes an architecture vperf does not understand."""


class UnknownNameError(InputError):
    """No GPU, model, format or engine has this name."""

    def __init__(
        self,
        kind: str,
        name: str,
        nearest: Iterable[str] | Callable[[], Iterable[str]] = (),
        *,
        hint: str = "",
    ) -> None:
        """`nearest`: a function where finding them takes long, called when they are asked for."""
        super().__init__(f"unknown {kind} {name!r}", hint=hint)
        self._nearest = nearest

    @cached_property
    def nearest(self) -> tuple[str, ...]:
        """Names that are spelled alike."""
        return tuple(self._nearest() if callable(self._nearest) else self._nearest)

    @property
    def hint(self) -> str:
        """The names that may be meant, and what else to do."""
        did_you_mean = f"did you mean {', '.join(self.nearest)}?" if self.nearest else ""
        return " ".join(part for part in (did_you_mean, self._hint) if part)

    @hint.setter
    def hint(self, hint: str) -> None:
        self._hint = hint


class HubError(VperfError):
    """The Hub could not be reached, refused, or gave an answer that cannot be read."""

    exit_code = 3
