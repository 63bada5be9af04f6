"""Names of classes: COCO's eighty, the old spellings of them, and names files.

One spelling per thing, so that objects of any detector and any annotation share their labels.
"""

from __future__ import annotations

from pathlib import Path

from objectspace.errors import AnnotationError
from objectspace.objects.text_files import read_text

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
    """A class name as COCO spells it; any other name comes back as it is."""
    return _COCO_SPELLING.get(name, name)


def read_names(path: Path | str) -> tuple[str, ...]:
    """The class names of a names file, one a line, numbered from 0, as COCO spells them.

    Empty lines at the end do not count. Raises AnnotationError for a file without names, for an empty line
    between names and for a name that stands twice (both would move or merge classes unseen).
    """
    names = [coco_spelling(line.strip()) for line in read_text(Path(path)).rstrip().splitlines()]
    if not names:
        raise AnnotationError(str(path), "holds no class names, expected one a line")
    first_line: dict[str, int] = {}
    for line, name in enumerate(names, start=1):
        if not name:
            raise AnnotationError(
                str(path), f"line {line} is empty, expected a class name; remove it or name the class"
            )
        if name in first_line:
            raise AnnotationError(
                str(path), f"line {line} names {name!r} again (line {first_line[name]}); a class has one name"
            )
        first_line[name] = line
    return tuple(names)
