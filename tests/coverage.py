"""Adds up which lines and branches of the product the workers of a run have taken (tests/probes.py), and reports it.

SlipCover is not on every machine: pyproject.toml says on which.
"""

import importlib
import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MEASURED = ("accounts", "foundation", "integrations")
OMITTED = ["*/migrations/*"]
EXCLUDED = [r"\.\.\.$"]  # bodies of protocols; SlipCover itself leaves out what is for type checkers only
AT_LEAST = 95.0  # percent of all lines and branches
CAN_BE_NOTED = importlib.util.find_spec("slipcover") is not None


def add_up(folder: Path) -> dict[str, Any]:
    """What all workers together have taken; empty if nothing was noted."""
    total: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        part = json.loads(path.read_text())
        if total:
            importlib.import_module("slipcover").merge_coverage(total, part)
        total = total or part
    return total


def report(total: dict[str, Any]) -> list[str]:
    """Print what was not taken, and each app's share on a line of its own; return what is too little, in words."""
    if not total:
        return []
    importlib.import_module("slipcover").print_coverage(total, outfile=sys.stdout, missing_width=60, skip_covered=True)
    for app in MEASURED:
        print(f"{app}: {share(file for name, file in total['files'].items() if name.startswith(f'{app}/')):.0f}")
    whole = share(total["files"].values())
    return (
        [] if whole >= AT_LEAST else [f"coverage, {whole:.1f} % of lines and branches, and {AT_LEAST:.0f} % are asked"]
    )


def share(files: Iterable[dict[str, Any]]) -> float:
    """The percentage of lines and branches of these files that were taken."""
    counts: Counter[str] = Counter()
    for file in files:
        counts["taken"] += len(file["executed_lines"]) + len(file["executed_branches"])
        counts["missing"] += len(file["missing_lines"]) + len(file["missing_branches"])
    return 100 * counts["taken"] / max(1, counts.total())
