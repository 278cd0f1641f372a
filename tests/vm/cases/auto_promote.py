# SPDX-License-Identifier: GPL-2.0
"""auto_promote: opening for writing promotes, the last close demotes, and one is writer at most

That never two are writers is counted, as in role_changes: each number once, and none missing.
"""

import signal
import time

from fenced import Fenced
from mirror import DEVICE, MIB

TIMEOUT = 900
SECOND = "/dev/lockstep1"
COUNT_S = 20
PLACE_MIB = 24


class Auto(Fenced):
    """With a fencing policy from fenced() on, and without automatic promotion if `on` is off."""
    on = True
    policy = "none"

    def conf_of(self, m):
        return super().conf_of(m) + (f"auto_promote: {'true' if self.on else 'false'};\n")

    def set_up(self, on=True, policy="none"):
        """Another configuration, without disturbing anything."""
        self.on, self.policy = on, policy
        for m in (self.a, self.b):
            m.put(self.conf_of(m).encode(), "/etc/lockstep/r0.conf")
            m.sh("lockstep up r0")

    def is_role(self, m, role, automatic):
        s = self.status(m, check=False) or {}
        return s.get("role") == role and s.get("automatic") is automatic

    def wait_role(self, m, role, automatic=False, seconds=20):
        try:
            self.lab.wait(lambda: self.is_role(m, role, automatic), seconds, f"{m.name} is {role}")
        except Exception:
            self.lab.say(self.describe())
            raise

    def wait_nobody(self):
        for m in (self.a, self.b):
            self.wait_role(m, "secondary")

    def open(self, m, device=DEVICE, mode="<>"):
        """Somebody who opens it and keeps it; see opened()."""
        return m.start(f"exec 3{mode}{device} && echo open && exec sleep 1000")

    def opened(self, job, seconds=20):
        def is_open():
            self.lab.check(job.alive, f"not opened: {job.text}")
            return "open" in job.out
        self.lab.wait(is_open, seconds, f"{job.machine.name} has opened it", 0.05)
        return job

    def waiter(self, m):
        """Somebody who waits in open(), and status says so. It waits for some seconds, in which a
        slow machine does not always get to say it: then another one has to."""
        jobs = []

        def seen():
            jobs.append(self.open(m))
            while jobs[-1].alive:
                if self.status(m)["waits_for"]:
                    return True
                self.lab.check("open" not in jobs[-1].out.split(), f"{m.name} has opened it")
            return False
        self.lab.wait(seen, 30, f"{m.name} says what it waits for")
        return jobs[-1]

    def close(self, job):
        job.kill()
        job.wait(20, check=False)

    def write(self, m, what="/dev/urandom", check=True):
        return m.sh(f"dd if={what} of={DEVICE} bs=4k count=8 oflag=direct", check=check)

    def refused(self, m, word, at_least=0.0, at_most=60.0):
        """Read-only, and why."""
        m.sh("dmesg -C")
        begin = time.monotonic()
        r = self.write(m, check=False)
        took = time.monotonic() - begin
        said = m.sh("dmesg").out
        self.lab.say(f"{m.name}, after {took:.1f} s: " + "".join(
            line for line in said.splitlines(True) if "may not open" in line))
        self.lab.check(r.rc and "Read-only" in r.text, f"not refused: {r.text}")
        self.lab.check(any("may not open" in line and word in line and "lockstep " in
                           line.split(";")[-1] for line in said.splitlines()),
                       f"the log does not say {word} and what to do: {said}")
        if not self.lab_is_slow():
            self.lab.check(at_least <= took <= at_most, f"it took {took:.1f} s")


def one_after_the_other(m):
    a, b = m.a, m.b
    m.wait_nobody()
    holder = m.opened(m.open(a))
    m.wait_role(a, "primary", automatic=True)
    m.lab.check("primary, automatically" in a.sh("lockstep status r0").out, "status does not say")
    m.wait_role(b, "secondary")
    m.refused(b, "on a: lockstep demote r0", at_least=1.5, at_most=8)
    # A reader neither waits nor is refused.
    b.sh(f"dd if={DEVICE} of=/dev/null bs=4k count=1 iflag=direct")
    # In time: the one who waits becomes writer when the other one closes.
    late = m.open(b)
    time.sleep(0.7)
    m.close(holder)
    m.opened(late)
    m.wait_role(b, "primary", automatic=True)
    m.wait_role(a, "secondary")
    m.close(late)
    m.wait_nobody()
    m.write(a)
    m.wait_nobody()
    m.write(b)
    m.wait_nobody()
    # The volumes go together.
    one, two = m.opened(m.open(a)), m.opened(m.open(a, SECOND))
    m.close(one)
    time.sleep(1)
    m.wait_role(a, "primary", automatic=True)
    # A reader keeps it, too.
    reader = m.opened(m.open(a, mode="<"))
    m.close(two)
    time.sleep(1)
    m.wait_role(a, "primary", automatic=True)
    m.close(reader)
    m.wait_nobody()


def filesystem(m):
    m.a.sh(f"mkfs.ext4 -q -F {DEVICE} && mkdir -p /mnt && mount {DEVICE} /mnt", timeout=120)
    m.wait_role(m.a, "primary", automatic=True)
    m.a.sh("echo written on a > /mnt/file && umount /mnt")
    m.wait_nobody()
    m.b.sh(f"mkdir -p /mnt && mount {DEVICE} /mnt")
    m.wait_role(m.b, "primary", automatic=True)
    r = m.b.sh("cat /mnt/file && echo and b >> /mnt/file && umount /mnt")
    m.lab.check("written on a" in r.out, f"not what a wrote: {r.text}")
    m.wait_nobody()


