# SPDX-License-Identifier: GPL-2.0
"""the role changes sides under load, with link cuts: one writer at any time, nothing is lost

Beside the load, which runs where the primary is, both machines count all the time in one place of
the device, whenever it lets them (guest/counter.c): each number is there once, and none is missing,
only if never two were writers and each saw what the other had written. 200 changes:

    tests/vm/run role_changes --set CHANGES=200
"""

import signal
import time

from fenced import Fenced

TIMEOUT = 1200
SECONDS_PER = ("CHANGES", 60)
PLACE_MIB = 48
DECK = ("swap", "cut", "swap", "cut between")


class Changes:
    def __init__(self, lab):
        self.lab, self.rand = lab, lab.random
        self.m = Fenced(lab, size_mib=64, timeout_ms=1500)
        self.m.tool = "ACKLOAD_MIB=32 ackload"
        self.m.form()
        self.primary = self.m.a
        self.load = None
        self.counters = [x.start(f"counter {self.m.device(x)} {PLACE_MIB}")
                         for x in (self.m.a, self.m.b)]

    def secondary(self):
        return self.m.other(self.primary)

    def start_load(self):
        self.m.snapshot(self.primary)
        self.load = self.m.ackload(self.primary, seed=self.rand.randrange(1 << 31))
        self.m.wait_acks(self.primary, 20)

    def stop_load(self):
        self.lab.check(self.load.alive, f"the load ended: {self.load.text}")
        self.m.stop_load(self.load)
        self.m.check_acks(self.primary, self.primary)

    def demote(self):
        """Between two counts."""
        self.lab.wait(lambda: self.primary.sh("lockstep demote r0", check=False).rc == 0, 60,
                      f"{self.primary.name} is demoted", 0.05)

    def change(self, promote):
        self.stop_load()
        self.demote()
        promote(self.secondary())
        self.primary = self.secondary()
        # What the old primary had acknowledged is there, seen from the new one.
        self.m.check_acks(self.m.other(self.primary), self.primary)
        self.start_load()

    def swap(self):
        self.change(self.m.promote)

    def cut(self):
        """The primary waits, the other one is told that it is primary and becomes none."""
        self.m.answer(self.primary, 5)
        self.m.answer(self.secondary(), 6)
        self.m.pair.cut(self.rand.choice(("both", "ab", "ba")))
        self.m.wait_io(self.primary, "frozen")
        self.m.wait_link(self.secondary(), up=False)
        r = self.secondary().sh("lockstep promote r0", check=False)
        self.lab.check(r.rc == 1, f"two primaries: {r.text}")
        time.sleep(self.rand.uniform(0, 2))
        self.m.pair.restore("both")
        self.m.wait_synced()

    def cut_between(self):
        """Neither is primary; the one that is left behind notes so, and then the other one is."""
        def promote(new):
            old = self.m.other(new)
            self.m.pair.cut("both")
            for x in (old, new):
                self.m.wait_link(x, up=False)
            self.lab.check(old.sh("lockstep outdate r0", check=False).rc == 4, "outdate")
            self.m.answer(new, 4)
            self.m.promote(new)
        self.change(promote)
        self.m.wait_io(self.primary, "alone")
        self.m.pair.restore("both")
        self.m.wait_synced()

    def finish(self):
        self.stop_load()
        seen = []
        for job in self.counters:
            job.kill(signal.SIGTERM)
            r = job.wait(60)
            seen += [int(x) for x in r.out.split()]
        self.lab.say(f"counted to {max(seen)}")
        twice = {n for n in seen if seen.count(n) > 1} if len(seen) != len(set(seen)) else set()
        self.lab.check(not twice, f"two writers: {sorted(twice)[:10]} were counted twice")
        self.lab.check(sorted(seen) == list(range(1, len(seen) + 1)), "a number is missing: a "
                       "write that was acknowledged was not there for the next one")
        self.lab.check(len(seen) > 100, f"only {len(seen)} numbers")
        self.m.finish()


def run(lab):
    c = Changes(lab)
    c.start_load()
    for i in range(lab.setting("CHANGES", 8)):
        what = DECK[i % len(DECK)] if i < len(DECK) else c.rand.choice(DECK)
        lab.say(f"change {i + 1}: {what}, {c.primary.name} is primary")
        getattr(c, what.replace(" ", "_"))()
    c.finish()
