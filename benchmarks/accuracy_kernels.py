"""Kernel times against `expected` and `limit`: the forms of timing/, one kernel at a time.

DIR holds <kind>.csv.gz tables: gemm, attention_prefill, attention_decode, moe, mla_decode,
mla_prefill, gdn, allreduce. A row becomes an Op by the functions the models use, and is timed by
the functions the estimate uses.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

from accuracy_layers import layers
from generic_constants import count_constants, derive, measured_cards
from scoring import Point, Tally, grouped, print_rest, print_table, stats, summary, violations

from vperf.errors import VperfError
from vperf.formats import (
    BF16,
    FP8,
    FP8_BLOCK,
    INT4,
    INT8,
    INT8_WEIGHT_ONLY,
    MXFP4,
    NVFP4,
    Format,
    cache_format_named,
)
from vperf.model.blocks.dense import DenseMlp
from vperf.model.blocks.mla import LatentAttention
from vperf.model.blocks.moe import MixtureOfExperts
from vperf.model.ops import (
    Linear,
    Op,
    Step,
    Visibility,
    Work,
    attention,
    distinct_experts,
    matmul,
    recurrent,
)
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.timing import collectives
from vperf.timing.constants import constants_of
from vperf.timing.kinds import op_expected_s
from vperf.timing.ranges import spread_of_op
from vperf.timing.step import Card

Row = Mapping[str, str]

_CACHES = {name: cache_format_named(name) for name in ("bf16", "fp8")}
_MXFP4_W4A16 = replace(MXFP4, name="mxfp4_w4a16", paths=BF16.paths)
_FORMATS: dict[str, Format] = {
    "bfloat16": BF16,
    "fp8": FP8,
    "fp8_block": FP8_BLOCK,
    "nvfp4": NVFP4,
    "sq": INT8,
    "int8_wo": INT8_WEIGHT_ONLY,
    "int4_wo": INT4,
    "w4a16_mxfp4": _MXFP4_W4A16,
    "w4a8_mxfp4_mxfp8": MXFP4,
}


def _format(name: str, framework: str) -> Format:
    if name == "int8_wo" and framework == "sglang":
        return INT8  # labelled weight-only, but SGLang runs W8A8
    return _FORMATS[name]


# A row to its Op ----------------------------------------------------------------------------


def _gemm(row: Row) -> Op:
    k, n = int(row["k"]), int(row["n"])
    weight = Linear("w", k, n, _format(row["gemm_dtype"], row["framework"]))
    (op,) = matmul("gemm", (weight,), int(row["m"]))
    return op


def _gqa(row: Row, step: Step) -> Op:
    dim = int(row["head_dim"])
    return attention(
        "attention",
        step,
        heads=int(row["num_heads"]),
        kv_heads=int(row["num_key_value_heads"]),
        qk_dim=dim,
        v_dim=dim,
        cache=_cache(row),
        visibility=Visibility(window=int(row["window_size"] or 0) or None),
    )


def _cache(row: Row) -> Format:
    return _CACHES["fp8" if row["kv_cache_dtype"] == "fp8" else "bf16"]


def _attention_prefill(row: Row) -> Op:
    return _gqa(row, Step(int(row["batch_size"]), int(row["isl"]), int(row["step"])))


def _attention_decode(row: Row) -> Op:
    return _gqa(row, Step(int(row["batch_size"]), 1, int(row["step"])))


@lru_cache(maxsize=16)
def _latent(heads: int) -> LatentAttention:
    """DeepSeek-V3's attention with so many heads on this GPU."""
    kv_b = Linear("kv_b_proj", 512, heads * 256)
    return LatentAttention(
        heads, 512, 64, 128, 128, (Linear("q_a_proj", 7168, 1536),), None, kv_b,
        Linear("o_proj", heads * 128, 7168),
    )  # fmt: skip


