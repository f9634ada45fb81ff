"""Each language as people write it: decorators, receivers, templates, macros, overloads, things without a name."""

import pytest

from gitagent.adapters import treesitter
from gitagent.adapters.index.extracting import extracted

# Path, text, definitions (kind, dotted name, lines), called, imports.
PYTHON = """import os, sys as system
from ..pkg import (one,
    two as zwei)

a, b = 1, 2
type Alias = list[int]

@cache
@retry(3)
class Outer(Base, metaclass=Meta):
    class Inner:
        async def run(self):
            await self.client.get()()

    @property
    def total(self): ...

if system:
    def chosen(): pass
"""
JAVASCRIPT = """import def, { named as other } from './mod.js';
export * from './star';
const fs = require('fs'), { join } = require("node:path");
const lazy = await import('./lazy.js');
export default function () { return other(); }
export const arrow = async ({ a }) => { await ns.call(a); };
class A extends B {
  static #count() { return this.#priv(); }
  get x() { return 1; }
  field = () => new Foo.Bar();
  'quoted name'() {}
}
module.exports = { two() {}, four: () => 4 };
module.exports.six = () => {};
Foo.prototype.baz = function () {};
const view = memo(function Card() { return <Button label="x"><Icon /></Button>; });
"""
COMMONJS = """module.exports = function (app) {
  function inner() {}
};
"""
TYPESCRIPT = """import fs = require("fs");
import type { T } from './types';
export type { X } from './x';
export interface P<T extends object = {}> extends Q { m(): void }
export type U = A | B;
declare module "foo" { export function bar(x: string): void; }
export abstract class C<T> implements P<T> {
  constructor(private s: Service) { super(); }
  @HostListener('click')
  async m<K extends keyof T>(k: K): Promise<void> { await this.s.get<K>(k); }
  static of(): C<any>;
  static of(x?: number): C<any> { return new C<number>() as any; }
  handler = (e: Event): void => { log(e); };
}
export default class extends Y {}
"""
TSX = """import React from 'react';
interface Props { label: string }
export const Button: React.FC<Props> = ({ label }) => {
  const [a] = useState<string>("");
  return <Frame onClick={() => go(label)}><Icon /></Frame>;
};
export default () => <App />;
"""
GO = """package p

import (
	"fmt"
	m "math/rand"
)

const (
	A = iota
	B
)

type (
	ID int64
	Store interface {
		Get(id ID) error
	}
)
type Stack[T any, U comparable] struct{ items []T }

func (s *Stack[T, U]) Push(x T) { s.Lock(); go worker(x); helper[int](1) }
func (Stack[T, U]) Nameless() { _ = &Thing{}; _ = pkg.Other[int]{} }
func Map[T, U any](xs []T) []U { return nil }
"""
RUST = """use std::{io, fmt};
extern crate serde;
mod other;
#[derive(Debug)]
pub struct S<'a, T: 'a>(&'a T);
pub trait Tr: Sized { fn req(&self); fn def(&self) { self.req() } }
impl<T> fmt::Display for S<'_, T> {
    fn fmt(&self, f: &mut F) -> R { write!(f, "{}", compute(self.0)) }
}
impl Tr for Vec<u8> { fn req(&self) {} }
macro_rules! mac { ($x:expr) => { $x } }
extern "C" { fn c_fn(x: i32); }
async fn main() { x.iter().collect::<Vec<_>>(); Vec::<u8>::with_capacity(3); a::b::<u8>(); a::T { x: 1 }; }
"""
JAVA = """import java.util.*;
import static java.lang.Math.max;
@Deprecated
public sealed abstract class A<T extends Comparable<T>> extends B implements C permits D {
  private final List<String> list = new ArrayList<>();
  public A(int x) { super(x); }
  @Override
  public <U> U m(U... us) throws E { return us[0].call(); }
  interface I { default void d() {} void e(); }
  enum En { ONE { void q() {} }, TWO; En() {} }
  record R(int a) implements I { R { check(a); } }
  class Inner { class Deep { void x() { new Outer.Nested<String>() {}; list.forEach(Log::line); } } }
}
"""
C = """#include <stdio.h>
#include "my/header.h"
#define MAX(a,b) ((a)>(b)?(a):(b))
typedef struct node { struct node *next; } Node, *NodePtr;
typedef int (*callback)(int);
static struct ops table = { .open = my_open };
static inline const char *
name(const struct node *n)
{ return n->ops->get(n) ? (*n->fn)(1) : MAX(1,2); }
int (*getfn(int a))(int) { return 0; }
int old(a) int a; { return helper(a); }
"""
CPP = """#include "x.hpp"
namespace a::b { inline namespace v1 { enum class E : int { A }; } }
template <class T>
class Stack final : public Base<T> {
public:
  ~Stack() override = default;
  T& operator[](int i) const { return data[i]; }
  operator bool() const { return ok(); }
  template <class U> void push(U&& u) { impl_->push(std::forward<U>(u)); }
  struct Node { int go() { return 1; } };
};
template <class T> void Stack<T>::declared(int x) { helper<T>(x); ns::m::deep(1); }
a::b::Thing a::b::Thing::make(int x) { return new n::Other(x); }
auto trailing(int x) -> int { return x; }
class EXPORTED Widget : public Base { void m() {} };
"""
RUBY = """require 'json'
require_relative "lib/x"
autoload :Foo, 'foo'
module A::B
  VERSION = '1'
  class << self
    def singleton; helper(); end
  end
  class C < Struct.new(:a)
    def initialize(a) = @a = a
    def self.make(*args, &blk) new(*args) end
    def ==(other) other.a == a end
    def valid?; check! end
    private def hidden; end
  end
end
def Foo.of; Foo::Bar.new(1); end
class Foo::Baz < Bar; end
"""
LANGUAGES = {
    "a.py": (
        PYTHON,
        "constant a 5-5; constant b 5-5; type Alias 6-6; class Outer 8-16; class Outer.Inner 11-13; "
        "method Outer.Inner.run 12-13; method Outer.total 15-16; function chosen 19-19",
        "cache retry get property",
        "os|sys as system|from ..pkg import (one, two as zwei)",
    ),
    "a.js": (
        JAVASCRIPT,
        "constant fs 3-3; constant lazy 4-4; function default 5-5; function arrow 6-6; class A 7-12; "
        "method A.#count 8-8; method A.x 9-9; method A.field 10-10; method A.quoted name 11-11; method two 13-13; "
        "method four 13-13; function six 14-14; method Foo.baz 15-15; constant view 16-16; function view.Card 16-16",
        "require other call #priv Bar memo Button Icon",
        "./mod.js|./star|fs|node:path|./lazy.js",
    ),
    "common.cjs": (COMMONJS, "function exports 1-3; function exports.inner 2-2", "", ""),
    "a.ts": (
        TYPESCRIPT,
        "interface P 4-4; method P.m 4-4; type U 5-5; module foo 6-6; function foo.bar 6-6; class C 7-14; "
        "method C.constructor 8-8; method C.m 9-10; method C.of 11-11; method C.of 12-12; method C.handler 13-13; "
        "class default 15-15",
        "HostListener get C log",
        "fs|./types|./x",
    ),
    "a.tsx": (
        TSX,
        "interface Props 2-2; function Button 3-6; function default 7-7",
        "useState Frame go Icon App",
        "react",
    ),
    "a.go": (
        GO,
        "constant A 9-9; constant B 10-10; type ID 14-14; interface Store 15-17; method Store.Get 16-16; "
        "struct Stack 19-19; method Stack.Push 21-21; method Stack.Nameless 22-22; function Map 23-23",
        "Lock worker helper Thing Other",
        "fmt|math/rand",
    ),
    "a.rs": (
        RUST,
        "struct S 4-5; trait Tr 6-6; method Tr.req 6-6; method Tr.def 6-6; impl S 7-9; method S.fmt 8-8; "
        "impl Vec 10-10; method Vec.req 10-10; macro mac 11-11; function c_fn 12-12; function main 13-13",
        "req write compute iter collect with_capacity b T",
        "std::{io, fmt}|serde|other",
    ),
    "A.java": (
        JAVA,
        "class A 3-13; field A.list 5-5; method A.A 6-6; method A.m 7-8; interface A.I 9-9; method A.I.d 9-9; "
        "method A.I.e 9-9; enum A.En 10-10; method A.En.q 10-10; method A.En.En 10-10; class A.R 11-11; "
        "method A.R.R 11-11; class A.Inner 12-12; class A.Inner.Deep 12-12; method A.Inner.Deep.x 12-12",
        "ArrayList call check Nested forEach line",
        "java.util|java.lang.Math.max",
    ),
    "a.c": (
        C,
        "macro MAX 3-3; type Node 4-4; type NodePtr 4-4; struct node 4-4; type callback 5-5; constant table 6-6; "
        "function name 7-9; function getfn 10-10; function old 11-11",
        "get MAX helper",
        "stdio.h|my/header.h",
    ),
    "a.cc": (
        CPP,
        "module a.b 2-2; module a.b.v1 2-2; enum a.b.v1.E 2-2; class Stack 3-11; method Stack.~Stack 6-6; "
        "method Stack.operator[] 7-7; method Stack.operator bool 8-8; method Stack.push 9-9; struct Stack.Node 10-10; "
        "method Stack.Node.go 10-10; method Stack.declared 12-12; method a.b.Thing.make 13-13; "
        "function trailing 14-14; class Widget 15-15; method Widget.m 15-15",
        "ok push forward helper deep Other",
        "x.hpp",
    ),
    "a.rb": (
        RUBY,
        "module A.B 4-16; constant A.B.VERSION 5-5; method A.B.singleton 7-7; class A.B.C 9-15; "
        "method A.B.C.initialize 10-10; method A.B.C.make 11-11; method A.B.C.== 12-12; method A.B.C.valid? 13-13; "
        "method A.B.C.hidden 14-14; method Foo.of 17-17; class Foo.Baz 18-18",
        "require helper Struct check! Bar new",
        "json|lib/x|foo",
    ),
}


