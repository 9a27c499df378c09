"""Puts load on servers: `facesharectl bench` for the stream, wrk for HTTP calls. Each run is one record."""

import json
import re
import subprocess
import sys

from . import servers

CTL = servers.RELEASE / "facesharectl"
WRK = servers.ROOT / "benchmark" / "wrk"
PATIENCE = 400


class Failed(Exception):
    """A run that yielded no record."""


def known():
    """The scenarios of this build of `facesharectl bench`."""
    said = subprocess.run([CTL, "bench", "--help"], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"^  ([a-z-]+)  ", said, re.MULTILINE))


def stream(arguments, target="faceshare", server=None, settings=()):
    """One run of `facesharectl bench`; a server of its own unless one is given or the target is a baseline."""
    if target != "faceshare" and server is None:
        with servers.baseline(target) as started:
            return stream(arguments, target, started)
    command = [str(CTL), "bench", *map(str, arguments), "--json", "--load-core", servers.LOAD_CORE]
    if server is None:
        command += ["--spawn", str(servers.RELEASE / "faceshareapp"), "--server-core", servers.SERVER_CORE]
        command += [part for setting in settings for part in ("--set", setting)]
    else:
        command += ["--server", server.url, "--pid", str(server.pid)]
    if target != "faceshare":
        command += ["--target", "floor"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as expired:
        raise Failed(f"no end within {PATIENCE} s") from expired
    told = [line for line in done.stderr.splitlines() if "raised" in line]
    for line in told:
        print(f"    {line}", file=sys.stderr)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        said = done.stderr.strip().splitlines() or ["said nothing"]
        raise Failed(next((line for line in said if line.lower().startswith("error")), said[-1]))
    record = json.loads(lines[-1])
    # A run with losses is no figure: it is kept, marked, and never counts as a pass.
    record |= {"target": target, "exit_code": done.returncode, "limits_raised": told}
    return record


def wrk_command(server, path, headers, seconds, connections=64, script="get.lua", arguments=()):
    """wrk with kept connections and one thread, on the processor of the load; run it in the folder of its scripts."""
    command = ["taskset", "-c", servers.LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "120s"]
    command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    return [*command, "-s", script, server.url + path, *(["--", *arguments] if arguments else [])]


def wrk(server, path, headers, seconds, connections=64, script="get.lua", arguments=()):
    """Requests per second; anything but 2xx, and what the script calls wrong, spoils the run."""
    command = wrk_command(server, path, headers, seconds, connections, script, arguments)
    before = server.cpu_seconds()
    done = subprocess.run(command, cwd=WRK, capture_output=True, text=True, timeout=PATIENCE, check=False)
    used = server.cpu_seconds() - before
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise Failed(done.stderr.strip() or "wrk said nothing")
    record = json.loads(lines[-1])
    requests = record["requests"]
    record["server_cpu_us_per_request"] = round(used * 1e6 / requests, 2) if requests else None
    record["exit_code"] = 1 if record["errors"] else 0
    return record
