"""What of a cluster needs none: how workers share its machines and its work, its address, and its errors."""

from __future__ import annotations

import os
import socket
import sys
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from objectspace.errors import InputError, ModelError
from objectspace.pipeline.ray_cluster import RayWorkers, _check_address, connect, last_line, shares


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
        # The least share that Ray counts, and one below it.
        ([node(20_000, 1), node(2, 1)], None, 1e-4, (10_002, 1)),
        ([node(20_000, 1)], None, 1e-5, (10_000, 2)),
        ([node(0), node(2), node(2)], None, 0, (2, 2)),
        ([node(1), node(5), node(0.5)], None, 0, (2, 2)),
        ([node(1), node(1), node(0.5)], None, 0, (2, 1)),
        ([{"Alive": True, "Resources": {"GPU": 2}}, node(3, 2)], None, 1, (2, 1)),
        ([{"Alive": True, "Resources": {"CPU": 4}}, node(6, 1)], None, 1, (1, 6)),
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


# ------------------------------------------------------------------------------------------------ connecting


class FakeRay:
    """The package ray as far as connecting needs it; it keeps what ``init`` was given."""

    def __init__(self, *, initialized: bool = False, fails: Exception | None = None) -> None:
        self._initialized, self._fails = initialized, fails
        self.begun: list[dict[str, Any]] = []
        self.ended = 0

    def is_initialized(self) -> bool:
        return self._initialized

    def init(self, **options: Any) -> None:
        if self._fails is not None:
            raise self._fails
        self.begun.append(options)

    def shutdown(self) -> None:
        self.ended += 1


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeRay | None], None]:
    """Takes a fake for the package ray, None for no such package; this process has three cores."""
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.setattr("objectspace.pipeline.ray_cluster.core_count", lambda: 3)
    return lambda ray: monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]


def test_without_an_address_a_cluster_of_all_cores_starts_here(
    installed: Callable[[FakeRay | None], None],
) -> None:
    installed(ray := FakeRay())
    with connect(None) as connected:
        assert connected is ray
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert ray.ended == 0
    (options,) = ray.begun
    assert (options["address"], options["num_cpus"], options["include_dashboard"]) == ("local", 3, False)
    assert options["log_to_driver"] is False
    assert ray.ended == 1


def test_a_cluster_at_an_address_keeps_its_size(installed: Callable[[FakeRay | None], None]) -> None:
    installed(ray := FakeRay())
    with pytest.raises(KeyError, match="of the block"), connect("auto"):
        raise KeyError("of the block")
    (options,) = ray.begun
    assert options["address"] == "auto"
    assert not {"num_cpus", "include_dashboard"} & set(options)
    assert ray.ended == 1


def test_a_connection_that_is_there_is_used_and_kept(installed: Callable[[FakeRay | None], None]) -> None:
    installed(ray := FakeRay(initialized=True))
    with connect(None) as connected:
        assert connected is ray
    assert (ray.begun, ray.ended) == ([], 0)


@pytest.mark.parametrize(("address", "where"), [(None, "this machine"), ("auto", "auto")])
def test_a_cluster_that_cannot_be_used_is_one_sentence(
    installed: Callable[[FakeRay | None], None], address: str | None, where: str
) -> None:
    installed(ray := FakeRay(fails=RuntimeError("in a\nno head node")))
    with (
        pytest.raises(InputError, match=f"no Ray cluster can be used at {where}: no head node; start one"),
        connect(address),
    ):
        pass
    assert ray.ended == 0


def test_an_address_is_tried_before_ray_tries_for_minutes(
    installed: Callable[[FakeRay | None], None],
) -> None:
    installed(ray := FakeRay())
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with connect(address):
            assert [one["address"] for one in ray.begun] == [address]
    with pytest.raises(InputError, match=f"at {address}: .*refused; start one"), connect(address):
        pass
    assert len(ray.begun) == 1


