"""Which paths a diff may name: the house's rules, and those of file systems it may be checked out on."""

import re

from gitagent.core import paths
from gitagent.core.diffs.refusals import Refused
from gitagent.errors import DiffError

_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:[ .:].*)?$", re.IGNORECASE)


def check_path(path: str) -> None:
    """Raises Refused, naming path and rule, unless the path is a plain one from the repository's root."""
    try:
        paths.check_path(path)
    except DiffError as error:
        rule = str(error).removesuffix(". Nothing was changed").rpartition(": ")[2]
        raise Refused("forbidden", path, rule) from error
    for name in re.split(r"[/\\]", path):
        if not name.strip(" ."):
            raise Refused("forbidden", path, "a name of dots and blanks leads elsewhere on some systems")
        if name == "~" or _DEVICE.match(name) or re.match(r"(?i)git~[0-9]+", name):
            raise Refused("forbidden", path, f"the name {name} stands for something else on some systems")
