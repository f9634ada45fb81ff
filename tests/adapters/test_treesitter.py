import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.adapters import treesitter
from gitagent.adapters.treesitter import definitions, language_of, spans
from gitagent.core.microtasks import outlines

SAMPLES = {
    "a.py": (
        "X = 1\nclass A:\n    @property\n    def f(self) -> int:\n        return 1\nasync def h(a,\n   b):\n    pass\n",
        "constant X 1-1; class A 2-5; method A.f 3-5; function h 6-8",
    ),
    "a.js": (
        "export const add = (a, b) => a + b;\nconst K = 3;\nexport default class Foo {\n"
        "  handler = () => {\n  }\n  get total() { return 1; }\n}\nexports.foo = function (a) {\n};\n"
        "Foo.prototype.baz = function () {\n};\nfunction outer() {\n  function inner() {}\n}\n",
        "function add 1-1; constant K 2-2; class Foo 3-7; method Foo.handler 4-5; method Foo.total 6-6; "
        "function foo 8-9; method Foo.baz 10-11; function outer 12-14; function outer.inner 13-13",
    ),
    "a.ts": (
        "export interface P { a: number }\nnamespace N { export function f(): void {} }\n"
        "export abstract class C<T> implements P {\n  @dec()\n  m(): void {}\n  abstract z(): void;\n}\n",
        "interface P 1-1; module N 2-2; function N.f 2-2; class C 3-7; method C.m 4-5; method C.z 6-6",
    ),
    "a.go": (
        "package a\nvar x, y = 1, 2\ntype Basket[T any] struct {\n  items []T\n}\n"
        "func (b *Basket[T]) Total(n int) int {\n  return 1\n}\nfunc New() int { return 1 }\n",
        "constant x 2-2; constant y 2-2; struct Basket 3-5; method Basket.Total 6-8; function New 9-9",
    ),
    "a.rs": (
        "#[derive(Debug)]\npub struct B<T> { x: T }\nimpl<T: Clone> B<T> {\n    #[inline]\n"
        "    pub fn total(&self) -> u32 { 1 }\n}\nmod tests {\n    #[test]\n    fn works() {}\n}\n",
        "struct B 1-2; impl B 3-6; method B.total 4-5; module tests 7-10; function tests.works 8-9",
    ),
    "A.java": (
        "@Ann\npublic class A<T> {\n  private int x = 1;\n  public A() {}\n  @Override\n"
        "  public <U> int total(int a) throws Ex { return 1; }\n  record R(int a) {}\n}\n",
        "class A 1-8; field A.x 3-3; method A.A 4-4; method A.total 5-6; class A.R 7-7",
    ),
    "a.c": (
        "#define N 3\nstruct node { struct node *next; };\nstatic char *dup(const char *s)\n{\n  return 0;\n}\n",
        "constant N 1-1; struct node 2-2; function dup 3-6",
    ),
    "a.cpp": (
        "namespace shop {\ntemplate <typename T>\nclass Basket {\n  ~Basket() {}\n  T& get();\n};\n"
        "template <typename T>\nT& Basket<T>::get() { return x; }\n}\nint main() {}\n",
        "module shop 1-9; class shop.Basket 2-6; method shop.Basket.~Basket 4-4; method shop.Basket.get 7-8; "
        "function main 10-10",
    ),
    "a.rb": (
        "module Shop\n  RATE = 1\n  class Basket < Base\n    def total(a)\n      1\n    end\n"
        "    def self.make; end\n  end\nend\ndef top; end\n",
        "module Shop 1-9; constant Shop.RATE 2-2; class Shop.Basket 3-8; method Shop.Basket.total 4-6; "
        "method Shop.Basket.make 7-7; function top 10-10",
    ),
}


@pytest.mark.parametrize("path", SAMPLES)
def test_each_language_is_read_by_its_grammar_with_what_belongs_to_a_definition(path: str) -> None:
    text, expected = SAMPLES[path]
    found = [
        f"{one.kind} {one.dotted} {one.first_line}-{one.last_line}" for one in definitions(path, text.encode())
    ]
    assert "; ".join(found) == expected


def test_a_signature_is_a_definitions_own_words_on_one_line() -> None:
    told = {
        one.name: one.signature for path, (text, _) in SAMPLES.items() for one in definitions(path, text.encode())
    }
    assert told["h"] == "async def h(a, b)"
    assert told["foo"] == "exports.foo = function (a)"
    assert told["Total"] == "func (b *Basket[T]) Total(n int) int"
    assert told["dup"] == "static char *dup(const char *s)"


def test_a_language_is_told_by_a_paths_ending() -> None:
    paths = ["x/A.TSX", "b.mjs", "c.h", "Rakefile", "README", "a.txt", ".py"]
    assert [language_of(path) for path in paths] == ["tsx", "javascript", "cpp", "ruby", "", "", ""]
    assert definitions("a.txt", b"def x(): pass") == ()
    assert spans("a.txt", "def x(): pass") is None


def test_spans_are_the_stretches_of_code_without_single_values() -> None:
    found = spans("a.go", SAMPLES["a.go"][0])
    assert found is not None
    assert [one.name for one in found] == ["Basket", "Basket.Total", "New"]


def test_outlines_read_with_it_find_functions_whatever_their_indentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlines, "_parsers", [])
    text = "function a(){\nif(x){\nreturn 1}\n}\nfunction b(){return 2}\n"
    outlines.read_with(spans)
    try:
        assert [(one.name, one.first_line, one.last_line) for one in outlines.outline("x.js", text)] == [
            ("a", 1, 4),
            ("b", 5, 5),
        ]
        first, excerpt = outlines.segment("x.js", text, lines=[3], count=len, room=60, enough=40)
        assert (first, excerpt.count("\n")) == (1, 4)
    finally:
        outlines.outline.cache_clear()


def test_a_text_that_nests_without_end_or_is_too_large_is_passed_over() -> None:
    text = b"def a(): pass\n"
    assert definitions("python", text + b"(" * 1_001) == ()
    assert definitions("python", text + b"()" * 1_001) != ()
    assert definitions("python", text + b" " * treesitter.SOURCE_BYTES) == ()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(treesitter.LANGUAGES), st.binary(max_size=60), st.sampled_from(sorted(SAMPLES)))
def test_any_bytes_are_read_and_lines_lie_within_the_text(language: str, junk: bytes, sample: str) -> None:
    source = SAMPLES[sample][0].encode()[:150] + junk
    for one in definitions(language, source):
        assert 1 <= one.first_line <= one.last_line <= source.count(b"\n") + 1
        assert one.name
