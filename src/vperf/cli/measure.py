"""`vperf measure`: time this machine, or the ops of a model on it; write a GPU file.

Not here: measuring (measure) and the screens (report/measure_*.py).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vperf.cli import options, output
from vperf.cli.progress import Progress
from vperf.cli.scenario_options import option
from vperf.errors import InputError

if TYPE_CHECKING:
    from vperf.hardware.gpu import Gpu
    from vperf.measure.backend import Backend
    from vperf.measure.state import Watch

EPILOG = """\
Examples:

\b
  vperf measure
  vperf measure --quick -o my-card.toml
  vperf measure --only matmul,bandwidth
  vperf measure --model Qwen/Qwen3-4B-Instruct-2507
  vperf measure -m qwen3-30b-a3b -g my-card.toml --batch-size 32 --layer

Needs PyTorch: pip install 'vperf[measure]'. No setting of the card is changed.
Without a GPU that PyTorch can use, the CPU is measured, and that is said.
"""

_SECONDS, _QUICK_SECONDS = 0.5, 0.1
"""Of repeating each op."""


@output.answers(file=False)
def measure(
    *,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="DEVICE", help="cuda, cuda:1, mps or cpu. [a GPU]"),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The GPU file (.toml) to write; with --model, .json.",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A sixth of the time, fewer sizes.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="PARTS",
            help="Some of matmul, bandwidth, latency, attention, moe, all-reduce.",
        ),
    ] = None,
    peak: Annotated[
        list[str] | None,
        typer.Option(
            "--peak",
            metavar="FORMAT=RATE",
            help='Datasheet peak of a card vperf lacks, as bf16="250 TFLOPS"; repeatable.',
        ),
    ] = None,
    memory_bandwidth: Annotated[
        str | None,
        typer.Option("--memory-bandwidth", metavar="RATE", help='Its bandwidth, as "1.5 TB/s".'),
    ] = None,
    model: Annotated[str | None, option("model")] = None,
    gpu: Annotated[str | None, option("gpu")] = None,
    input_len: Annotated[int, option("input_len")] = 1024,
    batch_size: Annotated[int, option("batch_size")] = 1,
    quantization: Annotated[str | None, option("quantization")] = None,
    kv_cache_dtype: Annotated[str | None, option("kv_cache_dtype")] = None,
    engine: Annotated[
        str, typer.Option("--engine", metavar="NAME", help="Whose expected times to show.")
    ] = "vllm",
    phase: Annotated[
        str, typer.Option("--phase", metavar="PHASE", help="prefill, decode or both.")
    ] = "both",
    layer: Annotated[
        bool, typer.Option("--layer", help="Decode through one whole layer of the model.")
    ] = False,
    out: output.Out,
) -> None:
    """Measure this machine's GPU; -o writes a file for --gpu.

    With --model: every op of the model's step, beside its limit and expected time.
    """
    options.refuse_empty(device=device, only=only, model=model, gpu=gpu, engine=engine,
                         quantization=quantization, memory_bandwidth=memory_bandwidth)  # fmt: skip
    if model is None:
        means_nothing = {
            "--gpu": gpu is not None, "--quantization": quantization is not None,
            "--kv-cache-dtype": kv_cache_dtype is not None,
            "--layer": layer, "--phase": phase != "both",
        }  # fmt: skip
        for name, given in means_nothing.items():
            if given:
                raise InputError(f"{name} means nothing without --model")
        _card(
            device, output_file, quick=quick, only=only, peaks=_peaks(peak or []),
            memory_bandwidth=memory_bandwidth, out=out,
        )  # fmt: skip
        return
    of_card = {"--only": only, "--peak": peak, "--memory-bandwidth": memory_bandwidth}
    for name, value in of_card.items():
        if value is not None:
            raise InputError(f"{name} cannot be combined with --model")
    if phase not in ("prefill", "decode", "both"):
        raise InputError(f"{phase!r} is not one of prefill, decode, both", source="--phase")
    _model(
        model, gpu, device=device, file=output_file, quick=quick, input_len=input_len,
        batch_size=batch_size, quantization=quantization, kv_cache_dtype=kv_cache_dtype,
        engine=engine, phase=phase, layer=layer,
        out=out,
    )  # fmt: skip


def _card(
    device: str | None,
    file: Path | None,
    *,
    quick: bool,
    only: str | None,
    peaks: dict[str, str],
    memory_bandwidth: str | None,
    out: output.Out,
) -> None:
    import datetime

    from vperf.measure.card import PARTS, Datasheet, measure_card
    from vperf.measure.gpu_file import gpu_file
    from vperf.report import measure_card as report
    from vperf.sources.local_gpu import LocalCard
    from vperf.units import parse_bandwidth, parse_rate

    parts = tuple(part.strip() for part in (only or ",".join(PARTS)).split(","))
    for part in parts:
        if part not in PARTS:
            raise InputError(f"{part!r} is not one of {', '.join(PARTS)}", source="--only")
    for pipe in peaks:
        _known_pipe(pipe)
    given = Datasheet(
        {pipe: parse_rate(rate, "TFLOPS") for pipe, rate in peaks.items()},
        None if memory_bandwidth is None else parse_bandwidth(memory_bandwidth, "GB/s"),
    )
    if file is not None and file.suffix.lower() != ".toml":
        raise InputError(f"{file} must end in .toml", source="--output")
    backend, watch = _open(device, quick)
    card: LocalCard | None = watch.card
    path = file or Path(f"{_slug(card.name if card else backend.device.name)}-measured.toml")
    output.check_place(path)
    if file is None and path.exists():
        raise InputError(f"{path} is there already", hint="-o names the file to write or replace")
    with Progress() as progress:
        measured = measure_card(
            backend, watch=watch, only=parts, quick=quick, given=given, progress=progress
        )
    made = gpu_file(measured, today=datetime.datetime.now(tz=datetime.UTC).date())
    if file is None:
        path = output.write_new(made.text, path)
    else:
        output.write(made.text, path)
    written = report.Written(path, made.missing)
    out.emit(report.card_report(measured, written))


def _model(
    model: str,
    gpu: str | None,
    *,
    device: str | None,
    file: Path | None,
    quick: bool,
    input_len: int,
    batch_size: int,
    quantization: str | None,
    kv_cache_dtype: str | None,
    engine: str,
    phase: str,
    layer: bool,
    out: output.Out,
) -> None:
    from vperf import api
    from vperf.measure.step import measure_layer, measure_step
    from vperf.model.ops import Step
    from vperf.report import measure_model as report
    from vperf.sources.engines import load_engine
    from vperf.timing.step import Card

    if file is not None and file.suffix.lower() != ".json":
        raise InputError(f"{file} must end in .json with --model", source="--output")
    if file is not None:
        output.check_place(file)
    profile = load_engine(engine)
    built = api.load_model(model, quantization=quantization, kv_cache_dtype=kv_cache_dtype)
    known = _gpu_named(gpu) if gpu is not None else None
    backend, watch = _open(device, quick)
    card = Card(known or _here(backend, watch), profile)
    steps = {"prefill": Step(batch_size, input_len, 0), "decode": Step(batch_size, 1, input_len)}
    if phase != "both":
        steps = {phase: steps[phase]}
    notes: list[str] = []
    with Progress() as progress:
        phases = tuple(
            measure_step(backend, built, step, card, name, progress=progress)
            for name, step in steps.items()
        )
        whole = None
        if layer:
            progress(0, 1, "one whole layer")
            step = Step(batch_size, 1, input_len)
            whole = measure_layer(backend, built, step, card, notes.append)
    run = report.ModelRun(
        model, card.gpu, profile.name, backend.device.name, batch_size, phases, whole,
        (*notes, *backend.notes()),
    )  # fmt: skip
    if file is not None:
        out = replace(out, form="json", file=file)
    out.emit(report.model_report(run))


def _open(device: str | None, quick: bool) -> tuple[Backend, Watch]:
    """The backend, and a watch on its card that was read before the backend used it."""
    from vperf.measure.state import Watch
    from vperf.measure.torch_backend import open_backend
    from vperf.sources.local_gpu import read_cards

    before = read_cards()
    backend = open_backend(device, seconds=_QUICK_SECONDS if quick else _SECONDS)
    facts = backend.device
    if facts.kind == "cpu" and device is None:
        if before:
            raise InputError(
                f"{facts.framework} cannot use the {before[0].name} that {before[0].tool} lists",
                hint="install a PyTorch built for it, or --device cpu measures the CPU",
            )
        print("no GPU was found: measuring the CPU", file=sys.stderr)
    if facts.kind == "cpu":
        return backend, Watch(facts.name, cards=lambda: ())
    first = iter((before,))
    return backend, Watch(facts.name, _place(device), lambda: next(first, None) or read_cards())


def _place(device: str | None) -> int:
    """Where the driver lists the card: CUDA may show a program only some, in another order."""
    index = int((device or "").partition(":")[2] or 0)
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    known = index < len(shown) and shown[index].strip().isdigit()
    return int(shown[index]) if known else index


def _gpu_named(name: str) -> Gpu:
    from vperf.sources.gpus import load_gpu

    return load_gpu(name)


def _here(backend: Backend, watch: Watch) -> Gpu:
    """The catalogue's card that is in this machine."""
    from vperf.sources.local_gpu import catalogued

    found = catalogued(watch.card) if watch.card and backend.device.kind != "cpu" else None
    if found is None:
        raise InputError(
            f"no datasheet of {backend.device.name} is known to compare with",
            hint="--gpu FILE.toml, as 'vperf measure' writes it, or --gpu NAME",
        )
    return found


def _known_pipe(pipe: str) -> None:
    from vperf.hardware.gpu import PIPES

    if pipe not in PIPES:
        raise InputError(f"{pipe!r} is not one of {', '.join(PIPES)}", source="--peak")


def _slug(name: str) -> str:
    """A file name: "nvidia-geforce-rtx-5090"."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return "-".join(word for word in kept.split("-") if word) or "gpu"


def _peaks(given: list[str]) -> dict[str, str]:
    from vperf.resolve.card import peaks_of

    return peaks_of(given)
