"""Checks the API reference page at a URL in headless Chromium, as a user sees it: the page shows every
operation, uploads an archive, reads the customization, and sends no request to another host.
"""

import json
import re
import sys
import tarfile
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from selenium import webdriver
from selenium.common import exceptions
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

ROOT = Path(__file__).resolve().parent.parent

# The longest time that the page may take for one step, in seconds.
TIMEOUT = 30

# Errors of selenium while the page is still rendering. They lead to another attempt.
RENDERING = [
    exceptions.NoSuchElementException,
    exceptions.StaleElementReferenceException,
    exceptions.ElementNotInteractableException,
    exceptions.ElementClickInterceptedException,
]

# The window in which the page edits and sends a request.
CLIENT = "//*[@role='dialog']"


@contextmanager
def running_browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.add_argument("--headless")
    options.add_argument("--window-size=1400,1000")
    # The gate runs as root, which Chromium's sandbox does not support.
    options.add_argument("--no-sandbox")
    # Other hosts are unreachable, also for the browser's own services.
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    # Without a path, selenium looks for a driver on the internet.
    browser = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield browser
    finally:
        browser.quit()


class Page:
    def __init__(self, browser, url):
        self.browser = browser
        self.url = url
        browser.get(f"{url}/")

    def find(self, xpath):
        return self.browser.find_element(By.XPATH, xpath)

    def wait(self, expected, condition):
        """Repeats `condition` until its result is true, and returns the result."""
        wait = WebDriverWait(self.browser, TIMEOUT, ignored_exceptions=RENDERING)
        return wait.until(lambda _: condition(), f"the page does not show {expected}")

    def click(self, name, xpath):
        self.wait(name, lambda: self.find(xpath).click() or True)

    def open_sidebar(self):
        """Opens all groups of operations in the sidebar."""
        def groups(action):
            return self.browser.find_elements(By.XPATH, f"//button[contains(., '{action} Group - ')]")

        def all_open():
            for group in groups("Open"):
                group.click()
            return groups("Close") and not groups("Open")

        self.wait("groups of operations in the sidebar", all_open)

    def show(self, method, path, summary):
        """Selects an operation in the sidebar, and returns its button that opens the client."""
        self.click(f"'{summary}' in the sidebar", f"//li//a[contains(@href, '/{method.upper()}{path}')]")
        # The page renders an operation when it is scrolled into view.
        self.wait(f"the heading '{summary}'", lambda: self.find(f"//h3[contains(., '{summary}')]").is_displayed())
        button = f"//button[contains(., 'Test Request') and contains(., '({method} {path})')]"
        self.wait(f"'Test Request' of '{summary}'", lambda: self.find(button).is_displayed())
        return button

    def select_file(self, file):
        row = f"{CLIENT}//tr[@id='file']"
        # A headless browser has no file dialog. Selenium can fill the input that would open it, if
        # the input is in the document.
        self.browser.execute_script("HTMLInputElement.prototype.click = function () { document.body.append(this) }")
        self.click("'Select File'", f"{row}//button[contains(., 'Select File')]")
        self.wait("an input for the file", lambda: self.find("//input[@type='file']")).send_keys(str(file))
        self.wait("the name of the selected file", lambda: file.name in self.find(row).text)

    def fill(self, name, value):
        row = f"{CLIENT}//tr[@id='{name}']"
        # The page offers the examples of the contract in a menu, whose last item accepts another value.
        self.click(f"the examples of {name}", f"{row}//button[@aria-haspopup='menu']")
        self.click("'Add value'", "//*[@role='menuitem' and contains(., 'Add value')]")
        self.wait(f"a field for {name}", lambda: self.find(f"{row}//input[@type='text']")).send_keys(value, Keys.ENTER)
        self.wait(f"the value of {name}", lambda: value in self.find(row).text)

    def send(self, expected_status):
        """Sends the request and checks the status. Returns the `id` in the response."""
        def response(pattern):
            return re.search(pattern, self.find(CLIENT).text)

        self.click("'Send'", f"{CLIENT}//button[contains(., 'Send')]")
        status = self.wait("the status of the response", lambda: response(r"Status:\s+(\d+ .*)"))[1]
        if not status.startswith(f"{expected_status} "):
            sys.exit(f"the status is {status}, not {expected_status}:\n{self.find(CLIENT).text}")
        return self.wait("the id in the response", lambda: response(r'"id": "([^"]+)"'))[1]

    def outside_requests(self):
        """Returns the URLs on other hosts that the page requested or wanted to request."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        urls = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
        if f"{self.url}/openapi.yaml" not in urls:
            sys.exit("the browser did not record the requests of the page")
        urls |= {event["params"]["url"] for event in events if event["method"] == "Network.webSocketCreated"}
        # The browser reports most requests that the Content-Security-Policy stops only here.
        for entry in self.browser.get_log("browser"):
            if "Content Security Policy" in entry["message"]:
                urls.update(re.findall(r"'((?:https?|wss?)://[^']+)'", entry["message"]))
        return sorted(url for url in urls if not url.startswith((f"{self.url}/", "data:", "blob:")))


def operations():
    """Returns the method, path and summary of each operation, by its id."""
    paths = yaml.safe_load((ROOT / "openapi.yaml").read_text())["paths"]
    return {
        operation["operationId"]: (method, path, operation["summary"])
        for path, item in paths.items()
        for method, operation in item.items()
        if "operationId" in operation
    }


def check(page, archive):
    page.open_sidebar()
    listed = operations()
    for operation in listed.values():
        page.show(*operation)

    page.click("'Test Request'", page.show(*listed["createCustomization"]))
    page.select_file(archive)
    created = page.send(201)
    page.click("'Close Client'", "//button[contains(., 'Close Client')]")

    page.click("'Test Request'", page.show(*listed["getCustomization"]))
    page.fill("customization_id", created)
    if (read := page.send(200)) != created:
        sys.exit(f"the page reads the customization {read}, not {created}")

    if urls := page.outside_requests():
        sys.exit("\n".join(["the page sends requests to other hosts:", *urls]))
    print(f"{len(listed)} operations shown, customization {created} created and read, no request to other hosts")


def main(url):
    with TemporaryDirectory() as folder, running_browser() as browser:
        archive = Path(folder) / "customization.tar.gz"
        with tarfile.open(archive, "w:gz") as files:
            files.add(ROOT / "README.md", "README.md")
        try:
            check(Page(browser, url), archive)
        except exceptions.TimeoutException as error:
            sys.exit(f"{error.msg}; the console of the browser: {browser.get_log('browser')}")


if __name__ == "__main__":
    main(*sys.argv[1:])
