import pytest

from gitagent.adapters.index.extracting import extracted

PYTHON = b'''"""Baskets of a shop."""
import os.path
from shop.prices import price_of

class Basket:
    """Holds wares."""

    def total(self):
        # every ware once
        return sum(price_of(ware) for ware in self.wares.all())
'''
OTHERS = {
    "a.js": "import { x } from './x.js'; // remark\nfunction load() { return new Thing(readAll(a.b())); }",
    "a.ts": "import { x } from './x.js'; // remark\nfunction load(): Thing { return new Thing(readAll(a.b())); }",
    "a.tsx": "import x from './x.js'; // remark\nconst load = () => <p>{new Thing(readAll(a.b()))}</p>;",
    "a.go": 'package p\nimport "./x.js"\n// remark\nfunc load() { Thing(); readAll(a.b()) }',
    "a.rs": "use x::js;\n// remark\nfn load() { Thing::Thing(); readAll(a.b()); }",
    "A.java": "import x.js;\n// remark\nclass A { void load() { new Thing(readAll(a.b())); } }",
    "a.c": '#include "./x.js"\n// remark\nvoid load(void) { Thing(); readAll(a.b()); }',
    "a.cc": '#include "./x.js"\n// remark\nvoid load() { n::Thing(); readAll(a.b()); }',
    "a.rb": "require './x.js'\n# remark\ndef load\n  Thing.new(readAll(a.b()))\n  Thing()\nend",
}


def test_a_python_file_is_read_once_for_everything() -> None:
    found = extracted("shop/basket.py", PYTHON)
    assert found is not None
    assert [one.dotted for one in found.definitions] == ["Basket", "Basket.total"]
    assert {"sum", "price_of", "all"} <= set(found.called)
    assert found.imports == ("os.path", "from shop.prices import price_of")
    assert found.counts["ware"][1] == 2  # once in a docstring, once in a comment
    assert found.counts["=price_of"] == (0, 0, 2) and found.counts["=total"] == (1, 0, 1)


@pytest.mark.parametrize("path", OTHERS)
def test_other_languages_tell_the_same(path: str) -> None:
    found = extracted(path, OTHERS[path].encode())
    assert found is not None
    assert "load" in [one.name for one in found.definitions]
    assert {"readAll", "b", "Thing"} <= set(found.called)
    assert found.counts["remark"][1] == 1
    assert [one.replace("::", ".").lstrip("./") for one in found.imports] == ["x.js"]


def test_what_is_called_comes_in_the_order_of_the_file() -> None:
    names = [f"call_{number}" for number in range(300)]
    found = extracted("a.py", "\n".join(f"{name}()" for name in names).encode())
    assert found is not None and list(found.called) == names


def test_any_other_text_is_words_alone() -> None:
    found = extracted("notes.md", b"# Read the `basket_total` file\n")
    assert found is not None and found.definitions == () and found.counts["=basket_total"] == (0, 0, 1)


@pytest.mark.parametrize("data", [b"\x00\x01", b"text\0text"])
def test_binary_files_have_no_facts(data: bytes) -> None:
    assert extracted("a.py", data) is None


@pytest.mark.parametrize("data", [b"", b"def (((", b"\xff\xfe\xfa", b"(" * 50_000, b"x = '" + b"a" * 2_000_000])
def test_broken_and_huge_files_are_read_as_far_as_they_go(data: bytes) -> None:
    assert extracted("a.py", data) is not None
