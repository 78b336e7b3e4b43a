"""GPUs by name, from a file, or the one in this machine: configs/gpus/<id>.toml -> `Gpu`.

What a file leaves out is assumed, and the assumption said. Not here: its keys (gpu_keys.py), their
checks (schema.py), which names there are (gpu_names.py), time, and any efficiency factor.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from vperf.errors import InputError, UnknownNameError, VperfError
from vperf.hardware.gpu import Achieved, AllReduce, Calibration, Gpu, Link, MemoryClass
from vperf.notes import Note, notes_of
from vperf.sources.catalog import Files, checked_file, files_of
from vperf.sources.gpu_keys import GPU_FILE, SERVER_FILE
from vperf.sources.gpu_names import candidates, names_of, unknown_gpu
from vperf.sources.keys import read
from vperf.sources.odd_figures import odd_figures
from vperf.sources.spellings import by_their_words, exact_key, loose_key
from vperf.units import (
    parse_bytes,
)

Table = Mapping[str, Any]
"""A parsed TOML table whose keys and types schema.py has checked."""


def _gpu(file: Table, gpu_id: str, table_of: Callable[[str], Table]) -> Gpu:
    """The frozen view, with what the file leaves out assumed and said so; `table_of` has the file
    of the card whose constants stand in."""
    found = read(GPU_FILE, file)
    same_die = found.pop("same_die", "")
    assumed = list(notes_of("card", found.pop("assumptions", ())))
    if "memory_assumption" in found:
        assumed.append(Note("card_memory", text=found.pop("memory_assumption")))
    for field, value, fact, taken, remark in _ASSUMED:
        if field not in found:
            found[field] = value
            facts = {"name": file["name"], "fact": fact, "taken": taken, "remark": remark}
            assumed.append(Note("card_default", **facts))
    link, achieved = found.pop("link", None), found.pop("achieved", None)
    gpu = Gpu(
        id=gpu_id,
        assumptions=tuple(assumed),
        link=Link(**link) if link else None,
        achieved=_achieved(achieved) if achieved else None,
        **{**_NOT_SAID, "max_clock_hz": found["rated_clock_hz"], **found},
    )
    if not same_die:
        return gpu
    other = {key: value for key, value in table_of(same_die).items() if key != "same_die"}
    return gpu.with_same_die(_gpu(other, same_die, table_of))


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


def gpu_names() -> tuple[str, ...]:
    """Every id, sorted; reads no file (shell completion)."""
    return files_of("gpus").ids


def list_gpus() -> tuple[Gpu, ...]:
    """Every GPU, by id; the user's broken files are left out (`broken_gpu_files`)."""
    files = files_of("gpus")
    return files.usable(lambda gpu_id: _of_file(gpu_id, files, files.shipped_tables))


def broken_gpu_files() -> tuple[InputError, ...]:
    """What is wrong with the user's own files that cannot be used."""
    return tuple(files_of("gpus").broken(GPU_FILE))


def gpu_table(gpu_id: str) -> Table:
    """The file itself, with what a `Gpu` does not hold; empty if there is none."""
    files = files_of("gpus")
    return files.table(gpu_id, GPU_FILE) if files.path(gpu_id) else {}


def _of_file(gpu_id: str, files: Files, known: Mapping[str, Table] | None = None) -> Gpu:
    own = files.own.get(gpu_id)
    if known and own is None:
        return _gpu(known[gpu_id], gpu_id, known.__getitem__)
    gpu = _gpu(files.table(gpu_id, GPU_FILE), gpu_id, _shipped)
    if own is None:
        return gpu
    return replace(gpu, origin=str(own), assumptions=(
        *gpu.assumptions, *odd_figures(gpu),
        Note("card", text=f"{gpu_id} as your own {own} describes it"),
    ))  # fmt: skip


def _shipped(gpu_id: str) -> Table:
    """The file of a card that another names; an alias will not do."""
    files = files_of("gpus")
    if gpu_id not in files.ids:
        raise InputError(f"{gpu_id[:80]!r} is no GPU's id ('vperf gpus')", field="same_die")
    return files.table(gpu_id, GPU_FILE)


LOCAL = "local"
"""The name of the card in this machine."""


