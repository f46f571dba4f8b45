"""Methods that a forget set may be the worst case of."""

from __future__ import annotations

from tasks.errors import InvalidValue
from tasks.unlearners import unlearner_class


def check_method(name: str, spec: str) -> None:
    """Raise InvalidValue, which names `spec`, unless this method can forget any examples from a model alone."""
    cls = unlearner_class(name)
    if cls.class_forgetting:
        raise InvalidValue(
            f"{spec}: {name} forgets whole classes alone; name a method that forgets examples"
        )
    if cls.needs:
        raise InvalidValue(
            f"{spec}: {name} needs {', '.join(sorted(cls.needs))}, which a scoring model does not have"
        )
