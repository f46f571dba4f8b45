"""The page of a report in a real browser: hover, filter, sort, keyboard, two widths, dark and light, no complaint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Tab, find_chromium, open_tab
from reported import store_losses, store_sweep

import orchestrator
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.results.recommendation import recommend_point
from orchestrator.results.store import read_results

FIGURE = "document.querySelector('[data-kind=plane]')"
POINTS = f"{FIGURE}.querySelectorAll('.point').length"
TIP = f"(t => t.hidden ? '' : t.textContent)({FIGURE}.querySelector('.tip'))"
METHODS = "[...document.querySelectorAll('table.sorted')][1]"
AGAIN = 0.52
"""The mean accuracy over fresh seeds, far below that of the search."""
COLUMN = f"[...{METHODS}.tBodies[1].rows].map(r => r.cells[%d].textContent)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a made-up sweep."""
    find_chromium()
    folder = tmp_path_factory.mktemp("report")
    root = store_sweep(folder / "storage", "s", confirmed=True, held=AGAIN)
    best = recommend_point(read_results(root, "s").to_pylist(), OBJECTIVES["pareto"])
    assert best is not None
    store_losses(root, "s", best)
    return orchestrator.report("s", storage=root, output=folder / "page.html")


@pytest.fixture(scope="module")
def browser(page: Path) -> Iterator[Tab]:
    """One browser for all tests of this file."""
    with open_tab(page.parent / "profile") as tab:
        yield tab


@pytest.fixture
def tab(browser: Tab, page: Path) -> Iterator[Tab]:
    """The page, freshly loaded; in the end the browser must not have complained, nor asked for anything else."""
    browser.move(0, 0)
    browser.resize(1200)
    browser.open(page)
    yield browser
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]


def place_of(tab: Tab, selector: str) -> tuple[float, float]:
    """Bring an element into view, and return the middle of it in the window."""
    x, y = tab.ask(
        f"(e => {{ e.scrollIntoView({{block: 'center', behavior: 'instant'}}); const b = e.getBoundingClientRect(); "
        f"return [b.x + b.width / 2, b.y + b.height / 2]; }})(document.querySelector({selector!r}))"
    )
    return x, y


def test_hovering_a_point_shows_its_trial_and_leaving_hides_it(tab: Tab) -> None:
    x, y = place_of(tab, "[data-kind=plane] .point .front")
    assert tab.ask(TIP) == ""
    tab.move(x, y)
    said = tab.ask(TIP)
    assert "on the front" in said or "recommended" in said
    assert "indistinguishability (test half)" in said
    wide, high = tab.ask(f"(t => [t.offsetWidth, t.offsetHeight])({FIGURE}.querySelector('.tip'))")
    assert high < 500 > wide, "a card of two columns, one line each"
    assert "Run it again: orchestrator run" in tab.ask(
        f"{FIGURE}.querySelector('.told').textContent"
    )
    tab.move(2, 2)
    assert tab.ask(TIP) == ""


def test_a_mean_over_fresh_seeds_lies_where_the_axis_says(tab: Tab) -> None:
    """The fresh seeds ruined every point, to where none of the search lies: the axis reaches there."""
    tab.ask(f"[...{FIGURE}.querySelectorAll('.controls input')].at(-1).click()")
    moves = f"[...{FIGURE}.querySelectorAll('.mean .move')]"
    found = tab.ask(f"{moves}.map(l => Number(l.getAttribute('x2')))")
    words = (
        f"[...{FIGURE}.querySelectorAll('.canvas > svg > text[text-anchor=middle]:not(.title)')]"
    )
    ticks = tab.ask(f"{words}.map(t => [t.getAttribute('x'), t.textContent].map(Number))")
    (x0, v0), (x1, v1) = ticks[0], ticks[-1]
    means = [v0 + (x - x0) * (v1 - v0) / (x1 - x0) for x in found]
    assert means
    assert means == pytest.approx([AGAIN] * len(means), abs=1e-3)


def test_a_method_of_the_legend_is_hidden_and_shown(tab: Tab) -> None:
    assert tab.ask(POINTS) == 17
    button = f"{FIGURE}.querySelector('.legend button')"
    tab.ask(f"{button}.focus()")
    tab.press("Enter")
    assert tab.ask(f"[{button}.textContent, {button}.ariaPressed]") == ["finetune", "false"]
    assert tab.ask(POINTS) == 2
    assert tab.ask(f"{FIGURE}.querySelector('.told').textContent") == "2 of 17 points are shown."
    tab.press("Enter")
    assert tab.ask(POINTS) == 17


def test_axes_are_chosen_and_the_original_stays_hollow(tab: Tab) -> None:
    choose = "(s => { s.value = 'relative_cost'; s.dispatchEvent(new Event('change')); })"
    tab.ask(f"{choose}({FIGURE}.querySelector('select.x'))")
    titles = tab.ask(f"[...{FIGURE}.querySelectorAll('svg .title')].map(t => t.textContent)")
    assert titles == ["← relative cost", "indistinguishability (test half) →"]
    assert tab.ask(f"{FIGURE}.querySelectorAll('.canvas svg .original').length") == 1
    assert tab.ask(f"{FIGURE}.querySelectorAll('.canvas svg .reference').length") == 3
    assert tab.ask(f"{FIGURE}.querySelectorAll('.canvas svg .band').length") == 1, (
        "a cost has no band"
    )
    fill = "getComputedStyle(document.querySelector('.canvas .original')).fill"
    assert tab.ask(f"{fill} === getComputedStyle(document.body).backgroundColor")


