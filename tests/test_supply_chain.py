"""What vperf runs and asks for: no code of others, no network at import, PyTorch in one place."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.source import Nodes, modules, nodes

ROOT = Path(__file__).parents[1]
_RUNS_TEXT = {"eval", "exec", "compile", "__import__", "system", "popen", "spawnl", "spawnv"}
_READS_OBJECTS = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "code"}

_OWN = {"values.py": {"exec"}}
"""Methods of a value, made of the names of its fields, as the standard library's dataclasses."""


def _calls(nodes: Nodes) -> Iterator[tuple[str, ast.Call]]:
    """Calls by name, of a module's attribute too; not of methods such as re.compile."""
    for node in nodes:
        if isinstance(node, ast.Call):
            of = node.func
            if isinstance(of, ast.Name):
                yield of.id, node
            elif (
                isinstance(of, ast.Attribute)
                and isinstance(of.value, ast.Name)
                and of.value.id in {"os", "builtins", "subprocess"}
            ):
                yield of.attr, node


def _imports(nodes: Nodes) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_no_text_is_run_and_no_object_is_unpickled() -> None:
    beside = {path.name: nodes(path.read_text("utf-8")) for path in (ROOT / "src").glob("*.py")}
    for file, found in {**modules(), **beside}.items():
        for name, call in _calls(found):
            assert name not in _RUNS_TEXT - _OWN.get(file, set()), f"{file}:{call.lineno}"
            words = {word.arg for word in call.keywords}
            assert not words & {"shell", "trust_remote_code"}, f"{file}:{call.lineno}"
        imported = set(_imports(found))
        assert not imported & _READS_OBJECTS, file
        if not file.startswith("measure/"):
            assert not imported & {"torch", "triton", "pynvml"} - _OF_THE_DRIVER.get(file, set()), (
                file
            )


_OF_THE_DRIVER = {"sources/local_gpu.py": {"pynvml"}}
"""NVML, which --gpu local asks."""


def test_nothing_is_asked_of_the_network_when_all_of_vperf_is_imported() -> None:
    code = """
import socket, sys, pkgutil, importlib
def refuse(*_, **__):
    raise SystemExit("a socket was opened at import")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import vperf
early = {"torch", "huggingface_hub", "pydantic", "rich", "typer", "matplotlib", "mcp"}
assert not early & set(sys.modules), early & set(sys.modules)
for module in pkgutil.walk_packages(vperf.__path__, "vperf."):
    if module.name not in {"vperf.__main__"}:
        importlib.import_module(module.name)
assert not {"torch", "huggingface_hub", "matplotlib"} & set(sys.modules)
"""
    ran = subprocess.run(
        (sys.executable, "-W", "error", "-c", code), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_every_dependency_has_a_lower_bound_and_no_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    for dependency in (*project["dependencies"], *extras):
        assert re.fullmatch(r"[\w-]+(>=[\d.]+|\[[\w,]+\])", dependency), dependency
