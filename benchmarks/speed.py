"""How fast is vperf itself: cold commands, and estimates, steps and settings per second in one
process, each beside its target. No answer is asked for twice.

    python benchmarks/speed.py [RUNS]

Run it with the python of an environment that vperf is installed in. A cold run is compared, in
turn, with a bare import of the libraries that every command needs.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

MODEL, GPU = "Qwen/Qwen3-4B-Instruct-2507", "rtx-pro-6000"
SPARSE = "deepseek-ai/DeepSeek-V3"
STEP_TARGET, LOAD_TARGET = 80_000, 2000
ESTIMATE_TARGETS = {MODEL: (5000, 1500), SPARSE: (2500, 0)}
"""(vperf.estimate a second, with `to_dict()`)."""
COLD_TARGET, TEXT_TARGET, WARM_TARGET = 1.15, 1.45, 5000
CHECK_TARGET_S, CHECKED = 3.0, 1000
COMPARE_TARGET_S, SWEEP_TARGET = 0.2, 16_700
PLAN_TARGET_S = 3.0
SWEPT = 100_000


def _cpu_s(command: list[str]) -> float:
    """Processor time, user and system, of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _vperf() -> str:
    return str(Path(sys.executable).parent / "vperf")


def cold(runs: int) -> None:
    """Ratio of a whole `vperf estimate`, as JSON and as text, to the bare imports: the least of
    alternating runs, for whatever else a machine does only adds."""
    text = [_vperf(), "estimate", "--model", MODEL, "--gpu", GPU]
    bare = [sys.executable, "-c", "import typer, pydantic, rich.table"]
    commands = {"as JSON": [*text, "--json"], "as text": text}
    rounds = [[_cpu_s(each) for each in (bare, *commands.values())] for _ in range(runs + 1)][1:]
    imports, *own = map(min, zip(*rounds, strict=True))
    for name, target, least in zip(commands, (COLD_TARGET, TEXT_TARGET), own, strict=True):
        print(
            f"cold estimate {name}: {least:.3f} s of CPU, bare imports {imports:.3f} s; "
            f"ratio {least / imports:.2f} (target {target})"
        )


def warm(runs: int = 1000) -> float:
    """Estimates per second of processor time."""
    import vperf  # noqa: PLC0415  (after the cold runs, which it must not warm)

    vperf.estimate(MODEL, GPU)
    start = time.process_time()
    for _ in range(runs):
        vperf.estimate(MODEL, GPU)
    rate = runs / (time.process_time() - start)
    print(f"in one process: {rate:.0f} estimates per second (target {WARM_TARGET})")
    return rate


def _rate(ask: Callable[[int], object], runs: int) -> float:
    """Different questions a second of processor time."""
    ask(0)
    start = time.process_time()
    for number in range(1, runs + 1):
        ask(number)
    return runs / (time.process_time() - start)


def _say(what: str, rate: float, target: float) -> None:
    ratio = f", {rate / target:.2f} of the target {target:,}" if target else ""
    print(f"{what}: {rate:,.0f} per second{ratio}")


def _read(answer: Any) -> float:
    """Limit, expected and memory of an answer."""
    return float(answer.limit.ttft_s + answer.expected.tpot_s + answer.memory.total_bytes)


def questions(runs: int = 1000) -> None:
    """Estimates of different loads of one deployment: by name, and from where it is resolved."""
    import vperf  # noqa: PLC0415  (after the cold runs, which it must not warm)
    from vperf.estimate import estimate  # noqa: PLC0415
    from vperf.resolve import Resolver  # noqa: PLC0415
    from vperf.scenario import Scenario  # noqa: PLC0415

    resolver = Resolver()
    for model, tp in ((MODEL, 1), (SPARSE, 8)):
        target, dict_target = ESTIMATE_TARGETS[model]
        at = resolver.deployment(Scenario(model, "h100-sxm", tp=tp))

        def scenario(number: int, model: str = model, tp: int = tp) -> dict[str, Any]:
            lengths = {"input_len": 500 + number, "output_len": 100 + number % 50}
            return {"model": model, "gpu": "h100-sxm", "tp": tp, "batch_size": 1 + number % 64,
                    **lengths}  # fmt: skip

        def by_name(number: int, scenario: Any = scenario) -> float:
            return _read(vperf.estimate(**scenario(number)))

        def resolved(number: int, scenario: Any = scenario) -> float:
            return _read(estimate(resolver.deployment(Scenario(**scenario(number)))))

        def as_dict(number: int, scenario: Any = scenario) -> object:
            return estimate(resolver.deployment(Scenario(**scenario(number)))).to_dict()

        _say(f"vperf.estimate, {model} tp {tp}", _rate(by_name, runs), target)
        _say("  by a resolver", _rate(resolved, runs), target)
        _say("  with to_dict()", _rate(as_dict, runs), dict_target)

        def decode_step(number: int, at: Any = at) -> object:
            return at.compiled.decode(1 + number % 256, 500 + number)

        def prefill_step(number: int, at: Any = at) -> object:
            return at.compiled.prefill(1 + number % 8, 500 + number)

        decode, prefill = _rate(decode_step, 20 * runs), _rate(prefill_step, 20 * runs)
        _say("  decode steps", decode, STEP_TARGET if tp == 1 else 0)
        _say("  prefill steps", prefill, STEP_TARGET if tp == 1 else 0)


