"""What benchmarks/on_card.sh runs: vperf and PyTorch on one card, and a table that compares them.

    python benchmarks/on_card.py RESULTS [--seconds 460] [--dry]

Each part is a process of its own with a time of its own; one that fails or is late leaves the
others alone, and is said: what a program had measured until then counts. RESULTS then holds

    summary.md    measured against limit and expected, for docs/measure.md
    parts.json    every part: its command, exit code, seconds, answer, and the end of what it said
    quick.toml    the card by `vperf measure --quick`
    gpu.toml      the card by `vperf measure`; where that failed, the same as quick.toml
    card.csv      clocks, power, temperature and what held the clock back, once a second
    driver.txt    nvidia-smi -q: driver, clocks, power cap, ECC

Nothing here changes a setting of the card. Not here: the programs on PyTorch (on_card_programs.py).
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vperf.sources import local_gpu
from vperf.version import __version__

PROGRAMS = Path(__file__).with_name("on_card_programs.py")
SECONDS = 460.0
"""Of all parts together."""
INPUT, GENERATED = 1024, 64
_DRY_LONGER = 4
"""How much longer a part may take without a card, where others use the processor too."""
_LEAST_S = 5.0
"""With less time left a part is not begun."""
_WITHIN = {"decode": 0.08, "prefill": 0.12, "seed": 0.03}
"""What `expected` is allowed to be off by, and the seed's programs from `measure --quick`."""
_TINY = {
    "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "vocab_size": 2048,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 32,
}  # fmt: skip
_MODELS = {
    "qwen3-4b": "Qwen/Qwen3-4B-Instruct-2507",
    "llama-3.1-8b": "meta-llama/Llama-3.1-8B-Instruct",
}

Answers = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One process, and the most it may take."""

    name: str
    seconds: float
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it."""

    code: int | None
    """None where its time ran out, or there was none left."""
    seconds: float
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The last JSON it printed, of a program that goes on with its answer; None without."""
        for text in (self.out, *self.out.splitlines()[::-1]):
            if text.lstrip().startswith("{"):
                with suppress(ValueError):
                    return json.loads(text)
        return None

    @property
    def complaint(self) -> str:
        """The last line of its errors, where it did not end well."""
        lines = self.err.strip().splitlines()
        return lines[-1][:160] if lines and not self.well else ""

    @property
    def well(self) -> bool:
        """Whether it ended with an answer."""
        return self.code == 0 or (self.code == 1 and not self.err)


def run_process(command: Sequence[str], seconds: float) -> Done:
    """A process and all that it starts, ended when its time is up."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    code: int | None
    try:
        out, err = process.communicate(timeout=seconds)
        code = process.returncode
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        code = None
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
    return Done(code, time.monotonic() - began, out, err)


Runner = Callable[[Sequence[str], float], Done]


def models(results: Path, *, dry: bool) -> dict[str, str]:
    """What --model is given: catalogue names, or in a dry run small ones of the same kinds."""
    if not dry:
        return dict(_MODELS)
    from vperf.sources.models import load_model_config  # noqa: PLC0415

    found = {}
    for name, full in _MODELS.items():
        folder = results / f"tiny-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        config = {**load_model_config(full).config, **_TINY}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        found[name] = f"{folder}/"
    return found


def parts(results: Path, *, dry: bool) -> Iterator[Part]:
    """In order of worth: if time runs out, the last are missing."""
    vperf, program = (sys.executable, "-m", "vperf"), (sys.executable, str(PROGRAMS))
    quick, full = str(results / "quick.toml"), str(results / "gpu.toml")
    here = ("--device", "cpu") if dry else ()
    sheet = ("--peak", "bf16=10 TFLOPS", "--memory-bandwidth", "1 TB/s") if dry else ()
    small, fast = (("--small", *here), ("--quick",)) if dry else ((), ())
    asked = models(results, dry=dry)
    yield Part("seed", 60, (*program, "seed", *small))
    yield Part("quick", 45, (*vperf, "measure", "--quick", "--json", "-o", quick, *here, *sheet))
    yield Part("full", 120, (*vperf, "measure", "--json", "-o", full, *fast, *here, *sheet))
    for name, model in asked.items():
        step = ("--model", model, "--gpu", full, "--input-len", str(64 if dry else INPUT))
        yield Part(f"ops {name}", 45, (
            *vperf, "measure", *step, "--engine", "ideal", "--layer", "--json", *fast, *here,
        ))  # fmt: skip
        yield Part(f"step {name}", 75, (*program, "step", "--model", model, *small))
        for batch in (1, 32):
            yield Part(f"estimate {name} x{batch}", 10, (
                *vperf, "estimate", *step, "--engine", "ideal", "--output-len", "2",
                "--batch-size", str(batch), "--json",
            ))  # fmt: skip
    yield Part("kernels", 75, (*program, "kernels", "--gpu", full, *small))
    for name, model in asked.items():
        yield Part(f"generate {name}", 60, (*program, "generate", "--model", model, *small))


