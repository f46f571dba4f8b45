"""The URL of the database that shows the studies: an absolute path in it, and its password nowhere else."""

from __future__ import annotations

import os
from typing import Any

from tasks.errors import InvalidValue

PASSWORD = "ORCHESTRATOR_OPTUNA_PASSWORD"
"""Environment variable with the password of the database. No password is stored or shown."""
SQLITE = "sqlite"
URI = "file:"
"""How SQLite spells a path with options, as in file:studies.db?mode=rw&uri=true."""


def normalise_database(text: str) -> str:
    """Return a database URL that means the same from every folder and in every process.

    Raises InvalidValue for what is no URL, and for a database in memory, which nobody else could see.
    """
    url = _parse(text)
    if url.get_backend_name() != SQLITE:
        return text
    path = url.database or ""
    if not path or ":memory:" in path or "mode=memory" in text:
        raise InvalidValue(
            f"--optuna-storage {hide_password(text)}: a database in memory shows the studies to nobody; "
            "give a file, as in sqlite:///studies.db"
        )
    if path.startswith(URI) or os.path.isabs(path):
        return text
    return url.set(database=os.path.abspath(path)).render_as_string(hide_password=False)


def hide_password(text: str) -> str:
    """Return a URL as it may be shown: *** in place of a password."""
    try:
        return _parse(text).render_as_string(hide_password=True)
    except InvalidValue:
        return "***"


def remove_password(text: str | None) -> str | None:
    """Return a URL as it may be stored: without its password."""
    if text is None or "://" not in text:
        return text
    url = _parse(text)
    if url.password is None:
        return text
    parts = url._asdict() | {"password": None}  # `set` takes None for no change
    return str(type(url).create(**parts).render_as_string(False))


def add_password(text: str) -> str:
    """Return the URL with the password in the environment variable, if the URL has a user and no password."""
    url, password = _parse(text), os.environ.get(PASSWORD)
    if not password or url.password is not None or url.username is None:
        return text
    return str(url.set(password=password).render_as_string(False))


def remove_secret(text: str, url: str) -> str:
    """Return a message of a database's driver without the password of this URL."""
    password = _parse(url).password
    return text.replace(str(password), "***") if password else text


def _parse(text: str) -> Any:
    """Parse a URL by SQLAlchemy, which is imported only if there is a database."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:
        shown = "***" if "@" in text else text
        raise InvalidValue(
            f"--optuna-storage {shown}: cannot be opened (it is not the URL of a database)"
        ) from error
