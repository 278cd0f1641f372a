# SPDX-License-Identifier: GPL-2.0
"""errors, delays and stops of data and metadata disks of either node, under load: nothing is lost

The load on the primary never sees an error and goes on within seconds, wherever the fault is. A
disk that was given up comes back by `lockstep attach`, and only what was written meanwhile is
copied. `--set ALL=1` tries every fault at every place.
"""

import time

from mirror import ERROR, LINEAR, MIB, WRITE_ERRORS, Mirror

TIMEOUT = 1200
SECONDS_PER = ("ALL", 1500)            # of 16 faults instead of 6
SIZE_MIB, LOAD_MIB = 256, 24
STOP_S = 4

FAULTS = ("error", "write errors", "delay", "stop")
PLACES = tuple((who, what) for who in ("primary", "secondary") for what in ("data", "data-meta"))
SHORT = (("primary", "data", "write errors"), ("secondary", "data", "error"),
         ("primary", "data-meta", "error"), ("secondary", "data-meta", "write errors"),
         ("primary", "data", "stop"), ("secondary", "data-meta", "delay"))


def goes_on(lab, m, job, seconds=40):
    """The load gets on: acknowledgements come."""
    lab.check(job.alive, f"the load ended: {job.text}")
    m.wait_acks(m.a, len(m.acks(m.a)) // 16 + 50, seconds)


def use_metadata(m, victim):
    """Metadata is written when something changes, and not for each write of the load."""
    if victim is m.a:
        # The first write to a region: zeroes where there are zeroes.
        victim.sh(f"dd if=/dev/zero of={m.device(victim)} bs=4k count=1 oflag=direct "
                  f"seek={(SIZE_MIB - 16) * 256}")
    else:
        victim.sh("lockstep disconnect r0; lockstep connect r0", check=False)


def gives_up(lab, m, job, victim, disk, target):
    """A fault after which the disk counts for nothing, until it is attached again."""
    m.map(victim, disk, target)
    if disk == "data-meta":
        use_metadata(m, victim)
    lab.wait(lambda: m.volume(victim).get("disk") == "failed", 40,
             f"{victim.name} gives its disk up")
    goes_on(lab, m, job)
    r = victim.sh("lockstep status r0", check=False)
    lab.check("attach" in r.text, f"{victim.name}'s status does not say what to do:\n{r.text}")
    lab.say(f"{m.volume(m.other(victim)).get('out_of_sync_bytes')} bytes out of sync")
    m.map(victim, disk, LINEAR)
    m.type(victim, "lockstep attach r0")

    copied = []

    def synced():
        sync = m.volume(m.a).get("sync") or {}
        copied.append(sync.get("copied_bytes") or 0)
        return m.is_synced(m.a) and m.is_synced(m.b)
    lab.wait(synced, 120, f"the disk of {victim.name} is a copy again")
    lab.check(max(copied) < SIZE_MIB * MIB // 2, f"{max(copied)} bytes were copied")


def holds_up(lab, m, job, victim, disk, fault):
    """Slow, or not answering for a while: no disk is given up for it."""
    if fault == "delay":
        m.map(victim, disk, "delay {dev} 0 300")
        goes_on(lab, m, job, 60)
        m.map(victim, disk, LINEAR)
    else:
        victim.sh(f"dmsetup suspend --nolockfs {disk}")
        time.sleep(STOP_S)
        victim.sh(f"dmsetup resume --noudevsync {disk}")
    goes_on(lab, m, job)
    lab.check(m.volume(victim).get("disk") == "up-to-date", f"{victim.name}: {m.describe()}")


def one(lab, m, nr, who, disk, fault):
    victim = m.a if who == "primary" else m.b
    lab.say(f"{fault} on the {disk} disk of the {who}")
    m.snapshot(m.a)
    job = m.ackload(m.a, seed=lab.seed + nr)
    m.wait_acks(m.a, 100)
    if fault in ("error", "write errors"):
        gives_up(lab, m, job, victim, disk, ERROR if fault == "error" else WRITE_ERRORS)
    else:
        holds_up(lab, m, job, victim, disk, fault)
    m.wait_synced()
    lab.check(job.alive, f"the load ended: {job.text}")
    m.stop_load(job)
    lab.say(m.check_acks(m.a, m.a))
    m.quiet()


def run(lab):
    m = Mirror(lab, size_mib=SIZE_MIB, timeout_ms=3000, meta=True, mapped=True)
    m.tool = f"ACKLOAD_MIB={LOAD_MIB} ackload"
    m.form()
    work = [(*p, f) for p in PLACES for f in FAULTS] if lab.setting("ALL", 0) else SHORT
    for nr, (who, disk, fault) in enumerate(work):
        one(lab, m, nr, who, disk, fault)
    m.finish()
