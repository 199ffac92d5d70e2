"""Tests stay on this machine."""

import socket

import pytest

from tests.network import LeftTheMachine


@pytest.mark.parametrize("address", [("192.0.2.1", 443), ("203.0.113.1", 80)])
def test_a_connection_to_the_world_is_refused(address: tuple[str, int]) -> None:
    with socket.socket() as sock, pytest.raises(LeftTheMachine):
        sock.connect(address)
    with socket.socket() as sock, pytest.raises(LeftTheMachine):
        sock.connect_ex(address)


@pytest.mark.parametrize("spelling", ["127.0.0.1", "127.1", "0x7f000001", "2130706433"])
def test_a_number_is_no_name_however_it_is_spelled(spelling: str) -> None:
    assert socket.getaddrinfo(spelling, 80)[0][4] == ("127.0.0.1", 80)


def test_a_name_is_not_looked_up() -> None:
    with pytest.raises(LeftTheMachine):
        socket.create_connection(("keyrack.dev", 443))


def test_a_name_reserved_for_tests_is_unknown() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("provider.example", 443)


def test_this_machine_can_be_reached_by_number_and_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, port), timeout=5).close()
