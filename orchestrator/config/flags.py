"""How the flags of settings read their words."""

from __future__ import annotations

from typing import Any

from cyclopts import Parameter


def split_commas(_type: Any, tokens: Any) -> tuple[str, ...]:
    """Convert the values of a flag: names separated by commas or spaces."""
    parts = (part.strip() for token in tokens for part in token.value.split(","))
    return tuple(part for part in parts if part)


NAMES = Parameter(converter=split_commas, n_tokens=1, consume_multiple=True, show_default=False)
"""Of a flag that takes names: separated by commas, or by spaces, or each with the flag again."""
TEXTS = Parameter(consume_multiple=True, show_default=False)
"""Of a flag that takes texts in which commas mean something: separated by spaces, or each with the flag again."""
INNER = Parameter(parse=False)
"""Of a setting that the program decides: it has no flag."""
