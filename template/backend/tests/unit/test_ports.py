import socket

import pytest

from dev.ports import answers, any_free_port, is_free, next_free_port


def test_the_next_free_port_is_neither_taken_nor_reserved() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]

        assert not is_free(port)
        assert answers(port)
        assert next_free_port(port) > port
        assert next_free_port(port, frozenset({next_free_port(port)})) > next_free_port(port)


def test_a_server_on_all_addresses_takes_the_port_as_well() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - that is the point
        assert not is_free(server.getsockname()[1])


def test_an_unused_port_is_free_and_does_not_answer() -> None:
    port = any_free_port()

    assert is_free(port)
    assert not answers(port)


def test_running_out_of_ports_is_said() -> None:
    with pytest.raises(RuntimeError, match="No port from 65530 to 65629 is free"):
        next_free_port(65_530, frozenset(range(65_530, 65_536)))
