"""Pages of the site that are no file in docs/: README, CONTRIBUTING, CHANGELOG, and the API reference.

mkdocs calls the functions `on_…`. The pages themselves stay as GitHub shows them; links between the two folders
are turned here.
"""

from __future__ import annotations

import ast
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
BESIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""The files above docs/, and their names in the site."""
FOR_PLUGINS = (
    "tasks.unlearners.base.Unlearner",
    "tasks.unlearners.base.SGDUnlearner",
    "tasks.unlearners.passes.Passes",
    "tasks.problem.Problem",
    "tasks.search_space",
    "tasks.forget_sets.base.ForgetSet",
    "tasks.datasets.dataset",
    "tasks.models.network.Network",
    "tasks.recipe.Recipe",
    "tasks.evaluation.metric",
    "tasks.evaluation.outputs.Evaluation",
    "tasks.evaluation.outputs.Outputs",
    "tasks.errors",
)
"""What a part of the user's own is made of."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for source, name in BESIDE.items():
        text = (ROOT / source).read_text()
        files.append(File.generated(config, name, content=_turn_down(text)))
    files.append(File.generated(config, "reference.md", content=_write_reference()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links from docs/ to the files above it."""
    for source, name in BESIDE.items():
        markdown = markdown.replace(f"](../{source}", f"]({name}")
    return markdown


def _turn_down(text: str) -> str:
    """Turn links of a file above docs/ to those in it."""
    text = text.replace("](docs/", "](")
    for source, name in BESIDE.items():
        text = text.replace(f"]({source}", f"]({name}")
    return text


def _write_reference() -> str:
    lines = [
        "# API reference",
        "",
        "Made from the docstrings. [From Python](api.md) has examples.",
        "",
    ]
    lines += ["## Search and results", ""]
    lines += ["Each is a name of the package `orchestrator`, as in `orchestrator.sweep`.", ""]
    public = {name: place for name, place in _list_public().items() if name != "__version__"}
    lines += [_block(f"{place}.{name}", full=False) for name, place in public.items()]
    lines += ["", "## For parts of your own", "", "[Your own](your-own.md) has examples.", ""]
    lines += [_block(name, full=True) for name in FOR_PLUGINS]
    return "\n".join(lines)


def _block(name: str, *, full: bool) -> str:
    """Spell what mkdocstrings replaces by the docstrings of a name; its heading is the `full` path or the last part."""
    options = f"heading_level: 3\n      show_root_full_path: {str(full).lower()}"
    return f"::: {name}\n    options:\n      {options}\n"


def _list_public() -> dict[str, str]:
    """Read where the public names of `orchestrator` are: nothing is imported to build the site."""
    tree = ast.parse((ROOT / "orchestrator" / "__init__.py").read_text())
    (places,) = [
        n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "_PLACES"
    ]  # type: ignore[attr-defined]
    found: dict[str, str] = ast.literal_eval(places)
    return found
