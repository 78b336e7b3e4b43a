"""How a family asks a config for its layers, and marks or refuses keys. Not here: any family."""

from __future__ import annotations

from vperf.model.checkpoint import Config

_ATTENTION_NAMES = frozenset({"full_attention", "attention"})
_RECURRENT_NAMES = frozenset({"linear_attention", "mamba", "conv"})


def attends(config: Config, layer: int, *, absent: bool | None = None) -> bool:
    """Whether the list of layer types gives `layer` attention rather than a recurrence.

    `absent` answers where there is no such list; None: there must be one.
    """
    kind = config.string_at(layer, "layer_types", "layers_block_type")
    if kind is None:
        if absent is None:
            raise config.error("missing; which layers have attention is unknown", "layer_types")
        return absent
    if kind not in _ATTENTION_NAMES | _RECURRENT_NAMES:
        raise config.unsupported(
            f"layer type {kind[:40]!r} is not supported", f"layer_types[{layer}]"
        )
    return kind in _ATTENTION_NAMES


def understood(config: Config, *names: str) -> None:
    """Keys that are known, also where no layer of this config happens to need them."""
    config.keys_read.update(names)


def refuse(config: Config, *names: str) -> None:
    """Keys whose effect is not known here: set (true, above zero), they are an error."""
    for name in names:
        value = config.raw(name)
        if value:
            raise config.unsupported(
                f"{str(value)[:40]} is not understood for this architecture", name
            )
