# SPDX-License-Identifier: GPL-2.0
"""killed, cut and paused at random under load, on disks that lose what was not flushed

Each round does one of DECK to a mirror under load, at a random moment, and mends it the way an
administrator would. Then every acknowledged write is there, if a copy survived, or every flushed
one, if none did; nothing else has changed; and the two disks hold the same bytes. A hundred rounds:

    tests/vm/run rounds --set ROUNDS=100

and the same ones again with --set SEED=..., which a failure prints.
"""

import time

from mirror import Mirror

TIMEOUT = 600
SECONDS_PER = ("ROUNDS", 90)
DECK = ("kill primary", "kill secondary", "kill both", "cut", "cut one way", "pause")
LOAD_S = 3600
BESIDE_S = 20


class Rounds:
    def __init__(self, lab):
        self.lab, self.rand = lab, lab.random
        self.nr = lab.setting("ROUNDS", len(DECK))
        # Long after the others' timeout, and in the short version just after it.
        self.pause_s = 20 if self.nr > len(DECK) else 5
        self.m = Mirror(lab, size_mib=64, timeout_ms=2000, powerloss=True)
        self.m.form()
        self.primary = self.m.a
        self.load = None

    def secondary(self):
        return self.m.other(self.primary)

    def start_load(self, seed):
        self.m.snapshot(self.primary)
        self.load = self.m.ackload(self.primary, seed=seed, seconds=LOAD_S)

    def stop_load(self):
        """The load saw no error, and all of it is there."""
        self.lab.check(self.load.alive, f"the load ended: {self.load.text}")
        self.m.stop_load(self.load)
        self.lab.say(self.m.check_acks(self.primary, self.primary))

    def kill(self, *machines):
        for x in machines:
            self.lab.say(f"{x.name} killed; {', '.join(x.kill())}")

    def kill_primary(self):
        m, old = self.m, self.primary
        self.kill(old)
        self.primary = m.other(old)
        m.wait_link(self.primary, up=False)
        m.promote(self.primary)
        self.lab.say(m.check_acks(old, self.primary))
        # Life goes on, while the old primary becomes a copy again.
        self.start_load(self.rand.randrange(1 << 31, 1 << 32))
        m.reboot(old)

    def kill_secondary(self):
        victim = self.secondary()
        self.kill(victim)
        self.m.wait_link(self.primary, up=False)
        time.sleep(self.rand.uniform(0, 3))
        self.m.reboot(victim)

    def kill_both(self):
        m, old = self.m, self.primary
        both = [m.a, m.b]
        self.rand.shuffle(both)
        both[0].kill_at_once()
        time.sleep(self.rand.choice((0, 0, self.rand.uniform(0, 0.5))))
        self.kill(*both)
        m.reboot(*both)
        m.wait_synced()
        self.primary = self.rand.choice(both)
        m.promote(self.primary)
        self.lab.say(m.check_acks(old, self.primary, "flushed"))
        self.start_load(self.rand.randrange(1 << 31, 1 << 32))

    def cut(self, which="both"):
        self.lab.say(f"cut {which}")
        self.m.pair.cut(which)
        time.sleep(self.rand.uniform(0.5, 5))
        self.m.pair.restore(which)

    def cut_one_way(self):
        self.cut(self.rand.choice(("ab", "ba")))

    def pause(self):
        victim = self.rand.choice((self.m.a, self.m.b))
        self.lab.say(f"{victim.name} paused for {self.pause_s} s")
        victim.pause()
        time.sleep(self.pause_s)
        victim.resume()

    def beside_load(self):
        """The mirror is made good under the load, but not for minutes: one that never pauses, on
        emulated machines, holds what is copied at its floor."""
        m, end = self.m, time.monotonic() + BESIDE_S
        while time.monotonic() < end and not (m.is_synced(m.a) and m.is_synced(m.b)):
            time.sleep(0.5)

    def round(self, n, what):
        m = self.m
        self.start_load(n + 1)
        m.wait_acks(self.primary, self.rand.randrange(20, 1500))
        self.lab.say(f"round {n + 1}: {what}, {self.primary.name} is primary")
        getattr(self, what.replace(" ", "_"))()
        self.beside_load()
        self.stop_load()
        m.wait_synced(seconds=180)
        m.quiet()

    def run(self):
        deck = []
        for n in range(self.nr):
            if not deck:
                deck = list(DECK)
                self.rand.shuffle(deck)
            self.round(n, deck.pop())
        self.m.finish()


def run(lab):
    lab.say(f"seed {lab.seed}")
    Rounds(lab).run()
