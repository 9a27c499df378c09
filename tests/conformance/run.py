"""Runs the Autobahn suite against an echo server over our WebSocket engine, and fails unless every case passes.

usage: run.py WSTEST ECHO REPORTS [CASE...]
"""

import json
import pathlib
import subprocess
import sys

# What the suite calls a pass: as it should be, as it may be, and cases that only look.
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
# 12 and 13 are about compression, which is not offered.
LEFT_OUT = ["12.*", "13.*"]


def run(wstest: str, address: str, reports: pathlib.Path, cases: list[str]) -> dict:
    spec = {
        "outdir": str(reports),
        "servers": [{"agent": "faceshare", "url": f"ws://{address}"}],
        "cases": cases,
        "exclude-cases": LEFT_OUT,
        "exclude-agent-cases": {},
    }
    reports.mkdir(parents=True, exist_ok=True)
    path = reports / "spec.json"
    path.write_text(json.dumps(spec))
    log = reports / "wstest.log"
    with log.open("w") as out:
        done = subprocess.run([wstest, "-m", "fuzzingclient", "-s", str(path)], stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        sys.exit(f"wstest ended with {done.returncode}: see {log}")
    return json.loads((reports / "index.json").read_text())["faceshare"]


def main() -> None:
    wstest, echo, reports, *cases = sys.argv[1:]
    with subprocess.Popen([echo], stdout=subprocess.PIPE, text=True) as server:
        try:
            results = run(wstest, server.stdout.readline().strip(), pathlib.Path(reports), cases or ["*"])
        finally:
            server.terminate()
    failed = [
        f"{case}: {result['behavior']}, close {result['behaviorClose']}"
        for case, result in sorted(results.items(), key=lambda item: [int(n) for n in item[0].split(".")])
        if not {result["behavior"], result["behaviorClose"]} <= PASSED
    ]
    strict = sum(result["behavior"] == "OK" for result in results.values())
    print(f"{len(results)} cases, {strict} OK, {len(results) - strict - len(failed)} as they may be, {len(failed)} failed; {reports}/index.html")
    if failed or not results:
        sys.exit("\n".join(failed) or "no case was run")


main()
