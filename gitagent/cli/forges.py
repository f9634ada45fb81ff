"""Which forge a repository belongs to."""

import ipaddress
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gitagent.adapters.local_forge import LocalForge
from gitagent.errors import ForgeError, RequestError
from gitagent.ports import Forge

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.config import Config


def forge_for(repository: "GitRepository", config: "Config") -> Forge:
    """GitHub where the remote is on the configured host (`forge.base_url`'s, else github.com), else the local one.

    The host is the user's word: a remote on another gets no token, and where `forge.name` is github a refusal.
    """
    name, remote = config.forge.name, config.forge.remote
    if name == "local":
        return LocalForge(repository)
    from gitagent.adapters.github import PUBLIC, host_of, parse_remote, token_from
    from gitagent.adapters.github_bot import GitHubBot

    base_url = api_address(config.forge.base_url)
    host = host_of(base_url)
    url = repository.remote_url(remote)
    found = parse_remote(url)
    if found is None or found[0] != host:
        if name == "auto":
            return LocalForge(repository)
        shown = re.sub(r"//[^/@\s]+@", "//", url)
        is_other = found is not None and host == PUBLIC
        raise ForgeError(
            f"remote {remote!r} ({shown or 'not set'}) names no repository on {host}. Nothing was run.",
            hint=(
                f"export GITAGENT_FORGE_BASE_URL=https://{found[0]}/api/v3 if that is GitHub Enterprise, else "
                if is_other and found
                else f"git remote set-url {remote} https://{host}/OWNER/NAME.git, or "
            )
            + "--forge local",
        )
    _, owner, repository_name = found
    return GitHubBot(
        repository, owner, repository_name, token=token_from(os.environ, host), base_url=base_url, remote=remote
    )


def api_address(base_url: str) -> str:
    """`forge.base_url` as an API's address, "" for the public site's.

    GitHub Enterprise Server answers below /api/v3, which may be left out. Raises RequestError if it is no https
    address (http is for this machine alone: a token would be readable on the way).
    """
    if not base_url:
        return ""
    try:
        parts = urlsplit(base_url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host))
    if not (host and is_safe) or "@" in parts.netloc or parts.query or parts.fragment:
        raise RequestError(
            f"forge.base_url is {base_url!r}, expected an https address without credentials. Nothing was run.",
            hint="export GITAGENT_FORGE_BASE_URL=https://HOST/api/v3",
        )
    if host in ("github.com", "api.github.com"):
        return ""
    path = parts.path.strip("/") or ("" if host.startswith("api.") else "api/v3")
    is_usual = port in (None, 443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{port}") + (f"/{path}" if path else "")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
