"""Where a container engine may be listening, found without importing anything slow."""

import hashlib
import json
import os
import stat
from collections.abc import Mapping


def engines(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Addresses where an engine may answer, likeliest first: DOCKER_HOST alone, or the sockets that exist."""
    environ = os.environ if environ is None else environ
    if named := environ.get("DOCKER_HOST"):
        return (named,)
    home, runtime = environ.get("HOME", ""), environ.get("XDG_RUNTIME_DIR", "")
    places = [_context_host(home, environ.get("DOCKER_CONTEXT", "")), "/var/run/docker.sock"]
    places += [f"{runtime}/docker.sock", f"{runtime}/podman/podman.sock"] if runtime else []
    places += [f"{home}/.docker/run/docker.sock"] if home else []
    places += ["/run/podman/podman.sock"]
    found = [place if "://" in place else f"unix://{place}" for place in places if place]
    return tuple(
        dict.fromkeys(
            url for url in found if not url.startswith("unix://") or _is_socket(url.removeprefix("unix://"))
        )
    )


def _context_host(home: str, name: str) -> str:
    """The address of the docker context in use, "" if there is none but the default."""
    base = os.path.join(home, ".docker")
    try:
        if not name:
            with open(os.path.join(base, "config.json"), encoding="utf-8") as file:
                name = json.load(file).get("currentContext", "")
        digest = hashlib.sha256(name.encode()).hexdigest()
        with open(os.path.join(base, "contexts", "meta", digest, "meta.json"), encoding="utf-8") as file:
            return str(json.load(file)["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False
