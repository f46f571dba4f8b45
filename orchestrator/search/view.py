"""A sweep's studies as other programs see them, optuna-dashboard for one: written, and never read.

    <storage>/sweeps/NAME/studies.journal    a journal file, where the storage root is a folder
    --optuna-storage URL                     a database

Both are made anew from the rows when a driver starts, and kept up to date while it runs. Beside the study of each
method, SWEEP/METHOD, stands SWEEP/front with the trials of all: its best trials are the common front.
"""

from __future__ import annotations

import copy
import functools
import io
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial

from orchestrator.search.database_url import add_password, hide_password, remove_secret
from orchestrator.search.fast_proposals import list_constraints
from orchestrator.search.joint_study import COMMON, make_joint
from orchestrator.search.study import UnlearnerStudy
from tasks.errors import InvalidValue

JOURNAL = "studies.journal"
Show = Callable[[FrozenTrial], None]


class StudyView:
    """What both kinds have in common. No fault of a view ends a sweep: one notice, and nobody looks."""

    def __init__(self, sweep: str, where: str) -> None:
        """`where` is how a notice calls it."""
        self._sweep, self._where = sweep, where
        self._storage: BaseStorage | None = None
        self._running: dict[tuple[int, str, int], int] = {}
        """Trials here, by their study here, their method and their number in the study in memory."""

    def rebuild(self, studies: Sequence[UnlearnerStudy], say: Callable[[str], None]) -> None:
        """Show these studies and nothing else, and follow them from now on; `say` is told of a fault."""
        self._say = say
        try:
            self._storage = self._begin()
            for study, show in self._create_all(self._storage, studies):
                study.mirror(show)
            self._publish()
        except Exception as error:  # see `_give_up`
            self._give_up(error)

    def _begin(self) -> BaseStorage:
        """Return an empty place for the studies."""
        raise NotImplementedError

    def _publish(self) -> None:
        """Put the studies where others look."""

    @property
    def target(self) -> str | None:
        """What optuna-dashboard opens, with *** in place of a password; None if nothing is shown any more."""
        return self._target if self._storage is not None else None

    @property
    def _target(self) -> str:
        """The file or the URL."""
        raise NotImplementedError

    def _create_all(
        self, storage: BaseStorage, studies: Sequence[UnlearnerStudy]
    ) -> Iterator[tuple[UnlearnerStudy, Show]]:
        """Create the study of each method, and of all if there are several; give what shows a trial of each."""
        methods = [study.unlearner for study in studies]
        common = self._create(storage, COMMON, studies[0]) if len(studies) > 1 else None
        for study in studies:
            own = functools.partial(
                self._show, self._create(storage, study.unlearner, study), study.unlearner
            )
            if common is None:
                yield study, own
                continue
            joint = functools.partial(self._show_joint, common, methods, study.unlearner)
            yield study, functools.partial(_show_both, own, joint)

    def _show_joint(
        self, common: int, methods: Sequence[str], unlearner: str, trial: FrozenTrial
    ) -> None:
        self._show(common, unlearner, make_joint(trial, unlearner, methods))

    def _create(self, storage: BaseStorage, own_name: str, study: UnlearnerStudy) -> int:
        name = f"{self._sweep}/{own_name}"
        made = optuna.create_study(
            storage=storage, study_name=name, directions=study.objective.directions
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            made.set_metric_names(list(study.objective.metrics))
        return storage.get_study_id_from_name(name)

    def _show(self, study_id: int, unlearner: str, trial: FrozenTrial) -> None:
        if self._storage is None:
            return
        try:
            self._write(self._storage, study_id, unlearner, trial)
        except Exception as error:  # see `_give_up`
            self._give_up(error)

    def _write(
        self, storage: BaseStorage, study_id: int, unlearner: str, trial: FrozenTrial
    ) -> None:
        key = study_id, unlearner, trial.number
        known = self._running.pop(key, None)
        if known is None:
            plain = copy.copy(trial)
            plain.system_attrs = list_constraints(trial)  # without a sampler's notes
            known = storage.create_new_trial(study_id, plain)
        else:
            for name, value in list_constraints(trial).items():
                storage.set_trial_system_attr(known, name, value)
            storage.set_trial_state_values(known, trial.state, trial.values)
        if not trial.state.is_finished():
            self._running[key] = known

    def _give_up(self, error: Exception) -> None:
        """Disks, SQLAlchemy and each database raise their own: whatever it is, the rows do not need it."""
        self._storage = None
        self._say(
            f"NOTICE: {self._where} shows the studies no longer ({_reason(error)}); the sweep goes on"
        )


class JournalView(StudyView):
    """A journal file in the folder of a sweep that this driver holds."""

    def __init__(self, sweep: str, folder: Path) -> None:
        super().__init__(sweep, str(folder / JOURNAL))
        self._file, self._part = folder / JOURNAL, folder / f".{JOURNAL}.part"

    @property
    def _target(self) -> str:
        return str(self._file)

    def _begin(self) -> BaseStorage:
        self._part.unlink(missing_ok=True)  # of a driver that was killed; a link is not followed
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        return JournalStorage(_Lines(io.FileIO(os.open(self._part, flags, 0o666), "ab")))

    def _publish(self) -> None:
        os.replace(self._part, self._file)


class DatabaseView(StudyView):
    """A database of the user's, which may have studies of others too."""

    def __init__(self, sweep: str, url: str, *, is_own: bool) -> None:
        """Open it; `is_own` says whether the studies of this name there are this very sweep's.

        Raises InvalidValue if it cannot be opened, or has studies of another sweep of this name.
        """
        super().__init__(sweep, "--optuna-storage")
        self._url = url
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self._database = RDBStorage(url)
        except Exception as error:  # SQLAlchemy and the driver of the database raise their own
            reason = remove_secret(str(error).splitlines()[0], url)
            raise InvalidValue(
                f"--optuna-storage {hide_password(url)}: cannot be opened ({reason})"
            ) from None
        if not is_own and self._present():
            raise InvalidValue(
                f"--optuna-storage {hide_password(url)} has studies of another sweep {sweep!r}, "
                "which is not under this --storage; choose another --name"
            )

    @property
    def _target(self) -> str:
        return hide_password(self._url)

    def _present(self) -> list[str]:
        names = [study.study_name for study in self._database.get_all_studies()]
        return [name for name in names if name.startswith(f"{self._sweep}/")]

    def _begin(self) -> BaseStorage:
        for name in self._present():
            optuna.delete_study(study_name=name, storage=self._database)
        return self._database


class _Lines(BaseJournalBackend):
    """The lines of Optuna's JournalFileBackend, without its wait for the disk at each of them.

    Only the lines that were just written are read back: what others add is not the sweep's.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._unread: list[dict[str, Any]] = []

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write each as a line; raises OSError."""
        content = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        while content:
            content = content[self._file.write(content) :]
        self._unread += logs

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Give those that were appended since the last call."""
        unread, self._unread = self._unread, []
        yield from unread


def _show_both(own: Show, joint: Show, trial: FrozenTrial) -> None:
    own(trial)
    joint(trial)


def open_view(
    sweep: str, folder: Path | None, url: str | None, *, is_own: bool
) -> StudyView | None:
    """Choose the view of a sweep: the database behind `url`, or else a journal in its `folder`, if it has one.

    Nothing is written yet. Raises InvalidValue as DatabaseView does.
    """
    if url is not None:
        return DatabaseView(sweep, add_password(url), is_own=is_own)
    return JournalView(sweep, folder) if folder is not None else None


def _reason(error: Exception) -> str:
    """Say what the database said, of which Optuna only says that it was there."""
    said = error.__cause__ if isinstance(error, StorageInternalError) else None
    return (str(said or error).splitlines() or [type(error).__name__])[0]
