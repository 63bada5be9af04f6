"""What an audit does for the lists that are asked for, and each list from given differences; no networks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from objectspace.analyses.audit.calibration import Planted
from objectspace.analyses.audit.duplicates import group_copies, make_pairs
from objectspace.analyses.audit.labels import LabelErrors
from objectspace.errors import InputError
from objectspace.objects.records import concatenate, make_objects
from objectspace.search import audit
from objectspace.search.audit import embedding
from objectspace.search.audit.lists import LISTS, AuditList
from objectspace.search.audit.photos import PhotoCopies
from objectspace.store import ImageRow

NONE = -1
SUBSETS = [set(some) for size in range(6) for some in combinations(LISTS, size)]


def empty_list(name: str) -> AuditList:
    return AuditList(name, np.array(["a"]), np.zeros(1), "score")


class Auditor(audit._Auditor):
    """An auditor whose steps say that they were taken; lists in ``failing`` cannot be made."""

    def __init__(self, *, split: bool, planting: bool, failing: frozenset[str] = frozenset()) -> None:
        self._space, self._opened, self._rows = "a-crop", None, None
        self._ids, self._image = np.array(list("abcde")), np.array(list("xxyzz"))
        self._split = np.array(list("ttttt"), object) if split else None
        self._planting, self._failing, self.taken = planting, failing, []

    def _made(self, name: str) -> AuditList:
        if name in self._failing:
            raise InputError(f"no {name} here")
        self.taken.append(name)
        return empty_list(name)

    def _read_photos(self) -> None:
        self.taken.append("read")

    def _list_photos(self) -> AuditList:
        return self._made("photos")

    def _plant(self, wanted: Any) -> Any:
        self.taken.append("plant")
        return ("copies", "strangers") if self._planting else (None, None)

    def _compare_copies(self, planted: Any) -> Any:
        assert planted == ("copies" if self._planting else None)
        self.taken.append("compare")
        return "compared"

    def _duplicates(self, compared: Any) -> AuditList:
        assert compared == "compared"
        return self._made("duplicates")

    def _leaks(self, compared: Any) -> AuditList:
        assert compared == "compared"
        return self._made("leaks")

    def _outliers(self, planted: Any) -> AuditList:
        assert planted == ("strangers" if self._planting else None)
        return self._made("outliers")

    def _labels(self) -> AuditList:
        return self._made("labels")

    def _located(self, lists: dict[str, AuditList]) -> dict[str, AuditList]:
        return {name: empty_list(f"{name} in their photos") for name in lists}

    def _stored_images(self) -> list[ImageRow]:
        return [ImageRow("x", "x.jpg", 1, 1)]


@pytest.fixture
def without_neighbors(monkeypatch: pytest.MonkeyPatch) -> None:
    near = SimpleNamespace(approximate=None)
    monkeypatch.setattr(audit, "Neighborhood", lambda *given, **named: near)
    monkeypatch.setattr(audit, "find_byte_copies", lambda images: {"copy": images[0].path})


@pytest.mark.usefixtures("without_neighbors")
@pytest.mark.parametrize("planting", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_what_is_done_is_what_the_lists_need(split: bool, planting: bool) -> None:
    for only in SUBSETS:
        auditor = Auditor(split=split, planting=planting)
        made = auditor.audit(only, approximate=False)
        wanted = [name for name in LISTS if name in only and (split or name != "leaks")]
        compares = "duplicates" in wanted or "leaks" in wanted
        reads = "photos" in wanted or (compares and planting)
        assert list(made.lists) == wanted
        names = [name if name == "photos" else f"{name} in their photos" for name in wanted]
        assert [one.name for one in made.lists.values()] == names
        assert list(made.skipped) == (["leaks"] if "leaks" in only and not split else [])
        steps = {"plant", *wanted} | ({"read"} if reads else set()) | ({"compare"} if compares else set())
        assert sorted(auditor.taken) == sorted(steps)
        assert made.byte_copies == ({"copy": "x.jpg"} if "photos" in wanted else {})
        assert (made.space, made.n, made.images, made.approximate) == ("a-crop", 5, 3, None)


@pytest.mark.usefixtures("without_neighbors")
@pytest.mark.parametrize("name", ["photos", "duplicates", "leaks", "labels"])
def test_why_a_list_is_not_made_is_the_error_of_one_asked_for_alone(name: str) -> None:
    others = next(one for one in LISTS if one != name)
    made = Auditor(split=True, planting=True, failing=frozenset([name])).audit(
        [name, others], approximate=False
    )
    assert list(made.lists) == [others]
    assert made.skipped == {name: f"no {name} here"}
    with pytest.raises(InputError, match=f"^no {name} here$"):
        Auditor(split=True, planting=True, failing=frozenset([name])).audit([name], approximate=False)


# ----------------------------------------------------------------------------------------- what is asked for


def test_what_is_asked_for_by_default() -> None:
    defaults = {
        name: one.default
        for name, one in inspect.signature(audit.audit).parameters.items()
        if one.default is not inspect.Parameter.empty and not callable(one.default)
    }
    assert defaults == {
        "space": None,
        "only": LISTS,
        "split": None,
        "selection": None,
        "approximate": False,
        "uncalibrated": False,
        "device": "cpu",
        "seed": 0,
    }


def test_an_index_and_a_selection_are_not_given_together(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    class Made:
        def __init__(self, *given: Any) -> None:
            seen.append(given)

        def audit(self, only: Any, *, approximate: bool) -> tuple[Any, bool]:
            return only, approximate

    monkeypatch.setattr(audit, "_Auditor", Made)
    monkeypatch.setattr(audit, "as_store", lambda store: f"opened {store}")
    monkeypatch.setattr(audit, "default_space", lambda store: f"default of {store}")
    ask: Callable[..., Any] = audit.audit
    assert ask("s") == (LISTS, False)
    assert ask("s", approximate=True, space="mine") == (LISTS, True)
    assert ask("s", selection="some", only=["leaks"]) == (["leaks"], False)
    assert [given[:2] for given in seen] == [
        ("opened s", "default of opened s"),
        ("opened s", "mine"),
        ("opened s", "default of opened s"),
    ]
    assert [given[3] for given in seen] == [None, None, "some"]
    with pytest.raises(InputError, match="give approximate= or selection=, one of them"):
        ask("s", approximate=True, selection="some")


class Opened:
    """A store of one space of six objects of the given photos, with a column of its own."""

    path = "some.osp"
    factor_names = ("split", "when")

    def __init__(self, image: str, split: list[Any] | None = None) -> None:
        self.columns = {
            "image_id": np.array(list(image), object),
            "label": np.array([f"l{row}" for row in range(len(image))], object),
            "split": np.array(split or ["a"] * len(image), object),
        }
        self.image = image

    def stored_space(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, object_id=[f"o{row}" for row in range(len(self.image))])

    def object_columns(self, names: list[str], space: str) -> dict[str, np.ndarray]:
        assert space == "a-crop"
        return {name: self.columns[name] for name in names}

    def selection(self, name: str) -> SimpleNamespace:
        rows = [int(row) for row in name]
        return SimpleNamespace(rows=lambda ids, what: np.array(rows, np.int64))

    def images(self) -> list[ImageRow]:
        return [ImageRow(name, f"{name}.jpg", 1, 1) for name in "xyzw"]


def open_auditor(store: Opened, *, split: str | None = None, selection: str | None = None) -> Any:
    given = ("a-crop", split, selection, "cpu", 0, print, print, False)
    return audit._Auditor(store, *given)  # type: ignore[arg-type]


def test_an_auditor_has_the_objects_of_the_selection_alone() -> None:
    store = Opened("xxyzz", ["a", "b", None, "c", "b"])
    whole, some = open_auditor(store), open_auditor(store, split="split", selection="134")
    assert whole._ids.tolist() == ["o0", "o1", "o2", "o3", "o4"]
    assert (some._ids.tolist(), some._image.tolist()) == (["o1", "o3", "o4"], ["x", "z", "z"])
    assert (some._label.tolist(), some._split.tolist()) == (["l1", "l3", "l4"], ["b", "c", "b"])
    assert whole._split is None
    assert [one.image_id for one in whole._stored_images()] == ["x", "y", "z", "w"]
    assert [one.image_id for one in open_auditor(store, selection="04")._stored_images()] == ["x", "z"]


@pytest.mark.parametrize(
    ("image", "selection", "said"),
    [
        ("xxx", None, "^space a-crop of some.osp has objects of 1 photo;"),
        ("", None, "^space a-crop of some.osp has objects of 0 photos;"),
        ("xxyz", "01", "^selection 01 in space a-crop of some.osp has objects of 1 photo;"),
    ],
)
def test_an_audit_is_of_two_photos_or_more(image: str, selection: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_auditor(Opened(image), selection=selection)
    assert len(open_auditor(Opened("xy"))._ids) == 2


def test_leaks_are_between_two_known_values_of_a_column() -> None:
    """Counted among the rows that are audited, and as text."""
    rows = np.array([0, 2, 3, 5])
    given: list[list[Any]] = [["a", "z", None, "a", "z", None], [None] * 6, [1, "z", "1", "", "z", 1]]
    for values, said in zip(
        given, ["1 value in space s: a;", "0 values in space s;", "1 value in space s: 1;"], strict=True
    ):
        store = Opened("xxyyzz", values)
        store.object_columns = lambda names, space, store=store: {name: store.columns[name] for name in names}  # type: ignore[method-assign]
        with pytest.raises(
            InputError, match=f"^column split has {said} leaks are between two splits or more"
        ):
            audit._split_values(store, "s", "split", rows)  # type: ignore[arg-type]
    store = Opened("xxyyzz", ["b", "z", None, "a", "z", None])
    found = audit._split_values(store, "a-crop", "split", rows)  # type: ignore[arg-type]
    assert found.tolist() == ["b", None, "a", None]
    with pytest.raises(
        InputError,
        match=r"^no column 'spit' of your own in some\.osp, its columns: split, when; did you mean split",
    ):
        audit._split_values(store, "a-crop", "spit", rows)  # type: ignore[arg-type]
    store.factor_names = ()  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"^no column 'spit' of your own in some\.osp, its columns: none$"):
        audit._split_values(store, "a-crop", "spit", rows)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ the steps


@pytest.mark.parametrize("strangers", [0, 1])
def test_without_strangers_no_planted_copy_can_be_told(strangers: int) -> None:
    copies = SimpleNamespace(strangers=np.zeros((strangers, 3)))
    for found in (None, "planted"):
        compared = audit._ComparedCopies(copies, "pairs", found, 0.5)  # type: ignore[arg-type]
        if found and not strangers:
            with pytest.raises(InputError, match="all photos are copies of one, so that no two"):
                compared.checked()
        else:
            assert compared.checked() == (copies, "pairs", found, 0.5)


@pytest.mark.parametrize("uncalibrated", [False, True])
def test_cases_are_planted_as_far_as_a_list_needs_them(
    uncalibrated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    monkeypatch.setattr(
        audit, "sample_objects", lambda *given, **named: made.append((given, named)) or "sample"
    )
    monkeypatch.setattr(embedding, "PlantEmbedder", lambda *given, **named: (given, named))
    monkeypatch.setattr(audit, "plant", lambda *given, **named: (given, named))
    auditor = SimpleNamespace(
        _uncalibrated=uncalibrated,
        _space="s",
        _store="store",
        _ids="ids",
        _image="image",
        _seed=7,
        _device="cuda:1",
    )
    auditor._progress = print
    embedder = (("store", "s"), {"device": "cuda:1"})
    of = {"seed": 7, "progress": print}
    for only in SUBSETS:
        made.clear()
        copies, strangers = audit._Auditor._plant(auditor, only)  # type: ignore[arg-type]
        needs = (
            not uncalibrated and bool({"duplicates", "leaks"} & only),
            not uncalibrated and "outliers" in only,
        )
        assert copies == (((embedder, "sample", audit.copies_of), of) if needs[0] else None)
        drawn = of | {"drawn": audit.DRAWN}
        assert strangers == (((embedder, "sample", audit.strangers_of), drawn) if needs[1] else None)
        sampled = [(("store", "ids", "image"), {"count": audit.OBJECTS, "seed": 7})]
        assert made == (sampled if any(needs) else [])


@pytest.mark.parametrize("uncalibrated", [False, True])
@pytest.mark.parametrize("readable", [[], [2], [0, 3], [0, 2, 3]])
def test_copies_of_photos_are_planted_where_two_can_be_read(
    readable: list[int], uncalibrated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [ImageRow(name, f"{name}.jpg", 1, 1) for name in "xyzw"]
    photos = SimpleNamespace(rows=np.array(readable, np.int64))
    monkeypatch.setattr(audit, "compare_photos", lambda of, progress: photos)
    monkeypatch.setattr(
        audit, "find_photo_copies", lambda *given, **named: SimpleNamespace(photos=given, named=named)
    )
    auditor = SimpleNamespace(_stored_images=lambda: images, _uncalibrated=uncalibrated, _photo_copies=None)
    auditor._progress, auditor._seed = print, 3
    audit._Auditor._read_photos(auditor)  # type: ignore[arg-type]
    assert auditor._images == [images[row] for row in readable]
    assert auditor._unread == 4 - len(readable)
    if len(readable) >= 2 and not uncalibrated:
        assert auditor._photos == (auditor._images, photos)
        assert auditor._photo_copies.named == {"count": audit.OBJECTS, "seed": 3, "progress": print}
    else:
        assert auditor._photos is photos
        assert auditor._photo_copies is None


@pytest.mark.parametrize("planted", [None, "planted"])
@pytest.mark.parametrize("copied", [False, True])
def test_objects_are_compared_in_the_photos_that_are_no_copies(
    planted: Any, copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threshold is on the suspicion; of pairs it is as large a difference."""
    copies = SimpleNamespace(
        stranger_difference=np.array([0.5, 0.25]), pairs_within=lambda within: ("within", within)
    )
    seen: list[Any] = []
    monkeypatch.setattr(
        audit, "CopyDifferences", lambda *given, **named: seen.append((given, named)) or copies
    )
    monkeypatch.setattr(
        audit, "find_copies", lambda *given, **named: SimpleNamespace(suspicion=given, named=named)
    )

    def threshold(suspicion: Any, strangers: np.ndarray, *, often_real: bool) -> float:
        assert suspicion == ("near", copies, "planted")
        assert (strangers.tolist(), often_real) == ([-0.5, -0.25], True)
        return -0.375

    monkeypatch.setattr(audit, "best_threshold", threshold)
    auditor = SimpleNamespace(_near="near", _rows=np.array([3, 1]), _image="image", _space="s", _seed=5)
    auditor._store = SimpleNamespace(object_rows=lambda space: np.array([10, 11, 12, 13]))
    auditor._photo_copies = SimpleNamespace(numbers=lambda image: f"numbers of {image}") if copied else None
    found = audit._Auditor._compare_copies(auditor, planted)  # type: ignore[arg-type]
    (((store, row, near), named),) = seen
    assert (store, row.tolist(), near) == (auditor._store, [13, 11], "near")
    assert named == {"photo": "numbers of image" if copied else None}
    if planted is None:
        assert (found.pairs, found.found, found.threshold) == (None, None, -np.inf)
    else:
        assert (found.pairs, found.threshold) == (("within", 0.375), -0.375)
        assert found.found is not None
        assert found.found.named == {"seed": 5}  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------- each list


