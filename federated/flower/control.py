"""The operator's side of a SuperLink: starts it, admits partners, runs a ServerApp, ends it all.

Both processes are children in sessions of their own: Ctrl-C reaches the operator's command alone, and it
ends them in order. If that command is killed, they notice within a second and end by themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import IO, Final

import httpx
from flwr.cli.build import build_fab_from_files
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto.control_pb2 import RegisterNodeRequest, StartRunRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import (
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from flwr.supercore.runtime import RuntimeHttpClient

from commonground.files import replace_file, write_new
from federated.flower.connecting import client_to
from federated.flower.layout import (
    BODY_BYTES_MAX,
    CERTIFICATE_FILE,
    KEY_FILE,
    READY_FILE,
    SECRET_FILE,
    SECRET_HEADER,
)
from federated.transport import self_signed
from protocol.errors import ConfigError, StateError

START_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 5.0
START_ATTEMPTS: Final = 5
_POLL_SECONDS: Final = 0.05
_LOG_BYTES: Final = 2_000
_ACQUIRE: Final = "/flwr.proto.Runtime/AcquireTask"


# A FAB names what a run executes. Ours holds no code: both names lead to installed modules.
_APP: Final = """\
[project]
name = "commonhold-training"
version = "1.0.0"
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "commonhold"

[tool.flwr.app.components]
serverapp = "{serverapp}"
clientapp = "{clientapp}"

