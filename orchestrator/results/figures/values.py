"""How the value of a column is spelt, in tables and pictures, and text in LaTeX."""

from __future__ import annotations

from orchestrator.results.columns import METRICS

MISSING = "—"
ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "—": "---", "°": r"$^\circ$", "−": "$-$",
    "×": r"$\times$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$",
}  # fmt: skip


def spell_value(column: str, value: float | None) -> str:
    """Return a value of a column as text: three decimals for a measured fraction, else three digits."""
    if value is None:
        return MISSING
    if column in METRICS:
        return f"{value:.3f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def spell_count(number: int, noun: str) -> str:
    """Return `1 seed`, `2 seeds`: a number with a noun whose plural ends in s."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def escape_math(text: str) -> str:
    """Return a text that Matplotlib shows as it is: between two dollar signs it would read a formula."""
    return text.replace("$", r"\$")


def escape_latex(text: str) -> str:
    """Return a text with every character that LaTeX reads as a command, or may not have, replaced."""
    return "".join(ESCAPES.get(character, character) for character in text)
