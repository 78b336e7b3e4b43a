"""`--gpu local`: the card in this machine, as its driver's tools report it.

ScenarioOptions in turn: NVML (the nvidia-ml-py package), nvidia-smi, rocm-smi, and on a Mac
system_profiler. What they say becomes a `LocalCard`; `local_gpu` finds that card in the catalogue
and puts the driver's figures (memory size, memory clock x bus width, clock, power cap) in place of
the catalogue's, each difference said. Nothing is ever set. Not here: measuring (measure).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from vperf.errors import InputError
from vperf.hardware.gpu import Gpu
from vperf.notes import notes_of
from vperf.spelling import flag
from vperf.units import format_bandwidth, format_bytes
from vperf.values import dataclass

Runner = Callable[[Sequence[str]], str | None]
"""Runs a command and gives its output; None where there is no such command, or it failed."""

_TIMEOUT_S = 15
_MIB = 2.0**20
_SAME = 0.01
"""Clocks and sizes closer than this are the catalogue's, rounded."""
_APPLE_SHARE = 0.75
"""Of a Mac's memory, what macOS lets the GPU use."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the card is doing now; None where its driver does not say."""

    temperature_c: float | None = None
    sm_clock_hz: float | None = None
    memory_clock_hz: float | None = None
    power_w: float | None = None
    utilization: float | None = None
    """0 to 1."""
    memory_used_bytes: float | None = None
    throttle: tuple[str, ...] = ()
    """Why the clock is held back, in words."""
    processes: int | None = None
    """Programs that have the card open for computing."""
    pcie_generation: int | None = None
    pcie_lanes: int | None = None


@dataclass(frozen=True, slots=True)
class LocalCard:
    """One card as its driver describes it. SI units; None where the driver does not say."""

    name: str
    tool: str
    """What was asked: "NVML", "nvidia-smi", "rocm-smi", "system_profiler"."""
    driver: str = ""
    names: tuple[str, ...] = ()
    """Other names to look it up under, best first."""
    memory_bytes: float | None = None
    memory_clock_hz: float | None = None
    """The highest the driver allows; data moves twice a clock."""
    bus_bits: int | None = None
    sm_clock_hz: float | None = None
    """The highest the driver allows."""
    power_cap_w: float | None = None
    power_default_w: float | None = None
    pcie_generation: int | None = None
    """The highest that card and machine allow together."""
    pcie_lanes: int | None = None
    now: Reading = field(default_factory=Reading)