[tool.flwr.app.config]
job-id = ""
"""


class _Killed(StateError):
    """Somebody ended a process that was starting."""


class SuperLink:
    """A context manager: entering it starts the server, which takes its seconds until it is `ready`; leaving
    it ends all that it started."""

    def __init__(
        self, folder: Path, host: str, port: int, body_bytes_max: int = BODY_BYTES_MAX
    ) -> None:
        """`folder` is the job's own; `host` is bound, and is what partners connect to; no request of
        more than `body_bytes_max` is read."""
        self._folder, self._host, self._port = folder, host, port
        self._body_bytes_max = body_bytes_max
        self._is_resumed = (folder / CERTIFICATE_FILE).exists()
        self.certificate = self._own_certificate()
        self.fleet_port = 0
        self._private = ""
        self._secret = b""
        self._run_id = 0
        self._server: subprocess.Popen[bytes] | None = None
        self._app: subprocess.Popen[bytes] | None = None
        self._words: FileIO | None = None  # what the ServerApp is told

    @property
    def endpoint(self) -> str:
        """host:port where partners connect, once it is ready."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self.fleet_port}"

    def __enter__(self) -> SuperLink:
        self._launch()
        return self

    def ready(self) -> None:
        """Waits until it serves; starts it again, a few times, where somebody kills it meanwhile, or where
        that of a command that was killed has not noticed yet, and has the port."""
        for left in reversed(range(START_ATTEMPTS)):
            try:
                self._await_start()
            except (_Killed, ConfigError) as failed:
                if not left or not (self._is_resumed or isinstance(failed, _Killed)):
                    raise
                self._server = None
            else:
                return

    def restart(self) -> None:
        """Starts it again at the same address, after it or its ServerApp died. Partners connect anew."""
        self._stop()
        self._port = self.fleet_port
        self._launch()
        self.ready()

    def _launch(self) -> subprocess.Popen[bytes]:
        shutil.rmtree(self._run_folder, ignore_errors=True)  # of a run that was killed
        self._run_folder.mkdir(mode=0o700, parents=True)
        self._secret = secrets.token_bytes(32)
        write_new(self._run_folder / SECRET_FILE, self._secret)
        arguments = [
            *(str(self._run_folder), self._host, str(self._port), str(self._body_bytes_max))
        ]
        self._server = self._spawn("superlink", arguments, {})
        return self._server

    def _await_start(self) -> None:
        server = self._server or self._launch()
        try:
            ports = self._wait_ready(server, self._run_folder / READY_FILE)
        except BaseException:
            self._stop()
            raise
        self.fleet_port, self._private = ports["fleet"], f"127.0.0.1:{ports['private']}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._words is not None:
            self._words.close()
            self._words = None
        for process in (self._app, self._server):
            if process is not None:
                _end(process)
        # The secret, and what was left of messages. The logs stay, and what a later start needs.
        shutil.rmtree(self._run_folder, ignore_errors=True)

    def _own_certificate(self) -> bytes:
        """The job's, made the first time. Partners accept no other, so it lasts as long as the job."""
        certificate = self._folder / CERTIFICATE_FILE
        if not certificate.exists():
            made, key = self_signed(self._host)
            replace_file(self._folder / KEY_FILE, key)
            replace_file(certificate, made)  # last: where it is, its key is
        return certificate.read_bytes()

    def admit(self, transport_key: bytes, name: str) -> None:
        """Lets the holder of a key (PEM) connect. Raises StateError when Flower does not take it."""
        with _answers(f"cannot admit {name}"), self._control() as client:
            client.RegisterNode(RegisterNodeRequest(public_key=transport_key, name=name))

    def start(
        self, serverapp: str, clientapp: str, job_id: str, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Starts a run and its ServerApp; both apps are `module:attribute`, and installed. What takes it time
        it may do at once; it may wait for a word, which `go` gives.

        What the process has to know beside the job's id travels in `environment`: a run's
        configuration is shown to partners. Raises StateError when Flower does not take the run.
        """
        text = _APP.format(serverapp=serverapp, clientapp=clientapp)
        content, _ = build_fab_from_files({"pyproject.toml": text.encode()})
        fab = Fab(hashlib.sha256(content).hexdigest(), content, {})
        request = StartRunRequest(
            fab=fab_to_proto(fab), override_config=user_config_to_proto({"job-id": job_id})
        )
        with _answers("cannot start the run"), self._control() as client:
            self._run_id = client.StartRun(request).run_id
        arguments = [self._private, str(self._run_folder)]
        reading, writing = os.pipe()
        with os.fdopen(reading) as stdin:
            self._app = self._spawn("serverapp", arguments, environment, stdin)
        self._words = FileIO(writing, "w")
        with _answers("cannot take the run's task"):
            self._say(self._task_token())  # not in argv, where others could read it
        return self._app

    def go(self) -> None:
        """The word that a ServerApp may wait for (parent.py)."""
        self._say("go")

    def _say(self, word: str) -> None:
        """To a ServerApp; that it has died is seen by `app_has_ended`."""
        if self._words is not None:
            with suppress(BrokenPipeError):
                self._words.write(f"{word}\n".encode())

    @property
    def is_alive(self) -> bool:
        """Whether the server runs."""
        return self._server is not None and self._server.poll() is None

    @property
    def app_has_ended(self) -> bool:
        """Whether the ServerApp that was started last runs no more."""
        return self._app is not None and self._app.poll() is not None

    def _task_token(self) -> str:
        """The right to be the ServerApp of the run that was just started."""
        interceptor = SuperExecAuthHttpInterceptor(
            master_secret=self._secret, protected_methods={_ACQUIRE}
        )
        both = (RuntimeVersionHttpInterceptor(component_name="SuperExec"), interceptor)
        client = client_to(self._private, RuntimeHttpClient, self.certificate, both)
        deadline = time.monotonic() + START_SECONDS_MAX
        try:
            while time.monotonic() < deadline:
                request = AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP])
                response = client.AcquireTask(request)
                if response.token:
                    return str(response.token)
                time.sleep(_POLL_SECONDS)
        finally:
            client.close()
        raise StateError("the SuperLink has no task for the run that was started")

    def _control(self) -> _Control:
        return _Control(self._private, self.certificate, self._secret)

    @property
    def _run_folder(self) -> Path:
        return self._folder / "superlink"

    def _spawn(
        self,
        module: str,
        arguments: list[str],
        environment: Mapping[str, str],
        stdin: int | IO[str] = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        # A proxy of this environment is for the web, and no way to our own loopback.
        flower = {"FLWR_HOME": str(self._run_folder / "flwr"), "no_proxy": "*"}
        settings = os.environ | flower | dict(environment)
        with (self._folder / f"{module}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"federated.flower.{module}", *arguments, str(os.getpid())],
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=settings,
            )

    def _wait_ready(self, server: subprocess.Popen[bytes], path: Path) -> dict[str, int]:
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            is_there = path.exists()
            if (code := server.poll()) is not None:
                if code < 0:
                    raise _Killed(f"the SuperLink was killed while it started (signal {-code})")
                [*_, said] = self._tail("superlink").splitlines() or ["it says nothing"]
                raise ConfigError(
                    f"the SuperLink cannot start: {said}",
                    f"see superlink.log in {self._folder}; --port 0 takes any free port",
                )
            if is_there:
                break
            if time.monotonic() > deadline:
                raise StateError(f"the SuperLink does not serve after {START_SECONDS_MAX:.0f} s")
            time.sleep(_POLL_SECONDS)
        ports: dict[str, int] = json.loads(path.read_text())
        return ports

    def _tail(self, name: str) -> str:
        with (self._folder / f"{name}.log").open("rb") as log:
            return _end_of(log)


class _Control:
    """One connection to the Control API, with the secret that opens it."""

    def __init__(self, address: str, certificate: bytes, secret: bytes) -> None:
        self._secret = secret.hex()
        both = (RuntimeVersionHttpInterceptor(component_name="flwr CLI"), self)
        self._client = client_to(address, ControlHttpClient, certificate, both)

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        context.request.headers[SECRET_HEADER] = self._secret
        return call_next(context)

    def __enter__(self) -> ControlHttpClient:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()


@contextmanager
def _answers(what: str) -> Iterator[None]:
    """Flower's errors as ours."""
    try:
        yield
    except httpx.HTTPError as error:
        said = str(error).partition("\n")[0]
        raise StateError(f"the SuperLink refuses: {what}: {said}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_of(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _LOG_BYTES))
    return log.read().decode(errors="replace")
