"""Browser: Debian's Chromium without a window, told what to do over the pipe of its DevTools."""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

LIMIT_S = 60  # a busy machine


def missing():
    """Why there can be no browser; empty if there can."""
    return "" if shutil.which("chromium") else "needs chromium"


class Browser:
    """One page. Reaches nothing but this machine."""

    def __init__(self, case, directory):
        to_it, self.commands = os.pipe()
        self.answers, from_it = os.pipe()
        # Chromium reads from 3 and writes to 4; a shell puts them there, from numbers out of the way.
        its_ends = [fcntl.fcntl(each, fcntl.F_DUPFD, 20) for each in (to_it, from_it)]
        for each in (to_it, from_it):
            os.close(each)
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                   "--disable-dev-shm-usage", "--disable-background-networking",
                   "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                   "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                   f"--user-data-dir={directory}", "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec 3<&{its_ends[0]} 4>&{its_ends[1]}; exec "$@"', "bash",
             *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=its_ends, env=os.environ | {"HOME": directory}, start_new_session=True)
        for each in its_ends:
            os.close(each)
        case.addCleanup(self.end)
        self.number = 0
        self.buffered = b""
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.complaints = []  # of scripts, and of what the page's policy refuses

    def end(self):
        os.close(self.commands)
        os.close(self.answers)
        self.process.kill()
        self.process.wait()

    def _message(self):
        end = time.monotonic() + LIMIT_S
        while b"\0" not in self.buffered:
            if not select.select([self.answers], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError("the browser is silent")
            read = os.read(self.answers, 1 << 20)
            if not read:
                raise AssertionError("the browser ended")
            self.buffered += read
        message, self.buffered = self.buffered.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.commands, json.dumps(request).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self.number:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']}")
                return message["result"]
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(message["params"]["exceptionDetails"]["text"])
            if message.get("method") == "Log.entryAdded" and \
                    message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])

    def use_token(self, token):
        basic = base64.b64encode(f"admin:{token}".encode()).decode()
        self.call("Network.setExtraHTTPHeaders", headers={"Authorization": f"Basic {basic}"})

    def use_script(self, is_on):
        self.call("Emulation.setScriptExecutionDisabled", value=not is_on)

    def size(self, width, height, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=2 if mobile else 1, mobile=mobile)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']['text']}")
        return result["result"].get("value")

    def wait_for(self, expression):
        """Until it holds; a page that is on its way has no body yet, or goes while it is asked."""
        end = time.monotonic() + LIMIT_S
        asked = f"(() => {{ try {{ return !!({expression}); }} catch {{ return false; }} }})()"
        while time.monotonic() < end:
            try:
                if self.value(asked):
                    return
            except AssertionError as error:
                if "context" not in str(error):
                    raise
            time.sleep(0.05)
        raise AssertionError(f"the page never had: {expression}\n" +
                             self.value("document.body ? document.body.innerText : ''")[:4000])

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as out:
            out.write(base64.b64decode(data))