def run(command: Sequence[str]) -> str | None:
    """The output of a command; None if it is not there, fails, or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
            errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def read_cards(runner: Runner = run, *, platform: str = sys.platform) -> tuple[LocalCard, ...]:
    """Every card in this machine, by the first tool that knows one; empty without any."""
    readers = [_nvml] if runner is run else []
    sources: list[Callable[[], tuple[LocalCard, ...]]] = [*readers, lambda: _nvidia_smi(runner)]
    sources.append(lambda: _rocm_smi(runner))
    if platform == "darwin":
        sources.append(lambda: _system_profiler(runner))
    return next((cards for read in sources if (cards := read())), ())


def local_gpu(runner: Runner = run, *, platform: str = sys.platform) -> Gpu:
    """The first card in this machine: the catalogue's, with the driver's figures.

    Raises InputError, exit code 2, where no card is found or the catalogue does not have it.
    """
    cards = read_cards(runner, platform=platform)
    if not cards:
        tried = "NVML, nvidia-smi and rocm-smi"
        tried += " and system_profiler" if platform == "darwin" else ""
        raise InputError(
            f"no GPU was found in this machine: {tried} list none",
            source="local",
            hint="name a card instead; 'vperf gpus' lists them",
        )
    gpu = catalogued(cards[0])
    if gpu is None:
        raise InputError(
            f"{cards[0].name}, as {cards[0].tool} calls the card in this machine, is not in the "
            "catalogue",
            source="local",
            hint=f"'vperf measure' writes a GPU file for it; {flag('gpu')} takes that file",
        )
    others = sorted({card.name for card in cards[1:]} - {cards[0].name})
    said = (f"the first of {len(cards)} GPUs; the others: {', '.join(others)}",) if others else ()
    return replace(gpu, assumptions=(*gpu.assumptions, *notes_of("card", said)))


def catalogued(card: LocalCard) -> Gpu | None:
    """The catalogue's card with the driver's figures; None if the catalogue does not have it."""
    from vperf.sources.gpus import load_gpu  # noqa: PLC0415  (which imports this file)

    for name in (*card.names, card.name):
        try:
            return adjusted(load_gpu(name), card)
        except InputError:
            continue
    return None


def adjusted(gpu: Gpu, card: LocalCard) -> Gpu:
    """`gpu` with what the driver says instead of the catalogue, each difference an assumption."""
    from vperf.sources.gpus import gpu_table  # noqa: PLC0415  (which imports this file)

    driver = f", driver {card.driver}" if card.driver else ""
    said = [f"this machine's GPU as {card.tool} reports it: {card.name}{driver}"]
    table = gpu_table(gpu.id)
    kept = list(gpu.assumptions)
    if card.memory_bytes is not None:
        kept = [note for note in kept if note.kind != "card_memory"]
        if _differs(card.memory_bytes, gpu.memory_bytes):
            said.append(
                f"memory {format_bytes(card.memory_bytes)}, "
                f"catalogue {format_bytes(gpu.memory_bytes)}"
            )
        gpu = replace(gpu, memory_bytes=card.memory_bytes)
    bus_bits = card.bus_bits or table.get("memory", {}).get("bus_bits")
    if card.memory_clock_hz and bus_bits:
        rate = 2.0 * card.memory_clock_hz * bus_bits / 8
        if _differs(rate, gpu.memory_bandwidth):
            said.append(
                f"memory clock {card.memory_clock_hz / 1e6:.0f} MHz x {bus_bits} bits: "
                f"{format_bandwidth(rate)}, catalogue {format_bandwidth(gpu.memory_bandwidth)}"
            )
            gpu = gpu.with_bandwidth(rate)
    gpu, line = _with_clock(gpu, card, table)
    said += line
    cap = card.power_cap_w
    if cap is not None and gpu.tdp_w is not None and _differs(cap, gpu.tdp_w):
        said.append(f"power cap {cap:.0f} W, catalogue {gpu.tdp_w:.0f} W (not in the figures)")
        gpu = replace(gpu, tdp_w=cap)
    return replace(gpu, assumptions=(*kept, *notes_of("card", said)))


def _differs(here: float, there: float) -> bool:
    return abs(here / there - 1) > _SAME


def _with_clock(gpu: Gpu, card: LocalCard, table: Mapping[str, Any]) -> tuple[Gpu, list[str]]:
    """The driver's highest clock, unless measurements bound the catalogue's card tighter."""
    from vperf.units import parse_frequency  # noqa: PLC0415  (most answers are of no local card)

    clock, compute = card.sm_clock_hz, table.get("compute", {})
    known = parse_frequency(compute["max_clock"]) if "max_clock" in compute else gpu.max_clock_hz
    if not clock or not _differs(clock, known):
        return gpu, []
    line = f"SM clock up to {clock / 1e6:.0f} MHz, catalogue {known / 1e6:.0f} MHz"
    if "limit_clock" in compute and clock < known:
        return gpu, [line]
    return replace(gpu, max_clock_hz=clock), [line]


# NVIDIA --------------------------------------------------------------------------------------

THROTTLE_REASONS = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "temperature (software slowdown)",
    0x40: "temperature (hardware slowdown)",
    0x80: "power brake",
}
"""Bits of nvmlClocksEventReasons that cost speed; idle and application clocks are not."""

_FIELDS = (
    "name", "driver_version", "memory.total", "memory.used", "clocks.max.memory", "clocks.max.sm",
    "clocks.mem", "clocks.sm", "power.limit", "power.default_limit", "power.draw",
    "temperature.gpu", "utilization.gpu", "clocks_throttle_reasons.active", "pcie.link.gen.max",
    "pcie.link.width.max", "pcie.link.gen.current", "pcie.link.width.current",
)  # fmt: skip


def _nvidia_smi(runner: Runner) -> tuple[LocalCard, ...]:
    text = runner(("nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader"))
    rows = [row for row in (text or "").splitlines() if row.count(",") == len(_FIELDS) - 1]
    if not rows:
        return ()
    apps = runner(("nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"))
    processes = None if apps is None or len(rows) > 1 else len(apps.split())
    return tuple(_smi_row(row, processes) for row in rows)


def _smi_row(row: str, processes: int | None) -> LocalCard:
    cells = dict(zip(_FIELDS, (cell.strip() for cell in row.split(",")), strict=True))

    def number(key: str, scale: float = 1.0) -> float | None:
        # "450.00 W", "24564 MiB", "16"; "[N/A]", "[Not Supported]", "[Unknown Error]".
        match = re.match(r"\d+(?:\.\d+)?", cells[key])
        return float(match[0]) * scale if match else None

    def whole(key: str) -> int | None:
        value = number(key)
        return None if value is None else int(value)

    active = cells["clocks_throttle_reasons.active"]
    bits = int(active, 16) if re.fullmatch(r"0x[0-9a-fA-F]+", active) else 0
    return LocalCard(
        name=cells["name"],
        tool="nvidia-smi",
        driver=cells["driver_version"],
        memory_bytes=number("memory.total", _MIB),
        memory_clock_hz=number("clocks.max.memory", 1e6),
        sm_clock_hz=number("clocks.max.sm", 1e6),
        power_cap_w=number("power.limit"),
        power_default_w=number("power.default_limit"),
        pcie_generation=whole("pcie.link.gen.max"),
        pcie_lanes=whole("pcie.link.width.max"),
        now=Reading(
            temperature_c=number("temperature.gpu"),
            sm_clock_hz=number("clocks.sm", 1e6),
            memory_clock_hz=number("clocks.mem", 1e6),
            power_w=number("power.draw"),
            utilization=number("utilization.gpu", 0.01),
            memory_used_bytes=number("memory.used", _MIB),
            throttle=_reasons(bits),
            processes=processes,
            pcie_generation=whole("pcie.link.gen.current"),
            pcie_lanes=whole("pcie.link.width.current"),
        ),
    )


def _reasons(bits: int) -> tuple[str, ...]:
    return tuple(words for bit, words in THROTTLE_REASONS.items() if bits & bit)


def _nvml() -> tuple[LocalCard, ...]:
    """By NVIDIA's own library, which starts no process; needs the nvidia-ml-py package."""
    try:
        import pynvml  # noqa: PLC0415  (optional, and few commands need it)

        pynvml.nvmlInit()
    except Exception:  # no package, no driver, no permission: the next tool is asked
        return ()
    try:
        count = int(pynvml.nvmlDeviceGetCount())
        return tuple(_nvml_card(pynvml, pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(count))
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _nvml_card(nvml: Any, handle: Any) -> LocalCard:
    def ask(function: str, *arguments: Any) -> Any:
        try:
            return getattr(nvml, function)(handle, *arguments)
        except (AttributeError, nvml.NVMLError):
            return None

    def scaled(value: Any, scale: float) -> float | None:
        return None if value is None else float(value) * scale

    def text(value: Any) -> str:
        return value.decode() if isinstance(value, bytes) else str(value or "")

    memory = ask("nvmlDeviceGetMemoryInfo")
    use = ask("nvmlDeviceGetUtilizationRates")
    processes = ask("nvmlDeviceGetComputeRunningProcesses")
    bits = ask("nvmlDeviceGetCurrentClocksThrottleReasons") or 0
    return LocalCard(
        name=text(ask("nvmlDeviceGetName")),
        tool="NVML",
        driver=text(nvml.nvmlSystemGetDriverVersion()),
        memory_bytes=scaled(getattr(memory, "total", None), 1.0),
        memory_clock_hz=scaled(ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_MEM), 1e6),
        bus_bits=ask("nvmlDeviceGetMemoryBusWidth"),
        sm_clock_hz=scaled(ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM), 1e6),
        power_cap_w=scaled(ask("nvmlDeviceGetPowerManagementLimit"), 1e-3),
        power_default_w=scaled(ask("nvmlDeviceGetPowerManagementDefaultLimit"), 1e-3),
        pcie_generation=ask("nvmlDeviceGetMaxPcieLinkGeneration"),
        pcie_lanes=ask("nvmlDeviceGetMaxPcieLinkWidth"),
        now=Reading(
            temperature_c=scaled(ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU), 1.0),
            sm_clock_hz=scaled(ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM), 1e6),
            memory_clock_hz=scaled(ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM), 1e6),
            power_w=scaled(ask("nvmlDeviceGetPowerUsage"), 1e-3),
            utilization=scaled(getattr(use, "gpu", None), 0.01),
            memory_used_bytes=scaled(getattr(memory, "used", None), 1.0),
            throttle=_reasons(int(bits)),
            processes=None if processes is None else len(processes),
            pcie_generation=ask("nvmlDeviceGetCurrPcieLinkGeneration"),
            pcie_lanes=ask("nvmlDeviceGetCurrPcieLinkWidth"),
        ),
    )


