"""Windows of a whole pass, against those of each image alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from objectspace.embeddings.device_windows import cut_windows_on_device
from objectspace.embeddings.windows import Cells, cut_windows
from objectspace.models.transfers import Transfers

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_windows_of_a_pass_are_those_of_its_images(size: int) -> None:
    random = np.random.default_rng(size)
    maps = torch.from_numpy(random.random((3, 5, 4, 6), np.float32))
    image = np.array([0, 0, 1, 2, 2, 2])
    x, y = random.uniform(0, 6, len(image)), random.uniform(0, 4, len(image))
    cells = Cells(
        *(
            np.zeros(len(image), np.int32),
            x.astype(np.int32),
            y.astype(np.int32),
            np.zeros(len(image), np.int32),
        ),
        *(x.astype(np.float32), y.astype(np.float32)),
    )
    windows = cut_windows_on_device(maps.to(DEVICE), image, cells, size, Transfers(DEVICE)).cpu().numpy()
    expected = [
        cut_windows(maps[row], cells.take(np.array([place])), size)[0][0] for place, row in enumerate(image)
    ]
    assert np.array_equal(windows, np.array(expected))
