"""From a reply to whole new texts: every file and hunk of it, or a refusal."""

import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from gitagent.core.diffs.align import items_of
from gitagent.core.diffs.decide import patched
from gitagent.core.diffs.paths import check_path
from gitagent.core.diffs.read import FilePatch, read_reply
from gitagent.core.diffs.refusals import Refused
from gitagent.core.diffs.render import between
from gitagent.core.diffs.wellformed import read_well_formed
from gitagent.records import Diff

Read = Callable[[str], str | None]

_LARGEST_REPLY, _LONGEST_REPLY, _LARGEST_FILE, _MOST_LINES = 2_000_000, 30_000, 20_000_000, 500_000
_SYMLINK, _SUBMODULE, _TREE = 0o120000, 0o160000, 0o040000
_PLAIN_MODES = (0o100644, 0o100755)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A clean diff and the whole new texts it leads to, keyed by path; None means the file goes away.

    `modes` holds the new mode of files that get another than they had (100644 for new ones).
    """

    diff: Diff
    texts: Mapping[str, str | None] = field(hash=False)
    modes: Mapping[str, int] = field(default_factory=dict, hash=False)


@dataclass(slots=True)
class _Work:
    """The files of one reply while it is gone through."""

    read: Read
    allowed: frozenset[str] | None
    tree: Mapping[str, int] | None
    finished: bool
    old: dict[str, str | None] = field(default_factory=dict)
    new: dict[str, str | None] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)

    def text(self, path: str) -> str | None:
        if path not in self.old:
            text = self.read(path)
            if text is not None and (len(text) > _LARGEST_FILE or text.count("\n") > _MOST_LINES):
                raise Refused("too large", path, "the file is too large to be changed by a diff")
            if text is not None and "\0" in text:
                raise Refused("binary", path, "the file is no text")
            self.old[path] = text
        return self.old[path]


def apply_reply(
    reply: str,
    read: Read,
    *,
    allowed: Collection[str] | None = None,
    tree: Mapping[str, int] | None = None,
    finished: bool = False,
) -> Applied:
    """Find the diff in a reply and apply it to the texts `read` gives (None: no such file).

    `allowed` are the only paths it may touch. `tree` gives the mode of every path of the repository, so that
    symlinks, submodules and names that differ in case only are minded. `finished` says that the reply is known
    to be whole, though its last line is an added one without a newline. Raises Refused, a DiffError worded for
    the model that wrote the reply, if there is no diff, it does not fit exactly one place, it changes nothing,
    or it may not be applied.
    """
    if len(reply) > _LARGEST_REPLY:
        raise Refused("too large", "", f"the reply is longer than {_LARGEST_REPLY} characters")
    if reply.count("\n") > _LONGEST_REPLY:
        raise Refused("too large", "", f"the reply is longer than {_LONGEST_REPLY} lines")
    files = read_well_formed(reply)
    if files is None:
        files = read_reply(reply)
    if not files:
        what = "is empty" if not reply.strip() else "holds no unified diff"
        raise Refused(
            "no diff", "", f"the reply {what}. It must begin with --- a/PATH and +++ b/PATH, then @@ hunks"
        )
    work = _Work(read, None if allowed is None else frozenset(allowed), tree, finished)
    for path, patches in _by_path(files, work).items():
        _one_file(path, patches, work)
    pairs = {path: (work.old.get(path), new) for path, new in work.new.items()}
    _check_clashes(work)
    modes = {path: ((tree or {}).get(path), mode) for path, mode in work.modes.items()}
    for path, (old, _) in pairs.items():
        if old is not None and path not in modes and tree and tree.get(path) not in (None, 0o100644):
            modes[path] = (tree[path], tree[path])
    diff = between(pairs, modes=modes)
    if not diff.paths:
        raise Refused("no change", "", "the diff changes nothing: what it asks for is in the file already")
    return Applied(diff=diff, texts={path: pairs[path][1] for path in diff.paths}, modes=dict(work.modes))


def _by_path(files: list[FilePatch], work: _Work) -> dict[str, list[FilePatch]]:
    """The sections of the reply by the path they are about, which is checked."""
    out: dict[str, list[FilePatch]] = {}
    for file in files:
        path = _path_of(file, work)
        if any("\0" in line for hunk in file.hunks for line in hunk.lines) or file.binary:
            raise Refused("binary", path, "only text can be changed by a diff", line=file.line)
        out.setdefault(path, []).append(file)
    return out


def _path_of(file: FilePatch, work: _Work) -> str:
    if not file.old and not file.new:
        if work.allowed is not None and len(work.allowed) == 1:
            return next(iter(work.allowed))
        message = "a hunk comes without the name of its file. Write --- a/PATH and +++ b/PATH above it"
        raise Refused("no diff", "", message, line=file.line)
    names = [name for name in (file.new, file.old) if name]
    for name in names:
        _check(_stripped(name), work, file)
    if file.renamed or file.copied:
        return _plain(file.new or "", work)
    if file.old is None or file.new is None:
        return _plain(names[0], work)
    new, old = _plain(file.new or file.old, work), _plain(file.old or file.new, work)
    if new == old:
        return new
    here = [path for path in (new, old) if work.text(path) is not None]
    if len(here) == 1 and (here[0] == new or _same_name(new, old)):
        return here[0]
    message = f"the diff names two files, {old} and {new}. Write one section for each file"
    raise Refused("forbidden", new, message, line=file.line)


def _same_name(one: str, other: str) -> bool:
    return one.removesuffix(".orig") == other or other.removesuffix(".orig") == one


def _stripped(name: str) -> str:
    name = name[2:] if name.startswith(("a/", "b/")) else name
    while name.startswith("./"):
        name = name[2:]
    return name


def _plain(name: str, work: _Work) -> str:
    """The path a header's name stands for: without `a/`, unless only with it there is such a file."""
    path = _stripped(name)
    if work.allowed is not None and path not in work.allowed:
        ends = [one for one in work.allowed if one.endswith("/" + path) or path.endswith("/" + one)]
        if name in work.allowed:
            return name
        if len(ends) == 1 and work.text(path) is None:
            return ends[0]
    if path != name and name.startswith(("a/", "b/")) and work.text(path) is None:
        try:
            check_path(name)
        except Refused:
            return path
        if work.text(name) is not None:
            return name
    return path