def load_gpu(name: str) -> Gpu:
    """The GPU of that name, the one in this machine ("local"), or that of a .toml file.

    A vague name gives its stated default, and an assumption. Raises UnknownNameError with the
    nearest ids, InputError if several cards have the name, or for a file that cannot be used.
    """
    name = name.strip()
    if name.lower() == LOCAL:
        return load_local_gpu()
    if name.lower().endswith(".toml"):
        return load_gpu_file(name)
    if name.lower().startswith(CPU):
        from vperf.sources.hosts import load_host  # noqa: PLC0415  (seldom the target)

        return load_host(name[len(CPU) :])
    try:
        return _load_named(name, files_of("gpus"))
    except UnknownNameError:
        if os.path.isfile(name):
            return load_gpu_file(name)
        if BESIDE not in name:
            raise
    return _unlike(name)


CPU = "cpu:"
"""Before the name of a host: its CPUs alone are the target."""
BESIDE = "+"
"""Between cards that have layers of their own: "rtx-5090+2xrtx-3090"."""
_SEVERAL = re.compile(
    r"(?P<n>[1-9]\d{0,2})\s*[x\u00d7]\s*(?P<card>\S.*)|(?P<card_1>.*\w):(?P<n_1>[1-9]\d{0,3})"
    r"|(?P<card_2>.*(?:[\d)]|gb|\s))\s*[x\u00d7]\s?(?P<n_2>[1-9]\d?)"
    r"|(?P<card_3>.*\S)[\s,]+tp\s?[=-]?\s?(?P<n_3>[1-9]\d?)",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"(dual|two|triple|three|quad|four|eight) (?:x )?(.*\S)", re.IGNORECASE)
_PLURAL = re.compile(r"(?<=\d\d\d)s$", re.IGNORECASE)
"""As in "two 3090s"; an L40S is a card."""
_COUNTS = {"dual": 2, "two": 2, "triple": 3, "three": 3, "quad": 4, "four": 4, "eight": 8}
_MAX_CARDS = 64


def several(name: str) -> tuple[int, str]:
    """How many cards of which name: "2xrtx-3090", "h100:2", "A6000 x2", "dual 3090", "H20 TP2"; a
    file's name is whole."""
    name = name.strip()
    if name.lower().startswith(CPU) or os.path.exists(name):
        return 1, name
    if words := _COUNTED.fullmatch(name):
        return _COUNTS[words[1].lower()], _PLURAL.sub("", words[2])
    many = _SEVERAL.fullmatch(name)
    if many is None:
        return 1, name
    found = {key.partition("_")[0]: value for key, value in many.groupdict().items() if value}
    return int(found["n"]), _PLURAL.sub("", found["card"].strip())


def _unlike(name: str) -> Gpu:
    """Several cards of one machine, as the first with the others beside it."""
    cards: list[Gpu] = []
    names: list[tuple[int, Gpu]] = []
    for part in name.split(BESIDE):
        count, card = several(part)
        if not card or card.lower().startswith(CPU):
            raise InputError(f"{name[:80]!r} is not like rtx-5090+2xrtx-3090", field="gpu")
        found = load_gpu(card)
        names.append((count, found))
        cards += [found] * count
    if len(cards) > _MAX_CARDS:
        raise InputError(f"more than {_MAX_CARDS} cards", field="gpu")
    first, *others = cards
    said = dict.fromkeys(note for card in cards for note in card.assumptions)
    return replace(
        first,
        id=BESIDE.join(f"{n}x{card.id}" if n > 1 else card.id for n, card in names),
        name=" + ".join(f"{n}x {card.name}" if n > 1 else card.name for n, card in names),
        beside=(first, *others),
        assumptions=tuple(said),
    )


@lru_cache(maxsize=1)
def load_local_gpu() -> Gpu:
    """The card in this machine; its driver is asked once. Raises InputError without one."""
    from vperf.sources.local_gpu import local_gpu  # noqa: PLC0415  (seldom wanted)

    return local_gpu()


@lru_cache(maxsize=256)
def _load_named(name: str, files: Files) -> Gpu:
    plain = name.lower()
    if files.path(plain):
        return _of_file(plain, files)
    return _resolve(name, files)


_GIGABYTES = re.compile(r"([ _-]\d{2,3})[gG](?![a-zA-Z0-9])")
"""As people write the memory of a card: "A100 80G"."""


