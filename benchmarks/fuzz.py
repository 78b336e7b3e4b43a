"""Does anything that a stranger writes end in more than an answer or one clear line?

    python benchmarks/fuzz.py SECONDS [--seed N]

Configs, results, option values and files of every kind, each wrong in a few places, go through the
command line in this process until the time is spent. A fault is an exit code that is not
documented, a traceback, an error of several lines, JSON that is none, and a character that hides.
Prints each kind of fault once, with its case, and one summary line last; exits 1 on any fault.
Not here: laws that answers keep (tests/), and configs alone by hypothesis (tests/test_fuzz.py).
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import vperf
from vperf.cli.main import main as command
from vperf.sources.catalog import data_dir
from vperf.sources.models import load_model_config, model_ids

_ODD: Sequence[Any] = (
    0, -1, 1, 3, 2**31, 2**63, 10**18, 10**400, 0.5, -0.0, 1e308, 1e-300, float("nan"),
    float("inf"), True, None, "", "0", "4096", [], {}, [None], [[[]]], {"a": {"b": {}}},
    "\x1b[31mred", "\u202eexe", "a\u200bb", "\x9b", "\x00", "=1+1", "<script>", "x" * 5000,
)  # fmt: skip
_TEXTS = (
    "", " ", "0", "-1", "1e308", "1e-300", "nan", "inf", "9" * 5000, "1" + " " * 50_000 + "x",
    "1..9", "1..1000000000:+1", "1,,2", "x2", "5%", "1e300GB", "80 GB", "1e308 GB/s", "1 TB/s",
    "4ms", "1e-300s", "bf16=1e300 TFLOPS", "h100=1e308", "\x1b[2J", "\u202e", "\x00", "\ud800",
    "=1+1", "--", "-", "/dev/zero", "/", "../..", "qwen3-8b", "h100", "fp8", "chat", "mtp", "8",
)  # fmt: skip
_USUAL = ("1", "2", "4", "8", "64", "0.5", "1 TB/s", "80 GB", "fp8")
_OPTIONS = (
    "--input-len", "--output-len", "--batch-size", "--max-model-len", "--tp", "--pp", "--ep",
    "--dp", "--max-concurrency", "--request-rate", "--prefix-cache-hit", "--num-prompts",
    "--burstiness", "--max-num-seqs", "--max-num-batched-tokens", "--gpu-memory-utilization",
    "--memory-bandwidth", "--memory", "--peak", "-q", "--kv-cache-dtype", "--engine", "--workload",
    "--image-tokens", "--speculative", "--acceptance", "--gpus-per-node", "--node-link", "-m", "-g",
)  # fmt: skip
_FORMS = ("--json", "--csv", "--markdown", "-v", "--brief")
_RESULT = {
    "model_id": "Qwen/Qwen3-8B", "num_prompts": 100, "max_concurrency": 8, "completed": 100,
    "total_input_tokens": 51200, "total_output_tokens": 12800, "duration": 20.0,
    "request_throughput": 5.0, "output_throughput": 640.0, "mean_ttft_ms": 60.0,
    "median_ttft_ms": 55.0, "mean_tpot_ms": 9.0, "median_tpot_ms": 9.0, "p99_tpot_ms": 12.0,
}  # fmt: skip
_HIDES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


class Fault(Exception):  # noqa: N818  (a finding, no error of ours)
    """What must not be: its kind, and what was seen."""


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a tree with each of its keys."""
    keys: Any = tree if isinstance(tree, dict) else range(len(tree)) if type(tree) is list else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def mutated(draw: random.Random, tree: Any) -> Any:
    """A copy of a tree with one to three values dropped, changed, scaled or put elsewhere."""
    tree = copy.deepcopy(tree)
    for _ in range(draw.randint(1, 3)):
        places = list(_places(tree))
        if not places:
            break
        parent, key = draw.choice(places)
        old = parent[key]
        match draw.randrange(4):
            case 0:
                del parent[key]
            case 1 if type(old) in {int, float}:
                parent[key] = old * draw.choice((0, -1, 3, 0.5, 10**6))
            case 2:
                parent[key] = draw.choice((str(old), [old], {"text_config": old}))
            case _:
                parent[key] = copy.deepcopy(draw.choice(_ODD))
    return tree


def broken(draw: random.Random, text: bytes) -> bytes:
    """Bytes cut, doubled or with others put in."""
    at = draw.randrange(len(text) + 1)
    put = draw.choice(
        (b"\x00", b"\xff\xfe", b"[" * 9000, b"9" * 5000, b'"', b"1e999", b"\xe2\x80\xae")
    )
    return draw.choice((text[:at], text[:at] + put + text[at:], text + text[:at], put))


