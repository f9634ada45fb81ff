"""Reads the head of a GGUF file: enough to refuse a bad one in plain words and to guess what it needs.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from gitagent.errors import ModelError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Bytes and elements of a block, by ggml's number of the type.
_BLOCKS = {
    0: (4, 1), 1: (2, 1), 2: (18, 32), 3: (20, 32), 6: (22, 32), 7: (24, 32), 8: (34, 32), 9: (40, 32),
    10: (84, 256), 11: (110, 256), 12: (144, 256), 13: (176, 256), 14: (210, 256), 15: (292, 256),
    16: (66, 256), 17: (74, 256), 18: (98, 256), 19: (50, 256), 20: (18, 32), 21: (110, 256), 22: (82, 256),
    23: (136, 256), 24: (1, 1), 25: (2, 1), 26: (4, 1), 27: (8, 1), 28: (8, 1), 29: (56, 256), 30: (2, 1),
    34: (54, 256), 35: (66, 256), 39: (17, 32), 40: (36, 64),
}  # fmt: skip
_MOST_TEXT = 16 * 1024**2
_MOST_ITEMS = 4 * 1024**2

Value = int | float | bool | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a GGUF file says about itself. `vocabulary` counts tokens, `window` is what it was trained for."""

    path: str
    architecture: str
    name: str
    size: int
    vocabulary: int
    window: int
    layers: int
    cache_bytes_per_token: int
    parameters: int
    values: Mapping[str, Value] = field(hash=False, repr=False)


def read_header(path: str) -> Header:
    """The header of a GGUF file.

    Raises ModelError, naming the file and what is wrong, if it is not there, not GGUF, cut off, or beyond belief.
    """
    hint = "gitagent models pull REPOSITORY FILE"
    try:
        with open(path, "rb") as file:
            return _Reader(file, path).header()
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such model file", hint="gitagent models list") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot read this model file: {error.strerror or error}") from error
    except (struct.error, EOFError) as error:
        raise ModelError(f"{path}: this GGUF file is cut off: it ends inside its own header", hint=hint) from error
    except ValueError as error:
        raise ModelError(f"{path}: {error}", hint=hint) from error


class _Reader:
    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file, self._path = file, path
        self._size = os.fstat(file.fileno()).st_size

    def header(self) -> Header:
        magic = self._file.read(4)
        if magic != b"GGUF":
            raise ValueError(f"not a GGUF file: it begins with {magic!r}, expected b'GGUF'")
        (version,) = self._unpack("I")
        if version not in (2, 3):
            raise ValueError(f"GGUF version {version} is not known here, expected 2 or 3")
        tensors, pairs = self._unpack("QQ")
        if tensors > 1_000_000 or pairs > 1_000_000:
            raise ValueError("not a sound GGUF file: it claims millions of tensors or settings")
        values: dict[str, Value] = {}
        lengths: dict[str, int] = {}
        for _ in range(pairs):
            key = self._text()
            (kind,) = self._unpack("I")
            value = self._value(kind)
            if isinstance(value, list):
                lengths[key] = value[0]
            else:
                values[key] = value
        parameters = self._check_tensors(tensors, int(values.get("general.alignment", 32)))
        return self._summary(values, lengths, parameters)

    def _check_tensors(self, count: int, alignment: int) -> int:
        """Whether the file is long enough for the tensors it names; returns how many numbers they hold."""
        end = parameters = 0
        for _ in range(count):
            self._text()
            (dimensions,) = self._unpack("I")
            if dimensions > 8:
                raise ValueError("not a sound GGUF file: a tensor of more than 8 dimensions")
            elements = 1
            for size in self._unpack("Q" * dimensions):
                elements *= size
            kind, offset = self._unpack("IQ")
            width, block = _BLOCKS.get(kind, (0, 1))
            parameters += elements
            end = max(end, offset + elements // block * width)
        begin = -(-self._file.tell() // max(alignment, 1)) * max(alignment, 1)
        if begin + end > self._size and count:
            raise ValueError(
                f"this GGUF file is cut off: it has {self._size:,} bytes and names tensors up to {begin + end:,}"
            )
        return parameters

    def _summary(self, values: dict[str, Value], lengths: dict[str, int], parameters: int) -> Header:
        kind = str(values.get("general.architecture", ""))

        def number(key: str, default: int = 0) -> int:
            value = values.get(f"{kind}.{key}", default)
            return int(value) if isinstance(value, (int, float)) else default

        heads = number("attention.head_count", 1)
        width = number("embedding_length") // max(heads, 1)
        each = number("attention.key_length", width) + number("attention.value_length", width)
        layers = number("block_count")
        return Header(
            path=self._path,
            architecture=kind,
            name=str(values.get("general.name", "")),
            size=self._size,
            vocabulary=lengths.get("tokenizer.ggml.tokens", 0),
            window=number("context_length"),
            layers=layers,
            cache_bytes_per_token=2 * layers * number("attention.head_count_kv", heads) * each,
            parameters=parameters,
            values=values,
        )

    def _unpack(self, form: str) -> tuple[int, ...]:
        size = struct.calcsize("<" + form)
        data = self._file.read(size)
        return struct.unpack("<" + form, data)

    def _text(self) -> str:
        (size,) = self._unpack("Q")
        if size > _MOST_TEXT:
            raise ValueError(f"not a sound GGUF file: a text of {size:,} bytes in its header")
        data = self._file.read(size)
        if len(data) < size:
            raise EOFError
        return data.decode("utf-8", "replace")

    def _value(self, kind: int) -> Value | list[int]:
        """A value; of an array only the length, as a list of one."""
        if kind in _SCALARS:
            return self._unpack(_SCALARS[kind])[0]
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            raise ValueError(f"not a sound GGUF file: a value of unknown kind {kind}")
        inner, count = self._unpack("IQ")
        if count > _MOST_ITEMS:
            raise ValueError(f"not a sound GGUF file: an array of {count:,} items in its header")
        if inner in _SCALARS:
            self._skip(struct.calcsize("<" + _SCALARS[inner]) * count)
        elif inner == _STRING:
            for _ in range(count):
                self._skip(self._unpack("Q")[0])
        else:
            raise ValueError("not a sound GGUF file: an array of arrays in its header")
        return [count]

    def _skip(self, size: int) -> None:
        if self._file.tell() + size > self._size:
            raise EOFError
        self._file.seek(size, os.SEEK_CUR)
