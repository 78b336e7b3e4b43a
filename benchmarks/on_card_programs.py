"""Programs on PyTorch itself that benchmarks/on_card.py runs beside vperf's own.

    python benchmarks/on_card_programs.py PROGRAM [--model NAME] [--gpu FILE] [--device D] [--small]

seed      the two programs that vperf began with: the best of square bf16 matmuls by
          triton.testing.do_bench, and x.clone() of 1 to 3 GiB counted as read and written
step      a whole decode step and prefill of a dense model, random weights, in a CUDA graph
kernels   matmuls of few and many rows, copies that the L2 holds, attention, experts
generate  transformers' generate(): every kernel launched from Python

Each prints its answer as a line of JSON, in SI units, after every measurement: the last line is all
of it, an earlier one what there is if the program is ended. Random data: zeros draw less power.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from vperf.errors import VperfError
from vperf.formats import BF16, FP8, Format
from vperf.hardware.gpu import Achieved, Gpu
from vperf.measure.constants import form_seconds
from vperf.measure.timers import (
    Call,
    ClockTimer,
    EventTimer,
    GraphTimer,
    Timer,
    triton_bench,
)  # fmt: skip
from vperf.measure.torch_backend import TorchBackend, open_backend
from vperf.model.ops import Linear, Op, Step, Work, attention, distinct_experts, matmul
from vperf.sources.models import load_model_config
from vperf.timing.limit import Limits

GIB = 2**30
Answer = dict[str, Any]


class Machine:
    """PyTorch on one device, with the timers of vperf measure."""

    def __init__(self, device: str | None, *, small: bool) -> None:
        self.backend: TorchBackend = open_backend(device, seconds=0.02 if small else 0.2)
        import torch  # noqa: PLC0415  (optional, slow to import)

        self.torch: Any = torch
        self.small = small
        self.gpu = self.backend.device.kind != "cpu"
        self.where = torch.device("cuda" if self.gpu else "cpu")

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.gpu:
            self.torch.cuda.synchronize()

    @property
    def eager(self) -> Timer:
        """With the host's part."""
        return EventTimer(self.torch) if self.gpu else ClockTimer(self.wait)

    @property
    def graph(self) -> Timer:
        """Without it, where there are graphs."""
        return GraphTimer(self.torch) if self.gpu else ClockTimer(self.wait)

    def random(self, *shape: int, scale: float = 1.0) -> Any:
        """Normal random bfloat16."""
        data = self.torch.empty(shape, device=self.where, dtype=self.torch.bfloat16)
        return data.normal_(std=scale)


# seed ----------------------------------------------------------------------------------------


def seed(machine: Machine) -> Iterator[Answer]:
    """The mean that do_bench gives by itself, for each size; who reads it keeps the best."""
    sizes = (256, 512) if machine.small else (1024, 2048, 4096, 8192, 16384)
    rates, copies = dict[str, float](), dict[str, float]()
    bench = triton_bench() if machine.gpu else None
    answer = {"matmul_flop_per_s": rates, "copy_bytes_per_s": copies,
              "timed_by": "do_bench" if bench else "events or the clock"}  # fmt: skip

    def seconds(call: Call) -> float:
        if bench is None:
            return machine.eager.time([call], 0.1 if machine.gpu else 0.02).median_s
        return 1e-3 * float(bench(call))

    for gib in (1 / 64,) if machine.small else (1, 2, 3):
        x = machine.random(int(gib * GIB / 2))
        copies[f"{gib:g}"] = 2.0 * gib * GIB / seconds(x.clone)
    for size in sizes:
        a, b = machine.random(size, size), machine.random(size, size)
        rates[str(size)] = 2.0 * size**3 / seconds(partial(machine.torch.matmul, a, b))
        yield answer


# step ----------------------------------------------------------------------------------------


