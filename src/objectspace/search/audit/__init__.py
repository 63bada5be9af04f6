"""Audit a space: copies, outliers, wrong labels and leaks, each list with its recall."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.audit.calibration import Calibration, Planted, best_threshold, calibrate
from objectspace.analyses.audit.duplicates import CopyGroups, Pairs, group_copies
from objectspace.analyses.audit.labels import LabelErrors, audit_labels
from objectspace.analyses.audit.outliers import LocalOutlierFactor
from objectspace.arguments import typed
from objectspace.errors import InputError, counted, guess
from objectspace.neighbors import NO_NEIGHBOR
from objectspace.objects.boxes import area
from objectspace.objects.records import Objects, known_values
from objectspace.places import Place
from objectspace.search.audit.byte_copies import find_byte_copies
from objectspace.search.audit.copies import CopyDifferences
from objectspace.search.audit.equal_pixels import equal_boxes
from objectspace.search.audit.lists import LISTS, Audit, AuditList
from objectspace.search.audit.neighborhood import Neighborhood
from objectspace.search.audit.photos import PhotoCopies, compare_photos, find_photo_copies
from objectspace.search.audit.planting import (
    DRAWN,
    OBJECTS,
    PlantedVectors,
    Sample,
    find_copies,
    find_strangers,
    plant,
    sample_objects,
)
from objectspace.search.audit.plants import copies_of, strangers_of
from objectspace.search.default_space import default_space
from objectspace.store import ImageRow, Store, as_store

steps = logging.getLogger("objectspace.steps")

_BY_ERRORS = (
    "where the errors would be fewest if one object in ten were such a case, by the planted and the unplanted"
)


@typed
def audit(
    store: Store | Place | str,
    *,
    space: str | None = None,
    only: Collection[str] = LISTS,
    split: str | None = None,
    selection: str | None = None,
    approximate: bool = False,
    uncalibrated: bool = False,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[int], None] = lambda photos: None,
    judging: Callable[[float], None] = lambda share: None,
) -> Audit:
    """List copies of photos, and copies, outliers, wrong labels and leaks in a space, calibrated by planting.

    only: the lists that are wanted; split: the column whose values must share no object (for ``leaks``)
    selection: audit the objects of this named selection among themselves, as if there were no others
    approximate: find the nearest by the space's index, whose recall stands in the answer
    uncalibrated: plant nothing; lists have no threshold and no figure then
    progress: called with the photos that were read or planted in since: for copies of photos all and those
        planted, for copies of objects and for strangers those planted; copies of objects are told by photos
        that are no copies, so that these are found for both
    judging: called with the share of the work on labels that is done, after that on neighbors

    Copies and outliers are planted in the store's own photos and embedded by the space's own recipe; labels
    are swapped. Raises InputError where that cannot be done, for unknown lists, and for a column with fewer
    than two values; QueryError for an unknown space or column, and for a selection of which the space holds
    nothing.

    >>> found = osp.audit(store, space="demo-crop", only=["outliers"], uncalibrated=True)
    >>> len(found.outliers) == len(store.members("demo-crop"))
    True
    """
    _check_lists(only)
    if approximate and selection is not None:
        raise InputError("give approximate= or selection=, one of them: the index is of all objects")
    store = as_store(store)
    auditor = _Auditor(
        store, space or default_space(store), split, selection, device, seed, progress, judging, uncalibrated
    )
    return auditor.audit(only, approximate=approximate)


def _check_lists(only: Collection[str]) -> None:
    if unknown := [name for name in only if name not in LISTS]:
        raise InputError(
            f"no list {unknown[0]!r}, expected some of {', '.join(LISTS)} as only={guess(unknown[0], LISTS)}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _ComparedCopies:
    """How unlike objects are to their nearest, and what was planted to tell copies; None where nothing was.

    pairs: of objects within the threshold, which is of the suspicion
    """

    copies: CopyDifferences
    pairs: Pairs | None
    found: Planted | None
    threshold: float

    def checked(self) -> tuple[CopyDifferences, Pairs | None, Planted | None, float]:
        """Return all of it. Raises InputError where nothing was there to tell planted copies from."""
        if self.found is not None and not len(self.copies.strangers):
            raise InputError(
                "all photos are copies of one, so that no two objects are known to be none; give "
                "uncalibrated= for a list without a figure"
            )
        return self.copies, self.pairs, self.found, self.threshold


class _Auditor:
    def __init__(
        self,
        store: Store,
        space: str,
        split: str | None,
        selection: str | None,
        device: str,
        seed: int,
        progress: Callable[[int], None],
        judging: Callable[[float], None],
        uncalibrated: bool,
    ) -> None:
        self._store, self._space, self._seed, self._device = store, space, seed, device
        self._progress, self._judging, self._uncalibrated = progress, judging, uncalibrated
        opened = store.stored_space(space)
        ids = np.asarray(opened.object_id, np.str_)
        self._rows, self._selected = np.arange(len(ids)), selection is not None
        if selection is not None:
            self._rows = store.selection(selection).rows(ids, f"space {space}")
        self._ids = ids[self._rows]
        columns = store.object_columns(["image_id", "label"], space)
        self._image = columns["image_id"].astype(np.str_)[self._rows]
        self._label = columns["label"][self._rows]
        self._split = None if split is None else _split_values(store, space, split, self._rows)
        images = len(np.unique(self._image))
        if images < 2:
            of = "" if selection is None else f"selection {selection} in "
            raise InputError(
                f"{of}space {space} of {store.path} has objects of {counted(images, 'photo')}; an audit "
                "compares those of two photos or more"
            )
        self._opened = opened
        self._photo_copies: PhotoCopies | None = None

    def audit(self, only: Collection[str], *, approximate: bool) -> Audit:
        steps.info("%s: neighbors", self._space)
        self._near = Neighborhood(self._opened, self._rows, self._image, approximate=approximate)
        lists: dict[str, AuditList] = {}
        skipped: dict[str, str] = {}
        wanted = [name for name in LISTS if name in only]
        if "leaks" in wanted and self._split is None:
            wanted.remove("leaks")
            skipped["leaks"] = "no column says which split an object is in; give split="

        def add(name: str, make: Callable[[], AuditList]) -> None:
            """Add a list, or why there is none; of one that was asked for alone that is the error."""
            try:
                lists[name] = make()
            except InputError as error:
                if len(wanted) == 1:
                    raise
                skipped[name] = str(error)

        if "photos" in wanted:
            self._read_photos()
            add("photos", self._list_photos)
        copies, strangers = self._plant(wanted)
        if "duplicates" in wanted or "leaks" in wanted:
            if copies is not None and "photos" not in wanted:
                self._read_photos()
            steps.info("comparing copies")
            compared = self._compare_copies(copies)
            for name, make in (("duplicates", self._duplicates), ("leaks", self._leaks)):
                if name in wanted:
                    add(name, partial(make, compared))
        if "outliers" in wanted:
            steps.info("ranking outliers")
            lists["outliers"] = self._outliers(strangers)
        if "labels" in wanted:
            steps.info("judging labels")
            add("labels", self._labels)
        ordered = {name: lists[name] for name in LISTS if name in lists}
        ordered |= self._located({name: one for name, one in ordered.items() if name != "photos"})
        images = len(np.unique(self._image))
        byte_copies = find_byte_copies(self._stored_images()) if "photos" in wanted else {}
        return Audit(
            self._space, len(self._ids), images, ordered, skipped, self._near.approximate, byte_copies
        )

    def _located(self, lists: dict[str, AuditList]) -> dict[str, AuditList]:
        """Return lists with the photo and the box of each object, and the photo of the one that it copies."""
        images = self._store.images_by_id(np.unique(self._image).tolist())
        paths = np.array([images[image_id].path for image_id in self._image.tolist()], object)
        xyxy = self._store.object_columns(["xyxy"], self._space)["xyxy"][self._rows]
        row_of = {object_id: row for row, object_id in enumerate(self._ids.tolist())}
        located = {}
        for name, one in lists.items():
            rows = np.array([row_of[object_id] for object_id in one.object_id.tolist()], np.int64)
            columns = {**one.columns, "image": paths[rows]}
            columns |= {side: xyxy[rows, place] for place, side in enumerate(("x1", "y1", "x2", "y2"))}
            if others := [
                one.columns[key] for key in ("leaks_to", "copy_of", "nearest") if key in one.columns
            ]:
                nearest = [next(filter(None, row), None) for row in zip(*others, strict=True)]
                found = [None if other is None else paths[row_of[other]] for other in nearest]
                columns["other_image"] = np.array(found, object)
            located[name] = replace(one, columns=columns)
        return located

    # --------------------------------------------------------------------------------------------- photos

    def _read_photos(self) -> None:
        """Compare all photos with each other, and find the copies among them by planting."""
        steps.info("comparing photos")
        images = self._stored_images()
        self._photos = compare_photos(images, self._progress)
        self._images = [images[row] for row in self._photos.rows]
        self._unread = len(images) - len(self._images)
        if len(self._images) >= 2 and not self._uncalibrated:
            self._photo_copies = find_photo_copies(
                self._images, self._photos, count=OBJECTS, seed=self._seed, progress=self._progress
            )
            self._photos = self._photo_copies.photos

    def _stored_images(self) -> list[ImageRow]:
        """Return the photos of the store, of a selection those that it has objects of."""
        held = set(self._image.tolist())
        return [image for image in self._store.images() if not self._selected or image.image_id in held]

    def _list_photos(self) -> AuditList:
        """Return the list of copied photos. Raises InputError where fewer than two can be read."""
        images, photos, unread = self._images, self._photos, self._unread
        if len(images) < 2:
            of = counted(len(images) + unread, "photo")
            raise InputError(
                f"copies of photos cannot be found: {len(images)} of {of} can be read: {photos.why}"
            )
        ids = np.array([image.image_id for image in images], np.str_)
        paths = np.array([image.path for image in images], object)
        suspicion = -photos.difference
        order = _ranking(suspicion, ids)
        columns = {"nearest": ids[photos.nearest][order]}
        columns |= {"image": paths[order], "other_image": paths[photos.nearest][order]}
        made = AuditList(
            "photos",
            ids[order],
            -suspicion[order],
            "difference",
            columns,
            left_out=unread,
            note=f"they cannot be read, the first as {photos.why}" if unread else "",
            id_name="image_id",
        )
        if (found := self._photo_copies) is None:
            return made
        copied = {"other_image": paths[photos.nearest], **_photo_columns(found.groups, ids)}
        copies = ~found.groups.kept
        copied["other_image"][found.groups.row[copies]] = paths[_keepers(found.groups)[copies]]
        columns |= {name: column[order] for name, column in copied.items()}
        alarms = suspicion >= found.threshold
        how = (f"copies of {counted(min(OBJECTS, len(ids)), 'photo')} of the store", _told_by(found.beyond))
        return replace(
            made,
            columns=columns,
            threshold=-found.threshold,
            listed=int(alarms.sum()),
            calibration=calibrate(found.planted, alarms, ids, found.threshold, how=how),
        )

    # ------------------------------------------------------------------------------------------- planting

    def _plant(self, wanted: Collection[str]) -> tuple[PlantedVectors | None, PlantedVectors | None]:
        """Return the planted copies and strangers, as far as a wanted list needs them."""
        needs = (not {"duplicates", "leaks"}.isdisjoint(wanted), "outliers" in wanted)
        if self._uncalibrated or not any(needs):
            return None, None
        # It loads networks, which takes as long as the rest of a small audit.
        from objectspace.search.audit.embedding import PlantEmbedder

        steps.info("loading the networks of %s, to plant cases", self._space)
        sample: Sample = sample_objects(self._store, self._ids, self._image, count=OBJECTS, seed=self._seed)
        embedder = PlantEmbedder(self._store, self._space, device=self._device)
        make = partial(plant, embedder, sample, seed=self._seed, progress=self._progress)
        steps.info("planting cases")
        copies = make(copies_of) if needs[0] else None
        strangers = make(strangers_of, drawn=DRAWN) if needs[1] else None
        return copies, strangers

    # --------------------------------------------------------------------------------- duplicates, leaks

    def _compare_copies(self, planted: PlantedVectors | None) -> _ComparedCopies:
        """Compare objects with their nearest, and find the copies among them by planting."""
        photo = None if self._photo_copies is None else self._photo_copies.numbers(self._image)
        row = self._store.object_rows(self._space)[self._rows]
        copies = CopyDifferences(self._store, row, self._near, photo=photo)
        if planted is None:
            return _ComparedCopies(copies, None, None, -np.inf)
        found = find_copies(self._near, copies, planted, seed=self._seed)
        threshold = best_threshold(found.suspicion, -copies.stranger_difference, often_real=True)
        return _ComparedCopies(copies, copies.pairs_within(-threshold), found, threshold)

    def _duplicates(self, compared: _ComparedCopies) -> AuditList:
        copies, pairs, found, threshold = compared.checked()
        suspicion = -copies.difference
        order = _ranking(suspicion, self._ids)
        columns = {"nearest": _named(self._ids, copies.nearest)[order]}
        if pairs is None or found is None:
            return AuditList("duplicates", self._ids[order], -suspicion[order], "difference", columns)
        # Of a large store few objects are in a pair, and the others' masks are not read.
        rows = np.unique(np.concatenate([pairs.first, pairs.second]))
        objects = self._store.objects(self._ids[rows])
        preference = np.zeros(len(self._ids), np.int64)
        preference[rows] = _by_photo(objects, self._store.images_of(objects))
        groups = group_copies(pairs, preference)
        columns |= {
            name: column[order] for name, column in self._group_columns(groups, rows, objects).items()
        }
        alarms = suspicion >= threshold
        return AuditList(
            "duplicates",
            self._ids[order],
            -suspicion[order],
            "difference",
            columns,
            -threshold,
            int(alarms.sum()),
            self._calibrated(found, alarms, threshold, "copies of {} of the store's own objects"),
        )

    def _group_columns(
        self, groups: CopyGroups, rows: NDArray[np.int64], objects: Objects
    ) -> dict[str, NDArray[np.object_]]:
        """Return what each object (n,) is in its group, None for one in none.

        rows: (m,) sorted, of which ``objects`` (m) are known, those of the groups among them
        """
        names = ("group", "kept", "copy_of", "kind")
        columns = {name: np.full(len(self._ids), None, object) for name in names}
        keeper = _keepers(groups)
        paths = {name: row.path for name, row in self._store.images_by_id(objects.image_id.tolist()).items()}
        equal = equal_boxes(objects, rows.searchsorted(keeper), rows.searchsorted(groups.row), paths)
        columns["group"][groups.row] = groups.group.tolist()
        columns["kept"][groups.row] = groups.kept.tolist()
        copies = ~groups.kept
        columns["copy_of"][groups.row[copies]] = self._ids[keeper[copies]].tolist()
        columns["kind"][groups.row[copies]] = np.where(equal[copies], "exact", "near").tolist()
        return columns

    def _leaks(self, compared: _ComparedCopies) -> AuditList:
        assert self._split is not None
        copies, pairs, found, threshold = compared.checked()
        if pairs is None:
            row = np.flatnonzero(copies.nearest != NO_NEIGHBOR)
            other, distance = copies.nearest[row], copies.difference[row]
        else:
            row, other = (
                np.concatenate(ends) for ends in ((pairs.first, pairs.second), (pairs.second, pairs.first))
            )
            distance = np.concatenate([pairs.distance, pairs.distance])
        known = known_values(self._split)
        across = known[row] & known[other] & (self._split[row] != self._split[other])
        row, other, distance = row[across], other[across], distance[across]
        nearest = np.lexsort((self._ids[other], distance, row))
        row, other, distance = row[nearest], other[nearest], distance[nearest]
        once = np.unique(row, return_index=True)[1]
        row, other, distance = row[once], other[once], distance[once]
        order = _ranking(-distance, self._ids[row])
        columns = {
            "split": self._split[row][order],
            "leaks_to": self._ids[other][order],
            "other_split": self._split[other][order],
        }
        made = AuditList("leaks", self._ids[row][order], distance[order], "difference", columns)
        if found is None:
            return made
        alarms = np.zeros(len(self._ids), bool)
        alarms[row] = True
        calibration = self._calibrated(found, alarms, threshold, "copies of {} of the store's own objects")
        return AuditList(
            made.name, made.object_id, made.score, made.score_name, columns, -threshold, len(row), calibration
        )

    # ------------------------------------------------------------------------------------------- outliers

    def _outliers(self, planted: PlantedVectors | None) -> AuditList:
        factor = LocalOutlierFactor(self._near.near)
        factors = factor.factors(self._near.near)
        order = _ranking(factors, self._ids)
        columns = {"label": self._label[order]}
        made = AuditList("outliers", self._ids[order], factors[order], "local_outlier_factor", columns)
        if planted is None:
            return made
        found = find_strangers(self._near, planted, factor)
        threshold = best_threshold(found.suspicion, factors)
        alarms = factors >= threshold
        what = (
            "noise, shifted boxes and background in the places of {} objects, and objects of the drawn world"
        )
        return AuditList(
            made.name,
            made.object_id,
            made.score,
            made.score_name,
            columns,
            threshold,
            int(alarms.sum()),
            self._calibrated(found, alarms, threshold, what),
        )

    def _calibrated(
        self, found: Planted, alarms: NDArray[np.bool_], threshold: float, what: str
    ) -> Calibration:
        how = (what.format(min(OBJECTS, len(self._ids))) + ", by the space's own recipe", _BY_ERRORS)
        return calibrate(found, alarms, self._image, threshold, how=how)

    # --------------------------------------------------------------------------------------------- labels

    def _labels(self) -> AuditList:
        errors: LabelErrors = audit_labels(
            self._near.vectors,
            self._near.near,
            self._label,
            self._image,
            calibrated=not self._uncalibrated,
            seed=self._seed,
            judging=self._judging,
        )
        rows = errors.row
        order = rows[_ranking(errors.probability, self._ids[rows])]
        at = np.empty(len(self._ids), np.int64)
        at[rows] = np.arange(len(rows))
        columns = {"label": self._label[order], "proposed": errors.proposed[at[order]]}
        left_out = len(self._ids) - len(rows)
        note = "" if not left_out else "their label is in no other photo, so that nothing speaks for it"
        return AuditList(
            "labels",
            self._ids[order],
            errors.probability[at[order]],
            errors.score_name,
            columns,
            errors.threshold,
            errors.listed,
            errors.calibration,
            left_out,
            note,
        )


def _split_values(store: Store, space: str, split: str, rows: NDArray[np.int64]) -> NDArray[np.object_]:
    """Return the split of some rows (n,) of a space.

    Raises InputError for a column that has fewer than two values there.
    """
    if split not in store.factor_names:
        known = ", ".join(store.factor_names) or "none"
        raise InputError(
            f"no column {split!r} of your own in {store.path}, its columns: {known}"
            f"{guess(split, store.factor_names)}"
        )
    column = store.object_columns([split], space)[split][rows]
    values = sorted({str(value) for value in column[known_values(column)].tolist()})
    if len(values) < 2:
        raise InputError(
            f"column {split} has {counted(len(values), 'value')} in space {space}"
            f"{': ' + values[0] if values else ''}; leaks are between two splits or more"
        )
    return column


def _told_by(beyond: int) -> str:
    """Return where the threshold of photos came from, whose nearest ``beyond`` are taken for copies."""
    if not beyond:
        return _BY_ERRORS
    nearest = "nearest one" if beyond == 1 else f"{beyond} nearest"
    return (
        f"{_BY_ERRORS}; the unplanted without each one's {nearest}, as most of these look like planted copies"
    )


def _ranking(suspicion: NDArray[np.float64], ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return the rows (n,), the most suspicious first, equals by id."""
    return np.lexsort((ids, -np.nan_to_num(suspicion, nan=-np.inf)))