def _mla(row: Row, step: Step, *, absorbs: bool) -> Op:
    ops = _latent(int(row["num_heads"])).form(step, _cache(row), absorbs=absorbs)
    return next(op for op in ops if op.kind in ("mla", "attention"))


def _mla_prefill(row: Row) -> Op:
    """Expanded, but SGLang was measured in the absorbed form where it has no kernel for it."""
    step = Step(int(row["batch_size"]), int(row["isl"]), int(row["step"]))
    blackwell = row["gpu"].startswith(("b2", "b3", "gb"))
    if row["framework"] == "sglang" and not blackwell:
        return replace(_mla(row, step, absorbs=True), decode=False, kind="attention")
    return _mla(row, step, absorbs=False)


def _mla_decode(row: Row) -> Op:
    return _mla(row, Step(int(row["batch_size"]), 1, int(row["step"])), absorbs=True)


@lru_cache(maxsize=4096)
def _experts(
    hidden: int, width: int, experts: int, active: int, fmt: Format, *, gated: bool
) -> MixtureOfExperts:
    up = tuple(Linear(name, hidden, width, fmt) for name in ("gate", "up")[not gated :])
    expert = DenseMlp(up, Linear("down", width, hidden, fmt))
    return MixtureOfExperts(experts, active, expert, Linear("router", hidden, experts))


_DRAWS = 4
_FEWEST_SKEWED = 16
"""Tokens below which the tables' routing is as good as uniform."""


@cache
def _busiest_rank(
    tokens: int, experts: int, active: int, ranks: int, law: str
) -> tuple[float, float]:
    """(distinct experts, expert passes) of the rank that was timed: the busiest one.

    The tables load experts by a bounded power law; a few draws of it are averaged.
    """
    own, slots = experts // ranks, tokens * active
    power, top = float(law.rpartition("_")[2]), 0.8 * tokens
    draw = random.Random(0).random
    distinct = passes = 0.0
    for _ in range(_DRAWS):
        span = top ** (1 - power) - 1
        loads = [(span * draw() + 1) ** (1 / (1 - power)) for _ in range(experts)]
        scale = slots / sum(loads)
        loads = [min(tokens, round(load * scale)) for load in loads]
        shares = [loads[i : i + own] for i in range(0, own * ranks, own)]
        busiest = max(shares, key=sum)
        distinct += sum(load > 0 for load in busiest) / _DRAWS
        passes += sum(busiest) * (slots / max(1, sum(loads))) / _DRAWS
    return distinct, passes


_UNGATED = {(1024, 2688), (4096, 2688), (2048, 5120), (8192, 5120), (2688, 1856)}
"""(hidden, width) of Nemotron's experts, up and down only: labelled by TensorRT-LLM's rows alone.

Read as gated they would beat the bandwidth of the card by a third on every engine.
"""


def _gated(row: Row) -> bool:
    return (int(row["hidden_size"]), int(row["inter_size"])) not in _UNGATED


