"""A string may be shown, or looked up whole; it is never searched.

What decides something is a fact of its own: an op's split, a link's `adds`, a note's kind. Readers
of foreign text search it, because nothing else is given. Held by the syntax tree of every module.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from tests.source import Nodes, modules, nodes

READERS = (
    "sources", "cli", "checks/importers", "model/quantization", "model/gguf", "model/checkpoint.py",
    "model/families", "model/heads.py", "model/keys.py", "model/text_model.py", "units.py",
    "files.py", "measure/torch_backend.py", "checks/prose.py", "checks/live",
    "measure/torch_kernels.py", "checks/card_named.py", "model/class_defaults.py",
)  # fmt: skip
"""Read what others wrote: files, checkpoints, configs, options, results, servers, prose."""

STAYS = {
    "checks/config.py": 2,  # a path or a name, as typed into vperf.toml
    "checks/unsaid_setup.py": 1,  # names of models in foreign results
    "explore/axis.py": 4,  # ranges as typed
    "formats.py": 1,  # bits a weight, as typed
    "hardware/gpu.py": 2,  # the one place where the end of a constant's name gives its unit
    "hardware/commands.py": 1,  # values in the templates of an engine's file
    "model/vision/native.py": 1,  # model types of towers, in configs
    "resolve/card.py": 1,  # counts and cards, as typed
    "report/chart_file.py": 1,  # matplotlib's SVG
    "report/format.py": 1,  # layout
    "report/markdown.py": 2,  # layout
    "report/screen.py": 2,  # layout
    "serving/encoding.py": 3,  # sizes and times of media, as typed
    "report/to_csv.py": 1,  # what a spreadsheet takes for a formula
}
"""Module -> searches of what was typed, of foreign text, or of text as layout."""

_SEARCHES = {"startswith", "endswith"}
_NAMES = {"name", "id", "vendor", "message", "sentence", "architecture", "link"}


def searches(nodes: Nodes) -> Iterator[ast.AST]:
    """Prefixes, suffixes, regular expressions, and parts of what is called a name."""
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = node.func.value
            if node.func.attr in _SEARCHES or (isinstance(of, ast.Name) and of.id == "re"):
                yield node
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            right = node.comparators[0]
            called = right.attr if isinstance(right, ast.Attribute) else getattr(right, "id", "")
            if called in _NAMES:
                yield node


def found() -> Counter[str]:
    """Searches by module, outside the readers of foreign text."""
    counts: Counter[str] = Counter()
    for name, of in modules().items():
        if not any(name == reader or name.startswith(f"{reader}/") for reader in READERS):
            counts[name] += sum(1 for _ in searches(of))
    return +counts


def test_no_name_and_no_sentence_is_searched_but_by_readers_of_foreign_text() -> None:
    assert found() == Counter(STAYS)


def test_a_search_is_seen() -> None:
    code = """
op.name.startswith("o_proj")
re.search("domain", gpu.link.name)
"memory" in note.message
"fp8" in peaks
"""
    assert len(list(searches(nodes(code)))) == 3
