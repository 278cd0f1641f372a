# SPDX-License-Identifier: GPL-2.0
"""both killed at once under load: every flushed write is there; how much was compared"""

import time

from checks import compare_disks
from mirror import MIB, Mirror

TIMEOUT = 400
SIZE_MIB = 256


def figures(lab, m, began):
    s = m.status(m.a)["volumes"][0]
    sync = s["sync"]
    said = {k: sync[k] for k in ("compared_bytes", "copied_bytes") if k in sync}
    lab.say(f"in sync {time.monotonic() - began:.1f} s after both were up again; "
            + (", ".join(f"{k} {v} ({100 * v / s['size_bytes']:.1f} % of the volume)"
                         for k, v in said.items()) or "the status has no figures"))


def run(lab):
    m = Mirror(lab, size_mib=SIZE_MIB, timeout_ms=2000, powerloss=True)
    m.form()
    m.snapshot(m.a)
    m.ackload(m.a, seed=lab.seed)
    m.wait_acks(m.a, 2000)
    for x in (m.a, m.b):
        x.kill_at_once()
    for x in (m.a, m.b):
        lab.say(f"{x.name} killed; {', '.join(x.kill())}")
    _, ranges = compare_disks(m.a.disk("data"), m.b.disk("data"), (SIZE_MIB - 2) * MIB, 1 << 20)
    lab.say(f"{sum(n for _, n in ranges)} bytes differ, in blocks of 4 KiB")
    m.reboot(m.a, m.b)
    began = time.monotonic()
    m.wait_synced(seconds=200)
    figures(lab, m, began)
    m.promote(m.a)
    lab.say(m.check_acks(m.a, m.a, "flushed"))
    m.finish()
