"""Text to Graph: the inverse of ``printer``. Comments are skipped; origins do not come back."""

from __future__ import annotations

import re
from typing import Any

from tinytorch.errors import ParseError, TypeRuleError
from tinytorch.ir.dim import Dim
from tinytorch.ir.extent import Extent, Size
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.op import TABLE
from tinytorch.ir.types import BY_SHORT, TensorType

_HEAD = re.compile(r"graph (\S+?)\((.*)\) \{$")
_INPUT = re.compile(r"(state )?%(\S+): (\S+)$")
_LINE = re.compile(r"%(\d+): (.+?) = (\w+)\((.*)\)$")
_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<punct>[\[\],=])|(?P<word>(?:<=|[^\s\[\],=])+))'
)
_FACTOR = re.compile(r"(?:(?:(\d+)<=)?([A-Za-z_]\w*)(?:<=(\d+))?|(\d+))")
_FLOAT = re.compile(r"-?(0x|inf$|nan$)")
_TYPE = re.compile(r"(\w+)\[([^\]]*)\](~?)$")


def parse_graph(text: str) -> Graph:
    """Read a graph back; raise ParseError with the line at fault.

    The last graph of the text is returned; graphs before it may be used as ``@name``.
    """
    known: dict[str, Graph] = {}
    reader: _Reader | None = None
    for number, raw in enumerate(text.split("\n"), 1):
        line = _strip_comment(raw).strip()
        if not line:
            continue
        try:
            if reader is None:
                reader = _Reader(line, known)
            elif line == "}":
                known[reader.graph.name] = reader.graph.freeze()
                reader = None
            else:
                reader.read(line)
        except (ParseError, TypeRuleError, KeyError, ValueError, IndexError) as error:
            raise ParseError(f"line {number}: {error}: {raw.strip()!r}") from None
    if reader is not None or not known:
        raise ParseError("the text ends inside a graph" if reader else "the text holds no graph")
    return list(known.values())[-1]


def _strip_comment(line: str) -> str:
    inside = False
    for position, character in enumerate(line):
        if character == '"' and line[position - 1 : position] != "\\":
            inside = not inside
        elif character == "#" and not inside:
            return line[:position]
    return line


def parse_type(text: str) -> TensorType:
    """Read ``f32[64,10]``; raise ParseError."""
    match = _TYPE.match(text)
    if match is None or match[1] not in BY_SHORT:
        raise ParseError(f"not a type: {text!r}")
    sizes = tuple(parse_size(size) for size in filter(None, match[2].split(",")))
    return TensorType(BY_SHORT[match[1]], sizes, match[3] == "~")


def parse_size(text: str) -> Size:
    """Read ``7``, ``n``, ``2*n<=64+1``; raise ParseError."""
    total: Any = 0
    at, sign = 0, 1
    if text.startswith("-"):
        at, sign = 1, -1
    while True:
        product: Any = sign
        while True:
            match = _FACTOR.match(text, at)
            if match is None:
                raise ParseError(f"not a size: {text!r}")
            low, name, high, number = match.groups()
            product = product * (int(number) if number else Extent.of(
                Dim(name, int(high) if high else None, int(low) if low else 2)))  # fmt: skip
            at = match.end()
            if text[at : at + 1] != "*":
                break
            at += 1
        total = total + product
        if at == len(text):
            return total
        if text[at] not in "+-":
            raise ParseError(f"not a size: {text!r}")
        sign = 1 if text[at] == "+" else -1
        at += 1


class _Reader:
    """Reads one graph, line by line."""

    def __init__(self, head: str, known: dict[str, Graph]) -> None:
        match = _HEAD.match(head)
        if match is None:
            raise ParseError("expected 'graph name(inputs) {'")
        self.graph = Graph(match[1])
        self.known = known
        self.values: dict[str, Node] = {}
        self.named: set[Node] = set()
        for part in filter(None, re.split(r", (?=%|state )", match[2])):
            found = _INPUT.match(part)
            if found is None:
                raise ParseError(f"not an input: {part!r}")
            name = found[2]
            self.values[name] = self.graph.add_input(parse_type(found[3]), name)

    def read(self, line: str) -> None:
        """Read a node, the return, or an update."""
        if line == "return" or line.startswith("return "):
            names = [part.strip() for part in line[6:].split(",") if part.strip()]
            self.graph.outputs = [self.value(name) for name in names]
        elif line.startswith("update "):
            state, _, value = line[7:].partition(" <- ")
            self.graph.updates[self.value(state)] = self.value(value)
        else:
            self.read_node(line)

    def value(self, name: str) -> Node:
        """Look up ``%name``."""
        if not name.startswith("%") or name[1:] not in self.values:
            raise ParseError(f"unknown value {name!r}")
        return self.values[name[1:]]

    def read_node(self, line: str) -> None:
        """Read ``%3: type = op(operands, attrs)``; the type must be what the rule infers."""
        match = _LINE.match(line)
        if match is None:
            raise ParseError("not a node")
        name, type_text, op_name, arguments = match.groups()
        if op_name not in TABLE:
            raise ParseError(f"unknown op {op_name!r}")
        operands: list[Node] = []
        attrs: dict[str, Any] = {}
        for key, value in _arguments(arguments):
            if key is None:
                operands.append(self.value(value))
            else:
                attrs[key] = self.known[value[1:]] if _is_graph(value) else value
        node = self.graph.add(TABLE[op_name], operands, **attrs)
        if node in self.named:  # a line of its own is a node of its own
            node = self.graph.add_distinct(TABLE[op_name], operands, **attrs)
        self.named.add(node)
        if str(node.type) != type_text:
            raise ParseError(f"the rule of {op_name} gives {node.type}, the text says {type_text}")
        self.values[name] = node


def _is_graph(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("@")


def _arguments(text: str) -> list[tuple[str | None, Any]]:
    """Split ``%a, %b, axis=1, starts=[0,1]`` into (key or None, value) pairs."""
    tokens = [m for m in _TOKEN.finditer(text) if m.group().strip()]
    found: list[tuple[str | None, Any]] = []
    at = 0
    while at < len(tokens):
        if tokens[at].group().strip() == ",":
            at += 1
        elif at + 1 < len(tokens) and tokens[at + 1]["punct"] == "=":
            value, next_at = _value(tokens, at + 2)
            found.append((tokens[at]["word"], value))
            at = next_at
        else:
            found.append((None, tokens[at].group().strip()))
            at += 1
    return found


def _value(tokens: list[re.Match[str]], at: int) -> tuple[Any, int]:
    token = tokens[at]
    if token["string"] is not None:
        text = token["string"][1:-1]
        return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], text), at + 1
    if token["punct"] == "[":
        items: list[Any] = []
        at += 1
        while tokens[at]["punct"] != "]":
            if tokens[at]["punct"] == ",":
                at += 1
                continue
            item, at = _value(tokens, at)
            items.append(item)
        return tuple(items), at + 1
    return _word(token["word"]), at + 1


def _word(word: str) -> Any:
    if word in ("true", "false"):
        return word == "true"
    if word == "none":
        return None
    if word in BY_SHORT:
        return BY_SHORT[word]
    if word.startswith("@"):
        return word
    return float.fromhex(word) if _FLOAT.match(word) else parse_size(word)