def planted_at(suspicion: list[float]) -> Planted:
    count = len(suspicion)
    return Planted(np.array(["jpeg"] * count, object), np.array(suspicion), np.arange(count), np.zeros(count))


PHOTOS = [ImageRow(f"id{name}", f"{name}.jpg", 1, 1) for name in "cadbe"]


def photo_auditor(found: PhotoCopies | None, unread: int = 0, count: int = 5) -> Any:
    photos = SimpleNamespace(
        difference=np.array([0.5, 0.125, 0.5, 0.25, 0.75])[:count],
        nearest=np.array([2, 3, 0, 1, 0])[:count] % max(1, count),
        why="no file",
    )
    return SimpleNamespace(_images=PHOTOS[:count], _photos=photos, _unread=unread, _photo_copies=found)


def test_photos_are_listed_from_the_least_different() -> None:
    made = audit._Auditor._list_photos(photo_auditor(None, 2))
    assert (made.name, made.id_name, made.score_name, made.noun) == (
        "photos",
        "image_id",
        "difference",
        "photo",
    )
    assert made.object_id.tolist() == ["ida", "idb", "idc", "idd", "ide"]
    assert made.score.tolist() == [0.125, 0.25, 0.5, 0.5, 0.75]
    assert {name: column.tolist() for name, column in made.columns.items()} == {
        "nearest": ["idb", "ida", "idd", "idc", "idc"],
        "image": ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"],
        "other_image": ["b.jpg", "a.jpg", "d.jpg", "c.jpg", "c.jpg"],
    }
    assert (made.left_out, made.note) == (2, "they cannot be read, the first as no file")
    assert (made.listed, made.threshold, made.calibration) == (None, None, None)
    whole = audit._Auditor._list_photos(photo_auditor(None))
    assert (whole.left_out, whole.note) == (0, "")
    assert len(audit._Auditor._list_photos(photo_auditor(None, count=2))) == 2


