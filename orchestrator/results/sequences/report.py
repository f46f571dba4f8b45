"""The lines that tell what a sequence led to."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.results.sequences.matrix import Beside, ForgettingMatrix

MISSING = "-"


def format_lines(found: ForgettingMatrix) -> Iterator[str]:
    """Yield the matrix with the references' values in brackets, then the numbers that are read off it."""
    yield f"accuracy after each request (in brackets: retrained on the rest), {found.unlearner} on {found.task}"
    header, *rows = list_cells(found)
    widths = [max(len(line[n]) for line in (header, *rows)) for n in range(len(header))]
    for line in (header, *rows):
        cells = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        yield "  ".join([line[0].ljust(widths[0]), *cells])
    yield from (f"{name}: {value}" for name, value in list_numbers(found))


def list_cells(found: ForgettingMatrix) -> list[list[str]]:
    """Return a header and a line for the original and each request, with a cell for each group."""
    names = ["original", *(f"{n} {spec}" for n, spec in enumerate(found.requests, 1))]
    lines = [["after", *found.groups]]
    for t, name in enumerate(names):
        expected = found.expected if t else None
        lines.append(
            [
                name,
                *(
                    f"{value:.3f}" + (f" ({expected[t, j]:.3f})" if expected is not None else "")
                    for j, value in enumerate(found.model[t])
                ),
            ]
        )
    return lines


def list_numbers(found: ForgettingMatrix) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each number of the whole sequence."""
    for place in range(found.count, len(found.groups)):
        slope = found.slope(place)
        told = (
            f"; {slope.value:+.4f} a request [{slope.low:+.4f}, {slope.high:+.4f}]" if slope else ""
        )
        yield f"erosion, {found.groups[place]}", spell_beside(found.erosion(place)[-1]) + told
    yield "backward transfer", spell_beside(found.backward_transfer())
    yield "reversal", spell_beside(found.reversal())
    even = found.break_even
    yield (
        "cost",
        f"{found.relative_cost:.3g} of {found.count} retrains; one retrain costs as much as "
        + ("any number of requests" if even == float("inf") else f"{even:.1f} requests"),
    )


def spell_beside(number: Beside | None) -> str:
    """Spell a number with the references' beside it."""
    if number is None:
        return MISSING
    if number.references is None:
        return f"{number.unlearned:+.3f}"
    return f"{number.unlearned:+.3f} (retrained {number.references:+.3f})"
