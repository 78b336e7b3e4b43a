"""Types of models that are refused although something is known of them: what keeps vperf from it.

Read on the way to an error alone. Not here: types of which nothing is known (text_model.py).
"""

_SPEAKS = "a second model beside the text speaks, token by token, and is not read"
_EXPERTS = "an encoder-decoder with experts is not read"
_NO_CACHE = "it keeps no KV cache, and reads the whole text anew for each token"

WHY = {
    "blt": "it reads patches of bytes that a second model cuts by entropy",
    "csm": _SPEAKS,
    "deepseek_vl_v2": "its two towers and tiles are not read; its text model, deepseek_v2, is",
    "jetmoe": "its attention picks query and output projections as experts, each token its own",
    "moshi": _SPEAKS,
    "nllb-moe": _EXPERTS,
    "openai-gpt": _NO_CACHE,
    "perceiver": "it attends from latents whose number is no length of a text",
    "phi4_multimodal": "its layers hold adapters of images and speech that only some tokens take",
    "qwen2_5_omni": _SPEAKS,
    "reformer": "its attention compares hashes, and its layers are reversible",
    "rwkv7": "the widths of its low-rank decay, rate and gate are not read",
    "switch_transformers": _EXPERTS,
    "vibevoice": _SPEAKS,
    "xlnet": _NO_CACHE,
}
