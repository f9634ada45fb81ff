"""What a question about a function shows of the rest of its file, language by language, read by the real parsers."""

from collections.abc import Iterator

import pytest

from gitagent.adapters import treesitter
from gitagent.core.microtasks import outlines, segment
from gitagent.cutting import surroundings

OTHERS = {
    "a.js": "export const other{0} = (a) => {{\n  return a + {0};\n}};\n",
    "a.ts": "export const other{0} = (a: number) => {{\n  return a + {0};\n}};\n",
    "a.go": "func Other{0}(a int) int {{\n\treturn a + {0}\n}}\n",
    "a.rs": "pub fn other_{0}(a: u32) -> u32 {{\n    a + {0}\n}}\n",
    "A.java": "    int other{0}(int a) {{\n        return a + {0};\n    }}\n",
    "a.cc": "int other{0}(int a) {{\n  return a + {0};\n}}\n",
    "a.c": "int other{0}(int a)\n{{\n  return a + {0};\n}}\n",
    "a.rb": "    def other{0}(a)\n      a + {0}\n    end\n",
}
# What stands before the others, what after them with a MARK in it, the excerpt's first line, and the notes.
FILES = {
    "a.js": (
        "import { price } from './price.js';\nimport { unused } from './x.js';\nconst tax = require('./tax');\n\n"
        "function rate(x) {\n  return x * 2;\n}\n",
        "export class Basket {\n  #count = 0;\n  limit = 10;\n  total() {\n"
        "    if (this.#count > this.limit) tax.warn();\n"
        "    return rate(price(this.wares)); // MARK\n  }\n  constructor(wares) {\n    this.wares = wares;\n  }\n"
        + "  more() {\n    return 1;\n  }\n" * 40 + "}\n",
        "  total() {",
        "import { price } from './price.js';|const tax = require('./tax');|#count = 0;|limit = 10;|"
        "this.wares = wares;|"
        "function rate(x) {|export class Basket {",
    ),
    "a.ts": (
        "import { type Money, price } from './price.js';\n",
        "export class Basket {\n  private readonly limit: number = 10;\n  constructor(private wares: Ware[]) {\n  }\n"
        "  @Memo()\n  total(): Money {\n    return price(this.wares, this.limit); // MARK\n  }\n"
        + "  more() {\n    return 1;\n  }\n" * 40 + "}\n",
        "  @Memo()",
        "import { type Money, price } from './price.js';|private readonly limit: number = 10;|"
        "constructor(private wares: Ware[]) {|export class Basket {",
    ),
    "a.go": (
        'package shop\n\nimport (\n\t"fmt"\n\tm "math/rand"\n'
        + '\t"example.org/a/path/too/long/to/be/said"\n' * 5 + ")\n\n"
        "type Basket struct {\n\twares []Ware\n\tlimit int\n\tunused int\n}\n\nfunc rate(x int) int {\n"
        "\treturn x\n}\n",
        "func (b *Basket) Total() int {\n\tif len(b.wares) > b.limit {\n\t\tfmt.Println(m.Int())\n\t}\n"
        "\treturn rate(1) // MARK\n}\n",
        "func (b *Basket) Total() int {",
        'import "fmt", m "math/rand"|wares []Ware|limit int|func rate(x int) int {',
    ),
    "a.rs": (
        "use crate::price::{price_of, Tax};\n\npub struct Basket {\n    wares: Vec<Ware>,\n    unused: usize,\n}\n\n"
        "fn rate(x: u32) -> u32 {\n    x * 2\n}\n",
        "impl Basket {\n    #[inline]\n    pub fn total(&self) -> u32 {\n"
        "        rate(price_of(self.wares)) // MARK\n    }\n"
        + "    pub fn more(&self) -> u32 {\n        1\n    }\n" * 40 + "}\n",
        "    #[inline]",
        "use crate::price::{price_of, Tax};|wares: Vec<Ware>,|fn rate(x: u32) -> u32 {|impl Basket {",
    ),
    "A.java": (
        "import static shop.Prices.priceOf;\n\npublic class A {\n    private final List<Ware> wares;\n"
        "    private int limit;\n"
        "    private int unused;\n",
        "    int rate(int x) {\n        return x;\n    }\n    @Override\n    public int total() {\n"
        "        if (wares.size() > limit) return 0;\n        return rate(priceOf(wares)); // MARK\n    }\n}\n",
        "    @Override",
        "import static shop.Prices.priceOf;|private final List<Ware> wares;|private int limit;|public class A {|"
        "    int rate(int x) {",
    ),
    "a.cc": (
        '#include "price.h"\n\nclass Basket {\npublic:\n  int total() const;\nprivate:\n  Wares wares_;\n'
        '  int unused_;\n};\n\n'
        "static int rate(int x) {\n  return x * 2;\n}\n",
        "int Basket::total() const {\n  return rate(price_of(wares_)); // MARK\n}\n",
        "int Basket::total() const {",
        "int total() const;|Wares wares_;|static int rate(int x) {",
    ),
    "a.c": (
        "struct basket {\n  int *wares;\n  int unused;\n};\nstruct other {\n  int *wares;\n};\n"
        "static int rate(int x)\n{\n  return x * 2;\n}\n",
        "int total(struct basket *b)\n{\n  return rate(b->wares[0]); // MARK\n}\n",
        "int total(struct basket *b)",
        "int *wares;|static int rate(int x)|{",
    ),
    "a.rb": (
        "module Shop\n  class Basket\n    attr_reader :unused\n    def initialize(wares)\n"
        "      @wares = wares\n    end\n"
        "    def rate(x)\n      x * 2\n    end\n",
        "    def total\n      rate(@wares.sum) # MARK\n    end\n  end\nend\n",
        "    def total",
        "@wares = wares|module Shop|  class Basket|    def rate(x)",
    ),
}  # fmt: skip


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The parsers that the command line sets, for one test."""
    monkeypatch.setattr(outlines, "_parsers", [])
    outlines.read_with(treesitter.spans, treesitter.fields)
    yield
    outlines.outline.cache_clear()
    outlines.fields.cache_clear()


@pytest.mark.parametrize("path", FILES)
def test_an_excerpt_is_the_function_and_beside_it_stands_what_it_uses(path: str, parsers: None) -> None:
    before, after, begins, needed = FILES[path]
    text = before + "".join(OTHERS[path].format(number) for number in range(60)) + after
    line = text[: text.index("MARK")].count("\n") + 1
    first, excerpt = segment(path, text, lines=[line], count=len, room=4_000, enough=400)
    assert excerpt.startswith(f"{begins}\n") and "MARK" in excerpt and excerpt.count("\n") < 8
    assert text.split("\n")[first - 1] == begins
    notes = surroundings(path, text, first, excerpt, lambda other: None)
    assert "|".join("\n".join(note.text for note in notes).split("\n")) == needed


def test_a_function_given_to_a_call_is_an_excerpt_of_its_own(parsers: None) -> None:
    routes = [
        f"app.get('/{name}', async (req, res) => {{\n" + f"  {name}(req, res);\n" * 9 + "});\n" for name in "abc"
    ]
    text = "".join(routes)
    assert [one.name for one in outlines.outline("a.js", text)] == ["app.get /a", "app.get /b", "app.get /c"]
    assert segment("a.js", text, lines=[15], count=len, room=300, enough=0) == (12, routes[1])
    again = outlines.outline(
        "a.ts", "describe('x', () => {\n  it(`y`, () => {});\n  it('z', function () {});\n});\n"
    )
    assert [one.name for one in again] == ["describe x", "it", "it z"]


def test_fields_are_declared_in_no_text_that_nests_without_end_or_is_of_no_known_language(parsers: None) -> None:
    assert outlines.fields("a.rs", "struct A { b: u8 }" + "(" * 2_000) == ()
    assert outlines.fields("a.txt", "struct A { b: u8 }") == outlines.fields("a.py", "b: int = 1\n") == ()
