"""Names of tasks: ready-made ones, and how a name is read."""

from __future__ import annotations

import difflib

from tasks.datasets import DATASETS
from tasks.errors import InvalidValue
from tasks.forget_sets import FORGET_SETS

TASKS: dict[str, str] = {
    "cifar10-class:automobile": "forget every training automobile (the CS726 deck's forget set)",
    "cifar10-random:0.1": "forget a random tenth of CIFAR-10's training split",
    "cifar10-small-class:automobile": "the same with 1,000 training images of each class: minutes on a CPU",
    "cifar10-small-random:0.1": "forget a random tenth of these 10,000, of a model that memorises",
    "cifar100-class:rocket": "forget every training rocket, one of CIFAR-100's 100 classes",
    "cifar20-class:people": "forget one of CIFAR-100's 20 superclasses; the model knows these alone",
    "fashion-mnist-class:Sandal": "forget every training sandal of Fashion-MNIST",
    "folder-random:0.1": "forget a random tenth of the pictures in --data-dir; also folder-class:NAME",
    "parquet-random:0.1": "forget a random tenth of the Parquet files in --data-dir; also parquet-class:NAME",
    "folder-identity:NAME": "forget one person, or several by NAME+NAME, of a folder of persons in --data-dir",
    "faces-identity:p07": "forget one of 40 synthetic persons; offline, a minute on one core",
    "digits-class:1": "forget every training scan of a one; offline, seconds on one core",
    "digits-random:0.1": "forget a random tenth of the digits; offline, seconds on one core",
}
"""Ready-made names. Any DATASET-KIND:ARGUMENT is a task as well, of the forget sets that there are."""


def split_name(name: str) -> tuple[str, str]:
    """Split DATASET-KIND:ARGUMENT at the hyphen before the kind; raises InvalidValue, listing valid names.

    Either may be a registered name, a plug-in's, or `module:attribute`, as in my_data:load-my_sets:Hard:0.1.
    The latter holds no hyphen; of names that do, the longest data set that leaves a known kind counts.
    """
    hyphens = [place for place, character in enumerate(name) if character == "-"]
    for place in reversed(hyphens):
        dataset, spec = name[:place], name[place + 1 :]
        if DATASETS.has(dataset) and FORGET_SETS.has(FORGET_SETS.split(spec)[0]):
            return dataset, spec
    raise InvalidValue(
        f"unknown task {name!r}{_suggest(name)}; valid: DATASET-KIND:ARGUMENT, such as digits-class:1; data sets: "
        f"{', '.join(DATASETS.names())}; kinds: {', '.join(FORGET_SETS.names())}"
    )


def _suggest(name: str) -> str:
    """Return the nearest task in brackets, with the argument that was given; nothing if none is near."""
    head, colon, argument = name.partition(":")
    known = [f"{d}-{k}" for d in DATASETS.names() for k in FORGET_SETS.names()]
    usual = [task for task in TASKS if task.startswith(f"{name}-")]
    if usual:
        return f" (did you mean {usual[0]}?)"
    close = difflib.get_close_matches(head, known, 1)
    return f" (did you mean {close[0]}{colon or ':'}{argument or '…'}?)" if close else ""
