"""CUDA graphs: a network's passes as one launch each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def captured(function: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a function of CUDA tensors that does the same for inputs of the example's shape, in one launch.

    Hundreds of launches a pass would each ask for the interpreter's lock, which threads that prepare the next
    batch hold most of the time. Call it while no other thread uses the device, under the settings of the
    later calls.
    """
    inputs = example.clone()
    current = torch.cuda.current_stream(example.device)
    side = torch.cuda.Stream(example.device)  # type: ignore[no-untyped-call]
    side.wait_stream(current)
    with torch.cuda.stream(side):
        for _ in range(2):  # what is compiled, loaded or chosen at the first passes cannot be captured
            function(inputs)
    current.wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = function(inputs)

    def replay(batch: Tensor) -> Tensor:
        inputs.copy_(batch)
        graph.replay()
        return outputs.clone()

    return replay
