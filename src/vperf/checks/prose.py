"""A result as people tell it: "Qwen3-32B AWQ on 2x3090, vLLM, 38 tok/s at 8k", by rules.

Each rule takes the words that it understands out of the sentence; what is left with a figure in it
is said not to be understood. Nothing is guessed: a model or a card that could be several is none.
Not here: what tools print (importers/).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from vperf.checks.card_named import find_card
from vperf.checks.importers.labelled import ANSWER
from vperf.checks.importers.surroundings import command_lines, filled, options_in, setup_of
from vperf.checks.result import IN_WORDS, TYPED, Result, Setup
from vperf.errors import InputError, VperfError
from vperf.formats import MIXES
from vperf.sources.gpus import load_gpu
from vperf.sources.model_named import USUAL_GGUF, find_model
from vperf.sources.weight_names import weight_name
from vperf.spelling import flag

_NUMBER = r"(?<!\d)(\d+(?:,\d{3})*(?:\.\d+)?(?:[ ]?[kK](?![a-zA-Z]))?)"
_COUNT = r"(?<!\d)(\d+(?:,\d{3})*(?:\.\d+)?[ ]?[kK]?)"
_RATE = r"(?:tok(?:en)?s?|t|tk)[ ]?(?:/[ ]?s(?:ec(?:ond)?)?|per second|ps|p/s)\b|tps\b|tks\b"
_SPREAD = r"(?:[ ]?(?:\u00b1|\+/?-)[ ]?[\d.,]*\d)?"
"""Of repeated runs, behind their mean."""
_FROM_TO = re.compile(
    rf"(\d+(?:\.\d+)?)[ ]?(?:-|\u2013|\u2014|to)[ ]?(\d+(?:\.\d+)?)(?=[ ]?(?:{_RATE}))",
    re.IGNORECASE,
)
_TIME = rf"{_NUMBER}[ ]?(ms|milliseconds?|s|sec(?:onds?)?|us|µs)\b"
_SECONDS = {"m": 1e-3, "s": 1.0, "u": 1e-6, "µ": 1e-6}
_ENGINES = (
    (r"vllm", "vllm"), (r"sg[- ]?lang", "sglang"), (r"k[- ]?transformers", "ktransformers"),
    (r"ik[_-]llama(?:\.cpp)?", "ik_llama.cpp"),
    (r"t(?:ensor)?rt[- ]?llm|tensorrt", "trtllm"),
    (r"llama\.?[- ]?cpp|llama-server|llama-bench|ollama|lm[- ]?studio|koboldcpp|llamafile|jan\.ai",
     "llama.cpp"),
    (r"mlx(?:[-_ ]lm)?", "mlx"), (r"transformers", "transformers"),
)  # fmt: skip
_HOST_MEMORY = r"\b\d+ ?gb? (?:of )?(?:system )?ram\b|\bddr[345]\b|\boffload"
"""What is named where a model does not fit its card: llama.cpp, most often."""
_FORMAT = (
    r"(?<![\w.-])(?:in )?((?:ud[-_])?i?q\d(?:_[\w]+)?|fp8(?:[- ]dynamic)?|nvfp4|mxfp[48]"
    r"|awq(?:[- ](?:4bit|int4))?|gptq(?:[- ]int[48])?|w[48]a(?:16|8)|int[48]|bf16|fp16|f16"
    r"|[34568][- ]?bit|\d\.\d+ ?bpw|nf4)"
    r"(?![\w-])"
)
_WORDS_OF_COUNT = {"two": 2, "dual": 2, "a pair of": 2, "three": 3, "four": 4, "quad": 4, "six": 6,
                   "eight": 8, "single": 1, "one": 1, "an": 1, "a": 1}  # fmt: skip
_STOPS = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "get", "i", "in", "is", "my", "of", "on",
     "only", "running", "the", "to", "using", "with")
)  # fmt: skip
"""Words that no name of a model has."""
_LONGEST = 2000
"""Characters: every run of words is looked up as a card and as a model."""
_MAX_WORDS = 6
"""Words that a name of a card or a model has at most."""


_DEEPSEEK = re.compile(r"(?<![\w-])(R1|V3(?:\.[12])?)(?:[ -]671B)(?![\w-])", re.IGNORECASE)
"""The two that are called by their size."""


class _Sentence:
    """The text with what is understood taken out, and the words for it."""

    def __init__(self, text: str) -> None:
        self.text = " " + _DEEPSEEK.sub(r"DeepSeek-\1", text.strip()) + " "
        self.understood: list[str] = []
        self.left_out: list[str] = []
        self.text = _FROM_TO.sub(self._lower, self.text)

    def _lower(self, found: re.Match[str]) -> str:
        """The lower of "18-19 tok/s"; "10 to 40" is no one speed."""
        low, high = float(found[1]), float(found[2])
        if not 0.7 * high <= low < high:
            return found[0]
        self.understood.append(f"of {found[1]} to {found[2]}, the lower")
        return found[1]

    def find(self, pattern: str) -> re.Match[str] | None:
        """The first place where the pattern is."""
        return re.search(pattern, self.text, re.IGNORECASE)

    def take(self, pattern: str, mark: str = "") -> re.Match[str] | None:
        """The first place where the pattern is, blanked."""
        found = self.find(pattern)
        if found is not None:
            self.blank(found.start(), found.end(), mark)
        return found

    def blank(self, start: int, end: int, mark: str = "") -> None:
        """Leaves a comma, so that no rule reads across."""
        self.text = f"{self.text[:start]} , {mark}{self.text[end:]}"


def read_sentence(text: str) -> Result:
    """The result that a sentence tells. Its notes say what was understood.

    Raises InputError where it tells no measured figure.
    """
    if len(text) > _LONGEST:
        raise InputError(
            f"is longer than {_LONGEST:,} characters: the sentence with the figures is enough",
            source=flag("text"),
        )
    sentence = _Sentence(text)
    command = _command(sentence)
    setup = _load(sentence, Setup())
    alone = 1 if setup.request_rate is None else math.inf
    figures = _figures(sentence, users=setup.max_concurrency or setup.batch_size or alone)
    if not figures:
        raise InputError(
            "tells no measured figure", source=flag("text"),
            hint='as "38 tok/s", "TTFT 62 ms", "12 ms per token", "prompt 1,200 tok/s"',
        )  # fmt: skip
    doubtful = _doubtful(sentence, figures)
    setup = _lengths(sentence, setup)
    setup = _engine(sentence, setup)
    if setup.engine is None:
        setup = replace(setup, engine=command.engine)
    setup = filled(_names(sentence, setup), command)
    notes = [f"understood: {'; '.join(sentence.understood)}"]
    left = sentence.left_out + [
        part.strip() for part in re.split(r"[,;]|\s\.\s", sentence.text) if re.search(r"\d", part)
    ]
    warnings = [f"not understood, and left out: {', '.join(left)}"] if left else []
    return Result(
        TYPED, "", setup, notes=tuple(notes), warnings=tuple(warnings), doubtful=doubtful,
        **figures,  # type: ignore[arg-type]
    )  # fmt: skip


def read_words(text: str) -> tuple[Result, ...]:
    """The results that a short text tells: each line that has figures, beside what the others name;
    one where one line has, or a sentence goes over several. Empty where it tells none."""
    text = text.strip()
    if len(text) > _LONGEST or ANSWER.search(text):
        return ()
    lines = [line for line in text.splitlines() if line.strip()]
    if any(line.count("|") > 1 for line in lines):  # a table, of several things
        return ()
    with_figures = [n for n, line in enumerate(lines) if _tells(line)]
    if not with_figures:
        return ()
    parts = [" ".join(lines)]
    if len(with_figures) > 1:
        others = " ; ".join(line for n, line in enumerate(lines) if n not in with_figures)
        parts = [f"{lines[n]} ; {others}" for n in with_figures]
    found = []
    for part, number in zip(parts, with_figures, strict=False):
        with suppress(InputError):
            label = lines[number].strip(" -*:.")[:40] if len(parts) > 1 else ""
            found.append(replace(read_sentence(part), tool=IN_WORDS, label=label))
    return tuple(found)


def _tells(line: str) -> bool:
    sentence = _Sentence(line)
    return bool(_figures(sentence, users=1).keys() - {"latency_s"})


def _command(sentence: _Sentence) -> Setup:
    """What a command line in the text says, up to the end of its line, and loose options."""
    found, notes = Setup(), list[str]()
    options = options_in(sentence.text)
    if options:
        found = setup_of(options, notes)
        said = ", ".join(f"{name} {value}" for name, value in options.items() if " " not in name)
        sentence.understood.append(f"of the command: {said[:200]}")
        for line in command_lines(sentence.text):
            sentence.take(re.escape(line))
    for name, pattern in _LOOSE:
        if getattr(found, name) is None and (match := sentence.take(pattern)):
            value: Any = int(match[1]) if match.groups() else True
            found = replace(found, **{name: value})
            sentence.understood.append(match[0].strip())
    return found


_LOOSE = (
    ("n_cpu_moe", r"-{1,2}(?:n-cpu-moe|ncmoe)[ =]*(\d{1,3})\b"),
    ("cpu_moe", r"-{1,2}(?:cpu-moe|cmoe)\b"),
    ("n_gpu_layers", r"(?:-ngl|--n-gpu-layers|--gpu-layers)[ =]*(\d{1,2})\b(?<!99)"),
)
"""Options that people name without the command."""


def _doubtful(sentence: _Sentence, figures: Mapping[str, float]) -> tuple[str, ...]:
    """TTFT, where the length said is a window's: how much of it the prompt filled is not known."""
    window = sentence.find(rf"(?:context|ctx)(?: length| size| window)?[ =:]*(?:of )?{_COUNT}")
    if "ttft_s" not in figures or window is None:
        return ()
    sentence.left_out.append("how long the prompt was: a context is what it may fill")
    return ("ttft_s",)