def _keepers(groups: CopyGroups) -> NDArray[np.int64]:
    """Return the object or photo that is kept of the group of each (m,)."""
    keepers: NDArray[np.int64] = groups.row[groups.kept][groups.group]
    return keepers


def _photo_columns(groups: CopyGroups, ids: NDArray[np.str_]) -> dict[str, NDArray[np.object_]]:
    """Return whether each photo (n,) is kept, and which it is a copy of; None for one in no group."""
    columns = {name: np.full(len(ids), None, object) for name in ("kept", "copy_of")}
    copies = ~groups.kept
    columns["kept"][groups.row] = groups.kept.tolist()
    columns["copy_of"][groups.row[copies]] = ids[_keepers(groups)[copies]].tolist()
    return columns


def _named(ids: NDArray[np.str_], rows: NDArray[np.int64]) -> NDArray[np.object_]:
    names = ids[rows].astype(object)
    names[rows == NO_NEIGHBOR] = None
    return names


def _by_photo(objects: Objects, images: Sequence[ImageRow]) -> NDArray[np.int64]:
    """Return the place (n,) of each object in the order in which copies are kept.

    The largest photo comes first, of equals the first by path, as of copied photos, so that of two one keeps
    all its objects; within a photo the largest object.
    """
    pixels = np.array([image.width * image.height for image in images])
    path = np.array([image.path for image in images], np.str_)
    rank = np.empty(len(objects), np.int64)
    rank[np.lexsort((objects.object_id, -area(objects.xyxy), path, -pixels))] = np.arange(len(objects))
    return rank