def grading(
    name: str, model: str, done: Mapping[str, Done], results: Path, *, dry: bool
) -> Iterator[Part]:
    """`check` of what was measured: the graph's step as no engine's, transformers as eager."""
    vperf, gpu = (sys.executable, "-m", "vperf", "check"), ("--gpu", str(results / "gpu.toml"))
    lengths = ("--input-len", str(64 if dry else INPUT))
    step, eager = _answer(done, f"step {name}"), _answer(done, f"generate {name}")
    if step and "prefill_graph_s" in step:
        yield Part(f"check step {name}", 10, (
            *vperf, "--model", model, *gpu, *lengths, "--output-len", "2", "--engine", "ideal",
            *_measured(step["prefill_graph_s"], step["decode"][0]["graph_s"]),
        ))  # fmt: skip
    if eager:
        yield Part(f"check generate {name}", 10, (
            *vperf, "--model", model, *gpu, *lengths, "--output-len",
            str(eager["output_len"]), "--engine", "transformers",
            *_measured(eager["ttft_s"], eager["tpot_s"]),
        ))  # fmt: skip


def _measured(ttft_s: float, tpot_s: float) -> tuple[str, ...]:
    """Options of `check`; a TPOT below 0 is none: prefill and decode cannot be told apart."""
    tpot = ("--tpot", f"{1e3 * tpot_s:.6g} ms") if tpot_s > 0 else ()
    return ("--ttft", f"{1e3 * ttft_s:.6g} ms", *tpot, "--markdown")


def _answer(done: Mapping[str, Done], name: str) -> Any:
    """What a part has answered; of one that was late, what it had until then."""
    found = done.get(name)
    return found.answer if found is not None and found.code in (0, None) else None


# The card around it --------------------------------------------------------------------------


@contextmanager
def watched(path: Path, every: float = 1.0) -> Iterator[None]:
    """A row a second of what the driver says of every card, until the block ends."""
    ended = threading.Event()
    names = ("sm_clock_hz", "memory_clock_hz", "power_w", "temperature_c", "utilization")

    def write() -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("seconds", "card", *names, "throttle"))
            while True:
                at = time.monotonic() - began
                for number, card in enumerate(local_gpu.read_cards()):
                    facts = (getattr(card.now, name) for name in names)
                    rows.writerow((f"{at:.1f}", number, *facts, "; ".join(card.now.throttle)))
                file.flush()
                if ended.wait(every):
                    return

    began = time.monotonic()
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=20)


