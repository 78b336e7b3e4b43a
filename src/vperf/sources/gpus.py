"""GPUs by name, from a user's file, or the one in this machine: configs/gpus/<id>.toml -> `Gpu`.

What a file leaves out is assumed, and the assumption said. Not here: its keys (gpu_keys.py), their
checks (gpu_schema.py), time, and any efficiency factor.
"""

from __future__ import annotations

import os.path
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from vperf.errors import InputError, UnknownNameError
from vperf.hardware.gpu import PIPES, Achieved, AllReduce, Gpu, Link
from vperf.notes import Note, notes_of
from vperf.sources.catalog import data_dir, is_plain_id
from vperf.sources.files import parse_toml, read_text
from vperf.sources.gpu_keys import GPU_FILE, read
from vperf.units import (
    format_bandwidth,
    format_bytes,
    format_rate,
    parse_bandwidth,
    parse_bytes,
    parse_rate,
)

Table = Mapping[str, Any]
"""A parsed TOML table whose keys and types gpu_schema.py has checked."""


def _gpu(file: Table, gpu_id: str) -> Gpu:
    """The frozen view, with what the file leaves out assumed and said so."""
    found = read(GPU_FILE, file)
    assumed = list(notes_of("card", found.pop("assumptions", ())))
    if "memory_assumption" in found:
        assumed.append(Note("card_memory", text=found.pop("memory_assumption")))
    for field, value, fact, taken, remark in _ASSUMED:
        if field not in found:
            found[field] = value
            facts = {"name": file["name"], "fact": fact, "taken": taken, "remark": remark}
            assumed.append(Note("card_default", **facts))
    link, achieved = found.pop("link", None), found.pop("achieved", None)
    return Gpu(
        id=gpu_id,
        assumptions=tuple(assumed),
        link=Link(**link) if link else None,
        achieved=_achieved(achieved) if achieved else None,
        **{**_NOT_SAID, "max_clock_hz": found["rated_clock_hz"], **found},
    )


_ASSUMED: tuple[tuple[str, Any, str, str, str], ...] = (
    ("sm_count", 128, "SM count", "128", ""),
    ("rated_clock_hz", 1.8e9, "rated_clock", "1800 MHz", ""),
    ("l2_bytes", 128 * 2.0**20, "cache size", "128 MiB", " (it only loosens the limit)"),
    ("memory_class", "unified", "memory class", "unified (not HBM, not GDDR)", ""),
)
_NOT_SAID: Table = {
    "vendor": "",
    "architecture": "",
    "compute_capability": "",
    "pcie_bytes_per_s": None,
    "tdp_w": None,
}


def _achieved(found: dict[str, Any]) -> Achieved:
    lines = found.pop("all_reduce", {})
    return Achieved(
        **found, all_reduce={int(size): AllReduce(**line) for size, line in lines.items()}
    )


# Names ---------------------------------------------------------------------------------------

_LOWER = bytes(range(256)).lower()
_SEPARATORS = bytes(b for b in range(256) if not chr(b).isalnum() or b > 127).replace(b"\n", b"")
_MARKS = re.compile(rb"\((?:r|tm|c)\)")
_VENDOR_WORDS = re.compile(
    rb"nvidia|geforce|amd|radeon|instinct|intel|apple|tesla|generation|edition|graphics|gpu"
)
_QUOTED = re.compile(rb'"([^"\n]*)"')


def exact_key(text: str | bytes) -> bytes:
    """Case, separators and trademark signs do not count: "RTX 4090" is "rtx_4090"."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "ignore")
    return _MARKS.sub(b"", raw.lower()).translate(_LOWER, _SEPARATORS)


def loose_key(text: str | bytes) -> bytes:
    """Nor do vendor words: "NVIDIA GeForce RTX 4090" is "RTX4090"."""
    return _VENDOR_WORDS.sub(b"", exact_key(text))


def _folder() -> Path:
    return data_dir() / "gpus"


def gpu_names() -> tuple[str, ...]:
    """Every bundled id, sorted; reads no file (shell completion)."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def list_gpus() -> tuple[Gpu, ...]:
    """Every bundled GPU, by id."""
    return tuple(_gpu(_bundled(gpu_id), gpu_id) for gpu_id in gpu_names())


