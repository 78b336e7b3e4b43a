"""GGUF files of known models as llama.cpp's converters write them: metadata and tensors by hand.

Parameter counts are the checkpoints' own (safetensors totals on the Hub).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.gguf_writer import F32, Q4_K, Q6_K, Q8_0, gguf_bytes
from vperf.model.gguf import GgufHeader
from vperf.sources.gguf import joined, parse

Shapes = dict[str, tuple[int, ...]]
"""Name without "blk.N." and ".weight" -> shape, the length of a row first."""


@dataclass
class File:
    """What a file is made of."""

    architecture: str
    metadata: dict[str, Any]
    tensors: dict[str, tuple[tuple[int, ...], int]] = field(default_factory=dict)

    def add(self, prefix: str, shapes: Shapes, kind: int = Q8_0) -> File:
        """Tensors; vectors are F32 as llama.cpp has them."""
        for name, shape in shapes.items():
            full = f"{prefix}{name}" if name.endswith((".bias", "ssm_a", "ssm_d")) else (
                f"{prefix}{name}.weight")  # fmt: skip
            plain = (
                len(shape) == 1 or "ffn_gate_inp" in name or "conv" in name.rpartition(".")[2]
                or name.endswith(".bias")  # llama-quantize leaves what is no weight alone
            )  # fmt: skip
            self.tensors[full] = (shape, F32 if plain else kind)
        return self

    def layers(self, indices: Iterable[int], shapes: Shapes, kind: int = Q8_0) -> File:
        """The same tensors in several layers."""
        for i in indices:
            self.add(f"blk.{i}.", shapes, kind)
        return self

    @property
    def bytes(self) -> bytes:
        """The header."""
        keys: dict[str, Any] = {"general.architecture": self.architecture}
        for key, value in self.metadata.items():
            keys[key if key.startswith("general.") else f"{self.architecture}.{key}"] = value
        return gguf_bytes(keys, self.tensors)

    @property
    def header(self) -> GgufHeader:
        """As the reader gives it."""
        return joined("model.gguf", [parse(self.bytes, 1 << 50, "model.gguf")])


def attention(hidden: int, heads: int, kv_heads: int, dim: int) -> Shapes:
    """Q, K, V and the output projection."""
    return {
        "attn_q": (hidden, heads * dim), "attn_k": (hidden, kv_heads * dim),
        "attn_v": (hidden, kv_heads * dim), "attn_output": (heads * dim, hidden),
        "attn_norm": (hidden,),
    }  # fmt: skip


def mlp(hidden: int, width: int) -> Shapes:
    """Gate, up, down."""
    return {
        "ffn_gate": (hidden, width), "ffn_up": (hidden, width), "ffn_down": (width, hidden),
        "ffn_norm": (hidden,),
    }  # fmt: skip


def experts(hidden: int, width: int, count: int) -> Shapes:
    """A router and routed experts."""
    return {
        "ffn_gate_inp": (hidden, count), "ffn_gate_exps": (hidden, width, count),
        "ffn_up_exps": (hidden, width, count), "ffn_down_exps": (width, hidden, count),
        "ffn_norm": (hidden,),
    }  # fmt: skip


def shared(hidden: int, width: int) -> Shapes:
    """A shared expert."""
    return {"ffn_gate_shexp": (hidden, width), "ffn_up_shexp": (hidden, width),
            "ffn_down_shexp": (width, hidden)}  # fmt: skip


def _model(architecture: str, hidden: int, vocab: int, layers: int, **more: Any) -> File:
    keys = {"block_count": layers, "context_length": 8192, "embedding_length": hidden}
    keys |= {key.replace("__", "."): value for key, value in more.items() if key != "tied"}
    file = File(architecture, keys)
    file.add("", {"token_embd": (hidden, vocab), "output_norm": (hidden,)})
    return file if more.get("tied") else file.add("", {"output": (hidden, vocab)})


def llama(tied: bool = False) -> File:
    """Llama-3.1-8B-Instruct."""
    file = _model("llama", 4096, 128256, 32, tied=tied, attention__head_count=32,
                  attention__head_count_kv=8, feed_forward_length=14336)  # fmt: skip
    file.add("", {"rope_freqs": (64,)})
    return file.layers(range(32), attention(4096, 32, 8, 128) | mlp(4096, 14336))


def llama_q4_k_m() -> File:
    """The same as Q4_K_M: half of attn_v and ffn_down, and the output, in Q6_K."""
    file = llama()
    file.metadata["general.file_type"] = 15
    for name, (shape, kind) in file.tensors.items():
        if kind != Q8_0:
            continue
        layer = int(name.split(".")[1]) if name.startswith("blk.") else -1
        more = layer < 4 or layer >= 28 or (layer - 4) % 3 == 2
        six = name == "output.weight" or (more and ("attn_v" in name or "ffn_down" in name))
        file.tensors[name] = (shape, Q6_K if six else Q4_K)
    return file


def qwen3_moe() -> File:
    """Qwen3-30B-A3B."""
    file = _model("qwen3moe", 2048, 151936, 48, attention__head_count=32,
                  attention__head_count_kv=4, attention__key_length=128,
                  attention__value_length=128, expert_count=128, expert_used_count=8,
                  feed_forward_length=6144)  # fmt: skip
    norms = {"attn_q_norm": (128,), "attn_k_norm": (128,)}
    return file.layers(range(48), attention(2048, 32, 4, 128) | norms | experts(2048, 768, 128))


def deepseek() -> File:
    """DeepSeek-V2-Lite, with kv_b in the two halves of newer files."""
    file = _model("deepseek2", 2048, 102400, 27, attention__head_count=16,
                  attention__head_count_kv=1, attention__key_length=576,
                  attention__value_length=512, attention__key_length_mla=192,
                  attention__value_length_mla=128, attention__kv_lora_rank=512,
                  rope__dimension_count=64, expert_count=64, expert_used_count=6,
                  expert_shared_count=2, leading_dense_block_count=1)  # fmt: skip
    latent = {
        "attn_q": (2048, 3072), "attn_kv_a_mqa": (2048, 576), "attn_kv_a_norm": (512,),
        "attn_k_b": (128, 512, 16), "attn_v_b": (512, 128, 16), "attn_output": (2048, 2048),
        "attn_norm": (2048,),
    }  # fmt: skip
    file.layers([0], latent | mlp(2048, 10944))
    return file.layers(range(1, 27), latent | experts(2048, 1408, 64) | shared(2048, 2816))


def phi3() -> File:
    """Phi-3-mini-4k: QKV in one matrix, gate and up in another."""
    file = _model("phi3", 3072, 32064, 32, attention__head_count=32, attention__head_count_kv=32,
                  feed_forward_length=8192, attention__sliding_window=2047)  # fmt: skip
    return file.layers(range(32), {
        "attn_qkv": (3072, 9216), "attn_output": (3072, 3072), "attn_norm": (3072,),
        "ffn_up": (3072, 16384), "ffn_down": (8192, 3072), "ffn_norm": (3072,)})  # fmt: skip


def gpt_oss() -> File:
    """gpt-oss-20b."""
    file = _model("gpt-oss", 2880, 201088, 24, attention__head_count=64,
                  attention__head_count_kv=8, attention__key_length=64, attention__value_length=64,
                  attention__sliding_window=128, expert_count=32,
                  expert_used_count=4)  # fmt: skip
    biases = {
        "attn_q.bias": (4096,), "attn_k.bias": (512,), "attn_v.bias": (512,),
        "attn_output.bias": (2880,), "attn_sinks": (64,), "ffn_gate_inp.bias": (32,),
        "ffn_gate_exps.bias": (2880, 32), "ffn_up_exps.bias": (2880, 32),
        "ffn_down_exps.bias": (2880, 32),
    }  # fmt: skip
    matrices = attention(2880, 64, 8, 64) | experts(2880, 2880, 32)
    return file.layers(range(24), matrices | biases)


def gemma2() -> File:
    """gemma-2-2b: tied, every other layer windowed."""
    file = _model("gemma2", 2304, 256000, 26, tied=True, attention__head_count=8,
                  attention__head_count_kv=4, attention__key_length=256,
                  attention__value_length=256, attention__sliding_window=4096)  # fmt: skip
    norms = {"post_attention_norm": (2304,), "post_ffw_norm": (2304,)}
    return file.layers(range(26), attention(2304, 8, 4, 256) | mlp(2304, 9216) | norms)


def lfm2() -> File:
    """LFM2-1.2B: six layers of attention among short convolutions."""
    attending = (2, 5, 8, 10, 12, 14)
    file = _model("lfm2", 2048, 65536, 16, tied=True, attention__head_count=32,
                  attention__head_count_kv=[8 if i in attending else 0 for i in range(16)],
                  shortconv__l_cache=3, feed_forward_length=8192)  # fmt: skip
    del file.tensors["output_norm.weight"]
    file.add("", {"token_embd_norm": (2048,)})
    conv = {"shortconv.conv": (3, 2048), "shortconv.in_proj": (2048, 6144),
            "shortconv.out_proj": (2048, 2048), "attn_norm": (2048,)}  # fmt: skip
    norms = {"attn_q_norm": (64,), "attn_k_norm": (64,)}
    file.layers(attending, attention(2048, 32, 8, 64) | norms | mlp(2048, 8192))
    return file.layers(set(range(16)) - set(attending), conv | mlp(2048, 8192))


def qwen3_next() -> File:
    """Qwen3-Next-80B-A3B: three layers of Gated DeltaNet, then one of gated attention."""
    file = _model("qwen3next", 2048, 151936, 48, attention__head_count=16,
                  attention__head_count_kv=2, attention__key_length=256,
                  attention__value_length=256, expert_count=512, expert_used_count=10,
                  ssm__conv_kernel=4, ssm__state_size=128, ssm__group_count=16,
                  ssm__time_step_rank=32, ssm__inner_size=4096)  # fmt: skip
    moe = experts(2048, 512, 512) | shared(2048, 512) | {"ffn_gate_inp_shexp": (2048,)}
    delta = {
        "attn_qkv": (2048, 8192), "attn_gate": (2048, 4096), "ssm_ba": (2048, 64),
        "ssm_conv1d": (4, 8192), "ssm_a": (32,), "ssm_dt.bias": (32,), "ssm_norm": (128,),
        "ssm_out": (4096, 2048), "attn_norm": (2048,),
    }  # fmt: skip
    full = {**attention(2048, 16, 2, 256), "attn_q": (2048, 8192), "attn_q_norm": (256,),
            "attn_k_norm": (256,)}  # fmt: skip
    file.layers((i for i in range(48) if i % 4 != 3), delta | moe)
    return file.layers(range(3, 48, 4), full | moe)


def dream() -> File:
    """Dream-7B, of the shapes of Qwen2.5-7B."""
    file = _model("dream", 3584, 152064, 28, attention__head_count=28,
                  attention__head_count_kv=4)  # fmt: skip
    biases = {"attn_q.bias": (3584,), "attn_k.bias": (512,), "attn_v.bias": (512,)}
    return file.layers(range(28), attention(3584, 28, 4, 128) | mlp(3584, 18944) | biases)


def llada() -> File:
    """LLaDA-8B."""
    file = _model("llada", 4096, 126464, 32, attention__head_count=32,
                  attention__head_count_kv=32)  # fmt: skip
    return file.layers(range(32), attention(4096, 32, 32, 128) | mlp(4096, 12288))


def qwen() -> File:
    """Qwen-7B."""
    file = _model("qwen", 4096, 151936, 32, attention__head_count=32,
                  feed_forward_length=22016)  # fmt: skip
    return file.layers(range(32), mlp(4096, 11008) | {
        "attn_qkv": (4096, 12288), "attn_qkv.bias": (12288,), "attn_output": (4096, 4096),
        "attn_norm": (4096,)})  # fmt: skip


def gptj() -> File:
    """GPT-J-6B: one norm for attention and MLP, an LM head with a bias."""
    file = _model("gptj", 4096, 50400, 28, attention__head_count=16)
    file.add("", {"output_norm.bias": (4096,), "output.bias": (50400,)})
    return file.layers(
        range(28),
        {
            **attention(4096, 16, 16, 256),
            "attn_norm.bias": (4096,),
            **_biased({"ffn_up": (4096, 16384), "ffn_down": (16384, 4096)}),
        },
    )


def _encoder(architecture: str, hidden: int, vocab: int, layers: int, heads: int,
             **more: Any) -> File:  # fmt: skip
    """Words and their norm; converters leave pooler and masked-LM head out."""
    file = _model(architecture, hidden, vocab, layers, tied=True, attention__head_count=heads,
                  **more)  # fmt: skip
    del file.tensors["output_norm.weight"]
    return file.add("", {"token_embd_norm": (hidden,)})


def _biased(shapes: Shapes) -> Shapes:
    """Matrices and norms with a bias each."""
    return shapes | {f"{name}.bias": shape[-1:] for name, shape in shapes.items()}


def bert(vocab: int = 30522, positions: int = 512, types: int = 2) -> File:
    """bge-large-en-v1.5 without its pooler, unless told otherwise."""
    file = _encoder("bert", 1024, vocab, 24, 16)
    file.add("", {"position_embd": (1024, positions), "token_types": (1024, types),
                  "token_embd_norm.bias": (1024,)})  # fmt: skip
    return file.layers(range(24), _biased({
        "attn_q": (1024, 1024), "attn_k": (1024, 1024), "attn_v": (1024, 1024),
        "attn_output": (1024, 1024), "attn_output_norm": (1024,), "layer_output_norm": (1024,),
        "ffn_up": (1024, 4096), "ffn_down": (4096, 1024)}))  # fmt: skip


def bge_m3() -> File:
    """bge-m3: XLM-RoBERTa, whose first two positions converters cut."""
    return bert(250002, 8192, 1)


def bge_reranker() -> File:
    """bge-reranker-v2-m3: the same with a layer and one score on top."""
    return bge_m3().add("", _biased({"cls": (1024, 1024), "cls.output": (1024, 1)}))


def nomic_bert() -> File:
    """nomic-embed-text-v1.5."""
    file = _encoder("nomic-bert", 768, 30528, 12, 12)
    file.add("", {"token_types": (768, 2), "token_embd_norm.bias": (768,)})
    return file.layers(range(12), {
        "attn_qkv": (768, 2304), "attn_output": (768, 768), "ffn_gate": (768, 3072),
        "ffn_up": (768, 3072), "ffn_down": (3072, 768),
        **_biased({"attn_output_norm": (768,), "layer_output_norm": (768,)})})  # fmt: skip


def jina_bert() -> File:
    """jina-embeddings-v2-base-en: ALiBi, a gated MLP."""
    file = _encoder("jina-bert-v2", 768, 30528, 12, 12)
    file.add("", {"token_types": (768, 2), "token_embd_norm.bias": (768,)})
    return file.layers(range(12), {"ffn_gate": (768, 3072), "ffn_up": (768, 3072), **_biased({
        "attn_q": (768, 768), "attn_k": (768, 768), "attn_v": (768, 768),
        "attn_output": (768, 768), "attn_output_norm": (768,), "layer_output_norm": (768,),
        "ffn_down": (3072, 768)})})  # fmt: skip


def modern_bert() -> File:
    """ModernBERT-base: gate and up in one matrix, no norm before the first attention."""
    file = _encoder("modern-bert", 768, 50368, 22, 12, attention__sliding_window=128,
                    attention__sliding_window_pattern=3)  # fmt: skip
    file.add("", {"output_norm": (768,)})
    file.layers(range(1, 22), {"attn_norm": (768,)})
    return file.layers(range(22), {
        "attn_qkv": (768, 2304), "attn_output": (768, 768), "ffn_norm": (768,),
        "ffn_up": (768, 2304), "ffn_down": (1152, 768)})  # fmt: skip


def gemma_embedding() -> File:
    """embeddinggemma-300m: a Gemma 3 without an LM head."""
    file = _model("gemma-embedding", 768, 262144, 24, tied=True, attention__head_count=3,
                  attention__head_count_kv=1, attention__key_length=256,
                  attention__value_length=256, attention__sliding_window=512)  # fmt: skip
    norms = dict.fromkeys(("post_attention_norm", "post_ffw_norm"), (768,))
    norms |= {"attn_q_norm": (256,), "attn_k_norm": (256,)}
    return file.layers(range(24), attention(768, 3, 1, 256) | mlp(768, 1152) | norms)


KNOWN: dict[str, tuple[Callable[[], File], int, float]] = {
    "Llama-3.1-8B": (llama, 8_030_261_248, 131072),
    "Qwen3-30B-A3B": (qwen3_moe, 30_532_122_624, 98304),
    "DeepSeek-V2-Lite": (deepseek, 15_706_484_224, 31104),
    "Phi-3-mini-4k": (phi3, 3_821_079_552, 393216),
    "gpt-oss-20b": (gpt_oss, 20_914_757_184, 49152),
    "gemma-2-2b": (gemma2, 2_614_341_888, 106496),
    "LFM2-1.2B": (lfm2, 1_170_340_608, 12288),
    "Qwen3-Next-80B-A3B": (qwen3_next, 79_674_391_296, 24576),
    "Dream-7B": (dream, 7_615_616_512, 57344),
    "LLaDA-8B": (llada, 8_015_581_184, 524288),
    "Qwen-7B": (qwen, 7_721_324_544, 524288),
    "GPT-J-6B": (gptj, 6_050_882_784, 458752),
    "bge-large-en-v1.5": (bert, 335_141_888 - 1024 * 1025, 0),
    "bge-m3": (bge_m3, 567_754_752 - 1024 * 1025 - 2 * 1024, 0),
    "bge-reranker-v2-m3": (bge_reranker, 567_755_777 - 2 * 1024, 0),
    "nomic-embed-text-v1.5": (nomic_bert, 136_731_648, 0),
    "jina-embeddings-v2-base": (jina_bert, 137_368_320 - 768 * 769, 0),
    "ModernBERT-base": (modern_bert, 149_014_272, 0),
    "embeddinggemma-300m": (gemma_embedding, 302_863_104, 24576),
}
"""A file, the checkpoint's parameters, KV bytes of one more token at 16 bit."""
