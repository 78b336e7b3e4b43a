"""Does anything that a stranger writes end in more than an answer or one clear line?

    python benchmarks/fuzz.py SECONDS [--seed N] [--only CLASS,...] [--count N]

Classes take turns by their share of the time; `process` (what a shell can do to it: two minutes)
runs once, first, where no class is named. With --count there are so many cases of configs, headers
and results, however long it takes. Ctrl-C or SIGTERM ends either with what was found. A fault is

    an exit code that is not documented, a traceback, an exception that is no VperfError
    an error of no line or several, an answer beside an error
    a hang (10 s of the processor, 60 s where many answers are asked for), 700 MB in one case, 50 ms for one config
    a figure that is not finite, or negative; expected faster than the limit
    text of strangers that reaches a screen, a report, a sheet or a protocol as more than text
    a path outside of a repository or a cache, a token that leaves its host

Each kind of fault is printed once, with its case, and one summary line last; exit 1 on any fault.
Not here: laws that answers keep (tests/), and configs alone by hypothesis (tests/test_fuzz.py).
"""

# A case a line, however long.
# ruff: noqa: E501

from __future__ import annotations

import argparse
import copy
import csv
import gc
import gzip
import io
import itertools
import json
import math
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import traceback
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import typer  # noqa: E402
from tests.checks.live.servers import Clock, Page, playing  # noqa: E402
from tests.checks.test_prose import SENTENCES  # noqa: E402
from tests.gguf_writer import gguf_bytes  # noqa: E402
from tests.loopback_hub import COMMIT, Answer, LoopbackHub  # noqa: E402

import vperf  # noqa: E402
from vperf.checks.check import check_all  # noqa: E402
from vperf.checks.importers import results_of  # noqa: E402
from vperf.checks.importers.document import parse as parse_document  # noqa: E402
from vperf.checks.live import read_server  # noqa: E402
from vperf.checks.live.engines import ENGINES, EngineMetrics  # noqa: E402
from vperf.cli.main import build  # noqa: E402
from vperf.cli.main import main as command  # noqa: E402
from vperf.deployment import Deployment, Replica  # noqa: E402
from vperf.errors import VperfError  # noqa: E402
from vperf.estimate import estimate  # noqa: E402
from vperf.model.config import ModelConfig  # noqa: E402
from vperf.model.gguf import build_gguf  # noqa: E402
from vperf.model.model import Model  # noqa: E402
from vperf.model.read import build_model  # noqa: E402
from vperf.report import github, junit, markdown, screen, to_csv  # noqa: E402
from vperf.report.check import page as check_report  # noqa: E402
from vperf.report.format import clean  # noqa: E402
from vperf.scenario import OPTIONS, Scenario  # noqa: E402
from vperf.serving.lengths import equal  # noqa: E402
from vperf.sources import gguf as gguf_files  # noqa: E402
from vperf.sources.catalog import data_dir  # noqa: E402
from vperf.sources.engines import load_engine  # noqa: E402
from vperf.sources.gpus import load_gpu  # noqa: E402
from vperf.sources.models import load_model_config, model_ids  # noqa: E402
from vperf.timing.compiled import Compiled  # noqa: E402
from vperf.timing.step import Card  # noqa: E402

CPU_S, FIXED_S = 0.05, 0.0017
"""Of one config, where `fixed_work` takes so long: of a slower or a busier machine, as much more."""
HANG_S, LONG_S = 10.0, 60.0
MEMORY_KB = 700 << 10
SHARES = {
    "config": 0.2, "result": 0.16, "hub": 0.12, "option": 0.12, "gguf": 0.08, "toml": 0.08,
    "gpu": 0.06, "text": 0.05, "string": 0.05, "tensors": 0.03, "live": 0.03, "mcp": 0.02,
    "name": 0.04, "number": 0.03, "listing": 0.02,
}  # fmt: skip
"""Classes, and the time of each."""
COUNTED = {"config": 0.62, "gguf": 0.32, "result": 0.04, "tensors": 0.02}
"""The same of a counted run, in cases: a result takes as long as ten configs."""

Case = tuple[Any, Callable[[], Any], float]
"""What is shown of it, the act, the seconds it may take."""


class Fault(Exception):  # noqa: N818  (a finding, no error of ours)
    """What must not be: its kind, and what was seen."""


class Hang(BaseException):
    """The alarm went off inside a case."""


def fixed_work() -> float:
    """Seconds of the processor for what never changes: how fast the machine is just now."""
    start = time.process_time()
    table = {f"k{number}": [number, 0.5 * number] for number in range(5000)}
    assert sum(each[1] * len(key) for key, each in table.items()) > 0
    return time.process_time() - start


# Oracles -------------------------------------------------------------------------------------

_HIDES = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\ud800-\udfff\u2028\u2029\u00ad]"
)
_SIGNED = re.compile(r"change|faster|drift|slack|delta|unexplained|seconds$|share$|parts|[.]error$")


def safe_text(text: str, what: str) -> None:
    """Nothing in it hides or moves the cursor."""
    if found := _HIDES.search(text):
        near = text[max(0, found.start() - 40) : found.end() + 40]
        raise Fault("a character that hides", f"{found[0]!r} in {what}: {near!r}")


