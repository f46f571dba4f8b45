"""Every error of this program, as one tree: what the user can put right, and what the surroundings did.

An exception of neither kind is a bug: nothing catches it, and its traceback is shown.
"""

from __future__ import annotations


class InputError(Exception):
    """What the user can put right: exit code 2. The message is one line that says how."""


class InvalidValue(InputError, ValueError):
    """A value from outside that names no valid choice; the message is one line that says which are."""


class UnusableChoice(InvalidValue):
    """What a scoring model chose can be no forget set; another node would choose the same."""


class DatasetNotFound(InputError, FileNotFoundError):
    """The data are neither on this machine nor downloadable; the message says what was tried."""


class StorageError(InvalidValue):
    """The storage root cannot be used, now or at all; the message is one line that says why."""


class Taken(InvalidValue):
    """Another driver is at the sweep."""


class SurroundingsError(OSError):
    """What the machine, the network or the cluster did: exit code 1. The message is one line."""


class StorageFault(SurroundingsError):
    """The file system of a storage root failed: full, read-only, gone. It says which file it met."""


class ClusterFault(SurroundingsError):
    """Ray could not be started or reached."""


class WorkerLost(SurroundingsError):
    """A process of the cluster died before it was done: killed, out of memory, or its node is gone."""


class NodeLost(WorkerLost):
    """It died with its node, which is no fault of its own."""


class UnfitNode(SurroundingsError):
    """No trial can run on this node, for its data, its GPU or its own disk; the message says which node."""

    node: str | None = None
    """The cluster's id of the node, if there is a cluster."""


class DashboardFault(SurroundingsError):
    """A dashboard that was there does not do what it is asked, or is there no more."""


UNWRITABLE = (OSError, StorageError)
"""What a storage raises that was writable when it was checked: a full disk, a server that went away."""


class Diverged(ArithmeticError):
    """A trial's failure, not the program's: the model's outputs are not finite, so nothing can be measured."""
