# SPDX-License-Identifier: GPL-2.0
"""What the cases share: a mirror of two machines, driven only by what an administrator would type.

    m = Mirror(lab)                 # two machines with a disk each, booted, daemons running
    m.form()                        # init, up, first synchronisation; a is primary
    m.a, m.b                        # Machine of lab.py
    m.status(m.a)                   # status of r0 as `lockstep status --json` has it
    m.wait_synced(m.a)              # until both copies are up to date
    m.finish()                      # demote, flush, compare both backing disks, check both logs

Every case ends with finish() or says why not: the comparison is made here, on the host, byte by byte,
of the backing files, and never by Lockstep's own means.
"""

import json
import time

CONF = """\
nodes: {{
    a: {{ id = 0; address = "10.77.0.1"; }};
    b: {{ id = 1; address = "10.77.0.2"; }};
}};
volumes: ( {{ number = 0; minor = 0; disk = "/dev/lab/data"; }} );
net: {{ streams = {streams}; timeout_ms = {timeout_ms}; ping_ms = 500; }};
"""

DEVICE = "/dev/lockstep0"
MIB = 1 << 20


class Failure(Exception):
    """A case's own finding; the runner prints it."""


def need(condition, text):
    if not condition:
        raise Failure(text)


class Mirror:
    def __init__(self, lab, size_mib=256, streams=4, timeout_ms=6000, **machine):
        self.lab = lab
        self.size = size_mib * MIB
        self.conf = CONF.format(streams=streams, timeout_ms=timeout_ms)
        self.pair = lab.pair(disks={"data": self.size}, **machine)
        self.a, self.b = self.pair.a, self.pair.b
        self.key = None
        for m in (self.a, self.b):
            self.prepare(m)

    # -- a machine ---------------------------------------------------------------------------------

    def prepare(self, m):
        """After each boot: configuration, key and daemon. Metadata is on the disk."""
        m.sh("mkdir -p /etc/lockstep /run/lockstep")
        m.put_text("/etc/lockstep/r0.conf", self.conf)
        m.put_text("/etc/lockstep/node", m.name + "\n")
        if self.key is None:
            m.sh("lockstep keygen r0")
            self.key = m.sh("cat /etc/lockstep/r0.key").out
        else:
            m.put_text("/etc/lockstep/r0.key", self.key)
            m.sh("chmod 600 /etc/lockstep/r0.key")
        m.sh("modprobe lockstep")
        self.start_daemon(m)

    def start_daemon(self, m):
        m.sh("setsid lockstepd --foreground -v >>/run/lockstepd.log 2>&1 & echo $! >/run/lockstepd.pid")
        self.wait(lambda: m.sh("lockstep status --json", check=False).rc == 0,
                  f"{m.name}: daemon does not answer", 30)

    def kill_daemon(self, m):
        m.sh("kill -9 $(cat /run/lockstepd.pid)")

    def reboot(self, m):
        """Boot a dead machine and join it again."""
        m.boot()
        self.prepare(m)
        m.sh("lockstep up r0")

    def other(self, m):
        return self.b if m is self.a else self.a

    # -- waiting -----------------------------------------------------------------------------------

    @staticmethod
    def wait(condition, what, seconds=60, every=0.2):
        """Until condition() is true; its last value. Deadlines are generous: they only catch hangs."""
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise Failure(f"not within {seconds} s: {what() if callable(what) else what}")
            time.sleep(every)

    def status(self, m, check=True):
        r = m.sh("lockstep status r0 --json", check=check)
        if r.rc:
            return None
        for res in json.loads(r.out)["resources"]:
            if res["name"] == "r0":
                return res
        return None

    def is_synced(self, m):
        s = self.status(m, check=False)
        if not s or s["link"] != "up":
            return False
        return all(v["disk"] == "up-to-date" and v["peer_disk"] == "up-to-date" and
                   v["sync"] == "none" for v in s["volumes"])

    def wait_synced(self, *machines, seconds=240):
        for m in machines or (self.a, self.b):
            self.wait(lambda: self.is_synced(m), lambda: f"in sync on {m.name}; status: "
                      + m.sh("lockstep status r0", check=False).out, seconds, every=0.5)

    def wait_link(self, m, up, seconds=60):
        self.wait(lambda: ((self.status(m, check=False) or {}).get("link") == "up") == up,
                  f"{m.name}: link {'up' if up else 'down'}", seconds)

    # -- the mirror --------------------------------------------------------------------------------

    def form(self, clean=True):
        """A new pair with a as primary; clean=False goes through the first full synchronisation."""
        for m in (self.a, self.b):
            m.sh("lockstep init r0" + (" --clean" if clean else ""))
            m.sh("lockstep up r0")
        if clean:
            self.wait_synced()
            self.a.sh("lockstep promote r0")
        else:
            self.a.sh("lockstep promote --force r0")
            self.wait_synced()

    def promote(self, m):
        """As soon as it may: right after a peer's death the session is still being ended."""
        self.wait(lambda: m.sh("lockstep promote r0", check=False).rc == 0,
                  lambda: f"{m.name}: promote: " + m.sh("lockstep promote r0", check=False).text, 60)

    def data_bytes(self, m):
        return self.status(m)["volumes"][0]["size_bytes"]

    def finish(self, logs=True):
        """Both in sync and closed: then the two backing files hold the same bytes."""
        self.wait_synced()
        size = self.data_bytes(self.a)
        for m in (self.a, self.b):
            m.sh("lockstep demote r0")
        for m in (self.a, self.b):
            m.sh("lockstep down r0; sync")
        self.lab.compare(self.a.disk("data"), self.b.disk("data"), size)
        if logs:
            self.check_logs()

    def check_logs(self):
        for m in (self.a, self.b):
            self.lab.check_log(m)
