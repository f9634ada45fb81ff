"""The index on disk: facts by blob id, in one SQLite file beside the repository's git data.

Postings are arrays of 64-bit numbers, one per file that holds a term: the document's number in the low 32 bits,
then how often the term is in its names, its documents and anywhere, a byte each. Each write adds a segment; small
segments are joined when there are many. What cannot be read is made again, what cannot be written is kept in memory.
"""

import contextlib
import json
import os
import sqlite3
import zlib
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from gitagent.core.retrieval.corpus import NUMBER
from gitagent.core.retrieval.facts import Facts
from gitagent.records import Definition

VERSION = 2
"""Of the tables, and of what is read from a file; what another version wrote is made anew."""

Entries: TypeAlias = "array[int]"
NAME = "index.sqlite"
BUSY_SECONDS = 20.0
SPARE_DOCUMENTS = 20_000
"""Documents no tree of today holds that are kept, for other branches and work trees."""

_SMALL_SEGMENT = 2_000
_MOST_SMALL = 12
_BATCH = 800
_SCHEMA = f"""
CREATE TABLE documents (id INTEGER PRIMARY KEY, oid TEXT UNIQUE, names INTEGER, docs INTEGER, body INTEGER);
CREATE TABLE outlines (id INTEGER PRIMARY KEY, data BLOB);
CREATE TABLE segments (id INTEGER PRIMARY KEY, documents INTEGER);
CREATE TABLE postings (term TEXT, segment INTEGER, data BLOB, PRIMARY KEY (term, segment)) WITHOUT ROWID;
CREATE TABLE commits (oid TEXT PRIMARY KEY, data TEXT) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True, slots=True)
class Document:
    """A blob that is indexed: its number and the lengths of its fields in terms."""

    number: int
    lengths: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Outline:
    """What a file defines, calls and imports."""

    definitions: tuple[Definition, ...] = ()
    called: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts of many blobs ready to be stored; numbers in postings count from `first` along `oids`."""

    first: int
    oids: tuple[str, ...]
    lengths: tuple[tuple[int, int, int], ...]
    outlines: tuple[bytes, ...]
    postings: dict[str, bytes]


def batch_of(found: Iterable[tuple[str, Facts | None]], first: int = 1) -> Batch:
    """The facts of blobs by oid as one batch; a blob without facts (a binary one) is known to have none.

    Several batches that are stored at once are best numbered one after the other, as an empty store keeps the numbers.
    """
    oids, lengths, outlines = [], [], []
    postings: dict[str, Entries] = {}
    held = postings.get
    for number, (oid, facts) in enumerate(found, first):
        oids.append(oid)
        lengths.append(facts.lengths if facts else (0, 0, 0))
        outlines.append(_packed(facts) if facts else b"")
        for term, (names, docs, body) in facts.counts.items() if facts else ():
            entry = number | names << 32 | docs << 40 | body << 48
            if (entries := held(term)) is None:
                postings[term] = array("Q", (entry,))
            else:
                entries.append(entry)
    return Batch(
        first=first,
        oids=tuple(oids),
        lengths=tuple(lengths),
        outlines=tuple(outlines),
        postings={term: entries.tobytes() for term, entries in postings.items()},
    )


def joined(batches: Sequence[Batch]) -> Batch:
    """Batches that are numbered one after the other as one; small ones made first take less time than a large one."""
    postings: dict[str, bytes] = {}
    for batch in batches:
        for term, data in batch.postings.items():
            postings[term] = postings[term] + data if term in postings else data
    return Batch(
        first=batches[0].first,
        oids=tuple(oid for batch in batches for oid in batch.oids),
        lengths=tuple(one for batch in batches for one in batch.lengths),
        outlines=tuple(one for batch in batches for one in batch.outlines),
        postings=postings,
    )