def _check(path: str, work: _Work, file: FilePatch) -> None:
    try:
        check_path(path)
    except Refused as refused:
        refused.line = file.line
        raise
    if work.tree is None:
        return
    mode = work.tree.get(path)
    if mode in (_SYMLINK, _SUBMODULE):
        what = "a symlink" if mode == _SYMLINK else "a submodule"
        raise Refused("forbidden", path, f"the path is {what} and may not be changed", line=file.line)
    at = path.find("/")
    while at >= 0:
        if path[:at] in work.tree and work.tree[path[:at]] != _TREE:
            message = f"{path[:at]} is no directory of this repository"
            raise Refused("forbidden", path, message, line=file.line)
        at = path.find("/", at + 1)


def _one_file(path: str, patches: list[FilePatch], work: _Work) -> None:
    first = patches[0]
    _check(path, work, first)
    if work.allowed is not None and path not in work.allowed:
        only = ", ".join(sorted(work.allowed)[:5])
        raise Refused("forbidden", path, f"only {only} may be changed", line=first.line)
    for patch in patches:
        for mode in (patch.old_mode, patch.new_mode):
            if mode is not None and mode not in _PLAIN_MODES:
                raise Refused("forbidden", path, f"mode {mode:06o} is no plain file's", line=patch.line)
    if len(patches) > 1 and any(p.renamed or p.copied or p.old is None or p.new is None for p in patches):
        message = "the reply makes, moves or deletes the file and changes it elsewhere too"
        raise Refused("conflict", path, message, line=patches[1].line)
    if first.renamed or first.copied:
        _moved(path, first, work)
    elif first.old is None or first.added:
        _made(path, first, work)
    elif first.new is None or first.deleted:
        _deleted(path, first, work)
    else:
        _changed(path, patches, work)
    mode = first.new_mode
    if mode is not None and mode != (work.tree or {}).get(path, 0o100644) and first.new is not None:
        work.modes[path] = mode


