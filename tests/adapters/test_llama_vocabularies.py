"""The same promise over real vocabularies of 32 and 152 thousand tokens."""

import subprocess
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="needs the extra `local`")

from gitagent.adapters.llama import LlamaWorker
from gitagent.adapters.llama.resident import release
from gitagent.records import MicroTask
from tests.gguf_maker import write_model
from tests.vocabularies import vocabulary

TEXT = "def total(a):\r\n\tx = '😀é\x7f'\r\n\r\n    return a  # @@ -1 +1 @@\r\n\\ No newline at end of file"


@pytest.mark.network
@pytest.mark.local_model
@pytest.mark.parametrize("name", ["llama-spm", "qwen2"])
def test_answers_over_a_real_vocabulary_apply_with_git(tmp_path: Path, name: str) -> None:
    try:
        source = vocabulary(name)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"the source archive of llama-cpp-python cannot be fetched: {error}")
    worker = LlamaWorker(
        str(write_model(tmp_path / "model.gguf", vocabulary_of=source)), window=2048, threads=1, parallel=4
    )
    task = MicroTask(id="t", path="a.py", first_line=1, excerpt=TEXT, instruction="Mend this.", answer_tokens=120)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    found = list(worker.candidates(task, TEXT, limit=8))
    release()
    assert found
    for candidate in found:
        (tmp_path / "a.py").write_bytes(TEXT.encode())
        command = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn"]
        subprocess.run(command, cwd=tmp_path, input=candidate.diff.text.encode(), check=True, capture_output=True)
        assert (tmp_path / "a.py").read_bytes() == (candidate.texts["a.py"] or "").encode()
