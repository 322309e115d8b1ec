"""The documentation site, built strictly and opened from files in headless Chromium, by `scripts/test -m slow`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_every_cell_and_task_has_a_page(site):
    from gru_lab import cells, tasks

    for family, names in (("cells", cells.names()), ("tasks", tasks.names())):
        assert not [name for name in names if not (site / family / f"{name}.html").exists()]
    assert "<math" in (site / "cells" / "gru.html").read_text("utf-8")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium without a window; `browser.show(scheme, width)` says how pages are seen."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("Chromium and chromedriver are not installed")
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = selenium.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options, selenium.ChromeService(DRIVER))

    def show(scheme, width):
        feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    driver.show = show
    yield driver
    driver.quit()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_every_page_fits_and_says_no_error(scheme, width, site, browser):
    browser.show(scheme, width)
    pages = [page for page in sorted(site.rglob("*.html")) if page.name != "404.html"]  # which is for servers alone
    wrong = []
    assert len(pages) > 200
    for page in pages:
        browser.get(page.as_uri())
        inner, content = browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
        if content > inner:
            wrong.append(f"{page.relative_to(site)} is {content} wide")
        wrong += [f"{page.relative_to(site)}: {entry['message']}" for entry in browser.get_log("browser")]
    assert wrong == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [("clockwork", "cells/cwrnn.html"), ("vanish", "gradients.html"), ("cosine schedule", "settings.html")],
)
def test_a_search_without_a_network_finds_the_page(asked, found, site, browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    browser.show("light", 1280)
    browser.get((site / "index.html").as_uri())
    browser.find_element(By.CSS_SELECTOR, "input[data-md-component=search-query]").send_keys(asked)
    links = ".md-search-result__link"
    WebDriverWait(browser, 30).until(lambda driver: driver.find_elements(By.CSS_SELECTOR, links))
    addresses = [link.get_attribute("href") for link in browser.find_elements(By.CSS_SELECTOR, links)]
    assert any(found in address for address in addresses), addresses
    browser.get(next(address for address in addresses if found in address))
    assert browser.get_log("browser") == []
