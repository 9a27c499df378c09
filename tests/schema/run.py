"""Runs the API-schema tester against its own server: anonymous, as a guest, as a host with an account.

    run.py SERVER [EXAMPLES]     SERVER: the program; EXAMPLES of random requests for each operation and kind of caller, beside the systematic ones

Every check of the tester is on. Fails when a check fails, and when an operation of the document has not answered 2xx in any run.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The tester sends more requests from one address than the default limits allow.
LIMITS = {
    "AUTH__PASSWORD_GUESSES": "1000000",
    "AUTH__PASSWORD_GUESSES_PER_NETWORK": "1000000",
    "AUTH__PASSWORD_GUESSES_PER_ACCOUNT": "1000000",
    "LIMITS__HTTP_PER_ADDRESS": "0",
    "LIMITS__HTTP_PER_ACCOUNT": "0",
    "LIMITS__GUESTS_PER_ADDRESS": "0",
    "LIMITS__ACCOUNTS_PER_ADDRESS": "0",
    "LIMITS__LIVE_SESSIONS_PER_HOST": "10000",
    "NUMBER_CODE__GUESSES_PER_ACCOUNT": "1000000",
    "NUMBER_CODE__GUESSES_PER_ADDRESS": "1000000",
    "NUMBER_CODE__GUESSES_PER_ADDRESS_NEAR": "1000000",
    "NUMBER_CODE__GUESSES_PER_NETWORK": "1000000",
    "NUMBER_CODE__EXPECTED_HITS_SHORT": "1000",
    "NUMBER_CODE__EXPECTED_HITS_DAY": "1000",
    # Hashes take time for every name; this test checks the requests.
    "BENCHMARK__ENABLED": "true",
    "ARGON2__TEST_PARAMETERS": "true",
    "CLASSIC__ENABLED": "true",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(server, folder):
    """A server with default settings except the limits. Returns its address and its process."""
    ports = [free_port(), free_port()]
    settings = {
        "HTTP__LISTEN": f"127.0.0.1:{ports[0]}",
        "GRPC__LISTEN": f"127.0.0.1:{ports[1]}",
        "DATA_DIR": str(Path(folder) / "data"),
        "LOG__LEVEL": "warn",
        **LIMITS,
    }
    environment = {**os.environ, **{f"FACESHARE__{key}": value for key, value in settings.items()}}
    with open(Path(folder) / "server.log", "w") as log:
        process = subprocess.Popen([server, "serve"], cwd=folder, env=environment, stdout=log, stderr=log)
    return f"http://127.0.0.1:{ports[0]}", process


def wait_for(url, process):
    for _ in range(600):
        try:
            return urllib.request.urlopen(f"{url}/readyz", timeout=1).read()
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    sys.exit("the server does not come up")


def document(url):
    with urllib.request.urlopen(f"{url}/openapi.json") as response:
        return json.load(response)


def operations(document):
    methods = {"get", "put", "post", "delete", "patch"}
    return {
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in methods
    }


def token_of(caller):
    import world

    if caller == "guest":
        return world.guest()["accessToken"]
    if caller == "host":
        return world.account()[1]["accessToken"]
    return ""


def run(url, caller, examples, folder):
    """One run. Returns whether it passed, and the answers of each operation."""
    answered = Path(folder) / f"{caller}.json"
    os.environ.update(FACESHARE_URL=url, FACESHARE_CALLER=caller)
    token = token_of(caller)
    environment = {
        **os.environ,
        "FACESHARE_TOKEN": token,
        "FACESHARE_ANSWERED": str(answered),
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [str(Path(sys.executable).parent / "st"), "--config-file", str(HERE / "schemathesis.toml"), "run", f"{url}/openapi.json"]
    command += ["--checks", "all", "--max-examples", str(examples), "--continue-on-failure", "--warnings", "off", "--no-color", "--seed", "1"]
    print(f"schema: as {caller}", flush=True)
    status = subprocess.run(command, cwd=folder, env=environment).returncode
    return status == 0, json.loads(answered.read_text())


def main():
    server, examples = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10
    sys.path.insert(0, str(HERE))
    with tempfile.TemporaryDirectory() as folder:
        url, process = start(server, folder)
        try:
            wait_for(url, process)
            passed, seen = 0, {}
            callers = ["anonymous", "guest", "host"]
            for caller in callers:
                good, answered = run(url, caller, examples, folder)
                passed += good
                for id, statuses in answered.items():
                    seen.setdefault(id, set()).update(statuses)
            succeeded = {id for id, statuses in seen.items() if any(str(status).startswith("2") for status in statuses)}
            # Each run has read the document itself, which the tester does not count.
            succeeded.add("openapi_document")
            never = operations(document(url)) - succeeded
            for id in sorted(never):
                print(f"schema: {id} has never answered 2xx, only {sorted(seen.get(id, []), key=str)}")
        finally:
            process.terminate()
            process.wait(40)
    failed = len(callers) - passed + len(never)
    print(f"schema: {passed + len(succeeded)} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
