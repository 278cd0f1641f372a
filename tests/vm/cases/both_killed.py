# SPDX-License-Identifier: GPL-2.0
"""both killed at once under load: every flushed write is there; how much was compared"""

import re
import time

from checks import compare_disks
from mirror import MIB, Mirror

TIMEOUT = 400
SIZE_MIB, LOAD_MIB = 256, 48


FINISHED = re.compile(r"resync finished: compared (\d+) KiB, copied (\d+) KiB")


def figures(lab, m, began, differed):
    """Only marked regions are compared, only what differs travels: the kernel's last word on it."""
    size = m.status(m.a)["volumes"][0]["size_bytes"]
    seconds = time.monotonic() - began
    # Their consoles go on over a reboot: the last one counts.
    found = [f for x in (m.a, m.b) for f in FINISHED.findall(x.console())[-1:]]
    lab.check(len(found) == 1, f"no resync, or one each way: {found}")
    compared, copied = (int(kib) << 10 for kib in found[0])
    lab.say(f"in sync {seconds:.1f} s after both were up again; compared {compared} bytes "
            f"({100 * compared / size:.1f} % of the volume), copied {copied}, differed {differed}")
    lab.check(copied <= compared < size // 2, "more than the marked regions was compared")
    lab.check(copied == differed, f"{differed} bytes differed and {copied} were copied")


def run(lab):
    m = Mirror(lab, size_mib=SIZE_MIB, timeout_ms=2000, powerloss=True)
    m.tool = f"ACKLOAD_MIB={LOAD_MIB} ackload"
    m.form()
    m.snapshot(m.a)
    m.ackload(m.a, seed=lab.seed)
    m.wait_acks(m.a, 2000)
    for x in (m.a, m.b):
        x.kill_at_once()
    for x in (m.a, m.b):
        lab.say(f"{x.name} killed; {', '.join(x.kill())}")
    _, ranges = compare_disks(m.a.disk("data"), m.b.disk("data"), (SIZE_MIB - 2) * MIB, 1 << 20)
    differed = sum(n for _, n in ranges)
    lab.say(f"{differed} bytes differ, in blocks of 4 KiB")
    m.reboot(m.a, m.b)
    began = time.monotonic()
    m.wait_synced(seconds=200)
    figures(lab, m, began, differed)
    m.promote(m.a)
    lab.say(m.check_acks(m.a, m.a, "flushed"))
    m.finish()