def safe_markdown(text: str, what: str) -> None:
    """No markup of strangers outside of code."""
    safe_text(text, what)
    inside = re.sub(r"```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    inside = re.sub(r"`[^`\n]*`|``[^\n]*?``", "", inside)
    for pattern in (r"(?<!\\)<(?:script|img)", r"(?<!\\)\]\(javascript", r"(?<!\\)!\[x"):
        if found := re.search(pattern, inside):
            raise Fault("markup", f"{inside[max(0, found.start() - 40) : found.end() + 40]!r}")


def safe_csv(text: str, what: str) -> None:
    """Rows of one length, no formula, no figure that is none."""
    safe_text(text.replace("\r", ""), what)
    rows = list(csv.reader(io.StringIO(text)))
    if any(len(row) != len(rows[0]) for row in rows):
        raise Fault("rows of different lengths", what)
    for cell in itertools.chain.from_iterable(rows):
        if cell[:1] in {"=", "@", "\t"} or cell in {"nan", "inf", "-inf"}:
            raise Fault("a formula or no figure", f"{cell[:60]!r} in {what}")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.bad += [tag] * (tag in {"script", "iframe"})
        self.bad += [name for name, _ in attrs if name.startswith("on")]


def safe_html(text: str, what: str) -> None:
    """No script, no handler."""
    safe_text(text, what)
    tags = _Tags()
    tags.feed(text)
    if tags.bad:
        raise Fault("script", f"{tags.bad[:3]} in {what}")


def safe_github(text: str, what: str) -> None:
    """Annotations, and no other workflow command."""
    safe_text(text, what)
    for line in text.splitlines():
        command_like = line.lstrip().startswith("::") or line.startswith("##[")
        if command_like and not re.match(r"::(error|warning|notice) (title|file)=", line):
            raise Fault("a workflow command", f"{line[:120]!r} in {what}")


def safe_error(error: VperfError) -> None:
    """A message, of one line once it is cleaned."""
    if not error.message.strip():
        raise Fault("an error without words", repr(error))
    safe_text(clean(error.message) + clean(error.hint), "an error")


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of an answer and where it stands."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from numbers(inner, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from numbers(inner, f"{path}[]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def sane(answer: Mapping[str, Any]) -> None:
    """Figures finite and not negative, expected never faster than the limit."""
    for path, number in numbers(answer):
        if not math.isfinite(number):
            raise Fault("not finite", path)
        if number < 0 and not _SIGNED.search(path):
            raise Fault("negative", f"{path} is {number}")
    limit, expected = answer.get("limit"), answer.get("expected")
    if isinstance(limit, dict) and isinstance(expected, dict):
        for key in ("ttft_s", "tpot_s"):
            if expected[key] < limit[key] * (1 - 1e-9):
                raise Fault("faster than the limit", f"{key}: {expected[key]} < {limit[key]}")


def _no_number(text: str) -> None:
    raise Fault("no number in JSON", text)


# The command, in this process ----------------------------------------------------------------


@contextmanager
def _streams(stdin: bytes) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    kept, raw = (sys.stdin, sys.stdout, sys.stderr), (io.BytesIO(), io.BytesIO())
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    sys.stdout = io.TextIOWrapper(raw[0], "utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(raw[1], "utf-8", "backslashreplace", write_through=True)
    try:
        yield raw
    finally:
        ours = sys.stdin, sys.stdout, sys.stderr
        sys.stdin, sys.stdout, sys.stderr = kept
        for stream in ours:
            with suppress(ValueError):
                stream.detach()


def run(words: Sequence[str], stdin: bytes = b"{}") -> tuple[int, str]:
    """Exit code and answer of the command, both looked at. Raises Fault."""
    with _streams(stdin) as (out, err):
        code = command(list(words))
        said, told = out.getvalue().decode(), err.getvalue().decode()
    if code not in {0, 1, 2, 3}:
        raise Fault(f"exit {code}", told.strip()[:300])
    if "Traceback" in said + told:
        raise Fault("traceback", told[-300:])
    if code >= 2 and words[0] not in {"check", "sweep"}:
        if said.strip():
            raise Fault("an answer beside an error", said[:200])
        if not told.startswith("error:") or "\n" in told[:-1]:
            raise Fault("no one line of error", told[:300])
    if "--github" in words:
        safe_github(told, "annotations")
    else:
        safe_text(told, "standard error")
    if code < 2:
        _safe_form(said, words)
    return code, said


def _safe_form(said: str, words: Sequence[str]) -> None:
    if "--json" in words:
        safe_text(said, "JSON")
        answer = json.loads(said, parse_constant=_no_number)
        if words[0] == "estimate":
            sane(answer)
    elif "--csv" in words:
        safe_csv(said, f"CSV of {words[0]}")
    elif "--markdown" in words:
        safe_markdown(said, f"Markdown of {words[0]}")
    else:
        safe_text(said, f"the screen of {words[0]}")
        if found := _NO_FIGURE.search(said):
            raise Fault("not finite", said[max(0, found.start() - 60) : found.end() + 20])


_NO_FIGURE = re.compile(r"(?<![\w-])(?:nan|inf)(?![\w-])")
"""On a screen, whose lines break anywhere; a note may say what a file holds instead of a figure."""


@contextmanager
def guard(seconds: float) -> Iterator[None]:
    """Raises Hang inside the block when its time is up."""

    def ring(*_: object) -> None:
        raise Hang

    # Of the processor; of the clock ten times as much: a machine that is busy hangs nobody.
    timers = (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, 10 * seconds),
    )
    before = [signal.signal(number, ring) for number, _, _ in timers]
    for _, timer, most in timers:
        signal.setitimer(timer, most)
    try:
        yield
    finally:
        for (number, timer, _), usual in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, usual)


# What is drawn from --------------------------------------------------------------------------

DIGITS = "9" * 5000
_ODD: Sequence[Any] = (
    0, -1, 1, 2, 3, 7, 2**31, 2**53 + 1, 2**63, 10**15, 10**18, 10**30, 10**400, 0.5, 1.5, -0.0,
    1e308, 1e-300, 1e-320, float("nan"), float("inf"), float("-inf"), True, False, None, "", "0",
    "4096", "full_attention", "auto", "bfloat16", "float8_e4m3fn", [], {}, [None], [[]], [0],
    [1, 2, 3], ["sliding_attention"] * 3, ["full_attention"] * 1000, {"model_type": "llama"},
    {"a": {"b": {"c": {}}}}, [[[[[]]]]],
)  # fmt: skip
EVIL = (
    "\x1b[31mRED\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "a\nb", "a\r\nb", "a\tb", "\u202egnp.exe",
    "zero\u200bwidth\ufeff", "\u2066\u2069iso", "\x00nul", "\ud800", "%0A::error::x",
    "\n::set-output name=a::b", "::stop-commands::t", "=1+1", '=HYPERLINK("http://x")',
    "+cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "]]>", "&amp;&lt;", "[x](javascript:alert(1))",
    "![x](http://127.0.0.1/x.png)", "| a | b |", "```", "`id`", "$(id)", "'; id; '", '"quoted"',
    "a,b", "\u0130\u0131\u00df", "\U0001f600" * 5, "e\u0301" * 20, "\u0623\u0628", "\u5927" * 30,
    "[bold]x[/bold]", "{x}", "%s%n", "../../etc/passwd", "x" * 5000, "\u2028line\u2029", "\u00ad",
    "#", "-", "--gpu", "",
)  # fmt: skip
_INTS = (
    "0", "1", "2", "3", "7", "64", "1000", "65536", "1000000", "1000000000", "1000000001", "1e12",
    "999999999999999999999", "-1", "1.5", "1e3", "4k", "nan", "inf", "", " ", "x", "1_000",
    "\u0661\u0662", "0x10", DIGITS,
)  # fmt: skip
_FLOATS = (
    "0", "-0.0", "0.5", "1", "1.0000001", "1e-300", "1e-9", "1e308", "1e309", "nan", "inf", "-inf",
    "-1", "0.999999999", "70%", "", "x", "9" * 400, DIGITS,
)  # fmt: skip
_SIZES = (
    "48 GB", "0 GB", "-1 GB", "1e300 GB", "1e-300 GB", "nan GB", "48", "48 XB", "48GB/s", "1 B",
    "9" * 400 + " GB", "", "inf GB", "1.5 TB/s", "1" + " " * 50_000 + "x", DIGITS + " GB/s",
)  # fmt: skip
_TIMES = ("20ms", "0ms", "-1s", "nan", "1e300 s", "1e-300 s", "", "5", "1 h", "p99:500ms", DIGITS)
_NAMES = (
    "qwen3-8b", "h100", "fp8", "chat", "mtp", "vllm", "llama.cpp", "transformers", "yes", "..", "/",
    "h100=2.5", "h100=1e308", "h100=nan", "bf16=250 TFLOPS", "bf16=1e300 TFLOPS", "bf16=", "=1",
    "decode", "ttft", "cost", "main", "a/../b", "@{u}", "x" * 300, "5%", "-", "--", "nosuch",
)  # fmt: skip
_RANGES = ("1..64", "64..1", "1..2:x1", "1..", "..1", "1..9:+0", "1..9:log1", "0..8", "1,,2", "x2")
_FILES = ("/dev/null", "/dev/zero", "/", "nosuch.toml", "x\x00y", "")
_BY_METAVAR = {
    "TOKENS": _INTS, "N": _INTS, "USERS": _INTS, "K": _INTS, "SHARE": _FLOATS, "A": _FLOATS,
    "SHAPE": _FLOATS, "BITS": _FLOATS, "RATE": _SIZES + _FLOATS, "SIZE": _SIZES, "TIME": _TIMES,
    "TOK/S": _FLOATS, "FILE": _FILES, "COUNT": ("4B", "0", "1e400", "1e300B", "x"),
    "GIB": (*_FLOATS, "4", "500"), "R": _INTS, "SHARES": ("3,1", "1", "1,1,1", "0,0", "1,nan", "-1,2", "1e308,1e308", ","),
    "FORMAT": ("fp8", "q4_k_m", "4bit", "mxfp4", "awq", "iq1_s", "9bit", "0bit", "fp8,bf16", "q4_k_m "),
    "MEMORY": ("64 GB", "ddr5-5600 x2", "ddr4-3200x8", "ddr5-1e300 x2", "ddr5-5600 x0", "2x32 GB", *_SIZES),
    "PLACE": ("host", "disk", "3.5 GB/s", "400 Gb/s", *_SIZES),
    "PATTERN=PLACE": ("exps=CPU", "blk.*=CPU", "(=CPU", "(.+)+x$=CPU", "((a|b)*)*=CPU", "attn_q=CPU", "=CPU", "x=",
                      "exps=CUDA0", "exps=CUDA1", ".*=CPU", "blk.0.*=CPU,blk.1.*=CUDA0", "a=" * 500),
    "METHOD": ("mtp", "eagle", "eagle3", "draft_model", "ngram", "medusa"),
    "MODEL": ("qwen3-0.6b", "qwen3-8b", "deepseek-v3", "nosuch", "/dev/null"),
    "NAMES": ("q_proj,v_proj", "all", "nosuch", ",", "q_proj," * 500), "TASK": ("embed", "rerank", "generate"),
    "WxH": ("1024x1024", "1x1", "0x0", "-1x5", "99999999999x9", "1e9x1e9", "1024", "1x1x1", "x", DIGITS + "x1"),
    "VIDEO": ("10s@2fps@640x480", "0s@2fps@1x1", "1e9s@240fps@99999x99999", "10s@1e300fps@1x1", "@@", "10s", "1s@0fps@1x1",
              "1 h@64x64", "10s@640x480@640x480"),
    "LIST": ("p50,p99", "p101", "0", "nan", "50,50", ",", "99.99999999999"), "GPU": ("h100", "l40s", "2xh100", "x"),
    "GPU=USD": ("h100=2.5", "h100=nan", "h100=", "=1", "h100=1e308", "h100=-1"), "yes|no": ("yes", "no", "maybe"),
}  # fmt: skip
_FORMS = ("--json", "--csv", "--markdown", "-v", "--brief")
_MODELS = (
    "qwen3-8b", "deepseek-v3", "gpt-oss-120b", "qwen3-next-80b-a3b-instruct", "gemma-3-27b-it",
    "t5-small", "whisper-large-v3", "mamba-2.8b-hf", "llama-4-scout-17b-16e-instruct",
    "qwen2.5-vl-7b-instruct", "qwen3-30b-a3b", "qwen3-embedding-0.6b",
)  # fmt: skip
_GPUS = (
    "h100", "rtx-pro-6000", "rtx-4090", "mi300x", "h200", "b200", "h100,l40s", "2xh100", "h100:4",
    "rtx-5090+2xrtx-3090", "h100+h200", "cpu:desktop-ddr5", "m3-max 128GB",
)  # fmt: skip
_SPELLED = (
    "qwen3:8b", "gpt-oss:120b", "llama3.1:8b-instruct-q4_K_M", "Qwen3 8B", "unsloth/Qwen3-30B-A3B-GGUF:Q4_K_M",
    "Qwen3-8B-Q4_K_M.gguf", "deepseek-r1:32b", "Qwen/Qwen3-8B-AWQ", "mlx-community/Qwen3-8B-4bit", "hf.co/Qwen/Qwen3-8B",
)  # fmt: skip
"""Models as people and tools write them."""
_CARDS = (
    "2x RTX 3090", "RTX 4090 + 3090", "NVIDIA GeForce RTX 4090 Laptop GPU", "H100 80G", "A100-SXM4-80GB", "4x H100", "h100:8",
    "Apple M3 Ultra 512GB", "Strix Halo 128GB", "rtx-5090+2xrtx-3090", "cpu:epyc-9654", "MI300X x8", "5090 laptop", "local",
)  # fmt: skip
_SMALL = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 512,
    "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 2,
    "intermediate_size": 1024, "vocab_size": 4096, "torch_dtype": "bfloat16",
}  # fmt: skip
_SERVED = {
    "date": "20260112", "backend": "vllm", "model_id": "Qwen/Qwen3-8B", "num_prompts": 200,
    "request_rate": "inf", "max_concurrency": 16, "duration": 14.1, "completed": 200,
    "total_input_tokens": 204800, "total_output_tokens": 25600, "request_throughput": 14.17,
    "output_throughput": 1814.0, "mean_ttft_ms": 62.4, "median_ttft_ms": 61.1, "mean_tpot_ms": 8.31,
    "median_tpot_ms": 8.14, "p99_tpot_ms": 8.7, "mean_itl_ms": 8.3,
}  # fmt: skip
_CONFIG_FILE = {
    "defaults": {"gpu": "h100", "model": "qwen3-8b", "min_efficiency": 0.5},
    "check": [
        {"file": "r.json", "max_tpot": "20ms", "max_ttft": "1 s", "input_len": 512},
        {"file": "*.json", "label": "x", "batch_size": 4, "max_drift": "5%", "baseline": "b.json"},
    ],
}  # fmt: skip
_WORKLOAD = {
    "input_len": {"p10": 200, "p50": 900, "p90": 4000, "p99": 16000},
    "output_len": {"p50": 150, "p90": 600}, "prefix_cache_hit": 0.3, "source": "s",
}  # fmt: skip
_REQUESTS = {"requests": [{"input_len": 100, "output_len": 20, "weight": 2.0}, {"input_len": 4}]}
_TRACES = (
    {"timestamp": 1.5, "input_len": 100, "output_len": 20},
    {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47, 48]},
    {"TIMESTAMP": "2023-11-16 18:15:46.680", "ContextTokens": 374, "GeneratedTokens": 44},
)