@pytest.mark.parametrize(
    ("count", "unread", "said"),
    [(1, 3, "1 of 4 photos can be read: no file"), (0, 1, "0 of 1 photo can be read: no file")],
)
def test_copies_are_of_two_photos_or_more(count: int, unread: int, said: str) -> None:
    with pytest.raises(InputError, match=f"^copies of photos cannot be found: {said}$"):
        audit._Auditor._list_photos(photo_auditor(None, unread, count))


@pytest.mark.parametrize(("objects", "of"), [(1, "1 photo"), (3, "3 photos"), (200, "5 photos")])
def test_photos_within_the_threshold_are_listed_beside_the_kept_ones(
    objects: int, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly at it, too. Of the copies c, d and a, d is kept; b was compared with none of them."""
    monkeypatch.setattr(audit, "OBJECTS", objects)
    groups = group_copies(
        make_pairs(np.array([2, 2]), np.array([0, 1]), np.zeros(2)), np.array([3, 2, 0, 1, 4])
    )
    found = PhotoCopies(PHOTOS, None, planted_at([-0.5, -0.6]), -0.5, groups, 3)  # type: ignore[arg-type]
    made = audit._Auditor._list_photos(photo_auditor(found))
    assert (made.threshold, made.listed) == (0.5, 4)
    assert {name: column.tolist() for name, column in made.columns.items()} == {
        "nearest": ["idb", "ida", "idd", "idc", "idc"],
        "image": ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"],
        "other_image": ["d.jpg", "a.jpg", "d.jpg", "c.jpg", "c.jpg"],
        "kept": [False, None, False, True, None],
        "copy_of": ["idd", None, "idd", None, None],
    }
    assert made.calibration is not None
    assert made.calibration.planted == f"copies of {of} of the store"
    assert "without each one's 3 nearest" in made.calibration.threshold_from
    assert made.calibration.kind().found.value == 0.5
    assert made.calibration.false_alarms.value == 0.8


IDS = np.array(["e", "b", "d", "a", "c"])


def list_auditor(**more: Any) -> Any:
    """An auditor of five objects of three photos."""
    auditor = SimpleNamespace(
        _ids=IDS, _image=np.array(list("xxyzz")), _label=np.array(list("vwxyz"), object), **more
    )
    auditor._calibrated = lambda *given: audit._Auditor._calibrated(auditor, *given)
    return auditor


@pytest.mark.parametrize("threshold", [2.0, 2.5, np.inf])
def test_outliers_are_listed_from_the_threshold_on(threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    factors = np.array([1.0, 2.0, 3.0, 2.0, np.nan])
    monkeypatch.setattr(
        audit, "LocalOutlierFactor", lambda near: SimpleNamespace(factors=lambda other: factors)
    )
    monkeypatch.setattr(
        audit, "find_strangers", lambda near, planted, factor: planted_at([1.0, 2.0, 2.25, 4.0])
    )
    monkeypatch.setattr(audit, "best_threshold", lambda planted, factors: threshold)
    auditor = list_auditor(_near=SimpleNamespace(near="near"))
    for planted in (None, "planted"):
        made = audit._Auditor._outliers(auditor, planted)  # type: ignore[arg-type]
        assert made.object_id.tolist() == ["d", "a", "b", "e", "c"]
        assert made.score.tolist()[:4] == [3, 2, 2, 1]
        assert made.columns["label"].tolist() == ["x", "y", "w", "v", "z"]
        assert (made.name, made.score_name) == ("outliers", "local_outlier_factor")
        if planted is None:
            assert (made.threshold, made.listed, made.calibration) == (None, None, None)
            continue
        listed = {2.0: 3, 2.5: 1, np.inf: 0}[threshold]
        assert (made.threshold, made.listed) == (threshold, listed)
        assert made.calibration is not None
        assert made.calibration.planted == (
            "noise, shifted boxes and background in the places of 5 objects, and objects of the drawn world, "
            "by the space's own recipe"
        )
        assert made.calibration.false_alarms.value == listed / 5
        assert made.calibration.kind().found.value == {2.0: 0.75, 2.5: 0.25, np.inf: 0}[threshold]


@pytest.mark.parametrize("known", [3, 5])
@pytest.mark.parametrize("uncalibrated", [False, True])
def test_labels_are_listed_of_those_that_can_be_judged(
    known: int, uncalibrated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.array([4, 1, 2, 0, 3])[:known]
    probability = np.array([0.5, 0.75, 0.5, 0.125, 0.875])[:known]
    proposed = np.array(list("ABCDE"), object)[:known]
    asked: dict[str, Any] = {}

    def judge(*given: Any, **named: Any) -> LabelErrors:
        asked.update(named, given=given)
        return LabelErrors(rows, probability, proposed, "probability", 0.5, 2, None)

    monkeypatch.setattr(audit, "audit_labels", judge)
    near = SimpleNamespace(vectors="vectors", near="near")
    auditor = list_auditor(_near=near, _uncalibrated=uncalibrated, _seed=9, _judging=print)
    made = audit._Auditor._labels(auditor)
    expected = sorted(
        (-value, IDS[row], "vwxyz"[row], other)
        for row, value, other in zip(rows, probability, proposed, strict=True)
    )
    columns = (-made.score, made.object_id, made.columns["label"], made.columns["proposed"])
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert (made.threshold, made.listed, made.left_out) == (0.5, 2, 5 - known)
    assert made.note == (
        "their label is in no other photo, so that nothing speaks for it" if known < 5 else ""
    )
    assert (asked["calibrated"], asked["seed"], asked["judging"]) == (not uncalibrated, 9, print)
    assert asked["given"] == ("vectors", "near", auditor._label, auditor._image)


class Objects:
    """The five objects, in three photos of unequal sizes, and their photos."""

    def __init__(self) -> None:
        self.rows = {
            name: ImageRow(name, f"{name}.jpg", *size)
            for name, size in {"x": (5, 5), "y": (9, 9), "z": (5, 6)}.items()
        }
        boxes = np.float32([[0, 0, 2, 2], [1, 1, 5, 5], [0, 0, 1, 1], [0, 0, 3, 3], [2, 2, 4, 4]])
        parts = [
            make_objects(image_id=image, xyxy=box[None], label=["a"], source="s")
            for image, box in zip("xxyzz", boxes, strict=True)
        ]
        self.all = concatenate(parts)

    def objects(self, ids: np.ndarray) -> Any:
        self.asked = ids.tolist()
        return self.all.take(np.array([IDS.tolist().index(name) for name in self.asked]))

    def images_of(self, objects: Any) -> list[ImageRow]:
        return [self.rows[name] for name in objects.image_id]

    def images_by_id(self, ids: list[str]) -> dict[str, ImageRow]:
        return {name: self.rows[name] for name in ids}

    def object_columns(self, names: list[str], space: str) -> dict[str, np.ndarray]:
        assert names == ["xyxy"]
        return {"xyxy": np.arange(28.0).reshape(7, 4)}


def test_copies_of_objects_are_listed_in_their_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects 0, 2 and 3 are copies; 2 is kept, whose photo is the largest, and 3 has its pixels."""

    def equal(objects: Any, first: np.ndarray, second: np.ndarray, paths: dict[str, str]) -> np.ndarray:
        assert paths == {"x": "x.jpg", "y": "y.jpg", "z": "z.jpg"}
        of = [sorted(pair) for pair in zip(objects.image_id[first], objects.image_id[second], strict=True)]
        return np.array([pair in (["y", "z"], ["y", "y"]) for pair in of])

    monkeypatch.setattr(audit, "equal_boxes", equal)
    copies = SimpleNamespace(
        difference=np.array([0.25, 0.75, 0.5, 0.5, 0.875]),
        nearest=np.array([2, NONE, 0, 2, 1]),
        strangers=np.zeros((2, 3)),
    )
    pairs = make_pairs(np.array([0, 3]), np.array([2, 2]), np.array([0.25, 0.5]))
    store = Objects()
    auditor = list_auditor(_store=store)
    auditor._group_columns = lambda *given: audit._Auditor._group_columns(auditor, *given)
    compared = audit._ComparedCopies(copies, pairs, planted_at([-0.5, -0.1, -0.9]), -0.5)  # type: ignore[arg-type]
    made = audit._Auditor._duplicates(auditor, compared)
    assert store.asked == ["e", "d", "a"]
    assert made.object_id.tolist() == ["e", "a", "d", "b", "c"]
    assert made.score.tolist() == [0.25, 0.5, 0.5, 0.75, 0.875]
    assert (made.name, made.score_name, made.threshold, made.listed) == ("duplicates", "difference", 0.5, 3)
    assert {name: column.tolist() for name, column in made.columns.items()} == {
        "nearest": ["d", "d", "e", None, "b"],
        "group": [0, 0, 0, None, None],
        "kept": [False, False, True, None, None],
        "copy_of": ["d", "d", None, None, None],
        "kind": ["near", "exact", None, None, None],
    }
    assert made.calibration is not None
    assert made.calibration.planted == "copies of 5 of the store's own objects, by the space's own recipe"
    assert made.calibration.kind().found.value == pytest.approx(2 / 3)
    assert made.calibration.false_alarms.value == 0.6
    for given in ((None, None), (pairs, None), (None, planted_at([0.5]))):
        plain = audit._Auditor._duplicates(auditor, audit._ComparedCopies(copies, *given, -np.inf))  # type: ignore[arg-type]
        assert (plain.object_id.tolist(), plain.listed) == (made.object_id.tolist(), None)
        assert list(plain.columns) == ["nearest"]


def test_leaks_within_the_threshold_are_false_alarms_where_they_are_not_planted() -> None:
    split = np.array(["a", "a", "b", "b", "b"], object)
    pairs = make_pairs(np.array([0, 3, 1]), np.array([2, 4, 4]), np.array([0.25, 0.5, 0.125]))
    copies = SimpleNamespace(strangers=np.zeros((2, 3)))
    compared = audit._ComparedCopies(copies, pairs, planted_at([-0.5, -0.9]), -0.5)  # type: ignore[arg-type]
    made = audit._Auditor._leaks(list_auditor(_split=split), compared)
    assert made.object_id.tolist() == ["b", "c", "d", "e"]
    assert made.score.tolist() == [0.125, 0.125, 0.25, 0.25]
    assert (made.listed, made.threshold) == (4, 0.5)
    assert made.calibration is not None
    assert made.calibration.false_alarms.value == 0.8
    assert made.calibration.kind().found.value == 0.5


def test_each_row_has_its_photo_and_box_and_the_photo_of_the_first_other_one() -> None:
    auditor = list_auditor(_store=Objects(), _space="s")
    auditor._rows = np.array([6, 1, 4, 2, 3])
    lists = {
        "outliers": AuditList("outliers", IDS[[3, 0]], np.zeros(2), "score"),
        "leaks": AuditList(
            "leaks",
            IDS[[4, 2, 1]],
            np.zeros(3),
            "difference",
            {"nearest": np.array(["a", "b", None], object), "copy_of": np.array(["d", None, None], object)},
        ),
        "duplicates": AuditList(
            "duplicates",
            IDS[[0]],
            np.zeros(1),
            "d",
            {"leaks_to": np.array(["c"]), "nearest": np.array(["b"])},
        ),
    }
    found = audit._Auditor._located(auditor, lists)
    assert {name: one.columns["image"].tolist() for name, one in found.items()} == {
        "outliers": ["z.jpg", "x.jpg"],
        "leaks": ["z.jpg", "y.jpg", "x.jpg"],
        "duplicates": ["x.jpg"],
    }
    boxes = np.arange(28.0).reshape(7, 4)[[3, 4, 1]]
    sides = np.stack([found["leaks"].columns[side] for side in ("x1", "y1", "x2", "y2")], axis=1)
    assert sides.tolist() == boxes.tolist()
    assert "other_image" not in found["outliers"].columns
    assert found["leaks"].columns["other_image"].tolist() == ["y.jpg", "x.jpg", None]
    assert found["duplicates"].columns["other_image"].tolist() == ["z.jpg"]
