# SPDX-License-Identifier: GPL-2.0
"""events: nothing is missed, hooks hear of it in order, and the end of a daemon is said"""

import json

import lab as lab_module
from mirror import DEVICE, Mirror

TIMEOUT = 420
HOOK = """\
#!/bin/sh
echo "$LOCKSTEP_EVENT $LOCKSTEP_RESOURCE/$LOCKSTEP_VOLUME $LOCKSTEP_OLD $LOCKSTEP_NEW" >> /run/NAME
"""


class Stream:
    """What one `lockstep events --json` on m said so far, and whether anything is missing in it."""

    def __init__(self, lab, m):
        self.lab, self.m, self.out = lab, m, "/run/events"
        self.job = m.start(f"lockstep events --json > {self.out} 2> {self.out}.err")
        self.at = 0
        self.lab.wait(lambda: self.lines(), 20, "the stream begins")

    def lines(self):
        text = self.m.sh(f"cat {self.out}", check=False).out
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def until(self, kind, seconds=60, **members):
        """The next line of that kind with these members; the search goes on behind it."""
        def found():
            for i, e in enumerate(self.lines()[self.at:]):
                if e["kind"] == kind and all(e.get(k) == v for k, v in members.items()):
                    self.at += i + 1
                    return e
            return None
        try:
            return self.lab.wait(found, seconds, f"{self.m.name} tells of {kind} {members}", 0.5)
        finally:
            for e in self.lines()[-12:]:
                self.lab.say(" ".join(str(e.get(k)) for k in ("seq", "kind", "old", "new", "code")))

    def check_numbers(self):
        """One more with each change: then nothing was left out."""
        seq = None
        for e in self.lines():
            if e["kind"] not in ("begin", "state", "end"):
                seq += 1
            seq = e["seq"] if seq is None else seq
            self.lab.check(e["seq"] == seq, f"number {e['seq']} where {seq} was due: {e}")


def hooks(m, machine):
    """A configuration with hooks; the two programs are there."""
    for name, what in (("told", "any"), ("lost", "peer_lost")):
        machine.put(HOOK.replace("NAME", what).encode(), f"/run/{name}", mode=0o755)
    conf = m.conf + 'hooks: { any = "/run/told"; peer_lost = "/run/lost"; };\n'
    machine.put(conf.encode(), "/etc/lockstep/r0.conf")


def run(lab):
    m = Mirror(lab, size_mib=64, timeout_ms=2000)
    a, b = m.a, m.b
    for x in (a, b):
        hooks(m, x)
        x.sh("lockstep init r0")
    s = Stream(lab, a)
    for x in (b, a):
        x.sh("lockstep up r0")
    s.until("appeared", resource="r0", volume=0)
    s.until("problem", code="both-blank")
    a.sh("lockstep promote --force r0")
    s.until("role", new="primary")
    s.until("sync-started", volume=0, role="source")
    s.until("sync-done", volume=0)
    m.wait_synced()

    m.pair.cut()
    s.until("link", old="up", new="down")
    a.sh(f"dd if=/dev/urandom of={DEVICE} bs=1M count=4 oflag=direct")
    s.until("io", new="alone")
    m.pair.restore()
    s.until("sync-done", volume=0)
    m.wait_synced()
    a.sh("lockstep verify r0 --wait")
    s.until("verify-done", volume=0)
    s.check_numbers()
    kinds = [e["kind"] for e in s.lines()]
    lab.check("resync" not in kinds, "the kernel's events were lost, at this rate")

    # What the hook heard is what the stream said, in the same order.
    def both():
        told = [line.split()[0] for line in a.sh("cat /run/any").out.splitlines()]
        said = [e["kind"] for e in s.lines() if e["kind"] not in ("begin", "state")]
        return told, [k for k in said if not k.endswith("-progress")]
    try:
        lab.wait(lambda: both()[0] == both()[1], 60, "the hook hears of everything")
    except lab_module.Timeout:
        lab.check(False, "told {}\nsaid {}".format(*both()))
    lab.check(a.sh("cat /run/peer_lost").out.split()[:1] == ["link"], "the hook for a lost peer")
    lab.check(m.status(a)["daemon"]["note"] is None, "a note about hooks that went well")

    # A daemon that dies without a word, and the next one: another stream, the same state.
    stream = s.lines()[0]["stream"]
    m.kill_daemon(a)
    lab.check(s.job.wait(20, check=False).rc == 1, "the stream ends with the daemon")
    lab.check("lockstepd went away" in a.sh("cat /run/events.err").out, "and says so")
    m.start_daemon(a)
    lab.wait(lambda: json.loads(a.sh("lockstep status --json").out)["daemon"], 20, "it answers")
    s = Stream(lab, a)
    lab.check(s.lines()[0]["stream"] != stream, "it is another stream")
    lab.wait(lambda: any(e["kind"] in ("state", "role") for e in s.lines()), 20, "r0 is there")
    s.job.kill()
    s.job.wait(10, check=False)
    m.finish()