class Fuzzer:
    """Cases by a seed; the classes take turns."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.draw, self.file = random.Random(seed), folder / "case"
        self.configs = [dict(load_model_config(name).config) for name in model_ids()]
        self.cards = sorted((data_dir() / "gpus").glob("*.toml"))
        self.classes = (self.config, self.result, self.options, self.card, self.other)

    def _json(self, tree: Any) -> str:
        data = json.dumps(mutated(self.draw, tree)).encode()
        self.file.write_bytes(broken(self.draw, data) if self.draw.random() < 0.1 else data)
        return str(self.file)

    def config(self) -> list[str]:
        """A model's config.json."""
        path = self.file.with_name("config.json")
        os.replace(self._json(self.draw.choice(self.configs)), path)
        return ["estimate", "-m", str(path), "-g", "h100", self.draw.choice(_FORMS)]

    def result(self) -> list[str]:
        """A benchmark's result, graded or as the baseline."""
        path = self._json(self.draw.choice((_RESULT, [_RESULT, _RESULT], {"results": [_RESULT]})))
        return ["check", path, "-g", "h100", self.draw.choice(_FORMS)]

    def options(self) -> list[str]:
        """Values of options."""
        words = [self.draw.choice(("estimate", "compare", "fit")), "-m", "qwen3-8b", "-g", "h100"]
        for name in self.draw.sample(_OPTIONS, self.draw.randint(1, 3)):
            words += [name, self.draw.choice(self.draw.choice((_TEXTS, _USUAL)))]
        return [*words, self.draw.choice(_FORMS)]

    def card(self) -> list[str]:
        """A GPU file."""
        path = self.file.with_name("card.toml")
        lines = self.draw.choice(self.cards).read_text(encoding="utf-8").splitlines()
        for _ in range(self.draw.randint(1, 3)):
            at = self.draw.randrange(len(lines))
            name = lines[at].partition("=")[0]
            value = self.draw.choice(("1e308", '"1e300 GB"', "nan", "9" * 5000, "[]", '"\\u202e"'))
            lines[at] = self.draw.choice((f"{name}= {value}", "", lines[at] * 2))
        path.write_bytes("\n".join(lines).encode())
        return ["estimate", "-m", "qwen3-8b", "--gpu-file", str(path), self.draw.choice(_FORMS)]

    def other(self) -> list[str]:
        """A file of any other kind, which is what it is said to be or not."""
        path = self._json({"h100": 2.5, "input": [1, 2], "schema": "vperf.check/1", "checks": []})
        name = self.draw.choice(("--workload", "--trace", "--gpu-file"))
        return ["estimate", "-m", "qwen3-8b", "-g", "h100", name, path]


@contextmanager
def _streams() -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    kept, raw = (sys.stdin, sys.stdout, sys.stderr), (io.BytesIO(), io.BytesIO())
    sys.stdin = io.TextIOWrapper(io.BytesIO(b"{}"))
    sys.stdout, sys.stderr = (io.TextIOWrapper(each, "utf-8", write_through=True) for each in raw)
    try:
        yield raw
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept


def run(words: list[str]) -> int:
    """The exit code of the command. Raises Fault."""
    with _streams() as (out, err):
        code = command(words)
        said, told = out.getvalue().decode(), err.getvalue().decode()
    if code not in {0, 1, 2, 3}:
        raise Fault(f"exit {code}", told.strip()[:300])
    if hidden := _HIDES.search(said + told):
        raise Fault("a character that hides", repr(hidden[0]))
    if code >= 2 and words[0] != "check" and (not told.startswith("error:") or "\n" in told[:-1]):
        raise Fault("no one line of error", told[:300])
    if code == 0 and "--json" in words:
        json.loads(said, parse_constant=_no_number)
    return code


def _no_number(text: str) -> None:
    raise Fault("no number in JSON", text)


def fuzz(seconds: float, seed: int) -> int:
    """Cases until the time is spent, then the summary line; how many ended in a fault."""
    cases: Counter[str] = Counter()
    found: Counter[tuple[str, ...]] = Counter()
    answered = 0
    os.environ |= {"HF_HUB_OFFLINE": "1", "COLUMNS": "80"}
    with tempfile.TemporaryDirectory() as folder:
        fuzzer, end = Fuzzer(seed, Path(folder)), time.monotonic() + seconds
        while time.monotonic() < end:
            kind = fuzzer.classes[cases.total() % len(fuzzer.classes)]
            cases[kind.__name__] += 1
            words = kind()
            try:
                answered += run(words) < 2
            except Exception as error:  # whatever it is, it is a fault
                what = (kind.__name__, type(error).__name__, str(error.args[:1]))
                found[what] += 1
                if found[what] == 1:
                    print(f"FAULT {kind.__name__}: {error!r}\n      {str(words)[:400]}")
                    if fuzzer.file.is_file():
                        print(f"      {fuzzer.file.read_bytes()[:300]!r}")
    by_class = ", ".join(f"{name} {count}" for name, count in cases.items())
    print(
        f"fuzz: vperf {vperf.__version__}, seed {seed}: {cases.total()} cases in {seconds:g} s"
        f" ({by_class}), {answered} answered, {found.total()} faults of {len(found)} kinds"
    )
    return found.total()


def main() -> int:
    """The command line; 1 on any fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    return 1 if fuzz(asked.seconds, asked.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
