# SPDX-License-Identifier: GPL-2.0
"""ext4 and xfs: made, filled, trimmed, checked on the other side after an orderly hand-over"""

from mirror import DEVICE, Mirror

TIMEOUT = 400

MAKE = {"ext4": "mkfs.ext4 -q -F {dev}", "xfs": "mkfs.xfs -q -f {dev}"}
CHECK = {"ext4": "e2fsck -f -n {dev}", "xfs": "xfs_repair -n {dev}"}


def hand_over(m, old, new):
    r = old.sh("lockstep demote r0", check=False)
    m.lab.check(r.rc != 0 and "/mnt" in r.text, f"demote while mounted: {r.text}")
    old.sh("umount /mnt && lockstep demote r0")
    r = old.sh(f"dd if=/dev/zero of={DEVICE} bs=4k count=1 oflag=direct", check=False)
    m.lab.check(r.rc != 0 and "Read-only" in r.text, f"write on the secondary: {r.text}")
    new.sh("lockstep promote r0")


def run(lab):
    m = Mirror(lab, size_mib=512)
    m.form()
    here, there = m.a, m.b
    for kind in ("ext4", "xfs"):
        here.sh(MAKE[kind].format(dev=DEVICE) + f" && mkdir -p /mnt && mount {DEVICE} /mnt",
                timeout=120)
        here.sh("mkdir /mnt/files && cp -a /bin/. /mnt/files/ && dd if=/dev/urandom of=/mnt/big "
                "bs=1M count=64 conv=fsync && rm -rf /mnt/files/[a-f]* && fstrim /mnt",
                timeout=200)
        sums = here.sh("cd /mnt && find . -type f | sort | xargs sha256sum | sha256sum", 200).out
        hand_over(m, here, there)
        there.sh(CHECK[kind].format(dev=DEVICE), timeout=200)
        there.sh(f"mkdir -p /mnt && mount {DEVICE} /mnt")
        again = there.sh("cd /mnt && find . -type f | sort | xargs sha256sum | sha256sum", 200).out
        lab.check(sums == again, f"{kind}: files differ on the other side")
        there.sh("umount /mnt")
        here, there = there, here
    m.finish()
