"""The scores that forget sets choose by; each is computed from trained models when it is first read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from tasks.artifacts import ArtifactCache, Trained
from tasks.datasets.splits import Split
from tasks.errors import Diverged, InvalidValue
from tasks.evaluation.outputs import Outputs, outputs
from tasks.models.network import Network
from tasks.problem import Problem
from tasks.roles import SCORING, early_role, memorisation_role, training_seed
from tasks.scoring.memorisation import BLOCK, Memorisation, draw_seen, read_memorisation
from tasks.scoring.training_log import TrainingLog, measure_error, read_epoch
from tasks.unlearners import unlearner_class
from tasks.unlearners.base import begin_unlearning

EARLY_MODELS = 5
"""Models whose errors EL2N averages: fewer and the ranks are noisy (Paul et al., 2021, use 10)."""
EARLY_SHARE = 0.25
"""The share of a training after which their errors are read."""
LOG = "log."
"""What the names of logged tensors begin with, beside those of the weights."""


@dataclass(frozen=True, eq=False)
class Scorer:
    """The Scores of one task: see tasks.forget_sets.scored.base.

    Each trained model is cached, with what was logged of its training, and serves all forget sets.
    """

    split: Split
    """All training examples."""
    seed: int
    """The task's, for the randomness of a method."""
    cache: ArtifactCache
    key: Callable[[str], str]
    """Gives the artifact key of a role."""
    make_model: Callable[[], Network]
    """Builds a model without weights."""
    train: Callable[..., Trained | None]
    """Workbench.train."""
    on_wait: Callable[[str], None]
    """Is told the role of a model that another process trains."""

    @cached_property
    def log(self) -> dict[str, np.ndarray]:
        """Means over the epochs of the scoring model's training, each (N,)."""
        return _unpack(self._scoring_state)

    @cached_property
    def early_error(self) -> np.ndarray:
        """Mean ‖p − onehot(y)‖₂ (N,) of EARLY_MODELS models after EARLY_SHARE of their training."""

        def read(seen: Outputs) -> dict[str, np.ndarray]:
            return {"error": measure_error(seen.probabilities, seen.labels)}

        roles = map(early_role, range(1, EARLY_MODELS + 1))
        found = [self._train_to_read(role, self.split, read, EARLY_SHARE) for role in roles]
        return np.mean([log["error"] for log in found], 0)

    @property
    def logits(self) -> np.ndarray:
        """Logits (N, classes) of the trained scoring model."""
        return self._outputs.logits

    @cached_property
    def features(self) -> np.ndarray:
        """What enters the head of the trained scoring model, float32 (N, D)."""
        model = self._scoring_model().eval()
        with torch.inference_mode():
            found = [model.features_and_logits(x)[0].cpu() for x, _ in self.split.ordered()]
        return torch.cat(found).numpy()

    @cached_property
    def margin_slopes(self) -> np.ndarray:
        """‖∇ₓ(z₁ − z₂)‖₂ (N,) by the normalised image, of the two highest logits of the scoring model."""
        model, found = self._scoring_model().eval().requires_grad_(False), []
        for x, _ in self.split.ordered():
            images = x.requires_grad_()
            first, second = model(images).topk(2).values.unbind(1)
            (slopes,) = torch.autograd.grad((first - second).sum(), images)
            found.append(slopes.flatten(1).norm(dim=1).cpu())
        return torch.cat(found).double().numpy()

    def memorisation(self, models: int) -> Memorisation:
        """Train `models`, a multiple of BLOCK, each on its part of the examples, and read all examples.

        More of them go on where fewer ended: the first ones are the same.
        """
        firsts = range(1, models + 1, BLOCK)
        seeds = (training_seed(memorisation_role(first), self.seed) for first in firsts)
        seen = np.concatenate([draw_seen(len(self.split), seed) for seed in seeds])
        logs = []
        for number, row in enumerate(seen, 1):
            part = self.split.at(torch.from_numpy(np.flatnonzero(row)))
            logs.append(self._train_to_read(memorisation_role(number), part, read_epoch))
        correct, confidence = (
            np.stack([log[name] for log in logs]) for name in ("accuracy", "confidence")
        )
        return read_memorisation(correct, confidence, seen)

    def losses_after(self, method: str, mask: np.ndarray) -> np.ndarray:
        """Let a method with its defaults forget the marked examples; return the losses (N,) afterwards.

        Raises InvalidValue if the method diverges.
        """
        unlearner, model = unlearner_class(method)(), self._scoring_model()
        retain, forget = (
            self.split.at(torch.from_numpy(np.flatnonzero(side))) for side in (~mask, mask)
        )
        problem = Problem(
            model=model,
            retain=retain,
            forget=forget,
            forgotten_classes=(),
            rng=torch.Generator().manual_seed(self.seed),
            make_original=self._scoring_model,
            make_blank=self.make_model,
        )
        for _ in begin_unlearning(unlearner, problem):
            pass
        try:
            return outputs(model, self.split).losses
        except Diverged as error:
            raise InvalidValue(f"worst:{method}: {method} with its defaults {error}") from error

    @cached_property
    def _scoring_state(self) -> dict[str, torch.Tensor]:
        def train(is_over: Callable[[], bool]) -> Trained | None:
            log = TrainingLog()
            trained = self.train(SCORING, self.split, is_over, lambda m: log.add(self._read(m)))
            if trained is None:
                return None
            state, record = trained
            return state | _pack(log.means()), record

        return self._cached(SCORING, train)

    def _train_to_read(
        self,
        role: str,
        split: Split,
        read: Callable[[Outputs], dict[str, np.ndarray]],
        share: float = 1.0,
    ) -> dict[str, np.ndarray]:
        """Train a model on `split`, and keep what is `read` of its outputs on all examples, not its weights."""

        def train(is_over: Callable[[], bool]) -> Trained | None:
            trained = self.train(role, split, is_over, share=share)
            if trained is None:
                return None
            state, record = trained
            return _pack(read(self._read(self._load(state)))), record

        return _unpack(self._cached(role, train))

    def _cached(
        self, role: str, train: Callable[[Callable[[], bool]], Trained | None]
    ) -> dict[str, torch.Tensor]:
        return self.cache.get(self.key(role), train, on_wait=lambda: self.on_wait(role)).state

    def _scoring_model(self) -> Network:
        return self._load(self._scoring_state)

    def _load(self, state: dict[str, torch.Tensor]) -> Network:
        model = self.make_model()
        model.load_state_dict({n: t for n, t in state.items() if not n.startswith(LOG)})
        return model

    @cached_property
    def _outputs(self) -> Outputs:
        return self._read(self._scoring_model())

    def _read(self, model: Network) -> Outputs:
        return outputs(model, self.split)


def _pack(log: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Write what was logged as tensors that an artifact keeps; see LOG."""
    return {f"{LOG}{name}": torch.from_numpy(values).float() for name, values in log.items()}


def _unpack(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Read what `_pack` wrote, beside which there may be weights."""
    return {n.removeprefix(LOG): t.double().numpy() for n, t in state.items() if n.startswith(LOG)}
