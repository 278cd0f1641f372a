# SPDX-License-Identifier: GPL-2.0
"""flushes that fail on the only copy: the application hears of each, once, wherever the disk is

Nobody else has the data, so the disk is kept. What it has lost cannot be brought back, and the
flush after that succeeds: so whoever writes there must have been told before.
"""

from mirror import LINEAR, MIB, WRITE_ERRORS, Mirror

TIMEOUT = 400


def fsync(lab, m, machine, ok):
    """Of the device. The limit is far beyond any time-out: sent again and again it never ends."""
    r = machine.sh(f"dd if=/dev/zero of={m.device(machine)} count=0 conv=fsync,notrunc",
                   check=False, timeout=60)
    lab.check((r.rc == 0) == ok, f"fsync on {machine.name}: exit code {r.rc}, {r.text}")


def write(m, machine, at_mib, check=True):
    return machine.sh(f"dd if=/dev/urandom of={m.device(machine)} bs=64k count=16 oflag=direct "
                      f"seek={at_mib * 16} conv=notrunc", check=check, timeout=60).rc


def session(m):
    return m.status(m.a)["epoch"]


def through_the_peer(lab, m):
    """The primary has no disk, and the peer's fails: errors, not an end of the session."""
    write(m, m.a, 4)
    m.type(m.a, "lockstep detach r0")
    lab.wait(lambda: m.volume(m.a).get("disk") == "failed", 30, "a has no disk")
    m.wait_link(m.a, up=True)
    write(m, m.a, 6)
    fsync(lab, m, m.a, True)
    write(m, m.a, 8)
    epoch = session(m)
    m.map(m.b, "data", WRITE_ERRORS)
    fsync(lab, m, m.a, False)
    lab.check(write(m, m.a, 10, check=False) != 0, "a write succeeds, and no disk takes it")
    m.map(m.b, "data", LINEAR)
    fsync(lab, m, m.a, True)
    write(m, m.a, 10)
    fsync(lab, m, m.a, True)
    lab.check(session(m) == epoch, f"the session ended for an error: {m.describe()}")
    m.type(m.a, "lockstep attach r0")
    m.wait_synced()


def one_of_ours(lab, m):
    """Alone, and the flush that failed was not the application's: its next one is told."""
    m.type(m.a, "lockstep disconnect r0")
    write(m, m.a, 12)
    m.map(m.a, "data", WRITE_ERRORS)
    r = m.a.sh("lockstep demote r0", check=False)
    lab.check(r.rc == 1 and "flush" in r.text, f"demoted beside a disk that fails: {r.text}")
    m.map(m.a, "data", LINEAR)
    fsync(lab, m, m.a, False)
    fsync(lab, m, m.a, True)
    write(m, m.a, 12)
    fsync(lab, m, m.a, True)
    m.type(m.a, "lockstep connect r0")
    m.wait_synced()


def run(lab):
    m = Mirror(lab, size_mib=64, timeout_ms=3000, meta=True, mapped=True)
    m.form()
    through_the_peer(lab, m)
    one_of_ours(lab, m)
    lab.check(m.volume(m.a)["size_bytes"] >= 60 * MIB, "the volume has shrunk")
    m.finish()
