# SPDX-License-Identifier: GPL-2.0
"""module: unload refused while in use, clean when not; /dev node goes and comes back"""

from mirror import DEVICE, Mirror


def run(lab):
    m = Mirror(lab, size_mib=64)
    m.form()
    m.a.sh(f"dd if=/dev/urandom of={DEVICE} bs=64k count=64 oflag=direct")
    r = m.a.sh("rmmod lockstep", check=False)
    lab.check(r.rc != 0 and "in use" in r.text, f"rmmod: {r.text}")
    # An opener keeps it, and is named.
    opener = m.a.start(f"exec sleep 60 <{DEVICE}")
    lab.wait(lambda: m.status(m.a)["volumes"][0]["openers"] == 1, 10, "sleep has it open")
    for verb in ("demote", "down"):
        r = m.a.sh(f"lockstep {verb} r0", check=False)
        lab.check(r.rc != 0 and "(pid" in r.text, f"{verb}: {r.text}")
    opener.kill()
    opener.wait(10, check=False)
    for _ in range(3):
        for x in (m.a, m.b):
            x.sh("lockstep down r0")
            r = x.sh(f"test -e {DEVICE}", check=False)
            lab.check(r.rc != 0, f"{x.name}: {DEVICE} is still there")
            x.sh("rmmod lockstep && modprobe lockstep")
        for x in (m.a, m.b):
            x.sh("lockstep up r0")
        m.wait_synced()
    m.finish()