def environment() -> dict[str, Any]:
    """Versions and cards as they are."""
    packages = {}
    for name in ("torch", "triton", "transformers", "pydantic", "typer", "nvidia-ml-py"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "-"
    cards = [
        {name: getattr(card, name) for name in ("name", "driver", "tool", "memory_bytes",
         "memory_clock_hz", "sm_clock_hz", "power_cap_w", "power_default_w")}
        for card in local_gpu.read_cards()
    ]  # fmt: skip
    return {
        "vperf": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "packages": packages,
        "cards": cards,
    }


# All of it -----------------------------------------------------------------------------------


def measure(
    results: Path, *, seconds: float = SECONDS, dry: bool = False, run: Runner = run_process
) -> int:
    """All parts within `seconds`, and the summary; how many of them did not end well."""
    results.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + seconds
    facts, done, commands = environment(), dict[str, Done](), dict[str, Sequence[str]]()

    def each(part: Part) -> None:
        left = until - time.monotonic()
        commands[part.name] = part.command
        if left < _LEAST_S:
            done[part.name] = Done(None, 0.0, "", "no time was left")
        else:
            done[part.name] = run(
                part.command, min(part.seconds * (_DRY_LONGER if dry else 1), left)
            )
        ended = done[part.name]
        if part.name == "full":
            _stand_in(results)
        print(f"{part.name}: {ended.seconds:.1f} s, exit {ended.code} {ended.complaint}".rstrip())
        _write_parts(results, facts, commands, done)

    if shutil.which("nvidia-smi"):
        (results / "driver.txt").write_text(local_gpu.run(("nvidia-smi", "-q")) or "", "utf-8")
    try:
        with watched(results / "card.csv"):
            for part in parts(results, dry=dry):
                each(part)
            for name, model in models(results, dry=dry).items():
                for part in grading(name, model, done, results, dry=dry):
                    each(part)
    finally:
        text = "\n".join(summary(facts, done, results, dry=dry)) + "\n"
        (results / "summary.md").write_text(text, encoding="utf-8")
        print(text)
    return sum(not each.well for each in done.values())


def _stand_in(results: Path) -> None:
    """What `--quick` found, where the whole measurement came to nothing: other parts ask for it."""
    quick, full = results / "quick.toml", results / "gpu.toml"
    if quick.exists() and not full.exists():
        shutil.copy(quick, full)
        print("gpu.toml is quick.toml: vperf measure wrote none")


def _write_parts(
    results: Path, facts: Answers, commands: Mapping[str, Sequence[str]], done: Mapping[str, Done]
) -> None:
    told = {
        name: {
            "command": list(commands[name]), "exit": each.code, "seconds": each.seconds,
            "answer": each.answer, "out": "" if each.answer else each.out, "err": each.err[-4000:],
        }
        for name, each in done.items()
    }  # fmt: skip
    text = json.dumps({"environment": facts, "parts": told}, indent=1)
    (results / "parts.json").write_text(text, encoding="utf-8")


# The summary ---------------------------------------------------------------------------------


def summary(facts: Answers, done: Mapping[str, Done], results: Path, *, dry: bool) -> Iterator[str]:
    """Lines of Markdown."""
    card = next(iter(facts["cards"]), {"name": "no card that a driver lists", "driver": "-"})
    packages = facts["packages"]
    yield f"# {card['name']}, driver {card['driver']}, {facts['date']}"
    yield ""
    if dry:
        yield "A dry run on the CPU: every figure below is of tiny sizes and means nothing."
        yield ""
    yield (
        f"vperf {facts['vperf']}, PyTorch {packages['torch']}, Triton {packages['triton']}, "
        f"transformers {packages['transformers']}, Python {facts['python']}, {facts['system']}."
    )
    yield ""
    yield from _seed_table(_answer(done, "seed"), _answer(done, "quick"))
    yield from _step_table(done)
    yield from _kernel_table(_answer(done, "kernels"))
    yield from _load_lines(results / "card.csv")
    for name in (name for name in done if name.startswith("check")):
        if done[name].well:
            yield f"## {name}"
            yield ""
            yield from done[name].out.strip().splitlines()
            yield ""
    yield "## Parts"
    yield ""
    yield "| part | seconds | exit | |"
    yield "|---|--:|--:|---|"
    for name, each in done.items():
        code = "late" if each.code is None else each.code
        yield f"| {name} | {each.seconds:.1f} | {code} | {_cell(each.complaint)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _seed_table(seed: Any, quick: Any) -> Iterator[str]:
    """The seed's programs beside `measure --quick`: medians of the best size both have."""
    if not (seed and quick):
        return
    yield "## The seed's two programs and `vperf measure --quick`"
    yield ""
    yield "| | seed | vperf | apart | within 3 % |"
    yield "|---|--:|--:|--:|---|"
    matmul = next((each for each in quick["matmul"] if each["pipe"] == "bf16"), None)
    if matmul:
        sizes = {str(row["size"]): row["flop_per_s"] for row in matmul["by_size"]}
        both = [size for size in sizes if size in seed["matmul_flop_per_s"]]
        if both:
            ours = max(sizes[size] for size in both)
            theirs = max(seed["matmul_flop_per_s"][size] for size in both)
            yield _apart("bf16 matmul", theirs, ours, 1e12, "TFLOP/s")
    if quick["copy_bytes_per_s"]:
        yield _apart("copy", max(seed["copy_bytes_per_s"].values()), quick["copy_bytes_per_s"],
                     1e9, "GB/s")  # fmt: skip
    yield ""
    by_size = {**seed["matmul_flop_per_s"]}
    best = max(by_size, key=by_size.__getitem__)
    yield f"The seed's best of all its sizes: {by_size[best] / 1e12:,.1f} TFLOP/s at {best}^3."
    yield ""


def _apart(name: str, seed: float, ours: float, unit: float, word: str) -> str:
    apart = ours / seed - 1
    return (
        f"| {name} | {seed / unit:,.1f} {word} | {ours / unit:,.1f} {word} | {apart:+.1%} | "
        f"{_yes(abs(apart) <= _WITHIN['seed'])} |"
    )


def _yes(well: bool) -> str:
    return "yes" if well else "**no**"


def _step_table(done: Mapping[str, Done]) -> Iterator[str]:
    rows = list(_step_rows(done))
    if not rows:
        return
    yield "## Measured, limit, expected (`--gpu gpu.toml --engine ideal`)"
    yield ""
    yield "| | measured | limit | expected | of limit | of expected | within | limit holds |"
    yield "|---|--:|--:|--:|--:|--:|---|---|"
    for name, measured, limit, expected, allowed in rows:
        of_limit = "-" if limit is None else f"{limit / measured:.0%}"
        within = "-"
        if allowed is not None:
            within = f"{allowed:.0%}: {_yes(abs(expected / measured - 1) <= allowed)}"
        holds = "-" if limit is None else _yes(limit <= measured)
        yield (
            f"| {name} | {_time(measured)} | {_time(limit)} | {_time(expected)} | {of_limit} | "
            f"{expected / measured:.0%} | {within} | {holds} |"
        )
    yield ""


Compared = tuple[str, float, float | None, float, float | None]
"""Name, measured, limit, expected, and how far apart the last but one may be."""


def _step_rows(done: Mapping[str, Done]) -> Iterator[Compared]:
    for name in _MODELS:
        step, ops = _answer(done, f"step {name}"), _answer(done, f"ops {name}")
        for row in (step or {}).get("decode", ()):
            told = _answer(done, f"estimate {name} x{row['batch']}")
            if told:
                yield (f"{name}: decode step in a graph, batch {row['batch']}", row["graph_s"],
                       told["limit"]["tpot_s"], told["expected"]["tpot_s"],
                       _WITHIN["decode"])  # fmt: skip
        told = _answer(done, f"estimate {name} x1")
        if step and told and "prefill_graph_s" in step:
            yield (f"{name}: prefill of {step['input_len']:,} in a graph", step["prefill_graph_s"],
                   told["limit"]["ttft_s"], told["expected"]["ttft_s"],
                   _WITHIN["prefill"])  # fmt: skip
        for phase in (ops or {}).get("phases", ()):
            if phase["measured_s"]:
                covered = f"{phase['name']} op by op ({phase['covered']:.0%})"
                yield (f"{name}: {covered}", phase["measured_s"], phase["limit_s"],
                       phase["expected_s"], None)  # fmt: skip
        if ops and ops["layer"]:
            layer = ops["layer"]
            yield (f"{name}: one layer in a graph", layer["measured_s"], None, layer["expected_s"],
                   None)  # fmt: skip


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{1e3 * seconds:,.2f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:,.2f} µs"


def _kernel_table(kernels: Any) -> Iterator[str]:
    if not kernels:
        return
    yield "## Kernels"
    yield ""
    yield "| kernel | measured | rate | limit | expected | limit holds |"
    yield "|---|--:|--:|--:|--:|---|"
    for row in kernels["rows"]:
        if row["seconds"] is None:
            yield f"| {row['name']} | - | {row['why']} | | | |"
            continue
        rate = f"{row['amount'] / row['seconds'] / 1e12:,.3g} {row['unit']}"
        limit, expected = row.get("limit_s"), row.get("expected_s")
        holds = "-" if limit is None else _yes(limit <= row["seconds"])
        yield (
            f"| {row['name']} | {_time(row['seconds'])} | {rate} | {_time(limit)} | "
            f"{_time(expected)} | {holds} |"
        )
    yield ""


def _load_lines(path: Path) -> Iterator[str]:
    """The clocks and the power while it worked, from card.csv."""
    with suppress(OSError):
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        busy = [row for row in rows if float(row["utilization"] or 0) > 0.5]
        if not busy:
            return
        yield "## The card under load"
        yield ""
        yield "| | least | median | most |"
        yield "|---|--:|--:|--:|"
        for key, unit, word in (("sm_clock_hz", 1e6, "MHz"), ("memory_clock_hz", 1e6, "MHz"),
                                ("power_w", 1, "W"), ("temperature_c", 1, "C")):  # fmt: skip
            found = sorted(float(row[key]) / unit for row in busy if row[key])
            if found:
                middle = statistics.median(found)
                yield f"| {key} | {found[0]:,.0f} | {middle:,.0f} | {found[-1]:,.0f} {word} |"
        reasons = sorted({row["throttle"] for row in busy if row["throttle"]})
        yield ""
        yield f"Clock held back by: {', '.join(reasons) or 'nothing'} ({len(busy)} busy seconds)."
        yield ""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where a part did not end well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of all parts together")
    parser.add_argument("--dry", action="store_true", help="on the CPU, tiny sizes")
    asked = parser.parse_args(arguments)
    return 1 if measure(asked.results, seconds=asked.seconds, dry=asked.dry) else 0


if __name__ == "__main__":
    sys.exit(main())
