"""The queues of the reference simulator, in SimPy: the worker's and the load client's."""

from __future__ import annotations

import math

import simpy

from bench.simulation.engine.server_queue import WARMING_S


class Queue:
    """A queue of jobs, served one after the other in order of arrival."""

    def __init__(self, env, t0_s, t1_s, wake_s=0.0, cold_share=0.0, switch_s=0.0, cooling_s=0.1):
        self.env, self.window = env, (t0_s, t1_s)
        self.wake_s, self.cold_share, self.switch_s = wake_s, cold_share, switch_s
        self.cooling_s = cooling_s
        self.free_s, self.cold, self.woke_s, self.now_cold = -math.inf, 0.0, 0.0, 0.0
        self.fans_out, self.serves, self.served_s, self.more_cold_s = False, True, -math.inf, 0.0
        self.keeps, self.flushes = False, False
        self.jobs = simpy.Store(env)
        self.brought = []
        self.count = 0
        self.busy_s = 0.0
        env.process(self.run())

    def put(self, turn):
        """Put a job: its service, or a function that returns it when its turn has come (None: there is
        nothing to do any more) and may `bring` further jobs to be served right after it. Return the event of
        its end."""
        done = self.env.event()
        self.jobs.put((turn, done))
        return done

    def bring(self, turn):
        """Put a job right behind the present one, which is a fan-out."""
        done = self.env.event()
        self.brought.append((turn, done))
        return done

    def cooled(self, slept_s):
        """Return the coldness after a sleep."""
        return 1 - math.exp(-slept_s / self.cooling_s)

    def run(self):
        while True:
            brought = bool(self.brought)
            turn, done = self.brought.pop(0) if brought else (yield self.jobs.get())
            if brought and callable(turn):
                yield self.env.timeout(0)   # what ends with the job before it happens first
            self.fans_out, self.serves, self.more_cold_s, self.keeps, self.flushes = False, True, 0.0, False, False
            took_s = turn() if callable(turn) else turn   # it may set these five
            if took_s is None:
                continue
            slept_s = self.env.now - self.free_s
            if slept_s > 0:
                self.cold, self.woke_s = self.cooled(slept_s), self.env.now
            if not brought or callable(turn):   # what a job brings is served as cold as the job
                self.now_cold = self.cold * math.exp(-(self.env.now - self.woke_s) / WARMING_S)
                if self.fans_out:
                    self.now_cold = max(self.now_cold, self.cooled(self.env.now - self.served_s))
            took_s *= 1 + self.cold_share * self.now_cold
            took_s += self.more_cold_s * self.now_cold + self.switch_s * (slept_s > 0)
            if self.flushes:   # what waking takes it pays here, and not where it took the ticks
                took_s += self.wake_s * self.cooled(self.env.now - self.served_s) * self.fans_out
            elif slept_s > 0 and not self.keeps:
                took_s += self.wake_s * self.cold
            self.count += 1
            low, high = self.window
            self.busy_s += max(0.0, min(self.env.now + took_s, high) - max(self.env.now, low))
            yield self.env.timeout(took_s)
            self.free_s = self.env.now
            if self.serves:
                self.served_s = self.free_s
            done.succeed()
