"""What of a cluster needs none: how workers share its machines, its address, and what it says of errors."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from objectspace.errors import InputError
from objectspace.pipeline.ray_cluster import _check_address, last_line, shares


def node(cpus: float, gpus: float = 0, *, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": cpus, "GPU": gpus}}


@pytest.mark.parametrize(
    ("nodes", "workers", "gpus", "expected"),
    [
        ([node(16)], None, 0, (1, 16)),
        ([node(16), node(4), node(8, alive=False)], None, 0, (2, 8)),
        ([node(16), node(4)], 4, 0, (4, 4)),
        ([node(16), node(16)], 3, 0, (3, 8)),
        ([node(32, 4), node(8, 0)], None, 1, (4, 8)),
        ([node(32, 4), node(8, 1)], None, 1, (5, 8)),
        ([node(32, 4)], None, 2, (2, 16)),
        ([node(32, 2)], None, 0.25, (8, 4)),
        ([node(32, 2), node(8, 0)], None, 0.3, (6, 5)),
        ([node(4, 1)], None, 0.1, (4, 1)),
        ([node(16, 1)], 5, 0.125, (5, 3)),
        # Shares that floats round to one worker less, and one that Ray itself rounds up, to .0108 of a card.
        ([node(400, 1)], None, 1 / 99, (99, 4)),
        ([node(200, 2), node(1, 1)], None, 1 / 105, (201, 1)),
        ([node(400, 1)], None, 1 / 93, (92, 4)),
        ([node(0), node(2), node(2)], None, 0, (2, 2)),
    ],
)
def test_workers_share_all_cores(
    nodes: list[Any], workers: int | None, gpus: float, expected: tuple[int, int]
) -> None:
    assert shares(nodes, workers, gpus) == expected


def test_a_cluster_without_room_is_named() -> None:
    with pytest.raises(InputError, match="workers=9, and the cluster has room for 4"):
        shares([node(4)], 9, 0)
    with pytest.raises(
        InputError, match="no machine of the cluster has room for a worker of a core and gpus_per_worker=1"
    ):
        shares([node(4)], None, 1)


@pytest.mark.parametrize("address", ["auto", "local", "ray://127.0.0.1:1", "127.0.0.1:port", ":1"])
def test_an_address_without_host_and_port_is_left_to_ray(address: str) -> None:
    _check_address(address)


def test_an_address_where_nobody_listens_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        _check_address(address)
    with pytest.raises(OSError, match="refused"):
        _check_address(address)


def test_the_cause_is_the_last_line_of_what_ray_says() -> None:
    assert (
        last_line(Exception("\n Traceback:\n  in a\n  in b\n  ValueError: 3 is odd \n\n"))
        == "ValueError: 3 is odd"
    )
    assert last_line(Exception("one line")) == "one line"
    assert last_line(KeyError()) == "KeyError"
    assert last_line(Exception("b" * 300)) == "b" * 200
