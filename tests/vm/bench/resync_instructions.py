# SPDX-License-Identifier: GPL-2.0
"""instructions for each block of a full resync and of one plain TCP stream, on both machines: does
not depend on what else the host does; PROFILE=file adds the functions they lie in"""

import os
import sys

from ram import RamMirror

sys.path.append(os.path.join(os.path.dirname(__file__), "../../bench"))
import instructions  # noqa: E402

TIMEOUT = 900
SIZE_MIB = 224
BLOCKS = SIZE_MIB << 8


def tcp(m):
    sink = m.b.start("tcpstream recv 5001")
    m.lab.wait(lambda: "5001" in m.b.sh("ss -ltn").out, 60, "the sink listens")
    m.a.sh(f"tcpstream send 10.77.0.2 5001 {SIZE_MIB}", timeout=300)
    sink.wait(60)


def resync(m):
    m.renew(wait=False)
    # Seldom: to ask costs time of the processor, too.
    m.lab.wait(lambda: m.is_synced(m.a), 300, "the resync ends", 4)


def count(m, counter, what, job):
    counter.prepare("block")
    before = instructions.ask(counter.machines)
    job(m)
    after = instructions.ask(counter.machines)
    for host, symbols, *x in zip("ab", counter.symbols, before, after, strict=True):
        prof = instructions.profile(instructions.between(*x), symbols, BLOCKS)
        m.lab.say(f"{what}: {instructions.total(prof):.0f} instructions a block on {host}")
        if m.lab.setting("PROFILE", ""):
            with open(m.lab.setting("PROFILE", ""), "a") as f:
                f.write(instructions.text(f"{what}, host {host}", prof, 400) + "\n")


def run(lab):
    plugin, why = instructions.plugin()
    lab.check(plugin, f"instructions are {why}")
    m = RamMirror(lab, SIZE_MIB, plugin=plugin)
    counter = instructions.Counter((m.a, m.b), lab.wait)
    m.fill()
    m.renew()
    m.wait_synced(m.a)
    count(m, counter, "TCP", tcp)
    count(m, counter, "resync", resync)