def both_at_once(m):
    jobs = [x.start(f"counter {DEVICE} {PLACE_MIB}") for x in (m.a, m.b)]
    time.sleep(COUNT_S * (3 if m.lab_is_slow() else 1))
    for job in jobs:
        job.kill(signal.SIGTERM)
    each = [[int(n) for n in job.wait(60).out.split()] for job in jobs]
    seen = sorted(each[0] + each[1])
    turns = sum(1 for n in range(1, len(seen)) if (n in set(each[0])) != (n + 1 in set(each[0])))
    m.lab.say(f"counted to {len(seen)}: {len(each[0])} on a, {len(each[1])} on b, "
              f"{turns} changes of sides")
    m.lab.check(seen == list(range(1, len(seen) + 1)), "two writers, or a write that was "
                "acknowledged was not there for the next one")
    m.lab.check(all(each) and turns >= 4, "it did not change sides")
    m.wait_nobody()


def explicit(m):
    """A person's promotion is kept."""
    holder = m.opened(m.open(m.a))
    m.wait_role(m.a, "primary", automatic=True)
    m.a.sh("lockstep promote r0")
    m.wait_role(m.a, "primary")
    m.close(holder)
    time.sleep(2)
    m.wait_role(m.a, "primary")
    m.write(m.a)
    time.sleep(1)
    m.wait_role(m.a, "primary")
    m.a.sh("lockstep demote r0")
    m.wait_nobody()
    # Switched off it is as it was before, at once.
    m.set_up(on=False)
    m.refused(m.a, "this side is secondary", at_most=1.5)
    m.set_up()
    m.write(m.a)
    m.wait_nobody()


def killed(m):
    """While it waits: for the other side to close, and for an answer. It leaves nothing behind."""
    holder = m.opened(m.open(m.a))
    waits = m.waiter(m.b)
    begin = time.monotonic()
    m.close(waits)
    if not m.lab_is_slow():
        m.lab.check(time.monotonic() - begin < 1.2, "the opener could not be killed")
    m.close(holder)
    time.sleep(2)
    m.wait_nobody()
    for _ in range(3):
        m.a.pause()
        waits = m.open(m.b)
        time.sleep(0.3)
        waits.kill()
        time.sleep(0.1)
        m.a.resume()
        waits.wait(20, check=False)
        time.sleep(1)
        m.wait_nobody()
        m.lab.check(not m.status(m.b)["waits_for"], "somebody still waits")
        m.wait_synced()


def taken_down(m):
    """The volume goes while somebody waits in open(), who leaves; neither hangs."""
    holder = m.opened(m.open(m.a))
    for pause in (False, True):
        if pause:
            m.close(holder)
            m.wait_nobody()
            m.a.pause()
        waits = m.open(m.b, SECOND)
        time.sleep(0.4)
        begin = time.monotonic()
        m.b.sh("lockstep down r0", timeout=30)
        took = time.monotonic() - begin
        m.lab.say(f"down took {took:.1f} s")
        # Not only when the opener's time is over.
        m.lab.check(took < 3 or m.lab_is_slow(), "the removal waited for the opener")
        r = waits.wait(20, check=False)
        m.lab.check(r.rc and "open" not in r.out, f"opened what is not there: {r.text}")
        if pause:
            m.a.resume()
        m.b.sh("lockstep up r0")
        m.wait_synced()
    m.wait_nobody()


def cut_off(m):
    """Alone nothing is promoted by opening, with a fencing policy and without."""
    m.pair.cut("both")
    for x in (m.a, m.b):
        m.wait_link(x, up=False)
    m.refused(m.b, "it is in use there is not known; lockstep promote r0", at_most=1.5)
    m.pair.restore("both")
    m.wait_synced()
    m.set_up(policy="outdate")
    m.pair.cut("both")
    for x in (m.a, m.b):
        m.wait_link(x, up=False)
    m.refused(m.b, "whether it goes on is not known", at_most=1.5)
    # b is told that it is behind; a person promotes a, and from then on opening does.
    m.b.sh("lockstep outdate r0", check=False)
    m.refused(m.b, "was told that a goes on without it", at_most=1.5)
    m.answer(m.a, 4)
    m.a.sh("lockstep promote r0")
    m.write(m.a)
    m.wait_io(m.a, "alone")
    m.a.sh("lockstep demote r0")
    holder = m.opened(m.open(m.a))
    m.wait_role(m.a, "primary", automatic=True)
    m.close(holder)
    m.wait_role(m.a, "secondary")
    m.pair.restore("both")
    m.wait_synced()


def run(lab):
    m = Auto(lab, disks={"data": 64 * MIB, "more": 32 * MIB}, timeout_ms=2000)
    for x in (m.a, m.b):
        x.sh("lockstep init r0 --clean && lockstep up r0")
    m.wait_synced()
    for part in (one_after_the_other, filesystem, both_at_once, explicit, killed, taken_down,
                 cut_off):
        lab.say(f"-- {part.__name__}")
        part(m)
    m.finish()
