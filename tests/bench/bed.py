# SPDX-License-Identifier: GPL-2.0
"""The test bed: two machines, what stands on them, and kernel modules that exclude each other.

A target (targets.py) uses:

    bed.a, bed.b            the machines; a is the one that writes
    bed.both(cmd)           on both, at the same time
    bed.slot(target)        its number among the backing's devices
    bed.backing.data(n)     see backing.py
    bed.modules[name]       a Module
"""

import json
import signal
import time

import host

TALLY_LIMIT = 60
CALM = 0.1                             # of the host's processors; more than that is a disturbance


class Module:
    """A kernel module of which only one build can be loaded: two builds are compared by turns.
    load(build) and unload() are shell commands, for both machines."""

    def __init__(self, bed, load, unload):
        self.bed, self.load, self.unload = bed, load, unload
        self.build = None              # that is loaded
        self.users = []                # targets that are set up

    def use(self, build):
        if self.build == build:
            return
        for t in reversed([t for t in self.users if t.build == self.build]):
            t.leave()
        self.drop()
        try:
            self.bed.both(self.load(build))
        except Exception:
            # Half of it may be loaded, and would be taken for another build.
            self.bed.both(self.unload, check=False)
            raise
        self.build = build
        for t in self.users:
            if t.build == build:
                t.enter()

    def drop(self):
        if self.build is not None:
            self.bed.both(self.unload)
            self.build = None


class Bed:
    def __init__(self, lab, pair, cpus, settings):
        self.lab, self.cpus, self.settings = lab, cpus, settings
        self.a, self.b = pair.a, pair.b
        self.backing = None
        self.modules = {}
        self.targets = []              # set up, in that order
        self.slots = {}

    def both(self, cmd, timeout=60, check=True):
        jobs = [m.start(cmd) for m in (self.a, self.b)]
        return [j.wait(timeout, check) for j in jobs]

    def slot(self, target):
        return self.slots.setdefault(target.name, len(self.slots))

    def data(self, target):
        return self.backing.data(self.slot(target))

    def meta(self, target):
        return self.backing.meta(self.slot(target))

    def build_backing(self, backing):
        self.backing, self.slots = backing, {}
        self.both(backing.create(), timeout=120)

    def ready(self, target):
        """Set up, and with its build of a module loaded."""
        if target.module:
            self.modules[target.module].use(target.build)
        if target in self.targets:
            return
        target.setup()
        self.targets.append(target)
        if target.module:
            self.modules[target.module].users.append(target)

    def clear(self):
        """Back to two bare machines."""
        for t in reversed(self.targets):
            if t.module:
                self.modules[t.module].use(t.build)
            t.teardown()
            if t.module:
                self.modules[t.module].users.remove(t)
        self.targets = []
        for m in self.modules.values():
            m.drop()
        if self.backing:
            self.both(self.backing.destroy(), timeout=120)
            self.backing = None

    def calmest(self, work):
        """work()'s figures, of the first of some attempts in which other programs left the host
        alone, or of the one that they disturbed least; and how much they did."""
        tries = []
        while len(tries) < self.settings.tries and (not tries or tries[-1]["foreign"] > CALM):
            before = host.sample([m._p.pid for m in (self.a, self.b)])
            got = dict(work())
            got["foreign"] = host.foreign(before, host.sample(before.pids))
            tries.append(got)
        return min(tries, key=lambda t: t["foreign"])

    def tallied(self, work):
        """work()'s answer, and what both machines did meanwhile, by name."""
        jobs = {m.name: m.start("exec tally") for m in (self.a, self.b)}
        self.lab.wait(lambda: all("ready" in j.err for j in jobs.values()), TALLY_LIMIT,
                      "the tallies have begun", 0.02)
        answer = work()
        for j in jobs.values():
            j.kill(signal.SIGTERM)
        return answer, {n: json.loads(j.wait(TALLY_LIMIT).out) for n, j in jobs.items()}

    def fio(self, machine, job, device, seed):
        """fio's JSON for a job of a file."""
        s = self.settings
        where = f"/run/bench-{job.name}.fio"
        machine.put(job.text.encode(), where)
        env = (f"DEVICE={device} HOT={s.hot_mib}m COLD={s.cold_mib}m SECONDS={s.seconds} "
               f"SEED={seed}")
        return machine.sh(f"{env} fio --output-format=json {where}",
                          timeout=s.seconds * 4 + 120).out

    def warm(self, machine, device):
        """Memory behind the hot part is there, and regions of it are marked, before it counts."""
        machine.sh(f"fio --name=warm --filename={device} --direct=1 --rw=write --bs=1m "
                   f"--size={self.settings.hot_mib}m --ioengine=psync --minimal", timeout=300)

    def until(self, what, seconds, why):
        return self.lab.wait(what, seconds, why, 0.2)

    def settle(self, seconds=0.2):
        time.sleep(seconds)
