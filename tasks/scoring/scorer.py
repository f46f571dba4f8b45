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
from tasks.roles import SCORING, early_role
from tasks.scoring.training_log import TrainingLog, measure_error
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
        state = self._scoring_state
        return {
            n.removeprefix(LOG): t.double().numpy() for n, t in state.items() if n.startswith(LOG)
        }

    @cached_property
    def early_error(self) -> np.ndarray:
        """Mean ‖p − onehot(y)‖₂ (N,) of EARLY_MODELS models after EARLY_SHARE of their training."""
        found = [self._train_early(number) for number in range(1, EARLY_MODELS + 1)]
        return np.mean(found, 0)

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
            means = {f"{LOG}{n}": torch.from_numpy(v).float() for n, v in log.means().items()}
            return state | means, record

        return self._cached(SCORING, train)

    def _train_early(self, number: int) -> np.ndarray:
        role, seen = early_role(number), dict[str, torch.Tensor]()

        def watch(model: Network) -> None:
            found = self._read(model)
            error = measure_error(found.probabilities, found.labels)
            seen[f"{LOG}error"] = torch.from_numpy(error).float()

        def train(is_over: Callable[[], bool]) -> Trained | None:
            trained = self.train(role, self.split, is_over, watch, EARLY_SHARE)
            return None if trained is None else (seen, trained[1])

        return self._cached(role, train)[f"{LOG}error"].double().numpy()

    def _cached(
        self, role: str, train: Callable[[Callable[[], bool]], Trained | None]
    ) -> dict[str, torch.Tensor]:
        return self.cache.get(self.key(role), train, on_wait=lambda: self.on_wait(role)).state

    def _scoring_model(self) -> Network:
        model, state = self.make_model(), self._scoring_state
        model.load_state_dict({n: t for n, t in state.items() if not n.startswith(LOG)})
        return model

    @cached_property
    def _outputs(self) -> Outputs:
        return self._read(self._scoring_model())

    def _read(self, model: Network) -> Outputs:
        return outputs(model, self.split)
