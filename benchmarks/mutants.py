"""Do tests notice when a line computes something else? A seeded sample of mutants, one at a time.

    python benchmarks/mutants.py 300 --seed 1 [--seconds 1800] [--only timing] [--report FILE]

A mutant is one expression changed: an operator, a comparison, a number, min for max, a condition
turned round, a value returned as None. It is compiled in place of its file in a process of its own;
the file on the disk stays as it is. The tests that run its line are run, the quickest first, until
one fails: they are known from one run of all of them under coverage.py, which --lines keeps.
Killed: a test fails, or none ends in time. The survivors are listed: each is a test that is
missing, or a change that is no change (`<` for `<=` where both sides never meet).

Needs coverage.py beside the `dev` extra. Not here: named faults (planted_faults.py).
"""

from __future__ import annotations

import argparse
import ast
import copy
import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
AREAS = {
    "timing": "timing/*.py", "serving": "serving/*.py", "model/blocks": "model/blocks/*.py",
    "checks/grade": "checks/grade.py",
}  # fmt: skip
"""Files of src/vperf."""
TESTS = (
    "tests/timing", "tests/serving", "tests/model", "tests/checks", "tests/explore",
    "tests/test_estimate.py", "tests/test_measured_points.py", "tests/test_offload_points.py",
)  # fmt: skip
"""Tests of what is computed; the recorded screens notice every change and say nothing."""
_CPU_S, _LONGER, _LATE_S = 30, 4, 1800
"""Of the processor: so long, and so many times what its tests take, before a mutant hangs."""
_SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.FloorDiv,), ast.Pow: (ast.Mult,),
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "ceil": "floor", "floor": "ceil"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed expression."""

    area: str
    file: str
    line: int
    end: int
    """Its last line."""
    before: str
    after: str
    place: int
    """Which of its file's; -1: none, its file as it is."""


def _changes(node: Any) -> Iterator[ast.AST]:
    """What an expression may become."""
    match node:
        case ast.BinOp() | ast.BoolOp() | ast.AugAssign():
            yield from (_with(node, op=kind()) for kind in _SWAPS.get(type(node.op), ()))
        case ast.Compare(ops=[only]):
            yield from (_with(node, ops=[kind()]) for kind in _SWAPS.get(type(only), ()))
        case ast.Constant(value=bool() as value):
            yield _with(node, value=not value)
        case ast.Constant(value=int() as value):
            yield from (_with(node, value=each) for each in {value + 1, 2 * value} - {value})
        case ast.Constant(value=float() as value):
            yield _with(node, value=1.1 * value)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.IfExp():
            yield _with(node, body=node.orelse, orelse=node.body)
        case ast.Name(id=name) if name in _NAMES:
            yield _with(node, id=_NAMES[name])
        case ast.Attribute(attr=name) if name in _NAMES:
            yield _with(node, attr=_NAMES[name])
        case ast.Return(value=ast.expr()):
            yield _with(node, value=ast.Constant(None))


def _with(node: ast.AST, **changes: Any) -> ast.AST:
    changed = copy.copy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


_SKIPPED = ("annotation", "returns", "decorator_list", "type_params", "bases")
"""Parts of a tree that compute nothing."""