def test_without_the_package_it_says_what_to_install(installed: Callable[[FakeRay | None], None]) -> None:
    installed(None)
    with (
        pytest.raises(InputError, match=r"needs the package ray; install it with pip install"),
        connect(None),
    ):
        pass


# ------------------------------------------------------------------------------- work of several workers


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, raised: Exception) -> None:
        super().__init__(f"Traceback:\n  in a\n{raised}")
        self.cause = raised


class WorkingRay:
    """Does each task when it is waited for, the one begun last first; ``dies``: its argument."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, *, dies: object = None, says: str = "the worker died") -> None:
        self._dies, self._says = dies, says
        self.options: dict[str, Any] = {}
        self.begun: list[object] = []
        self.most = 0
        self.cancelled: list[tuple[object, bool]] = []

    def remote(self, function: Callable[..., Any]) -> Any:
        def begin(shared: Any, argument: Any) -> Any:
            self.begun.append(argument)
            return lambda: function(shared, argument), argument

        def options(**given: Any) -> Any:
            self.options = given
            return SimpleNamespace(remote=begin)

        return SimpleNamespace(options=options)

    def put(self, value: Any) -> Any:
        return value

    def wait(self, running: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        assert num_returns <= len(running)
        self.most = max(self.most, len(running))
        return running[-num_returns:], running[:-num_returns]

    def get(self, promise: Any) -> Any:
        work, argument = promise
        if argument == self._dies:
            raise RayError(self._says)
        try:
            return work()
        except Exception as error:
            raise RayTaskError(error) from error

    def cancel(self, promise: Any, *, force: bool) -> None:
        self.cancelled.append((promise[1], force))


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often a worker was limited to how many cores."""
    counted: Counter[int] = Counter()
    monkeypatch.setattr("objectspace.pipeline.ray_cluster.limit_cores", lambda cores: counted.update([cores]))
    return counted


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_work_has_its_results_in_order_and_no_more_at_once_than_workers(
    size: int, limits: Counter[int]
) -> None:
    ray, numbers = WorkingRay(), [3, 1, 4, 1, 5, 9, 2]
    assert RayWorkers(ray, size, 5).map(lambda number: number**2, numbers) == [n**2 for n in numbers]
    assert ray.begun == numbers
    assert ray.most == min(size, len(numbers))
    assert ray.options == {"num_cpus": 5, "max_retries": 2}
    assert limits == {5: len(numbers)}
    assert ray.cancelled == []


def test_workers_are_shown_without_the_package() -> None:
    assert repr(RayWorkers(WorkingRay(), 2, 3)) == "RayWorkers(size=2, cores=3)"


def test_no_work_has_no_results() -> None:
    assert RayWorkers(WorkingRay(), 2, 1).map(lambda number: number, []) == []


@pytest.mark.parametrize(
    ("says", "kind", "sentence"),
    [
        (
            "in a\nkilled",
            ModelError,
            "3 workers ended over the same part of the work: killed; is memory short",
        ),
        ("No module named 'objectspace'", InputError, "a worker of the cluster cannot import objectspace"),
    ],
)
def test_workers_that_die_end_the_work(
    says: str, kind: type[Exception], sentence: str, limits: Counter[int]
) -> None:
    ray = WorkingRay(dies=1, says=says)
    with pytest.raises(kind, match=sentence):
        RayWorkers(ray, 3, 1).map(lambda number: number, [0, 1, 2, 3, 4])
    # 2 was done, then 3 and 4; 0 was under way.
    assert (0, True) in ray.cancelled


@pytest.mark.parametrize(
    ("raised", "kind", "sentence"),
    [
        (InputError("no such space"), InputError, "^no such space$"),
        (ValueError("a\nb"), ModelError, "^a worker failed: ValueError: b$"),
    ],
)
def test_what_work_raises_is_raised(
    raised: Exception, kind: type[Exception], sentence: str, limits: Counter[int]
) -> None:
    def work(number: int) -> int:
        if number == 1:
            raise raised
        return number

    with pytest.raises(kind, match=sentence):
        RayWorkers(WorkingRay(), 2, 1).map(work, [0, 1, 2])