class Decoder:
    """A dense decoder as its config.json describes it: random weights, a static cache."""

    def __init__(self, machine: Machine, config: Mapping[str, Any], batch: int, most: int) -> None:
        self.machine, self.torch = machine, machine.torch
        self.layers = int(config["num_hidden_layers"])
        self.hidden = int(config["hidden_size"])
        self.heads = int(config["num_attention_heads"])
        self.kv_heads = int(config["num_key_value_heads"])
        self.dim = int(config.get("head_dim") or self.hidden // self.heads)
        self.normed = str(config["model_type"]).startswith("qwen3")
        wide, words = int(config["intermediate_size"]), int(config["vocab_size"])
        make = machine.random
        self.embedding = make(words, self.hidden)
        self.head = self.embedding
        if not config.get("tie_word_embeddings"):
            self.head = make(words, self.hidden, scale=0.02)
        rows = (self.heads + 2 * self.kv_heads) * self.dim
        self.weights = [
            (
                make(rows, self.hidden, scale=0.02),
                make(self.hidden, self.heads * self.dim, scale=0.02),
                make(2 * wide, self.hidden, scale=0.02),
                make(self.hidden, wide, scale=0.02),
            )
            for _ in range(self.layers)
        ]
        self.gain, self.head_gain = make(self.hidden), make(self.dim)
        self.cache = [make(2, batch, self.kv_heads, most, self.dim) for _ in range(self.layers)]
        angles = self.torch.outer(
            self.torch.arange(most, device=machine.where, dtype=self.torch.float32),
            1e4 ** -self.torch.linspace(0, 1, self.dim // 2, device=machine.where),
        )
        self.cos, self.sin = (
            f(angles).repeat(1, 2).to(self.torch.bfloat16) for f in (self.torch.cos, self.torch.sin)
        )
        self._join, self._turn, self._gate = self._small()
        self.fused = machine.gpu and self._fuse(batch)

    def _small(self) -> tuple[Any, Any, Any]:
        """What engines fuse: addition and norm, norm and rotary, activation."""
        torch, functional = self.torch, self.torch.nn.functional
        hidden, dim, normed = self.hidden, self.dim, self.normed
        gain, head_gain = self.gain, self.head_gain

        def join(x: Any, more: Any) -> Any:
            total = x + more
            return total, functional.rms_norm(total, (hidden,), gain, 1e-6)

        def turn(x: Any, cos: Any, sin: Any) -> Any:
            if normed:
                x = functional.rms_norm(x, (dim,), head_gain, 1e-6)
            first, second = x.chunk(2, dim=-1)
            return x * cos + torch.cat((-second, first), dim=-1) * sin

        def gate(x: Any) -> Any:
            first, second = x.chunk(2, dim=-1)
            return functional.silu(first) * second

        return join, turn, gate

    def _fuse(self, batch: int) -> bool:
        """One kernel each by torch.compile; whether it can, or eager kernels stay."""
        eager = self._join, self._turn, self._gate
        with suppress(AttributeError):  # one graph for each shape, of which there are a dozen
            self.torch._dynamo.config.recompile_limit = 64
        self._join, self._turn, self._gate = (self.torch.compile(f, dynamic=False) for f in eager)
        try:
            tokens = self.torch.zeros((batch, 1), device=self.machine.where, dtype=self.torch.int64)
            self.forward(tokens, 0)
        except Exception as error:  # the compiler fails in its own ways: no compiler of C, for one
            print(f"not fused: {str(error).splitlines()[0][:200]}", file=sys.stderr)
            self._join, self._turn, self._gate = eager
            return False
        return True

    def forward(self, tokens: Any, past: int) -> Any:
        """Logits of the last new token of each sequence; fills the cache from `past` on."""
        functional = self.torch.nn.functional
        batch, new = tokens.shape
        x = functional.embedding(tokens, self.embedding)
        more = self.torch.zeros_like(x)
        cos, sin = self.cos[past : past + new], self.sin[past : past + new]
        split = (self.heads * self.dim, self.kv_heads * self.dim, self.kv_heads * self.dim)
        for (qkv, output, up, down), cache in zip(self.weights, self.cache, strict=True):
            x, normed = self._join(x, more)
            parts = functional.linear(normed, qkv).split(split, dim=-1)
            q, k, v = (each.view(batch, new, -1, self.dim).transpose(1, 2) for each in parts)
            q, k = self._turn(q, cos, sin), self._turn(k, cos, sin)
            cache[0, :, :, past : past + new] = k
            cache[1, :, :, past : past + new] = v
            attended = functional.scaled_dot_product_attention(
                q, cache[0, :, :, : past + new], cache[1, :, :, : past + new],
                is_causal=new > 1, enable_gqa=self.heads != self.kv_heads,
            )  # fmt: skip
            more = functional.linear(attended.transpose(1, 2).reshape(batch, new, -1), output)
            x, normed = self._join(x, more)
            more = functional.linear(self._gate(functional.linear(normed, up)), down)
        x, normed = self._join(x[:, -1:], more[:, -1:])
        return functional.linear(normed, self.head).argmax(-1)


def step(machine: Machine, model: str) -> Iterator[Answer]:
    """Decode at batches of 1 and 32, and prefill, eager and in a graph."""
    config = load_model_config(model).config
    new = 64 if machine.small else 1024
    seconds = 0.05 if machine.small else 1.0
    words = int(config["vocab_size"])
    found: dict[str, Any] = {"model": model, "input_len": new, "decode": []}
    for batch in (1, 32):
        decoder = Decoder(machine, config, batch, new + 8)
        one = machine.torch.randint(0, words, (batch, 1), device=machine.where)
        times = _both(machine, partial(decoder.forward, one, new), seconds)
        found["decode"].append({"batch": batch, "fused": decoder.fused, **times})
        yield found
        if batch == 1:
            prompt = machine.torch.randint(0, words, (1, new), device=machine.where)
            times = _both(machine, partial(decoder.forward, prompt, 0), seconds)
            found |= {f"prefill_{name}": value for name, value in times.items()}
            yield found
        del decoder
        if machine.gpu:
            machine.torch.cuda.empty_cache()


def _both(machine: Machine, call: Call, seconds: float) -> dict[str, Any]:
    graph = machine.graph
    eager_s = machine.eager.time([call], seconds / 2).median_s
    graph_s = graph.time([call], seconds).median_s
    not_captured = sorted(graph.eager) if isinstance(graph, GraphTimer) else ["no graphs here"]
    return {"graph_s": graph_s, "eager_s": eager_s, "not_captured": not_captured}


# kernels -------------------------------------------------------------------------------------


def kernels(machine: Machine, gpu: Gpu | None) -> Iterator[Answer]:
    """Rows of one kernel each, beside the card's limit and expected where a file of it is given."""
    rows: list[Answer] = []
    for row in itertools.chain(_matmuls(machine, gpu), _attentions(machine, gpu),
                               _copies(machine), _experts(machine, gpu)):  # fmt: skip
        rows.append(row)
        yield {"rows": rows}


def _row(
    name: str, op: Op, gpu: Gpu | None, unit: str, time_it: Callable[[], float]
) -> dict[str, Any]:
    amount = op.flops if unit == "TFLOP/s" else op.streamed_bytes
    row: dict[str, Any] = {"name": name, "amount": amount, "unit": unit, "seconds": None}
    try:
        row["seconds"] = time_it()
    except (VperfError, RuntimeError) as error:
        return {**row, "why": str(error).splitlines()[0][:160]}
    if gpu is not None:
        row["limit_s"] = Limits(gpu).of_step([(1, op)]).seconds
        row["expected_s"] = form_seconds(gpu, gpu.achieved or Achieved(), op)
    return row


def _matmuls(machine: Machine, gpu: Gpu | None) -> Iterator[dict[str, Any]]:
    width = 256 if machine.small else 4096
    formats: Sequence[Format] = (BF16,) if machine.small else (BF16, FP8)
    for fmt in formats:
        for rows in (1, 8, 64, 512, 4096) if not machine.small else (1, 8):
            (op,) = matmul("w", (Linear("w", width, width, fmt),), rows)
            yield _row(
                f"{fmt.name} [{rows},{width}]x[{width},{width}]", op, gpu,
                "TFLOP/s" if rows > 256 else "TB/s",
                partial(_alone, machine, op),
            )  # fmt: skip


def _experts(machine: Machine, gpu: Gpu | None) -> Iterator[dict[str, Any]]:
    """A gated layer as Qwen3-30B-A3B has it."""
    experts, active, hidden, wide = (8, 2, 64, 32) if machine.small else (128, 8, 2048, 768)
    elements = 3 * hidden * wide
    for tokens in (1, 8) if machine.small else (1, 64, 1024, 8192):
        passes = tokens * active
        op: Op = Work(
            "experts", "moe", 2.0 * passes * elements, BF16,
            weight_bytes=distinct_experts(tokens, experts, active) * 2.0 * elements,
            input_elements=float(passes * hidden), output_elements=float(passes * hidden),
            shape=(tokens, active, experts, hidden, wide),
        )  # fmt: skip
        yield _row(
            f"{tokens} tokens to {active} of {experts} experts", op, gpu,
            "TFLOP/s" if tokens > 256 else "TB/s",
            partial(_alone, machine, op),
        )  # fmt: skip


def _attentions(machine: Machine, gpu: Gpu | None) -> Iterator[dict[str, Any]]:
    """Each as PyTorch chooses the kernel, and by flash attention alone."""
    heads, kv_heads, dim = (8, 2, 32) if machine.small else (32, 8, 128)
    steps = (Step(1, 1, 63), Step(1, 64, 0)) if machine.small else (
        Step(1, 1, 1023), Step(1, 1, 8191), Step(32, 1, 1023), Step(64, 1, 8191),
        Step(1, 1024, 0), Step(1, 8192, 0), Step(8, 1024, 0),
    )  # fmt: skip
    for each in steps:
        op = attention("attention", each, heads=heads, kv_heads=kv_heads, qk_dim=dim, v_dim=dim,
                       cache=BF16)  # fmt: skip
        for way in ("chosen", "flash"):
            name = f"{each.batch} x {each.new} new, {each.past} cached, {way}"

            unit = "TB/s" if each.new == 1 else "TFLOP/s"
            yield _row(name, op, gpu, unit, partial(_alone, machine, op, way == "flash"))


def _alone(machine: Machine, op: Op, flash: bool = False) -> float:
    with _only_flash(machine) if flash else nullcontext():
        return machine.backend.time([op], quantize=False).median_s


def _only_flash(machine: Machine) -> Any:
    from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: PLC0415

    return sdpa_kernel(SDPBackend.FLASH_ATTENTION if machine.gpu else SDPBackend.MATH)


def _copies(machine: Machine) -> Iterator[dict[str, Any]]:
    """One buffer into another, over and over: small ones never leave the L2."""
    for mib in (1, 2) if machine.small else (1, 2, 4, 8, 16, 24, 32, 64, 128, 512):
        size = mib * 2**20
        x, y = machine.random(size // 2), machine.random(size // 2)
        found = machine.graph.time([partial(y.copy_, x)], 0.1)
        yield {"name": f"copy of {mib} MiB, the same again and again", "amount": 2.0 * size,
               "unit": "TB/s", "seconds": found.median_s}  # fmt: skip


# generate ------------------------------------------------------------------------------------


def generate(machine: Machine, model: str) -> Iterator[Answer]:
    """transformers as it is: a dynamic cache, greedy, batch 1. TTFT is that of one token."""
    from transformers import AutoConfig, AutoModelForCausalLM  # noqa: PLC0415

    torch = machine.torch
    raw = dict(load_model_config(model).config)
    config = AutoConfig.for_model(raw.pop("model_type"), **raw)
    with torch.device(machine.where):
        net = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    new, out = (64, 4) if machine.small else (1024, 64)
    prompt = torch.randint(0, int(raw["vocab_size"]), (1, new), device=machine.where)

    def seconds(count: int) -> float:
        machine.wait()
        began = time.perf_counter()
        made = net.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count,
            min_new_tokens=count, do_sample=False, pad_token_id=0,
        )  # fmt: skip
        machine.wait()
        if made.shape[1] != new + count:
            raise RuntimeError(f"{made.shape[1] - new} tokens came, not {count}")
        return time.perf_counter() - began

    seconds(2)
    rounds = 1 if machine.small else 3
    first = min(seconds(1) for _ in range(rounds))
    whole = min(seconds(out) for _ in range(rounds))
    yield {"model": model, "input_len": new, "output_len": out, "ttft_s": first,
           "tpot_s": (whole - first) / (out - 1)}  # fmt: skip


# The command line ----------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """One program; its answer is the last line of standard output, earlier ones are parts of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("program", choices=("seed", "step", "kernels", "generate"))
    parser.add_argument("--model")
    parser.add_argument("--gpu", help="a GPU file, whose limit and expected stand beside")
    parser.add_argument("--device")
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine = Machine(asked.device, small=asked.small)
        match asked.program:
            case "seed":
                answers = seed(machine)
            case "step":
                answers = step(machine, asked.model)
            case "kernels":
                answers = kernels(machine, _gpu(asked.gpu))
            case _:
                answers = generate(machine, asked.model)
        for answer in answers:
            print(json.dumps(_finite(answer)), flush=True)
    return 0


def _gpu(path: str | None) -> Gpu | None:
    """The card of a GPU file; None where there is none, or no pydantic to check it with."""
    from vperf.sources.gpus import load_gpu  # noqa: PLC0415

    try:
        return load_gpu(path) if path else None
    except (VperfError, ImportError) as error:
        print(f"without limit and expected: {error}", file=sys.stderr)
        return None


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
