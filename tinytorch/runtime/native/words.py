"""Compile Python functions over machine words to object code, with llvmlite alone.

The language is a small part of Python in which every value is an int64::

    function  = def name(word, ...): docstring, statement*
    statement = name = expr | name op= expr | while | for name in range(...) | if | return
              | break | continue | call
    expr      = name | integer | module.CONSTANT | expr op expr | -expr | ~expr | call
              | expr if test else expr | min(expr, expr) | max(expr, expr) | test (0 or 1)
    test      = expr < expr (or another comparison) | test and test | test or test | not test
              | expr
    op        = + - * // % & | << >>     (// and % of what is not negative)

A call names another such function, a ``Primitive`` of ``machine`` or a ``Foreign`` function of the
C library. A whole runner compiles in a fraction of a second, where a general compiler of Python
takes several.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from tinytorch.errors import CompileError
from tinytorch.runtime import loader
from tinytorch.runtime.objectcode import ObjectCode, call_symbol

WORD = ir.IntType(64)
_BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "sdiv", ast.Mod: "srem",
    ast.BitAnd: "and_", ast.BitOr: "or_", ast.LShift: "shl", ast.RShift: "ashr",
}  # fmt: skip
_COMPARE = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


@dataclass(frozen=True)
class Primitive:
    """An operation that emits its own instructions; it returns a word, a test, or None (zero)."""

    name: str
    emit: Callable[..., Any]

    def __call__(self, *args: int) -> int:
        """Stand in for the operation where a type checker reads the runner."""
        raise TypeError(f"{self.name} exists in compiled code only")


@dataclass(frozen=True)
class Foreign:
    """A C function of words that returns a word."""

    name: str

    def __call__(self, *args: int) -> int:
        """Stand in for the function where a type checker reads the runner."""
        raise TypeError(f"{self.name} is called from compiled code only")


class Unit:
    """A module that grows by the functions its exports reach."""

    def __init__(self, name: str) -> None:
        self.module = ir.Module(name)
        self.module.triple = llvm.get_process_triple()
        self._functions: dict[Callable[..., Any], ir.Function] = {}

    def function(self, python: Callable[..., Any]) -> ir.Function:
        """The compiled form of a Python function, compiled now if it is new."""
        known = self._functions.get(python)
        if known is None:
            count = len(inspect.signature(python).parameters)
            kind = ir.FunctionType(WORD, [WORD] * count)
            known = ir.Function(self.module, kind, python.__name__)
            known.linkage = "internal"
            self._functions[python] = known
            _Translator(self, python, known).translate()
        return known

    def foreign(self, name: str, count: int) -> ir.Function:
        """A declaration of a C function."""
        known = self.module.globals.get(name)
        if known is None:
            known = ir.Function(self.module, ir.FunctionType(WORD, [WORD] * count), name)
        return known

    def export(self, name: str, python: Callable[..., Any]) -> None:
        """Make a function callable from outside, under ``call_symbol(name)``."""
        inner = self.function(python)
        outer = ir.Function(self.module, inner.function_type, call_symbol(name))
        builder = ir.IRBuilder(outer.append_basic_block())
        builder.ret(builder.call(inner, outer.args))

    def object_code(self) -> ObjectCode:
        """Optimise and emit."""
        machine = loader.target_machine()
        module = llvm.parse_assembly(str(self.module))
        module.verify()
        passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(3))
        passes.getModulePassManager().run(module, passes)
        image = machine.emit_object(module)
        declared = [f.name for f in module.functions if f.is_declaration]
        return loader.checked(self.module.name, image, declared)


def compile_words(name: str, exports: Mapping[str, Callable[..., Any]]) -> ObjectCode:
    """Compile functions and all they call; each is exported under ``call_symbol(name)``."""
    unit = Unit(name)
    for symbol, function in exports.items():
        unit.export(symbol, function)
    return unit.object_code()


class _Translator:
    """Translate one function. Variables live on the stack; LLVM turns them into registers."""

    def __init__(self, unit: Unit, python: Callable[..., Any], target: ir.Function) -> None:
        self.unit = unit
        self.python = python
        self.target = target
        self.builder = ir.IRBuilder(target.append_basic_block("entry"))
        self.names: dict[str, Any] = {}
        self.loops: list[tuple[ir.Block, ir.Block]] = []  # where continue and break go

    def translate(self) -> None:
        """Fill the target with the body of the Python function."""
        tree = ast.parse(textwrap.dedent(inspect.getsource(self.python))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        for parameter, value in zip(tree.args.args, self.target.args):
            self.builder.store(value, self.place(parameter.arg))
        self.block(tree.body)
        if not self.builder.block.is_terminated:
            self.builder.ret(WORD(0))

    def fail(self, node: ast.AST) -> CompileError:
        line = getattr(node, "lineno", 0)
        return CompileError(f"{self.python.__name__}, line {line}: {ast.unparse(node)!r} is not "
                            "in the language of native code")  # fmt: skip

    def place(self, name: str) -> Any:
        """Where a variable lives."""
        if name not in self.names:
            with self.builder.goto_entry_block():
                self.names[name] = self.builder.alloca(WORD, name=name)
        return self.names[name]

    # ------------------------------------------------------------ statements

    def block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if self.builder.block.is_terminated:
                raise self.fail(statement)
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        builder = self.builder
        match node:
            case ast.Expr(ast.Constant(str())) | ast.Pass():
                pass
            case ast.Expr(value):
                self.expr(value)
            case ast.Assign([ast.Name(name)], value):
                builder.store(self.expr(value), self.place(name))
            case ast.AugAssign(ast.Name(name), op, value) if type(op) in _BINARY:
                old = builder.load(self.place(name))
                builder.store(self.binary(op, old, self.expr(value)), self.place(name))
            case ast.Return(value):
                builder.ret(WORD(0) if value is None else self.expr(value))
            case ast.Break():
                builder.branch(self.loops[-1][1])
            case ast.Continue():
                builder.branch(self.loops[-1][0])
            case ast.If(test, body, orelse):
                self.choose(test, lambda: self.block(body), lambda: self.block(orelse))
            case ast.While(test, body, []):
                self.loop(lambda yes, no: self.branch(test, yes, no), body, lambda: None)
            case ast.For(ast.Name(name), ast.Call(ast.Name("range"), bounds), body, []):
                self.count(name, bounds, body)
            case _:
                raise self.fail(node)

    def choose(self, test: ast.expr, yes: Callable[[], None], no: Callable[[], None]) -> None:
        blocks = [self.target.append_basic_block(n) for n in ("yes", "no", "after")]
        self.branch(test, blocks[0], blocks[1])
        for start, emit in zip(blocks, (yes, no)):
            self.builder.position_at_end(start)
            emit()
            if not self.builder.block.is_terminated:
                self.builder.branch(blocks[2])
        self.builder.position_at_end(blocks[2])

    def loop(
        self,
        head: Callable[[ir.Block, ir.Block], None],
        body: list[ast.stmt],
        advance: Callable[[], None],
    ) -> None:
        blocks = [self.target.append_basic_block(n) for n in ("test", "body", "next", "after")]
        self.builder.branch(blocks[0])
        self.builder.position_at_end(blocks[0])
        head(blocks[1], blocks[3])
        self.builder.position_at_end(blocks[1])
        self.loops.append((blocks[2], blocks[3]))
        self.block(body)
        self.loops.pop()
        if not self.builder.block.is_terminated:
            self.builder.branch(blocks[2])
        self.builder.position_at_end(blocks[2])
        advance()
        self.builder.branch(blocks[0])
        self.builder.position_at_end(blocks[3])

    def count(self, name: str, bounds: list[ast.expr], body: list[ast.stmt]) -> None:
        start = self.expr(bounds[0]) if len(bounds) > 1 else WORD(0)
        stop = self.expr(bounds[-1] if len(bounds) < 3 else bounds[1])
        step = self.expr(bounds[2]) if len(bounds) > 2 else WORD(1)
        place, builder = self.place(name), self.builder
        builder.store(start, place)

        def head(yes: ir.Block, no: ir.Block) -> None:
            builder.cbranch(builder.icmp_signed("<", builder.load(place), stop), yes, no)

        self.loop(head, body, lambda: builder.store(builder.add(builder.load(place), step), place))

    # ----------------------------------------------------------- expressions

    def branch(self, test: ast.expr, yes: ir.Block, no: ir.Block) -> None:
        """Jump by a test, evaluating no more of it than Python would."""
        match test:
            case ast.UnaryOp(ast.Not(), inner):
                self.branch(inner, no, yes)
            case ast.BoolOp(op, values):
                for value in values[:-1]:
                    following = self.target.append_basic_block("and" if _is_and(op) else "or")
                    self.branch(value, following if _is_and(op) else yes,
                                no if _is_and(op) else following)  # fmt: skip
                    self.builder.position_at_end(following)
                self.branch(values[-1], yes, no)
            case _:
                value = self.expr(test)
                self.builder.cbranch(self.builder.icmp_signed("!=", value, WORD(0)), yes, no)

    def expr(self, node: ast.expr) -> Any:
        """The word an expression yields."""
        builder = self.builder
        match node:
            case ast.Constant(int() as value):
                return WORD(value)
            case ast.Name(name) if name in self.names:
                return builder.load(self.names[name])
            case ast.Name() | ast.Attribute():
                value = self.resolve(node)
                if isinstance(value, int):
                    return WORD(value)
            case ast.BinOp(left, op, right) if type(op) in _BINARY:
                return self.binary(op, self.expr(left), self.expr(right))
            case ast.UnaryOp(ast.USub(), inner):
                return builder.neg(self.expr(inner))
            case ast.UnaryOp(ast.Invert(), inner):
                return builder.not_(self.expr(inner))
            case ast.Compare(left, [op], [right]) if type(op) in _COMPARE:
                pair = self.expr(left), self.expr(right)
                return builder.zext(builder.icmp_signed(_COMPARE[type(op)], *pair), WORD)
            case ast.BoolOp() | ast.UnaryOp(ast.Not()):
                place = self.place(f".choice{len(self.names)}")
                self.choose(node, lambda: builder.store(WORD(1), place),
                            lambda: builder.store(WORD(0), place))  # fmt: skip
                return builder.load(place)
            case ast.IfExp(test, yes, no):
                place = self.place(f".choice{len(self.names)}")
                self.choose(test, lambda: builder.store(self.expr(yes), place),
                            lambda: builder.store(self.expr(no), place))  # fmt: skip
                return builder.load(place)
            case ast.Call(called, args, []):
                return self.call(node, self.resolve(called), [self.expr(a) for a in args])
        raise self.fail(node)

    def binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        return getattr(self.builder, _BINARY[type(op)])(left, right)

    def call(self, node: ast.expr, called: Any, args: list[Any]) -> Any:
        builder = self.builder
        if called is min or called is max:
            test = builder.icmp_signed("<" if called is min else ">", *args)
            return builder.select(test, *args)
        if isinstance(called, Primitive):
            result = called.emit(builder, *args)
            if result is None:
                return WORD(0)
            return builder.zext(result, WORD) if result.type.width < WORD.width else result
        if isinstance(called, Foreign):
            return builder.call(self.unit.foreign(called.name, len(args)), args)
        if inspect.isfunction(called):
            return builder.call(self.unit.function(called), args)
        raise self.fail(node)

    def resolve(self, node: ast.expr) -> Any:
        """The Python object that a name outside the function stands for."""
        match node:
            case ast.Name(name):
                space = self.python.__globals__
                if name in space:
                    return space[name]
                return {"min": min, "max": max}.get(name)
            case ast.Attribute(inner, name):
                return getattr(self.resolve(inner), name)
        raise self.fail(node)


def _is_and(op: ast.boolop) -> bool:
    return isinstance(op, ast.And)
