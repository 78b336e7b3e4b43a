"""A sentence names its options; the end that speaks chooses how they are spelled."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.source import Nodes, modules
from vperf.errors import InputError
from vperf.notes import Note
from vperf.spelling import flag, spelled

ENDS = ("cli", "report", "measure", "checks/live", "scenario.py", "spelling.py")
"""Speak to a terminal alone, or declare the options."""

OTHERS = {
    "notes.py": 1,  # what a measured server waited for
    "checks/baseline.py": 1,  # a command
    "checks/calibrate.py": 1,  # the head of a file
    "checks/importers/engine_log.py": 1,  # the server's
    "checks/importers/trtllm_bench.py": 1,
    "checks/host_memory.py": 1,
    "checks/looks.py": 4,
    "checks/prose.py": 1,  # a pattern of what people write
    "checks/thresholds.py": 1,  # made of a metric's name
    "sources/catalog.py": 1,
    "sources/local_gpu.py": 12,
}
"""Module -> options of foreign programs, and of whole commands, in its sentences."""


def sentences(nodes: Nodes) -> Iterator[str]:
    """String constants that are no docstrings."""
    documents = {
        id(node.value)
        for node in nodes
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in nodes:
        if isinstance(node, ast.Constant) and id(node) not in documents:
            yield str(node.value)


def test_sentences_below_the_ends_name_their_options() -> None:
    found = {}
    for name, nodes in modules().items():
        if not any(name == end or name.startswith(f"{end}/") for end in ENDS):
            found[name] = sum(bool(re.search(r"(?<![\w-])--[a-z]", s)) for s in sentences(nodes))
    assert {name: count for name, count in found.items() if count} == OTHERS


def test_an_option_is_a_flag_unless_the_end_spells_it_otherwise() -> None:
    assert flag("max_num_seqs") == "--max-num-seqs"
    with spelled(lambda name: name):
        error = InputError(f"needs {flag('max_num_seqs')}")
        note = Note("host_memory", size="64 GB")
    assert str(error) == "needs max_num_seqs"
    assert note == "the host has 64 GB of memory (host_memory says otherwise)"
    assert Note("host_memory", size="64 GB") == note.replace("(host_", "(--host-")
