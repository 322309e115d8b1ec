"""The page of a sweep and a film in headless Chromium, from a file, offline: sorting, pointing, the keyboard."""

import shutil

import pytest

from gru_lab.reports import film, pages
from gru_lab.reports.film import Reel

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium and chromedriver are not installed"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = selenium.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}", "--window-size=1280,1000"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options, selenium.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, tmp_path, run, found):
    """Two networks at two rates on one task, in the browser."""
    for n, (network, last) in enumerate((("rnn", 0.1), ("rnn", 0.09), ("gru", 0.002), ("gru", 0.02))):
        rate = {"optimizer.learning_rate": (0.001, 0.01)[n % 2]}
        losses = [last, last * 1.1, last * 0.9]
        curves = [[0.2, 0.21, 0.19], [0.15, 0.16, 0.14], losses]
        run(network, losses=losses, curves=curves, hyper=rate)
    records = found()
    document = pages.create("sweep").make(pages.Material(records, pages.subjects(records.groups), "the command"))
    (tmp_path / "index.html").write_text(document.write("html"))
    browser.set_window_size(1280, 1000)
    browser.get((tmp_path / "index.html").as_uri())
    yield browser
    assert browser.get_log("browser") == []  # no error, nothing that was looked for elsewhere


@pytest.fixture
def player(browser, tmp_path):
    """A film of a network that is measured at three updates and solves its task at the last, and of one that fails."""
    import numpy as np

    updates = np.array([0.0, 50.0, 100.0])
    reels = {}
    learns, fails = ("gru", (0.5, 0.8, 0.99), (0.1, 0.004), 100), ("rnn", (0.5,) * 3, (0.2, 0.2), None)
    for network, rates, values, solved in (learns, fails):
        norms = np.array([[rate ** np.arange(20.0)] * 2 for rate in rates])
        curves = np.array([[value, value] for value in values])
        reels[network] = Reel(network, updates, norms, updates[1:], curves, floor=0.17, solved=solved)
    (tmp_path / "film.html").write_text(film.player_page("adding", reels))
    browser.set_window_size(1280, 1000)
    browser.get((tmp_path / "film.html").as_uri())
    yield browser
    assert browser.get_log("browser") == []


def column(page, n):
    script = "return [...document.querySelectorAll('table.sortable tbody tr')].filter(row => !row.hidden)"
    return page.execute_script(f"{script}.map(row => row.cells[{n}].textContent)")


def find(page, selector):
    return page.find_elements("css selector", selector)


def test_the_runs_are_sorted_and_searched(page):
    from selenium.webdriver.common.keys import Keys

    head = {cell.text: n for n, cell in enumerate(find(page, "table.sortable th"))}
    button = find(page, "table.sortable th button")[head["test"]]
    button.click()
    assert column(page, head["test"]) == sorted(column(page, head["test"]), key=float)
    button.send_keys(Keys.ENTER)  # by keyboard the other way
    assert column(page, head["test"]) == sorted(column(page, head["test"]), key=float, reverse=True)
    assert find(page, "th[aria-sort=descending]")[0].text.startswith("test")
    find(page, "input[type=search]")[0].send_keys("gru 0.01")
    assert column(page, head["network"]) == ["gru"] and column(page, head["learning_rate"]) == ["0.01"]


def test_lines_are_chosen_and_pointed_at(page):
    from selenium.webdriver import ActionChains

    assert len(find(page, ".chart path")) == 4 * 3 + 4 and len(find(page, ".chart path.bold")) == 4
    boxes = {label.text.strip(): label for label in find(page, ".chart label")}
    for name in ("rnn", "0.01", "seeds"):
        boxes[name].click()
    (line,) = find(page, ".chart path")
    ActionChains(page).move_to_element_with_offset(find(page, ".chart svg")[0], 10, 0).perform()
    end = line.get_attribute("d").split("L")[-1].split()
    script = """const svg = document.querySelector('.chart svg'), box = svg.getBoundingClientRect();
    const ratio = box.width / svg.viewBox.baseVal.width;
    svg.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + arguments[0] * ratio,
                                                       clientY: box.top + arguments[1] * ratio}));
    return document.querySelector('.chart output').textContent"""
    said = page.execute_script(script, *map(float, end))
    assert said == "line median, network gru, learning_rate 0.001: update 300, validation loss 0.002"
    boxes["median"].click()
    assert find(page, ".chart path") == [] and "no line is chosen" in find(page, ".chart svg")[0].text


def test_the_keyboard_reaches_every_point(page):
    from selenium.webdriver.common.keys import Keys

    svg = find(page, ".chart svg")[0]
    page.execute_script("arguments[0].focus()", svg)
    svg.send_keys(Keys.ARROW_UP)
    said = find(page, ".chart output")[0].text
    assert "update 100" in said and find(page, ".chart path.on")
    svg.send_keys(Keys.ARROW_RIGHT)
    assert (
        find(page, ".chart output")[0].text
        == said.split(": ")[0] + ": " + find(page, ".chart output")[0].text.split(": ")[1]
    )
    assert "update 200" in find(page, ".chart output")[0].text
    svg.send_keys(Keys.ARROW_DOWN)
    assert "update 200" in find(page, ".chart output")[0].text
    assert find(page, ".chart output")[0].text.split(":")[0] != said.split(":")[0]


def test_a_film_is_wound_by_the_keyboard_and_played_to_its_end(player):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.wait import WebDriverWait

    def seen():
        output, titles = find(player, ".film output")[0].text, [title.text for title in find(player, ".film h3")]
        return output, titles, find(player, ".film path.bold")[0].get_attribute("d")

    (slider,), (button,) = find(player, ".film input"), find(player, ".film button")
    start, titles, first = seen()
    assert start == "update 0 of 100" and titles == ["GRU", "RNN"] and first.count("L") == 19
    slider.send_keys(Keys.ARROW_RIGHT)
    assert seen()[0] == "update 50 of 100" and seen()[2] != first and "solved" not in str(seen()[1])
    button.click()
    WebDriverWait(player, 5).until(lambda _: button.text == "Play")  # it stops by itself
    assert seen()[:2] == ("update 100 of 100", ["GRU: solved", "RNN"])
    script = "return [...document.querySelectorAll('.film path')].map(path => path.getAttribute('d') || '').join('')"
    assert "NaN" not in player.execute_script(script)
    for width in (1280, 400):
        player.set_window_size(width, 900)
        inner, content = player.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
        assert content <= inner


@pytest.mark.parametrize("width", [1280, 400])
def test_it_fits_the_window(width, page):
    page.set_window_size(width, 900)
    inner, content = page.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
    assert content <= inner
    assert min(text.size["height"] for text in find(page, ".chart text")) > 8