def _figures(sentence: _Sentence, *, users: float) -> dict[str, float]:
    found: dict[str, float] = {}

    def keep(name: str, value: float, words: str) -> None:
        if name not in found and value > 0:
            found[name] = value
            sentence.understood.append(words)

    of = r"(?: (?:p\d\d|median|mean|average|avg))?"
    first = r"(?:ttft|time to (?:the )?first token|first token)"
    for pattern in (
        rf"{first}{of}[^\d,;]{{0,20}}{_TIME}",
        rf"{_TIME} (?:to|until|for|before) (?:the )?first token",
        rf"{_TIME} {first}",
    ):
        if match := sentence.take(pattern):
            keep("ttft_s", _time(match), f"TTFT {match[1]} {match[2]}")
    gap = r"(?:tpot|itl|inter[- ]token latency|time per (?:output )?token)"
    for pattern in (
        rf"{gap}{of}[^\d,;]{{0,12}}{_TIME}",
        rf"{_TIME}[ ]?(?:/|per|a|each)[ ]?(?:output )?tok(?:en)?\b",
        rf"{_TIME} {gap}",
    ):
        if match := sentence.take(pattern):
            keep("tpot_s", _time(match), f"TPOT {match[1]} {match[2]}")
    if match := sentence.take(rf"(?:latency|end[- ]to[- ]end|e2e)[^\d,;]{{0,12}}{_TIME}"):
        keep("latency_s", _time(match), f"latency {match[1]} {match[2]}")
    prompt = (
        r"\b(?:prompt(?: processing| eval(?:uation)?| reading)?|prefill(?:ing)?|pp\d*|input)"
        r"(?: tokens?)?"
    )
    speed = r"(?: speed| rate| throughput)?"
    if match := sentence.take(rf"\bpp[ :=]*{_NUMBER}[ ,;/]+tg[ :=]*{_NUMBER}(?: *(?:{_RATE}))?"):
        read, written = _number(match[1]), _number(match[2])
        keep("prefill_tokens_per_s", read, f"prompts {read:,g} tok/s")
        keep("decode_tokens_per_s", written, f"decode {written:,g} tok/s")
    if (
        (match := sentence.find(rf"(?<![\w.]){_NUMBER} (?:pp|prefill)\b"))
        and sentence.find(_RATE)
        and not sentence.find(rf"\bpp[ :=]*{_NUMBER}")
    ):
        sentence.blank(match.start(), match.end())
        rate = _number(match[1])
        keep("prefill_tokens_per_s", rate, f"prompts {rate:,g} tok/s")
    for pattern in (
        rf"{prompt}{speed}[^\d,;]{{0,12}}{_NUMBER}{_SPREAD}[ ]?(?:{_RATE})",
        rf"{prompt}(?: speed| rate)[ :=]*{_NUMBER}{_SPREAD}(?:[ ]?tok(?:en)?s?)?(?![\w/%.])",
        rf"{prompt}{speed}[ :=]*{_NUMBER}[ ]?(?:\u00b1|\+/?-)[ ]?[\d.,]*\d",
        rf"{_NUMBER}[ ]?(?:{_RATE})(?: of| for| in)? ?{prompt}\b",
        rf"{prompt}[ ]?:?[ ]?{_NUMBER}(?=[^\d]*{_NUMBER}[ ]?(?:{_RATE}))",
    ):
        if match := sentence.take(pattern):
            rate = _number(match[1])
            keep("prefill_tokens_per_s", rate, f"prompts {rate:,g} tok/s")
    _rates(sentence, keep, many=users > 1)
    return found