class Store:
    """The index of one repository. Any number of processes may read and write it at once."""

    def __init__(self, directory: str | None, *, spare: int = SPARE_DOCUMENTS) -> None:
        """Open or make it below a directory; in memory where that is None or cannot be written.

        `spare` are the documents of other trees than the one at hand that are kept.
        """
        self._spare = spare
        self._path = os.path.join(directory, NAME) if directory else ":memory:"
        self._database = self._opened()

    @property
    def on_disk(self) -> bool:
        """Whether what is stored will be there next time."""
        return self._path != ":memory:"

    def close(self) -> None:
        self._database.close()

    @contextlib.contextmanager
    def mended(self) -> Iterator[None]:
        """What is done inside may find the file damaged; then the store is empty afterwards, and says so.

        Raises Damaged after the file was replaced, so that the caller starts over once.
        """
        try:
            yield
        except (sqlite3.DatabaseError, zlib.error, ValueError, KeyError, TypeError) as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                self._in_memory()
            else:
                self._replace()
            raise Damaged(str(error)) from error

    def documents(self, oids: Collection[str]) -> dict[str, Document]:
        """Those of the blobs that are indexed."""
        wanted = oids if isinstance(oids, (set, frozenset, dict)) else set(oids)
        rows: Iterable[tuple[int, str, int, int, int]]
        if len(wanted) * 3 < self._count():
            rows = self._some("SELECT id, oid, names, docs, body FROM documents WHERE oid IN", list(wanted))
        else:
            rows = self._database.execute("SELECT id, oid, names, docs, body FROM documents").fetchall()
        return {oid: Document(number, (a, b, c)) for number, oid, a, b, c in rows if oid in wanted}

    def postings(self, terms: Collection[str]) -> dict[str, Entries]:
        """Entries by term, for the terms that any document has."""
        found: dict[str, Entries] = {}
        for term, data in self._some("SELECT term, data FROM postings WHERE term IN", list(terms)):
            found.setdefault(term, array("Q")).frombytes(data)
        return found

    def outlines(self, numbers: Collection[int]) -> dict[int, Outline]:
        """Outlines by document number."""
        rows = self._some("SELECT id, data FROM outlines WHERE id IN", list(numbers))
        return {number: _unpacked(data) for number, data in rows}

    def commits(self, oids: Sequence[str] | None = None) -> dict[str, str]:
        """What is kept of commits, all of them or some."""
        if oids is None:
            return dict(self._database.execute("SELECT oid, data FROM commits"))
        return dict(self._some("SELECT oid, data FROM commits WHERE oid IN", list(oids)))

    def keep_commits(self, found: Mapping[str, str], most: int) -> None:
        """Store what is known of commits; when there are more than `most`, only these stay."""
        with self._writing():
            held = self._database.execute("SELECT count(*) FROM commits").fetchone()[0]
            if held + len(found) > most:
                self._database.execute("DELETE FROM commits")
            self._database.executemany("INSERT OR REPLACE INTO commits VALUES (?, ?)", found.items())

    def add(self, batches: Sequence[Batch], used: Collection[str] = ()) -> None:
        """Store batches as one segment; `used` are the blobs of the tree at hand, which are never pruned.

        Blobs that another process stored meanwhile are left out.
        """
        with self._writing():
            known = {oid for (oid,) in self._some("SELECT oid FROM documents WHERE oid IN", _oids(batches))}
            last = self._database.execute("SELECT coalesce(max(id), 0) FROM documents").fetchone()[0]
            postings: dict[str, bytes] = {}
            added = 0
            for batch in batches:
                numbers: dict[int, int] = {}
                number = max(last, batch.first - 1)
                for place, oid in enumerate(batch.oids):
                    if oid not in known:
                        known.add(oid)
                        number += 1
                        numbers[place] = last = number
                added += len(numbers)
                self._insert(batch, numbers)
                _renumber(batch, numbers, postings)
            if added:
                self._segment(postings, added)
                self._join_small()
                self._prune(used)

    # -- inside ------------------------------------------------------------------------------------------

    def _insert(self, batch: Batch, numbers: Mapping[int, int]) -> None:
        self._database.executemany(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?)",
            ((number, batch.oids[place], *batch.lengths[place]) for place, number in numbers.items()),
        )
        self._database.executemany(
            "INSERT INTO outlines VALUES (?, ?)",
            ((number, batch.outlines[place]) for place, number in numbers.items() if batch.outlines[place]),
        )

    def _segment(self, postings: Mapping[str, bytes], documents: int) -> None:
        cursor = self._database.execute("INSERT INTO segments (documents) VALUES (?)", (documents,))
        number = cursor.lastrowid
        self._database.executemany(
            "INSERT INTO postings VALUES (?, ?, ?)",
            ((term, number, postings[term]) for term in sorted(postings)),
        )

    def _join_small(self) -> None:
        """Keep the segments few: each one costs every query a row per term."""
        rows = self._database.execute(
            "SELECT id, documents FROM segments WHERE documents < ?", (_SMALL_SEGMENT,)
        ).fetchall()
        if len(rows) > _MOST_SMALL:
            joined: dict[str, bytes] = {}
            ids = [number for number, _ in rows]
            for term, data in self._some("SELECT term, data FROM postings WHERE segment IN", ids):
                joined[term] = joined.get(term, b"") + data
            self._drop_segments(ids)
            self._segment(joined, sum(documents for _, documents in rows))

    def _drop_segments(self, ids: Sequence[int]) -> None:
        marks = ",".join("?" * len(ids))
        self._database.execute(f"DELETE FROM postings WHERE segment IN ({marks})", ids)
        self._database.execute(f"DELETE FROM segments WHERE id IN ({marks})", ids)

    def _prune(self, used: Collection[str]) -> None:
        """Forget the oldest blobs when there are many that the tree at hand does not hold."""
        count = self._count()
        if count <= 3 * len(used) + self._spare:
            return
        held = set(used)
        rows = self._database.execute("SELECT id, oid FROM documents ORDER BY id DESC").fetchall()
        others = [number for number, oid in rows if oid not in held]
        gone = set(others[self._spare // 2 :])
        kept: dict[str, bytes] = {}
        for term, data in self._database.execute("SELECT term, data FROM postings").fetchall():
            entries = array("Q")
            entries.frombytes(data)
            alive = array("Q", (entry for entry in entries if entry & NUMBER not in gone))
            if alive:
                kept[term] = kept.get(term, b"") + alive.tobytes()
        for table in ("postings", "segments"):
            self._database.execute(f"DELETE FROM {table}")
        self._segment(kept, count - len(gone))
        for table in ("documents", "outlines"):
            self._database.executemany(f"DELETE FROM {table} WHERE id = ?", ((number,) for number in gone))

    def _count(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM documents").fetchone()[0])

    def _some(self, query: str, values: Sequence[object]) -> list[tuple]:  # type: ignore[type-arg]
        found: list[tuple] = []  # type: ignore[type-arg]
        for first in range(0, len(values), _BATCH):
            part = values[first : first + _BATCH]
            found += self._database.execute(f"{query} ({','.join('?' * len(part))})", part).fetchall()
        return found

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, begun with the lock that writers share, so that what is read in it stays true."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error) and "locked" not in str(error):
                raise
            self._in_memory()  # what is on disk cannot be added to, so this run keeps its own
            self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:  # whatever ended it, half of a transaction is not written
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise
        try:
            self._database.execute("COMMIT")
        except sqlite3.OperationalError:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise

    def _opened(self) -> sqlite3.Connection:
        if self._path == ":memory:":
            return _connected(":memory:")
        try:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            return _connected(self._path)
        except (OSError, sqlite3.OperationalError):
            self._path = ":memory:"
            return _connected(":memory:")
        except (sqlite3.DatabaseError, UnicodeDecodeError):  # sqlite may quote the damaged bytes in its message
            return self._made_again()

    def _in_memory(self) -> None:
        self._database.close()
        self._path = ":memory:"
        self._database = _connected(":memory:")

    def _replace(self) -> None:
        self._database.close()
        self._database = self._made_again()

    def _made_again(self) -> sqlite3.Connection:
        """A new file in the place of a damaged one; in memory if even that fails."""
        try:
            for ending in ("", "-wal", "-shm"):
                Path(self._path + ending).unlink(missing_ok=True)
            return _connected(self._path)
        except (OSError, sqlite3.Error):
            self._path = ":memory:"
            return _connected(":memory:")


class Damaged(Exception):
    """The store could not be read and was emptied; what was asked is to be asked again."""


def _connected(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        found = database.execute("PRAGMA user_version").fetchone()[0]
        if found != VERSION:
            database.execute("PRAGMA journal_mode = WAL")
            _made(database)
        database.execute("PRAGMA synchronous = NORMAL")  # a lost index is made again
    except (sqlite3.Error, UnicodeDecodeError):
        database.close()
        raise
    return database


def _made(database: sqlite3.Connection) -> None:
    """Make the tables, unless another process did so while this one waited."""
    database.execute("BEGIN IMMEDIATE")
    if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            database.execute(f'DROP TABLE "{name}"')
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
    database.execute("COMMIT")


def _oids(batches: Sequence[Batch]) -> list[str]:
    return [oid for batch in batches for oid in batch.oids]


def _renumber(batch: Batch, numbers: Mapping[int, int], into: dict[str, bytes]) -> None:
    """Add a batch's postings with the numbers its documents got, by their place; those without one are left out."""
    whole = len(numbers) == len(batch.oids)
    offset = numbers[0] - batch.first if whole and numbers else 0
    for term, data in batch.postings.items():
        if offset or not whole:
            entries = array("Q")
            entries.frombytes(data)
            if whole:  # then the numbers follow each other
                entries = array("Q", [entry + offset for entry in entries])
            else:
                placed = [(entry, (entry & NUMBER) - batch.first) for entry in entries]
                entries = array(
                    "Q", [entry & ~NUMBER | numbers[place] for entry, place in placed if place in numbers]
                )
            data = entries.tobytes()
        if data:
            into[term] = into[term] + data if term in into else data


def _packed(facts: Facts) -> bytes:
    definitions = [
        [one.name, one.kind, one.first_line, one.last_line, one.parent, one.signature] for one in facts.definitions
    ]
    return zlib.compress(json.dumps([definitions, facts.called, facts.imports]).encode(), 1)


def _unpacked(data: bytes) -> Outline:
    definitions, called, imports = json.loads(zlib.decompress(data))
    return Outline(
        tuple(
            Definition(name=name, kind=kind, first_line=first, last_line=last, parent=parent, signature=signature)
            for name, kind, first, last, parent, signature in definitions
        ),
        tuple(called),
        tuple(imports),
    )