def paths(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a tree, lists by their first items."""
    if isinstance(tree, dict):
        for key, inner in tree.items():
            yield (*at, key)
            yield from paths(inner, (*at, key))
    elif isinstance(tree, list):
        for number, inner in enumerate(tree[:4]):
            yield (*at, number)
            yield from paths(inner, (*at, number))


class Draw(random.Random):
    """Wrong values, trees and texts by a seed."""

    keys: Sequence[str] = ("x",)
    """Names that a config may have."""
    donors: Sequence[Mapping[str, Any]] = ({},)

    def odd(self) -> Any:
        """One value that is seldom right."""
        pick = self.random()
        if pick < 0.75:
            return copy.deepcopy(self.choice(_ODD))
        if pick < 0.9:
            numbers = self.randint(-5, 10_000), self.uniform(-10, 1e6), 2 ** self.randint(0, 70)
            return self.choice(numbers)
        return self.choice(EVIL)

    def mutated(self, tree: Any, most: int = 4) -> Any:
        """A copy of a tree with one to `most` things wrong."""
        tree = copy.deepcopy(tree)
        for _ in range(self.randint(1, most)):
            places = list(paths(tree))
            if not places:
                break
            *way, last = self.choice(places)
            parent = tree
            for key in way:
                parent = parent[key]
            self._break(parent, last)
        return tree

    def _break(self, parent: Any, last: Any) -> None:
        old, named = parent[last], isinstance(parent, dict)
        match self.randrange(10):
            case 0:
                del parent[last]
            case 1 if type(old) in {int, float}:
                with suppress(OverflowError):
                    parent[last] = old * self.choice((0, -1, 2, 3, 0.5, 7, 1000, 10**6, 10**12))
            case 2:
                parent[last] = [old] if isinstance(old, str) else str(old)
            case 3 if named:
                del parent[last]
                parent[self.choice(self.keys)] = old
            case 4 if named:
                parent[self.choice(self.keys)] = self.odd()
            case 5:
                parent[last] = {"text_config": old}
            case 6 if named:
                other = self.choice(list(parent))
                parent[last], parent[other] = parent[other], old
            case 7 if named and (donor := self.choice(self.donors)):
                key = self.choice(list(donor))
                parent[key] = copy.deepcopy(donor[key])
            case _:
                parent[last] = self.odd()

    def broken(self, text: str) -> str:
        """A text with one to four pieces cut, replaced, doubled or put in."""
        for _ in range(self.randint(1, 4)):
            at = self.randrange(len(text) + 1)
            match self.randrange(8):
                case 0:
                    text = text[:at]
                case 1:
                    value = self.choice(
                        ("NaN", "Infinity", "-1", "0", "1e308", "1e400", "9" * 30, DIGITS, "null",
                         '"x"', "1e-300", "")
                    )  # fmt: skip
                    text = self._replaced(text, r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w)", value)
                case 2:
                    text = self._replaced(text, r'"[^"\n]*"', json.dumps(self.choice(EVIL)))
                case 3:
                    odd = (0, 9, 10, 34, 44, 91, 123, 125, 0x202E, 0xD800, self.randrange(0x110000))
                    text = text[:at] + chr(self.choice(odd)) + text[at + 1 :]
                case 4:
                    lines = text.splitlines(keepends=True) or [""]
                    line = self.randrange(len(lines))
                    lines[line : line + 1] = self.choice(([], [lines[line]] * 2))
                    text = "".join(lines)
                case 5:
                    text += text[:at]
                case 6:
                    text = text[:at] + self.choice(EVIL) + text[at:]
                case _:
                    text = (
                        self.choice(("INFO 11:22 starting\n", "\ufeff", "[", "{", "# x\n")) + text
                    )
        return text

    def _replaced(self, text: str, pattern: str, value: str) -> str:
        spots = [found.span() for found in re.finditer(pattern, text)]
        if not spots:
            return text
        start, end = self.choice(spots)
        return text[:start] + value + text[end:]

    def broken_bytes(self, data: bytes) -> bytes:
        """Bytes with one to four of them cut, flipped or put in."""
        raw = bytearray(data)
        for _ in range(self.randint(1, 4)):
            at = self.randrange(len(raw) + 1)
            match self.randrange(7):
                case 0:
                    del raw[at:]
                case 1 if raw:
                    raw[min(at, len(raw) - 1)] = self.randrange(256)
                case 2:
                    numbers = (0, 1, 2**16, 2**31, 2**32, 2**40, 2**63, 2**64 - 1)
                    raw[at : at + 8] = struct.pack("<Q", self.choice(numbers))
                case 3:
                    raw[:0] = b"\xef\xbb\xbf"
                case 4:
                    raw[1:1] = b'"x": ' + b"[" * self.choice((10, 5000, 200_000)) + b","
                case 5:
                    raw = bytearray(raw.decode("latin-1").encode("utf-16"))
                case _:
                    put = (
                        b"\x00",
                        b"\xff\xfe",
                        b"{",
                        b"}",
                        b'"',
                        b",",
                        b"\\ud800",
                        b"NaN",
                        b"1e400",
                    )
                    raw[at:at] = self.choice((*put, DIGITS.encode(), os.urandom(20)))
        return bytes(raw)


def toml_text(tree: Mapping[str, Any]) -> str:
    """Enough TOML for fuzzing; what it cannot say it says wrongly."""
    lines: list[str] = []

    def scalar(value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and abs(value) > 10**300:
            return DIGITS
        if isinstance(value, int | float):
            return repr(value)
        if isinstance(value, list):
            return f"[{', '.join(map(scalar, value))}]"
        if isinstance(value, dict):
            pairs = (f"{json.dumps(str(k))} = {scalar(v)}" for k, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        return json.dumps(str(value))

    def table(values: Mapping[str, Any], at: str) -> None:
        later = []
        for key, value in values.items():
            name = key if re.fullmatch(r"[\w-]+", str(key), re.ASCII) else json.dumps(str(key))
            full = f"{at}.{name}" if at else name
            if isinstance(value, dict):
                later.append((f"[{full}]", full, value))
            elif isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
                later += [(f"[[{full}]]", full, v) for v in value]
            else:
                lines.append(f"{name} = {scalar(value)}")
        for heading, full, value in later:
            lines.append(heading)
            table(value, full)

    table(tree, "")
    return "\n".join(lines) + "\n"


def small_gguf(draw: random.Random) -> tuple[dict[str, Any], dict[str, tuple[Sequence[int], int]]]:
    """Metadata and tensors of a model of four layers that vperf reads."""
    kinds = ("llama", "qwen3", "qwen2", "gemma3", "qwen3moe", "mistral3", "phi3", "granite")
    arch = draw.choice(kinds)
    layers, hidden, heads, kv, dim, wide, vocab = 4, 512, 8, 2, 64, 1024, 4096
    meta: dict[str, Any] = {
        "general.architecture": arch, "general.name": "Fuzz", "general.file_type": 15,
        "tokenizer.ggml.tokens": ["a"] * 40,
    }  # fmt: skip
    meta |= {
        f"{arch}.{key}": value for key, value in {
            "block_count": layers, "embedding_length": hidden, "context_length": 8192,
            "feed_forward_length": wide, "attention.head_count": heads, "vocab_size": vocab,
            "attention.head_count_kv": kv, "attention.key_length": dim,
            "attention.value_length": dim, "attention.layer_norm_rms_epsilon": 1e-6,
        }.items()
    }  # fmt: skip
    if arch == "gemma3":
        meta["gemma3.attention.sliding_window"] = 512
    if arch == "qwen3moe":
        meta |= {"qwen3moe.expert_count": 8, "qwen3moe.expert_used_count": 2,
                 "qwen3moe.expert_feed_forward_length": 256}  # fmt: skip
    tensors: dict[str, tuple[Sequence[int], int]] = {
        "token_embd.weight": ([hidden, vocab], 12), "output_norm.weight": ([hidden], 0),
        "output.weight": ([hidden, vocab], 14),
    }  # fmt: skip
    for layer in range(layers):
        tensors |= {f"blk.{layer}.{name}.weight": found
                    for name, found in _gguf_layer(arch, hidden, heads, kv, dim, wide).items()}  # fmt: skip
    return meta, tensors


def _gguf_layer(  # noqa: PLR0917  (sizes)
    arch: str, hidden: int, heads: int, kv: int, dim: int, wide: int
) -> dict[str, tuple[Sequence[int], int]]:
    found: dict[str, tuple[Sequence[int], int]] = {
        "attn_norm": ([hidden], 0), "ffn_norm": ([hidden], 0),
        "attn_output": ([heads * dim, hidden], 12),
    }  # fmt: skip
    if arch == "phi3":
        found |= {"attn_qkv": ([hidden, (heads + 2 * kv) * dim], 12),
                  "ffn_up": ([hidden, 2 * wide], 12), "ffn_down": ([wide, hidden], 14)}  # fmt: skip
        return found
    found |= {"attn_q": ([hidden, heads * dim], 12), "attn_k": ([hidden, kv * dim], 12),
              "attn_v": ([hidden, kv * dim], 14)}  # fmt: skip
    if arch == "qwen3moe":
        found |= {"ffn_gate_inp": ([hidden, 8], 0), "ffn_gate_exps": ([hidden, 256, 8], 12),
                  "ffn_up_exps": ([hidden, 256, 8], 12),
                  "ffn_down_exps": ([256, hidden, 8], 12)}  # fmt: skip
    else:
        found |= {"ffn_gate": ([hidden, wide], 12), "ffn_up": ([hidden, wide], 12),
                  "ffn_down": ([wide, hidden], 14)}  # fmt: skip
    if arch in {"qwen3", "qwen3moe", "gemma3"}:
        found |= {"attn_q_norm": ([dim], 0), "attn_k_norm": ([dim], 0)}
    if arch == "gemma3":
        found |= {"post_attention_norm": ([hidden], 0), "post_ffw_norm": ([hidden], 0)}
    return found


def _options_of(name: str) -> list[tuple[str, str | None]]:
    """Each long option of a command with its metavar; None for a flag. Those that write are not."""
    group: Any = typer.main.get_command(build((name,)))
    found = []
    for param in group.commands[name].params:
        flags = [flag for flag in param.opts if flag.startswith("--")]
        if flags and flags[-1] not in {
            "--output",
            "--junit",
            "--github",
            "--help",
            "--model",
            "--gpu",
        }:
            flag = getattr(param, "is_flag", False)
            found.append((flags[-1], None if flag else str(param.metavar or "")))
    return found


# The classes ---------------------------------------------------------------------------------


class Fuzzer:
    """Cases by a seed: one method a class."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.draw, self.folder = Draw(seed), folder
        self.configs = []
        for name in model_ids():
            found = load_model_config(name)
            self.configs.append((name, dict(found.config), found.hf_quant_config))
        names: Counter[str] = Counter()
        for _, config, _ in self.configs:
            names.update(config.keys())
        self.draw.keys = tuple(names)
        self.draw.donors = tuple(config for _, config, _ in self.configs)
        samples = sorted((ROOT / "tests/checks/importers/data").iterdir())
        self.results = [(file.name, file.read_text("utf-8", "replace")) for file in samples]
        self.results.append(("served.json", json.dumps(_SERVED)))
        self.cards = sorted((data_dir() / "gpus").glob("*.toml"))
        self.engines = sorted((data_dir() / "engines").glob("*.toml"))
        self.commands = {
            name: _options_of(name)
            for name in (
                "estimate",
                "sweep",
                "compare",
                "fit",
                "plan",
                "roofline",
                "napkin",
                "check",
            )
        }
        self.files = itertools.count()
        self.card = Card(load_gpu("b200"), load_engine("vllm"))
        _, told = run(["check", "-m", "qwen3-8b", "-g", "h100", "--tpot", "9ms", "--json"])
        self.baseline = json.loads(told)

    def fresh(self, suffix: str, text: str | bytes) -> str:
        """A new file."""
        path = self.folder / f"f{next(self.files)}{suffix}"
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        path.write_bytes(raw)
        return str(path)

    def tidy(self) -> None:
        """Remove what `fresh` made."""
        for path in self.folder.glob("f*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _answer(self, model: Model) -> dict[str, Any]:
        compiled = Compiled(model, self.card)
        replica = Replica(ModelConfig("x", "local", "x", {}), compiled)
        scenario = Scenario("x", self.card.gpu, batch_size=2)
        at = Deployment(scenario, replica, equal(700, 30), None, 2, 0, None)
        return estimate(at).to_dict()

    def config(self) -> Case:
        """A config.json as a value: answered or refused within 50 ms."""
        name, config, quant = self.draw.choice(self.configs)
        config = self.draw.mutated(config)
        if quant is not None and self.draw.random() < 0.3:
            quant = self.draw.mutated(quant, 2)

        def once(tree: Any, beside: Any) -> float:
            start = time.process_time()
            with suppress(VperfError):
                self._answer(build_model(tree, source=name, hf_quant_config=beside))
            return time.process_time() - start

        def act() -> None:
            start = time.process_time()
            try:
                sane(self._answer(build_model(config, source=name, hf_quant_config=quant)))
            finally:
                if time.process_time() - start > CPU_S:
                    gc.collect()  # which may have come between
                    best = min(once(config, quant) for _ in range(3))
                    slower = max(1.0, min(fixed_work() for _ in range(5)) / FIXED_S)
                    if best > slower * CPU_S:
                        raise Fault("slow", f"{1000 * best / slower:.0f} ms of CPU")

        return {"model": name, "config": config}, act, HANG_S

    def text(self) -> Case:
        """The bytes of a config.json on standard input."""
        _, config, _ = self.draw.choice(self.configs)
        indent = self.draw.choice((None, 2))
        raw = self.draw.broken_bytes(json.dumps(config, indent=indent).encode())
        return raw[:300], lambda: run(["estimate", "-m", "-", "-g", "h100", "--json"], raw), HANG_S

    def gguf(self) -> Case:
        """The header of a GGUF file: its facts wrong, or its bytes."""
        draw, size = self.draw, 1 << 40
        meta, tensors = small_gguf(draw)
        if draw.random() < 0.6:
            for _ in range(draw.randint(1, 3)):
                self._wrong_gguf(meta, tensors)
            try:
                data = gguf_bytes(meta, tensors)
            except (struct.error, OverflowError, ValueError, TypeError, IndexError):
                return "not to be written", lambda: None, HANG_S
        else:
            data = draw.broken_bytes(gguf_bytes(meta, tensors))
            size = draw.choice((len(data), 1 << 40))

        def act() -> None:
            try:
                header = gguf_files.joined("x.gguf", [gguf_files.parse(data, size, "x.gguf")])
            except gguf_files.MoreNeeded:
                return  # of a file that has no more
            sane(self._answer(build_gguf(header)))

        return data[:200], act, HANG_S

    def _wrong_gguf(
        self, meta: dict[str, Any], tensors: dict[str, tuple[Sequence[int], int]]
    ) -> None:
        draw = self.draw
        key, name = draw.choice(list(meta)), draw.choice(list(tensors))
        shape, kind = tensors[name]
        match draw.randrange(8):
            case 0 | 1:
                meta[key] = draw.odd()
            case 2:
                del meta[key]
            case 3:
                tensors[draw.choice(("blk.9.attn_q.weight", "blk.0.foo.weight"))] = ([512, 512], 12)
            case 4:
                del tensors[name]
            case 5:
                lengths = (0, 1, 256, 512, 2**20, 2**40, 2**63)
                wrong = [draw.choice(lengths) for _ in range(draw.randint(0, 5))]
                scaled = [min(n * draw.choice((1, 2, 1000, 2**30)), 2**64 - 1) for n in shape]
                tensors[name] = (draw.choice((wrong, scaled)), kind)
            case 6:
                tensors[name] = (shape, draw.choice((0, 1, 2, 8, 12, 14, 30, 39, 4, 99, 2**31)))
            case _:
                more = ("general.alignment", "split.count", "split.no", "x.y", *meta)
                meta[draw.choice(more)] = draw.choice((draw.odd(), [1] * 8193))

    def tensors(self) -> Case:
        """The headers of a safetensors checkpoint beside a config that could answer alone."""
        draw, folder = self.draw, self.folder / f"f{next(self.files)}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(_SMALL))
        header: Any = {
            "model.embed_tokens.weight": {
                "dtype": "BF16",
                "shape": [4, 8],
                "data_offsets": [0, 64],
            },
            "lm_head.weight": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [64, 72]},
            "__metadata__": {"format": "pt"},
        }
        body = json.dumps(draw.mutated(header) if draw.random() < 0.7 else header).encode()
        body = draw.choice(
            (body, body, b'{"x":' + b"[" * 100_000, body.replace(b"64", DIGITS.encode()))
        )
        lengths = (len(body), len(body), 0, 1, 2**31, 2**40, 2**63, 2**64 - 1, len(body) + 1)
        data = struct.pack("<Q", draw.choice(lengths)) + body + b"\0" * 100
        data = draw.broken_bytes(data) if draw.random() < 0.3 else data
        names = ("model.safetensors", "model-00001-of-00001.safetensors",
                 "model-00001-of-99999.safetensors", "x.safetensors")  # fmt: skip
        name = draw.choice(names)
        (folder / name).write_bytes(data)
        if draw.random() < 0.4:
            index = {"metadata": {"total_size": 100},
                     "weight_map": {"a": name, "b": "../../../etc/passwd", "c": "/etc/passwd"}}  # fmt: skip
            text = json.dumps(draw.mutated(index))
            (folder / "model.safetensors.index.json").write_text(text)

        def act() -> None:
            code, _ = run(["estimate", "-m", str(folder), "-g", "h100", "--json"])
            if code != 0:
                raise Fault("refused", "the config alone could answer")

        return (name, data[:200]), act, HANG_S

    def _result_text(self) -> tuple[str, str]:
        name, text = self.draw.choice(self.results)
        with suppress(ValueError):
            if self.draw.random() < 0.6:
                return name, json.dumps(self.draw.mutated(json.loads(text)))
        return name, self.draw.broken(text)

    def result(self) -> Case:
        """What a benchmark tool or a person wrote: read, graded and written in every form."""
        if self.draw.random() < 0.05:
            said = self.draw.broken(self.draw.choice(SENTENCES)[0]).replace("\0", "")
            said = said.encode("utf-8", "replace").decode()
            words = ["check", "--text", said, "-g", "h100", "-m", "qwen3-8b"]
            return said[:300], lambda: self._forms(*words), HANG_S
        name, text = self._result_text()
        if self.draw.random() < 0.15:
            return (name, text[:300]), lambda: self._checked(text), LONG_S

        def act() -> None:
            try:
                found = results_of(parse_document(text, "x.json"))[:6]
                graded = check_all(found, "h100", "qwen3-8b", input_len=512, output_len=64)
            except VperfError as error:
                safe_github(github.commands((), (("x.json", error),)), "annotations")
                ET.fromstring(
                    junit.render((), (("x.json", error),)).encode("utf-8", "surrogatepass")
                )
                raise
            named = [(each.result.label or f"result {i}", each) for i, each in enumerate(graded)]
            for each in graded:
                told = each.to_dict()
                sane({key: value for key, value in told.items() if key != "result"})
            told_all = check_report.report(named)
            look = screen.Look(80, True, "none", False)
            safe_text("".join(screen.parts(told_all.document(), look)), "the screen")
            safe_markdown(markdown.render(told_all.document()), "Markdown")
            safe_csv("".join(to_csv.lines(told_all.rows())), "CSV")
            safe_github(github.commands(named, ()), "annotations")
            ET.fromstring(junit.render(named, ()).encode("utf-8", "surrogatepass"))

        return (name, text[:300]), act, LONG_S

    def _checked(self, text: str) -> None:
        beside = str(self.folder / "junit.xml")
        words = ["check", self.fresh(".json", text), "-g", "h100", "-m", "qwen3-8b", "--input-len",
                 "512", "--output-len", "64", "--github", "--junit", beside]  # fmt: skip
        run([*words, self.draw.choice(_FORMS)])
        ET.parse(beside)

    def gpu(self) -> Case:
        """A GPU file, or an engine's, of the user's own."""
        draw = self.draw
        file = draw.choice(draw.choice((self.cards, self.cards, self.engines)))
        text = toml_text(draw.mutated(tomllib.loads(file.read_text("utf-8"))))
        if draw.random() < 0.35:
            text = draw.broken(text)
        model, form = draw.choice(_MODELS[:3]), draw.choice(_FORMS)
        if file.parent.name == "engines":
            return (file.name, text[:600]), lambda: self._own_engine(text, form), HANG_S
        words = ["estimate", "-m", model, "--gpu-file", self.fresh(".toml", text), form]
        return (file.name, text[:600]), lambda: run(words), HANG_S

    def _own_engine(self, text: str, form: str) -> None:
        folder = self.folder / f"f{next(self.files)}"
        (folder / "engines").mkdir(parents=True)
        (folder / "engines/mine.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        os.environ["VPERF_CONFIG_DIR"] = str(folder)
        try:
            run(["estimate", "-m", "qwen3-8b", "-g", "h100", "--engine", "mine",
                 "--max-concurrency", "8", form])  # fmt: skip
        finally:
            del os.environ["VPERF_CONFIG_DIR"]

    def toml(self) -> Case:
        """Every other file: checks, workloads, traces, prices, baselines, hosts."""
        draw = self.draw
        base = ["estimate", "-m", "qwen3-8b", "-g", "h100"]
        kind = draw.choice(
            ("checks", "workload", "lines", "trace", "csv", "prices", "baseline", "host")
        )
        match kind:
            case "checks":
                return self._config_file()
            case "workload":
                text = toml_text(draw.mutated(draw.choice((_WORKLOAD, _REQUESTS))))
                words = [*base, "--workload", self._maybe(".toml", text)]
            case "lines" | "trace":
                row = draw.choice(_TRACES)
                rows = [draw.mutated(row, 2) if draw.random() < 0.3 else row for _ in range(20)]
                text = "\n".join(map(json.dumps, rows))
                flag = "--trace" if kind == "trace" else "--workload"
                words = [*base, flag, self._maybe(".jsonl", text)]
            case "csv":
                row = draw.choice(_TRACES[::2])
                cells = [[str(draw.odd() if draw.random() < 0.05 else v) for v in row.values()]
                         for _ in range(20)]  # fmt: skip
                text = "\n".join([",".join(row), *(",".join(each) for each in cells)])
                words = [*base, "--trace", self._maybe(".csv", text)]
            case "prices":
                text = toml_text(draw.mutated({"h100-sxm": 2.5, "l40s": 0.9, "b200": 5}))
                words = ["compare", "-m", "qwen3-8b", "-g", "h100-sxm,l40s", "--by", "cost",
                         "--prices", self._maybe(".toml", text)]  # fmt: skip
            case "baseline":
                text = json.dumps(draw.mutated(self.baseline))
                words = ["check", "-m", "qwen3-8b", "-g", "h100", "--tpot", "9ms", "--max-drift",
                         "5%", "--baseline", self._maybe(".json", text)]  # fmt: skip
            case _:
                return self._host(base)
        return (kind, text[:500]), lambda: run([*words, draw.choice(_FORMS)]), HANG_S

    def _maybe(self, suffix: str, text: str) -> str:
        return self.fresh(suffix, self.draw.broken(text) if self.draw.random() < 0.35 else text)

    def _host(self, base: list[str]) -> Case:
        """A file of what holds the GPU, where there is an option of it."""
        flags = [flag for flag, _ in self.commands["estimate"] if flag == "--host"]
        seeds = sorted((data_dir() / "hosts").glob("*.toml"))
        if not (flags and seeds):
            return "no hosts here", lambda: None, HANG_S
        text = toml_text(
            self.draw.mutated(tomllib.loads(self.draw.choice(seeds).read_text("utf-8")))
        )
        words = [*base, flags[0], self._maybe(".toml", text), self.draw.choice(_FORMS)]
        words += self.draw.choice(((), ("--gpu-layers", "10"), ("--cpu-offload-gb", "4")))
        return ("host", text[:500]), lambda: run(words), HANG_S

    def _config_file(self) -> Case:
        folder = self.folder / f"f{next(self.files)}"
        folder.mkdir()
        text = toml_text(self.draw.mutated(_CONFIG_FILE))
        text = self.draw.broken(text) if self.draw.random() < 0.35 else text
        (folder / "vperf.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        (folder / "r.json").write_text(json.dumps(_SERVED))
        (folder / "b.json").write_text(json.dumps(self.baseline))

        def act() -> None:
            beside = folder / "junit.xml"
            run(["check", "--config", str(folder / "vperf.toml"), "--github", "--markdown",
                 "--junit", str(beside)])  # fmt: skip
            if beside.exists():
                ET.parse(beside)

        return ("vperf.toml", text[:500]), act, HANG_S

    def option(self) -> Case:
        """Every option of every command with extreme values, several at a time."""
        draw = self.draw
        name = draw.choice(("estimate",) * 6 + tuple(self.commands))
        words = [name]
        if name != "napkin" or draw.random() < 0.3:
            words += ["-m", draw.choice(_MODELS), "-g", draw.choice(_GPUS)]
        for flag, metavar in draw.sample(self.commands[name], draw.randint(1, 4)):
            words.append(flag)
            if metavar is not None:
                usual = _BY_METAVAR.get(metavar, _NAMES)
                values = draw.choice((usual, usual, usual, _NAMES, _RANGES, EVIL))
                words.append(draw.choice([v for v in values if metavar != "FILE" or v in _FILES]
                                         or _FILES))  # fmt: skip
        if name == "check":
            words += draw.choice((("--tpot", "9ms"), ("--ttft", "nan"), ("--decode-tok-s", "1e308"),
                                  ("--output-tok-s", "5"), ("--latency", "1e300 s")))  # fmt: skip
        words.append(draw.choice(_FORMS))
        words = [word.encode("utf-8", "replace").decode() for word in words]
        # A million requests are simulated one by one, in 8 s, with a bar that shows them.
        many = name in {"plan", "compare", "sweep"} or {"1000000", "--sessions"} & {*words}

        def act() -> None:
            start = time.process_time()
            run(words)
            if (spent := time.process_time() - start) > 5 and not many:
                raise Fault("slow", f"{spent:.1f} s")

        return " ".join(words), act, LONG_S if many else HANG_S

    def _spelled(self, names: Sequence[str]) -> str:
        """One of the names, or two in one, or with letters of it wrong."""
        draw = self.draw
        name = draw.choice(names)
        for _ in range(draw.randint(0, 3)):
            at = draw.randrange(len(name) + 1)
            other = draw.choice(names)
            between = draw.choice(("", "+", "x", ":", "/", " ", ",", "2x", "@", "-", "*"))
            name = draw.choice((
                name[:at] + name[at + 1 :], name[:at] + draw.choice(EVIL)[:80] + name[at:], name.upper(),
                name + between + other[: draw.randrange(len(other) + 1)], between + name, name + between,
                draw.choice(_INTS)[:40] + between + name,
            ))  # fmt: skip
        return name.replace("\0", "").encode("utf-8", "replace").decode()

    def name(self) -> Case:
        """Models and cards as people write them, and nearly so: one of them, or an error."""
        draw = self.draw
        model, gpu = draw.choice(_MODELS), draw.choice(_GPUS)
        pick = draw.random()
        if pick < 0.6:
            model = self._spelled((*_SPELLED, *_MODELS))
        if pick > 0.4:
            gpu = self._spelled((*_CARDS, *_GPUS))
        words = [draw.choice(("estimate", "estimate", "fit", "check")), "-m", model, "-g", gpu]
        words += ["--tpot", "9ms"] if words[0] == "check" else []
        return words, lambda: run([*words, draw.choice(_FORMS)]), HANG_S

    def number(self) -> Case:
        """What a Python program gives for any option: an answer without inf or NaN, or an error."""
        draw = self.draw
        given: dict[str, Any] = {}
        for name in draw.sample(tuple(OPTIONS), draw.randint(1, 3)):
            if name not in {"model", "revision", "gpu", "gpu_file"}:
                values = (draw.odd(), *_INTS[:8], 1, 2, 4, 64, 0.5, (), ["x"], b"x", float("nan"))
                given[name] = draw.choice(values)
        model, gpu = draw.choice(_MODELS), draw.choice(_GPUS)
        return (
            (model, gpu, given),
            lambda: sane(vperf.estimate(model, gpu, **given).to_dict()),
            HANG_S,
        )

    def listing(self) -> Case:
        """What ships, by a part of its name."""
        draw = self.draw
        words = [draw.choice(("gpus", "models", "engines", "workloads"))]
        words += [self._spelled((*_SPELLED, *_CARDS, *_MODELS, *_GPUS, "vllm", "chat"))] * (
            draw.random() < 0.9
        )
        words += draw.choice(((), ("--json",), ("-v",)))
        return words, lambda: run(words), HANG_S

    def string(self) -> Case:
        """Hostile text in every name that an answer says."""
        evil = self.draw.choice(EVIL)
        acts = (self._in_a_folder, self._in_a_config, self._in_a_card, self._in_a_result,
                self._in_an_option, self._in_a_workload, self._in_a_notebook)  # fmt: skip
        act = self.draw.choice(acts)
        return (act.__name__, evil[:80]), lambda: act(evil), LONG_S

    def _forms(self, *words: str) -> None:
        run([*words, self.draw.choice(_FORMS)])

    def _in_a_folder(self, evil: str) -> None:
        name = evil.replace("/", "_").replace("\x00", "_").encode("utf-8", "replace").decode()
        folder = self.folder / f"f{next(self.files)}" / (name[:60] or "x")
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(_SMALL))
        self._forms("estimate", "-m", f"{folder}/", "-g", "h100")
        self._forms("compare", "-m", f"{folder}/", "-g", "h100,l40s")
        target = self.folder / "fplot.html"
        if find_spec("matplotlib") is not None and self.draw.random() < 0.2:
            run(["roofline", "-m", f"{folder}/", "-g", "h100", "-o", str(target)])
            page = target.read_text("utf-8", "replace").replace("\t", " ")
            safe_html(re.sub(r"<!DOCTYPE[^>]*>|<\?xml[^>]*>", "", page), "a plot")

    def _in_a_config(self, evil: str) -> None:
        values: dict[str, Any] = {
            "model_type": evil, "_name_or_path": evil, "torch_dtype": evil, "hidden_act": evil,
            "architectures": [evil], "quantization_config": {"quant_method": evil},
            "rope_scaling": {"type": evil}, "layer_types": [evil] * 2,
        }  # fmt: skip
        key = self.draw.choice(list(values))
        file = self.fresh(".json", json.dumps({**_SMALL, key: values[key]}))
        self._forms("estimate", "-m", file, "-g", "h100")

    def _in_a_card(self, evil: str) -> None:
        table = {
            "name": evil or "x", "vendor": evil, "architecture": evil, "source": evil,
            "assumptions": [evil], "notes": [evil],
            "memory": {"size": "48 GB", "bandwidth": "1000 GB/s", "type": evil},
            "peak": {"bf16": "100 TFLOPS"}, "link": {"name": evil, "bandwidth": "50 GB/s"},
        }  # fmt: skip
        file = self.fresh(".toml", toml_text(table).encode("utf-8", "replace"))
        self._forms("estimate", "-m", "qwen3-8b", "--gpu-file", file, "--tp", "2")
        self._forms("fit", "-m", "qwen3-8b", "-g", file)

    def _in_a_result(self, evil: str) -> None:
        _, text = self.draw.choice(self.results)
        try:
            tree = json.loads(text)
        except ValueError:
            tree = {**_SERVED, "label": evil, "model_id": evil, "endpoint_type": evil}
        every = list(paths(tree))
        for *way, last in self.draw.sample(every, min(8, len(every))):
            parent: Any = tree
            for key in way:
                parent = parent[key]
            if isinstance(parent[last], str):
                parent[last] = evil
        self._checked(json.dumps(tree))

    def _in_an_option(self, evil: str) -> None:
        flags = ("-m", "-g", "--quantization", "--engine", "--workload", "--memory", "--peak")
        word = evil.encode("utf-8", "replace").decode()
        self._forms("estimate", "-m", "qwen3-8b", "-g", "h100", self.draw.choice(flags), word)

    def _in_a_workload(self, evil: str) -> None:
        table = {"input_len": 100, "output_len": 20, "source": evil}
        file = self.fresh(".toml", toml_text(table).encode("utf-8", "replace"))
        self._forms("estimate", "-m", "qwen3-8b", "-g", "h100", "--workload", file)

    def _in_a_notebook(self, evil: str) -> None:
        config = {**_SMALL, "_name_or_path": evil or "x"}
        for answer in (vperf.estimate(config, "h100"), vperf.compare(config, ["h100", "l40s"])):
            safe_html(answer._repr_html_(), "a notebook")

    def live(self) -> Case:
        """The metrics of any engine's server that grow, one or two looks of them broken."""
        draw = self.draw
        engine, names = draw.choice(ENGINES), draw.random()
        looks: list[Page] = [_metrics(step, engine, random.Random(names)) for step in range(1, 6)]
        for _ in range(draw.randint(0, 2)):
            at = draw.randrange(5)
            looks[at] = draw.choice((draw.broken(str(looks[at])), b"\xff\xfe", "", (302, "/metrics"),
                                     (302, "http://127.0.0.2:1/"), DIGITS, "vllm: 1\n" * 9000))  # fmt: skip
        models: Any = {"data": [{"id": "prod", "root": "Qwen/Qwen3-8B"}]}
        info = {"model_path": "Qwen/Qwen3-8B", "tp_size": 4, "version": "0.5.5"}
        pages: dict[str, list[Page]] = {
            "/metrics": [_page(look) for look in looks],
            "/v1/models": [draw.mutated(models)], "/version": [draw.mutated({"version": "0.11.0"})],
            "/get_server_info": [draw.mutated(info)],
            "/info": [draw.mutated({"model_id": "Qwen/Qwen3-8B", "max_concurrent_requests": 128})],
            "/props": [draw.mutated({"model_path": "/m/Qwen3-8B-Q4_K_M.gguf", "total_slots": 4})],
        }  # fmt: skip

        def act() -> None:
            clock = Clock()
            with playing(pages) as (url, _):
                found = read_server(url, 10.0, sleep=clock.sleep, clock=clock)
            for each in check_all((found,), "h100", "qwen3-8b"):
                sane({k: v for k, v in each.to_dict().items() if k != "result"})

        return str(looks)[:400], act, LONG_S

    def hub(self) -> Case:
        """A Hub that misbehaves, or is asked for what it should not have."""
        draw = self.draw
        ids = ("o/m",) * 8 + (
            "o/../m", "../../etc", "o/m/x.gguf", "o/m:Q4_K_M", "o/m/../../x.gguf", "o/.m",
            "o/m\x1b[31m", "o/m%2e%2e", "o/m?x=1", "o/m#a", "o/" + "m" * 200, "o/m:../../x",
            "\u00f6/m", "o/m\u202e", "o /m",
        )  # fmt: skip
        revisions = (None,) * 8 + (
            "main", "refs/pr/1", "../../x", "a/../../b", "x" * 300, "\x1b[31m", "%2e%2e", "v1..v2",
            "HEAD~1", "@{u}",
        )  # fmt: skip
        words = ["estimate", "-m", draw.choice(ids), "-g", "h100", "--json"]
        if revision := draw.choice(revisions):
            words += ["--revision", revision]
        pages = self._hub_pages()
        token = draw.random() < 0.3
        return (words, {k: (v.status, v.body[:80]) for k, v in pages.items()}), (
            lambda: self._asked(words, pages, token=token)
        ), LONG_S  # fmt: skip

    def _hub_pages(self) -> dict[str, Answer]:
        """What each kind of path answers."""
        draw = self.draw
        meta, tensors = small_gguf(draw)
        files: list[Any] = ["config.json", "model.safetensors", "model.safetensors.index.json",
                            "x.gguf", "x-Q4_K_M.gguf"]  # fmt: skip
        if draw.random() < 0.3:
            files.append(draw.choice(("../../../etc/passwd", "/etc/passwd", "../x.gguf", "\x1b.gguf",
                                      7, None, {"a": 1}, "x" * 5000 + ".gguf")))  # fmt: skip
        siblings = [{"rfilename": name, "size": draw.choice((10, 2**40, -1, 1.5, "x", None, 10**30))}
                    for name in files if draw.random() < 0.8]  # fmt: skip
        counts = {"BF16": draw.choice((5_000_000, -1, 10**30, "x", 1.5))}
        info: Any = {"id": "o/m", "sha": COMMIT, "siblings": siblings,
                     "safetensors": {"parameters": counts, "total": 5}}  # fmt: skip
        index = {"metadata": {"total_size": 100}, "weight_map": {"a": "model.safetensors"}}
        gguf = gguf_bytes(meta, tensors)
        good = {
            "api": draw.mutated(info) if draw.random() < 0.4 else info,
            "config.json": draw.mutated(_SMALL) if draw.random() < 0.3 else _SMALL,
            "index.json": draw.mutated(index),
        }
        pages = {name: self._misbehaving(json.dumps(tree).encode()) for name, tree in good.items()}
        cut = draw.choice((len(gguf), len(gguf) // 2, 10))
        pages["gguf"] = Answer(gguf[:cut], headers=_COMMIT_HEADER, ranges=draw.random() < 0.5)
        return pages

    def _misbehaving(self, good: bytes) -> Answer:
        draw = self.draw
        head = dict(_COMMIT_HEADER)
        if draw.random() < 0.45:
            return Answer(good, headers=head)
        bomb = gzip.compress(b"\0" * (50 << 20), 1)
        code = draw.choice(("", "GatedRepo", "RepoNotFound", "EntryNotFound", "RevisionNotFound"))
        told = draw.choice(("", "disabled", "Invalid credentials", "<script>", "x" * 3000))
        status = draw.choice((204, 206, 304, 400, 401, 403, 404, 407, 410, 418, 429, 451, 500, 503))
        after = draw.choice(("120", "99999999999", "Wed, 21 Oct 2026 07:28:00 GMT", "-5", "x"))
        return draw.choice((
            lambda: Answer(draw.broken_bytes(good), headers=head),
            lambda: Answer(b"<html>log in</html>", headers={"Content-Type": "text/html"}),
            lambda: Answer(draw.choice((b"", b"[1]", b"null", b"[" * 100_000, b'{"a":' * 60_000))),
            lambda: Answer(good, headers=head, cut=True),
            lambda: Answer(gzip.compress(good), headers={"Content-Encoding": "gzip"}),
            lambda: Answer(good, headers={"Content-Encoding": draw.choice(("gzip", "br", "zstd"))}),
            lambda: Answer(bomb, headers={"Content-Encoding": "gzip"}),
            lambda: Answer(good, headers={"Content-Length": draw.choice((str(10**15), "-5", "abc"))}),
            lambda: Answer(b'{"a":"' + b"x" * (70 << 20) + b'"}'),
            lambda: Answer(status=302, headers={"Location": draw.choice((
                "file:///etc/passwd", "http://[::bad/", "data:application/json,{}", "OTHER", "SELF"
            ))}),
            lambda: Answer(b"{}", status, {"X-Error-Code": code, "X-Error-Message": told,
                                           "Retry-After": after}),
            lambda: Answer(good, headers={"X-Repo-Commit": "../../../../evil"}),
            lambda: Answer(good, headers={"X-Repo-Commit": "a" * 5000}),
            lambda: Answer(b"x" * 65536, headers=head, endless=draw.random() < 0.02),
        ))()  # fmt: skip

    def _asked(self, words: list[str], pages: Mapping[str, Answer], *, token: bool) -> None:
        folder = self.folder / f"f{next(self.files)}"
        kept = {name: os.environ.get(name) for name in ("HF_ENDPOINT", "HF_HOME", "HF_TOKEN",
                                                         "HF_HUB_OFFLINE")}  # fmt: skip
        with _Hub() as hub, _Hub() as other:
            hub.pages, hub.other, other.pages = pages, other.endpoint, pages
            os.environ |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder)}
            os.environ.pop("HF_HUB_OFFLINE", None)
            if token:
                os.environ["HF_TOKEN"] = "hf_secretsecretsecret"
            try:
                code, told = run(words)
            finally:
                for name, value in kept.items():
                    os.environ.pop(name, None)
                    if value is not None:
                        os.environ[name] = value
        if any("hf_secret" in value for asked in other.asked for value in asked.headers.values()):
            raise Fault("a token leaves its host", str(words))
        if "hf_secret" in told:
            raise Fault("a token is printed", told[:200])
        if code == 0:
            safe_text("".join(json.loads(told)["warnings"]), "warnings")
        for path in hub.paths():
            if "/../" in path or path.endswith("/.."):
                raise Fault("a path outside", f"the server was asked for {path!r}")
        if any(self.folder.rglob("evil*")):
            raise Fault("a file outside", "of the cache")

    def mcp(self) -> Case:
        """One server, dozens of lines, good ones between bad ones."""
        draw = self.draw
        base: dict[str, dict[str, Any]] = {
            "estimate": {"model": "qwen3-8b", "gpu": "h100"},
            "compare": {"models": ["qwen3-8b"], "gpus": ["h100", "l40s"]},
            "check": {"model": "qwen3-8b", "gpu": "h100", "tpot_s": 0.01},
            "fit": {"model": "qwen3-8b", "gpus": ["h100"]}, "gpus": {"name": "h100"},
            "napkin": {}, "models": {"name": "qwen3-8b"}, "roofline": {"model": "qwen3-8b", "gpu": "h100"},
            "sweep": {"model": "qwen3-8b", "gpu": "h100"},
            "plan": {"model": "qwen3-8b", "gpus": ["h100"], "max_concurrency": 4, "max_gpus": 2},
        }  # fmt: skip
        extra = ("batch_size", "input_len", "max_concurrency", "request_rate", "quantization", "tp",
                 "image_tokens", "workload", "engine", "by", "prices", "top", "detail", "nosuch")  # fmt: skip
        start = {"protocolVersion": "2025-06-18", "capabilities": {},
                 "clientInfo": {"name": "f", "version": "0"}}  # fmt: skip
        lines = [_rpc(1, "initialize", start),
                 b'{"jsonrpc":"2.0","method":"notifications/initialized"}']  # fmt: skip
        wanted = {1}
        for number in range(2, 40):
            tool = draw.choice(list(base))
            arguments = copy.deepcopy(base[tool])
            for _ in range(draw.randint(0, 3)):
                arguments[draw.choice((*arguments, *extra))] = draw.odd()
            match draw.randrange(14):
                case 0:
                    lines.append(os.urandom(40).replace(b"\n", b" "))
                case 1:
                    lines.append(_rpc(number, draw.choice(("x", "", "tools/call/../x")), {}))
                case 2:
                    lines.append(
                        _rpc(number, "tools/call", {"name": draw.odd(), "arguments": draw.odd()})
                    )
                case 3:
                    lines.append(b'{"jsonrpc": "2.0", "id": %d, "method": "tools/li' % number)
                case 4:
                    lines.append(_rpc(number, "tools/call", {"name": "estimate", "arguments":
                                                             {"model": "x" * 10**6, "gpu": "h100"}}))  # fmt: skip
                case 5:
                    digits = b'{"name":"estimate","arguments":{"batch_size":%s}}' % DIGITS.encode()
                    lines.append(b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":%s}'
                                 % (number, digits))  # fmt: skip
                case _:
                    lines.append(_rpc(number, "tools/call", {"name": tool, "arguments": arguments}))
                    with suppress(UnicodeEncodeError):  # half a character: the SDK reads no request
                        json.dumps(arguments, ensure_ascii=False, default=str).encode()
                        wanted.add(number)
        lines.append(_rpc(99, "tools/call", {"name": "gpus", "arguments": {"name": "h100-sxm"}}))
        lines = [line for line in lines if line]
        return [line[:200] for line in lines], (lambda: _serve(lines, {*wanted, 99})), 2 * LONG_S


_COMMIT_HEADER = {"X-Repo-Commit": COMMIT}


class _Hub(LoopbackHub):
    """Answers by the kind of path."""

    pages: Mapping[str, Answer]
    other = ""

    def _reply(self, handler: Any) -> None:
        path = handler.path.split("?")[0]
        kind = "api" if "/api/models/" in path else next(
            (kind for kind in self.pages if path.endswith(kind)), ""
        )  # fmt: skip
        kind = kind or ("gguf" if ".gguf" in path else "")
        missing = Answer(b"{}", 404, {"X-Error-Code": "EntryNotFound", **_COMMIT_HEADER})
        found = copy.copy(self.pages.get(kind, missing))
        if found.headers.get("Location") in {"SELF", "OTHER"}:
            there = path if found.headers["Location"] == "SELF" else self.other + path
            found.headers = {**found.headers, "Location": there}
        self.everything = found
        super()._reply(handler)


def _metrics(step: int, engine: EngineMetrics, draw: random.Random) -> str:
    """One look at a server's, under any of its names: ten requests a look."""
    n = 10 * step
    gauges = {"running": 8, "waiting": 0, "cache_use": 0.4, "prefix_rate": 0.3,
              "acceptance_length": 2.5}  # fmt: skip
    counters = {"prompt_tokens": 1000 * n, "generated_tokens": 100 * n, "requests": n,
                "prefix_queries": 1000 * n, "prefix_hits": 300 * n, "drafts": 40 * n,
                "accepted": 60 * n, "decode_seconds": 2.0 * n, "prompt_seconds": 0.2 * n}  # fmt: skip
    histograms = {"ttft": (n, 0.2 * n), "latency": (n, 2.2 * n), "tpot": (99 * n, 1.98 * n),
                  "prompt_length": (n, 1e3 * n), "output_length": (n, 100.0 * n)}  # fmt: skip
    lines = ['vllm:cache_config_info{block_size="16",cache_dtype="fp8",num_gpu_blocks="100"} 1.0']
    lines *= engine.engine == "vllm"
    for kind, value in (gauges | counters | histograms).items():
        if not (names := getattr(engine, kind)):
            continue
        name, label = draw.choice(names), 'model_name="m"'
        match value:
            case (count, total):
                lines += [f'{name}_bucket{{le="0.25",{label}}} {count}',
                          f"{name}_count{{{label}}} {count}", f"{name}_sum{{{label}}} {total}"]  # fmt: skip
            case _:
                total_or_not = "_total" * (kind in counters and draw.random() < 0.8)
                lines.append(f"{name}{total_or_not}{{{label}}} {value}")
    return "\n".join(lines)


def _page(look: Page) -> Page:
    return look.encode("utf-8", "surrogatepass") if isinstance(look, str) else look


def _rpc(number: int, method: str, params: Any) -> bytes:
    try:
        call = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return json.dumps(call).encode("utf-8", "surrogatepass")
    except ValueError:  # a number of 5,000 digits, which json writes no more
        return b"{}"


def _serve(lines: Sequence[bytes], wanted: set[int]) -> None:
    """The lines to a server of its own, whose answers are looked at."""
    process = subprocess.Popen(
        (sys.executable, "-m", "vperf", "mcp"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    answers: dict[Any, str] = {}
    garbage: list[bytes] = []
    errors: list[bytes] = []
    done = threading.Event()
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr = process.stdout, process.stderr

    def read() -> None:
        for line in stdout:
            try:
                answers[json.loads(line).get("id")] = line.decode()
            except (ValueError, AttributeError):
                garbage.append(line[:200])
        done.set()

    readers = (threading.Thread(target=read, daemon=True),
               threading.Thread(target=lambda: errors.append(stderr.read()), daemon=True))  # fmt: skip
    for reader in readers:
        reader.start()
    try:
        process.stdin.write(b"".join(line + b"\n" for line in lines))
        process.stdin.flush()
        until = (
            time.monotonic() + 10 * LONG_S
        )  # of the clock: other programs may have the processor
        while not (wanted <= answers.keys() or done.is_set()) and time.monotonic() < until:
            done.wait(0.05)
            if _cpu_s(process.pid) > LONG_S:
                break
        process.stdin.close()
        process.wait(10 * LONG_S)
    finally:
        process.kill()
        process.wait()
        for reader in readers:
            reader.join(5)
        for stream in (stdout, stderr):
            stream.close()
    if garbage:
        raise Fault("not JSON on standard output", repr(garbage[0]))
    if missing := wanted - answers.keys():
        raise Fault("no answer", f"to requests {sorted(missing)}")
    for text in (*answers.values(), b"".join(errors).decode("utf-8", "replace")):
        _safe_rpc(text)


_PYTHON = re.compile(
    r"Traceback|Internal error|(Type|Attribute|Key|ZeroDivision|Overflow|Recursion)Error"
    r"|object is not|has no attribute|got an unexpected|int too large|bug in vperf"
)


def _safe_rpc(text: str) -> None:
    if found := _PYTHON.search(text):
        raise Fault("a Python error", text[max(0, found.start() - 200) : found.end() + 200])
    if re.search(r"[:\[,] ?(NaN|-?Infinity)\b", text):
        raise Fault("not finite", text[:300])


# What a shell can do to it -------------------------------------------------------------------

VPERF = str(Path(sys.executable).with_name("vperf"))
_SHELL: Sequence[tuple[str, tuple[int, ...]]] = (
    ('"$V" estimate -m <(cat ok.json) -g h100 | head -1; exit ${PIPESTATUS[0]}', (0,)),
    ('"$V" check <(cat r.json) -g h100 >/dev/null', (0,)),
    ('"$V" estimate -m qwen3-8b --gpu-file <(cat g.toml) >/dev/null', (0,)),
    ('"$V" estimate -m qwen3-8b -g h100 --max-concurrency 4 --trace <(cat t.jsonl) >/dev/null', (0,)),
    *((f'"$V" {words}', (2,)) for words in (
        "check --config /dev/zero", "estimate -m qwen3-8b --gpu-file /dev/zero",
        "check /dev/zero -g h100 -m qwen3-8b", "check - -g h100 -m qwen3-8b </dev/zero",
        "compare -m qwen3-8b -g h100 --prices /dev/zero", "estimate -m /dev/zero -g h100",
        "check -m qwen3-8b -g h100 --tpot 9ms --baseline /dev/zero",
        "estimate -m - -g h100 </dev/zero", "estimate -m qwen3-8b -g h100 --trace /dev/zero",
        "estimate -m qwen3-8b -g h100 --workload z.toml", "estimate -m zt.gguf -g h100",
        "estimate -m zt.json -g h100", "check zt.json -g h100 -m qwen3-8b",
        "estimate -m qwen3-8b --gpu-file zt.toml", "estimate -m qwen3-8b -g h100 --trace zt.jsonl",
        "check /tmp -g h100", "estimate -m qwen3-8b --gpu-file /tmp", "check --config /tmp",
        "compare -m qwen3-8b -g h100 --prices /tmp", "estimate -m qwen3-8b -g h100 --trace /tmp",
        "estimate -m qwen3-8b -g h100 --json -o /tmp", "estimate -m qwen3-8b -g h100 >/dev/full",
        "estimate -m qwen3-8b -g h100 -o /nosuch/x.json", "estimate -m nosuch -g h100 2>&-",
        "estimate -m qwen3-8b -g h100 --json -o /dev/full", "estimate -m - -g h100 <&-",
        "estimate -m qwen3-8b -g h100 --json >/dev/full", "check --config deep.toml",
        "sweep -m qwen3-8b -g h100 --batch-size 1..512:+1 --csv >/dev/full",
        "estimate -m qwen3-8b --gpu-file spaces.toml", "estimate -m qwen3-8b --gpu-file digits.toml",
        "compare -m qwen3-8b -g h100 --prices digits.toml", "estimate -m digits.json -g h100",
        "estimate -m qwen3-8b -g h100 --workload digits.toml",
        "estimate -m qwen3-8b -g h100 --trace digits.jsonl", "check digits.json -g h100",
    )),
    ('mkdir -p zs; cp ok.json zs/config.json; truncate -s 1T zs/model.safetensors; "$V" estimate -m zs -g h100 >/dev/null', (0, 2)),
    ('for w in "--help" "estimate --help" "--version"; do "$V" $w >/dev/full; [ $? = 2 ] || exit 9; done', (0,)),
    ('"$V" estimate -m qwen3-8b -g h100 >&-', (0,)),
    ('"$V" estimate -m qwen3-8b -g h100 <&- >&- 2>&-', (0,)),
    ('"$V" estimate -m qwen3-8b -g h100 --ops | head -1 >/dev/null; exit ${PIPESTATUS[0]}', (0,)),
    ('"$V" sweep -m qwen3-8b -g h100 --batch-size 1..100000:+1 --csv | head -3 >/dev/null; exit ${PIPESTATUS[0]}', (0,)),
    ('ulimit -f 1; "$V" sweep -m qwen3-8b -g h100 --batch-size 1..512:+1 -o big.csv', (2,)),
    ('unset HOME HF_HOME; "$V" estimate -m qwen3-8b -g h100 >/dev/null', (0,)),
    ('unset HOME HF_HOME; "$V" estimate -m o/m -g h100', (3,)),
    ('export HOME=/nosuch; unset HF_HOME; "$V" estimate -m o/m -g h100', (3,)),
    ('touch homefile; export HOME=$W/homefile; unset HF_HOME; "$V" estimate -m o/m -g h100', (3,)),
    ('touch hffile; export HF_HOME=$W/hffile; "$V" estimate -m o/m -g h100', (3,)),
    ('mkdir -p gone; cd gone; rmdir ../gone; "$V" estimate -m qwen3-8b -g h100 >/dev/null', (0,)),
    ('LC_ALL=C PYTHONIOENCODING=ascii "$V" roofline -m qwen3-8b -g h100 >/dev/null', (0,)),
    ('LC_ALL=C LANG=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 "$V" estimate -m qwen3-8b -g h100 -o c.md', (0,)),
    ('PYTHONIOENCODING=latin-1 "$V" estimate -m "\u5927" -g h100', (2,)),
    *((f'COLUMNS={width} "$V" roofline -m qwen3-8b -g h100 >/dev/null', (0,)) for width in ("0", "-5", "x", "100000")),
    *((f'unset HF_HUB_OFFLINE; HF_ENDPOINT="{url}" "$V" estimate -m o/m -g h100', (3,)) for url in ("http://[x", "file:///etc", "http://127.0.0.1:9")),
    ('unset HF_HUB_OFFLINE; HF_ENDPOINT="http://127.0.0.1:9" HF_TOKEN=$\'a\\nb\' "$V" estimate -m o/m -g h100', (3,)),
    ('GITHUB_ACTIONS=true GITHUB_OUTPUT=/nosuch/x GITHUB_STEP_SUMMARY=/nosuch/y "$V" check r.json -g h100 >/dev/null', (2,)),
    ('_VPERF_COMPLETE=complete_bash COMP_WORDS="vperf estimate -m qw" COMP_CWORD=3 "$V" >/dev/null', (0, 1)),
    ('_VPERF_COMPLETE=xxx "$V" >/dev/null', (0, 1, 2)),
    *((f'"$V" estimate -m {name} -g h100 >/dev/null', (0, 2)) for name in ("million.json", "words.json", "types.json", "wide.json")),
    ('"$V" estimate -m qwen3-8b -g h100 --input-len 1000000000 --max-concurrency 16 >/dev/null', (0, 2)),
    ('"$V" check many.jsonl -g h100 -m qwen3-8b --input-len 512 --output-len 64 --csv >/dev/null', (0, 1, 2)),
    ('"$V" sweep -m qwen3-8b -g h100 --batch-size 1..$(printf "9%.0s" $(seq 400))', (2,)),
)  # fmt: skip
"""Scripts and the exit codes that they may have, each within 25 s of the processor but the many
results (80 s)."""


def _shell_files(folder: Path) -> None:
    llama = {**_SMALL, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
    qwen = {**llama, "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "head_dim": 128}
    layers = {"num_hidden_layers": 500_000, "layer_types": ["full_attention"] * 500_000}
    digits = '{"hidden_size": %s, "input_len": %s, "timestamp": %s, "output_len": 1}'
    card = (
        'name = "x"\n[memory]\nsize = "%s"\nbandwidth = "1000 GB/s"\n[peak]\nbf16 = "100 TFLOPS"\n'
    )
    texts = {
        "ok.json": json.dumps(llama), "r.json": json.dumps(_SERVED), "g.toml": card % "48 GB",
        "t.jsonl": "\n".join([json.dumps(_TRACES[0])] * 9), "deep.toml": "x = " + "[" * 100_000,
        "million.json": json.dumps({**llama, "num_hidden_layers": 10**6}),
        "words.json": json.dumps({**llama, "vocab_size": 10**9}),
        "types.json": json.dumps({**qwen, **layers}),
        "wide.json": json.dumps({**llama, **{f"k{i}": "x" * 100 for i in range(130_000)}}),
        "many.jsonl": (json.dumps(_SERVED) + "\n") * 2_000,
        "spaces.toml": card % ("1" + " " * 100_000 + "x"),
        "digits.toml": f"input_len = {DIGITS}\n", "digits.json": digits % ((DIGITS,) * 3),
        "digits.jsonl": digits % ((DIGITS,) * 3),
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "z.toml").symlink_to("/dev/zero")
    for suffix in ("gguf", "json", "toml", "jsonl"):
        with (folder / f"zt.{suffix}").open("wb") as file:
            file.truncate(1 << 40)


def processes(found: Report, folder: Path) -> None:
    """Every script, signals while a file is written, and many processes with one cache."""
    _shell_files(folder)
    here = {**os.environ, "V": VPERF, "W": str(folder), "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(folder / "hf")}  # fmt: skip
    for script, codes in _SHELL:

        def act(script: str = script, codes: tuple[int, ...] = codes) -> None:
            process = subprocess.Popen(
                ("bash", "-c", f"ulimit -v 1500000 -t {80 if 'many' in script else 25}; {script}"), stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, env=here, start_new_session=True, cwd=folder,
            )  # fmt: skip
            try:
                out, err = process.communicate(timeout=5 * LONG_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                raise Fault("a hang", script) from None
            if b"Traceback" in out + err or process.returncode not in codes:
                told = err.decode("utf-8", "replace").strip()[-300:]
                raise Fault(f"exit {process.returncode}", f"{script}: {told}")
            if process.returncode in {2, 3} and err.count(b"error:") > 1 + ("GITHUB" in script):
                raise Fault("several lines", f"{script}: {err[-300:]!r}")

        found.case("process", (script, act, 2 * LONG_S))
    for number, codes in ((2, (130, -2)), (15, (143, -15)), (1, (129, -1))):
        for suffix in ("csv", "json", "jsonl"):
            target = folder / f"kept.{suffix}"
            found.case("process", ((number, suffix), lambda t=target, n=number, c=codes:  # type: ignore[misc]
                                   _interrupted(t, n, c), LONG_S))  # fmt: skip
    found.case("process", ("many processes, one cache", lambda: _together(folder), 2 * LONG_S))


def _cpu_s(pid: int) -> float:
    """Seconds of the processor that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _interrupted(target: Path, number: int, codes: tuple[int, ...]) -> None:
    """A signal while a sweep replaces a file: the file stays as it was."""
    target.write_text("an earlier answer\n")
    words = (VPERF, "sweep", "-m", "qwen3-8b", "-g", "h100", "--batch-size", "1..100000:+1")
    process = subprocess.Popen(
        (*words, "-o", str(target)), stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509  (a job in the background, or under nohup, ignores it)
    )  # fmt: skip
    while process.poll() is None and _cpu_s(process.pid) < 1.0:  # it is past its start
        time.sleep(0.05)
    process.send_signal(number)
    try:
        _, err = process.communicate(timeout=5 * LONG_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Fault("a hang", f"signal {number}") from None
    if target.read_text("utf-8", "replace") != "an earlier answer\n":
        raise Fault("a file is lost", f"signal {number}, {target.suffix}")
    if b"Traceback" in err or process.returncode not in codes:
        raise Fault(f"exit {process.returncode}", err[-300:].decode("utf-8", "replace"))


def _together(folder: Path) -> None:
    """Twelve processes ask one Hub with one cache: one answer, nothing left behind."""
    home = folder / "shared"
    with LoopbackHub() as hub:
        hub.add_model("o/m", {"config.json": _SMALL})
        env = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home)}
        env.pop("HF_HUB_OFFLINE", None)
        # Of a machine that does other work too, twelve processes and their server wait for it.
        env |= dict.fromkeys(("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"), "120")
        words = (VPERF, "estimate", "-m", "o/m", "-g", "h100", "--json")
        running = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
                   for _ in range(12)]  # fmt: skip
        answers = set()
        for process in running:
            try:
                out, err = process.communicate(timeout=5 * LONG_S)
            except subprocess.TimeoutExpired:
                for each in running:
                    each.kill()
                    each.communicate()
                raise Fault("a hang", "twelve processes") from None
            if process.returncode != 0:
                raise Fault(f"exit {process.returncode}", err[-200:].decode("utf-8", "replace"))
            answers.add(json.dumps(json.loads(out)["limit"]))
    if len(answers) != 1:
        raise Fault("different answers", str(len(answers)))
    if left := [path.name for path in home.rglob(".config*") if path.is_file()]:
        raise Fault("litter", str(left[:3]))


# The run -------------------------------------------------------------------------------------


@dataclass
class Report:
    """Cases by class, and each kind of fault once."""

    cases: Counter[str]
    ended: Counter[str]
    faults: Counter[tuple[str, ...]]

    def case(self, kind: str, case: Case) -> None:
        """One case: what it shows is printed with the first fault of its kind."""
        shown, act, seconds = case
        self.cases[kind] += 1
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            with guard(seconds):
                act()
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > MEMORY_KB:
                raise Fault("memory", "over 700 MB more")
            self.ended["answered"] += 1
        except VperfError as error:
            self.ended["refused"] += 1
            try:
                safe_error(error)
            except Fault as fault:
                self._fault(kind, fault, shown)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # whatever it is, it is a fault
            self._fault(kind, error, shown)

    def _fault(self, kind: str, error: BaseException, shown: Any) -> None:
        where = ""
        for frame in traceback.extract_tb(error.__traceback__):
            if f"{os.sep}vperf{os.sep}" in frame.filename:
                where = f"{frame.filename.rpartition(f'vperf{os.sep}')[2]}:{frame.lineno}"
        what = str(error.args[0])[:80] if error.args else ""
        key = (kind, type(error).__name__, what, where)
        self.faults[key] += 1
        if self.faults[key] == 1:
            text = repr(shown)
            print(f"FAULT {kind}: {error!r:.500} at {where}\n      {text[:900]}", flush=True)


def fuzz(
    seconds: float, seed: int, only: Sequence[str] = (), count: int = 0, *, shell: bool = False
) -> int:
    """Cases until the time is spent, or so many; then the summary line; the number of faults."""
    found = Report(Counter(), Counter(), Counter())
    kept = dict(os.environ)
    os.environ |= {"HF_HUB_OFFLINE": "1", "COLUMNS": "80", "NO_COLOR": "1"}
    for name in ("HF_TOKEN", "HF_ENDPOINT", "GITHUB_ACTIONS", "VPERF_DEBUG"):
        os.environ.pop(name, None)
    began, cpu = time.monotonic(), time.process_time()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            os.environ["HF_HOME"] = str(folder / "hf")
            if shell:
                (folder / "shell").mkdir()
                processes(found, folder / "shell")
            with suppress(KeyboardInterrupt):
                _in_turn(found, Fuzzer(seed, folder), only or tuple(SHARES), began + seconds, count)
    finally:
        os.environ.clear()
        os.environ.update(kept)
    by_class = ", ".join(f"{kind} {number:,}" for kind, number in found.cases.items())
    print(
        f"fuzz: vperf {vperf.__version__}, seed {seed}: {found.cases.total():,} cases in "
        f"{time.monotonic() - began:.0f} s ({time.process_time() - cpu:.0f} s of CPU; {by_class}), "
        f"{found.ended['answered']:,} answered, {found.ended['refused']:,} refused in Python, "
        f"{found.faults.total()} faults of {len(found.faults)} kinds"
    )
    return found.faults.total()


def _in_turn(found: Report, fuzzer: Fuzzer, only: Sequence[str], until: float, count: int) -> None:
    """The class that is furthest behind its share of the time, or of the cases, is next."""
    shares = COUNTED if count else SHARES
    kinds = [k for k in only if k in shares and (k != "mcp" or find_spec("mcp") is not None)]
    spent = dict.fromkeys(kinds, 0.0)
    total = 0
    while kinds and (total < count if count else time.monotonic() < until):
        kind = min(kinds, key=lambda each: spent[each] / shares[each])
        start = time.monotonic()
        found.case(kind, getattr(fuzzer, kind)())
        total += 1
        spent[kind] += 1 if count else time.monotonic() - start
        if total % 50 == 0:
            fuzzer.tidy()
        if total % 50_000 == 0 and count:
            print(f"{total:,} cases, {found.faults.total()} faults", flush=True)


def main() -> int:
    """The command line; 1 on any fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help=f"of {', '.join(SHARES)}, process")
    parser.add_argument("--count", type=int, default=0, help="of cases, in place of the time")
    asked = parser.parse_args()
    only = [kind for kind in asked.only.split(",") if kind]
    shell = "process" in only or not (only or asked.count)
    only = [kind for kind in only if kind != "process"]
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    seconds = 0 if shell and asked.only and not only else asked.seconds
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return 1 if fuzz(seconds, asked.seed, only, asked.count, shell=shell) else 0


if __name__ == "__main__":
    sys.exit(main())
