"""Reading a store: the state of its last commit, also while a writer is at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.embeddings.joint import joint_parts, only_part
from objectspace.embeddings.spaces import CELL_COLUMNS, Recipe, Space
from objectspace.errors import QueryError, RecipeError, counted
from objectspace.files import recipe_digest
from objectspace.images import Failure
from objectspace.markup import html_pictures, html_table
from objectspace.neighbors import JointVectors
from objectspace.objects.data_frames import data_frame
from objectspace.objects.records import Objects, no_objects
from objectspace.places import Place, as_place
from objectspace.store.border import check_schema, checked, damaged
from objectspace.store.columns import OBJECTS, factor_names, object_column, objects_from_table, stored_names
from objectspace.store.indexes import SpaceIndex
from objectspace.store.joint import check_parts, joint_vectors
from objectspace.store.manifest import SPACES, Manifest, read_manifest
from objectspace.store.pins import Pin
from objectspace.store.purity import LabelPurity
from objectspace.store.selections import NamedSelection, read_selection, save_selection, selection_names
from objectspace.store.store_records import ImageRow, SpaceInfo, StoreInfo
from objectspace.store.tables import find_rows, open_table, read_batches, read_rows, take_rows
from objectspace.store.vector_cache import VectorCache
from objectspace.store.vectors import StoredJointVectors, StoredSpace, StoredVectors, read_vectors

if TYPE_CHECKING:
    import pandas


@typed
def open_store(path: Place | str, *, cache: Path | str | None = None) -> Store:
    """Return the store at ``path``, as its last commit left it.

    cache: a folder for plain copies of its spaces' vectors, which are read several times as fast; one is made
        when a space is first read, and anew when it has changed

    Raises StoreError where there is no store or it is damaged, StoreVersionError where it was written in
    another version of the format.

    >>> osp.open_store("photos.osp").info()
    StoreInfo(12 images, 39 objects, 6 spaces, 0 failures)
    """
    folder = as_place(path)
    return Store(folder, read_manifest(folder), None if cache is None else Path(cache))


def as_store(store: Store | Place | str) -> Store:
    """Return a store as it is, and the one at a path, opened as :func:`open_store` does."""
    return store if isinstance(store, Store) else open_store(store)


#: The fewest digits of an id that stand for it, as git has it.
FEWEST_DIGITS = 4

#: What is tried first of a store, and what there is instead.
_INSTEAD = {
    "audit": "objectspace.audit(store) lists copies, strangers and wrong labels",
    "labels": "info().labels counts them, and objects().label has that of each object",
    "measure": "objectspace.measure_factor(space, space.objects, FactorSpec('label')) measures a space",
    "nearest": "objectspace.SpaceSearch(store).nearest(ID) finds an object's neighbors",
    "search": "objectspace.SpaceSearch(store).nearest(ID) finds an object's neighbors",
    "spaces": "space_names lists the spaces, and space(NAME) reads one",
}


class Store:
    """One state of a store on disk, read when asked for. Later commits do not show; open the store again.

    The state stays readable as long as the Store, or vectors that it gave, are held, however many commits and
    clean-ups come meanwhile. In a store that may not be written to it stays for ten minutes after the next
    commit; then reading what was not read yet raises a StoreError that says to open the store again.

    >>> len(store), store.space_names[:2]
    (39, ['both', 'demo-crop'])
    >>> store.objects().image_id.tolist() == store.object_columns(["image_id"])["image_id"].tolist()
    True
    """

    def __init__(self, path: Place, manifest: Manifest, cache: Path | None = None) -> None:
        self.path, self._cache_folder = path, cache
        self._manifest = manifest
        self._pin = Pin(path, manifest.tables)
        self._tables: dict[str, Any] = {}

    def __repr__(self) -> str:
        first, rest = self.space_names[:3], len(self.space_names) - 3
        spaces = ", ".join([*first, f"{rest} more"] if rest > 0 else first) or "none"
        return f"Store({str(self.path)!r}, spaces: {spaces})"

    def _repr_html_(self) -> str:
        info = self.info()
        rows = [(one.name, one.count, one.dimension, one.recipe.route) for one in info.spaces]
        labels = ", ".join(f"{count} {label}" for label, count in list(info.labels.items())[:12])
        caption = f"{self.path}: {counted(info.images, 'image')}, {counted(info.objects, 'object')}: {labels}"
        first = np.arange(min(12, len(self)))
        names = self.object_columns(["label"])["label"][first].tolist() if len(first) else []
        pictures = zip(self.thumbnails_at(first), map(str, names), strict=True)
        return html_table(caption, ("space", "objects", "numbers", "route"), rows) + html_pictures(pictures)

    if not TYPE_CHECKING:  # to a type checker what is not there is an error anyway

        def __getattr__(self, name):
            hint = f"; {_INSTEAD[name]}" if name in _INSTEAD else ""
            raise AttributeError(f"'Store' object has no attribute {name!r}{hint}", name=name, obj=self)

    @property
    def space_names(self) -> list[str]:
        """The spaces, joint ones among them, in the order of their names."""
        return sorted([*self._manifest.spaces, *self._manifest.joint_spaces])

    @property
    def default_space(self) -> str | None:
        """The space that is searched where none is named; None until the store was first finished."""
        return self._manifest.default_space

    @property
    def purities(self) -> dict[str, LabelPurity]:
        """The purity of labels in each space that was measured, as last measured."""
        return dict(self._manifest.purities)

    @property
    def sources(self) -> dict[str, dict[str, Any]]:
        """The sources of objects: ``objects.source`` -> the recipe behind that name."""
        return {name: dict(recipe) for name, recipe in self._manifest.sources.items()}

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """The arguments that loaded each network, by :func:`objectspace.embeddings.spaces.model_key`."""
        return {name: dict(arguments) for name, arguments in self._manifest.models.items()}

    @property
    def version(self) -> str:
        """The commit that this is, as short text that differs from every other commit's."""
        joint = {name: recipe.to_json() for name, recipe in self._manifest.joint_spaces.items()}
        return recipe_digest({"tables": dict(self._manifest.tables), "joint_spaces": joint})

    def __len__(self) -> int:
        table = self._table("objects")
        return 0 if table is None else int(table.count_rows())

    def info(self) -> StoreInfo:
        """Return counts, labels, spaces and failures; a joint space that cannot be read, with its problem."""
        images, objects = self._table("images"), self._table("objects")
        labels, sources = Counter[str](), dict[str, Counter[str]]()
        if objects is not None:
            for batch in read_batches(objects, ["label", "source"]):
                rows = checked(self.path, "objects", pa.Table.from_batches([batch]))
                for found in rows.group_by(["source", "label"]).aggregate([([], "count_all")]).to_pylist():
                    sources.setdefault(found["source"], Counter())[found["label"]] += found["count_all"]
            for counts in sources.values():
                labels.update(counts)
        return StoreInfo(
            images=0 if images is None else images.count_rows(),
            objects=len(self),
            labels=_by_frequency(labels),
            sources={name: _by_frequency(counts) for name, counts in sorted(sources.items())},
            spaces=[self._space_info(name) for name in self.space_names],
            failures=self.failures(),
            default_space=self.default_space,
        )

    def images(self) -> list[ImageRow]:
        """Return every image, in the order in which they came, but for those that were moved since."""
        table = self._table("images")
        if table is None:
            return []
        rows = checked(self.path, "images", read_rows(table, ImageRow._fields), key="image_id")
        return [ImageRow(**row) for row in rows.to_pylist()]

    @typed
    def images_by_id(self, image_ids: Iterable[str]) -> dict[str, ImageRow]:
        """Return those of some images that the store holds, by id; the others are not read."""
        table, wanted = self._table("images"), set(map(str, image_ids))
        if table is None:
            return {}
        rows = find_rows(table, "image_id", wanted, ImageRow._fields)
        rows = checked(self.path, "images", rows, key="image_id")
        return {row["image_id"]: ImageRow(**row) for row in rows.to_pylist()}

    @typed
    def images_of(self, objects: Objects) -> list[ImageRow]:
        """Return the image of each object, in their order; the other images are not read."""
        found = self.images_by_id(objects.image_id.tolist())
        if lacking := sum(image_id not in found for image_id in objects.image_id.tolist()):
            raise damaged(self.path, "objects", _of_nothing(lacking))
        return [found[image_id] for image_id in objects.image_id.tolist()]

    def image_wh(self) -> dict[str, tuple[int, int]]:
        """Return the width and height in pixels of each image, by its id."""
        return {row.image_id: (row.width, row.height) for row in self.images()}

    def failures(self) -> list[Failure]:
        """Return the files that could not be used, by path."""
        table = self._table("failures")
        if table is None:
            return []
        rows = checked(self.path, "failures", read_rows(table, Failure._fields))
        return sorted(Failure(**row) for row in rows.to_pylist())

    def indexed(self) -> dict[str, set[str]]:
        """Return the finished images: digest of the job -> image ids."""
        finished: dict[str, set[str]] = {}
        if (table := self._table("indexed")) is not None:
            for row in checked(self.path, "indexed", read_rows(table, ["image_id", "job"])).to_pylist():
                finished.setdefault(row["job"], set()).add(row["image_id"])
        return finished

    @typed
    def objects(self, object_ids: Sequence[str] | NDArray[np.str_] | str | None = None) -> Objects:
        """Return all objects, or those of given ids in their order, or of one; the others are not read.

        Raises QueryError for an unknown id; the first digits of one are enough, as :meth:`whole_ids` says.
        """
        if isinstance(object_ids, str):
            object_ids = [object_ids]
        if object_ids is not None:
            return objects_from_table(self._object_rows(object_ids, self._object_names))
        table = self._table("objects")
        return no_objects() if table is None else objects_from_table(self._all_objects(self._object_names))

    def to_pandas(self) -> pandas.DataFrame:
        """Return a row for each object: its columns, factors among them, and ``path``, its photo's.

        Raises InputError without pandas.
        """
        objects = self.objects()
        paths = [image.path for image in self.images_of(objects)]
        return data_frame({**objects.columns, "path": np.array([*paths, None], object)[:-1]})

    @typed
    def whole_ids(self, object_ids: Sequence[str] | NDArray[np.str_] | str) -> list[str]:
        """Return the id of each object that is named by it, or by first digits that no other id has.

        Raises QueryError for an id that no object has, for first digits that several ids have, which it
        names, and for fewer than four of them.

        >>> whole = str(store.objects().object_id[0])
        >>> store.whole_ids(whole[:12]) == [whole]
        True
        """
        names = [object_ids] if isinstance(object_ids, str) else list(map(str, object_ids))
        if not (unknown := self._unknown(names)):
            return names
        ids = self.object_columns(["object_id"])["object_id"]
        begun = {name: self._id_begun_by(name, ids) for name in unknown}
        return [begun.get(name, name) for name in names]

    def _id_begun_by(self, digits: str, ids: NDArray[np.str_]) -> str:
        """Return the one id (of n) that begins with some digits. Raises QueryError for none and several."""
        enough = len(digits) >= FEWEST_DIGITS and len(ids) > 0
        found = sorted(ids[np.char.startswith(ids.astype(np.str_), digits)].tolist()) if enough else []
        if len(found) == 1:
            return str(found[0])
        if found:
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            raise QueryError(
                f"{counted(len(found), 'object')} of {self.path} have an id that begins with {digits}: "
                f"{', '.join(found[:5])}{more}; give more digits"
            )
        few = "" if len(digits) >= FEWEST_DIGITS else f" (an id, or {FEWEST_DIGITS} of its first digits)"
        raise QueryError(
            f"no object {digits}{few} in {self.path}; objectspace search --label LABEL lists ids"
        )

    @typed
    def objects_of_images(self, image_ids: Iterable[str]) -> Objects:
        """Return all objects of some images; the other images' objects are not read."""
        table = self._table("objects")
        if table is None:
            return no_objects()
        rows = find_rows(table, "image_id", set(map(str, image_ids)), self._object_names)
        return objects_from_table(checked(self.path, "objects", rows))

    @typed
    def object_columns(self, names: Sequence[str], space: str | None = None) -> dict[str, NDArray[Any]]:
        """Return some columns of :class:`Objects` without the others: of all objects, or of a space's.

        names: of ``Objects.columns``, factors among them; not ``mask``
        space: whose objects, row for row with :meth:`space`; None for all, as in :meth:`objects`
        Raises QueryError for an unknown space or column.
        """
        table = self._table("objects")
        known = [name for name in no_objects().columns if name != "mask"] + self.factor_names
        if unknown := [name for name in names if name not in known]:
            raise QueryError(f"objects have no column {unknown[0]}; their columns: {', '.join(known)}")
        members = None if space is None else self._member_rows(space)
        if table is None:
            if members is not None and len(members):
                raise damaged(self.path, SPACES + str(space), _of_nothing(len(members)))
            return {name: no_objects().columns[name] for name in names}
        wanted = dict.fromkeys(["object_id", *(stored for name in names for stored in stored_names(name))])
        rows = self._all_objects(list(wanted))
        # One commit writes objects and their vectors in one order, so that most spaces need no join.
        if members is not None and not members.equals(rows["object_id"]):
            rows = rows.take(self._places(members, rows["object_id"], SPACES + str(space)))
        return {name: object_column(rows, name) for name in names}

    @typed
    def thumbnails(self, object_ids: Sequence[str] | NDArray[np.str_]) -> list[bytes]:
        """Return the JPEG of each object, in the order of the ids. Raises QueryError for an unknown id."""
        jpegs: list[bytes] = self._object_rows(object_ids, ["object_id", "thumbnail"])[
            "thumbnail"
        ].to_pylist()
        return jpegs

    @typed
    def objects_at(self, rows: NDArray[np.int64]) -> Objects:
        """Return the objects at some rows of the objects table, in their order; the others are not read."""
        if not len(rows):
            return no_objects()
        taken = take_rows(self._table("objects"), rows.tolist(), self._object_names)
        return objects_from_table(checked(self.path, "objects", taken))

    @typed
    def thumbnails_at(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Return the JPEG of each object at some rows of the objects table."""
        if not len(rows):
            return []
        taken = take_rows(self._table("objects"), rows.tolist(), ["thumbnail"])
        jpegs: list[bytes] = checked(self.path, "objects", taken)[0].to_pylist()
        return jpegs

    def image_rows(self) -> NDArray[np.int64]:
        """Return the image of each row of the objects table (n,), as its place in :meth:`images`."""
        objects, images = self._table("objects"), self._table("images")
        if objects is None or images is None:
            return np.empty(0, np.int64)
        ids = checked(self.path, "images", read_rows(images, ["image_id"]), key="image_id")[0]
        return self._places(self._all_objects(["object_id", "image_id"])[1], ids, "objects").astype(np.int64)

    @typed
    def object_rows(self, space: str) -> NDArray[np.int64]:
        """Return the row of the objects table of each vector of a space (m,).

        Raises QueryError for an unknown space.
        """
        places = self._places(self._member_rows(space), self._all_objects(["object_id"])[0], SPACES + space)
        return places.astype(np.int64)

    @typed
    def space(self, name: str | None = None) -> Space:
        """Return the vectors of a space, (n, d) float32 in memory; of a joint one its parts.

        name: of the space; None for the one that is searched where none is named
        Raises QueryError for an unknown space.
        """
        name = self._named(name)
        if self._joint_recipe(name) is not None:
            joint = self._joint_vectors(name).read()
            return Space(name, self.recipe(name), joint.object_ids(), joint, self.objects)
        table, entry = self._space_table(name), self._manifest.spaces[name]
        if self._cache_folder is not None:
            kept = self._stored_vectors(name)
            return Space(name, entry.recipe, kept.object_ids(), kept.read(), self.objects)
        vectors = np.empty((table.count_rows(), entry.dimension), np.float32)
        ids: list[str] = []
        for batch in read_batches(table, ["object_id", "vector"]):
            read_vectors(batch, vectors[len(ids) : len(ids) + len(batch)], self.path)
            ids += batch["object_id"].to_pylist()
        return Space(name, entry.recipe, np.array(ids, np.str_), vectors, self.objects)

    def _named(self, name: str | None) -> str:
        """Return the name of a space, that of the default one for None."""
        if name is None and self.default_space is None:
            known = ", ".join(self.space_names) or "none yet"
            raise QueryError(f"{self.path} has no default space; name one of its spaces: {known}")
        return self.default_space or "" if name is None else name

    @typed
    def recipe(self, name: str) -> Recipe:
        """Return the recipe of a space. Raises QueryError for an unknown space."""
        self._members_table(name)
        return self._joint_recipe(name) or self._manifest.spaces[name].recipe

    @typed
    def members(self, name: str) -> list[str]:
        """Return the ids of the objects of a space, row for row with :meth:`space`.

        Raises QueryError for an unknown space.
        """
        ids: list[str] = self._member_rows(name).to_pylist()
        return ids

    @typed
    def vectors(self, name: str, rows: Sequence[int]) -> NDArray[np.float32]:
        """Return some vectors of a space, (r, d) float32; only these are read from the disk.

        rows: positions in :meth:`members`, in any order
        Raises QueryError for an unknown space.
        """
        if self._joint_recipe(name) is not None:
            return np.asarray(self._joint_vectors(name)[rows])
        return self._stored_vectors(name)[rows]

    @typed
    def stored_space(self, name: str) -> StoredSpace:
        """Return a space that stays on disk, with its index. Raises QueryError for an unknown space.

        ``JOINT/PART`` is one part of a joint space, whose vectors may lie in several spaces, for all objects.
        """
        if self._joint_recipe(name) is not None:
            vectors, index = self._joint_vectors(name), self._joint_index(name)
            return StoredSpace(name, self.recipe(name), vectors, index, self.objects)
        held, entry = self._stored_vectors(name), self._manifest.spaces[name]
        return StoredSpace(name, entry.recipe, held, entry.index, self.objects)

    def _stored_vectors(self, name: str) -> StoredVectors:
        table, entry, cache = self._space_table(name), self._manifest.spaces[name], None
        if self._cache_folder is not None:
            key = SPACES + name
            version, files = self._manifest.tables[key], self._manifest.files[key]
            cache = VectorCache(self._cache_folder, self.path, name, version, files, entry.recipe.vectors)
        return StoredVectors(table, entry.dimension, self._pin, cache)

    @typed
    def joint_vectors(self, name: str) -> JointVectors:
        """Return the parts of a joint space, which stay on disk.

        Raises QueryError for another space and where a part is gone, RecipeError where one was made anew.
        """
        return self._joint_vectors(name)

    def _joint_vectors(self, name: str) -> StoredJointVectors:
        objects = self._members_table(name)
        recipe = self._joint_recipe(name)
        if recipe is None:
            raise QueryError(f"space {name} of {self.path} is no joint space, it has no parts")
        check_parts(name, recipe, list(self._manifest.spaces))
        members = StoredVectors(objects, 0, self._pin)
        return joint_vectors(name, recipe, members, self.stored_space, self.object_rows)

    def _joint_index(self, name: str) -> SpaceIndex | None:
        """Return the index of a joint space; None where it or an index of its parts was made anew since."""
        if (held := self._manifest.joint_indexes.get(name)) is None:
            return None
        spaces, recipe = self._manifest.spaces, self._manifest.joint_spaces[name]
        now = {one: spaces[one].index for part in joint_parts(recipe) for one in part.spaces}
        return held.index if (held.recipe, held.parts) == (recipe.digest, now) else None

    def _joint_recipe(self, name: str) -> Recipe | None:
        """Return the recipe of a joint space, or of ``JOINT/PART``, one part of it; None for another name."""
        joint, _, part = name.partition("/")
        recipe = self._manifest.joint_spaces.get(joint)
        return recipe if recipe is None or not part else only_part(recipe, part)

    @typed
    def cells(self, name: str) -> dict[str, NDArray[np.int32]]:
        """Return the cell around which each vector of a space was cut, row for row with :meth:`space`.

        head, cell_x, cell_y, anchor, cells_outside: each (n,) int32, -1 where there is none
        Raises QueryError for an unknown space.
        """
        if self._joint_recipe(name) is not None:
            return {column: np.full(len(self), -1, np.int32) for column in CELL_COLUMNS}
        rows = read_rows(self._space_table(name), CELL_COLUMNS)
        return {
            column: rows[column].combine_chunks().fill_null(-1).to_numpy().astype(np.int32)
            for column in CELL_COLUMNS
        }

    @property
    def selection_names(self) -> list[str]:
        """The named selections beside the tables, also those of other processes since it was opened."""
        return selection_names(self.path)

    @typed
    def selection(self, name: str) -> NamedSelection:
        """Return the objects that were chosen under a name.

        Raises QueryError for an unknown name and where some of the objects are gone.
        """
        selection = read_selection(self.path, name)
        if gone := self._unknown(selection.object_ids):
            raise QueryError(
                f"{len(gone)} of {counted(len(selection), 'object')} of selection {name} are not in "
                f"{self.path} any more, such as {gone[0]}; select again"
            )
        return selection

    @typed
    def save_selection(
        self, name: str, object_ids: Sequence[str] | NDArray[np.str_], *, how: Mapping[str, Any] | None = None
    ) -> NamedSelection:
        """Keep objects under a name, in their order, each once; a selection of the same name is replaced.

        how: what chose them, plain JSON values
        Raises InputError for a name that no file can have and without objects, QueryError for an unknown id.
        """
        return save_selection(self.path, name, self.whole_ids(object_ids), how or {})

    def _unknown(self, object_ids: Sequence[str] | NDArray[np.str_]) -> list[str]:
        """Return those ids of which the store holds no object, in their order."""
        wanted, table = dict.fromkeys(map(str, object_ids)), self._table("objects")
        held: set[str] = set()
        if table is not None and wanted:
            held = set(find_rows(table, "object_id", wanted, ["object_id"])["object_id"].to_pylist())
        return [name for name in wanted if name not in held]

    def _space_info(self, name: str) -> SpaceInfo:
        purity = self._manifest.purities.get(name)
        if name in self._manifest.joint_spaces:
            recipe = self._manifest.joint_spaces[name]
            try:
                vectors = self._joint_vectors(name)
            except (QueryError, RecipeError) as error:
                return SpaceInfo(name, len(self), 0, recipe, problem=str(error))
            index = self._joint_index(name)
            unindexed = 0 if index is None else vectors.unindexed
            return SpaceInfo(name, *vectors.shape, recipe, index, unindexed, purity)
        entry, held = self._manifest.spaces[name], self._stored_vectors(name)
        unindexed = 0 if entry.index is None else held.unindexed
        return SpaceInfo(name, *held.shape, entry.recipe, entry.index, unindexed, purity)

    def _members_table(self, name: str) -> Any:
        """Return the table whose rows are those of a space: all objects for a joint one."""
        joint = self._joint_recipe(name) is not None
        return self._table("objects") if joint else self._space_table(name)

    def _space_table(self, name: str) -> Any:
        if self._joint_recipe(name) is not None:
            raise QueryError(f"{name} of {self.path} is a joint space; name one of its parts' spaces")
        if name not in self._manifest.spaces:
            parts = [
                f"{joint}/{part.name}"
                for joint, recipe in self._manifest.joint_spaces.items()
                for part in joint_parts(recipe)
            ]
            known = ", ".join([*self.space_names, *parts]) or "none yet"
            raise QueryError(f"no space {name} in {self.path}; its spaces: {known}")
        return self._table(SPACES + name)

    def _table(self, name: str) -> Any:
        """Return the Lance dataset of a table; None where nothing was ever written to it."""
        if name not in self._manifest.tables:
            return None
        if name not in self._tables:
            table = open_table(self.path, name, self._manifest.tables[name])
            entry = self._manifest.spaces.get(name.removeprefix(SPACES))
            check_schema(self.path, name, table.schema, entry)
            self._tables[name] = table
        return self._tables[name]

    @property
    def _object_names(self) -> list[str]:
        """The columns of the objects table that make :class:`Objects`: all but the thumbnail."""
        table = self._table("objects")
        return [] if table is None else [name for name in table.schema.names if name != "thumbnail"]

    @property
    def factor_names(self) -> list[str]:
        """The names of the user's own columns of the objects."""
        table = self._table("objects")
        return [] if table is None else factor_names(table.schema)

    def _object_rows(self, object_ids: Sequence[str] | NDArray[np.str_], columns: Sequence[str]) -> pa.Table:
        """Return the rows of some objects in the order asked for. Raises QueryError for an unknown id."""
        wanted = pa.array([str(name) for name in object_ids], pa.string())
        table = self._table("objects")
        if table is None:
            rows = OBJECTS.empty_table()
        else:
            rows = find_rows(table, "object_id", wanted.unique().to_pylist(), columns)
            checked(self.path, "objects", rows.select(["object_id"]), key="object_id")
        places = pc.index_in(wanted, value_set=rows["object_id"].combine_chunks())
        if places.null_count:  # first digits of ids, or ids of no object
            return self._object_rows(self.whole_ids(wanted.to_pylist()), columns)
        return checked(self.path, "objects", rows.take(places))

    def _all_objects(self, columns: Sequence[str]) -> pa.Table:
        """Return some columns of all objects, ``object_id`` among them."""
        table = self._table("objects")
        rows = OBJECTS.empty_table().select(columns) if table is None else read_rows(table, columns)
        return checked(self.path, "objects", rows, key="object_id")

    def _member_rows(self, space: str) -> pa.ChunkedArray:
        rows = read_rows(self._members_table(space), ["object_id"])
        table = SPACES + space if self._joint_recipe(space) is None else "objects"
        return checked(self.path, table, rows, key="object_id")["object_id"]

    def _places(self, keys: pa.ChunkedArray, among: pa.ChunkedArray, table: str) -> NDArray[np.int32]:
        """Return the place of each key of a table among others. Raises StoreError where one is not there."""
        if keys.equals(among):
            return np.arange(len(keys), dtype=np.int32)
        places = pc.index_in(keys, value_set=among.combine_chunks())
        if places.null_count:
            raise damaged(self.path, table, _of_nothing(places.null_count))
        found: NDArray[np.int32] = places.to_numpy()
        return found


def _by_frequency(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _of_nothing(rows: int) -> str:
    return f"has {counted(rows, 'row')} of what no other table knows"
