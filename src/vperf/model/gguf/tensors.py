"""Which tensor of a GGUF file holds a module, and so in which number format it is.

Tensor names: TENSOR_NAMES in gguf-py/gguf/constants.py. A module may be part of a tensor (Q of a
fused attn_qkv) or be stored as several (kv_b_proj as attn_k_b and attn_v_b).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from vperf.formats import Format
from vperf.model.gguf.header import GgufHeader, GgufTensor
from vperf.model.quantization.scheme import Kind, Scheme
from vperf.values import dataclass

Names = tuple[str, ...]
"""Tensors that hold a module together, without "blk.N." and ".weight"."""

_OUTSIDE: dict[str, tuple[Names, ...]] = {
    "lm_head": (("output",), ("token_embd",)),
    "embed_tokens": (("token_embd",),),
    "embed_positions": (("position_embd",),),
    "embeddings.0": (("position_embd",),),
    "embeddings.1": (("token_types",),),
    "pooler": (("cls",),),
    "head": (("cls",),),
    "score": (("cls.output",), ("cls",)),
    "embed_tokens_per_layer": (("per_layer_token_embd",),),
    "per_layer_model_projection": (("per_layer_model_proj",),),
    "altup_projections": (("altup_proj",),),
    "altup_unembed_projections": (("altup_unembd_proj",),),
}

_EXPERT = re.compile(r"experts\.(?:mlp\.)?\d+\.(gate|up|down)_proj")
_SHARED = re.compile(r"(?:shared_experts?|shared_mlp|share_expert)\.(gate|up|down)_proj")
_MLP = re.compile(r"(gate|up|down)_proj")

_IN_LAYER: dict[str, tuple[Names, ...]] = {
    "q_proj": (("attn_q",), ("attn_qkv",)),
    "k_proj": (("attn_k",), ("attn_qkv",)),
    "v_proj": (("attn_v",), ("attn_qkv",)),
    "o_proj": (("attn_output",),),
    "g_proj": (("attn_gate",),),
    "query": (("attn_q",), ("attn_qkv",)),
    "key": (("attn_k",), ("attn_qkv",)),
    "value": (("attn_v",), ("attn_qkv",)),
    "dense": (("attn_output",),),
    "mlp.intermediate": (("ffn_up",),),
    "mlp.output": (("ffn_down",),),
    "q_a_proj": (("attn_q_a",),),
    "q_b_proj": (("attn_q_b",),),
    "kv_a_proj_with_mqa": (("attn_kv_a_mqa",),),
    "kv_b_proj": (("attn_k_b", "attn_v_b"), ("attn_kv_b",)),
    "indexer.wq_b": (("indexer.attn_q_b",),),
    "indexer.wk": (("indexer.attn_k",),),
    "indexer.weights_proj": (("indexer.proj",),),
    "conv.in_proj": (("shortconv.in_proj",),),
    "conv.out_proj": (("shortconv.out_proj",),),
    "in_proj_qkvz": (("attn_qkv", "attn_gate"), ("ssm_in",)),
    "in_proj_qkv": (("attn_qkv",),),
    "in_proj_z": (("attn_gate",),),
    "in_proj_ba": (("ssm_ba",),),
    "in_proj_a": (("ssm_alpha",),),
    "in_proj_b": (("ssm_beta",),),
    "in_proj": (("ssm_in",),),
    "x_proj": (("ssm_x",),),
    "dt_proj": (("ssm_dt",),),
    "out_proj": (("ssm_out",),),
    "fc1_latent_proj": (("ffn_latent_down",),),
    "fc2_latent_proj": (("ffn_latent_up",),),
    "eh_proj": (("nextn.eh_proj",),),
    "per_layer_input_gate": (("inp_gate",),),
    "per_layer_projection": (("proj",),),
    "laurel.linear_left": (("laurel_l",),),
    "laurel.linear_right": (("laurel_r",),),
    "shared_expert_gate": (("ffn_gate_inp_shexp",),),
    "altup.modality_router": (("altup_router",),),
    "altup.prediction_coefs": (("altup_predict_coef",),),
    "altup.correction_coefs": (("altup_correct_coef",),),
}
"""By the end of a module's name: the last two parts where they are listed, else the last."""


