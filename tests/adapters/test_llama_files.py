"""Model files that cannot be used: each is refused in a line that names it, and nothing crashes."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitagent.adapters.llama.header import read_header
from gitagent.errors import ModelError
from tests.gguf_maker import write_model


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_model(tmp_path_factory.mktemp("good") / "good.gguf", context=2048).read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def refusal(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        read_header(str(path))
    assert str(path) in str(caught.value)
    return caught.value


def test_a_sound_header_says_what_the_model_is(good: bytes, path: Path) -> None:
    path.write_bytes(good)
    header = read_header(str(path))
    assert (header.architecture, header.window, header.layers, header.vocabulary) == ("llama", 2048, 1, 4096)
    assert header.cache_bytes_per_token == 2 * 1 * 4 * (16 + 16)
    assert header.parameters > 500_000


def test_a_file_that_is_not_there_or_no_file(path: Path) -> None:
    assert "no such model file" in str(refusal(path))
    path.mkdir()
    assert "cannot read" in str(refusal(path))


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04 a zip file", b"GGML" + bytes(100)])
def test_a_file_that_is_no_gguf(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "not a GGUF file" in str(refusal(path))


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.05, 0.5, 0.99])
def test_a_file_that_was_cut_off(good: bytes, path: Path, share: float) -> None:
    path.write_bytes(good[: max(int(len(good) * share), 5)])
    assert "cut off" in str(refusal(path))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (struct.pack("<IQQ", 99, 0, 0), "version 99"),
        (struct.pack("<IQQ", 3, 0, 2**60), "claims millions"),
        (struct.pack("<IQQQ", 3, 0, 1, 2**50), "a text of"),
        (struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 77), "unknown kind 77"),
        (struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 8, 2**40), "an array of"),
        (struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 9, 1), "array of arrays"),
        (struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 6, 100), "cut off"),
        (struct.pack("<IQQQ1sI", 3, 1, 0, 1, b"t", 200), "8 dimensions"),
    ],
)
def test_a_header_beyond_belief(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(b"GGUF" + content)
    assert why in str(refusal(path))


def load(path: Path, window: int = 512) -> str:
    """Load the model in a process of its own; what it says when it cannot, "" when it can."""
    script = (
        "import sys\n"
        "from gitagent.adapters.llama import LlamaModel\n"
        "from gitagent.errors import GitagentError\n"
        "from gitagent.records import Message\n"
        "try:\n"
        f"    model = LlamaModel({str(path)!r}, window={window}, threads=1, parallel=1)\n"
        "    model.reply([Message(role='user', content='?')], answer_tokens=2)\n"
        "except GitagentError as error:\n"
        "    print('error:', error, '| hint:', error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == "", "llama.cpp's own log stays off the terminal"
    return done.stdout


@pytest.mark.local_model
def test_a_model_of_an_unknown_architecture_is_refused_in_llama_cpps_words(path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="needs the extra `local`")
    write_model(path)
    path.write_bytes(path.read_bytes().replace(b"llama", b"wombo"))
    assert "cannot load this model" in (told := load(path))
    assert "wombo" in told


@pytest.mark.local_model
def test_a_model_without_a_tokenizer_is_refused(path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="needs the extra `local`")
    write_model(path)
    path.write_bytes(path.read_bytes().replace(b"tokenizer.ggml.tokens", b"tokenizer.ggml.tokenz"))
    assert "no tokenizer" in load(path)


@pytest.mark.local_model
def test_a_window_larger_than_the_model_was_trained_for_is_refused(good: bytes, path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="needs the extra `local`")
    path.write_bytes(good)
    assert "trained for a window of 2048 tokens, and 4096 were asked for" in load(path, window=4096)
    assert load(path, window=2048) == ""


def test_without_the_packages_the_error_names_the_one_command_that_adds_them(good: bytes, path: Path) -> None:
    path.write_bytes(good)
    script = (
        "import sys, json\n"
        "sys.modules['llama_cpp'] = None\n"  # what Python itself does for a package that must not be found
        "from gitagent.adapters.llama import LlamaModel\n"
        "from gitagent.errors import ModelError\n"
        "try:\n"
        f"    LlamaModel({str(path)!r}, window=512).count([])\n"
        "except ModelError as error:\n"
        "    print(json.dumps([str(error), error.hint]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    error, hint = json.loads(done.stdout)
    assert "needs llama_cpp" in error
    assert "make local" in hint
    assert "minutes" in hint


def test_no_model_chosen_is_an_error_with_the_commands_that_choose_one() -> None:
    from gitagent.adapters.llama import LlamaWorker

    with pytest.raises(ModelError) as caught:
        LlamaWorker("")
    assert "gitagent models use" in caught.value.hint


@pytest.fixture
def two_models(tmp_path: Path) -> Iterator[tuple[str, str]]:
    pytest.importorskip("llama_cpp", reason="needs the extra `local`")
    from gitagent.adapters.llama.resident import release

    yield str(write_model(tmp_path / "a.gguf", seed=1)), str(write_model(tmp_path / "b.gguf", seed=2))
    release()


@pytest.mark.local_model
def test_one_model_is_in_memory_at_a_time_and_the_other_is_given_back(two_models: tuple[str, str]) -> None:
    from gitagent.adapters.llama import LlamaModel
    from gitagent.adapters.llama.resident import _held, release
    from gitagent.records import Message

    first, second = (LlamaModel(path, window=512, threads=1, parallel=1) for path in two_models)
    said = first.reply([Message(role="user", content="?")], answer_tokens=5).text
    second.reply([Message(role="user", content="?")], answer_tokens=5)
    assert len(_held) == 1
    assert first.reply([Message(role="user", content="?")], answer_tokens=5).text == said
    release()
    assert not _held
    mapped = Path("/proc/self/maps")
    if mapped.exists():
        assert not any(path in mapped.read_text() for path in two_models)
