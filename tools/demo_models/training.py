"""What both trainings share: the learning rate's course, the averaged weights, checkpoints, the log."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

#: Steps of an average's half-life are about 0.7 / (1 - DECAY).
DECAY = 0.998


@dataclass(frozen=True)
class Course:
    """The course of the learning rate: up to its peak in ``warm_up`` steps, then a half cosine to 0."""

    peak: float
    warm_up: int
    steps: int

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        if step < self.warm_up:
            return self.peak * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.peak * (1 + math.cos(math.pi * min(done, 1.0))) / 2


#: Computes the loss of one shard of a batch with the network that it is given.
Shard = Callable[[nn.Module], Tensor]


class Training:
    """A network in training, its optimizer, and the running average of its weights, which is what counts.

    A step's batch comes in as many shards as there are ``threads``, each run by one thread on a network of
    its own that shares the weights: two cores then work without waiting for each other within a layer.
    The state is written after each epoch; made again on the same folder it goes on from there, and then
    takes the same steps as one that never stopped.
    """

    def __init__(
        self, network: nn.Module, course: Course, folder: Path, *, threads: int = 2, decay: float = 0.02
    ) -> None:
        self.network = network.to(memory_format=torch.channels_last).train()
        self.averaged = copy.deepcopy(network).eval().requires_grad_(False)
        self.course = course
        self.step = 0
        self.epoch = 0
        self.threads = threads
        self._folder = folder
        # Neither norms nor biases decay: they have no scale to lose.
        kernels = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.AdamW(groups, lr=course.peak)
        self._resume()
        self._replicas = [_replica(self.network) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def take_step(self, shards: Sequence[Shard]) -> float:
        """Step down the gradient of the shards' mean loss; its value.

        Raises FloatingPointError for a loss that is not finite.
        """
        value = sum(self._pool.map(_backward, self._replicas, shards, [len(shards)] * len(shards)))
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss is {value} at step {self.step}")
        self._gather()
        for group in self._optimizer.param_groups:
            group["lr"] = self.course.rate(self.step)
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self._optimizer.step()
        self.step += 1
        self._average()
        return value

    @torch.no_grad()
    def _gather(self) -> None:
        """The replicas' gradients summed, the statistics of their batch norms averaged and shared again."""
        for own, *others in zip(
            self.network.parameters(), *(replica.parameters() for replica in self._replicas), strict=True
        ):
            own.grad = torch.stack([other.grad for other in others]).sum(0)
        for own, *others in zip(
            self.network.buffers(), *(replica.buffers() for replica in self._replicas), strict=True
        ):
            own.copy_(torch.stack(others).float().mean(0))
            for other in others:
                other.copy_(own)

    def run(self, epochs: int, run_epoch: Callable[[int], dict[str, Any]]) -> Iterator[int]:
        """Run the epochs that are left; each is logged as one JSON line and kept before it is yielded."""
        while self.epoch < epochs:
            started = time.monotonic()
            line = {"epoch": self.epoch + 1, "step": self.step, **run_epoch(self.epoch)}
            line |= {"step": self.step, "seconds": round(time.monotonic() - started, 1)}
            self.epoch += 1
            self._keep()
            with (self._folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
            yield self.epoch

    @torch.no_grad()
    def _average(self) -> None:
        # Young averages forget faster, so that the random start is soon gone.
        weight = 1 - min(DECAY, (1 + self.step) / (10 + self.step))
        for mean, value in zip(
            self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(value, weight)
            else:
                mean.copy_(value)

    def _keep(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "epoch": self.epoch,
        }
        unfinished = self._folder / "state.unfinished"
        torch.save(state, unfinished)
        unfinished.replace(self._folder / "state.pt")

    def _resume(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "state.pt"
        if path.exists():
            state = torch.load(path, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.averaged.load_state_dict(state["averaged"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.step, self.epoch = state["step"], state["epoch"]


def _replica(network: nn.Module) -> nn.Module:
    """A copy with gradients and statistics of its own whose weights are the network's."""
    copied = copy.deepcopy(network)
    for own, shared in zip(copied.parameters(), network.parameters(), strict=True):
        own.data = shared.data
    return copied


def _backward(network: nn.Module, shard: Shard, shards: int) -> float:
    """Run one shard; its part of the mean loss, whose gradient is left in the network's weights."""
    network.zero_grad(set_to_none=True)
    loss = shard(network) / shards
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()