def _rates(sentence: _Sentence, keep: Callable[[str, float, str], None], *, many: bool) -> None:
    """Tokens a second of all users, of each, or of the one."""
    whole = r"(?:total|aggregate|overall|throughput|combined|output)"
    for pattern in (
        rf"{whole}[^\d,;]{{0,20}}{_NUMBER}[ ]?(?:{_RATE})", rf"{_NUMBER}[ ]?(?:{_RATE}) {whole}",
        rf"{_NUMBER} (?:output|generated|total) (?:{_RATE})",
    ):  # fmt: skip
        if many and (match := sentence.take(pattern)):
            rate = _number(match[1])
            keep("output_tokens_per_s", rate, f"output {rate:,g} tok/s over the run")
    spoken = r"\b(?:(?:token )?generation|decod(?:e|ing)|eval|tg\d*)"
    for pattern in (
        rf"{spoken}(?: speed| rate)[ :=]*{_NUMBER}{_SPREAD}(?:[ ]?tok(?:en)?s?)?(?![\w/%.])",
        rf"{spoken}[ :=]*{_NUMBER}[ ]?(?:\u00b1|\+/?-)[ ]?[\d.,]*\d",
    ):
        if not many and (match := sentence.take(pattern)):
            rate = _number(match[1])
            keep("decode_tokens_per_s", rate, f"decode {rate:,g} tok/s")
    user = r"(?: ?/ ?| per | a | each | for each )(?:user|request|stream|sequence)"
    each = rf"{_NUMBER}[ ]?(?:{_RATE}){user}"
    if many and (match := sentence.take(each)):
        keep("tpot_s", 1 / _number(match[1]), f"{match[1]} tok/s for each user")
    name, words = ("output_tokens_per_s", "output") if many else ("decode_tokens_per_s", "decode")
    rates = []
    while match := sentence.take(_DECODE):
        rates.append((_number(match[1]), match))
    if rates:
        rate, match = rates[_meant(sentence, [each for _, each in rates])]
        keep(name, rate, f"{words} {rate:,g} tok/s")
        others = [f"{each:,g} tok/s" for each, other in rates if other is not match]
        if others:
            sentence.left_out.append(f"a second speed ({', '.join(others)}): one sentence a run")


