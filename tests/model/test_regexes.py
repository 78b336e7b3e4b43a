"""Patterns of strangers end in time, and those that checkpoints and commands hold are tried."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vperf.model.quantization.regexes import is_costly


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "((.*))*x$", "((.+))+x$", "(a|aa)+$", "(?:a?){30}a{30}", "(.+)+x$", "(a*){2,}b",
     "((a|b)*)+", "(?P<n>a+)*b", ".*.*.*.*x", "a?" * 30 + "a" * 30, "[^b]*[^c]*[^d]*[^e]*!",
     "(.*){8}x", "x" * 2001, "(" * 40 + ".*" * 4],
)  # fmt: skip
def test_what_may_take_time_without_end_is_told(pattern: str) -> None:
    assert is_costly(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r".*\.layers\.(0|1)\..*", r".*mlp\.(gate|up|gate_up|down)_proj.*", "exps", r"blk\.\d+\.ffn_.*",
     r"blk\.(?:[0-9]|[1-3][0-9])\.ffn_(up|down|gate)_(ch|)exps", r"\.ffn_(up|gate)_exps\.weight$",
     r"(attn.*|ffn_norm.*|output.*|token_embd.*|blk\.0\..*)", r"model\.layers\.\d{1,3}\.mlp",
     r"(?:language_)?model\.layers\.[0-9]+\..*_proj", r"[(+*]", r"\(a+\)+"],
)  # fmt: skip
def test_what_checkpoints_and_commands_hold_is_tried(pattern: str) -> None:
    assert not is_costly(pattern)


NAME = "blk.60.ffn_gate_exps.weight" * 2


@given(st.lists(st.sampled_from(["(", ")", "|", "*", "+", "?", ".", "a", "[^x]", "{2,}", "\\w"]),
                max_size=16).map("".join))  # fmt: skip
def test_what_is_tried_ends(pattern: str) -> None:
    """Within what three repeats over a name of 54 letters may take: this test does not hang."""
    if not is_costly(pattern):
        try:
            found = re.compile(f"(?:{pattern})!$")
        except re.error:
            return
        assert found.search(NAME) is None