# AMD and Apple -------------------------------------------------------------------------------


def _rocm_smi(runner: Runner) -> tuple[LocalCard, ...]:
    """rocm-smi's keys change between releases: by what they contain, not what they are."""
    data = _json(
        runner(
            ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--showuse", "--showtemp",
             "--showpower", "--showmaxpower", "--showdriverversion", "--json")
        )
    )  # fmt: skip
    system = data.get("system")
    driver = str(system.get("Driver version", "")) if isinstance(system, dict) else ""
    cards = [v for k, v in sorted(data.items()) if k.startswith("card") and isinstance(v, dict)]
    return tuple(card for values in cards if (card := _rocm_card(values, driver)))


def _rocm_card(values: Mapping[str, Any], driver: str) -> LocalCard | None:
    lower = {str(key).lower(): str(value) for key, value in values.items()}
    names = [lower.get(key, "") for key in ("card series", "device name", "card model")]
    names = [name for name in names if name and not name.startswith("0x") and name != "N/A"]
    if not names:
        return None
    # "AMD INSTINCT MI250 (MCM) OAM AC MBA", "Navi 31 [Radeon RX 7900 XTX]".
    short = [m[0] for name in names for m in re.finditer(r"\bMI\d+[A-Z]?\b", name)]
    inside = [m[1] for name in names for m in re.finditer(r"\[([^\]/]+)\]", name)]

    def number(*parts: str, scale: float = 1.0) -> float | None:
        for key, value in lower.items():
            if all(part in key for part in parts):
                match = re.match(r"\d+(?:\.\d+)?", value)
                if match:
                    return float(match[0]) * scale
        return None

    return LocalCard(
        name=names[0],
        tool="rocm-smi",
        driver=driver,
        names=tuple(dict.fromkeys((*names, *inside, *short))),
        memory_bytes=number("vram total memory"),
        power_cap_w=number("max graphics package power"),
        now=Reading(
            temperature_c=number("temperature", "junction") or number("temperature", "edge"),
            power_w=number("average graphics package power") or number("current socket graphics"),
            utilization=number("gpu use", scale=0.01),
            memory_used_bytes=number("vram total used memory"),
        ),
    )


def _system_profiler(runner: Runner) -> tuple[LocalCard, ...]:
    data = _json(runner(("system_profiler", "SPDisplaysDataType", "-json")))
    found = data.get("SPDisplaysDataType")
    cards = []
    for values in found if isinstance(found, list) else ():
        if not isinstance(values, dict) or "Apple" not in str(values.get("spdisplays_vendor")):
            continue
        model, cores = str(values.get("sppci_model", "")), str(values.get("sppci_cores", ""))
        size = (runner(("sysctl", "-n", "hw.memsize")) or "").strip()
        full = f"{model} ({cores}-core GPU)" if cores.isdigit() else model
        cards.append(
            LocalCard(
                name=full,
                tool="system_profiler",
                names=(full, model),
                memory_bytes=float(size) * _APPLE_SHARE if size.isdigit() else None,
            )
        )
    return tuple(cards)


def _json(text: str | None) -> dict[str, Any]:
    """A JSON object from output that may begin with warnings; empty if there is none."""
    start = (text or "").find("{")
    if text is None or start < 0:
        return {}
    try:
        data, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
