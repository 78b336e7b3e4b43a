"""Do tests notice when a line computes something else? A seeded sample of mutants, one at a time.

    python benchmarks/mutants.py 300 --seed 1 [--seconds 1800] [--only timing] [--report FILE]

A mutant is one expression changed: an operator, a comparison, a number, min for max, a condition
turned round, a value returned as None. It is compiled in place of its file in a process of its own,
with the tests of its folder and -x; the file on the disk stays as it is. Killed: a test fails, or
none ends in time. The survivors are listed: each is a test that is missing, or a change that is no
change (`<` for `<=` where both sides never meet). Not here: named faults (planted_faults.py).
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
AREAS = {
    "timing": ("timing/*.py", ("tests/timing", "tests/test_estimate.py")),
    "serving": ("serving/*.py", ("tests/serving", "tests/test_estimate.py")),
    "model/blocks": ("model/blocks/*.py", ("tests/model/blocks", "tests/timing/test_compiled.py",
                                            "tests/model/test_laws.py")),
    "checks/grade": ("checks/grade.py", ("tests/checks/test_grade.py", "tests/cli/test_check.py")),
}  # fmt: skip
"""Files of src/vperf, and the tests that mean them."""
_CPU_S, _LATE_S = 90, 900
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


def mutations(text: str) -> Iterator[tuple[ast.Module, int, str, str]]:
    """Every mutant of a file: its tree, line, and the expression before and after.

    The tree is the same each time, put back when the next is asked for.
    """
    tree = ast.parse(text)
    for parent, field, number, node in list(_places(tree)):
        for changed in _changes(node):
            before, after = ast.unparse(node), ast.unparse(changed)
            if before == after:
                continue
            _put(parent, field, number, changed)
            yield tree, getattr(node, "lineno", 0), before, after
            _put(parent, field, number, node)


def _put(parent: ast.AST, field: str, number: int | None, node: ast.AST) -> None:
    if number is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[number] = node


def every(only: str) -> Iterator[Mutant]:
    """All mutants of the areas."""
    for area, (pattern, _) in AREAS.items():
        if only not in area:
            continue
        for path in sorted((ROOT / "src/vperf").glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            for place, (_, line, before, after) in enumerate(mutations(path.read_text("utf-8"))):
                yield Mutant(area, name, line, before[:100], after[:100], place)


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


def survives(mutant: Mutant) -> bool:
    """Whether the tests of its area pass in a process where it is compiled in."""
    child = os.fork()
    if not child:
        os._exit(_run(mutant))
    until = time.monotonic() + _LATE_S
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run(mutant: Mutant) -> int:
    """pytest's exit code, with the mutant in its file's place."""
    import hypothesis  # noqa: PLC0415
    import pytest  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    path = ROOT / mutant.file
    text = path.read_text("utf-8")
    every = enumerate(mutations(text))
    tree = next((tree for at, (tree, *_) in every if at == mutant.place), ast.parse(text))
    code = compile(ast.fix_missing_locations(tree), str(path), "exec")
    original = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> Any:
        return code if self.path == str(path) else original(self, fullname)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", phases=phases, database=None, deadline=None)
    hypothesis.settings.load_profile("mutants")
    os.environ["HF_HUB_OFFLINE"] = "1"
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    tests = AREAS[mutant.area][1]
    near = sorted((ROOT / "tests").rglob(f"test_{path.stem}.py"))
    first = [
        str(file.relative_to(ROOT))
        for file in near
        if any(str(file).startswith(str(ROOT / t)) for t in tests)
    ]
    return int(pytest.main([*first, *tests, "-n", "0", "-x", "-q", "-p", "no:cacheprovider",
                            "--hypothesis-seed", "0",
                            "-W", "ignore::pytest.PytestAssertRewriteWarning"]))  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; prints a line for each survivor and one of the sum."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600.0, help="no mutant is begun later")
    parser.add_argument("--only", default="", help=f"an area: {', '.join(AREAS)}")
    parser.add_argument("--again", type=Path, help="an earlier report: its survivors alone")
    parser.add_argument("--report", type=Path, help="a JSON file of every mutant and its end")
    asked = parser.parse_args(arguments)
    import hypothesis  # noqa: F401, PLC0415  (before the forks, which share it)
    import pydantic  # noqa: F401, PLC0415
    import pytest  # noqa: F401, PLC0415
    import typer  # noqa: F401, PLC0415

    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    sound = set[str]()
    for area, (pattern, tests) in AREAS.items():
        path = next((ROOT / "src/vperf").glob(pattern))
        unchanged = Mutant(area, path.relative_to(ROOT).as_posix(), 0, "", "", -1)
        if asked.only in area and survives(unchanged):
            sound.add(area)
        elif asked.only in area:
            print(f"{area} is left out: {' '.join(tests)} fail without any mutant", flush=True)
    began, ends = time.monotonic(), list[tuple[Mutant, bool]]()
    chosen = (
        survivors_of(asked.again) if asked.again else sample(asked.count, asked.seed, asked.only)
    )
    for mutant in (each for each in chosen if each.area in sound):
        if time.monotonic() - began > asked.seconds:
            break
        ends.append((mutant, survives(mutant)))
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
