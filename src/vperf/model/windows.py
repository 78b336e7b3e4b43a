"""Which layers see how far back: every dialect of sliding windows and chunked attention.

`layer_types` is authoritative where a config has it; otherwise the family's own rule decides.
Not here: what a window costs (ops.Visibility).
"""

from __future__ import annotations

from collections.abc import Callable

from vperf.model.checkpoint import Config
from vperf.model.ops import FULL, Visibility

Rule = Callable[[Config, int], bool]
"""(config, layer) -> whether the layer is windowed, when the config has no layer_types."""

_FULL_NAMES = frozenset({"full_attention", "global", "global_attention", "attention", "full"})
_WINDOW_KEYS = ("sliding_window", "window_size", "attention_window_size")
_WINDOW_NAMES = frozenset({"sliding_attention", "local", "sliding", "local_attention", "window"})


def visibility_of(config: Config, layer: int, rule: Rule | None = None) -> Visibility:
    """How far back `layer` sees; `rule` stands in where there is no `layer_types`."""
    kind = config.string_at(layer, "layer_types")
    if kind is None:
        return _window(config) if rule is not None and rule(config, layer) else FULL
    if kind in _FULL_NAMES:
        return FULL
    if kind in _WINDOW_NAMES:
        _hold_a_window(config, layer, kind, rule)
        return _window(config)
    if kind == "chunked_attention":
        return Visibility(chunk=config.integer("attention_chunk_size"))
    raise config.unsupported(f"layer type {kind!r} is not supported", f"layer_types[{layer}]")


def _hold_a_window(config: Config, layer: int, kind: str, rule: Rule | None) -> None:
    """Refuses a layer that is said to have a window where the config has none: full attention and
    a window are both guesses there (transformers fails, vLLM sees all keys)."""
    key = "use_sliding_window"
    without = rule is from_max_window_layers and not config.flag(key, default=False)
    if without or config.raw(*_WINDOW_KEYS) is None:
        missing = f"{key} is false" if without else f"there is no {_WINDOW_KEYS[0]}"
        raise config.error(f"is {kind!r}, but {missing}", f"layer_types[{layer}]")


def _window(config: Config) -> Visibility:
    window = config.optional_integer(*_WINDOW_KEYS)
    if window is None:
        return FULL
    longest = config.optional_integer("max_position_embeddings")
    # Phi-3's 262144 reaches past its longest context: no window at all.
    return FULL if longest is not None and window >= longest else Visibility(window=window)


def every_layer(config: Config, layer: int) -> bool:
    """Mistral-7B-v0.1, StarCoder2, Phi-3: a window, if set, holds for all layers."""
    return True


def even_layers(config: Config, layer: int) -> bool:
    """Gemma 2, gpt-oss: alternating, the first layer windowed."""
    return layer % 2 == 0


def from_max_window_layers(config: Config, layer: int) -> bool:
    """Qwen2/3: only with use_sliding_window, and only layers from max_window_layers on."""
    if not config.flag("use_sliding_window", default=False):
        return False
    first = config.optional_integer("max_window_layers", minimum=0)
    return first is None or layer >= first


def all_but_every(default: int) -> Rule:
    """Every n-th layer is full, n from `sliding_window_pattern` (Gemma 3: 6, Command R7B: 4)."""

    def rule(config: Config, layer: int) -> bool:
        pattern = config.raw("sliding_window_pattern")
        if isinstance(pattern, str):  # EXAONE-4: "LLLG"
            return bool(pattern) and pattern[layer % len(pattern)] == "L"
        period = config.optional_integer("sliding_window_pattern") or default
        return (layer + 1) % period != 0

    return rule
