"""The scenarios: names, arguments, repetitions, and the figures to report."""

import dataclasses

OURS, FLOOR, BATCH, PLAIN = "faceshare", "floor", "floor-batch", "plain-axum"
# One room, measured with single positions and with bursts, so that their deliveries per processor
# second can be compared.
ROOM = ("--rooms", 1, "--members", 1000)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Runs that are repeated together, for each target."""

    name: str
    title: str
    # Arguments of `facesharectl bench`.
    arguments: tuple
    targets: tuple
    # Names in the record that get a column in the table.
    figures: tuple
    seconds: float
    settings: tuple = ()
    # Whether baselines run only once: without load they hardly differ from run to run.
    baselines_once: bool = False

    def command(self, quick):
        seconds = 1 if quick else self.seconds
        return (*(smaller(self.arguments) if quick else self.arguments), "--warmup", 0.5 if quick else 1.5, "--duration", seconds)


def smaller(arguments):
    """A tenth of the rooms, members and connections, enough to test that everything works."""
    sizes = {"--rooms": 2, "--members": 10, "--connections": 20, "--sessions": 2, "--quiet-rooms": 2}
    out = list(arguments)
    for at, name in enumerate(arguments):
        if name in sizes:
            out[at + 1] = max(sizes[name], arguments[at + 1] // 10)
    return tuple(out)


COST = ("server_cpu_us_per_delivery", "latency_p50_ms", "latency_p99_ms", "generator_cores")
JOIN = ("server_cpu_ms_per_join", "latency_p50_ms", "latency_p99_ms")

SCENARIOS = (
    Scenario("A", "1 room × 1,000 members × 30/s", ("fanout", *ROOM, "--rate", 30), (OURS, FLOOR, PLAIN), COST, 8),
    Scenario("B", "200 rooms × 10 members × 10/s", ("fanout", "--rooms", 200, "--members", 10, "--rate", 10), (OURS, FLOOR, PLAIN), COST, 8),
    Scenario(
        "burst",
        "1 room × 1,000 members × 16 frames at once, 8/s",
        ("fanout", *ROOM, "--rate", 8, "--burst", 16),
        (OURS, FLOOR, BATCH, PLAIN),
        ("deliveries_per_server_cpu_s", "server_cpu_us_per_delivery", "latency_p99_ms", "conflated"),
        6,
    ),
    Scenario(
        "idle",
        "10,000 connections, heartbeats only",
        ("idle", "--connections", 10000),
        (OURS, FLOOR, PLAIN),
        ("kib_per_connection", "server_cpu_us_per_connection_s", "heartbeats"),
        25,
        baselines_once=True,
    ),
    Scenario(
        "join",
        "rooms of 10: prejoin, connect, welcome, announce (the baselines: connect alone)",
        ("join", "--rooms", 200, "--rate", 300),
        (OURS, FLOOR, PLAIN),
        JOIN,
        8,
        baselines_once=True,
    ),
    Scenario(
        "join-rush",
        "rooms of 10, 5,000 people a second: about what a processor takes in",
        ("join", "--rooms", 1000, "--rate", 5000),
        (OURS, FLOOR, PLAIN),
        JOIN,
        8,
        baselines_once=True,
    ),
    Scenario(
        "control",
        "100 sessions × 4 members × 50/s, durable, delivered",
        ("control", "--rooms", 100, "--members", 4, "--rate", 50),
        (OURS,),
        ("commits_per_s", "commits_per_server_cpu_s", "latency_p99_ms", "server_cores"),
        8,
    ),
    Scenario(
        "control-quiet",
        "the same, only the sender connected",
        ("control", "--rooms", 100, "--members", 4, "--rate", 50, "--quiet-members"),
        (OURS,),
        ("commits_per_s", "commits_per_server_cpu_s", "latency_p99_ms", "server_cores"),
        8,
    ),
    Scenario("storm", "10,000 members drop and resume", ("storm", "--connections", 10000), (OURS,), ("all_back_s", "server_cpu_ms_per_resume", "latency_p99_ms"), 5),
    Scenario(
        "fairness",
        "100 quiet sessions beside one of 1,000 members at full rate",
        ("fairness", "--members", 1000, "--rate", 60, "--quiet-rooms", 100),
        (OURS, FLOOR),
        ("quiet_latency_p99_ms", "quiet_alone_latency_p99_ms", "quiet_latency_p50_ms", "quiet_alone_latency_p50_ms", "busy_latency_p99_ms"),
        8,
    ),
)

# One run each: the shape of a curve shows whether a point is off. Deliveries per second are about
# the same at every point (9,000; the smallest room 2,700), so that only the number of sessions or
# members differs. The floor shows which part of a curve the system causes: more sockets need more
# kernel memory than a processor's cache holds.
GROWTH = (
    *(
        Scenario(f"sessions-{rooms}", "", ("fanout", "--rooms", rooms, "--members", 10, "--rate", 1000 / rooms), (OURS, FLOOR), COST, 6)
        for rooms in (10, 30, 100, 300, 1000)
    ),
    *(
        Scenario(f"members-{members}", "", ("fanout", "--rooms", 1, "--members", members, "--rate", rate), (OURS, FLOOR), COST, 6)
        for members, rate in ((10, 300), (100, 90), (1000, 9), (5000, 1.8))
    ),
)
# Memory for each connection, as the number of connections grows.
MEMORY = tuple(Scenario(f"idle-{count}", "", ("idle", "--connections", count), (OURS,), (), 2) for count in (500, 1000, 2000, 5000))
# One server and one log, with the same load in each step.
LOG_STEPS, LOG_SECONDS = 6, 6
# The limits that this load needs: `facesharectl bench` does not raise them for a server that runs
# already.
LOG_LIMITS = {"limits.ordered_per_second": 400, "limits.ordered_burst": 400, "limits.seats_per_address": 10_000}
LOG_ARGUMENTS = ("control", "--rooms", 100, "--members", 4, "--rate", 50, "--quiet-members")
