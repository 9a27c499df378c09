"""Describes the machine, the commit and the time of a measurement."""

import datetime
import os
import platform
import subprocess

from .servers import ROOT


def _git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def _processor():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def describe():
    """The first record of the results."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _git("rev-parse", "--short", "HEAD") + (" with changes" if _git("status", "--porcelain", "--", ":!benchmark/results") else ""),
        "kernel": platform.release(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "load_average": round(os.getloadavg()[0], 2),
    }
