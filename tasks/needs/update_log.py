"""What the batches with forgotten examples have changed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, ClassVar

from tasks.needs.base import Need, Origin, State
from tasks.needs.checkpoints import check_same

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Batch, Source
    from tasks.models.network import Network


class UpdateLog(Need):
    """The sum of the original's updates by batches that hold forgotten examples.

    Under the name of each trainable weight: the sum over such batches of the weight after the step less the weight
    before it. Momentum carries updates of such a batch into later ones, which are not in the sum. Of shuffled batches
    of B examples, of which a share q is forgotten, (1 − q)^B hold none: with a tenth and B = 256 practically all are
    in the log, which then undoes the whole training.
    """

    trainings: ClassVar[float] = 1.0
    replays_training: ClassVar[bool] = True
    of_forget_set: ClassVar[bool] = True

    def prepare(self, origin: Origin) -> Generator[None, None, State]:
        """Return the sums by name of the weight.

        Raises InvalidValue if the last weights are not those of the original, bit for bit.
        """
        from tasks.training import train_model

        model = origin.make_model()
        log = LoggedSource(origin.source, model, origin.forget)
        yield from train_model(model, origin.everything(log), origin.generator())
        check_same(model, origin.weights)
        return log.sums()


class LoggedSource:
    """Images that are read to train a model, and the sum of the updates by batches with forgotten examples.

    A batch's step lies between its being read and the next one, so that training itself need not know of the log.
    """

    def __init__(self, source: Source, model: Network, forget: Tensor) -> None:
        import torch

        self.name, self.device = source.name, source.device
        self._source, self._forget = source, forget.cpu()
        self._weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._sums = {n: torch.zeros_like(p) for n, p in self._weights.items()}
        self._before: State | None = None

    def read(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """See `Source.read`."""
        chunks = order.split(batch_size)
        for chunk, batch in zip(chunks, self._source.read(order, batch_size), strict=True):
            self._begin(chunk)
            yield batch
            self._end()

    def sums(self) -> State:
        """Return the sums by name of the weight, on the CPU."""
        return {name: total.cpu() for name, total in self._sums.items()}

    def _begin(self, indices: Tensor) -> None:
        import torch

        if torch.isin(indices.cpu(), self._forget).any():
            self._before = {n: p.detach().clone() for n, p in self._weights.items()}

    def _end(self) -> None:
        if self._before is not None:
            for name, weight in self._weights.items():
                self._sums[name] += weight.detach() - self._before[name]
        self._before = None