def tensor_names(rest: str, kind: Kind) -> tuple[Names, ...]:
    """Alternatives for a module of a layer, `rest` being what follows the layer's number."""
    if match := _EXPERT.search(rest):
        part = match[1]
        fused: tuple[Names, ...] = (("ffn_gate_up_exps",),) if part != "down" else ()
        return ((f"ffn_{part}_exps",), *fused, (f"ffn_{part}.0",))
    if match := _SHARED.search(rest):
        # Without routed experts Granite 4's shared MLP is stored as the MLP.
        return ((f"ffn_{match[1]}_shexp",), (f"ffn_{match[1]}",))
    leaf = rest.rpartition(".")[2]
    if leaf == "gate_proj" and "attn" in rest:
        return (("attn_gate",),)
    if match := _MLP.fullmatch(leaf):
        # Phi-3 and GLM-4 keep gate and up in one ffn_up.
        return ((f"ffn_{match[1]}",), *((("ffn_up",),) if match[1] == "gate" else ()))
    last_two = ".".join(rest.split(".")[-2:])
    found = _IN_LAYER.get(last_two) or _IN_LAYER.get(leaf)
    if found is None and kind == "router":
        return (("ffn_gate_inp",),)
    return found or ()


@dataclass(frozen=True, slots=True)
class StoredTypes(Scheme):
    """The format of every module as the file's tensors have it."""

    header: GgufHeader | None = None

    def weight(self, module: str, kind: Kind = "linear") -> Format:
        """The type of the tensor that holds the module. Raises UnsupportedModelError without one.

        A module stored as several tensors of different types is in a mixture of them, with the
        paths of the largest.
        """
        assert self.header is not None
        tensors = self._tensors(module, kind)
        if not tensors:
            if module.startswith("mtp."):
                return self.default  # shown with the config's MTP layers, never stored or streamed
            raise self.header.unsupported(f"holds no tensor for {module}")
        formats = list(dict.fromkeys(tensor.type for tensor in tensors))
        if len(formats) == 1:
            return formats[0]
        return _mixture(tensors, formats)

    def of_layer(self, layer: int) -> tuple[tuple[str, Format, int], ...]:
        """The layer's tensors, by what `weight` asks of them."""
        assert self.header is not None
        found = self.header.by_layer.get(layer, ())
        return tuple((name, tensor.type, tensor.elements) for name, tensor in found)

    def _tensors(self, module: str, kind: Kind) -> list[GgufTensor]:
        assert self.header is not None
        match = re.match(r"(?:(model)\.layers|mtp)\.(\d+)\.(.+)", module)
        if match is None:
            rest = module.removeprefix("model.")
            return self._first("", _OUTSIDE.get(rest) or _OUTSIDE.get(rest.split(".")[0], ()))
        layer = int(match[2]) + (0 if match[1] else self.header.layers)
        return self._first(f"blk.{layer}.", tensor_names(match[3], kind))

    def _first(self, prefix: str, alternatives: Iterable[Names]) -> list[GgufTensor]:
        """The first alternative that the file holds."""
        assert self.header is not None
        tensors = self.header.tensors
        for names in alternatives:
            found = [tensors.get(f"{prefix}{name}.weight") for name in names]
            if all(found):
                return [tensor for tensor in found if tensor is not None]
        return []


def _mixture(tensors: list[GgufTensor], formats: list[Format]) -> Format:
    elements = sum(tensor.elements for tensor in tensors)
    largest = max(tensors, key=lambda tensor: tensor.elements).type
    return Format(
        "+".join(sorted(format.name for format in formats)),
        8 * sum(tensor.bytes for tensor in tensors) / max(1, elements),
        largest.paths,
        any_path=True,
        summary="stored as several ggml tensors",
    )
