"""Server jobs per second of the simulator's engine, and of SimPy on the same work.

    python benchmarks/engine.py
    python benchmarks/engine.py --clients 1000000 --referee-clients 5000

A job is one piece of work in a server's queue: a tick, a poll, a parked request, a response to one that was
woken, a push. First the engine is measured alone, with all clients on one server; then, for each transport,
the engine and the reference simulator (the plain SimPy version that the tests compare the engine with) on
the same smaller shard. Both compute the instants of every delivery and count per client, and the results are
compared. The engine's figures are the best of three. Seconds are of CPU, on one core.
Exit status 1: a goal was not reached, or they disagree.

Since the reference simulator also counts, a bare SimPy loop is measured too: it queues polls and does nothing
else.

SimPy comes with the tests' requirements; without it only the engine is measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bench.simulation.engine.engine import simulate
from bench.simulation.engine.inputs import Costs, Deliveries, FeedTicks, NetworkDelays, Shard, SkipBlock
from bench.transports.cycle import Cycle

GOAL_PER_S = 3e6
GOAL_RATIO = 40.0

CYCLES = {
    "short polling": Cycle(interval_s=1.0, pace="rate"),
    "long polling": Cycle(parks=True, hold_s=30.0),
    "push": Cycle(pushes=True),
}
TICKS_PER_S = {"short polling": 1.0, "long polling": 10.0, "push": 10.0}
MEASURE_S = 5.0


class Sum:
    """A sink that adds up deliveries of the ticks that are due before t1."""

    def __init__(self, shard: Shard) -> None:
        self.owed = int(np.searchsorted(shard.ticks.due_s, shard.t1_s))
        self.deliveries, self.app_s = 0, 0.0

    def deliver(self, block: Deliveries) -> None:
        owed = np.count_nonzero(block.tick < self.owed)
        self.deliveries += owed
        self.app_s += float(block.app_s.sum() if owed == len(block.tick) else
                            block.app_s[block.tick < self.owed].sum())

    def skip(self, block: SkipBlock) -> None:
        raise AssertionError("nothing is skipped here")


def shard_of(name: str, clients: int) -> Shard:
    """Return `clients` clients on one server that is not busy, at a round trip of 2 ms."""
    rng = np.random.default_rng(1)
    count = int(TICKS_PER_S[name] * (MEASURE_S + 3))
    ticks = FeedTicks(
        index=np.arange(count),
        due_s=np.sort(rng.uniform(0, MEASURE_S + 3, count)),
        symbol=rng.integers(0, 5, count),
        payload_bytes=rng.integers(80, 100, count),
    )
    share_s = 0.03 / clients   # of CPU, per client and tick
    costs = Costs(1e-6, request_s=share_s / 2, answer_s=share_s / 2, update_s=share_s / 10,
                  wake_s=2e-4, cold_share=0.6)   # a server that sleeps gets cold, as measured ones do
    net = NetworkDelays(up_s=0.001, down_s=0.001)
    return Shard(1, np.arange(clients), ticks, CYCLES[name], costs, net, 1.0, 1.0 + MEASURE_S, 1.0)


def engine(shard: Shard) -> tuple[float, Sum]:
    """Return the engine's jobs per second, and its deliveries."""
    found, began_s = Sum(shard), time.process_time()
    outcome = simulate(shard, found)
    return outcome.jobs / (time.process_time() - began_s), found


def referee(shard: Shard) -> tuple[float, Sum]:
    """Return the jobs per second of the reference simulator, and its deliveries."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    from referee import Referee

    began_s = time.process_time()
    run = Referee(shard).run()
    took_s = time.process_time() - began_s
    found = Sum(shard)
    times = [row[3] for row in run.deliveries if row[1] < found.owed]
    found.deliveries, found.app_s = len(times), sum(times)
    return run.jobs / took_s, found


def bare(clients: int) -> float:
    """Return the jobs per second of a SimPy loop that only queues polls."""
    import simpy

    env, jobs = simpy.Environment(), 0
    queue = simpy.Store(env)

    def server():
        nonlocal jobs
        while True:
            done = yield queue.get()
            yield env.timeout(1e-6)
            jobs += 1
            done.succeed()

    def client(phase_s):
        yield env.timeout(phase_s)
        while True:
            yield env.timeout(0.001)
            done = env.event()
            queue.put(done)
            yield done
            yield env.timeout(0.001)
            yield env.timeout(0.998)

    env.process(server())
    for number in range(clients):
        env.process(client(number / clients))
    began_s = time.process_time()
    env.run(MEASURE_S)
    return jobs / (time.process_time() - began_s)


def main() -> int:
    """Measure all and print their figures; return 1 where a goal was not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=400_000)
    parser.add_argument("--referee-clients", type=int, default=10_000)
    arguments = parser.parse_args()
    reached = True
    print(f"{arguments.clients:,} clients on one server:")
    for name in CYCLES:
        shard = shard_of(name, arguments.clients)
        per_s = max(engine(shard)[0] for _ in range(3))
        reached &= per_s > GOAL_PER_S
        print(f"  {name:<15}{per_s / 1e6:6.2f} million jobs per second (goal {GOAL_PER_S / 1e6:g})", flush=True)
    if find_spec("simpy") is None:
        print("SimPy is not installed (it comes with the tests' requirements): nothing to compare with.")
        return not reached
    print(f"{arguments.referee_clients:,} clients, engine and SimPy (a bare loop of polls: "
          f"{bare(arguments.referee_clients) / 1e3:.0f} thousand):")
    for name in CYCLES:
        shard = shard_of(name, arguments.referee_clients)
        ours = max((engine(shard) for _ in range(3)), key=lambda one: one[0])
        theirs = referee(shard)
        ratio = ours[0] / theirs[0]
        same = ours[1].deliveries == theirs[1].deliveries and (
            abs(ours[1].app_s - theirs[1].app_s) < 1e-9 * ours[1].deliveries)
        reached &= ratio >= GOAL_RATIO and same
        print(f"  {name:<15}{ours[0] / 1e6:6.2f} million against {theirs[0] / 1e3:5.1f} thousand:"
              f" {ratio:5.0f} times (goal {GOAL_RATIO:g}), {ours[1].deliveries:,} deliveries, "
              f"{'the same' if same else 'NOT THE SAME'}", flush=True)
    return not reached


if __name__ == "__main__":
    sys.exit(main())
