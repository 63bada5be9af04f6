"""Odd and broken photos: what can be read is indexed, the rest is skipped, counted and told."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WIDE = 30_000


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png() -> bytes:
    """A PNG of 30,000 x 30,000 gray pixels, of which only the beginning is there."""
    header = struct.pack(">IIBBBBB", WIDE, WIDE, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (WIDE + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def picture() -> Image.Image:
    pixels = np.full((64, 96, 3), 128, np.uint8)
    pixels[8:40, 8:40] = (220, 30, 30)
    return Image.fromarray(pixels)


@pytest.fixture
def photo_folder(tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def index(world, command, photo_folder, tmp_path):
    """Indexes the folder by the detector's windows; how the command ended."""

    def run(*arguments):
        job = (*world.network, "--route", "window")
        return command("index", photo_folder, "--store", tmp_path / "s.osp", *job, *arguments)

    return run


def test_broken_photos_are_skipped_counted_and_kept_with_their_reasons(
    picture, photo_folder, index, command, tmp_path
):
    picture.save(photo_folder / "good.png")
    picture.save(photo_folder / "whole.jpg", quality=95)
    data = (photo_folder / "whole.jpg").read_bytes()
    (photo_folder / "whole.jpg").unlink()
    (photo_folder / "truncated.jpg").write_bytes(data[: len(data) // 2])
    (photo_folder / "empty.jpg").write_bytes(b"")
    (photo_folder / "text.jpg").write_text("these are words")
    (photo_folder / "huge.png").write_bytes(huge_png())
    reasons = {
        "empty.jpg": "is empty (0 bytes)",
        "huge.png": (
            "has more than 179 megapixels, the limit; make it smaller, or set OBJECTSPACE_MAX_MEGAPIXELS to "
            "raise it"
        ),
        "text.jpg": "is no photo in a known format",
        "truncated.jpg": "is truncated: the file ends before the picture does",
    }

    done = index()
    assert done.code == 0
    assert ": 1 photo and " in done.out
    lines = sorted(done.err.splitlines())
    assert len(lines) == 4
    for line, (name, reason) in zip(lines, reasons.items(), strict=True):
        assert line.startswith(f"objectspace: skipped {photo_folder / name}: {reason}")

    told = json.loads(command("info", tmp_path / "s.osp", "--json").out)
    assert told["images"] == 1
    kept = {Path(failure["path"]).name: failure["reason"] for failure in told["failures"]}
    assert set(kept) == set(reasons)
    assert all(kept[name].startswith(reason) for name, reason in reasons.items())
    assert "4 failures" in command("info", tmp_path / "s.osp").out


def test_odd_photos_are_photos(picture, photo_folder, index):
    picture.convert("CMYK").save(photo_folder / "cmyk.jpg")
    Image.fromarray(np.arange(64 * 96, dtype=np.uint16).reshape(64, 96) * 10).save(photo_folder / "deep.png")
    picture.convert("P").save(photo_folder / "palette.png", transparency=3)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(photo_folder / "turned.jpg", exif=exif)
    picture.save(photo_folder / "moving.gif", save_all=True, append_images=[picture.rotate(90)])
    Image.new("RGB", (1, 1), "red").save(photo_folder / "dot.png")
    done = index("--json")
    report = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert (report["indexed"], report["failures"]) == (6, [])


def test_an_unreadable_photo_is_skipped(picture, photo_folder, index, monkeypatch):
    # Root may read everything, so the refusal is played.
    picture.save(photo_folder / "open.png")
    picture.save(photo_folder / "secret.png")
    read_bytes = Path.read_bytes

    def refuse(path):
        if path.name == "secret.png":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    done = index()
    assert done.code == 0
    assert done.err.endswith("secret.png: may not be read (permission denied)\n")


def test_a_job_none_of_whose_photos_can_be_used_fails(photo_folder, index, command, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (photo_folder / name).write_bytes(b"")
    for options in ((), ("--json",)):
        done = index(*options)
        assert (done.code, done.out) == (1, "")
        assert done.err == (
            f"objectspace: none of 2 photos could be used; the first, {photo_folder / 'a.jpg'}: is empty "
            f"(0 bytes); objectspace info {tmp_path / 's.osp'} lists them\n"
        )
    failures = json.loads(command("info", tmp_path / "s.osp", "--json").out)["failures"]
    assert [Path(failure["path"]).name for failure in failures] == ["a.jpg", "b.jpg"]


def test_many_skipped_photos_are_not_all_listed(picture, photo_folder, index, tmp_path):
    picture.save(photo_folder / "whole.png")
    for number in range(23):
        (photo_folder / f"{number}.jpg").write_bytes(b"")
    lines = index().err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == f"objectspace: and 3 more, listed by: objectspace info {tmp_path / 's.osp'}"


def test_labels_that_make_no_object_are_told_and_the_rest_goes_on(
    world, picture, photo_folder, command, tmp_path
):
    picture.save(photo_folder / "a.png")
    labels = tmp_path / "labels"
    labels.mkdir()
    lines = [
        "0 0.25 0.4 0.3 0.5",
        "0 0.5 0.5 0 0.2",
        "nan 0.5 0.5 0.1 0.1",
        "0 1.5 1.5 0.1 0.1",
        "0 nan 0.5 0.1 0.1",
    ]
    (labels / "a.txt").write_text("\n".join(lines))
    job = ("--annotations", labels, "--names", world.names, *world.encoder)
    done = command("index", photo_folder, "--store", tmp_path / "s.osp", *job)
    assert done.code == 0
    assert ": 1 photo and 1 object indexed" in done.out
    told = [line.removeprefix(f"objectspace: skipped {labels / 'a.txt'}: ") for line in done.err.splitlines()]
    assert told == [
        "line 2: the box has no area (width 0, height 0.2)",
        "line 3: class 'nan' is not an integer",
        "line 4: is wholly outside the photo",
        "line 5: 'nan' is not a finite number",
    ]


def test_pictures_of_formats_that_are_not_read_are_told(picture, photo_folder, index):
    picture.save(photo_folder / "a.png")
    for name in ("1.HEIC", "2.heic"):
        (photo_folder / name).write_bytes(b"x")
    done = index("--json")
    told = "objectspace: 2 .heic files passed over: convert them to JPEG first"
    assert [line for line in done.err.splitlines() if "passed over" in line] == [told]
    assert json.loads(done.out)["passed_over"] == {".heic": 2}


def test_photos_that_are_gone_are_forgotten_when_that_is_asked_for(picture, photo_folder, index, tmp_path):
    for number in range(3):
        picture.putpixel((0, 0), (number, 0, 0))
        picture.save(photo_folder / f"{number}.png")
    index()
    (photo_folder / "1.png").unlink()
    again = "0 photos and 0 objects indexed, 2 were there already"
    assert index().out.splitlines()[0] == f"{tmp_path / 's.osp'}: {again}"
    told = index("--prune").out.splitlines()[0]
    assert told == f"{tmp_path / 's.osp'}: {again}, 1 photo forgotten that is gone"
    (photo_folder / "2.png").unlink()
    assert json.loads(index("--prune", "--json").out)["forgotten"] == [str(photo_folder / "2.png")]


def test_photos_whose_disk_is_not_there_are_kept_and_that_is_said(picture, photo_folder, index, tmp_path):
    picture.save(photo_folder / "one.png")
    index()
    (photo_folder / "one.png").unlink()
    picture.putpixel((0, 0), (9, 9, 9))
    picture.save(photo_folder / "another.png")
    assert index("--prune").err == (
        f"objectspace: 1 photo seems gone, but {photo_folder} holds none of the 1 photo that the store knows "
        "from there; nothing was forgotten: is the disk there?\n"
    )


def test_only_a_folder_is_pruned(picture, photo_folder, world, command, tmp_path):
    picture.save(photo_folder / "one.png")
    arguments = (photo_folder / "one.png", "--store", tmp_path / "s.osp", *world.network, "--prune")
    done = command("index", *arguments, "--route", "window")
    assert done.code == 2
    assert "--prune forgets what is gone from a folder" in " ".join(done.err.replace("│", "").split())
