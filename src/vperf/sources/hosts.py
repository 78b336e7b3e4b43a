"""Hosts by name: configs/hosts/<id>.toml, or a user's own -> the `Gpu` that a host is.

    name aliases vendor architecture released tdp source checked confidence notes
    [memory]   type, channels (of one socket), rate in MT/s; size: taken where nobody says it
    [compute]  cores (of one socket), rated_clock (all of them), max_clock, l3 (of one socket),
               flop_per_clock: dense operations of one core and clock, by pipe
    [pcie]     bandwidth of a slot in one direction, generation, lanes

`2x NAME` is a board with two of them. Not here: which host a scenario has (resolve/).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from vperf.errors import InputError, UnknownNameError
from vperf.hardware.gpu import PIPES, Confidence, Gpu
from vperf.notes import Note
from vperf.sources.catalog import Files, files_of
from vperf.sources.keys import BANDWIDTH, BYTES, CLOCK, POWER, Each, Key, Keys, read
from vperf.sources.spellings import by_their_words, exact_key, loose_key
from vperf.units import format_bandwidth, format_bytes, parse_bandwidth, parse_bytes

_BYTES_A_TRANSFER = 8
"""Of one memory channel: 64 bits, of DDR5 two halves."""
_MEGA = 1e6

HOST_FILE: Keys = {
    "name": Key("name", str, required=True),
    "memory": Key(
        "*",
        {
            "type": Key("memory_type", str, required=True),
            "channels": Key("channels", int, required=True),
            "rate": Key("mega_transfers", int, required=True),
            "size": Key("memory_bytes", BYTES, required=True),
        },
        required=True,
    ),
    "compute": Key(
        "*",
        {
            "cores": Key("sm_count", int, required=True),
            "rated_clock": Key("rated_clock_hz", CLOCK, required=True),
            "max_clock": Key("max_clock_hz", CLOCK, required=True),
            "l3": Key("l2_bytes", BYTES, required=True),
            "flop_per_clock": Key("flop_per_clock", Each(float, PIPES), required=True),
        },
        required=True,
    ),
    "pcie": Key(
        "*",
        {
            "bandwidth": Key("pcie_bytes_per_s", BANDWIDTH, required=True),
            "generation": Key("", int),
            "lanes": Key("", int),
        },
        required=True,
    ),
    "aliases": Key("", list[str]),
    "vendor": Key("vendor", str, required=True),
    "architecture": Key("architecture", str, required=True),
    "released": Key("", int),
    "tdp": Key("tdp_w", POWER),
    "source": Key("source", str, required=True),
    "checked": Key("checked", datetime.date, required=True),
    "confidence": Key("confidence", Confidence),
    "notes": Key("notes", list[str]),
}

_SOCKETS = re.compile(r"([1-8])\s*x\s*(\S.*)|dual\s+(\S.*)", re.IGNORECASE)
_AS_PRINTED = re.compile(
    r"\b\d+(?:st|nd|rd|th) gen\b|\bw/.*|\b\S+-core processor\b|\bprocessor\b|\bcpu\b(?: @.*)?|@.*",
    re.IGNORECASE,
)
"""What Linux and Windows print around a CPU's name."""


def host_names() -> tuple[str, ...]:
    """Every id, sorted; reads no file."""
    return files_of("hosts").ids


def list_hosts() -> tuple[Gpu, ...]:
    """Every host that ships or is the user's own, by id."""
    return tuple(load_host(host_id) for host_id in host_names())


def load_host(name: str, memory: str | None = None) -> Gpu:
    """The host of that name, with the memory that is given. Raises UnknownNameError, InputError."""
    name = name.strip()
    if name.lower() == "local":
        from vperf.sources.local_host import local_host  # noqa: PLC0415  (seldom wanted)

        host = local_host()
    else:
        host = _named(name, files_of("hosts"))
    return with_memory(host, memory) if memory is not None else host


