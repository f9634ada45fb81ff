import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.scripted_server import script_of


def test_a_script_names_the_field_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="unknown: txet; known: "):
        script_of('[{"txet": "hello"}]')


def test_it_serves_a_script_from_a_file_until_it_is_ended(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(["first", {"text": "matched", "match": "basket"}, "last"]))
    command = [sys.executable, "-m", "tests.scripted_server", "--script", str(script)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()

            def ask(prompt: str) -> str:
                body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
                asked = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode())
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    text: str = json.load(answer)["choices"][0]["message"]["content"]
                    return text

            assert [ask("a"), ask("the basket"), ask("b"), ask("c")] == ["first", "matched", "last", "last"]
        finally:
            server.terminate()