def _moe(row: Row) -> Op:
    """One rank's share: width over tensor ranks, experts and passes over expert ranks."""
    ranks, tokens = int(row["moe_ep_size"]), int(row["num_tokens"])
    experts, active = int(row["num_experts"]), int(row["topk"])
    block = _experts(
        int(row["hidden_size"]),
        int(row["inter_size"]) // int(row["moe_tp_size"]),
        experts,
        active,
        _format(row["moe_dtype"], row["framework"]),
        gated=_gated(row),
    )
    op = next(op for op in block.ops(Step(tokens, 1, 0), BF16) if op.kind == "moe")
    uniform = distinct_experts(tokens, experts, active)
    distinct, passes = uniform / ranks, tokens * active / ranks
    law = row["distribution"]
    if law == "balanced":
        distinct = min(experts, tokens * active) / ranks
    elif tokens >= _FEWEST_SKEWED:
        distinct, passes = _busiest_rank(tokens, experts, active, ranks, law)
    share = passes / (tokens * active)
    return replace(
        op,
        flops=op.flops * share,
        weight_bytes=op.weight_bytes * distinct / uniform,
        least_bytes=(op.least_bytes or 0.0) / active * -(-active // ranks),
        popular_bytes=None,  # the tables say how tokens were routed
        input_elements=op.input_elements * share,
        output_elements=op.output_elements * share,
    )


def _gdn(row: Row) -> Op | None:
    """The recurrence; the short convolution beside it is element-wise."""
    if row["kernel_source"].startswith("causal_conv1d"):
        return None
    batch, new = int(row["batch_size"]), int(row["seq_len"])
    keys, heads = int(row["num_k_heads"]), int(row["num_v_heads"])
    key_dim, value_dim = int(row["head_k_dim"]), int(row["head_v_dim"])
    decode = row["phase"] == "generation"
    state = 2 if row["framework"] == "trtllm" else 4  # TensorRT-LLM keeps it in bf16
    op = recurrent(
        "delta_rule",
        Step(batch, 1 if decode else new, new if decode else 0),
        heads=heads,
        key_heads=keys,
        key_dim=key_dim,
        value_dim=value_dim,
        state_bytes=heads * key_dim * value_dim * state,
        delta=True,
        chunk=64,
    )
    # The tables ran the prefill kernel for a few tokens too, where engines take the decode one.
    return replace(op, decode=decode)


_OPS: dict[str, Callable[[Row], Op | None]] = {
    "gemm": _gemm,
    "attention_prefill": _attention_prefill,
    "attention_decode": _attention_decode,
    "mla_prefill": _mla_prefill,
    "mla_decode": _mla_decode,
    "moe": _moe,
    "gdn": _gdn,
}


# Groups and known bad rows ------------------------------------------------------------------


def known_bad(kind: str, row: Row) -> str:
    """Why a row says nothing about kernels; empty for good ones (docs/accuracy.md)."""
    gpu, engine = row["gpu"], row["framework"]
    dtype = row.get("gemm_dtype", row.get("moe_dtype", ""))
    blackwell = gpu.startswith(("b2", "b3", "gb", "rtx-pro"))
    few = kind == "gemm" and int(row["m"]) <= 16
    reasons = {
        "vLLM block-fp8 GEMM, bound by the host": (kind, engine, dtype)
        == ("gemm", "vllm", "fp8_block"),
        "vLLM nvfp4 GEMM, one weight hot in L2": (kind, engine, dtype) == ("gemm", "vllm", "nvfp4"),
        "vLLM fp8 GEMM on Blackwell at M <= 16, outliers": few
        and blackwell
        and (engine, dtype) == ("vllm", "fp8"),
        "vLLM fp8 experts on Hopper, 0.65 TB/s": (kind, engine) == ("moe", "vllm")
        and dtype.startswith("fp8")
        and gpu.startswith(("h1", "h2")),
        "SGLang bf16 experts on H100, untuned": gpu.startswith("h100")
        and (kind, engine, dtype) == ("moe", "sglang", "bfloat16"),
        "A100 TensorRT-LLM decode attention, beats the card's bandwidth": gpu.startswith("a100")
        and (kind, engine) == ("attention_decode", "trtllm"),
        "L40S all-reduces among 4 and 8, one box whose cards meet in the host": gpu == "l40s"
        and kind == "allreduce"
        and int(row["num_gpus"]) > 2,
    }
    return next((reason for reason, true in reasons.items() if true), "")


def _regime(kind: str, row: Row) -> str:
    if kind == "gemm":
        m = int(row["m"])
        return "decode" if m <= 64 else "mid" if m < 2048 else "prefill"
    if kind == "moe":
        tokens = int(row["num_tokens"])
        return "T<=64" if tokens <= 64 else "mid" if tokens <= 1024 else "T>1k"
    if kind in ("attention_decode", "mla_decode"):
        keys = int(row["batch_size"]) * (int(row["step"]) + 1)
        return "long" if keys >= 65536 else "mid" if keys >= 4096 else "short"
    if kind in ("attention_prefill", "mla_prefill"):
        length = int(row["isl"])
        return "s>2k" if length > 2048 else "mid" if length >= 512 else "short"
    if kind == "gdn":
        return row["phase"]
    return ""


def _dtype(kind: str, row: Row) -> str:
    for key in ("gemm_dtype", "moe_dtype"):
        if key in row:
            return row[key]
    if "attn_dtype" in row:
        short = {"bfloat16": "bf16"}
        q, kv = row["attn_dtype"], row["kv_cache_dtype"]
        return f"{short.get(q, q)}/{short.get(kv, kv)}"
    return row.get("kv_cache_dtype", "")


def _words(kind: str, row: Row) -> str:
    skip = ("version", "us", "op_name", "model_name")
    return (
        f"{kind} "
        + " ".join(v for k, v in row.items() if k not in skip and v)
        + (f": {float(row['us']):.1f} us")
    )


def _rows(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def score(directory: Path, every: int, *, hide: bool) -> Tally:
    """Every n-th row of every table in `directory`."""
    tally = Tally()
    cards: dict[tuple[str, str, bool], Card] = {}
    for kind, op_of in _OPS.items():
        path = directory / f"{kind}.csv.gz"
        if not path.is_file():
            continue
        for index, row in enumerate(_rows(path)):
            if index % every:
                continue
            reason = known_bad(kind, row)
            if reason:
                tally.left_out[reason] += 1
                continue
            try:
                key = (row["gpu"], row["framework"], row.get("attn_dtype") == "fp8")
                if key not in cards:
                    cards[key] = _card(*key, hide=hide)
                op = op_of(row)
                if op is None:
                    tally.left_out["element-wise kernel"] += 1
                    continue
                point = _point(kind, row, op, cards[key])
            except VperfError as error:
                tally.refused[f"{row['gpu']} {row['framework']}: {error}"] += 1
                continue
            tally.points.append(point)
    return tally


def _card(gpu_name: str, engine_name: str, fp8_attention: bool, *, hide: bool) -> Card:
    """A kernel alone: the quantize kernel is not fused, attention computes as its row says.

    Hidden, the card knows its datasheet and what the six others measured.
    """
    gpu = load_gpu(gpu_name)
    engine = replace(load_engine(engine_name), fused_quantize=False, fp8_attention=fp8_attention)
    if not hide:
        return Card(gpu, engine)
    card = Card(replace(gpu, achieved=None), engine)
    card.constants = constants_of(card.gpu, engine, derive(measured_cards(hidden=gpu_name)))
    return card


def _point(kind: str, row: Row, op: Op, card: Card) -> Point:
    """`cold`: what is streamed cannot have stayed in the L2 since the run before."""
    cold = op.streamed_bytes > 2 * card.gpu.l2_bytes
    if not op.streamed_bytes or kind.endswith("prefill") or row.get("phase") == "context":
        cold = True
    return Point(
        groups={
            "kind": kind,
            "gpu": row["gpu"],
            "engine": row["framework"],
            "dtype": _dtype(kind, row),
            "regime": _regime(kind, row),
            "cold": "cold" if cold else "fits the L2",
            "kernel": _kernel(kind, row),
            "reach": _reach(kind, row),
            **{key: row[key] for key in _SHAPE if key in row},
            "length": row.get("isl" if kind.endswith("prefill") else "step", ""),
        },
        measured_s=float(row["us"]) * 1e-6,
        **timed(op, card),
        what=_words(kind, row),
    )


_SHAPE = ("m", "n", "k", "batch_size", "num_heads", "num_key_value_heads", "head_dim")


def _kernel(kind: str, row: Row) -> str:
    """fallback: attention in Triton, which engines run where they have no kernel of their own."""
    fallback = kind.startswith("attention") and "triton" in row["kernel_source"]
    return "fallback" if fallback else "own"


def _reach(kind: str, row: Row) -> str:
    """What sets a row apart from the plainest of its op: a window, or skewed routing."""
    if kind == "moe":
        return "" if row["distribution"] == "balanced" else "skewed"
    longest = int(row.get("isl") or 0) or int(row.get("step") or 0) + 1
    return "window" if 0 < int(row.get("window_size") or 0) < longest else ""


def _of_default_engine(point: Point) -> bool:
    """The rows that the tables are about: vLLM's own kernels, or SGLang's where vLLM's
    are known to be bad (block-scaled fp8, nvfp4)."""
    sglang = point.groups["kind"] == "gemm" and point.groups["dtype"] in ("fp8_block", "nvfp4")
    engine = "sglang" if sglang or point.groups["kind"].startswith("mla") else "vllm"
    return point.groups["engine"] == engine and point.groups["kernel"] == "own"


def over_cards(points: list[Point], keys: list[str]) -> dict[tuple[str, ...], float]:
    """Mean over the cards of their mean absolute errors: a card with more rows counts no more."""
    errors: dict[tuple[str, ...], list[float]] = {}
    for (*key, _), members in grouped(points, [*keys, "gpu"]).items():
        errors.setdefault(tuple(key), []).append(stats(members).mape)
    return {key: sum(each) / len(each) for key, each in errors.items()}


def _print_hidden(known: list[Point], hidden: list[Point], keys: list[str]) -> dict[str, float]:
    """The same rows with the constants of each card hidden; returns error and ratio by key."""
    title = f"hidden constants: {', '.join(keys)}"
    before, after = over_cards(known, keys), over_cards(hidden, keys)
    width = max(len(title), *(len("  ".join(key)) for key in before))
    print(
        f"\n{title:{width}} {'known':>7} {'hidden':>7} {'ratio':>6}   mean over cards of their MAPE"
    )
    found: dict[str, float] = {}
    for key, error in before.items():
        ratio = after[key] / error
        name = "  ".join(part or "-" for part in key)
        print(f"{name:{width}} {100 * error:7.1f} {100 * after[key]:7.1f} {ratio:6.2f}")
        found[name] = after[key]
        found[f"{name} ratio"] = ratio
    return found


def _all_reduce(row: Row) -> Point:
    gpu, ranks = load_gpu(row["gpu"]), int(row["num_gpus"])
    op: Op = Work("all-reduce", "allreduce", 0.0, BF16,
            input_elements=float(row["message_size"]), shape=(ranks,))  # fmt: skip
    share = load_engine(row["framework"]).all_reduce_latency
    expected = max(collectives.expected_s(op, gpu, share), collectives.limit_s(op, gpu))
    return Point(
        {"gpu": row["gpu"], "ranks": row["num_gpus"]},
        float(row["us"]) * 1e-6,
        expected,
        collectives.limit_s(op, gpu),
        0.8 * expected,
        1.25 * expected,
        _words("allreduce", row),
    )


def point(kind: str, row: Row) -> Point:
    """One row of a table, an all-reduce too, with the constants of its card."""
    if kind == "allreduce":
        return _all_reduce(row)
    op = _OPS[kind](row)
    assert op is not None, "an element-wise kernel"
    return _point(kind, row, op, _card(row["gpu"], row["framework"],
                                       row.get("attn_dtype") == "fp8", hide=False))  # fmt: skip


def score_all_reduce(directory: Path) -> list[Point]:
    """Graph-captured all-reduces; a message counts 16-bit elements."""
    path = directory / "allreduce.csv.gz"
    rows = _rows(path) if path.is_file() else ()
    return [_all_reduce(row) for row in rows if not row["backend"].endswith("eager")]


def _print_counts() -> None:
    print("\nconstants")
    for name, count in count_constants().items():
        print(f"{count:8.4g}  {name}")


def _cold(points: list[Point]) -> list[Point]:
    return [p for p in points if p.groups["cold"] == "cold"]


def timed(op: Op, card: Card) -> dict[str, float]:
    """Seconds of one kernel as the estimate has them."""
    limit = card.limits.of_step([(1, op)]).seconds
    expected = max(limit, op_expected_s(op, card.constants, card.engine))
    low, high = spread_of_op(op, card.constants.origins.whole)
    return {
        "expected_s": expected,
        "limit_s": limit,
        "low_s": max(limit, low * expected),
        "high_s": high * expected,
    }


def main(arguments: list[str]) -> int:
    """DIR [--every N] [--hide-constants]."""
    parser = argparse.ArgumentParser(prog="accuracy.py kernels", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--every", type=int, default=1, help="score every n-th row only")
    parser.add_argument("--hide-constants", action="store_true",
                        help="generic constants for every card")  # fmt: skip
    options = parser.parse_args(arguments)
    tally = score(options.directory, options.every, hide=options.hide_constants)
    points = tally.points
    exchanges = score_all_reduce(options.directory)
    print_table("op, gpu", points, ["kind", "gpu"])
    print_table("op, dtype, regime", points, ["kind", "dtype", "regime"])
    print_table("op, regime, gpu", points, ["kind", "regime", "gpu"])
    print_table("op, engine", points, ["kind", "engine"])
    print_table("op, L2, regime", points, ["kind", "cold", "regime"])
    cold = _cold(points)
    print_table("cold: op, dtype, regime", cold, ["kind", "dtype", "regime"])
    print_table("op", points, ["kind"])
    reference = over_cards(
        [p for p in cold if _of_default_engine(p)], ["kind", "dtype", "regime", "reach"]
    )
    print("\ncold, own kernels of the default engine: mean over cards of their MAPE")
    for key, error in reference.items():
        print(f"{'  '.join(part for part in key if part):45} {100 * error:6.1f}")
    whole = layers(points)
    print_table("whole layer, gpu", whole, ["layer", "gpu"])
    print_table("whole layer", whole, ["layer"])
    hidden = score(options.directory, options.every, hide=True).points
    by_kind = _print_hidden(cold, _cold(hidden), ["kind", "dtype", "regime"])
    by_layer = _print_hidden(whole, layers(hidden), ["layer"])
    _print_counts()
    if exchanges:
        print_table("all-reduce, gpus", exchanges, ["gpu", "ranks"])
    below = [p for p in points if p.groups["kind"] == "moe" and p.measured_s < p.limit_s]
    print(f"\n{len(below)} expert rows are faster than the bound of their declared routing: its "
          "groups or skew touched fewer experts; not counted below")  # fmt: skip
    routed = {id(p) for p in below}
    for_limit = Tally([p for p in points if id(p) not in routed], tally.refused, tally.left_out)
    print_rest(for_limit)
    found: dict[str, object] = json.loads(summary(tally))
    found |= {"mode": "kernels", "hidden_constants": options.hide_constants}
    beaten = violations(for_limit.points)
    found["limit_violations"] = len(beaten)
    found["limit_worst_ratio"] = beaten[0].measured_s / beaten[0].limit_s if beaten else 1.0
    found["limit_violations_of_routing"] = len(below)
    for (kind,), members in grouped(points, ["kind"]).items():
        found[kind] = stats(members).mape
    for (kind, dtype, regime), members in grouped(cold, ["kind", "dtype", "regime"]).items():
        found[f"cold {kind} {dtype} {regime}"] = stats(members).mape
    for reference_key, error in reference.items():
        found["default engine, over cards: " + " ".join(filter(None, reference_key))] = error
    for (name,), error in over_cards(whole, ["layer"]).items():
        found[f"whole layer {name}"] = error
    found["hidden"] = by_kind | by_layer
    found["constants"] = count_constants()
    if exchanges:
        found["all_reduce"] = stats(exchanges).mape
        found["limit_violations_of_all_reduce"] = len(violations(exchanges))
    print(json.dumps(found))
    return 0
