"""Tiny GGUF models with random weights and a real tokenizer, written from scratch.

The weights mean nothing; whatever such a model says is noise. That is the point: what holds for it holds for
every model.
"""

import builtins
import keyword
from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_names() -> list[str]:
    """The printable name of each byte 0 to 255 in byte-level BPE: itself, or a character from 256 on."""
    plain = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    names, spare = [], 256
    for byte in range(256):
        names.append(chr(byte if byte in plain else spare))
        spare += byte not in plain
    return names


def small_vocabulary(size: int = 4096) -> tuple[list[str], list[str]]:
    """Tokens and merges of a byte-level BPE of about `size` tokens, control tokens last.

    Words of Python, runs of spaces and newlines, and tokens that reach over the end of a line, which is where
    a grammar of lines is easily broken.
    """
    names = byte_names()
    tokens = list(names)
    known = set(tokens)
    merges: list[str] = []

    def learn(word: bytes) -> None:
        parts = [names[byte] for byte in word]
        while len(parts) > 1:
            left, right = parts[0], parts[1]
            if left + right not in known:
                merges.append(f"{left} {right}")
                tokens.append(left + right)
                known.add(left + right)
            parts[:2] = [left + right]

    ends = [
        b"\n\n",
        b":\n",
        b")\n",
        b"):\n",
        b"\r\n",
        b",\n",
        b"\n    ",
        b"\n        ",
        b"@@",
        b"```",
        b"\n+",
        b"\n-",
    ]
    runs = [
        b" " * 2,
        b" " * 4,
        b" " * 8,
        b" " * 16,
        b"--",
        b"---",
        b"+++",
        b"==",
        b"\t\t",
        "é".encode(),
        "😀".encode(),
    ]
    words = [word.encode() for word in [*keyword.kwlist, *sorted(vars(builtins)), "self", "args", "import"]]
    for word in [*ends, *runs, *words, *(b" " + word for word in words)]:
        learn(word)
    letters = b"etaoinsrhldcumfpgwybvk_xjqz"
    for first in b" " + letters:
        for second in letters:
            learn(bytes([first, second]))
            for third in letters[:6]:
                if len(tokens) < size - 3:
                    learn(bytes([first, second, third]))
    for number in range(1000):
        if len(tokens) < size - 3:
            learn(str(number).encode())
    return [*tokens[: size - 3], "<|endoftext|>", "<|im_start|>", "<|im_end|>"], merges


def write_model(
    path: Path,
    *,
    width: int = 64,
    layers: int = 1,
    heads: int = 4,
    context: int = 8192,
    seed: int = 0,
    spread: float = 0.3,
    feed_forward: int = 0,
    kv_heads: int = 0,
    quantized: str = "",
    vocabulary_of: Path | None = None,
    template: str = CHATML,
    more: Mapping[str, str] | None = None,
) -> Path:
    """Write a llama model with random weights, its vocabulary our own small one or another GGUF file's.

    With `quantized` ("BF16", "Q8_0" or "Q4_K") the embedding serves as output too, as in published small models, and a
    model of gigabytes is written in seconds.
    """
    feed_forward, kv_heads = feed_forward or 2 * width, kv_heads or heads
    narrow = width // heads * kv_heads
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    size = _copy_vocabulary(writer, vocabulary_of) if vocabulary_of else _own_vocabulary(writer)
    if template and not vocabulary_of:
        writer.add_chat_template(template)
    for key, value in (more or {}).items():
        writer.add_string(key, value)
    random = np.random.default_rng(seed)

    def tensor(name: str, *shape: int) -> None:
        if quantized:
            kind = gguf.GGMLQuantizationType[quantized]
            writer.add_tensor(name, _blocks(random, kind, *shape), raw_dtype=kind)
            return
        writer.add_tensor(name, (random.standard_normal(shape, np.float32) * spread).astype(np.float16))

    def norm(name: str) -> None:
        writer.add_tensor(name, np.ones(width, np.float32))

    tensor("token_embd.weight", size, width)
    norm("output_norm.weight")
    if not quantized:
        tensor("output.weight", size, width)
    for layer in range(layers):
        norm(f"blk.{layer}.attn_norm.weight")
        for part, rows in (("attn_q", width), ("attn_k", narrow), ("attn_v", narrow), ("attn_output", width)):
            tensor(f"blk.{layer}.{part}.weight", rows, width)
        norm(f"blk.{layer}.ffn_norm.weight")
        tensor(f"blk.{layer}.ffn_gate.weight", feed_forward, width)
        tensor(f"blk.{layer}.ffn_up.weight", feed_forward, width)
        tensor(f"blk.{layer}.ffn_down.weight", width, feed_forward)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _blocks(random: np.random.Generator, kind: gguf.GGMLQuantizationType, rows: int, columns: int) -> np.ndarray:
    """Rows of quantized blocks: scales in half precision, then noise. One stretch of noise, repeated."""
    block, width = gguf.GGML_QUANT_SIZES[kind]
    if kind is gguf.GGMLQuantizationType.BF16:
        upper = (random.standard_normal(1 << 20, np.float32) * 0.02).view(np.uint16)[1::2]
        return np.resize(upper, rows * columns).view(np.uint8).reshape(rows, 2 * columns)
    blocks = rows * columns // block
    noise = random.integers(0, 256, (min(blocks, 1 << 13), width), np.uint8)
    scales = 1 if kind is gguf.GGMLQuantizationType.Q8_0 else 2
    largest = 127 if kind is gguf.GGMLQuantizationType.Q8_0 else 8 * 32
    noise[:, : 2 * scales] = np.full((len(noise), scales), 0.03 / largest, np.float16).view(np.uint8)
    return np.resize(noise, (blocks, width)).reshape(rows, columns // block * width)


def _own_vocabulary(writer: gguf.GGUFWriter) -> int:
    tokens, merges = small_vocabulary()
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - 3) + [gguf.TokenType.CONTROL] * 3
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 3)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(False)
    return len(tokens)


def _copy_vocabulary(writer: gguf.GGUFWriter, source: Path) -> int:
    size = 0
    for key, part in gguf.GGUFReader(source).fields.items():
        if not key.startswith("tokenizer."):
            continue
        value = part.contents()
        if key == "tokenizer.ggml.tokens":
            size = len(value)
        if isinstance(value, Sequence) and not isinstance(value, str):
            writer.add_array(key, value)
        else:
            writer.add_key_value(key, value, part.types[0])
    return size
