# SPDX-License-Identifier: GPL-2.0
"""a full resync against one plain TCP stream between the same two machines, as a ratio"""

import re

from mirror import Mirror

TIMEOUT = 600
SIZE_MIB = 256
ROUNDS = 3


class RamMirror(Mirror):
    """The copies are in memory, so that no disk is the limit."""

    def conf_of(self, m):
        return self.conf.replace("/dev/lab/data", "/dev/ram0")

    def load_module(self, m):
        m.sh(f"modprobe brd rd_nr=1 rd_size={SIZE_MIB << 10}")
        super().load_module(m)


def tcp_mib_s(m):
    """One stream from a to b."""
    sink = m.b.start("tcpstream recv 5001")
    m.lab.wait(lambda: "5001" in m.b.sh("ss -ltn").out, 10, "the sink listens")
    rate = float(m.a.sh(f"tcpstream send 10.77.0.2 5001 {SIZE_MIB}", timeout=120).out)
    sink.wait(60)
    return rate


def resync_mib_s(m):
    """b is new: everything is copied. From the kernel's own line."""
    m.b.sh("lockstep down r0; dd if=/dev/zero of=/dev/ram0 bs=1M count=1 conv=notrunc",
           check=False)
    m.b.sh(f"dd if=/dev/zero of=/dev/ram0 bs=1M count=2 seek={SIZE_MIB - 2} conv=notrunc")
    seen = len(m.a.sh("dmesg").out)
    m.b.sh("lockstep init r0; lockstep up r0")
    m.wait_synced(m.a)
    line = re.findall(r"resync finished: .*copied (\d+) KiB in (\d+) ms",
                      m.a.sh("dmesg").out[seen:])
    m.lab.check(line, "the resync said nothing at its end")
    kib, ms = (int(n) for n in line[-1])
    m.lab.check(kib > (SIZE_MIB - 8) << 10, f"only {kib} KiB were copied")
    return kib / 1024 / (ms / 1000)


def run(lab):
    m = RamMirror(lab, size_mib=16, memory=SIZE_MIB + 384)
    m.a.sh("lockstep init r0; lockstep up r0; lockstep promote --force r0")
    m.a.sh("fio --name=fill --filename=/dev/lockstep0 --rw=write --bs=1m --direct=1 "
           "--ioengine=libaio --iodepth=4 --minimal", timeout=300)
    ratios = []
    for _ in range(ROUNDS):
        tcp, resync = tcp_mib_s(m), resync_mib_s(m)
        ratios.append(resync / tcp)
        lab.say(f"TCP {tcp:.1f} MiB/s, resync {resync:.1f} MiB/s, ratio {resync / tcp:.2f}")
    lab.say(f"median ratio {sorted(ratios)[len(ratios) // 2]:.2f}")
