"""A lock must stay installable as newer releases appear in the index, by every pip: it is closed under requirements.

pip up to 23 reads `name[extra]` as a requirement of its own: if a locked package asks for it and the lock pins only
`name`, pip takes the newest release, which has no hash in the lock. So every requirement of every locked package has to
be pinned, with the extras that are asked for.
"""

import re
import tomllib
from collections.abc import Set as AbstractSet
from importlib import metadata
from itertools import product
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from config import bootstrap

PIN = re.compile(r"^(?P<requirement>[^#\s-].*?) \\$", re.MULTILINE)
OTHER_LOCKS = sorted(bootstrap.ROOT.glob("*/*/requirements.txt"))
PYTHONS = ("3.11.0", "3.11.7", "3.12.0", "3.13.0", "3.14.0")
SYSTEMS = (("linux", "posix", "Linux"), ("darwin", "posix", "Darwin"), ("win32", "nt", "Windows"))


def read_pins(lock: Path) -> dict[str, Requirement]:
    pins = [Requirement(match["requirement"]) for match in PIN.finditer(lock.read_text())]
    return {canonicalize_name(pin.name): pin for pin in pins}


def environments() -> list[dict[str, str | AbstractSet[str]]]:
    """Marker environments of the Pythons and systems that one lock serves."""
    here = {name: str(value) for name, value in default_environment().items()}
    return [
        {
            **here,
            "python_version": version.rpartition(".")[0],
            "python_full_version": version,
            "sys_platform": platform,
            "os_name": os_name,
            "platform_system": system,
        }
        for version, (platform, os_name, system) in product(PYTHONS, SYSTEMS)
    ]


def find_gaps(pins: dict[str, Requirement], declared: dict[str, list[str]]) -> list[str]:
    """What a locked package requires in some environment and the lock lacks there, or pins without its extras."""
    gaps = []
    for name, requirements in declared.items():
        pin = pins[name]
        for environment, text in product(environments(), requirements):
            wanted = Requirement(text)
            if pin.marker and not pin.marker.evaluate(environment):
                continue
            extras = {"", *pin.extras}
            if wanted.marker and not any(wanted.marker.evaluate({**environment, "extra": extra}) for extra in extras):
                continue
            found = pins.get(canonicalize_name(wanted.name))
            if found is None or (found.marker and not found.marker.evaluate(environment)):
                gaps.append(f"{pin.name} asks for {wanted}, which is not locked")
            elif not wanted.extras <= found.extras:
                gaps.append(f"{pin.name} asks for {wanted}, which is locked as {found}")
    return sorted(set(gaps))


def installed_requirements(pins: dict[str, Requirement]) -> dict[str, list[str]]:
    """The requirements of those locked packages that this Python has, in the locked version."""
    return {
        name: metadata.requires(name) or []
        for name, pin in pins.items()
        if has_distribution(name) and metadata.version(name) in pin.specifier
    }


def has_distribution(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("name", bootstrap.LOCKS)
def test_every_requirement_of_a_locked_package_is_locked_with_its_extras(name: str) -> None:
    pins = read_pins(bootstrap.LOCKS[name])
    declared = installed_requirements(pins)
    for_everyone = {key for key, pin in read_pins(bootstrap.LOCKS["test"]).items() if pin.marker is None} & pins.keys()
    assert for_everyone <= declared.keys(), "tests run in an environment that was installed from requirements/test.txt"
    assert find_gaps(pins, declared) == []


@pytest.mark.parametrize("name", bootstrap.LOCKS)
def test_what_pyproject_asks_for_is_locked_with_its_extras(name: str) -> None:
    project = tomllib.loads((bootstrap.ROOT / "pyproject.toml").read_text())["project"]
    extras = ["traces", "test", "dev"][: list(bootstrap.LOCKS).index(name)]
    asked = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    pins = read_pins(bootstrap.LOCKS[name])
    pins["keyrack"] = Requirement("keyrack==0")
    assert find_gaps(pins, {"keyrack": asked}) == []


def test_a_larger_lock_holds_each_pin_of_the_smaller_one() -> None:
    base, traces, test, dev = (set(map(str, read_pins(path).values())) for path in bootstrap.LOCKS.values())
    assert base < traces < test < dev


def test_an_extra_that_is_asked_for_and_not_pinned_is_a_gap() -> None:
    pins = {"tool": Requirement("tool==1"), "plain": Requirement("plain==1")}
    assert find_gaps(pins, {"tool": ["plain[more]>=1"]}) == [
        "tool asks for plain[more]>=1, which is locked as plain==1"
    ]
    assert find_gaps(pins, {"tool": ["plain[more]; extra == 'all'"]}) == []
    assert find_gaps(pins, {"tool": ["other; sys_platform == 'win32'"]}) != []


@pytest.mark.parametrize(
    "lock", [*bootstrap.LOCKS.values(), *OTHER_LOCKS], ids=lambda path: path.parent.name + path.stem
)
def test_every_line_of_a_lock_pins_one_version_with_hashes(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    starts = [line for line in lines if not line.startswith(" ")]
    assert all(re.match(r"^[\w.-]+(\[[\w, -]+\])?==\S+( ; .+)? \\$", line) for line in starts)
    assert all(re.match(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in lines if line.startswith(" "))