def gpu_table(gpu_id: str) -> Table:
    """The bundled file itself, with what a `Gpu` does not hold; empty if there is none."""
    known = is_plain_id(gpu_id) and (_folder() / f"{gpu_id}.toml").is_file()
    return _bundled(gpu_id) if known else {}


def _bundled(gpu_id: str) -> Table:
    path = _folder() / f"{gpu_id}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


LOCAL = "local"
"""The name of the card in this machine."""


def load_gpu(name: str) -> Gpu:
    """The bundled GPU of that name, the one in this machine ("local"), or that of a .toml file.

    A vague name gives its stated default, and an assumption. Raises UnknownNameError with the
    nearest ids, InputError if several cards have the name, or for a file that cannot be used.
    """
    name = name.strip()
    if name.lower() == LOCAL:
        return load_local_gpu()
    if name.lower().endswith(".toml"):
        return load_gpu_file(name)
    try:
        return _load_bundled(name)
    except UnknownNameError:
        if not os.path.isfile(name):
            raise
    return load_gpu_file(name)


@lru_cache(maxsize=1)
def load_local_gpu() -> Gpu:
    """The card in this machine; its driver is asked once. Raises InputError without one."""
    from vperf.sources.local_gpu import local_gpu  # noqa: PLC0415  (seldom wanted)

    return local_gpu()


@lru_cache(maxsize=256)
def _load_bundled(name: str) -> Gpu:
    plain = name.lower()
    if is_plain_id(plain) and (_folder() / f"{plain}.toml").is_file():
        return _gpu(_bundled(plain), plain)
    return _resolve(name)


def _resolve(name: str) -> Gpu:
    exact, loose = exact_key(name), loose_key(name)
    if b"\n" in exact or not loose:
        raise _unknown(name)
    files = {gpu_id: _bundled(gpu_id) for gpu_id in _candidates(loose)}
    spellings = {
        gpu_id: (gpu_id, file["name"], *file.get("aliases", ())) for gpu_id, file in files.items()
    }
    by_exact = [i for i in files if exact in map(exact_key, spellings[i])]
    by_default = [i for i in files if loose in map(loose_key, files[i].get("default_for", ()))]
    by_loose = [i for i in files if loose in map(loose_key, spellings[i])]
    for found in (by_exact, by_default, by_loose):
        if len(found) > 1:
            raise InputError(f"{name!r} is the name of several GPUs: {', '.join(found)}")
        if found:
            gpu_id = found[0]
            gpu = _gpu(files[gpu_id], gpu_id)
            return _as_default(gpu, files[gpu_id], name) if found is by_default else gpu
    raise _unknown(name)


def _candidates(loose: bytes) -> list[str]:
    """Ids whose file quotes the name before its first table; no TOML is parsed for this."""
    line = b"\n" + loose + b"\n"
    return [gpu_id for gpu_id, spellings in _spellings(_folder()) if line in spellings]


