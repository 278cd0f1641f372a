# SPDX-License-Identifier: GPL-2.0
"""blocks the source cannot read cost a resync only themselves, and are copied once mended"""

import re

from mirror import DEVICE, MIB, Mirror

TIMEOUT = 350
SIZE = 64 * MIB
BAD = (17, 3000, 3001)


def table(bad):
    """The disk with holes."""
    at, lines = 0, []
    for b in sorted(bad):
        if b * 8 > at:
            lines.append(f"{at} {b * 8 - at} linear /dev/lab/data {at}")
        lines.append(f"{b * 8} 8 error")
        at = b * 8 + 8
    lines.append(f"{at} {SIZE // 512 - at} linear /dev/lab/data {at}")
    return "\n".join(lines)


class Holed(Mirror):
    """a's disk can get blocks that cannot be read."""

    def conf_of(self, m):
        return self.conf.replace("/dev/lab/data", "/dev/mapper/holed") if m is self.a else self.conf

    def load_module(self, m):
        if m is self.a:
            m.sh(f"echo '{table([])}' | dmsetup create --noudevsync holed; dmsetup mknodes")
        super().load_module(m)

    def holes(self, bad):
        self.a.sh(f"echo '{table(bad)}' | dmsetup load holed && dmsetup resume --noudevsync holed")


def run(lab):
    lab.allow += [re.compile("I/O error|cannot be read")]
    m = Holed(lab, disks={"data": SIZE})
    m.a.sh("lockstep init r0; lockstep up r0; lockstep promote --force r0")
    m.a.sh(f"fio --name=fill --filename={DEVICE} --rw=write --bs=1m --size=48m --direct=1 "
           "--ioengine=libaio --iodepth=4 --minimal; sync", timeout=120)
    m.holes(BAD)
    m.b.sh("lockstep init r0; lockstep up r0")

    def volume():
        return m.status(m.a)["volumes"][0]
    lab.wait(lambda: volume()["out_of_sync_bytes"] == len(BAD) * 4096, 100,
             "all but the bad blocks is copied")
    lab.check(m.status(m.a)["link"] == "up", "the session has ended")
    lab.check(volume()["sync"]["unreadable_bytes"] == len(BAD) * 4096, str(volume()["sync"]))
    # Mended, they are found by the next try.
    m.holes([])
    m.wait_synced(seconds=90)
    m.finish()