_DECODE = (
    rf"(?:\btg\d*[ :]*)?{_NUMBER}{_SPREAD}[ ]?(?:output )?(?:{_RATE})"
    r"(?: (?:decode|generation|eval|tg\d*))?"
)
_LOAD_WAS = "\x01"
"""Stands where the words of the load were."""


def _meant(sentence: _Sentence, rates: list[re.Match[str]]) -> int:
    """Which of several speeds: that of the load, that beside a length, or the later one of "from 40
    to 25"."""
    if len(rates) > 1 and _LOAD_WAS in sentence.text:
        return min(range(len(rates)), key=lambda n: _from_load(rates[n]))
    clauses = [re.split(r"[,;]|\band\b", each.string[each.end() :])[0] for each in rates]
    beside = [n for n, clause in enumerate(clauses) if re.search(rf"(?:at|@) ?{_COUNT}", clause)]
    if beside:
        return beside[0]
    first = rates[0].string
    return len(rates) - 1 if re.search(rf"\bfrom {_NUMBER}", first[: rates[0].end()]) else 0


def _from_load(rate: re.Match[str]) -> tuple[int, int]:
    """How far a speed is from the words of the load: clauses, then characters."""
    first, last = sorted((rate.start(), rate.string.index(_LOAD_WAS)))
    return len(re.findall(r";|\. |\n", rate.string[first:last])), last - first


