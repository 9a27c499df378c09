"""Starts the servers under test on free ports, each bound to a processor, and stops them."""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.request
from types import MappingProxyType

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Set FACESHARE_PROGRAMS to use other programs, for example to test a script without an optimised
# build.
RELEASE = pathlib.Path(os.environ.get("FACESHARE_PROGRAMS") or ROOT / "target" / "release").resolve()
SERVER_CORE, LOAD_CORE = "0", "1"
START_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")

# Rates by address and account: all load comes from one address. `facesharectl bench` raises the
# limits of its scenarios itself.
RATES = {
    f"limits.{name}": 1_000_000
    for name in (
        "http_per_address",
        "http_per_account",
        "guests_per_address",
        "accounts_per_address",
        "connections_per_address",
        "connections_per_network",
        "connections_per_prefix",
        "streams_per_address",
        "streams_per_network",
        "streams_per_prefix",
    )
}


class StartFailed(Exception):
    """The server did not start."""


def raised(wanted=MappingProxyType(RATES)):
    """The limits in `wanted` that this build has and that are lower. A rate of 0 means no limit."""
    with tempfile.TemporaryDirectory() as folder:
        program = [RELEASE / "faceshareapp", "check-config"]
        output = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=True).stdout
    section = output.partition("[limits]")[2].partition("\n[")[0]
    limits = {f"limits.{key}": int(now) for key, now in re.findall(r"^(\w+) = (\d+)$", section, re.MULTILINE)}
    return {key: str(value) for key, value in wanted.items() if 0 < limits.get(key, 0) < value}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process that listens on `url`."""

    def __init__(self, process, port):
        self.process, self.port, self.url = process, port, f"http://127.0.0.1:{port}"

    @property
    def pid(self):
        return self.process.pid

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def _wait(process, port, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise StartFailed(pathlib.Path(log).read_text(encoding="utf-8", errors="replace")[-2000:])


@contextlib.contextmanager
def _running(command, port, folder, environment):
    log = os.path.join(folder, "server.log")
    with open(log, "wb") as out:
        process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *command], cwd=folder, env={**os.environ, **environment}, stdout=out, stderr=out
        )
    try:
        _wait(process, port, log)
        yield Server(process, port)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def baseline(name):
    """`floor`, `floor-batch` or `plain-axum`."""
    port = free_port()
    command = [RELEASE / name.removesuffix("-batch"), "--listen", f"127.0.0.1:{port}"]
    if name.endswith("-batch"):
        command.append("--batch")
    with tempfile.TemporaryDirectory() as folder, _running(command, port, folder, {}) as server:
        yield server


@contextlib.contextmanager
def faceshare(settings):
    """The server on a temporary data folder; `settings` are keys and values of its configuration."""
    port = free_port()
    settings = {"http.listen": f"127.0.0.1:{port}", "grpc.listen": f"127.0.0.1:{free_port()}", **settings}
    environment = {"FACESHARE__" + key.replace(".", "__").upper(): value for key, value in settings.items()}
    with tempfile.TemporaryDirectory() as folder:
        environment["FACESHARE__DATA_DIR"] = os.path.join(folder, "data")
        with _running([RELEASE / "faceshareapp", "serve"], port, folder, environment) as server:
            server.data = pathlib.Path(folder) / "data"
            yield server


def call(url, body=None, headers=None, method=None):
    """Makes an HTTP call; returns the body of the answer and its headers."""
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read(), answer.headers
