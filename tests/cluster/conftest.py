"""Object storage and a cluster on this machine: moto's server as S3, Ray with small object stores."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

import objectspace as osp
from objectspace.places import Place

SECRET = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
#: Bytes of each node's object store.
MEMORY = 100 << 20

Serve = Callable[..., str]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Serve]:
    """Start an S3 server; headers that are named are dropped from requests. Returns its address."""
    pytest.importorskip("obstore", reason="object storage needs obstore: make cluster-test")
    pytest.importorskip("moto.server", reason="these tests need moto's server as S3: make cluster-test")
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    servers = []

    def serve(*, without: tuple[str, ...] = ()) -> str:
        app = DomainDispatcherApplication(create_backend_app)

        def filtered(environ: dict[str, Any], start_response: Any) -> Any:
            for header in without:
                environ.pop(f"HTTP_{header.upper().replace('-', '_')}", None)
            return app(environ, start_response)

        server = make_server("127.0.0.1", 0, filtered, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="session")
def s3(s3_server: Serve) -> str:
    """The address of a server that honors conditional writes."""
    return s3_server()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, ``s3://…``, with the credentials for it in the environment."""
    return make_bucket(s3, monkeypatch)


def make_bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    import boto3

    for name, value in {**SECRET, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    # Buckets are opened once a process, so that each has a name of its own.
    name = f"test-{uuid4().hex[:12]}"
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(scope="session")
def clusters() -> None:
    """Skips what needs a cluster or a bucket before photos are drawn: a session's fixtures come first."""
    if not any(map(find_spec, ("obstore", "ray"))):
        pytest.skip("needs obstore or ray: make cluster-test")


@pytest.fixture(scope="session")
def photos(clusters: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 drawn photos, and a copy of one."""
    folder = tmp_path_factory.mktemp("drawn") / "world"
    osp.write_world(folder, count=48, seed=3)
    images = folder / "images"
    (images / "zz-copy.png").write_bytes((images / "000007.png").read_bytes())
    (images / "broken.png").write_bytes(b"no picture")
    return images


@pytest.fixture(scope="session")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The contents of a store that the threads of this machine made in one go."""
    store = tmp_path_factory.mktemp("undisturbed") / "local.osp"
    osp.index(photos, store, osp.Job(**NETWORKS))
    return contents(store)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Ray; what a test starts is ended."""
    ray = pytest.importorskip("ray", reason="the engine of many machines needs ray: make cluster-test")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    yield ray
    ray.shutdown()


@pytest.fixture
def one_machine(ray: Any) -> Any:
    """Ray on two cores of this machine."""
    ray.init(num_cpus=2, object_store_memory=MEMORY, include_dashboard=False, log_to_driver=False)
    return ray


class Machines:
    """A head and two machines of a core each, connected to; ``nodes``: those that still run."""

    def __init__(self, ray: Any) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]
        self.cluster.wait_for_nodes()
        ray.init(address=self.cluster.address, log_to_driver=False)

    def lose_one(self) -> None:
        """End a machine at once, with all that runs on it."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)


@pytest.fixture
def two_machines(ray: Any) -> Iterator[Machines]:
    """Ray on two machines; anew for each test, as tests lose one."""
    machines = Machines(ray)
    yield machines
    ray.shutdown()
    machines.cluster.shutdown()


NETWORKS = {"detector": "demo", "encoder": "demo"}


def contents(store: Place | str) -> dict[str, Any]:
    """Everything in a store, in an order of its own: rows once each, vectors as their bytes."""
    opened = osp.open_store(store)
    objects = opened.objects()
    rows = {name: [str(value) for value in column] for name, column in objects.columns.items()}
    held: dict[str, Any] = {
        "images": sorted((row.image_id, Path(row.path).name, row.width) for row in opened.images()),
        "objects": sorted(zip(*rows.values(), strict=True)),
        "thumbnails": sorted(zip(rows["object_id"], opened.thumbnails(objects.object_id), strict=True)),
        "indexed": {job: sorted(images) for job, images in opened.indexed().items()},
        "failures": sorted((Path(one.path).name, one.reason) for one in opened.failures()),
        "default": opened.default_space,
    }
    for name in opened.space_names:
        space = opened.space(name)
        if isinstance(space.vectors, np.ndarray):
            pairs = zip(space.object_id.tolist(), space.vectors, strict=True)
            held[name] = sorted((object_id, vector.tobytes()) for object_id, vector in pairs)
    return held


def descendants(process: int) -> list[tuple[int, str]]:
    """The processes below one, by number, and their command lines."""
    found, parents = [], {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
    for number in parents:
        above = number
        while above in parents and above != process:
            above = parents[above]
        if above == process and number != process:
            try:
                line = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            found.append((number, line))
    return found


def workers_of(process: int | None = None, doing: str = "") -> list[int]:
    """The processes of our workers below one, which run a method of theirs."""
    return [number for number, line in descendants(process or os.getpid()) if f"_Worker.{doing}" in line]