def _load(sentence: _Sentence, setup: Setup) -> Setup:
    for pattern in (
        rf"(?:concurrency|concurrent users|max[- ]concurrency)(?: of)?[ =:]*{_NUMBER}",
        rf"\bc[ ]?=[ ]?{_NUMBER}",
        rf"{_NUMBER} (?:concurrent|parallel|simultaneous)(?: users| requests| sequences)?",
        rf"{_NUMBER} (?:users|clients|streams|concurrency)\b",
    ):
        if match := sentence.take(pattern, _LOAD_WAS):
            sentence.understood.append(f"{match[1]} users")
            return replace(setup, max_concurrency=_number(match[1]))
    if match := sentence.take(rf"(?:batch(?:[ -]size)?|bs)(?: of)?[ =:]*{_NUMBER}", _LOAD_WAS):
        sentence.understood.append(f"batch {match[1]}")
        return replace(setup, batch_size=int(_number(match[1])))
    if match := sentence.take(
        rf"{_NUMBER}[ ]?(?:req(?:uest)?s?[ ]?(?:/|per)[ ]?s(?:ec(?:ond)?)?|rps|qps)\b"
    ):
        sentence.understood.append(f"{match[1]} requests/s")
        return replace(setup, request_rate=_number(match[1]))
    return setup


def _lengths(sentence: _Sentence, setup: Setup) -> Setup:
    tokens = r"[ ]?(?:tok(?:en)?s?)?"
    pairs = (
        rf"{_COUNT}{tokens}(?: input| prompt)?(?: in)?[ ]?(?:/|,|->|and|\+)[ ]?"
        rf"{_COUNT}{tokens} (?:out(?:put)?|generated)",
        rf"isl[ =:]*{_COUNT}[ ,/]*osl[ =:]*{_COUNT}",
        rf"{_COUNT}{tokens}(?: in| input| prompt)[ ,/]*{_COUNT}{tokens}(?: out| output)\b",
        rf"(?<![\w.]){_COUNT}[ ]?(?:/|in/)[ ]?{_COUNT}(?: tokens)?(?![\w/])",
    )
    for pattern in pairs:
        if match := sentence.take(pattern):
            prompt, output = _tokens(match[1]), _tokens(match[2])
            sentence.understood.append(f"{prompt:,} tokens in, {output:,} out")
            return replace(setup, input_len=prompt, output_len=output)
    for pattern in (
        rf"{_COUNT}{tokens}[ -](?:context|ctx|prompts?|input|in\b|depth|long)",
        rf"(?:context|ctx|prompts?|input|depth|isl)"
        rf"(?: length| size| of| len)*[ =:]*{_COUNT}{tokens}",
        rf"(?<!\w)(?:at|with|@)[ ]?(?:a )?(\d+[ ]?[kK]|\d[\d,]{{2,}}){tokens}(?=[ ,.;)]|$)",
    ):
        match = sentence.find(pattern)
        if match and _as_card(match[1]) is None:
            sentence.blank(match.start(), match.end())
            prompt = _tokens(match[1])
            sentence.understood.append(f"{prompt:,} tokens in")
            setup = replace(setup, input_len=prompt)
            break
    if match := sentence.take(
        rf"{_COUNT}{tokens} (?:out(?:put)?|generated)|(?:osl|output)[ =:]*{_COUNT}{tokens}"
    ):
        output = _tokens(match[1] or match[2])
        sentence.understood.append(f"{output:,} out")
        setup = replace(setup, output_len=output)
    return setup


