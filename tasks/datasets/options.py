"""How data of one's own are read: the settings that some data sets have and others refuse."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tasks.errors import InvalidValue

SIDES = (4, 512)
"""The least and the greatest `image_size`."""


@dataclass(frozen=True)
class DataOptions:
    """Settings of a data set beside its folder. None is the data set's own choice."""

    label_column: str | None = None
    """Column with the classes, for a task parquet-… [default: label]."""
    image_size: int | None = None
    """Pixels to which each picture is scaled and cropped, for folder-… and parquet-… [default: as they are]."""

    def __post_init__(self) -> None:
        """Raise InvalidValue for a size out of range."""
        if self.image_size is not None and not SIDES[0] <= self.image_size <= SIDES[1]:
            raise InvalidValue(
                f"--image-size {self.image_size} is out of range: {SIDES[0]}..{SIDES[1]}"
            )

    def refuse(self, name: str, *valid: str) -> None:
        """Raise InvalidValue if a setting is given that the data set `name` does not have."""
        for field in fields(self):
            if getattr(self, field.name) is not None and field.name not in valid:
                flag = field.name.replace("_", "-")
                raise InvalidValue(f"--{flag}: the data set {name} has no such setting")


AS_THEY_ARE = DataOptions()
"""No setting given."""
