"""What layers draw from torch's own generators, such as dropout: repeated with a training or a trial."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class OwnDraws:
    """Random numbers that torch's own generators give one training or one trial, and nothing else."""

    def __init__(self, rng: torch.Generator, device: torch.device) -> None:
        """Derive a seed from what `rng`, on the CPU, would give next; nothing is drawn from it."""
        twin = torch.Generator()
        twin.set_state(rng.get_state())
        upcoming = int(torch.randint(2**62, (), generator=twin))
        seed = int.from_bytes(hashlib.sha256(str(upcoming).encode()).digest()[:7])
        self._gpus = [torch.cuda.current_device()] if device.type == "cuda" else []
        gpus = [torch.cuda.default_generators[gpu] for gpu in self._gpus]
        self._generators = [torch.default_generator, *gpus]
        fresh = (torch.Generator(own.device).manual_seed(seed) for own in self._generators)
        self._states = [own.get_state() for own in fresh]

    @contextmanager
    def use(self) -> Iterator[None]:
        """Draw in the block from where the last block ended; the process's own numbers go on as before it."""
        with torch.random.fork_rng(devices=self._gpus):  # restores what is set here
            for own, state in zip(self._generators, self._states, strict=True):
                own.set_state(state)
            try:
                yield
            finally:
                self._states = [own.get_state() for own in self._generators]

    def run(self, steps: Iterator[None]) -> Iterator[None]:
        """Run steps that draw here; nothing else does, between two of them."""
        while True:
            with self.use():
                try:
                    next(steps)
                except StopIteration:
                    return
            yield
