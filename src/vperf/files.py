"""Every file is read through one bounded reader and written through one writer that renames.

A reader takes regular files and pipes (FIFO, `<(...)`, /dev/stdin) up to a limit; directories,
sockets and devices are refused. A writer makes a whole file beside its target and puts it in its
place, so that nothing is ever cut; pipes and devices are written as they are. Not here: what a file
says, and standard output (cli/output.py).
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

from vperf.errors import InputError

MAX_BYTES = 64 << 20
"""Of one text file: a benchmark of 100,000 requests with its latencies takes about 20 MB."""

STDIN = "standard input"
_BINARY = getattr(os, "O_BINARY", 0)

# Reading -------------------------------------------------------------------------------------


def read_bytes(path: str | Path, *, limit: int = MAX_BYTES) -> bytes:
    """All of a regular file or pipe. Raises InputError naming it and, if it is over, the limit."""
    with open_stream(path) as file:
        return _bounded(file, str(path), limit)


@contextmanager
def open_stream(path: str | Path) -> Iterator[IO[bytes]]:
    """A regular file or pipe to read from its beginning, by whoever bounds what it reads.

    Raises InputError for what is neither, and where reading it fails.
    """
    source = str(path)
    if "\0" in source:
        raise InputError("cannot be read: no file has a null byte in its name",
                         source=source.replace("\0", "\\0"))  # fmt: skip
    try:
        with open(path, "rb") as file:
            reason = _refused(os.fstat(file.fileno()), tty=file.isatty())
            if reason:
                raise InputError(reason, source=source)
            yield file
    except FileNotFoundError:
        raise InputError("no such file", source=source) from None
    except IsADirectoryError:
        raise InputError("is a directory, not a file", source=source) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", source=source) from None


def read_stdin(*, limit: int = MAX_BYTES) -> bytes:
    """All of standard input. Raises InputError if it is over the limit."""
    return _bounded(sys.stdin.buffer, STDIN, limit)


def read_text(path: str | Path, *, limit: int = MAX_BYTES) -> str:
    """The same of a UTF-8 text, a byte order mark left out."""
    try:
        return read_bytes(path, limit=limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"cannot be read: not a UTF-8 text file (byte {error.start})", source=str(path)
        ) from None


def read_toml(path: str | Path, *, limit: int = MAX_BYTES) -> dict[str, Any]:
    """The tables of a TOML file. Raises InputError."""
    return parse_toml(read_text(path, limit=limit), str(path))


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The tables of a TOML text; `source` is what errors call it. Raises InputError."""
    import tomllib  # noqa: PLC0415  (a wheel's own files are JSON)

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid TOML: {_why(error)}", source=source) from None


def parse_json(text: str | bytes, source: str, field: str = "", hint: str = "") -> Any:
    """What a JSON text holds; `source` is what errors call it. Raises InputError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"not valid JSON: {_why(error)}", source=source, field=field, hint=hint
        ) from None


def _why(error: Exception) -> str:
    """What a parser found, where its own words are of Python and not of the file."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it holds a number of absurd length" if type(error) is ValueError else str(error)


def _refused(found: os.stat_result, *, tty: bool) -> str:
    """Why what was opened is not read; empty for files, pipes, terminals and the null device."""
    mode = found.st_mode
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or tty:
        return ""
    if stat.S_ISCHR(mode) and found.st_rdev == os.stat(os.devnull).st_rdev:
        return ""
    return "cannot be read: it is neither a regular file nor a pipe"


def _bounded(file: IO[bytes], source: str, limit: int) -> bytes:
    with suppress(OSError, ValueError):  # no descriptor: a test's stream
        if os.fstat(file.fileno()).st_size > limit:
            raise _too_large(source, limit)
    data = file.read(limit + 1)
    if len(data) > limit:
        raise _too_large(source, limit)
    return data


def _too_large(source: str, limit: int) -> InputError:
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit:,} bytes"
    return InputError(f"is larger than {size}, the most that is read", source=source)


