# SPDX-License-Identifier: GPL-2.0
"""two volumes in one resource go together; both sides promoted at once: one wins"""

from mirror import Mirror

TIMEOUT = 400

FIO = ("fio --name=x --filename=/dev/lockstep{n} --direct=1 --ioengine=libaio --rw=randwrite "
       "--bs=4k-64k --iodepth=8 --size=16m --verify=crc32c --verify_fatal=1 --minimal")


def race(lab, m):
    """Neither is primary, both ask at the same instant."""
    jobs = [x.start("lockstep promote r0") for x in (m.a, m.b)]
    rcs = [j.wait(60, check=False).rc for j in jobs]
    roles = [m.status(x)["role"] for x in (m.a, m.b)]
    lab.say(f"promote on both at once: exit {rcs}, roles {roles}")
    lab.check(roles.count("primary") <= 1, f"two primaries: {roles}")
    lab.check([r == "primary" for r in roles] == [rc == 0 for rc in rcs],
              f"exit codes {rcs} do not fit the roles {roles}")
    for x in (m.a, m.b):
        x.sh("lockstep demote r0")


def half_a_disk(lab, m):
    """One of the primary's two disks is given up under load on the other: the peer serves both."""
    job = m.a.start(FIO.format(n=0) + " --loops=4")
    m.a.sh("sleep 2; lockstep detach r0 --volume 1")
    job.wait(180)
    m.a.sh(FIO.format(n=1), timeout=120)
    lab.check(m.status(m.a)["io"] == "both", "it does not work through the peer")
    m.a.sh("lockstep attach r0")
    m.wait_synced()
    lab.say("a primary without one of its disks went on, and has both again")


def run(lab):
    m = Mirror(lab, timeout_ms=3000, disks={"data": 64 << 20, "more": 48 << 20})
    m.form(clean=False)
    jobs = [m.a.start(FIO.format(n=n)) for n in (0, 1)]
    for j in jobs:
        j.wait(120)
    half_a_disk(lab, m)
    m.ackload(m.a, seed=3)
    m.wait_acks(m.a, 200)
    m.a.kill()
    m.wait_link(m.b, up=False)
    m.promote(m.b)
    lab.say(m.check_acks(m.a, m.b))
    m.b.sh(FIO.format(n=1), timeout=120)
    m.reboot(m.a)
    m.wait_synced()
    m.b.sh("lockstep demote r0")
    for _ in range(5):
        race(lab, m)
    m.finish()
