from __future__ import annotations

import logging
import os
import stat

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from objectspace.errors import InputError
from objectspace.figures import style
from objectspace.figures.style import check_figure_path, write_figure


@pytest.fixture
def figure() -> Figure:
    drawn = Figure(figsize=(1, 1))
    drawn.text(0.5, 0.5, "words")
    return drawn


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".PNG", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_the_suffix_names_the_form(figure, tmp_path, suffix, start):
    write_figure(figure, tmp_path / f"f{suffix}")
    assert (tmp_path / f"f{suffix}").read_bytes().startswith(start)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_picture_has_the_dots_of_print(figure, tmp_path, monkeypatch):
    asked = {}

    def save(figure, path, **options):
        asked.update(options)
        path.touch()

    monkeypatch.setattr(Figure, "savefig", save)
    write_figure(figure, tmp_path / "f.png")
    assert asked == {"dpi": 320, "facecolor": "white"}


def test_a_figure_replaces_the_one_before(figure, tmp_path):
    (tmp_path / "f.png").write_text("old")
    write_figure(figure, tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("f.gif", "ends in one"),
        ("f", "ends in one"),
        ("file/f.png", "cannot be written: Not a directory"),
        ("n" * 300 + ".png", "cannot be written: File name too long"),
    ],
)
def test_paths_of_no_figure(tmp_path, name, told):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=told):
        check_figure_path(tmp_path / name)


def test_missing_folders_are_made(figure, tmp_path):
    write_figure(figure, tmp_path / "a" / "b" / "f.png")
    assert (tmp_path / "a" / "b" / "f.png").is_file()


def test_a_figure_is_as_private_as_the_umask_says(figure, tmp_path):
    before = os.umask(0o077)
    try:
        write_figure(figure, tmp_path / "f.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f.png").stat().st_mode) == 0o600


def test_a_folder_is_no_figure(tmp_path):
    (tmp_path / "f.png").mkdir()
    with pytest.raises(InputError, match=r"f.png is a folder, which is not overwritten"):
        check_figure_path(tmp_path / "f.png")


def test_a_failure_leaves_nothing_behind_and_the_old_figure_whole(figure, tmp_path, monkeypatch):
    (tmp_path / "f.png").write_text("old")

    def fail(self, path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(InputError, match=r"f.png cannot be written: No space left on device"):
        write_figure(figure, tmp_path / "f.png")
    assert [path.name for path in tmp_path.iterdir()] == ["f.png"]
    assert (tmp_path / "f.png").read_text() == "old"


def test_signs_that_no_font_has_are_told_once_without_a_warning_of_python(figure, tmp_path, logged, recwarn):
    figure.text(0.1, 0.1, "\ue123 dog \ue124")  # for private use: no font has them
    write_figure(figure, tmp_path / "f.png")
    (record,) = logged
    assert record.levelno == logging.WARNING
    assert "no installed font has the signs \ue123 \ue124, boxes stand for them" in record.getMessage()
    assert not [warned for warned in recwarn if "Glyph" in str(warned.message)]


def test_signs_of_another_installed_font_are_written_with_it(figure, tmp_path, logged, monkeypatch):
    monkeypatch.setattr(style, "_FALLBACKS", ("STIXGeneral",))
    sans = font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap()
    other = font_manager.get_font(font_manager.findfont("STIXGeneral")).get_charmap()
    sign = chr(min(set(other) - set(sans)))
    figure.text(0.1, 0.1, sign)
    write_figure(figure, tmp_path / "f.png")
    assert not logged
    assert {tuple(text.get_fontfamily()) for text in figure.texts} == {("DejaVu Sans", "STIXGeneral")}