def _changed(path: str, patches: list[FilePatch], work: _Work) -> None:
    hunks = [hunk for patch in patches for hunk in patch.hunks]
    text = work.text(path)
    if text is None:
        if len(hunks) == 1 and hunks[0].start == 0 and hunks[0].sizes and hunks[0].sizes[0] == 0:
            _made(path, patches[0], work)
            return
        raise Refused("no file", path, "there is no such file", line=patches[0].line)
    _check_whole(path, patches, work)
    new = patched(path, text, hunks) if hunks else text
    if text and not new:
        message = "the diff deletes everything in the file. To delete the file, write +++ /dev/null"
        raise Refused("forbidden", path, message, line=patches[0].line)
    work.new[path] = new


def _check_whole(path: str, patches: list[FilePatch], work: _Work) -> None:
    """Refuse a last hunk that breaks off inside a change."""
    for hunk in (hunk for patch in patches for hunk in patch.hunks):
        last = hunk.lines[-1][:1] if hunk.lines else ""
        if work.finished or not hunk.open_end or last not in ("+", "-"):
            continue
        (old, new), sizes = hunk.tally(), hunk.sizes or (0, 0)
        less_old, less_new = sizes[0] - old, sizes[1] - new
        short = (less_old > 0 or less_new > 0) and (hunk.cut or (hunk.fenced and less_old != less_new))
        if short or (hunk.cut and last == "+"):
            message = "the reply seems to break off inside a hunk. Write the whole diff and end it with a newline"
            raise Refused("truncated", path, message, line=hunk.line + len(hunk.lines))


def _made(path: str, patch: FilePatch, work: _Work) -> None:
    out: list[str] = []
    last = None
    for hunk in patch.hunks:
        items = items_of(hunk.lines, hunk.line + 1)
        plain = not any(item.kind == "added" for item in items)
        for item in items:
            if item.kind == "added":
                text = item.text
            elif item.kind == "blank" and not item.raw:
                text = ""
            elif item.kind == "bare" and not plain and not item.raw[:1].isspace():
                text = item.raw
            else:
                message = "every line of a new file must begin with +"
                raise Refused("no file", path, message, line=item.number)
            out.append(text + ("\r\n" if item.carriage else "\n"))
            last = item
    text = "".join(out)
    if last is not None and last.no_newline:
        text = text.removesuffix("\n").removesuffix("\r")
    _check_whole(path, [patch], work)
    there = work.text(path)
    if there is not None and there != text:
        message = "the diff makes this file, but it is there already. Write a hunk that changes it"
        raise Refused("no file", path, message, line=patch.line)
    if not text and not patch.added:
        raise Refused("no change", path, "the diff changes nothing", line=patch.line)
    work.new[path] = text


def _deleted(path: str, patch: FilePatch, work: _Work) -> None:
    text = work.text(path)
    if text is None:
        raise Refused("no file", path, "there is no such file to delete", line=patch.line)
    left = patched(path, text, patch.hunks) if patch.hunks else text
    codex = patch.deleted and not patch.hunks and patch.old_mode is None and patch.new is None and patch.old
    if left and not (codex and patch.old == path):
        message = "the diff deletes the file, but not all of its lines. Remove every line of it"
        raise Refused("not found", path, message, line=patch.line)
    work.new[path] = None


def _moved(path: str, patch: FilePatch, work: _Work) -> None:
    source = _plain(patch.old or "", work)
    if work.allowed is not None and source not in work.allowed:
        raise Refused("forbidden", source, "this path may not be changed", line=patch.line)
    text = work.text(source)
    if text is None:
        raise Refused("no file", source, "there is no such file", line=patch.line)
    if source == path or work.text(path) is not None:
        raise Refused("no file", path, "a file cannot take the place of one that is there", line=patch.line)
    work.new[path] = patched(path, text, patch.hunks) if patch.hunks else text
    if patch.renamed:
        work.new[source] = None
    mode = (work.tree or {}).get(source)
    if mode is not None and mode != 0o100644:
        work.modes[path] = mode


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _check_clashes(work: _Work) -> None:
    """Refuse new paths that some file systems cannot tell from ones that are there."""
    made = [path for path, new in work.new.items() if new is not None and work.old.get(path) is None]
    if not made:
        return
    taken: dict[str, str] = {}
    for path in [*(work.tree or {}), *made]:
        if path in work.new and work.new[path] is None:
            continue
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            other = taken.setdefault(_folded(name), name)
            if other != name and path in made:
                raise Refused("forbidden", path, f"the path differs from {other} in case or spelling only")
