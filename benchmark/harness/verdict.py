"""Medians of runs, compared with the targets. A value that was not measured, or measured with losses, never passes."""

import statistics

from .scenarios import BATCH, FLOOR, OURS, PLAIN


# The kernel counts processor time in hundredths of a second: with less than this a figure made of
# it is not meaningful.
LEAST_CPU_SECONDS = 0.1


def is_meaningful(record, figure):
    """Whether this run used enough processor time for a figure that is made of it."""
    return "server_cpu" not in figure or record.get("server_cpu_s", LEAST_CPU_SECONDS) >= LEAST_CPU_SECONDS


class Runs:
    """The records of a complete run."""

    def __init__(self, records):
        self.records = records

    def of(self, scenario, target):
        return [record for record in self.records if record.get("name") == scenario and record.get("target") == target]

    def values(self, scenario, target, figure):
        values = (record.get(figure) for record in self.of(scenario, target) if is_meaningful(record, figure))
        return [value for value in values if isinstance(value, (int, float))]

    def median(self, scenario, target, figure):
        values = self.values(scenario, target, figure)
        return statistics.median(values) if values else None

    def clean(self, scenario, target):
        return all(record.get("exit_code") == 0 for record in self.of(scenario, target))


def number(value):
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def spread(values):
    """Median (minimum–maximum)."""
    if not values:
        return "–"
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})"


def _ratio(mine, other):
    return mine / other if mine is not None and other else None


def verdicts(runs, smoke=False):
    """(what, measured, target, verdict) for each target."""
    rows = []

    def row(what, value, bound, unit="", at_least=False, of=((),)):
        clean = all(runs.clean(*some) for some in of)
        if value is None:
            verdict = "not measured"
        elif smoke:
            verdict = "a smoke run"
        elif not clean:
            verdict = "no: losses or failures"
        else:
            verdict = "met" if (value >= bound if at_least else value <= bound) else "**missed**"
        rows.append((what, f"{number(value)}{unit}", f"{'≥' if at_least else '≤'} {number(bound)}{unit}", verdict))

    cost, p99 = "server_cpu_us_per_delivery", "latency_p99_ms"
    for name, bound in (("A", 1.15), ("B", 1.25)):
        both = ((name, OURS), (name, FLOOR))
        row(f"{name}: processor time per delivery, of the floor's", _ratio(*(runs.median(*some, cost) for some in both)), bound, " ×", of=both)
        row(f"{name}: p99 latency, of the floor's", _ratio(*(runs.median(*some, p99) for some in both)), 1.2, " ×", of=both)
    per_cpu = "deliveries_per_server_cpu_s"
    unbatched, burst = runs.median("A", OURS, per_cpu), runs.median("burst", OURS, per_cpu)
    row("burst: deliveries per processor second, of A's", _ratio(burst, unbatched), 5, " ×", True, (("burst", OURS), ("A", OURS)))
    idle = (("idle", OURS),)
    row("idle: memory per connection", runs.median("idle", OURS, "kib_per_connection"), 6, " KiB", of=idle)
    row("idle: processor time per connection and second", runs.median("idle", OURS, "server_cpu_us_per_connection_s"), 3, " µs", of=idle)
    for name, what in (("join", "join"), ("join-rush", "join, many at once")):
        row(f"{what}: processor time", runs.median(name, OURS, "server_cpu_ms_per_join"), 0.25, " ms", of=((name, OURS),))
    for name in ("control", "control-quiet"):
        here = ((name, OURS),)
        row(f"{name}: ordered instructions per processor second", runs.median(name, OURS, "commits_per_server_cpu_s"), 20_000, "", True, here)
        row(f"{name}: p99 latency", runs.median(name, OURS, p99), 25, " ms", of=here)
    row("storm: all back within", runs.median("storm", OURS, "all_back_s"), 5, " s", of=(("storm", OURS),))
    for name in ("http-session", "http-get-user-info"):
        both = ((name, OURS), (name, PLAIN))
        rate = _ratio(*(runs.median(*some, "requests_per_s") for some in both))
        row(f"{name}: requests per second, of plain axum's constant", rate, 0.6, " ×", True, both)
    return rows


def comparison(runs, name, figure):
    """Ratios of our median to each baseline's, for the table of a scenario."""
    mine = runs.median(name, OURS, figure)
    for other in (FLOOR, BATCH, PLAIN):
        ratio = _ratio(mine, runs.median(name, other, figure))
        if ratio is not None:
            yield other, ratio