def _places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every expression: its parent, the field, the place in it, itself."""
    for field, value in ast.iter_fields(node):
        if field in _SKIPPED or isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
            continue
        for number, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST):
                yield node, field, number if isinstance(value, list) else None, child
                yield from _places(child)


def mutations(text: str) -> Iterator[tuple[ast.Module, ast.AST, str, str]]:
    """Every mutant of a file: its tree, the node, and the expression before and after.

    The tree is the same each time, put back when the next is asked for.
    """
    tree = ast.parse(text)
    for parent, field, number, node in list(_places(tree)):
        for changed in _changes(node):
            before, after = ast.unparse(node), ast.unparse(changed)
            if before == after:
                continue
            _put(parent, field, number, changed)
            yield tree, node, before, after
            _put(parent, field, number, node)


def _put(parent: ast.AST, field: str, number: int | None, node: ast.AST) -> None:
    if number is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[number] = node


def every(only: str) -> Iterator[Mutant]:
    """All mutants of the areas."""
    for area, pattern in AREAS.items():
        if only not in area:
            continue
        for path in sorted((ROOT / "src/vperf").glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            for place, (_, node, before, after) in enumerate(mutations(path.read_text("utf-8"))):
                line, end = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
                yield Mutant(area, name, line, end, before[:100], after[:100], place)


def sample(count: int, seed: int, only: str) -> list[Mutant]:
    """So many of them, each as likely."""
    found = list(every(only))
    return random.Random(seed).sample(found, min(count, len(found)))


def survivors_of(report: Path) -> list[Mutant]:
    """Those that an earlier run listed, where the same change is still to be made."""
    rows = [row for row in json.loads(report.read_text("utf-8")) if row["survives"]]
    found = []
    here = list(every(""))
    for row in rows:
        same = [m for m in here if (m.file, m.before, m.after)
                == (row["file"], row["before"], row["after"])]  # fmt: skip
        found += sorted(same, key=lambda m: abs(m.line - row["line"]))[:1]
    return found


class Lines:
    """Which tests run which lines of the areas, and how long each of them takes."""

    def __init__(self, runs: Mapping[str, Mapping[str, Sequence[str]]], took: Mapping[str, float]):
        self.runs, self.took = runs, took

    @classmethod
    def found(cls, kept: Path) -> Lines:
        """From a file, or by a run of all tests, which then makes it."""
        if not kept.exists():
            command = (sys.executable, __file__, "0", "--trace", str(kept))
            subprocess.run(command, cwd=ROOT, check=True)
        told = json.loads(kept.read_text("utf-8"))
        return cls(told["runs"], told["took"])

    def tests(self, mutant: Mutant, most_s: float) -> list[str]:
        """Those that run a line of it, and where it runs on import, those that run any of its file:
        the quickest first, of all of them together so many seconds."""
        of_file = self.runs.get(mutant.file, {})
        lines = [of_file.get(str(line), []) for line in range(mutant.line, mutant.end + 1)]
        found = {test for each in lines for test in each} or {
            test for each in of_file.values() for test in each
        }
        ordered = sorted(found, key=lambda test: (self.took.get(test, 0.0), test))
        until = itertools.accumulate(self.took.get(test, 0.0) for test in ordered)
        return [test for test, spent in zip(ordered, until, strict=True) if spent <= most_s]


def trace(kept: Path) -> int:
    """Run all tests under coverage.py and write down what `Lines` reads."""
    import coverage  # noqa: PLC0415  (of no extra)

    took: Counter[str] = Counter()
    tracer = coverage.Coverage(
        data_file=None, include=[str(ROOT / "src/vperf" / each) for each in AREAS.values()],
        config_file=False,
    )  # fmt: skip

    class Contexts:
        """Each test, whatever its parameters, is a context."""

        @staticmethod
        def pytest_runtest_logstart(nodeid: str) -> None:
            tracer.switch_context(nodeid.partition("[")[0])

        @staticmethod
        def pytest_runtest_logreport(report: Any) -> None:
            took[report.nodeid.partition("[")[0]] += report.duration

    import pytest  # noqa: PLC0415

    _settle()
    tracer.start()
    ended = pytest.main([*TESTS, *_QUIETLY], plugins=[Contexts()])
    tracer.stop()
    data = tracer.get_data()
    runs = {
        Path(file).relative_to(ROOT).as_posix(): {
            line: [test for test in tests if test]
            for line, tests in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    kept.write_text(json.dumps({"runs": runs, "took": took}), encoding="utf-8")
    return int(ended)


_QUIETLY = ("-n", "0", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed", "0",
            "-W", "ignore::pytest.PytestAssertRewriteWarning",
            "-W", "ignore::coverage.exceptions.CoverageWarning")  # fmt: skip


def _settle() -> None:
    """The same examples in every run, no network."""
    import hypothesis  # noqa: PLC0415

    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", phases=phases, database=None, deadline=None)
    hypothesis.settings.load_profile("mutants")
    os.environ["HF_HUB_OFFLINE"] = "1"


def survives(mutant: Mutant, lines: Lines, most_s: float) -> bool:
    """Whether the tests of its lines pass in a process where it is compiled in."""
    tests = lines.tests(mutant, most_s)
    if not tests:
        return True
    child = os.fork()
    if not child:
        most = _CPU_S + round(_LONGER * sum(lines.took.get(test, 0.0) for test in tests))
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))
        os._exit(_run(mutant, tests))
    until = time.monotonic() + _LATE_S
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run(mutant: Mutant, tests: Sequence[str]) -> int:
    """pytest's exit code, with the mutant in its file's place."""
    import pytest  # noqa: PLC0415

    path = ROOT / mutant.file
    text = path.read_text("utf-8")
    every = enumerate(mutations(text))
    tree = next((tree for at, (tree, *_) in every if at == mutant.place), ast.parse(text))
    code = compile(ast.fix_missing_locations(tree), str(path), "exec")
    original = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> Any:
        return code if self.path == str(path) else original(self, fullname)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]
    _settle()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    return int(pytest.main([*tests, *_QUIETLY]))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; prints a line for each survivor and one of the sum."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600.0, help="no mutant is begun later")
    parser.add_argument("--each", type=float, default=20.0, help="seconds of tests for a mutant")
    parser.add_argument("--only", default="", help=f"an area: {', '.join(AREAS)}")
    parser.add_argument("--again", type=Path, help="an earlier report: its survivors alone")
    parser.add_argument(
        "--report", type=Path, help="a JSON file of every mutant's end, which a later run goes on"
    )
    parser.add_argument("--lines", type=Path, help="a JSON file of which tests run which lines")
    parser.add_argument("--trace", type=Path, help="make such a file, and no more")
    asked = parser.parse_args(arguments)
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    if asked.trace:
        return trace(asked.trace)
    with tempfile.TemporaryDirectory() as folder:
        lines = Lines.found(asked.lines or Path(folder) / "lines.json")
    import hypothesis  # noqa: F401, PLC0415  (before the forks, which share it)
    import pydantic  # noqa: F401, PLC0415
    import pytest  # noqa: F401, PLC0415
    import typer  # noqa: F401, PLC0415

    began, ends = time.monotonic(), list[tuple[Mutant, bool]]()
    if asked.report and asked.report.exists():
        rows = json.loads(asked.report.read_text("utf-8"))
        ends = [(Mutant(**row), lives) for row in rows for lives in (row.pop("survives"),)]
    chosen = (
        survivors_of(asked.again) if asked.again else sample(asked.count, asked.seed, asked.only)
    )
    known = {mutant for mutant, _ in ends}
    for mutant in (each for each in chosen if each not in known):
        if time.monotonic() - began > asked.seconds:
            break
        ends.append((mutant, survives(mutant, lines, asked.each)))
        if ends[-1][1]:
            print(f"{mutant.file}:{mutant.line}: {mutant.before}  ->  {mutant.after}", flush=True)
        if asked.report:
            rows = [{**asdict(each), "survives": lives} for each, lives in ends]
            asked.report.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    areas = Counter(mutant.area for mutant, _ in ends)
    left = Counter(mutant.area for mutant, lives in ends if lives)
    each = ", ".join(f"{area} {left[area]} of {count}" for area, count in areas.items())
    print(
        f"mutants: {left.total()} of {len(ends)} survive, seed {asked.seed}, "
        f"{time.monotonic() - began:.0f} s ({each})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
