"""Report of a benchmark: a Markdown table, and a line about the machine."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata

from benchmarks import setting


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """The keys of the first row are the header."""
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *[[str(row[name]) for name in header] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(**facts: object) -> str:
    """Cores, load and versions, and how much was measured."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    facts_of_machine = {
        "cores": os.cpu_count(),
        "load": load,
        "Python": platform.python_version(),
        **{name: metadata.version(name) for name in ("Django", "psycopg")},
        **facts,
    }
    return ", ".join(f"{name} {value}" for name, value in facts_of_machine.items())


def versions_of_peers() -> str:
    """Return the pinned versions of the peers."""
    lines = (setting.PEERS / "requirements.in").read_text().splitlines()
    return ", ".join(line.replace("==", " ") for line in lines if "==" in line)


def say(title: str, rows: Sequence[Mapping[str, object]], **facts: object) -> None:
    print(f"\n## {title}\n\n{table(rows)}\n\n{machine(**facts)}", flush=True)


def times(seconds: float, unit: float) -> str:
    return f"{seconds / unit:.2f} ×"


def spread(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}–{high}"