def _engine(sentence: _Sentence, setup: Setup) -> Setup:
    at_home = sentence.find(_HOST_MEMORY)
    for pattern, engine in _ENGINES:
        if match := sentence.take(
            rf"(?<![\w/-])(?:{pattern})(?![\w/])(?:[ ]?v?\d+\.\d+(?:\.\d+)?)?"
        ):
            said = match[0].strip()
            sentence.understood.append(f"engine {said}")
            usual = {"llama.cpp": USUAL_GGUF, "mlx": "mlx_q4"}.get(engine)
            return replace(setup, engine=engine, usual_quantization=usual)
    if at_home is not None:
        sentence.understood.append("engine llama.cpp, by the host's memory")
        return replace(setup, engine="llama.cpp", usual_quantization=USUAL_GGUF)
    return setup


def _names(sentence: _Sentence, setup: Setup) -> Setup:
    """The card and how many, the model and its format."""
    for name, pattern in (
        ("tp", r"\b(?:tp|tensor[- ]parallel(?:[- ]size)?)[ =:]*(\d{1,3})\b"),
        ("pp", r"\b(?:pp|pipeline[- ]parallel(?:[- ]size)?)[ =:]+(\d{1,3})\b"),
    ):
        if match := sentence.take(pattern):
            ways: dict[str, Any] = {name: int(match[1])}
            setup = replace(setup, **ways)
            sentence.understood.append(f"{name} {match[1]}")
    several = sentence.take(r"\b(\d{1,3})[ ]?(?:x )?(?:gpus|cards|accelerators)\b")
    model, said = _longest(sentence, _as_model)
    if model is not None:
        inside = re.search(_FORMAT, said, re.IGNORECASE)
        setup = replace(
            setup,
            model=model,
            quantization=_format(inside[1] if inside else said, mlx=setup.engine == "mlx"),
        )
        sentence.understood.append(f"model {model}")
    card, said = _longest(sentence, _as_card)
    count = _card_count(sentence) if card is not None else 1
    count = int(several[1]) if several and count == 1 else count
    if card is not None:
        setup = replace(setup, gpu=card)
        sentence.understood.append(f"{count} x {card}" if count > 1 else f"card {card}")
    if setup.quantization is None and (match := sentence.take(_FORMAT)):
        setup = replace(setup, quantization=_format(match[1], mlx=setup.engine == "mlx"))
    if setup.quantization is not None:
        sentence.understood.append(f"weights {setup.quantization}")
    if setup.engine is None and setup.quantization in MIXES:
        setup = replace(setup, engine="llama.cpp")
        sentence.understood.append("engine llama.cpp, by the format")
    if count > 1 and not (setup.tp or setup.pp):
        split_over: dict[str, Any] = {"pp" if setup.engine == "llama.cpp" else "tp": count}
        setup = replace(setup, gpus=count, **split_over)
    return setup


def _format(said: str, *, mlx: bool) -> str | None:
    """The format that words say, at the end of a name or alone."""
    return weight_name(f"{'mlx' if mlx else 'x'}/x-{said.replace(' ', '-')}").quantization


