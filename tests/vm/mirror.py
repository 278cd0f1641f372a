# SPDX-License-Identifier: GPL-2.0
"""What the cases share: a mirror of two machines, driven only by what an administrator would type.

    m = Mirror(lab)                 # two machines with a disk each, booted, daemons running
    m.form()                        # init, up, first synchronisation; a is primary
    m.a, m.b                        # Machine of lab.py
    m.status(m.a)                   # status of r0 as `lockstep status --json` has it
    m.wait_synced(m.a)              # until both copies are up to date
    m.finish()                      # demote, down, compare both backing disks

Every case ends with finish() or says why not: the comparison is made here, on the host, byte by
byte, of the backing files, and never by Lockstep's own means. The lab checks the kernel logs.
"""

import json
import signal

import lab as lab_module

CONF = """\
nodes: {{
    a: {{ id = 0; address = "10.77.0.1"; }};
    b: {{ id = 1; address = "10.77.0.2"; }};
}};
volumes: (
{volumes}
);
net: {{ streams = {streams}; timeout_ms = {timeout_ms}; ping_ms = 500; }};
"""

DEVICE = "/dev/lockstep0"
MIB = 1 << 20
# Tables for Mirror.map().
LINEAR, ERROR = "linear {dev} 0", "error"
WRITE_ERRORS = "flakey {dev} 0 0 3600 1 error_writes"


