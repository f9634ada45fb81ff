import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from gitagent.adapters.index.extracting import extracted
from gitagent.adapters.index.store import NAME, Batch, Damaged, Store, batch_of, joined


def batch(*names: str) -> Batch:
    """One Python file per name, its oid the name, that defines it and says `shared`."""
    return batch_of((name, extracted("a.py", f"def {name}():\n    return shared()\n".encode())) for name in names)


def renumbered(first: int, *names: str) -> Batch:
    """The same, numbered from another number on."""
    return batch_of(((name, extracted("a.py", f"def {name}(): pass\n".encode())) for name in names), first)


def holders(store: Store, term: str) -> set[str]:
    """The oids of the documents that a term's postings lead to."""
    documents = {document.number: oid for oid, document in store.documents(ALL).items()}
    return {documents[entry & 0xFFFFFFFF] for entry in store.postings([term]).get(term, ())}


ROOT = Path(__file__).parents[3]
ALL = {f"n{number}" for number in range(100)} | {"alpha", "beta", "gamma"}


def test_what_is_stored_is_there_for_the_next_one(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.add([batch("alpha", "beta")])
    store.close()
    again = Store(str(tmp_path))
    assert again.on_disk and set(again.documents(ALL)) == {"alpha", "beta"}
    assert holders(again, "=alpha") == {"alpha"} and holders(again, "shar") | holders(again, "shared") == {
        "alpha",
        "beta",
    }
    (number,) = [again.documents(["alpha"])["alpha"].number]
    outline = again.outlines([number])[number]
    assert [one.name for one in outline.definitions] == ["alpha"] and outline.called == ("shared",)
    again.close()


def test_a_blob_that_another_process_stored_first_is_not_stored_twice(tmp_path: Path) -> None:
    one, other = Store(str(tmp_path)), Store(str(tmp_path))
    one.add([batch("alpha")])
    other.add([batch("gamma", "alpha", "beta")])
    assert holders(one, "=alpha") == {"alpha"} and holders(one, "=beta") == {"beta"}
    assert len(one.postings(["=alpha"])["=alpha"]) == 1
    one.close()
    other.close()


def test_batches_keep_the_facts_of_their_files_whatever_numbers_they_get(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for names in (["alpha", "n1"], ["beta", "n1", "n2"], ["gamma", "n3"]):
        parts = [batch(*names[:1]), renumbered(2, *names[1:])]
        store.add([joined(parts), renumbered(9, f"n{len(names) + 10}")])
    for name in ("alpha", "beta", "gamma", "n1", "n2", "n3", "n12", "n13"):
        assert holders(store, f"={name}") == {name}
        (document,) = store.documents([name]).values()
        assert [one.name for one in store.outlines([document.number])[document.number].definitions] == [name]
    store.close()


def test_a_build_that_is_killed_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    program = f"""
import os, signal
from dataclasses import replace
from gitagent.adapters.index.store import Store
from tests.adapters.index.test_store import batch
class Deadly(dict):
    def items(self):
        os.kill(os.getpid(), signal.SIGKILL)
store = Store({str(tmp_path)!r})
store.add([batch("alpha")])
store.add([batch("beta"), replace(batch("gamma"), postings=Deadly())])
"""
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    store = Store(str(tmp_path))
    assert store.on_disk and set(store.documents(ALL)) == {"alpha"}
    store.add([batch("beta", "alpha")])
    assert holders(store, "=alpha") == {"alpha"} and holders(store, "=beta") == {"beta"}
    store.close()


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def write(first: int) -> None:
        store = Store(str(tmp_path))
        for number in range(first, first + 10):
            store.add([batch(f"n{number}", f"n{number // 2}")])
        store.close()

    threads = [Thread(target=write, args=(first,)) for first in (0, 10, 20, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = Store(str(tmp_path))
    assert set(store.documents(ALL)) == {f"n{number}" for number in range(30)}
    assert all(holders(store, f"=n{number}") == {f"n{number}"} for number in range(30))
    # Small segments were joined, so that a query reads few rows.
    with sqlite3.connect(tmp_path / NAME) as database:
        assert database.execute("SELECT count(*) FROM segments").fetchone()[0] <= 13
    database.close()
    store.close()


@pytest.mark.parametrize("damage", [b"no database at all, but some text" * 50, b""])
def test_a_file_that_is_no_database_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / NAME).write_bytes(damage)
    store = Store(str(tmp_path))
    store.add([batch("alpha")])
    assert store.on_disk and set(store.documents(ALL)) == {"alpha"}
    store.close()


def test_damage_that_sqlite_quotes_in_its_words_is_damage_too(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.add([batch("alpha")])
    store.close()
    data = (tmp_path / NAME).read_bytes()
    assert data.count(b"CREATE TABLE outlines") == 1
    (tmp_path / NAME).write_bytes(data.replace(b"CREATE TABLE outlines", b"CREATE TABLE \xaautlines"))
    store = Store(str(tmp_path))
    store.add([batch("beta")])
    assert store.on_disk and set(store.documents(ALL)) == {"beta"}
    store.close()


def test_damage_found_while_reading_empties_the_store_and_says_so(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.add([batch("alpha")])
    number = store.documents(["alpha"])["alpha"].number
    with sqlite3.connect(tmp_path / NAME) as database:
        database.execute("UPDATE outlines SET data = x'00ff'")
    database.close()
    with pytest.raises(Damaged), store.mended():
        store.outlines([number])
    assert store.on_disk and store.documents(ALL) == {}
    store.close()


def test_an_index_of_another_version_is_made_anew(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / NAME) as database:
        database.execute("CREATE TABLE documents (other TEXT)")
        database.execute("PRAGMA user_version = 99")
    database.close()
    store = Store(str(tmp_path))
    assert store.documents(ALL) == {}
    store.close()


def test_where_nothing_can_be_written_the_index_is_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(str(tmp_path / "file" / "below"))
    store.add([batch("alpha")])
    assert not store.on_disk and set(store.documents(ALL)) == {"alpha"}
    store.close()


def test_the_oldest_blobs_that_no_tree_holds_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path), spare=20)
    for first in range(0, 40, 4):
        names = [f"n{number}" for number in range(first, first + 4)]
        store.add([batch(*names)], used=["n0"])
    held = set(store.documents(ALL))
    assert "n0" in held and "n39" in held and "n1" not in held and len(held) <= 23
    assert holders(store, "=n39") == {"n39"} and holders(store, "=n1") == set()
    store.close()


def test_the_commits_kept_are_bounded(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.keep_commits({f"a{number}": "x" for number in range(5)}, 6)
    store.keep_commits({f"b{number}": "y" for number in range(5)}, 6)
    assert set(store.commits()) == {f"b{number}" for number in range(5)}
    assert store.commits(["b1", "a1"]) == {"b1": "y"}
    store.close()
