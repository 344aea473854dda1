"""Program to text: slots, then steps in order."""

from __future__ import annotations

from tinytorch.ir.program import Branch, Copy, Launch, Loop, Product, Program, Slot, Step


def format_program(program: Program) -> str:
    """Return a program as text."""
    lines = [f"program {program.name}  # arena of {program.arena_bytes} bytes"]
    for slot in program.slots:
        lines.append(f"  slot {_slot(slot)}")
    lines += _steps(program.steps)
    for slot_id, words in program.constants:
        lines.append(f"  constant s{slot_id} = {', '.join(map(str, words))}")
    lines.append(f"  inputs {', '.join(f's{s}' for s in program.inputs)}")
    lines.append(f"  outputs {', '.join(f's{s}' for s in program.outputs)}")
    for position, slot_id in program.updates:
        how = "in place" if program.inputs[position] == slot_id else "copied"
        lines.append(f"  update input {position} from s{slot_id}, {how}")
    return "\n".join(lines)


def _steps(steps: tuple[Step, ...]) -> list[str]:
    """Numbered steps; those inside branches and loops stand further in."""
    lines: list[str] = []
    for number, step in enumerate(steps):
        if isinstance(step, Launch):
            how = "parallel" if step.parallel else "serial"
            lines.append(f"  {number}: launch {step.kernel.name} {how}")
            for row in step.rows:
                slots = ", ".join(f"s{s}" for s in row.slots)
                lines.append(f"       ({slots}) extent {row.extent}, chunk {row.chunk}")
        elif isinstance(step, Product):
            lines.append(f"  {number}: {_product(step)}")
        elif isinstance(step, Copy):
            lines.append(f"  {number}: copy s{step.source} -> s{step.target} {step.nbytes} bytes")
        elif isinstance(step, Branch):
            lines.append(f"  {number}: if s{step.predicate}")
            lines += [f"    {line}" for line in _steps(step.true)]
            lines += ["     else", *(f"    {line}" for line in _steps(step.false))]
        else:
            lines += _loop(number, step)
    return lines


def _loop(number: int, step: Loop) -> list[str]:
    order = " in reverse" if step.reverse else ""
    lines = [f"  {number}: loop {step.count} times{order}"]
    if step.condition is not None:
        lines = [f"  {number}: while s{step.condition} after"]
        lines += [f"    {line}" for line in _steps(step.test)]
        lines += ["     do"]
    for c in step.carries:
        lines.append(f"       carry s{c.now}, then s{c.next}: s{c.first} and s{c.second} in turn")
    for s in step.slices:
        lines.append(f"       s{s.view} is s{s.whole} + {s.stride} bytes a run")
    return lines + [f"    {line}" for line in _steps(step.body)]


def _slot(slot: Slot) -> str:
    place = "external" if slot.offset is None else f"arena+{slot.offset}"
    place = "pointer" if slot.pointer else place
    note = f"  # {slot.note}" if slot.note else ""
    return f"s{slot.id}: {slot.dtype.short}[{slot.size}] {place}{note}"


def _product(step: Product) -> str:
    left = f"s{step.left}{'.T' if step.transpose_left else ''}"
    right = f"s{step.right}{'.T' if step.transpose_right else ''}"
    batch = f"{step.batch} x " if step.batch > 1 else ""
    note = f"  # {step.origin}" if step.origin else ""
    sizes = f"{batch}({step.m}, {step.k}) x ({step.k}, {step.n})"
    return f"product s{step.out} = {left} @ {right}  {sizes}{note}"