@contextmanager
def open_regular(path: str | Path) -> Iterator[tuple[IO[bytes], int]]:
    """A regular file to read parts of, and its size; a FIFO in its place keeps nobody waiting.

    Raises InputError for what is not a regular file, and where reading it fails.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise InputError("is not a regular file", source=str(path))
            yield file, found.st_size
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", source=str(path)) from None


def is_there(path: str | Path) -> bool:
    """Whether there is something of that name. What cannot be looked at, for its name is too long
    or its folder closed, is not: who reads it says why it cannot be read."""
    return os.path.exists(path)  # Path.exists raises, before Python 3.14


def is_file(path: str | Path) -> bool:
    """Whether it is a regular file; as `is_there`."""
    return os.path.isfile(path)


def is_inside(name: str) -> bool:
    """Whether a name from elsewhere stays inside the folder that it is joined to."""
    parts = name.replace("\\", "/").split("/")
    return all(part not in ("", ".", "..") for part in parts) and not (
        ":" in parts[0] or any(ord(letter) < 32 for letter in name)
    )


# Writing -------------------------------------------------------------------------------------


def write_text_atomically(path: str | Path, text: str) -> None:
    """A UTF-8 text file, whole or not at all. Raises OSError; see `open_atomically`."""
    with open_atomically(path) as file:
        file.write(text)


def write_bytes_atomically(path: str | Path, data: bytes) -> None:
    """The same of bytes."""
    with open_atomically(path, "wb") as file:
        file.write(data)


@contextmanager
def open_atomically(
    path: str | Path, mode: Literal["w", "wb"] = "w", *, new: bool = False
) -> Iterator[IO[Any]]:
    """A file that takes its place when the block ends, and is gone if the block fails.

    A `new` one takes no other's place: FileExistsError where there is one by then.

    A symbolic link keeps pointing at what it did, a file keeps its permissions. What is not a
    regular file, or is a standard stream, is written as it is; so is a file in a directory where
    none can be made. Raises OSError, also where the file itself is write-protected.
    """
    text: dict[str, Any] = (
        {} if mode == "wb" else {"encoding": "utf-8", "errors": "replace", "newline": "\n"}
    )
    target = os.path.realpath(path)
    try:
        before = os.stat(path)
    except FileNotFoundError:
        before = None
    if before is not None and (not stat.S_ISREG(before.st_mode) or _is_stream(path, before)):
        with open(path, mode, **text) as file:
            yield file
        return
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(13, "it is write-protected", target)
    scratch = f"{os.path.dirname(target)}/.{os.path.basename(target)[:200]}.{os.urandom(6).hex()}"
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    except PermissionError:
        if before is None:
            raise
        with open(target, mode, **text) as file:
            yield file
        return
    try:
        with open(descriptor, mode, **text) as file:
            yield file
        if before is not None:
            os.chmod(scratch, stat.S_IMODE(before.st_mode))
        if new:
            _place(scratch, target)
        else:
            _replace(scratch, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(scratch)
        raise


_DESCRIPTORS = ("/dev/fd", "/proc/self/fd")


def _is_stream(path: str | Path, found: os.stat_result) -> bool:
    """Whether a path names an open stream of this process, which a rename would leave behind."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.realpath(folder) in {os.path.realpath(each) for each in _DESCRIPTORS}:
        return True
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), found):
                return True
    return False


def _place(scratch: str, target: str) -> None:
    """Of two that come at once, one is first. Raises FileExistsError to the other."""
    try:
        os.link(scratch, target)
    except (NotImplementedError, PermissionError, OSError) as error:
        if isinstance(error, FileExistsError):
            raise
        with open(scratch, "rb") as made, open(target, "xb") as file:  # a disk without hard links
            file.write(made.read())
    os.unlink(scratch)


def _replace(scratch: str, target: str) -> None:
    try:
        os.replace(scratch, target)
    except OSError as error:
        if error.errno != 16:  # EBUSY: a single file mounted into a container cannot be replaced
            raise
        with open(scratch, "rb") as made, open(target, "wb") as file:
            file.write(made.read())
        os.unlink(scratch)
