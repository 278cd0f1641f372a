# SPDX-License-Identifier: GPL-2.0
"""Commands that have to be refused, typed as a new user would; see cases/refusals.py."""

import hashlib

DATA_MIB = 31                          # before the metadata, which lives while it is attached
GENERAL = "-> journalctl"              # what is said where nothing better is known


def disk_sum(machine, mib):
    """Of the backing file: nothing was changed."""
    machine.sh("sync")
    h = hashlib.sha256()
    with open(machine.disk("data"), "rb") as f:
        for _ in range(mib):
            h.update(f.read(1 << 20))
    return h.hexdigest()


class Tries:
    bad = []                           # of all of a case: told at its end, so that none hides one

    def __init__(self, lab, machine, mib=DATA_MIB + 1):
        self.lab, self.machine, self.mib = lab, machine, mib

    def expect(self, true, why):
        if not true:
            self.bad.append(why)
            self.lab.say(f"BAD: {why}")

    def refused(self, cmd, *words, moves=False):
        """It fails, says these words, and a way out; the disk is as before, unless it moves by
        itself."""
        before = None if moves else disk_sum(self.machine, self.mib)
        r = self.machine.sh(cmd, check=False)
        self.lab.say(f"$ {cmd}\n{r.text.rstrip()}")
        self.expect(r.rc not in (0, 127), f"{cmd}: exit {r.rc}: {r.text}")
        for w in words:
            self.expect(w in r.text, f"{cmd}: does not name {w}: {r.text}")
        self.expect(len(r.text) < 900, f"{cmd}: a flood of words: {r.text}")
        if cmd.startswith("lockstep "):
            self.expect("\n  -> " in r.text, f"{cmd}: no way out: {r.text}")
            self.expect(GENERAL not in r.text, f"{cmd}: a way out of anything: {r.text}")
        self.expect(moves or disk_sum(self.machine, self.mib) == before,
                    f"{cmd}: changed the disk")

    def done(self):
        self.lab.check(not self.bad, f"{len(self.bad)} refusals:\n" + "\n".join(self.bad))