def loads(runs: int = 1000) -> None:
    """Served loads of different lengths by the closed form."""
    from vperf.estimate import estimate  # noqa: PLC0415  (after the cold runs)
    from vperf.resolve import Resolver  # noqa: PLC0415
    from vperf.scenario import Scenario  # noqa: PLC0415

    options: dict[str, Any] = {"quantization": "fp8", "tp": 2, "max_concurrency": 64}
    resolver = Resolver()

    def served(number: int) -> float:
        lengths: dict[str, Any] = {"input_len": 1000 + number, "output_len": 200 + number % 100}
        asked = Scenario("Qwen/Qwen3-32B", "h100-sxm", **options, **lengths)
        return _read(estimate(resolver.deployment(asked)))

    _say("served load, Qwen3-32B fp8 tp 2, 64 users", _rate(served, runs), LOAD_TARGET)


def compare_all(runs: int) -> float:
    """CPU seconds of a cold `vperf compare --gpu all` beyond those of one card."""
    ours = [_vperf(), "compare", "--model", "Qwen/Qwen3-32B", "--gpu"]
    pairs = [(_cpu_s([*ours, "all"]), _cpu_s([*ours, GPU])) for _ in range(runs + 1)][1:]
    beyond = min(a for a, _ in pairs) - min(b for _, b in pairs)
    print(f"compare --gpu all: {beyond:.3f} s of CPU beyond one card (target {COMPARE_TARGET_S})")
    return beyond


def swept(points: int = SWEPT) -> float:
    """Settings per second of processor time of a sweep, and how much memory it grew by."""
    from vperf.explore.sweep import Sweeping  # noqa: PLC0415  (after the cold runs)

    inputs = range(1000, 1000 + points // 100)
    sweep = Sweeping({"model": MODEL, "gpu": GPU, "batch_size": range(1, 101), "input_len": inputs})
    rows = sweep.rows()
    next(rows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    count = sum(1 for _ in rows)
    took = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"sweep: {count:,} settings in {took:.1f} s, {count / took:,.0f} per second "
        f"(target {SWEEP_TARGET:,}); peak memory grew by {grown / 1024:.1f} MiB"
    )
    return count / took


def checked() -> float:
    """Seconds of processor time of `vperf check` of many results as CSV beside a baseline, but for
    the runs that it simulates."""
    from vperf.cli.main import main  # noqa: PLC0415  (after the cold runs)
    from vperf.serving import simulation  # noqa: PLC0415

    simulated, run = 0.0, simulation.run

    def timed(*of: Any, **more: Any) -> Any:
        nonlocal simulated
        start = time.process_time()
        found = run(*of, **more)
        simulated += time.process_time() - start
        return found

    simulation.run = timed
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{number}.json") for number in range(CHECKED)]
        for number, file in enumerate(files):
            file.write_text(json.dumps(_result(1 + number / 1e5)), encoding="utf-8")
        baseline, answer = Path(folder, "baseline"), Path(folder, "answer.csv")
        of = ["check", "-g", "h100"]
        with redirect_stdout(StringIO()) as text:
            main([*of, str(files[0]), "--json"])
        baseline.write_text(text.getvalue(), encoding="utf-8")
        simulated, start = 0.0, time.process_time()
        code = main([*of, *map(str, files), "--baseline", str(baseline), "-o", str(answer)])
        took = time.process_time() - start
        rows = answer.read_text(encoding="utf-8").count("\n")
    simulation.run = run
    assert code in (0, 1), code
    assert rows > CHECKED, rows
    print(
        f"check: {CHECKED:,} results, a baseline, CSV: {took - simulated:.2f} s "
        f"(target {CHECK_TARGET_S:g}) and {simulated:.2f} s of simulated runs"
    )
    return took - simulated


def _result(slower: float) -> dict[str, Any]:
    """As `vllm bench serve` writes one."""
    times = {"ttft": 92.0, "tpot": 7.6, "itl": 7.6}
    return {
        "endpoint_type": "vllm", "model_id": "Qwen/Qwen3-8B", "num_prompts": 40, "completed": 40,
        "request_rate": "inf", "max_concurrency": 4, "duration": 100.0,
        "total_input_tokens": 20_000, "total_output_tokens": 4000, "request_throughput": 0.4,
        "output_throughput": 40.0, "total_token_throughput": 240.0,
        **{f"{of}_{name}_ms": slower * value for name, value in times.items()
           for of in ("mean", "median", "p99")},
    }  # fmt: skip


def planned() -> float:
    """Seconds of processor time of a plan over some 2,000 candidates."""
    from vperf.explore.plan import plan  # noqa: PLC0415  (after the cold runs)

    start = time.process_time()
    answer = plan(
        "Qwen/Qwen3-32B",
        ["h100-sxm", "h200", "b200", "l40s", "rtx-pro-6000"],
        quantization=["auto", "fp8"],
        engine=["vllm", "sglang", "trtllm"],
        ttft="500ms",
        tpot="30ms",
        request_rate=5.0,
        input_len=4000,
        output_len=500,
        max_gpus=24,
    )
    took = time.process_time() - start
    print(f"plan: {answer.asked:,} candidates in {took:.2f} s (target {PLAN_TARGET_S})")
    return took


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    cold(times)
    compare_all(max(1, times // 3))
    warm()
    questions()
    loads()
    swept()
    checked()
    planned()
