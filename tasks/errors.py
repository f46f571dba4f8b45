"""Every error of this program, as one tree: what the user can put right, and what the surroundings did."""

from __future__ import annotations


class InvalidValue(ValueError):
    """A value from outside that names no valid choice; the message is one line that says which are."""


class DatasetNotFound(FileNotFoundError):
    """The data are neither on this machine nor downloadable; the message says what was tried."""


class StorageError(InvalidValue):
    """The storage root cannot be used, now or at all; the message is one line that says why."""


class StorageFault(OSError):
    """The file system of a storage root failed: full, read-only, gone. It says which file it met."""


UNWRITABLE = (OSError, StorageError)
"""What a storage raises that was writable when it was checked: a full disk, a server that went away."""


class Diverged(ArithmeticError):
    """The model's outputs are not finite: there is nothing to measure."""


class UnfitNode(OSError):
    """No trial can run on this node, for its data, its GPU or its own disk; the message says which node."""


class WorkerLost(OSError):
    """A process of the cluster died before it was done: killed, out of memory, or its node is gone."""


class NodeLost(WorkerLost):
    """It died with its node, which is no fault of its own."""


class DashboardFault(OSError):
    """A dashboard that was there does not do what it is asked, or is there no more."""


class Taken(InvalidValue):
    """Another driver is at the sweep."""
