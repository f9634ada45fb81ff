"""llama.cpp by its low-level calls: one model, one context, several sequences over one cache.

Only this module calls `llama_cpp`. The weights are mapped, never locked and never repacked into a second
copy, so a model larger than free memory still runs, slowly.
"""

import contextlib
import ctypes
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gitagent.adapters.llama.header import Header, read_header
from gitagent.adapters.llama.installed import llama_cpp, llguidance
from gitagent.errors import ModelError

Logits: TypeAlias = npt.NDArray[np.float32]

BATCH = 512
OUTPUTS = 24
"""The most tokens of one evaluation whose logits can be had; each takes 1.2 MB at a vocabulary of 152 thousand."""

_log: list[str] = []
_kept: list[object] = []  # what C keeps a pointer to must outlive every call


class Engine:
    """A loaded model with room for `cells` tokens in all: a prompt's sequence 0, and `parallel` after it."""

    def __init__(self, path: str, *, window: int, cells: int, parallel: int, threads: int) -> None:
        self.path = path
        self.header = read_header(path)
        _check(self.header, window)
        self._lib = llama_cpp()
        _start(self._lib)
        self._model: Any = None
        self._context: Any = None
        self._tokenizer: Any = None
        self.parallel, self.cells, self.window = parallel, cells, window
        self.epoch = 0  # how often the cache was emptied
        try:
            self._load(threads)
        except BaseException:  # whatever stopped it, what was loaded so far is given back
            self.close()
            raise

    def _load(self, threads: int) -> None:
        lib = self._lib
        params = lib.llama_model_default_params()
        params.n_gpu_layers = 0
        params.load_mode = lib.LLAMA_LOAD_MODE_MMAP
        params.use_extra_bufts = False  # these keep a second copy of the weights in memory
        _log.clear()
        self._model = lib.llama_model_load_from_file(os.fsencode(self.path), params)
        if not self._model:
            raise ModelError(f"{self.path}: llama.cpp cannot load this model: {_last_words()}", hint=_PULL)
        self.vocab = lib.llama_model_get_vocab(self._model)
        self.tokens = int(lib.llama_vocab_n_tokens(self.vocab))
        asked = lib.llama_context_default_params()
        asked.n_ctx = self.cells
        asked.n_batch = asked.n_ubatch = BATCH
        asked.n_seq_max = self.parallel + 1
        asked.n_outputs_max = self._outputs = max(self.parallel + 1, OUTPUTS)
        asked.n_threads = asked.n_threads_batch = threads
        asked.kv_unified = True
        asked.no_perf = True
        self._context = lib.llama_init_from_model(self._model, asked)
        if not self._context:
            raise ModelError(
                f"{self.path}: no memory for a window of {self.window} tokens: {_last_words()}",
                hint="gitagent models doctor",
            )
        self._memory = lib.llama_get_memory(self._context)
        self._batch = _Batch(lib, BATCH, self.parallel + 1)
        self.bos = int(lib.llama_vocab_bos(self.vocab))
        self.ends = frozenset(
            token
            for token in (lib.llama_vocab_eos(self.vocab), lib.llama_vocab_eot(self.vocab))
            if token >= 0 and lib.llama_vocab_is_eog(self.vocab, token)
        )
        self._pieces: dict[int, bytes] = {}
        self._taken: dict[str, int] = {}
        self._masks: dict[str, npt.NDArray[np.int32]] = {}

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer as llguidance knows it; about a second to build for a large vocabulary."""
        if self._tokenizer is None:
            self._tokenizer = self._llguidance_tokenizer()
        return self._tokenizer

    def _llguidance_tokenizer(self) -> Any:
        # What llguidance.llamacpp does, without its deprecated calls, which warn once for every token.
        lib = self._lib
        room = ctypes.create_string_buffer(16 * 1024)
        pieces: list[bytes] = []
        control, given = lib.LLAMA_TOKEN_ATTR_CONTROL, lib.LLAMA_TOKEN_ATTR_USER_DEFINED
        for token in range(self.tokens):
            size = lib.llama_token_to_piece(self.vocab, token, room, len(room), 0, True)
            piece: bytes = ctypes.string_at(room, max(size, 0))
            kind = lib.llama_vocab_get_attr(self.vocab, token)
            if kind & control or (kind & given and piece[:1] == b"<" and piece[-1:] == b">"):
                piece = b"\xff" + piece  # to llguidance, a token that no text is made of
            pieces.append(piece)
        tokenize = ctypes.cast(lib._lib.llama_tokenize, ctypes.c_void_p).value
        return llguidance().LLTokenizer.from_llamacpp(
            tokens=pieces,
            vocab_ptr=self.vocab,
            tokenize_fptr=tokenize,
            eos_token=sorted(self.ends) or [self.tokens - 1],
            slices=None,
        )

    def close(self) -> None:
        """Give back the context and the weights. The engine is of no use afterwards."""
        if self._context:
            self._lib.llama_free(self._context)
            self._context = None
        if self._model:
            self._tokenizer = None  # it points into the vocabulary
            self._lib.llama_model_free(self._model)
            self._model = None
            # glibc keeps what was freed in small pieces; a process that goes on should have it back.
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(None).malloc_trim(0)

    def tokenize(self, text: str, *, special: bool = False, first: bool = False) -> list[int]:
        """The tokens of a text. Only with `special` does it hold control tokens, whatever it looks like."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        out = (self._lib.llama_token * room)()
        count = self._lib.llama_tokenize(self.vocab, data, len(data), out, room, first, special)
        if count < 0:
            raise ModelError(f"{self.path}: its tokenizer cannot read {text[:40]!r}")
        return list(out[:count])

    def takes(self, text: str) -> int:
        """How many tokens a text takes, found out once for each."""
        found = self._taken.get(text)
        if found is None:
            found = self._taken[text] = len(self.tokenize(text))
        return found

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for; control tokens stand for none."""
        found = self._pieces.get(token)
        if found is None:
            room = ctypes.create_string_buffer(1024)
            size = self._lib.llama_token_to_piece(self.vocab, token, room, len(room), 0, False)
            found = self._pieces[token] = room.raw[: max(size, 0)]
        return found

    def such(self, name: str, holds: Callable[[bytes], bool]) -> npt.NDArray[np.int32]:
        """A bit mask of the tokens whose bytes something holds of, made once for each name."""
        mask = self._masks.get(name)
        if mask is None:
            bits: npt.NDArray[np.uint8] = np.zeros((self.tokens + 31) // 32 * 32, np.uint8)
            bits[: self.tokens] = [holds(self.piece(token)) for token in range(self.tokens)]
            mask = self._masks[name] = np.packbits(bits, bitorder="little").view(np.int32)
        return mask

    def spoken(self, token: int) -> str:
        """A token as a chat template writes it, control tokens too."""
        return (self._lib.llama_vocab_get_text(self.vocab, token) or b"").decode() if token >= 0 else ""

    def chat_template(self) -> str:
        """The chat template the model came with, or ""."""
        return (self._lib.llama_model_chat_template(self._model, None) or b"").decode("utf-8", "replace")

    @property
    def build(self) -> str:
        """Which llama.cpp this is: saved caches and replays are good for one build."""
        return (self._lib.llama_version() or b"").decode("utf-8", "replace")

    def use_threads(self, threads: int) -> None:
        """From now on compute with this many threads."""
        self._lib.llama_set_n_threads(self._context, threads, threads)

    def forget(self) -> None:
        """Empty the cache, as if nothing had been evaluated."""
        self._taken.clear()
        self._lib.llama_memory_clear(self._memory, True)
        self.epoch += 1

    def share(self, sequences: Sequence[int]) -> None:
        """Let these sequences go on from where sequence 0 is, over the same cells."""
        for sequence in sequences:
            self._lib.llama_memory_seq_cp(self._memory, 0, sequence, -1, -1)

    def drop(self, sequence: int, start: int = -1) -> None:
        """Take back what a sequence holds from a position on, all of it by default."""
        self._lib.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def saved(self) -> bytes:
        """The cache of sequence 0, to be put back by `restore`."""
        size = self._lib.llama_state_seq_get_size(self._context, 0)
        out = (ctypes.c_uint8 * size)()
        written = self._lib.llama_state_seq_get_data(self._context, out, size, 0)
        return bytes(memoryview(out)[:written])

    def restore(self, state: bytes) -> bool:
        """Put a saved cache back into sequence 0; false if it is none of this model's."""
        data = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        return bool(self._lib.llama_state_seq_set_data(self._context, data, len(state), 0) == len(state))

    def feed(self, rows: Sequence[tuple[int, int, Sequence[int]]]) -> list[Logits]:
        """Evaluate tokens and return the logits after the last one of each row.

        A row is a sequence, the position of its first token, and its tokens (at least one). Rows are split
        over as many calls as their tokens need, always in the same way.
        """
        out: list[Logits | None] = [None] * len(rows)

        def keep(row: int, _: int, logits: Logits) -> None:
            out[row] = logits.copy()

        self.decode(rows, [len(tokens) - 1 for _, _, tokens in rows], keep)
        return [logits for logits in out if logits is not None]

    def chances(
        self, rows: Sequence[tuple[int, int, Sequence[int]]], following: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        """Evaluate rows as `feed` does; of each row's tokens, the log-probability of the one `following` it."""
        out: list[list[float]] = [[] for _ in rows]

        def keep(row: int, at: int, logits: Logits) -> None:
            out[row].append(chance(logits, following[row][at]))

        self.decode(rows, [0] * len(rows), keep)
        return out

    def decode(
        self,
        rows: Sequence[tuple[int, int, Sequence[int]]],
        wanted_from: Sequence[int],
        take: Callable[[int, int, Logits], None],
    ) -> None:
        """Evaluate rows, and tell of each the logits from its token `wanted_from` on. They are good for that call."""
        batch = self._batch
        wanted: list[tuple[int, int, int]] = []

        def flush() -> None:
            if not batch.size:
                return
            status = self._lib.llama_decode(self._context, batch.sized())
            if status:
                raise ModelError(
                    f"{self.path}: llama.cpp could not evaluate {batch.size} tokens (status {status})",
                    hint="gitagent models doctor",
                )
            for row, at, place in wanted:
                address = self._lib.llama_get_logits_ith(self._context, place)
                take(row, at, np.ctypeslib.as_array(address, (self.tokens,)))
            batch.size = 0
            wanted.clear()

        for row, (sequence, position, tokens) in enumerate(rows):
            at = 0
            while at < len(tokens):
                if batch.size == BATCH or len(wanted) == self._outputs:
                    flush()
                silent = max(wanted_from[row] - at, 0)
                taken = min(len(tokens) - at, BATCH - batch.size, silent + self._outputs - len(wanted))
                wanted += [(row, at + place, batch.size + place) for place in range(silent, taken)]
                batch.add(sequence, position + at, tokens[at : at + taken], silent)
                at += taken
        flush()


class _Batch:
    """A `llama_batch` over arrays of our own, so that filling it is not a loop over pointers."""

    def __init__(self, lib: Any, room: int, sequences: int) -> None:
        self._tokens: npt.NDArray[np.int32] = np.zeros(room, np.int32)
        self._positions: npt.NDArray[np.int32] = np.zeros(room, np.int32)
        self._counts: npt.NDArray[np.int32] = np.ones(room, np.int32)
        self._ids: npt.NDArray[np.int32] = np.arange(sequences, dtype=np.int32)
        self._pointers: npt.NDArray[np.uint64] = np.zeros(room, np.uint64)
        self._wanted: npt.NDArray[np.int8] = np.zeros(room, np.int8)
        self.size = 0
        self._batch = lib.llama_batch()
        for name, array in (
            ("token", self._tokens),
            ("pos", self._positions),
            ("n_seq_id", self._counts),
            ("seq_id", self._pointers),
            ("logits", self._wanted),
        ):
            kind = dict(lib.llama_batch._fields_)[name]
            setattr(self._batch, name, ctypes.cast(array.ctypes.data, kind))

    def add(self, sequence: int, position: int, tokens: Sequence[int], silent: int) -> None:
        """Add tokens of a sequence; the logits after all but the first `silent` of them are wanted."""
        low, high = self.size, self.size + len(tokens)
        self._tokens[low:high] = tokens
        self._positions[low:high] = np.arange(position, position + len(tokens))
        self._pointers[low:high] = self._ids.ctypes.data + 4 * sequence
        self._wanted[low:high] = 0
        self._wanted[low + silent : high] = 1
        self.size = high

    def sized(self) -> Any:
        self._batch.n_tokens = self.size
        return self._batch


def _start(lib: Any) -> None:
    """Once per process: llama.cpp's own state, and its log into our list rather than onto the terminal."""
    if _kept:
        return

    def note(level: int, text: bytes, _: object) -> None:
        if level >= 3 and len(_log) < 200:  # 3 is a warning, 4 an error, 5 goes on with the line before
            _log.append(text.decode("utf-8", "replace"))

    _kept.append(lib.llama_log_callback(note))
    lib.llama_log_set(_kept[0], ctypes.c_void_p(0))
    lib.llama_backend_init()


_PULL = "gitagent models doctor"


def _last_words() -> str:
    lines = [line.strip() for line in "".join(_log).split("\n") if line.strip()]
    told = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no reason given")
    return told[:300]


def _check(header: Header, window: int) -> None:
    """Say early, and in our words, what llama.cpp would say late or not at all."""
    if not header.vocabulary:
        raise ModelError(
            f"{header.path}: this GGUF file has no tokenizer, so nothing can be said to it", hint=_PULL
        )
    if header.window and window > header.window:
        raise ModelError(
            f"{header.path}: trained for a window of {header.window} tokens, and {window} were asked for",
            hint=f"set the window to {header.window} or less",
        )


def chance(logits: Logits, token: int) -> float:
    """The log-probability of a token among all."""
    most = logits.max()
    return float(logits[token] - most - np.log(np.exp(logits - most).sum()))


def resident_bytes() -> int:
    """This process's anonymous resident memory, mapped files left out; 0 where the system does not tell."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
