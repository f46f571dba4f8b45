"""Influence functions: which training examples a model's loss on another example rests on.

Koh and Liang (2017), "Understanding black-box predictions via influence functions". This file has the solvers:
one file each, and one line here.
"""

from __future__ import annotations

from tasks.registry import Registry

SOLVERS = Registry(
    "solver",
    "orchestrator.influence_solvers",
    {
        "cg": "tasks.influence.conjugate_gradients:ConjugateGradients",
        "lissa": "tasks.influence.lissa:LiSSA",
        "ekfac": "tasks.influence.ekfac:EKFAC",
    },
)
"""A solver is a class with defaults and the method `solve` of tasks.influence.solver.Solver."""