@lru_cache(maxsize=64)
def _named(name: str, files: Files) -> Gpu:
    many = _SOCKETS.fullmatch(name)
    sockets = int(many[1] or 2) if many else 1
    plain = (many[2] or many[3]) if many else name
    if files.path(plain.lower()):
        return _host(plain.lower(), files, sockets)
    spelled = _AS_PRINTED.sub(" ", plain)
    exact, loose = exact_key(spelled), loose_key(spelled)
    found: dict[str, bool] = {}
    spellings: dict[str, tuple[str, ...]] = {}
    for host_id in files.ids if loose else ():
        table = files.table(host_id, HOST_FILE)
        names = spellings[host_id] = (host_id, table["name"], *table.get("aliases", ()))
        if loose in map(loose_key, names):
            found[host_id] = exact in map(exact_key, names)
    best = [host_id for host_id in found if found[host_id]] or list(found)
    if not best and (by_words := by_their_words(spelled, spellings)):
        best = [by_words]
    if len(best) > 1:
        raise InputError(f"{name!r} is the name of several hosts: {', '.join(best)}")
    if best:
        return _host(best[0], files, sockets)
    import difflib  # noqa: PLC0415  (only on the way to an error)

    near = difflib.get_close_matches(loose.decode(), [i.replace("-", "") for i in files.ids], 5)
    by_key = {i.replace("-", ""): i for i in files.ids}
    raise UnknownNameError(
        "host", name[:80], [by_key[key] for key in near], hint="'vperf gpus cpu' lists them"
    )


def _host(host_id: str, files: Files, sockets: int) -> Gpu:
    table = files.table(host_id, HOST_FILE)
    return _built(read(HOST_FILE, table), host_id, sockets)


def _built(found: dict[str, Any], host_id: str, sockets: int) -> Gpu:
    channels, rate = found.pop("channels"), found.pop("mega_transfers")
    per_clock: Mapping[str, float] = found.pop("flop_per_clock")
    cores = sockets * found.pop("sm_count")
    many = f"2x {found['name']}" if sockets == 2 else f"{sockets}x {found['name']}"
    kind = found.pop("memory_type")
    size = sockets * found.pop("memory_bytes")
    return Gpu(
        id=host_id if sockets == 1 else f"{sockets}x-{host_id}",
        name=found.pop("name") if sockets == 1 else many,
        compute_capability="",
        memory_bytes=size,
        memory_bandwidth=sockets * channels * rate * _MEGA * _BYTES_A_TRANSFER,
        memory_type=f"{kind}-{rate} x{sockets * channels}",
        memory_class="DDR",
        peak_flop_per_s={
            pipe: cores * each * found["rated_clock_hz"] for pipe, each in per_clock.items()
        },
        sm_count=cores,
        l2_bytes=sockets * found.pop("l2_bytes"),
        link=None,
        achieved=None,
        sockets=sockets,
        assumptions=(Note("host_memory", size=format_bytes(size)),),
        **{
            name: value
            for name, value in {**{"tdp_w": None}, **found}.items()
            if name not in ("name",)
        },
    )


_MODULES = re.compile(r"(?:lp)?ddr\d[x]?[-\s]?(\d{4,5})", re.IGNORECASE)
_CHANNELS = re.compile(r"(?:x\s*(\d{1,2}))|(?:(\d{1,2})\s*(?:x|channels?))\b", re.IGNORECASE)
_SIZE = re.compile(r"\d+(?:\.\d+)?\s*[GT]i?B(?!\s*/\s*s|ps)", re.IGNORECASE)
_RATE = re.compile(r"\d+(?:\.\d+)?\s*[GT]i?B\s*/\s*s", re.IGNORECASE)


def with_memory(host: Gpu, text: str) -> Gpu:
    """The host with memory as "DDR5-6000 x2", "128 GB", "76.8 GB/s", or several of these."""
    modules, size, rate = _MODULES.search(text), _SIZE.search(text), _RATE.search(text)
    if not (modules or size or rate):
        raise InputError(
            f'{text[:80]!r} is not like "DDR5-6000 x2", "96 GB DDR5-6000 x2" or "80 GB/s"',
            field="host-memory",
        )
    bandwidth, kind = host.memory_bandwidth, host.memory_type
    if modules:
        rest = text.replace(modules[0], " ").replace(size[0] if size else "\0", " ")
        found = _CHANNELS.search(rest)
        channels = int(found[1] or found[2]) if found else int(host.memory_type.rpartition("x")[2])
        if not 1 <= channels <= 64:
            raise InputError(f"{channels} channels are none", field="host-memory")
        bandwidth = channels * float(modules[1]) * _MEGA * _BYTES_A_TRANSFER
        kind = f"{modules[0].upper().replace(' ', '-')} x{channels}"
    if rate:
        bandwidth, kind = parse_bandwidth(rate[0]), format_bandwidth(parse_bandwidth(rate[0]))
    changed = replace(host, memory_bandwidth=bandwidth, memory_type=kind)
    if size:
        changed = replace(changed, memory_bytes=parse_bytes(size[0]), assumptions=())
    return changed
