# SPDX-License-Identifier: GPL-2.0
"""fencing: a primary that loses its peer waits for the outcome, and goes on, or not, by that"""

import time

from fenced import Fenced
from mirror import DEVICE

TIMEOUT = 1200


class Case:
    def __init__(self, lab):
        self.lab = lab
        self.m = Fenced(lab, size_mib=64, timeout_ms=1500)
        self.a, self.b = self.m.a, self.m.b
        self.load = None

    def start(self, seed):
        self.load = self.m.ackload(self.a, seed=seed)
        self.m.wait_acks(self.a, 50)

    def stop(self):
        self.lab.check(self.load.alive, f"the load ended: {self.load.text}")
        self.m.stop_load(self.load)
        self.lab.say(self.m.check_acks(self.a, self.a))

    def cut(self):
        """The session ends; with that everything waits."""
        self.m.pair.cut("both")
        self.m.wait_io(self.a, "frozen")
        s = self.m.status(self.a)
        self.lab.check(s["unfenced"], f"frozen, and does not say why: {s}")

    def still(self, seconds=3):
        """Nothing is acknowledged in all this time."""
        before = len(self.m.acks(self.a))
        time.sleep(seconds)
        self.lab.check(len(self.m.acks(self.a)) == before, "a write completed while frozen")

    def goes_on(self):
        """More is acknowledged than there was."""
        self.m.wait_acks(self.a, len(self.m.acks(self.a)) // 16 + 50)

    def heal(self):
        self.m.pair.restore("both")
        self.m.wait_synced()

    def back_in_time(self):
        """No outcome, and the peer is back: nothing is lost, nobody went on alone."""
        self.m.answer(self.a, 9)
        self.cut()
        mend = self.m.problem(self.a, "/run/fence", "exit code 9")
        self.lab.check("lockstep resume r0" in mend, f"no way out: {mend}")
        # A read, too: what is here may be the past.
        read = self.a.start(f"dd if={DEVICE} of=/dev/null bs=4k count=1 iflag=direct")
        self.still()
        self.lab.check(read.alive, f"a read was answered while frozen: {read.text}")
        self.lab.check(self.m.status(self.a)["waits_for"], "the wait has no name")
        self.heal()
        read.wait(30)
        self.goes_on()

    def peer_is_primary(self):
        self.m.answer(self.a, 6)
        self.cut()
        self.m.problem(self.a, "b is primary")
        self.still()
        # A daemon that comes back finds the kernel waiting, and asks again.
        self.m.kill_daemon(self.a)
        self.still(1)
        self.m.answer(self.a, 7)
        runs = len(self.m.runs(self.a))
        self.m.start_daemon(self.a)
        self.m.wait_io(self.a, "alone")
        self.lab.check(len(self.m.runs(self.a)) > runs, "the program did not run again")
        self.goes_on()
        self.heal()

    def by_hand(self):
        """The program fails; b is outdated by hand, and a resumed."""
        self.m.answer(self.a, 5)
        self.cut()
        self.m.problem(self.a, "cannot be reached")
        self.still(1)
        self.m.wait_link(self.b, up=False)
        self.lab.check(self.b.sh("lockstep outdate r0", check=False).rc == 4, "outdate on b")
        self.lab.check(self.a.sh("lockstep outdate r0", check=False).rc == 6, "outdate on a")
        r = self.b.sh("lockstep promote r0", check=False)
        self.lab.check(r.rc == 1 and "a goes on without it" in r.text, f"outdated: {r.text}")
        self.a.sh("lockstep resume r0")
        self.m.wait_io(self.a, "alone")
        self.goes_on()
        # It is on the disk: a restart forgets nothing.
        self.b.sh("lockstep down r0; lockstep up r0")
        self.lab.check(self.m.volume(self.b)["disk"] == "outdated", "b forgot that it is outdated")
        self.heal()

    def left_behind(self):
        """b is closed in good order beside a primary, and comes back alone."""
        self.m.answer(self.a, 4)
        self.b.sh("lockstep down r0")
        self.m.wait_io(self.a, "alone")
        self.goes_on()
        self.stop()
        self.m.pair.cut("both")
        self.lab.check(self.b.sh("lockstep outdate r0", check=False).rc == 4, "as good as outdated")
        self.b.sh("lockstep up r0")
        r = self.b.sh("lockstep promote r0", check=False)
        self.lab.say(r.text)
        self.lab.check(r.rc == 1 and "a was primary when last heard" in r.text and
                       "--force" in r.text, f"promoted, or no reason: {r.text}")
        self.heal()

    def promoted_alone(self):
        """After the primary's death: by the outcome, which is asked for first."""
        self.start(seed=2)
        self.a.kill()
        self.m.wait_link(self.b, up=False)
        self.m.answer(self.b, 6)
        r = self.b.sh("lockstep promote r0", check=False)
        self.lab.check(r.rc == 1 and "a is primary" in r.text, f"beside a primary: {r.text}")
        self.m.answer(self.b, 7)
        self.b.sh("lockstep promote r0")
        self.lab.say(self.m.check_acks(self.a, self.b))
        self.m.reboot(self.a)
        self.m.wait_synced()


def run(lab):
    c = Case(lab)
    c.m.form()
    c.start(seed=1)
    c.back_in_time()
    c.peer_is_primary()
    c.by_hand()
    c.left_behind()
    words = set(c.m.runs(c.a))
    lab.check(words == {"r0 b 10.77.0.2"}, f"the program was told {words}")
    c.promoted_alone()
    c.m.finish()
