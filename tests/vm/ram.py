# SPDX-License-Identifier: GPL-2.0
"""A mirror whose copies are in memory, so that no disk is the limit, or such that take some time
for each I/O, as a disk does: for what measures."""

import re

from mirror import Mirror

DELAYED = "/sys/kernel/config/nullb/nullb0"


class RamMirror(Mirror):
    def __init__(self, lab, ram_mib, us=0, **kw):
        """us: what the disks take for an I/O, any number of which are done side by side."""
        self.ram_mib, self.us = ram_mib, us
        self.disk = "/dev/nullb0" if us else "/dev/ram0"
        super().__init__(lab, size_mib=16, memory=ram_mib + 384, **kw)

    def conf_of(self, m):
        return self.conf.replace("/dev/lab/data", self.disk)

    def load_module(self, m):
        if self.us:
            values = {"size": self.ram_mib, "memory_backed": 1, "queue_mode": 2, "irqmode": 2,
                      "completion_nsec": self.us * 1000, "blocksize": 512, "power": 1}
            m.sh(f"modprobe null_blk nr_devices=0; mkdir {DELAYED}; " + "; ".join(
                f"echo {v} >{DELAYED}/{k}" for k, v in values.items()))
        else:
            m.sh(f"modprobe brd rd_nr=1 rd_size={self.ram_mib << 10}")
        super().load_module(m)

    def fill(self):
        """a alone, primary, and full of data that are no zeroes."""
        self.a.sh("lockstep init r0; lockstep up r0; lockstep promote --force r0")
        self.a.sh("fio --name=fill --filename=/dev/lockstep0 --rw=write --bs=1m --direct=1 "
                  "--ioengine=libaio --iodepth=4 --minimal", timeout=300)

    def renew(self, wait=True):
        """b is new: a full resync begins. To wait for that disturbs it a little."""
        self.b.sh(f"lockstep down r0; dd if=/dev/zero of={self.disk} bs=1M count=1 conv=notrunc",
                  check=False)
        self.b.sh(f"dd if=/dev/zero of={self.disk} bs=1M count=2 seek={self.ram_mib - 2} "
                  "conv=notrunc")
        self.seen = len(self.a.sh("dmesg").out)
        self.b.sh("lockstep init r0; lockstep up r0")
        if wait:
            self.lab.wait(lambda: "begins" in self.a.sh("dmesg").out[self.seen:], 30,
                          "the resync begins")

    def copied(self):
        """KiB and ms of the resync that renew() began, by the kernel's own line."""
        line = re.findall(r"resync finished: .*copied (\d+) KiB in (\d+) ms",
                          self.a.sh("dmesg").out[self.seen:])
        self.lab.check(line, "the resync said nothing at its end")
        return tuple(int(n) for n in line[-1])
