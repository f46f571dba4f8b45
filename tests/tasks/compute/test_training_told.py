"""What is told of a training whose epochs take long."""

from __future__ import annotations

import pytest

from tasks.compute import timed_training
from tasks.compute.timed_training import train_timed


def test_progress_is_told_within_a_long_epoch(bench, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """Each batch counts as long here. What is trained is the same."""
    told: list[tuple[float, int]] = []
    model, states = bench.fresh_model(), []
    model.recipe = type(model.recipe)(epochs=2, batch_size=256, lr=0.05)
    for seconds in (0.0, 1e9):
        monkeypatch.setattr(timed_training, "WITHIN_EVERY_SECONDS", seconds)
        trained = train_timed(
            model, bench.retain, bench.generator(0), what="model", gradient_flops=1.0,
            is_over=lambda: False, progress=lambda what, done, total, spent: told.append((done, total)),
        )  # fmt: skip
        assert trained is not None
        states.append(trained[0])
    within = [done for done, _ in told if done != int(done)]
    assert len(within) >= 4
    assert told[: len(told) - 3] == sorted(told[: len(told) - 3]), "it goes forward"
    assert [done for done, _ in told[-3:]] == [0, 1, 2], "quick epochs are told as before"
    assert all(a.equal(b) for a, b in zip(states[0].values(), states[1].values(), strict=True))
    assert not model._forward_pre_hooks or len(model._forward_pre_hooks) == 2, (
        "the meters alone stay"
    )
