"""Which paths a diff may name: inside the tree, not git's own, not a disguise of either."""

import re
import unicodedata

from gitagent.core.diffs.refusals import Refused

# Code points HFS+ leaves out when it compares names (git: utf8.c, next_hfs_char).
_IGNORED_BY_HFS = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF], None
)
# NTFS finds .git under its short name and under any stream (git: path.c, is_ntfs_dotgit).
_NTFS_GIT = re.compile(r"(?:\.git|git~[0-9]+)[ .]*(?::.*)?$", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:[ .:].*)?$", re.IGNORECASE)
_LONGEST_PATH, _LONGEST_NAME = 4096, 255


def check_path(path: str) -> None:
    """Raises Refused, naming path and rule, unless the path is a plain one from the repository's root."""
    rule = _broken_rule(path)
    if rule:
        raise Refused("forbidden", path, rule)


def _broken_rule(path: str) -> str:
    if not path:
        return "the path is empty"
    if len(path) > _LONGEST_PATH:
        return "the path is too long"
    if path.startswith(("/", "\\", "~/")) or _DRIVE.match(path):
        return "the path must start at the repository's root, not at the machine's"
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in path):
        return "the path holds a control character"
    for name in re.split(r"[/\\]", path):
        if rule := _broken_name_rule(name):
            return rule
    return ""


def _broken_name_rule(name: str) -> str:
    if name in ("", "."):
        return "the path is not in its plain form"
    if name.rstrip(" .") in ("", ".", "..") or name == "..":
        return "the path leads out of the repository"
    folded = unicodedata.normalize("NFKC", name.translate(_IGNORED_BY_HFS)).casefold()
    if _NTFS_GIT.match(name) or _NTFS_GIT.match(folded):
        return "git's own files may not be changed"
    if _DEVICES.match(name):
        return "the name is a device's on some machines"
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        return "a name in the path is too long"
    return ""