def _card_count(sentence: _Sentence) -> int:
    """The number before the card, which was blanked to a comma: "2x", "4 ", "dual "."""
    if match := sentence.take(r"(?<![\w.])(\d{1,2})[ ]?[x\u00d7*]?[ ]*(?=, )"):
        return max(1, int(match[1]))
    if match := sentence.take(r"(?<= , )[ ]?[x\u00d7*][ ]?(\d{1,2})\b"):  # "H20 x8"
        return max(1, int(match[1]))
    words = "|".join(sorted(_WORDS_OF_COUNT, key=len, reverse=True))
    if match := sentence.take(rf"\b({words})[ ]+(?=, )"):
        return _WORDS_OF_COUNT[match[1].lower()]
    return 1


def _longest(sentence: _Sentence, meant: Callable[[str], str | None]) -> tuple[str | None, str]:
    """The longest run of words that names something, blanked; and what it names."""
    words = list(re.finditer(r"[^\s,;()]+", sentence.text))
    for count in range(min(_MAX_WORDS, len(words)), 0, -1):
        for first in range(len(words) - count + 1):
            start, end = words[first].start(), words[first + count - 1].end()
            text = sentence.text[start:end].strip(".:!?'\"")
            if "," in text:
                continue
            # "2x3090" is a count and a name, "H20x8" a name and a count.
            joined = re.match(r"\d{1,2}[x\u00d7*](?=[A-Za-z]*\d{3,4}|[A-Za-z])", text)
            skipped = joined.end() if joined else 0
            after = re.search(r"(?<=\d)[x\u00d7*]\d{1,2}$", text)
            name = text[skipped : after.start() if after else None]
            named = meant(name)
            if named is not None:
                sentence.blank(start + skipped, start + skipped + len(name) if after else end)
                return named, name
    return None, ""


def _as_card(text: str) -> str | None:
    bare = not re.search(r"[A-Za-z]", text)
    if bare and not re.fullmatch(r"\d{4}", text):
        return None
    if not re.search(r"\d", text) and " " not in text:
        return None
    for spelling in (text, text.removesuffix("s"), text.removesuffix("'s")):
        with suppress(VperfError):
            found, _ = find_card(spelling)
            if found is not None:
                return load_gpu(found).id
    return None


_NOT_OF_A_MODEL = re.compile(
    r"\d{1,2}[x\u00d7*](?!\d+b)\S*|~\S*|(?:rtx|gtx|rx)\d*|[2-9]0[5-9]0(?:ti)?|[ahlbv]\d00\S*",
    re.IGNORECASE,
)
"""A word of a card or of a figure, where a model's name has ended."""


def _as_model(text: str) -> str | None:
    named = re.search(r"[A-Za-z]{2}", text) and re.search(r"\d", text)
    if any(map(_NOT_OF_A_MODEL.fullmatch, text.split()[1:])):
        return None
    if _STOPS & set(text.lower().split()):
        return None
    return find_model(text) if named else None


def _time(match: re.Match[str]) -> float:
    return _number(match[1]) * _SECONDS[match[2][0].lower()]


def _number(text: str) -> float:
    """A number with commas between thousands; "12k" is 12,000."""
    short = text.lower().replace(",", "").removesuffix("k").strip()
    return _moderate(float(short)) * (1000.0 if text[-1] in "kK" else 1.0)


def _moderate(number: float) -> float:
    if not number < _MOST:
        raise InputError("holds a number that nobody measured", source=IN_WORDS)
    return number


_MOST = 1e30


def _tokens(text: str) -> int:
    """ "8k" is 8,192 tokens, as contexts are; "10k" is 10,000."""
    short = text.strip().lower()
    if not short.endswith("k"):
        return max(1, round(_number(short)))
    thousands = _number(short[:-1].strip())
    whole = thousands.is_integer() and int(thousands) & (int(thousands) - 1) == 0
    return max(1, round(thousands * (1024 if whole else 1000)))
