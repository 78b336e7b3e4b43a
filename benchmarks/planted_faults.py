"""Do tests hold the figures? Plants a fault at a time in a copy of the checkout and runs them.

    python benchmarks/planted_faults.py --quick         the tests that mean each fault: a minute
    python benchmarks/planted_faults.py --only 2,4      the whole suite, for two of them
    python benchmarks/planted_faults.py                 the whole suite for all: half an hour

A fault is a text of src/ and what stands there instead; the text must stand in one place, in
whatever file. A test that means a fault is named with it, and found in whatever file it is. The
examples of README and docs and the snapshots notice as well, and mean nothing: whoever writes them
anew after a change blesses the fault. Exits with 1 where a test that means a fault does not notice.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[1]
_MEANS_NOTHING = ("tests/snapshots/", "tests/test_docs.py")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is planted, and who must notice."""

    title: str
    before: str
    after: str
    tests: tuple[str, ...]
    """Names of test functions."""


_ROWS = "test_a_matmul_that_reads_divided_columns_is_divided_by_its_input"

_GQA = """visibility=self.visibility,
            ),
            *matmul("o_proj", (self.output,), step.tokens"""

FAULTS: Sequence[Fault] = (
    Fault(
        "o_proj is not row-parallel",
        f'{_GQA}, "row")',
        f"{_GQA})",
        (_ROWS,),
    ),
    Fault(
        "heads wider than 256 at 0.9 of the rate, not 0.65",
        "_WIDER_HEADS = 0.65",
        "_WIDER_HEADS = 0.9",
        (
            "test_prefill_over_heads_of_512_is_as_slow_as_measured",
            "test_prefill_over_heads_wider_than_256_runs_at_0_65_of_the_rate",
        ),
    ),
    Fault(
        "all-to-all at twice its time",
        "(local - 1) / ranks / 2.0",
        "(local - 1) / ranks",
        (
            "test_tokens_go_to_their_experts_and_back_at_the_rate_of_one_of_two_passes",
            "test_experts_on_other_ranks_take_as_long_as_served_deepseek_r1_shows",
        ),
    ),
    Fault(
        "burst share 0.30, not 0.12",
        "BURST_SHARE = 0.12",
        "BURST_SHARE = 0.30",
        (
            "test_a_tenth_of_the_requests_and_a_little_wait_in_the_first_burst",
            "test_ttft_of_many_users_is_as_measured",
        ),
    ),
    Fault(
        "queue doubled",
        "queue = busy / (1 - busy) * max(0.0, at.prompt_s - extra / 2)",
        "queue = 2 * busy / (1 - busy) * max(0.0, at.prompt_s - extra / 2)",
        ("test_prompts_that_fill_a_step_wait_as_in_a_queue_of_one_server",),
    ),
    Fault(
        "activations 4.5 x hidden, not 3",
        "(3 * model.hidden + 1.5 * model.widest_output / ways)",
        "(4.5 * model.hidden + 1.5 * model.widest_output / ways)",
        ("test_activations_are_those_of_the_profiled_step",),
    ),
    Fault(
        "range of decode 0.80 to 1.60, not 0.90 to 1.31",
        '("decode", "measured"): (0.90, 1.31)',
        '("decode", "measured"): (0.80, 1.60)',
        (
            "test_the_range_of_decode_holds_eight_of_ten_measured_tpots",
            "test_the_range_of_decode_holds_about_four_of_five_measured_tpots",
        ),
    ),
    Fault(
        "suspects within 0.30, not 0.15",
        "_MATCH_TOLERANCE = 0.15",
        "_MATCH_TOLERANCE = 0.30",
        (
            "test_a_fault_whose_prediction_is_over_15_percent_off_explains_nothing",
            "test_faults_are_looked_for_from_15_percent_over_the_expected_time_on",
        ),
    ),
    Fault(
        "x_proj is not row-parallel",
        '*matmul("x_proj", (self.x_proj,), tokens, "row")',
        '*matmul("x_proj", (self.x_proj,), tokens)',
        (_ROWS,),
    ),
    Fault(
        "tail of prefill attention SMs / 4, not / 2",
        "keys * (sms / 2))",
        "keys * (sms / 4))",
        ("test_prefill_attention_pays_flops_exponentials_edges_tiles_and_a_tail",),
    ),
    Fault(
        "half of the L2 is credited",
        "= gpu.l2_bytes, gpu.memory_bandwidth",
        "= 0.5 * gpu.l2_bytes, gpu.memory_bandwidth",
        ("test_a_decode_step_reads_all_but_what_the_l2_may_still_hold",),
    ),
    Fault(
        "5 % above the limit is still possible, not 0.1 %",
        "_ROUNDING_TOLERANCE = 1.001",
        "_ROUNDING_TOLERANCE = 1.05",
        ("test_a_verdict_is_where_the_figure_lies",),
    ),
    Fault(
        "absorbed MLA counted as plain attention",
        'kind="mla" if absorbs else "attention"',
        'kind="attention"',
        ("test_decode_absorbs_and_reads_each_latent_once",),
    ),
    Fault(
        "the link is no part of a step's bound",
        "limit = max(compute, memory, link)",
        "limit = max(compute, memory)",
        ("test_no_step_is_faster_than_its_messages_cross_the_link",),
    ),
    Fault(
        "the KV cache is split into more parts than it has heads",
        "each / min(ways, max(1, block.cache_heads))",
        "each / ways",
        (
            "test_kv_heads_are_divided_and_beyond_them_replicated",
            "test_the_latent_cache_of_mla_is_on_every_rank",
        ),
    ),
    Fault(
        "prices are per 3,000 s, not per hour",
        "hourly / 3600",
        "hourly / 3000",
        ("test_tokens_cost_the_time_that_they_take",),
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who noticed a fault."""

    file: str
    meant: int
    """Tests that mean it and failed, of `of`."""
    of: int
    own: int | None = None
    """Failed tests of the folder that mirrors the file's; None where only those named ran."""
    others: int | None = None
    examples: int | None = None


def _copy(to: Path) -> None:
    """The files of the checkout as they are, without what Git ignores."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def _place(copy: Path, fault: Fault) -> Path:
    """The one file whose text the fault changes. Exits where there is none."""
    found = [
        path
        for path in sorted((copy / "src").rglob("*.py"))
        for _ in range(path.read_text(encoding="utf-8").count(fault.before))
    ]
    if len(found) != 1:
        sys.exit(f"{fault.title}: {fault.before!r} stands {len(found)} times in src/, not once")
    return found[0]


_versions = count(1)


@contextmanager
def _planted(path: Path, fault: Fault) -> Iterator[None]:
    sound = path.read_text(encoding="utf-8")
    _write(path, sound.replace(fault.before, fault.after))
    try:
        yield
    finally:
        _write(path, sound)


def _write(path: Path, text: str) -> None:
    """With a time of its own: two of one second and size have one compiled file."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1e9 + next(_versions),) * 2)


def _ids(copy: Path, names: Sequence[str]) -> list[str]:
    """Where tests are. Exits where one is not."""
    files = {path: path.read_text(encoding="utf-8") for path in (copy / "tests").rglob("test_*.py")}
    ids = []
    for name in names:
        found = [path for path, text in files.items() if f"def {name}(" in text]
        if len(found) != 1:
            sys.exit(f"{name} is in {len(found)} files of tests/, not in one")
        ids.append(f"{found[0].relative_to(copy)}::{name}")
    return ids


def _failed(copy: Path, arguments: Sequence[str]) -> set[str]:
    """Ids of the tests that fail, without their parameters."""
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        (sys.executable, "-m", "pytest", "-rfE", "--tb=no", "-p", "no:cacheprovider", *arguments),
        cwd=copy, env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if ran.returncode not in (0, 1):
        sys.exit(f"pytest ended with {ran.returncode}:\n{ran.stdout[-3000:]}{ran.stderr[-3000:]}")
    return {found[1] for found in re.finditer(r"^(?:FAILED|ERROR) ([^\s\[]+)", ran.stdout, re.M)}


def _try(copy: Path, fault: Fault, *, quick: bool, jobs: int) -> Outcome:
    path = _place(copy, fault)
    meant = _ids(copy, fault.tests)
    with _planted(path, fault):
        failed = _failed(copy, ("-n", "0", *meant) if quick else ("-n", str(jobs)))
    name = str(path.relative_to(copy))
    noticed = len(failed.intersection(meant))
    if quick:
        return Outcome(name, noticed, len(meant))
    examples = {each for each in failed if each.startswith(_MEANS_NOTHING)}
    folder = path.parent.relative_to(copy / "src/vperf")
    own = {each for each in failed if Path(each.partition("::")[0]).parent == "tests" / folder}
    return Outcome(name, noticed, len(meant), len(own), len(failed - examples - own), len(examples))


def main() -> int:
    """Plant, run, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only the tests that mean each fault")
    parser.add_argument("--only", default="", metavar="N,N", help="numbers of faults")
    parser.add_argument("--jobs", type=int, default=2, help="processes of the whole suite")
    options = parser.parse_args()
    numbers = [int(each) for each in options.only.split(",") if each]
    numbers = numbers or [*range(1, len(FAULTS) + 1)]
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copy(copy)
        every = dict.fromkeys(test for number in numbers for test in FAULTS[number - 1].tests)
        already = _failed(copy, ("-n", "0", *_ids(copy, tuple(every))))
        if already:
            sys.exit(f"fail without a fault: {', '.join(sorted(already))}")
        print("| # | planted fault | file | tests that mean it | own folder | others | examples |")
        print("|--:|---|---|---|--:|--:|--:|")
        for number in numbers:
            fault = FAULTS[number - 1]
            found = _try(copy, fault, quick=options.quick, jobs=options.jobs)
            if found.meant < found.of:
                missed.append(number)
            rest = " | ".join(
                "-" if each is None else str(each)
                for each in (found.own, found.others, found.examples)
            )
            print(f"| {number} | {fault.title} | {found.file.removeprefix('src/vperf/')} | "
                  f"{found.meant} of {found.of} notice | {rest} |", flush=True)  # fmt: skip
    print(f"\n{len(numbers) - len(missed)} of {len(numbers)} noticed by each test that means them")
    if missed:
        print(f"not: {', '.join(map(str, missed))}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
