"""`--host local`: the CPUs of this machine by the name that the kernel prints, and their memory.

Not here: what a CPU can do (configs/hosts), which is looked up by that name.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from vperf.errors import InputError, UnknownNameError
from vperf.hardware.gpu import Gpu
from vperf.notes import Note
from vperf.sources.hosts import load_host
from vperf.spelling import flag
from vperf.units import format_bytes

_NAME = re.compile(r"^model name\s*:\s*(\S.*)$", re.MULTILINE)
_SOCKET = re.compile(r"^physical id\s*:\s*(\d+)$", re.MULTILINE)
_TOTAL = re.compile(r"^MemTotal:\s*(\d+) kB$", re.MULTILINE)


def local_host(proc: Path = Path("/proc")) -> Gpu:
    """The host of this machine. Raises InputError where its CPU is not found, or not known."""
    try:
        cpus = (proc / "cpuinfo").read_text(encoding="utf-8", errors="replace")
        memory = (proc / "meminfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        cpus = memory = ""
    name, total = _NAME.search(cpus), _TOTAL.search(memory)
    hint = f"name a host instead: {flag('host')}; 'vperf gpus cpu' lists them"
    if name is None:
        raise InputError("this system does not say which CPU it has", source="local", hint=hint)
    sockets = max(1, len(set(_SOCKET.findall(cpus))))
    try:
        host = load_host(f"{sockets}x {name[1]}" if sockets > 1 else name[1])
    except UnknownNameError:
        raise InputError(
            f"{name[1][:80]}, the CPU of this machine, is not in the catalogue",
            source="local", hint=hint,
        ) from None  # fmt: skip
    if total is not None:
        host = replace(host, memory_bytes=float(total[1]) * 1024, assumptions=())
    said = Note("host_local", name=host.name, memory=format_bytes(host.memory_bytes),
                modules=host.memory_type)  # fmt: skip
    return replace(host, assumptions=(*host.assumptions, said))