@pytest.mark.parametrize("path", LANGUAGES)
def test_what_is_defined_called_and_imported_is_read_from_code_as_people_write_it(path: str) -> None:
    text, defined, called, imports = LANGUAGES[path]
    found = [f"{one.kind} {one.dotted} {one.first_line}-{one.last_line}" for one in
             treesitter.definitions(path, text.encode())]  # fmt: skip
    assert "; ".join(found) == defined
    facts = extracted(path, text.encode())
    assert facts is not None
    assert set(called.split()) <= set(facts.called)
    assert "|".join(facts.imports) == imports


def test_every_language_is_among_them() -> None:
    assert {treesitter.language_of(path) for path in LANGUAGES} == set(treesitter.LANGUAGES)


def test_what_is_exported_without_a_name_is_a_stretch_of_code_but_no_name_to_be_found() -> None:
    spans = treesitter.spans("common.cjs", COMMONJS)
    assert spans is not None and [one.name for one in spans] == ["exports", "exports.inner"]
    facts = extracted("common.cjs", COMMONJS.encode())
    assert facts is not None and [one.name for one in facts.definitions] == ["inner"]


@pytest.mark.parametrize("path", ["a.rb", "a.js", "a.py", "A.java"])
def test_a_chain_of_calls_without_end_takes_no_time_without_end(path: str) -> None:
    text = f"class A {{ void f() {{ x{'.y()' * 50_000}; }} }}" if path == "A.java" else f"x{'.y()' * 50_000}"
    facts = extracted(path, text.encode())
    assert facts is not None and facts.called == ("y",)
