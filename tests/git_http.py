"""Git's own server side for HTTP, run for one request."""

import os
import subprocess
from collections.abc import Mapping


def answer(directory: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> (
    tuple[int, dict[str, str], bytes]
):  # fmt: skip
    """Status, headers and body of `git http-backend` for a bare repository; `path` is what follows its address."""
    variables = {
        "GIT_PROJECT_ROOT": "/",
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": directory + path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": method,
        "REMOTE_USER": "ada",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
    }
    said = subprocess.run(
        ["git", "http-backend"], input=body, capture_output=True, check=True, env=os.environ | variables
    ).stdout
    head, _, rest = said.partition(b"\r\n\r\n")
    found = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    return int(found.pop("Status", "200").split()[0]), found, rest