def test_the_keyboard_goes_from_point_to_point(tab: Tab) -> None:
    tab.ask(f"{FIGURE}.querySelector('.canvas > svg').focus()")
    tab.press("ArrowRight")
    first = tab.ask(TIP)
    tab.press("ArrowRight")
    second = tab.ask(TIP)
    assert first
    assert second
    assert first != second
    tab.press("ArrowLeft")
    assert tab.ask(TIP) == first
    tab.press("Escape")
    assert tab.ask(TIP) == ""


def test_the_front_in_three_dimensions_turns_by_key_and_button(tab: Tab) -> None:
    space = "document.querySelector('[data-kind=space]')"
    marks = f"[...{space}.querySelectorAll('.point, .original, .reference')]"
    where = f"{marks}.map(m => m.getAttribute('transform'))"
    on_front = "document.querySelectorAll('[data-kind=plane] .point .front, [data-kind=plane] .point .tied').length"
    assert tab.ask(f"{space}.querySelectorAll('.point').length") == tab.ask(on_front)
    assert tab.ask(f"{space}.querySelectorAll('.reference').length") == 3
    first = tab.ask(where)
    tab.ask(f"{space}.querySelector('svg').focus()")
    tab.press("ArrowRight")
    assert tab.ask(where) != first
    tab.ask(f"{space}.querySelector('.controls button').click()")
    assert tab.ask(where) == first, "left again"
    inside = f"(s => {marks}.every(m => {{ const b = m.getBoundingClientRect(), c = s.getBoundingClientRect(); "
    assert tab.ask(
        f"{inside} return b.left >= c.left && b.right <= c.right; }}))({space}.querySelector('svg'))"
    )


def test_a_slice_shows_every_trial_and_names_the_chosen_one(tab: Tab) -> None:
    slices = "document.querySelector('[data-kind=slices]')"
    assert tab.ask(f"{slices}.querySelectorAll('.point').length") == 5
    assert tab.ask(f"{slices}.querySelector('svg .title').textContent") == "lr"
    tab.ask(f"{slices}.querySelector('svg').focus()")
    tab.press("ArrowRight")
    assert tab.ask(f"{slices}.querySelector('.tip').textContent").startswith("finetune-0")
    tab.press("Escape")
    assert tab.ask(f"{slices}.querySelector('.tip').hidden")
    choose = "(s => { s.value = '1'; s.dispatchEvent(new Event('change')); })"
    tab.ask(f"{choose}({slices}.querySelector('select'))")
    assert tab.ask(f"{slices}.querySelectorAll('.point').length") == 2


def test_losses_have_a_picture_each_with_words_for_those_who_see_none(tab: Tab) -> None:
    pictures = "[...document.querySelectorAll('.histogram svg')]"
    assert tab.ask(f"{pictures}.map(p => p.ariaLabel.match(/[0-9]+ %/)[0])") == [
        "0 %",
        "100 %",
        "100 %",
    ]
    assert tab.ask(f"{pictures}.every(p => p.clientWidth > 200 && p.clientHeight > 100)")


def test_a_heading_sorts_by_click_and_by_key_and_models_stay_above(tab: Tab) -> None:
    before = tab.ask(COLUMN % 0)
    button = f"{METHODS}.tHead.rows[0].cells[%d].querySelector('button')"
    tab.ask(f"{button % 1}.click()")
    assert tab.ask(COLUMN % 1) == ["5", "31 failed"], "most trials first; a note is below"
    tab.ask(f"{button % 0}.focus()")
    tab.press("Enter")
    assert tab.ask(f"{METHODS}.tHead.rows[0].cells[0].ariaSort") == "ascending"
    assert tab.ask(COLUMN % 0) == before
    tab.press("Enter")
    assert tab.ask(COLUMN % 0) == before[::-1]
    assert tab.ask(f"{METHODS}.tBodies[0].rows[0].cells[0].textContent") == "original"


def test_all_that_can_be_done_is_reached_by_the_tab_key(tab: Tab) -> None:
    reached = set()
    for _ in range(40):
        tab.press("Tab")
        reached.add(
            tab.ask(
                "(e => e.tagName + (e.closest('.legend') ? ' legend' : ''))(document.activeElement)"
            )
        )
    assert {"svg", "SELECT", "INPUT", "CODE", "BUTTON", "BUTTON legend"} <= reached


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("wide", [1200, 390])
def test_it_fits_and_is_readable(tab: Tab, wide: int, dark: bool) -> None:
    tab.resize(wide, dark=dark)
    assert tab.ask("document.documentElement.scrollWidth") == wide, "nothing sticks out"
    assert tab.ask("document.querySelector('.canvas > svg').clientWidth") > 0.85 * wide - 30
    written = "[...document.querySelectorAll('p, td, dd, li, text, button')]"
    assert (
        tab.ask(f"Math.min(...{written}.map(e => parseFloat(getComputedStyle(e).fontSize)))") >= 11
    )
    colours = tab.ask("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    ink, paper = (luminance(text) for text in colours)
    assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 7
    assert (paper < ink) is dark


def luminance(colour: str) -> float:
    """The relative luminance of `rgb(r, g, b)`, by the WCAG."""
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_nothing_in_a_row_became_an_element(tab: Tab) -> None:
    assert tab.ask("document.querySelectorAll('img').length") == 0
    assert tab.ask("document.body.textContent.includes('onerror=')")


def test_methods_differ_by_shape_and_by_colour(tab: Tab) -> None:
    marks = f"[...{FIGURE}.querySelectorAll('.legend button .mark')]"
    assert tab.ask(f"new Set({marks}.map(m => m.getAttribute('d'))).size") == 2
    assert tab.ask(f"new Set({marks}.map(m => getComputedStyle(m).fill)).size") == 2
