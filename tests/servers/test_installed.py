"""What a machine lacks is told in words that begin with `needs`; what was half installed is installed again."""

from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers import installed

pytestmark = pytest.mark.slow

OIDC_PROVIDER = Path(__file__).resolve().parent / "oidc_provider"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(installed, "SERVERS", tmp_path / "servers")
    return tmp_path / "servers"


def test_a_machine_without_node_is_told_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(installed.Missing, match=r"^needs node: "):
        installed.node_modules(OIDC_PROVIDER)


def test_a_node_that_is_too_old_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v12.22.0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(installed.Missing, match=r"^needs node: .* v12\.22\.0 is too old"):
        installed.node()


def test_a_registry_out_of_reach_is_a_missing_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        installed.node()
    except installed.Missing as lack:
        pytest.skip(str(lack))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(installed.Missing, match=r"^needs network: "):
        installed.node_modules(OIDC_PROVIDER)


def test_a_half_made_installation_is_made_again(elsewhere: Path) -> None:
    with suppress(KeyboardInterrupt), installed.made_once("thing", b"lock") as (folder, _):
        (folder / "half").touch()
        raise KeyboardInterrupt
    with installed.made_once("thing", b"lock") as (folder, to_do):
        assert to_do
        assert not (folder / "half").exists()
    with installed.made_once("thing", b"lock") as (_, to_do):
        assert not to_do


def test_another_lock_is_another_installation() -> None:
    with installed.made_once("thing", b"lock") as (one, _), installed.made_once("thing", b"newer") as (other, _):
        assert one != other
