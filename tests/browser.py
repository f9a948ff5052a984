"""Debian's chromium, headless, for tests that look at a page as a reader sees it.

It is driven over the Chrome DevTools Protocol, which needs the browser alone: no driver beside it that would
have to be of the same version. All calls block; a test that serves the page from its own event loop makes
them in a thread (`asyncio.to_thread`).

What a page reports on its console fails the test: an error in a script, a file that is missing, a breach of
the page's own policy. (https://chromedevtools.github.io/devtools-protocol/)
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.sync.client import ClientConnection, connect

_AXE: Final = Path(__file__).parent / "javascript" / "node_modules" / "axe-core" / "axe.min.js"
_BROWSER: Final = shutil.which("chromium")
# The browser must start no conversation of its own, and needs neither a graphics card nor its sandbox,
# which a container does not allow: it opens loopback pages only.
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
_READY: Final = "DevTools listening on "
# A whole page as a picture is the longest message.
_MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
# Longer than any page may take on a busy machine, shorter than a test's own limit.
ANSWER_SECONDS_MAX: Final = 60
# What is waited for is there long before, also on a busy machine; what never comes is told by name.
WAIT_SECONDS_MAX: Final = 45
_LOUD: Final = frozenset({"error", "warning", "assert"})


class Browser:
    """One tab. `evaluate` and `wait` take JavaScript expressions, also where the page itself may run none."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._sent = 0
        self._loaded = False
        self._session: str | None = None
        self.complaints: list[str] = []  # what pages reported on the console
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command of the protocol; raises AssertionError when the browser refuses it."""
        self._sent += 1
        message: dict[str, object] = {"id": self._sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._connection.send(json.dumps(message))
        while (answer := self._receive()).get("id") != self._sent:
            pass
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Goes to a page and waits until it and its files are there."""
        self._loaded = False
        failure = self.call("Page.navigate", url=url).get("errorText")
        assert failure is None, f"{url}: {failure}"
        while not self._loaded:
            self._receive()

    def follow(self, act: Callable[[], object]) -> None:
        """Does what leads to another page, and waits until it and its files are there."""
        self._loaded = False
        act()
        while not self._loaded:
            self._receive()

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, as JSON carries it; a promise's when it is kept."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Waits until an expression is true of the page that is open; it is asked at every frame. Raises
        AssertionError where it does not come true."""
        came = self.evaluate(
            f"new Promise(kept => {{ const until = performance.now() + {WAIT_SECONDS_MAX * 1000};"
            f" const look = () => ({condition}) ? kept(true) : performance.now() > until ? kept(false)"
            " : requestAnimationFrame(look); look(); })"
        )
        assert came, f"this did not come true within {WAIT_SECONDS_MAX} s: {condition}"

    def text(self, selector: str = "body") -> str:
        """The text of the first such element, as a reader sees it."""
        found = self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText")
        assert found is not None, f"the page has no {selector}"
        return str(found)

    def click(self, selector: str) -> None:
        """Presses the mouse in the middle of the first such element."""
        place = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center', behavior: 'instant'});"
            " const r = e.getBoundingClientRect();"
            " return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })()"
        )
        for event in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=event, button="left", clickCount=1, **place)

    def press(self, key: str, code: int, text: str = "", modifiers: int = 0) -> None:
        """Presses a key: ("Tab", 9), ("Enter", 13, "\\r"); modifiers: 8 is Shift."""
        for event in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=event,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                modifiers=modifiers,
                **({"text": text} if text and event == "keyDown" else {}),
            )

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is in view, or of the whole page."""
        shot = self.call(
            "Page.captureScreenshot",
            format="png",
            captureBeyondViewport=whole,
            **({"clip": self._whole()} if whole else {}),
        )
        return base64.b64decode(shot["data"])

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page that is open, by WCAG 2.2 AA and good practice.

        Skips the test where it is not installed (`make javascript`).
        """
        if not _AXE.exists():
            pytest.skip("no axe-core: make javascript")
        self.evaluate(f"{_AXE.read_text()}; true")
        found = self.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',"
            " 'best-practice']}).then(r => r.violations.flatMap(v => v.nodes.map("
            "n => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary}`)))"
        )
        return [str(each) for each in found]

    def _whole(self) -> dict[str, object]:
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._connection.recv(timeout=ANSWER_SECONDS_MAX))
        event = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Log.entryAdded" if event["entry"]["level"] in _LOUD:
                entry = event["entry"]
                self.complaints.append(f"{entry['text']} ({entry.get('url', '')})")
            case "Runtime.consoleAPICalled" if event["type"] in _LOUD:
                self.complaints.append(f"console.{event['type']}: {event['args']}")
            case "Runtime.exceptionThrown":
                self.complaints.append(str(event["exceptionDetails"]))
        return message


def _connected(address: str) -> ClientConnection:
    """Without pings: a busy machine answers one late, and each call has a limit of its own."""
    return connect(
        address,
        max_size=_MESSAGE_BYTES_MAX,
        compression=None,
        proxy=None,
        ping_interval=None,
    )


@contextmanager
def chromium(
    width: int,
    height: int,
    *,
    dark: bool = False,
    javascript: bool = True,
    profile: Path | None = None,
) -> Iterator[Browser]:
    """A fresh browser whose viewport measures `width` by `height` CSS pixels; it ends by a kill.

    With a `profile` it is one that was killed before: what it had stored by then is there.
    Skips the test where the browser is not installed; fails it when a page complained on its console.
    """
    if _BROWSER is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with (
        tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as fresh,
        _started(_BROWSER, str(profile or fresh)) as address,
        _connected(address) as connection,
    ):
        browser = Browser(connection)
        # A window's own size includes its frame and is never below 500 pixels; this one is exact.
        browser.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.call("Emulation.setEmulatedMedia", features=[scheme])
        browser.call("Emulation.setScriptExecutionDisabled", value=not javascript)
        yield browser
        assert browser.complaints == []


@contextmanager
def _started(program: str, profile: str) -> Iterator[str]:
    """The WebSocket address of a browser that runs for as long as the context lasts."""
    process = subprocess.Popen(
        [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:  # ends when the browser does
            if line.startswith(_READY):
                break
            said.append(line)
        else:
            raise AssertionError(f"chromium did not start: {''.join(said)}")
        process.stderr.close()  # or it would fill up, and the browser stop at it
        yield line.removeprefix(_READY).strip()
    finally:
        # It and its helpers, which would otherwise still write into the profile that is being deleted.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
