"""What people paste, as the tool printed it: without terminal codes, HTML and prefixes of logs.

docker compose, kubectl, journald, Ray, srun and Python's logging put something before every line;
browsers and terminals change spaces, rules and the sign for "plus or minus". Markdown is taken off
later (document.py), since JSON may stand in it. Not here: records in the text (document.py).
"""

from __future__ import annotations

import html
import re

_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>])|\x08")
"""Colours and movements of a terminal that `script` or a pager left in the text."""
_PLUS_MINUS = re.compile("Â±|┬▒|\u0412±|ï¿½|\ufffd(?= ?\\d)")
"""The sign as one byte of a code page makes it of two."""
_SIGNS = str.maketrans(
    dict.fromkeys("\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
                  "\u202f\u205f\u3000", " ")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", "")
    | dict(zip("\uff1a\uff0c\uff08\uff09\uff1d", ":,()=", strict=True))
    | dict.fromkeys("│┃║╎┆┊\uff5c", "|")
    | dict.fromkeys("─━═╌┄┈", "-")
    | dict.fromkeys("┌┬┐├┼┤└┴┘┏┳┓┡╇┩┣╋┫┗┻┛╔╦╗╠╬╣╚╩╝╭╮╰╯╞╪╡╒╤╕╘╧╛┠┨┯┷┿╂", "+")
)  # fmt: skip
_SIGN = re.compile(f"[{''.join(re.escape(chr(sign)) for sign in _SIGNS)}]")
_TAG = re.compile(
    r"<(/?)(pre|code|details|summary|br|p|div|span|table|thead|tbody|tr|t[dh]|b|strong|em|i|li|ul"
    r"|ol|a|sub|sup|h\d)\b[^<>\n]{0,300}>",
    re.IGNORECASE,
)
_BAR = re.compile(r"(\d/\d{1,9} \[\d[^\]\n]{4,80}\])(?=\S)")
"""A bar of progress that ended without a line's end."""
_BETWEEN_ROWS = re.compile(r"\|[ \t]*\n\s*\n")
_ENDS_A_LINE = frozenset({"pre", "code", "details", "summary", "br", "p", "div", "tr", "li"})

_TIME = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_LEVEL = r"(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR)"
_PREFIX = re.compile(
    r"^(?:[ \t]{0,40}(?:"
    r"\[(?:pod|job|deployment)/[^\]\s]+\]"  # kubectl logs --prefix
    rf"|\[{_TIME}(?: \w+)*\]|{_TIME}(?=\s)"  # docker -t, SGLang
    rf"|{_LEVEL} \d\d-\d\d \d\d:\d\d:\d\d (?:\[[\w./]+:\d+\]|[\w./]+:\d+\])"  # vLLM
    rf"|-[ \t]{{1,4}}[\w.]{{1,80}}[ \t]{{1,4}}-[ \t]{{1,4}}{_LEVEL}[ \t]{{0,4}}[-:]"
    rf"|[-|]?[ \t]{{0,4}}\[?{_LEVEL}\]?[ \t]{{0,4}}(?:[-|:]|(?=\s))"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]+ [\w./@-]+(?:\[\d+\])?:"  # journald
    r"|\([\w ]{0,40}pid=\d+[^)\n]{0,80}\)"  # vLLM, Ray
    r"|\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\](?: \[[\w-]+\])*"  # TensorRT-LLM
    r"|[IWE]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.]+:\d+\]"
    r"|\[rank:?\d+\]:?"
    r"))+[ \t]?",
    re.MULTILINE,
)  # fmt: skip
_NESTED = re.compile(
    r"^[ \t]*\|[ \t]\|[ \t](?:(\|.*\|)|([A-Za-z].*?)|)[ \t]*\|[ \t]\|[ \t]*$", re.MULTILINE
)
"""Boxes that are drawn around a box (guidellm 0.1)."""
_SAME = re.compile(r"(?:[\w.-]+[-_]\d+ {2,}\||\d{1,4}:) ")
"""docker compose ("server-1  | ") and srun -l ("0: "), where line after line has it."""
_RUN = 3
"""Lines in a row from which a prefix that may also be text is one."""


def as_printed(text: str) -> str:
    """The text without what terminals, logs and web pages put into it.

    Of a log of many megabytes, its ends: there stand command and summary.
    """
    if len(text) <= 2 * _END:
        return _cleaned(text)
    first, last = text.find("\n", _END) + 1, text.rfind("\n", 0, len(text) - _END) + 1
    if not 0 < first < last:
        return text
    return _cleaned(text[:first]) + text[first:last] + _cleaned(text[last:])


_END = 4 << 20


def _cleaned(text: str) -> str:
    if "\x1b" in text or "\b" in text:
        text = _TERMINAL.sub("", text)
    text = _BAR.sub("\\1\n", text.replace("\r", "\n"))
    if not text.isascii():
        text = _PLUS_MINUS.sub("±", text)
        text = _SIGN.sub(lambda match: _SIGNS[ord(match[0])], text)
    if "<" in text:
        text = _BETWEEN_ROWS.sub("|\n", _TAG.sub(_without_tag, text))
    if "&" in text:
        text = html.unescape(text)
    text = _NESTED.sub(lambda inner: inner[1] or inner[2] or "", text)
    return _without_runs(_PREFIX.sub("", text))


def _without_tag(match: re.Match[str]) -> str:
    """A cell of an HTML table ends in a pipe, a row and a block in a line's end."""
    closes, name = bool(match[1]), match[2].lower()
    if closes and name in ("td", "th"):
        return " | "
    return "\n" if name in _ENDS_A_LINE and (closes or name in ("br", "pre")) else ""


def _without_runs(text: str) -> str:
    lines = text.split("\n")
    start, found = 0, ""
    for number, line in enumerate([*lines, ""]):
        match = _SAME.match(line)
        prefix = match[0] if match else ""
        if prefix != found:
            if found and number - start >= _RUN:
                lines[start:number] = [each[len(found) :] for each in lines[start:number]]
            start, found = number, prefix
    return "\n".join(lines)
