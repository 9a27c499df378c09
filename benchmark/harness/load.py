"""Generates load: `facesharectl bench` for the stream, wrk for HTTP calls. Each run gives one record."""

import json
import re
import subprocess
import sys

from . import servers

CTL = servers.RELEASE / "facesharectl"
WRK = servers.ROOT / "benchmark" / "wrk"
TIMEOUT_SECONDS = 400


class RunFailed(Exception):
    """A run without a record."""


def available_scenarios():
    """The scenarios of this build of `facesharectl bench`."""
    output = subprocess.run([CTL, "bench", "--help"], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"^  ([a-z-]+)  ", output, re.MULTILINE))


def stream(arguments, target="faceshare", server=None, settings=()):
    """One run of `facesharectl bench`. It starts a server unless one is given or the target is a baseline."""
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
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired as expired:
        raise RunFailed(f"no end within {TIMEOUT_SECONDS} s") from expired
    raised = [line for line in done.stderr.splitlines() if "raised" in line]
    for line in raised:
        print(f"    {line}", file=sys.stderr)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        output = done.stderr.strip().splitlines() or ["no output"]
        raise RunFailed(next((line for line in output if line.lower().startswith("error")), output[-1]))
    record = json.loads(lines[-1])
    # A run with losses gives no figure: its record is kept and marked, and never counts as a pass.
    record |= {"target": target, "exit_code": done.returncode, "limits_raised": raised}
    return record


def wrk_command(server, path, headers, seconds, connections=64, script="get.lua", arguments=()):
    """wrk with kept connections and one thread, on the load's processor; run it in the folder of its scripts."""
    command = ["taskset", "-c", servers.LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "120s"]
    command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    return [*command, "-s", script, server.url + path, *(["--", *arguments] if arguments else [])]


def wrk(server, path, headers, seconds, connections=64, script="get.lua", arguments=()):
    """Requests per second. Any answer but 2xx, and any error that the script reports, makes the run invalid."""
    command = wrk_command(server, path, headers, seconds, connections, script, arguments)
    before = server.cpu_seconds()
    done = subprocess.run(command, cwd=WRK, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    used = server.cpu_seconds() - before
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise RunFailed(done.stderr.strip() or "wrk printed nothing")
    record = json.loads(lines[-1])
    requests = record["requests"]
    record["server_cpu_us_per_request"] = round(used * 1e6 / requests, 2) if requests else None
    record["exit_code"] = 1 if record["errors"] else 0
    return record
