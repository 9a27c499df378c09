"""Writes the results: a page of tables, the records, the plots."""

import json

from . import plot, verdict
from .scenarios import FLOOR, OURS, SCENARIOS

HTTP = (
    ("http-session", "wrk, 64 kept connections: `GET /v1/face-sessions/{id}` beside a constant of that size"),
    ("http-get-user-info", "wrk, 64 kept connections: `get_user_info` beside the constant"),
)
HTTP_FIGURES = ("requests_per_s", "server_cpu_us_per_request", "latency_p50_ms", "latency_p99_ms")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _scenario(runs, name, title, figures, skipped):
    targets = list(dict.fromkeys(record["target"] for record in runs.records if record.get("name") == name))
    out = [f"### {name}: {title}", ""]
    if not targets:
        return [*out, f"Not measured: {skipped.get(name, 'not run')}.", ""]
    rows = []
    for target in targets:
        mark = "" if runs.clean(name, target) else " (with losses)"
        cells = [verdict.spread(runs.values(name, target, figure)) for figure in figures]
        rows.append((target + mark, str(len(runs.of(name, target))), *cells))
    out += [table(("", "runs", *(f"`{figure}`" for figure in figures)), rows), ""]
    ratios = [f"{ratio:.2f} × {other}" for other, ratio in verdict.comparison(runs, name, figures[0])]
    if ratios:
        out += [f"`{figures[0]}`, faceshare to the others, of medians: {', '.join(ratios)}.", ""]
    raised = sorted({line for record in runs.of(name, OURS) for line in record.get("limits_raised", ())})
    return out + [f"{line.strip()}  " for line in raised] + [""] * bool(raised)


def _points(runs, prefix, figure, target=OURS):
    some = [record for record in runs.records if record.get("name", "").startswith(prefix) and record.get("target") == target]
    return [(int(record["name"].removeprefix(prefix)), record[figure]) for record in some if record.get(figure) is not None and verdict.is_meaningful(record, figure)]


def _growth(runs, folder):
    cost = "server_cpu_us_per_delivery"
    plots = (
        ("growth-cost", "Cost of a delivery as sessions or members grow", "sessions of 10, or members of one session", "µs of CPU", {
            "sessions": _points(runs, "sessions-", cost),
            "members": _points(runs, "members-", cost),
            "sessions, floor": _points(runs, "sessions-", cost, FLOOR),
            "members, floor": _points(runs, "members-", cost, FLOOR),
        }, True),
        ("growth-memory", "Memory of the server as connections grow", "connections", "MiB resident", {
            "resident": [(x, kib / 1024) for x, kib in _points(runs, "idle-", "rss_after_kib")],
        }, False),
        ("growth-log", "Ordered instructions as the log grows", "MiB of session log", "commits per CPU second", {
            "commits": [(r["log_mib"], r["commits_per_server_cpu_s"]) for r in runs.records
                        if r.get("name", "").startswith("log-") and r.get("commits_per_server_cpu_s") is not None],
        }, False),
    )
    out = ["## Growth", "", "One run for each point.", ""]
    for name, title, x_label, y_label, series, log_x in plots:
        some = {key: points for key, points in series.items() if points}
        if not plot.line(folder / f"{name}.svg", title, x_label, y_label, some, log_x):
            out += [f"{title}: not measured.", ""]
            continue
        rows = [(key, f"{x:g}", verdict.number(y)) for key, points in some.items() for x, y in sorted(points)]
        out += [f"![{title}]({name}.svg)", "", table(("", x_label, y_label), rows), ""]
    return out


def write(folder, head, records, skipped, quick):
    folder.mkdir(parents=True, exist_ok=True)
    runs = verdict.Runs(records)
    out = ["# Results", "", "Written by `make bench`; the records are in [results.jsonl](results.jsonl).", ""]
    if quick:
        out += ["**A smoke run: a tenth of the sizes, one second each. The figures are not meaningful.**", ""]
    out += [f"{key.replace('_', ' ').capitalize()}: {value}  " for key, value in head.items()]
    out += ["", "Medians (least–most). Server on processor 0, load on processor 1; targets alternate.", "", "## Targets", ""]
    out += [table(("what", "measured", "target", ""), verdict.verdicts(runs, quick)), "", "## Scenarios", ""]
    for scenario in SCENARIOS:
        out += _scenario(runs, scenario.name, scenario.title, scenario.figures, skipped)
    for name, title in HTTP:
        out += _scenario(runs, name, title, HTTP_FIGURES, skipped)
    out += _growth(runs, folder)
    if skipped:
        out += ["## Not measured", "", *(f"- {name}: {why}" for name, why in skipped.items()), ""]
    (folder / "results.md").write_text("\n".join(out), encoding="utf-8")
    lines = [json.dumps(record, ensure_ascii=False) for record in ({"name": "machine", **head}, *records)]
    (folder / "results.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return runs