def _resolve(name: str, files: Files) -> Gpu:
    name = _GIGABYTES.sub("\\1GB", name)
    exact, loose = exact_key(name), loose_key(name)
    if b"\n" in exact or not loose:
        raise unknown_gpu(name, files)
    ids = candidates(loose, files)
    for some in ([i for i in ids if i in files.own], [i for i in ids if i not in files.own]):
        tables = {gpu_id: files.table(gpu_id, GPU_FILE) for gpu_id in some}
        spellings = {
            gpu_id: (gpu_id, table["name"], *table.get("aliases", ()))
            for gpu_id, table in tables.items()
        }
        by_exact = [i for i in some if exact in map(exact_key, spellings[i])]
        by_default = [i for i in some if loose in map(loose_key, tables[i].get("default_for", ()))]
        by_loose = [i for i in some if loose in map(loose_key, spellings[i])]
        for found in (by_exact, by_default, by_loose):
            if len(found) > 1:
                raise InputError(f"{name!r} is the name of several GPUs: {', '.join(found)}")
            if found:
                gpu = _of_file(found[0], files)
                return _as_default(gpu, tables[found[0]], name) if found is by_default else gpu
    by_words = by_their_words(name, names_of(files))
    if by_words:
        gpu = _of_file(by_words, files)
        note = Note("card_choice", typed=name, taken=gpu.id, others=())
        return replace(gpu, assumptions=(note, *gpu.assumptions))
    sized = _of_a_size(name, files)
    if sized is None:
        raise unknown_gpu(name, files)
    return sized


_SIZED = re.compile(r"(\S.*?)[ _,(\u00b7-]*(\d{1,4}) ?G(?:i?B)?(?: v?ram)?\)?", re.IGNORECASE)


def _of_a_size(name: str, files: Files) -> Gpu | None:
    """A card whose memory is said at its name: "3090 24GB", "M3 Ultra 96GB"."""
    sized = _SIZED.fullmatch(name.strip())
    if sized is None:
        return None
    try:
        gpu = _load_named(sized[1], files)
    except VperfError:
        return None
    nominal = files.table(gpu.id, GPU_FILE)["memory"].get("nominal")
    if nominal is None:
        return None
    asked, usual = float(sized[2]), parse_bytes(nominal) / 1e9
    if asked == usual:
        return gpu
    if gpu.memory_class not in _OF_THE_MACHINE and asked != 2 * usual:
        return None
    share = gpu.memory_bytes / usual / 2**30
    said = f"{gpu.name}: {asked:g} GB, of which the GPU uses {share:.0%}"
    if gpu.memory_class not in _OF_THE_MACHINE:
        said = f"{gpu.name} rebuilt with {asked:g} GB in place of {usual:g}, as fast as its own"
    kept = (note for note in gpu.assumptions if note.kind != "card_memory")
    return replace(
        gpu,
        memory_bytes=gpu.memory_bytes * asked / usual,
        assumptions=(*kept, Note("card_memory", text=said)),
    )


_OF_THE_MACHINE: tuple[MemoryClass, ...] = ("unified", "Apple")
"""Memory of which the buyer of a machine chooses the size."""


def _as_default(gpu: Gpu, file: Table, name: str) -> Gpu:
    others = tuple(file.get("others", ()))
    note = Note("card_choice", typed=name, taken=gpu.id, others=others)
    return replace(gpu, assumptions=(note, *gpu.assumptions))


def load_gpu_file(path: str | Path) -> Gpu:
    """A GPU described by the user's own TOML file; its id is the file's name.

    One that names a `base` is that card in a server whose results were calibrated. Raises
    InputError naming file and field.
    """
    data = checked_file(path, lambda told: SERVER_FILE if "base" in told else GPU_FILE)
    if "base" not in data:
        gpu = _gpu(data, Path(path).stem, _shipped)
        said = (*gpu.assumptions, *odd_figures(gpu))
        return replace(gpu, origin=str(path), assumptions=said)
    server = read(SERVER_FILE, data)
    base = load_gpu(server["base"])
    if base.calibration is not None:
        raise InputError("is calibrated itself", source=str(path), field="base")
    return replace(
        base, id=Path(path).stem, calibration=Calibration(server["base"], **server["calibration"])
    )
