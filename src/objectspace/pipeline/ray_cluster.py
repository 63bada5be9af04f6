"""Clusters of Ray: connecting to one, sharing its machines among workers, and work of any kind on them."""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from objectspace.errors import InputError, ModelError, ObjectspaceError, counted
from objectspace.threads import core_count, limit_cores

#: Workers that may die over a part of the work before it is given up.
DEATHS = 3

# Units of a card in which Ray counts shares.
_CARD = 10_000


@dataclass(frozen=True, slots=True)
class RayWorkers:
    """Processes of a connected cluster that share a piece of work; ``size``: how many, of ``cores`` each.

    ray: the package, connected
    """

    ray: Any = field(repr=False)
    size: int
    cores: int

    def map(self, work: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
        """Return what ``work``, which pickles, returns for each argument, in their order.

        What a worker was doing when it died is done by another. Raises what ``work`` raised, of our own
        errors; ModelError for others, and where :data:`DEATHS` workers died over one argument; InputError
        where workers have not this package.
        """
        task = self.ray.remote(_apply).options(num_cpus=self.cores, max_retries=DEATHS - 1)
        shared = self.ray.put((work, self.cores))
        waiting, running, results = deque(enumerate(arguments)), dict[Any, int](), dict[int, Any]()
        try:
            while waiting or running:
                while waiting and len(running) < self.size:
                    place, argument = waiting.popleft()
                    running[task.remote(shared, argument)] = place
                (ready, *_), _ = self.ray.wait(list(running), num_returns=1)
                results[running.pop(ready)] = self._result(ready)
        finally:
            for promise in running:
                self.ray.cancel(promise, force=True)
        return [results[place] for place in range(len(arguments))]

    def _result(self, promise: Any) -> Any:
        try:
            return self.ray.get(promise)
        except self.ray.exceptions.RayTaskError as error:
            raise cause(error) from error
        except self.ray.exceptions.RayError as error:
            check_package(error)
            raise ModelError(
                f"{DEATHS} workers ended over the same part of the work: {last_line(error)}; is memory "
                f"short? give fewer workers"
            ) from None


def _apply(shared: tuple[Callable[[Any], Any], int], argument: Any) -> Any:
    """Do a part of the work, in a worker."""
    work, cores = shared
    limit_cores(cores)
    return work(argument)


def shares(nodes: Sequence[Any], workers: int | None, gpus: float) -> tuple[int, int]:
    """Return how many workers to start, and the cores of each: as many as let all of them be placed.

    nodes: as Ray lists them
    """
    machines = [node["Resources"] for node in nodes if node["Alive"]]

    def places(cores: int) -> int:
        fitting = [int(machine.get("CPU", 0)) // cores for machine in machines]
        if gpus:
            cards = [_workers_on(int(machine.get("GPU", 0)), gpus) for machine in machines]
            fitting = [min(pair) for pair in zip(fitting, cards, strict=True)]
        return sum(fitting)

    if not (most := places(1)):
        raise InputError(
            f"no machine of the cluster has room for a worker of a core and gpus_per_worker={gpus:g}; its "
            f"machines: {counted(len(machines), 'machine')}"
        )
    if workers is None:
        able = [machine for machine in machines if machine.get("CPU", 0) >= 1]
        workers = most if gpus else len(able)
    if workers > most:
        raise InputError(
            f"workers={workers}, and the cluster has room for {most}; give fewer, or add machines"
        )
    largest = max(int(machine.get("CPU", 0)) for machine in machines)
    return workers, max(cores for cores in range(1, largest + 1) if places(cores) >= workers)


def _workers_on(cards: int, gpus: float) -> int:
    """Return for how many workers a machine has cards: with .3 of one for each, six on two cards.

    Shares are counted in Ray's unit, the ten-thousandth of a card, to which it rounds them.
    """
    return cards // int(gpus) if gpus >= 1 else cards * (_CARD // max(1, round(gpus * _CARD)))


def _check_address(address: str) -> None:
    """Raise OSError where nobody listens at HOST:PORT; Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


@contextmanager
def connect(address: str | None) -> Iterator[Any]:
    """Connect to a cluster, or start one on this machine, which ends with the block."""
    # No figures on its use are sent.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise InputError(
            "the engine ray needs the package ray; install it with pip install 'objectspace[cluster]'"
        ) from None
    if ray.is_initialized():
        yield ray
        return
    size = {"num_cpus": core_count(), "include_dashboard": False} if address is None else {}
    try:
        if address is not None:
            _check_address(address)
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **size)
    except Exception as error:
        raise InputError(
            f"no Ray cluster can be used at {address or 'this machine'}: {last_line(error)}; start one with "
            f"ray start --head, and give every machine the same RAY_AUTH_TOKEN"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def check_package(error: Exception) -> None:
    """Raise InputError where a worker ended as it has not this package."""
    if "No module named 'objectspace'" in str(error):
        raise InputError(
            "a worker of the cluster cannot import objectspace; install it on every machine, in "
            "the Python that runs Ray there"
        ) from None


def cause(error: Any) -> Exception:
    """Return what a worker raised, of our own errors without Ray's traceback."""
    raised: Exception = error.cause
    if isinstance(raised, ObjectspaceError):
        return raised
    return ModelError(f"a worker failed: {type(raised).__name__}: {last_line(raised)}")


def last_line(error: Exception) -> str:
    """Return the last line of what Ray says, which names the cause."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()[:200]
