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
        places = [torch.device("cpu"), *(torch.device("cuda", gpu) for gpu in self._gpus)]
        self._states = [torch.Generator(place).manual_seed(seed).get_state() for place in places]

    @contextmanager
    def use(self) -> Iterator[None]:
        """Draw in the block from where the last block ended; the process's own numbers go on as before it."""
        with torch.random.fork_rng(devices=self._gpus):
            self._restore()
            try:
                yield
            finally:
                gpus = (torch.cuda.get_rng_state(gpu) for gpu in self._gpus)
                self._states = [torch.get_rng_state(), *gpus]

    def _restore(self) -> None:
        own, *others = self._states
        torch.set_rng_state(own)
        for gpu, state in zip(self._gpus, others, strict=True):
            torch.cuda.set_rng_state(state, gpu)