@lru_cache(maxsize=1)
def _spellings(folder: Path) -> tuple[tuple[str, bytes], ...]:
    """Every id with the loose keys of what its file quotes before its first table, a line each."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        head = path.read_bytes().partition(b"\n[")[0]
        lines = b"\n".join([b"", path.stem.encode(), *_QUOTED.findall(head), b""])
        found.append((path.stem, loose_key(lines)))
    return tuple(found)


def _as_default(gpu: Gpu, file: Table, name: str) -> Gpu:
    what = [file["memory"].get("nominal") or format_bytes(gpu.memory_bytes)]
    what.append(f"{gpu.memory_bandwidth / 1e9:g} GB/s")
    if gpu.tdp_w is not None:
        what.append(f"{gpu.tdp_w:g} W")
    others = tuple(file.get("others", ()))
    note = Note("card_choice", typed=name, name=gpu.name, facts=tuple(what), others=others)
    return replace(gpu, assumptions=(note, *gpu.assumptions))


def _unknown(name: str) -> UnknownNameError:
    """The ids that contain the name first, then those that are spelled alike."""
    import difflib  # noqa: PLC0415  (only on the way to an error)

    loose = loose_key(name)[:64].decode()
    spelled: dict[str, str] = {}
    for gpu_id in gpu_names():
        file = (_folder() / f"{gpu_id}.toml").read_bytes()
        for text in (gpu_id.encode(), *_QUOTED.findall(file.partition(b"\nvendor")[0])):
            spelled.setdefault(loose_key(text).decode(), gpu_id)
    inside = [spelled[key] for key in spelled if len(loose) > 1 and loose in key]
    alike = [spelled[key] for key in difflib.get_close_matches(loose, spelled, n=12, cutoff=0.4)]
    nearest = list(dict.fromkeys([*inside, *alike]))[:5]
    shown = name if len(name) <= 80 else f"{name[:77]}..."
    return UnknownNameError(
        "GPU", shown, nearest, hint="'vperf gpus' lists all; --gpu FILE.toml is your own"
    )


# A user's own figures ------------------------------------------------------------------------


def load_gpu_file(path: str | Path) -> Gpu:
    """A GPU described by the user's own TOML file; its id is the file's name.

    Raises InputError naming file and field.
    """
    return parse_gpu(read_text(path), str(path), Path(path).stem)


def parse_gpu(text: str, source: str, gpu_id: str) -> Gpu:
    """A GPU from the text of a file, validated; `source` is what errors call it."""
    from vperf.sources.gpu_schema import check_gpu_file  # noqa: PLC0415  (imports pydantic)

    data = parse_toml(text, source)
    check_gpu_file(data, source)
    return _gpu(data, gpu_id)


def override(
    gpu: Gpu,
    memory_bandwidth: str | None = None,
    memory: str | None = None,
    peaks: Mapping[str, str] | None = None,
) -> Gpu:
    """The GPU with the user's datasheet figures ("1.5 TB/s", "48 GB", {"bf16": "250 TFLOPS"}).

    Each is said in `assumptions`. A measured rate keeps its share of the datasheet figure: that
    share, unlike the rate, carries over between cards. Raises InputError naming the option.
    """
    said: list[str] = []
    achieved = gpu.achieved
    if memory_bandwidth is not None:
        new = _given(parse_bandwidth, memory_bandwidth, "memory bandwidth")
        kept = ""
        if achieved is not None and achieved.memory_bandwidth is not None:
            share = achieved.memory_bandwidth / gpu.memory_bandwidth
            kept = f", of which the measured {share:.0%} is kept"
        said.append(
            f"memory bandwidth {format_bandwidth(new)} as given,"
            f" not {format_bandwidth(gpu.memory_bandwidth)}{kept}"
        )
        gpu = gpu.with_bandwidth(new)
        achieved = gpu.achieved
    if memory is not None:
        new = _given(parse_bytes, memory, "memory")
        said.append(f"memory {format_bytes(new)} as given, not {format_bytes(gpu.memory_bytes)}")
        gpu = replace(gpu, memory_bytes=new)
    for pipe, text in (peaks or {}).items():
        if pipe not in PIPES:
            import difflib  # noqa: PLC0415  (only on the way to an error)

            near = difflib.get_close_matches(pipe, PIPES, n=3) or PIPES
            raise UnknownNameError("number format of a peak", pipe, near)
        new = _given(parse_rate, text, f"peak {pipe}")
        old = gpu.peak_flop_per_s.get(pipe)
        if achieved is not None:
            achieved = replace(achieved, flop_per_s=_rescaled(achieved.flop_per_s, pipe, new, old))
        instead = f", not {format_rate(old)}" if old else ""
        rated = "" if gpu.boost == 1 else f" at the rated clock; the limit allows x{gpu.boost:.2f}"
        said.append(f"{pipe} peak {format_rate(new)} as given{instead}{rated}")
        gpu = replace(gpu, peak_flop_per_s={**gpu.peak_flop_per_s, pipe: new})
    return replace(gpu, achieved=achieved, assumptions=(*gpu.assumptions, *notes_of("card", said)))


def _given(parse: Callable[[str], float], text: str, option: str) -> float:
    try:
        return parse(text)
    except InputError as error:
        raise InputError(error.message, field=option) from None


def _rescaled(
    rates: Mapping[str, float], pipe: str, new: float, old: float | None
) -> dict[str, float]:
    """Achieved rates with those of `pipe` at their old share of its peak; dropped without one."""
    touched: Iterable[str] = (pipe, "fp8_block") if pipe == "fp8" else (pipe,)
    scaled = {key: rates[key] * new / old for key in touched if old and key in rates}
    return {key: scaled.get(key, rate) for key, rate in rates.items() if key not in touched or old}
