# SPDX-License-Identifier: GPL-2.0
"""a full resync against one plain TCP stream between the same two machines, as a ratio"""

from ram import RamMirror

TIMEOUT = 1500
SIZE_MIB = 2048
ROUNDS = 3


def tcp_mib_s(m):
    """One stream from a to b."""
    sink = m.b.start("tcpstream recv 5001")
    m.lab.wait(lambda: "5001" in m.b.sh("ss -ltn").out, 10, "the sink listens")
    rate = float(m.a.sh(f"tcpstream send 10.77.0.2 5001 {SIZE_MIB}", timeout=120).out)
    sink.wait(60)
    return rate


def resync_mib_s(m):
    m.renew(wait=False)
    # Seldom: each look starts a program on each host, a hundredth of the processor at 4 s.
    m.lab.wait(lambda: m.is_synced(m.a), 300, "the resync ends", 15)
    kib, ms = m.copied()
    m.lab.check(kib > (SIZE_MIB - 8) << 10, f"only {kib} KiB were copied")
    return kib / 1024 / (ms / 1000)


def run(lab):
    m = RamMirror(lab, SIZE_MIB)
    m.fill()
    # A RAM disk takes its memory at the first write: that is none of what a disk does.
    m.b.sh(f"dd if=/dev/zero of={m.disk} bs=1M oflag=direct status=none", check=False, timeout=300)
    ratios = []
    for _ in range(ROUNDS):
        tcp, resync = tcp_mib_s(m), resync_mib_s(m)
        ratios.append(resync / tcp)
        lab.say(f"TCP {tcp:.1f} MiB/s, resync {resync:.1f} MiB/s, ratio {resync / tcp:.2f}")
    lab.say(f"median ratio {sorted(ratios)[len(ratios) // 2]:.2f}")
