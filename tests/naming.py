"""Measures names and sizes of the product's code. `make names` fails on what is not in `naming.txt` yet.

    python3 -m tests.naming [--write]

* locals and arguments that say nothing (`BANNED`)
* functions of one word, which only read well behind a module that is a noun: `leases.take`. Not filters and tags, which
  templates call by that name
* a public name that two modules of one package define. Not `Command`, which Django looks up in each module
* files under 40 lines with one importer, and files over 300 lines

`naming.txt` lists what was there when a rule was introduced, or is right for a reason. A line that is no longer needed
fails too, so that the list only gets shorter.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ACCEPTED = ROOT / "tests/naming.txt"
PACKAGES = ("accounts", "config", "foundation", "integrations")
BANNED = frozenset(
    ["told", "found", "said", "borne", "asked", "given", "kept", "held", "shown", "noted", "known", "wanted"]
)
SHORT, LONG = 40, 300  # lines


def modules() -> dict[str, Path]:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {name_of(path): path for path in files if "migrations" not in path.parts}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def banned_locals(module: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in BANNED:
            yield f"{module}: local {node.id}"
        elif isinstance(node, ast.arg) and node.arg in BANNED:
            yield f"{module}: argument {node.arg}"


def one_word_functions(module: str, tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and "_" not in node.name and not is_for_templates(node):
            yield f"{module}: function {node.name}"


def is_for_templates(function: ast.FunctionDef) -> bool:
    """Whether it is registered as a filter or tag: `@register.filter`, with or without arguments."""
    return any(ast.unparse(decorator).startswith("register.") for decorator in function.decorator_list)


def public_names(tree: ast.Module) -> set[str]:
    definitions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return {node.name for node in definitions if not node.name.startswith("_") and node.name != "Command"}


def duplicates(trees: dict[str, ast.Module]) -> Iterator[str]:
    owners: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for module, tree in trees.items():
        for name in public_names(tree):
            owners[module.rpartition(".")[0], name].append(module)
    for (package, name), found_in in owners.items():
        if len(found_in) > 1:
            yield f"{package}: {name} in {', '.join(sorted(each.rpartition('.')[2] for each in found_in))}"


def importers(trees: dict[str, ast.Module]) -> Counter[str]:
    """How many modules import each module."""
    count: Counter[str] = Counter()
    for module, tree in trees.items():
        targets = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                targets |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        count.update(target for target in targets if target in trees and target != module)
    return count


def sizes(paths: dict[str, Path], trees: dict[str, ast.Module]) -> Iterator[str]:
    imported = importers(trees)
    for module, path in paths.items():
        lines = len(path.read_text().splitlines())
        if lines > LONG:
            yield f"{module}: over {LONG} lines"
        if 0 < lines < SHORT and path.name != "__init__.py" and imported[module] == 1:
            yield f"{module}: under {SHORT} lines with one importer"


def measure() -> Counter[str]:
    """Every finding, with how often it occurs."""
    paths = modules()
    trees = {module: ast.parse(path.read_text()) for module, path in paths.items()}
    findings: Counter[str] = Counter()
    for module, tree in trees.items():
        findings.update(banned_locals(module, tree))
        findings.update(one_word_functions(module, tree))
    findings.update(duplicates(trees))
    findings.update(sizes(paths, trees))
    return findings


def accepted() -> Counter[str]:
    lines = ACCEPTED.read_text().splitlines() if ACCEPTED.exists() else []
    pairs = (line.rpartition(" × ") for line in lines if line)
    return Counter({finding: int(times) for finding, _sign, times in pairs})


def main(arguments: list[str]) -> int:
    findings, allowed = measure(), accepted()
    if arguments == ["--write"]:
        ACCEPTED.write_text("".join(f"{finding} × {times}\n" for finding, times in sorted(findings.items())))
        return 0
    for finding in sorted(findings - allowed):
        print(f"New: {finding}")
    for finding in sorted(allowed - findings):
        print(f"Not needed in tests/naming.txt any more: {finding}")
    return 1 if findings != allowed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
