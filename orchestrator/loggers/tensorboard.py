"""Event files for TensorBoard: a run for each trial, with its hyper-parameters for the HPARAMS tab."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.loggers.base import (
    LocalLogger,
    Row,
    describe_trial,
    has_point,
    read_hyperparameters,
    read_numbers,
    read_time,
)
from tasks.errors import InvalidValue


class TensorBoard(LocalLogger):
    """Event files below a folder, as SWEEP/TRIAL: a scalar for each metric and epoch, and the hyper-parameters."""

    extra = "tensorboard"
    packages = ("tensorboard",)

    def __init__(self, name: str, target: str) -> None:
        """Take the folder; raises InvalidValue if it is a file."""
        super().__init__(name, target)
        if self.path.exists() and not self.path.is_dir():
            raise InvalidValue(f"--log {name}:{target} is no folder")

    def begin(self, sweep: str) -> None:
        """Make the folder of the sweep."""
        self._folder = self.path / sweep
        self._folder.mkdir(parents=True, exist_ok=True)

    def log(self, rows: Sequence[Row]) -> None:
        """Write the events of a trial, unless they are there: a folder gets its name when it is whole."""
        # Not the writer of torch or of tensorboardX: both import torch, which the driver does without.
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        run = self._folder / str(rows[-1]["trial_id"])
        if run.exists():
            return
        part = self._folder / f".{run.name}.part"
        shutil.rmtree(part, ignore_errors=True)  # of a driver that was killed
        writer = EventFileWriter(str(part))
        for event in _make_events(rows):
            writer.add_event(event)
        writer.close()
        part.rename(run)


def _make_events(rows: Sequence[Row]) -> Iterator[Any]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    last = rows[-1]
    yield _note_session(last, started=True)
    for row in filter(has_point, rows):
        values = [Summary.Value(tag=n, simple_value=v) for n, v in read_numbers(row).items()]
        yield Event(
            wall_time=read_time(row),
            step=row["epoch"],
            summary=Summary(value=values),
        )
    yield _note_session(last, started=False)


def _note_session(row: Row, *, started: bool) -> Any:
    """Make the event by which the HPARAMS tab knows a trial's hyper-parameters, or how it ended."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    when = read_time(row)
    if started:
        begun = plugin_data_pb2.SessionStartInfo(start_time_secs=when, group_name=row["trial_id"])
        for name, value in {**describe_trial(row), **read_hyperparameters(row)}.items():
            _set_value(begun.hparams[name], value)
        content = plugin_data_pb2.HParamsPluginData(session_start_info=begun)
        tag = metadata.SESSION_START_INFO_TAG
    else:
        status = api_pb2.STATUS_FAILURE if row["state"] == "failed" else api_pb2.STATUS_SUCCESS
        ended = plugin_data_pb2.SessionEndInfo(end_time_secs=when, status=status)
        content = plugin_data_pb2.HParamsPluginData(session_end_info=ended)
        tag = metadata.SESSION_END_INFO_TAG
    note = Summary.Value(
        tag=tag,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    return Event(wall_time=when, summary=Summary(value=[note]))


def _set_value(place: Any, value: Any) -> None:
    """Set a protobuf value of any type to a hyper-parameter."""
    if isinstance(value, bool):
        place.bool_value = value
    elif isinstance(value, int | float):
        place.number_value = value
    else:
        place.string_value = str(value)
