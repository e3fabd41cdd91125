"""Imports point one way, heavy libraries load late, files and functions stay small, tests use real things."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "diffusers", "transformers", "accelerate"}
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 400, 60, 7

# What each layer may import of ours. A layer is the longest of these names that a module starts with.
MAY_IMPORT: dict[str, set[str]] = {
    "app": {"studio.ui", "studio.service", "studio.settings", "studio.logs", "studio.domain"},
    "studio.ui": {"studio.service", "studio.domain"},
    "studio.service": {
        "studio.visits", "studio.downloads", "studio.jobs", "studio.estimate", "studio.executors", "studio.engine",
        "studio.media", "studio.store", "studio.settings", "studio.domain",
    },
    "studio.visits": {
        "studio.jobs", "studio.estimate", "studio.executors", "studio.engine", "studio.media", "studio.store",
        "studio.settings", "studio.domain",
    },
    "studio.downloads": {"studio.domain"},
    "studio.jobs": {"studio.estimate", "studio.executors", "studio.store", "studio.domain"},
    "studio.estimate": {"studio.engine", "studio.store", "studio.domain"},
    "studio.executors": {"studio.engine", "studio.media", "studio.domain"},
    "studio.engine": {"studio.domain"},
    "studio.media": {"studio.domain"},
    "studio.store": {"studio.domain"},
    "studio.settings": {"studio.domain"},
    "studio.logs": set(),
    "studio.domain": set(),
    "studio.bench": {
        "studio.bench_visitors", "studio.service", "studio.estimate", "studio.executors", "studio.engine",
        "studio.media", "studio.store", "studio.domain",
    },
    "studio.bench_visitors": set(),
    "studio.bench_gpu": {"studio.bench_sizes", "studio.engine", "studio.domain"},
    "studio.bench_sizes": {"studio.engine", "studio.domain"},
    "studio.deploy": {"studio.domain"},
    "training": {"studio.engine", "studio.media", "studio.domain"},
}  # fmt: skip
MAY_LOAD_HEAVY = {"studio.engine", "studio.bench", "studio.bench_gpu", "training"}
MAY_LOAD_HEAVY_AT_TOP = {"training"}

# "path:function" -> why its number of parameters is right.
MANY_PARAMETERS: dict[str, str] = {
    "studio/ui/api.py:generate": "an endpoint's parameters are its signature, and programs name each one",
}
# "path:function" or "path" -> why its length is right.
LONG: dict[str, str] = {
    "studio/ui/api.py:add_api": "six described endpoints in one closure, since gradio reads each signature",
    "studio/ui/api.py:generate": "fifteen parameters, each described in a line that programs and agents read",
}


@dataclass(frozen=True)
class Import:
    target: str
    line: int
    is_late: bool


def sources(*folders: str) -> list[Path]:
    files = [ROOT / "app.py"] if "." in folders else []
    for folder in folders:
        if folder != ".":
            files += sorted((ROOT / folder).rglob("*.py"))
    return files


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> str | None:
    fitting = [name for name in MAY_IMPORT if module == name or module.startswith(name + ".")]
    return max(fitting, key=len, default=None)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), place(path))


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """Every import that runs, those for the type checker only left out."""
    found: list[Import] = []
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]

    def visit(node: ast.AST, is_late: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found.extend(Import(alias.name, child.lineno, is_late) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) - child.level + 1] if child.level else []
                origin = ".".join([*above, *([child.module] if child.module else [])])
                for alias in child.names:
                    inner = f"{origin}.{alias.name}"
                    is_ours = origin.split(".")[0] in ("studio", "training")
                    found.append(Import(inner if is_ours and is_module(inner) else origin, child.lineno, is_late))
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            visit(child, is_late or is_function)

    visit(tree_of(path), False)
    return tuple(found)


@cache
def comment_lines(path: Path) -> frozenset[int]:
    with path.open("rb") as file:
        return frozenset(t.start[0] for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT)


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def number_of_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    a = function.args
    named = [arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return len(named) - (named[:1] in (["self"], ["cls"])) + (a.vararg is not None) + (a.kwarg is not None)


def too_many_parameters() -> dict[str, int]:
    counts = {
        f"{place(path)}:{function.name}": number_of_parameters(function)
        for path in sources(".", "studio", "training", "tests")
        for function in functions_of(path)
    }
    return {name: count for name, count in counts.items() if count > MAX_PARAMETERS}


def too_long() -> dict[str, int]:
    found: dict[str, int] = {}
    for path in sources(".", "studio", "training", "tests"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines >= MAX_FILE_LINES:
            found[place(path)] = lines
        for function in functions_of(path):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length >= MAX_FUNCTION_LINES:
                found[f"{place(path)}:{function.name}"] = length
    return found


def test_every_module_has_a_layer() -> None:
    homeless = [place(path) for path in sources(".", "studio", "training") if layer_of(module_name(path)) is None]
    assert [name for name in homeless if name != "studio/__init__.py"] == []


def test_imports_point_one_way() -> None:
    wrong = []
    for path in sources(".", "studio", "training"):
        layer = layer_of(module_name(path))
        for found in imports_of(path):
            target = layer_of(found.target)
            if layer is not None and target is not None and target != layer and target not in MAY_IMPORT[layer]:
                wrong.append(f"{place(path)}:{found.line} imports {found.target}; {layer} may not import {target}")
    assert wrong == []


def test_layers_have_no_circle() -> None:
    done: set[str] = set()

    def walk(layer: str, above: tuple[str, ...]) -> None:
        assert layer not in above, f"a circle: {' -> '.join((*above, layer))}"
        if layer not in done:
            for below in MAY_IMPORT[layer]:
                walk(below, (*above, layer))
            done.add(layer)

    for layer in MAY_IMPORT:
        walk(layer, ())


def test_modules_have_no_circle() -> None:
    edges = {
        module_name(path): {found.target for found in imports_of(path) if found.target.startswith("studio.")}
        for path in sources("studio")
    }
    done: set[str] = set()

    def walk(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"a circle: {' -> '.join((*above, module))}"
        if module not in done:
            for target in edges.get(module, set()) - {module}:
                walk(target, (*above, module))
            done.add(module)

    for module in edges:
        walk(module, ())


def has_reason(path: Path, line: int) -> bool:
    """Whether the block of imports around `line` has a comment in it or just above it."""
    lines = {found.line for found in imports_of(path)}
    block = {line}
    while step := {near for inside in block for near in (inside - 1, inside + 1) if near in lines} - block:
        block |= step
    return bool({*block, min(block) - 1} & comment_lines(path))


def test_late_import_has_its_reason_beside_it() -> None:
    silent = [
        f"{place(path)}:{found.line} imports {found.target}"
        for path in sources(".", "studio", "training", "tests")
        for found in imports_of(path)
        if found.is_late and not has_reason(path, found.line)
    ]
    assert silent == []


def test_heavy_libraries_load_late_and_only_in_the_engine() -> None:
    wrong = []
    for path in sources(".", "studio", "training"):
        layer = layer_of(module_name(path))
        for found in imports_of(path):
            if found.target.split(".")[0] in HEAVY:
                if layer not in MAY_LOAD_HEAVY:
                    wrong.append(f"{place(path)}:{found.line}: {layer} loads {found.target}")
                elif layer not in MAY_LOAD_HEAVY_AT_TOP and not found.is_late:
                    wrong.append(f"{place(path)}:{found.line}: {found.target} loads at once, not late")
    assert wrong == []


def test_building_the_page_imports_nothing_heavy() -> None:
    code = (
        "import sys, studio.service, studio.settings, studio.ui.interface, studio.ui.api, studio.engine.catalog\n"
        f"print(sorted({HEAVY!r} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[]"


def test_files_and_functions_are_small() -> None:
    assert {name: lines for name, lines in too_long().items() if name not in LONG} == {}


def test_functions_take_few_parameters() -> None:
    assert {name: count for name, count in too_many_parameters().items() if name not in MANY_PARAMETERS} == {}


def test_exemptions_are_needed_and_give_a_reason() -> None:
    assert LONG.keys() <= too_long().keys(), "an exemption that nothing needs any more"
    assert MANY_PARAMETERS.keys() <= too_many_parameters().keys(), "an exemption that nothing needs any more"
    assert all(len(reason.split()) >= 4 for reason in (*LONG.values(), *MANY_PARAMETERS.values()))


def test_modules_say_what_they_own() -> None:
    silent = [
        place(p) for p in sources(".", "studio", "training") if tree_of(p).body and not ast.get_docstring(tree_of(p))
    ]
    assert silent == []


# Written in two pieces, since this file is searched like the others.
@pytest.mark.parametrize(
    "word", ["unittest" + ".mock", "pytest" + ".skip", "mark" + ".skip", "mark" + ".xfail", "TO" + "DO", "FIX" + "ME"]
)
def test_no_stand_ins_and_nothing_put_off(word: str) -> None:
    pattern = re.compile(rf"\b{re.escape(word)}")
    hits = [
        place(p) for p in sources(".", "studio", "training", "tests") if pattern.search(p.read_text(encoding="utf-8"))
    ]
    assert hits == []
