"""The window route on a GPU: the windows of a whole pass in one gather, on the device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectspace.embeddings.windows import Cells
from objectspace.models.transfers import Transfers, staged
from objectspace.objects.boxes import first_cells


def cut_windows_on_device(
    features: Tensor, image: NDArray[np.int64], cells: Cells, size: int, transfers: Transfers
) -> Tensor:
    """Return the windows (n, channels * size * size) float32 around cells (n,) of a pass's maps (b, c, h, w).

    ``image`` (n,) is the row of each cell's image in the pass. The numbers are those of
    :func:`objectspace.embeddings.windows.cut_windows`, on the maps' device; nothing waits for them.
    """
    margin = size // 2
    left = first_cells(cells.cell_x, cells.center_x, size) + margin
    top = first_cells(cells.cell_y, cells.center_y, size) + margin
    table = np.stack([image, top, left]).astype(np.int64)
    row, y, x = transfers.upload([staged(table, transfers.device)]).view(torch.int64).reshape(table.shape)
    within = torch.arange(size, device=features.device)
    padded = torch.nn.functional.pad(features, (margin, margin, margin, margin))
    # Advanced indices with a slice between them come first: (n, size, size, c).
    windows = padded[
        row[:, None, None], :, (y[:, None] + within)[:, :, None], (x[:, None] + within)[:, None, :]
    ]
    return windows.permute(0, 3, 1, 2).reshape(len(cells), -1).float()
