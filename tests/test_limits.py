"""Files that are no files, sizes without end, and limits of the system: one sentence, at once."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import objectspace.__main__
from objectspace.embeddings.spaces import model_key
from objectspace.errors import AnnotationError, InputError, ObjectspaceError, WeightsError
from objectspace.files import json_text, open_regular, plain_json, recipe_digest
from objectspace.models.darknet.cfg import parse_cfg, read_cfg
from objectspace.models.darknet.layers import read_layers
from objectspace.models.darknet.weight_files import read_weight_file
from objectspace.models.weights import load_state_dict
from objectspace.objects.annotations import open_annotations
from objectspace.objects.annotations.image_factors import factors_from_csv
from objectspace.objects.labels import read_names

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs and limits are Unix's")


@pytest.fixture(params=["fifo", "socket", "/dev/zero", "folder"])
def no_file(request, tmp_path) -> Path:
    path = tmp_path / "odd"
    if request.param == "fifo":
        os.mkfifo(path)
    elif request.param == "socket":
        place = Path.cwd()
        os.chdir(tmp_path)  # the path of a socket is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
        os.chdir(place)
    elif request.param == "folder":
        path.mkdir()
    else:
        path = Path(request.param)
    return path


READERS: dict[str, Callable[[Path], object]] = {
    "names": read_names,
    "csv": lambda path: factors_from_csv(path, ["a.jpg"]),
    "coco": lambda path: open_annotations(path, format="coco"),
    "yolo": lambda path: open_annotations(path / "x" if path.is_dir() else path, format="yolo"),
    "cfg": read_cfg,
    "state dict": load_state_dict,
}


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file(no_file, reader):
    started = time.monotonic()
    with pytest.raises(ObjectspaceError) as refused:
        READERS[reader](no_file)
    assert time.monotonic() - started < 5
    assert str(no_file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_weights_that_are_no_regular_file(no_file):
    cfg = parse_cfg("[net]\nwidth=32\nheight=32\n[convolutional]\nfilters=1\n", path="x.cfg")
    with pytest.raises(ObjectspaceError, match="expected a"):
        read_weight_file(no_file, read_layers(cfg))


def test_a_data_yaml_that_is_a_fifo(tmp_path):
    os.mkfifo(tmp_path / "data.yaml")
    with pytest.raises(AnnotationError, match=r"data.yaml: cannot be read: it is a FIFO, expected a regular"):
        open_annotations(tmp_path / "data.yaml", format="yolo")


def load_folder(package: str, folder: Path) -> None:
    from objectspace.models.detectors import load_detector
    from objectspace.models.encoders import load_encoder

    if package == "transformers":
        load_detector(str(folder))
    else:
        load_encoder(f"{'open_clip:' if package == 'open_clip' else ''}local-dir:{folder}")


@pytest.mark.parametrize(
    ("package", "config"),
    [
        ("transformers", "config.json"),
        ("transformers", "preprocessor_config.json"),
        ("timm", "config.json"),
        ("timm", "model.safetensors"),
        ("open_clip", "open_clip_config.json"),
        ("open_clip", "tokenizer_config.json"),
    ],
)
def test_a_folder_of_a_model_whose_file_is_none(tmp_path, package, config):
    """Packages open the files of a folder by their names: a FIFO would let them wait forever."""
    for name in ("config.json", "open_clip_config.json", "preprocessor_config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    (tmp_path / config).unlink(missing_ok=True)
    os.mkfifo(tmp_path / config)
    started = time.monotonic()
    with pytest.raises(WeightsError, match=f"{config}: it is a FIFO, expected a regular file"):
        load_folder(package, tmp_path)
    (tmp_path / config).unlink()
    with (tmp_path / config).open("wb") as stream:
        stream.truncate(1 << 40)  # a terabyte of zeros that takes no disk
    if config.endswith(".json"):
        with pytest.raises(WeightsError, match=f"{config} is larger than 128 MiB, the limit for its kind"):
            load_folder(package, tmp_path)
    assert time.monotonic() - started < 20


def test_a_regular_file_is_opened(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with open_regular(tmp_path / "a") as stream:
        assert stream.read() == b"abc"


# ------------------------------------------------------------------------------------------------- sizes


def test_a_table_of_a_million_columns(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("file," + ",".join(f"c{n}" for n in range(1_000_000)) + "\n")
    started = time.monotonic()
    with pytest.raises(AnnotationError, match="has 1000001 columns in its first line, expected 1000 at most"):
        factors_from_csv(path, ["a.jpg"])
    assert time.monotonic() - started < 5


def test_a_yaml_of_keys_without_end(tmp_path):
    path = tmp_path / "data.yaml"
    path.write_text("names: [a]\n" + "".join(f"k{n}: {n}\n" for n in range(70_000)))
    with pytest.raises(AnnotationError, match="holds more than 60000 values, expected a"):
        open_annotations(path, format="yolo")


def test_names_without_end(tmp_path):
    (tmp_path / "names.txt").write_bytes(b"a" * (5 << 20))
    with pytest.raises(AnnotationError, match="is larger than 4 MiB, the limit for its kind"):
        read_names(tmp_path / "names.txt")


# -------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": {"b": Path("x")}}, "holds a PosixPath under 'a.b'"),
        ({"a": [1, {2, 3}]}, "holds a set under 'a.1'"),
        ({"size": np.float32(1)}, "holds a float32 under 'size'"),
        ({"a": np.zeros(2)}, "holds a ndarray under 'a'"),
        ({"a": {(1, 2): 3}}, "holds a key that is no text under 'a'"),
    ],
)
def test_values_that_json_cannot_hold(value, told):
    with pytest.raises(InputError) as refused:
        json_text(value, "the recipe of mine")
    assert str(refused.value).startswith(f"the recipe of mine {told}")
    with pytest.raises(InputError, match="a recipe holds"):
        recipe_digest(value)


def test_json_comes_back_plain():
    assert plain_json({"a": (1, 2), 3: None}, "x") == {"a": [1, 2], "3": None}
    assert model_key("a", "b" * 64) == "a@" + "b" * 12


# ------------------------------------------------------------------------------------------- entry point


@pytest.fixture
def ended(monkeypatch, capsys) -> Callable[[BaseException], str]:
    """A function error -> the sentence with which the command ends where that error comes."""

    def run(error: BaseException) -> str:
        def fail() -> None:
            raise error

        monkeypatch.setattr("objectspace.cli.main", fail)
        with pytest.raises(SystemExit) as end:
            objectspace.__main__.main()
        assert end.value.code == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return err

    return run


def test_limits_of_the_system(ended):
    assert "package torch cannot be imported: No module named 'torch'; install it again, or raise" in ended(
        ModuleNotFoundError("No module named 'torch'", name="torch")
    )
    assert "memory ran out; raise its limit (ulimit -v)" in ended(MemoryError())
    assert "a limit of the system was reached: can't start new thread" in ended(
        RuntimeError("can't start new thread")
    )
    panic = type("PanicException", (BaseException,), {})
    assert "failed to create UnixStream" in ended(panic("failed to create UnixStream"))


def test_an_error_of_our_own_code_is_shown_whole(monkeypatch):
    def fail() -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("objectspace.cli.main", fail)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        objectspace.__main__.main()


def test_too_little_memory_to_import(tmp_path, world):
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20)); "
    code += "from objectspace.__main__ import main; main()"
    arguments = ["index", str(world.photos), "--store", str(tmp_path / "s.osp"), *world.model]
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (1, "", 1), run.stderr
    assert "ulimit -v" in run.stderr


@pytest.mark.parametrize(
    "raised",
    [
        'RuntimeError("operator torchvision::nms does not exist")',
        'OSError("/lib/libc10.so: undefined symbol: _ZN3c105ErrorC2E")',
        'ImportError("/lib/torchvision/_C.so: undefined symbol: _ZN5torch3jit17parse")',
    ],
)
def test_a_torchvision_of_another_build_is_one_sentence(raised, tmp_path, monkeypatch, capsys):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(f"raise {raised}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr("objectspace.cli.main", lambda: importlib.import_module("torchvision"))
    monkeypatch.setattr("importlib.metadata.version", {"torch": "2.9.0+cpu", "torchvision": "0.24.0"}.get)
    with pytest.raises(SystemExit) as ended:
        objectspace.__main__.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "objectspace: torch 2.9.0+cpu and torchvision 0.24.0 are not of one build; install both from one "
        "index: docs/dependencies.md\n"
    )


def test_a_symbol_that_another_package_misses_is_not_put_down_to_torchvision(monkeypatch, capsys):
    def run():
        raise ImportError("/lib/other.so: undefined symbol: _ZN5other")

    monkeypatch.setattr("objectspace.cli.main", run)
    with pytest.raises(SystemExit):
        objectspace.__main__.main()
    assert "torchvision" not in capsys.readouterr().err


def test_a_library_that_finds_no_room_is_one_sentence(monkeypatch, capsys):
    """What torch 2.7 ends with, where newer ones end with ImportError."""

    def run():
        raise OSError("libcudart.so.12: failed to map segment from shared object")

    at_exit = []
    monkeypatch.setattr("atexit.register", at_exit.append)
    monkeypatch.setattr("objectspace.cli.main", run)
    with pytest.raises(SystemExit) as ended:
        objectspace.__main__.main()
    err = capsys.readouterr().err
    assert (ended.value.code, err.count("\n")) == (1, 1)
    assert "libcudart.so.12" in err
    assert "ulimit -v" in err
    # Python would crash where it takes down what was loaded by half.
    assert at_exit == [objectspace.__main__._end_at_once]