class Mirror:
    tool = "ackload"                   # or "ACKLOAD_MIB=32 ackload"; see guest/ackload.c
    meta_mib = 8                       # metadata on a disk of its own

    def __init__(self, lab, size_mib=256, streams=4, timeout_ms=6000, disks=None, meta=False,
                 mapped=False, **machine):
        """disks={name: bytes}: one volume each, in this order; {"data": size_mib} if not given.
        meta: each volume's metadata is on a disk of its own, NAME-meta. mapped: all disks are
        device-mapper devices, whose tables can be changed under the mirror, see map()."""
        self.lab = lab
        self.disks = disks = disks or {"data": size_mib * MIB}
        self.mapped = mapped
        if self.lab_is_slow():
            timeout_ms *= 2
        have = dict(disks)
        if meta:
            have.update({f"{name}-meta": self.meta_mib * MIB for name in disks})
        where = "/dev/mapper" if mapped else "/dev/lab"
        self.conf = CONF.format(streams=streams, timeout_ms=timeout_ms, volumes=",\n".join(
            f'    {{ number = {i}; minor = {i}; disk = "{where}/{name}"; '
            + (f'meta = "{where}/{name}-meta"; ' if meta else "") + "}"
            for i, name in enumerate(disks)))
        self.pair = lab.pair(disks=have, **machine)
        self.a, self.b = self.pair.a, self.pair.b
        self.key = self.snap = None
        for m in (self.a, self.b):
            self.prepare(m)

    # What is otherwise where there are no machines; see here.py.

    def device(self, m, volume=0):
        return f"/dev/lockstep{volume}"

    def conf_of(self, m):
        return self.conf

    def acks_port(self, m):
        return lab_module.ACKS

    def load_module(self, m):
        m.sh("modprobe lockstep")

    def lab_is_slow(self):
        """The debug kernel takes some times as long for everything."""
        return getattr(self.lab, "debug", False)

    # -- a machine ---------------------------------------------------------------------------------

    def type(self, m, cmd, **kw):
        """What an administrator would type. The demo shows it."""
        return m.sh(cmd, **kw)

    def prepare(self, m):
        """After each boot: configuration, key and daemon. Metadata is on the disk."""
        m.sh("mkdir -p /etc/lockstep /run/lockstep")
        if self.mapped:
            m.sh("modprobe -a dm_mod dm_flakey dm_delay")
            for name, d in m.disks.items():
                m.sh(f"dmsetup create {name} --noudevsync --table "
                     f"'{self.table(d, 'linear {dev} 0')}' && dmsetup mknodes {name}")
        m.put(self.conf_of(m).encode(), "/etc/lockstep/r0.conf")
        m.put(m.name.encode() + b"\n", "/etc/lockstep/node")
        if self.key is None:
            self.type(m, "lockstep keygen r0")
            self.key = m.get("/etc/lockstep/r0.key")
        else:
            m.put(self.key, "/etc/lockstep/r0.key", mode=0o600)
        self.load_module(m)
        self.start_daemon(m)

    @staticmethod
    def table(disk, target):
        return f"0 {disk.size // 512} " + target.format(dev=disk.dev)

    def map(self, m, name, target):
        """Another table for a mapped disk: "error", "linear {dev} 0", "delay {dev} 0 500"; see
        LINEAR and the like."""
        table = self.table(m.disks[name], target)
        m.sh(f"dmsetup load {name} --table '{table}' && dmsetup suspend --nolockfs {name} && "
             f"dmsetup resume --noudevsync {name}")

    def start_daemon(self, m):
        m.sh("setsid lockstepd --foreground -v >>/run/lockstepd.log 2>&1 </dev/null & "
             "echo $! >/run/lockstepd.pid")
        self.lab.wait(lambda: m.sh("test -S /run/lockstep/lockstepd.sock && lockstep status",
                                   check=False).rc == 0, 30, f"{m.name}: the daemon answers")

    def kill_daemon(self, m):
        m.sh("kill -9 $(cat /run/lockstepd.pid)")

    def reboot(self, *machines):
        """Boot dead machines and join them again."""
        if len(machines) == 1:
            machines[0].boot()
        else:
            for m in machines:
                m.power_on()
            for m in machines:
                m.wait_boot()
        for m in machines:
            self.prepare(m)
            self.type(m, "lockstep up r0")

    def other(self, m):
        return self.b if m is self.a else self.a

    # -- waiting -----------------------------------------------------------------------------------

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
                   v["sync"]["state"] == "none" for v in s["volumes"])

    def sync_left(self, m):
        """Bytes still to be copied, of all volumes; infinite while there is no resync."""
        s = self.status(m, check=False) or {"volumes": []}
        left = [v["sync"]["left_bytes"] for v in s["volumes"] if "left_bytes" in v["sync"]]
        return sum(left) if left else float("inf")

    def wait_synced(self, *machines, seconds=120):
        """seconds: without a block copied. Beside a load that never pauses a resync is held at its
        floor, and how long it takes is then a matter of how busy this host is."""
        for m in machines or (self.a, self.b):
            try:
                self.lab.wait(lambda: self.is_synced(m), seconds, f"{m.name} is in sync", 0.5,
                              left=lambda: self.sync_left(m))
            except lab_module.Timeout as late:
                raise lab_module.CheckError(f"{late}\n" + self.describe()) from None

    def wait_link(self, m, up, seconds=60):
        self.lab.wait(lambda: ((self.status(m, check=False) or {}).get("link") == "up") == up,
                      seconds, f"{m.name}: link {'up' if up else 'down'}")

    def describe(self):
        """What both sides say of themselves, for a failure's report."""
        return "\n".join(f"{m.name}:\n" + m.sh("lockstep status r0; tail -n 15 /run/lockstepd.log",
                                               check=False).text
                         for m in (self.a, self.b) if m.alive)

    def volume(self, m, nr=0):
        """What the status says of a volume; {} if nothing."""
        return ((self.status(m, check=False) or {}).get("volumes") or [{}])[nr]

    # -- the mirror --------------------------------------------------------------------------------

    def form(self, clean=True):
        """A new pair with a as primary; clean=False goes through the first full synchronisation."""
        for m in (self.a, self.b):
            self.type(m, "lockstep init r0" + (" --clean" if clean else ""))
            self.type(m, "lockstep up r0")
        if clean:
            self.wait_synced()
            self.type(self.a, "lockstep promote r0")
        else:
            self.type(self.a, "lockstep promote --force r0")
            self.wait_synced()

    def promote(self, m):
        """As soon as it may: right after a peer's death the session is still being ended."""
        said = []

        def done():
            r = m.sh("lockstep promote r0", check=False)
            said[:] = [r.text]
            return r.rc == 0
        try:
            self.lab.wait(done, 60, "promoted")
        except lab_module.Timeout:
            raise lab_module.CheckError(f"{m.name} is not promoted: {said[0]}") from None

    def finish(self):
        """Both in sync and closed: then the two backing files hold the same bytes."""
        self.wait_synced()
        sizes = [v["size_bytes"] for v in self.status(self.a)["volumes"]]
        for m in (self.a, self.b):
            m.sh("lockstep demote r0")
        for m in (self.a, self.b):
            m.sh("lockstep down r0; sync")
        self.compare(sizes)

    def quiet(self):
        """In sync, and nobody writes: so it is with both still up."""
        self.wait_synced()
        self.compare([v["size_bytes"] for v in self.status(self.a)["volumes"]])

    def compare(self, sizes):
        for (disk, whole), size in zip(self.disks.items(), sizes, strict=True):
            self.lab.check(size > whole // 2, f"a volume of {size} bytes on {disk}")
            self.lab.same(self.a.disk(disk), self.b.disk(disk), size)

    # -- load --------------------------------------------------------------------------------------

    def ackload(self, m, seed, seconds=600, threads=8):
        """Writes whose acknowledgements are recorded outside the machine; see guest/ackload.c."""
        self.acks_begin, self.seed = len(m.acks()), seed
        return m.start(f"{self.tool} write {self.device(m)} {self.acks_port(m)} {seed} {seconds} "
                       f"{threads}")

    def acks(self, m):
        """The records of the present load."""
        return m.acks()[self.acks_begin:]

    def wait_acks(self, m, nr, seconds=120):
        self.lab.wait(lambda: len(self.acks(m)) >= 16 * nr, seconds, f"{nr} acknowledged writes")

    def stop_load(self, job):
        """In good order: nothing is in flight, and each record is there."""
        job.kill(signal.SIGTERM)
        job.wait(60)

    def snapshot(self, m):
        """What the device holds, before a load; for check_acks."""
        m.sh(f"{self.tool} snap {self.device(m)} /run/snapshot", timeout=120)
        self.snap = m.get("/run/snapshot", timeout=120)

    def check_acks(self, dead, survivor, kind="acked"):
        """Every write that was acknowledged on `dead` is on `survivor`; with kind "flushed", those
        that were acknowledged before a flush that was acknowledged."""
        acks = self.acks(dead)
        survivor.put(acks[:len(acks) // 16 * 16], "/run/records", timeout=120)
        cmd = f"{self.tool} check {self.device(survivor)} /run/records {self.seed} {kind}"
        if self.snap:
            survivor.put(self.snap, "/run/snapshot", timeout=120)
            cmd += " /run/snapshot"
        r = survivor.sh(cmd, timeout=300, check=False)
        self.lab.check(r.rc == 0, f"{kind} writes are lost:\n" + r.text[-2000:])
        return r.out.strip()
