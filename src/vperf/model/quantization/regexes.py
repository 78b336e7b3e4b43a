"""Whether a stranger's regular expression may be tried: Python's may take time without end.

Repeats within repeats, as (a+)+ and (a|b)*, may take exponential time to fail, repeats of any
letter one after another a high power of the name's length. Neither checkpoints nor launch commands
need them. Not here: what a pattern is matched with (names.py, sources/tensor_places.py).
"""

from __future__ import annotations

import re

MAX_LETTERS = 2000
_WIDE, _ALL = 3, 8
"""Repeats one after another, of any letter and of all kinds: three of them in a name of 60 letters
are 40,000 tries."""
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:[aiLmsux-]+:|[:=!>]|<[=!]|P<\w+>)|\{\d*,?\d*\}|.",
    re.DOTALL,
)
_ANY_LETTER = frozenset({".", "\\w", "\\W", "\\S", "\\D"})


class _Group:
    """What stands between parentheses: repeats of any letter and of all kinds in the branch that is
    read and in the worst one, and whether a text can be matched by it in several ways."""

    __slots__ = ("most", "repeats", "varies", "wide")

    def __init__(self) -> None:
        self.wide = self.repeats = 0
        self.most = (0, 0)
        self.varies = False

    def end_branch(self) -> None:
        """What was counted is that of one branch."""
        self.most = max(self.most[0], self.wide), max(self.most[1], self.repeats)
        self.wide = self.repeats = 0


def is_costly(text: str) -> bool:
    """Whether a pattern is too long, or may take exponential time or a high power to fail."""
    if len(text) > MAX_LETTERS:
        return True
    groups, wide, varies = [_Group()], False, False  # of the last atom: any letter; many ways
    for match in _TOKEN.finditer(text):
        token, group = match[0], groups[-1]
        if token[0] == "(":
            groups.append(_Group())
        elif token == "|":
            group.end_branch()
            group.varies = True
        elif token == ")" and len(groups) > 1:
            groups.pop().end_branch()
            groups[-1].wide += group.most[0]
            groups[-1].repeats += group.most[1]
            groups[-1].varies |= group.varies
            wide, varies = False, group.varies
        elif token in {"*", "+", "?"} or (token[0] == "{" and len(token) > 1):
            if varies and token != "?":
                return True
            group.wide += wide
            group.repeats += 1
            group.varies = True
        else:
            wide, varies = token in _ANY_LETTER or token[:2] == "[^", False
    for group in groups:
        group.end_branch()
    return sum(g.most[0] for g in groups) > _WIDE or sum(g.most[1] for g in groups) > _ALL
