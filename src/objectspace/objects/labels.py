"""Names of classes: COCO's eighty, the old spellings of them, and names files.

One spelling per thing, so that objects of any detector and any annotation share their labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from objectspace.arguments import typed
from objectspace.errors import AnnotationError
from objectspace.files import read_text

#: The 80 classes of COCO's detection task, in the order every COCO detector numbers them.
COCO_NAMES: tuple[str, ...] = tuple(
    """\
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant,
stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe,
backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite,
baseball bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork,
knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake,
chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard,
cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
hair drier, toothbrush""".replace("\n", " ").split(", ")
)

#: Bytes of a file of class names: ImageNet's 21,841 are an eighth of it.
_NAMES_LIMIT = 4 << 20

#: Darknet's (Pascal VOC's) spelling of a class → COCO's.
_COCO_SPELLING = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}


def coco_spelling(name: str) -> str:
    """Return a class name as COCO spells it; any other name unchanged.

    >>> coco_spelling("tvmonitor"), coco_spelling("wombat")
    ('tv', 'wombat')
    """
    return _COCO_SPELLING.get(name, name)


def spelled_apart(names: Iterable[str]) -> dict[str, str]:
    """Return each name of one set of classes with its spelling: COCO's, unless that is another class there.

    So a set of ``sofa`` and ``couch`` keeps its two classes.

    >>> spelled_apart(["sofa", "tvmonitor", "couch"])
    {'sofa': 'sofa', 'tvmonitor': 'tv', 'couch': 'couch'}
    """
    own = dict.fromkeys(names)
    return {name: name if coco_spelling(name) in own else coco_spelling(name) for name in own}


def check_names(path: Path | str, names: Sequence[str], place: str, *, first: int) -> tuple[str, ...]:
    """Return class names as COCO spells them; messages count ``place`` ("line", "class") from ``first``.

    Raises AnnotationError for a class without a name and for a name given twice (both would move or
    merge classes unseen).
    """
    written = [name.strip() for name in names]
    earlier: dict[str, int] = {}
    for number, name in enumerate(written, start=first):
        if not name:
            raise AnnotationError(
                str(path), f"{place} {number} is empty, expected a class name; remove it or name the class"
            )
        if name in earlier:
            raise AnnotationError(
                str(path),
                f"{place} {number} names {name!r} again ({place} {earlier[name]}); a class has one name",
            )
        earlier[name] = number
    spelled = spelled_apart(written)
    return tuple(spelled[name] for name in written)


@typed
def read_names(path: Path | str) -> tuple[str, ...]:
    r"""Read the class names of a file, one a line, numbered from 0, as COCO spells them.

    Empty lines at the end do not count. Raises AnnotationError for a file without names and as
    :func:`check_names` does.

    >>> _ = Path("classes.txt").write_text("apple\nsofa\n")
    >>> osp.read_names("classes.txt")
    ('apple', 'couch')
    """
    lines = read_text(Path(path), limit=_NAMES_LIMIT).rstrip().splitlines()
    if not lines:
        raise AnnotationError(str(path), "holds no class names, expected one a line")
    return check_names(path, lines, "line", first=1)
