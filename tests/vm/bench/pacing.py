# SPDX-License-Identifier: GPL-2.0
"""how much slower random reads, or writes, become beside a resync, and whether that still gets on,
as ratios: on disks that take 100 us for an I/O, and in memory alone, where what makes an I/O slow
is the processor only"""

import json
import time

from ram import RamMirror

TIMEOUT = 900
SIZE_MIB = 256
ROUNDS = 3
SECONDS = 8


def requests(m, rw, beside=lambda: None):
    """Median and 99th percentile of requests one at a time, in us."""
    fio = m.a.start(f"fio --name=r --filename=/dev/lockstep0 --rw={rw} --bs=4k --direct=1 "
                    f"--ioengine=psync --time_based --runtime={SECONDS} --output-format=json")
    beside()
    out = fio.wait(60).out
    job = json.loads(out[out.index("{"):])["jobs"][0]
    p = job[rw[4:]]["clat_ns"]["percentile"]
    return p["50.000000"] / 1000, p["99.000000"] / 1000


def kib_s(m):
    """What the resync moves meanwhile."""
    time.sleep(2)
    left = []
    for _ in range(2):
        left.append((time.monotonic(), m.status(m.a)["volumes"][0]["out_of_sync_bytes"]))
        time.sleep(1.5)
    return (left[0][1] - left[1][1]) / 1024 / (left[1][0] - left[0][0])


def measure(lab, m, rw):
    m.renew()
    busy = requests(m, rw)
    # By itself: to ask costs some milliseconds of the processor, too.
    moved = []
    requests(m, rw, lambda: moved.append(kib_s(m)))
    lab.check(m.status(m.a)["volumes"][0]["sync"]["state"] == "source",
              "the resync ended before it was measured")
    m.wait_synced(m.a)
    idle = requests(m, rw)
    lab.say(f"{rw}: p50 {idle[0]:.0f} -> {busy[0]:.0f} us, p99 {idle[1]:.0f} -> {busy[1]:.0f} us, "
            f"ratio {busy[1] / idle[1]:.2f}; {moved[0]:.0f} KiB/s beside them")
    return busy[1] / idle[1]


def run(lab):
    us = lab.setting("US", 100)
    m = RamMirror(lab, SIZE_MIB, us=us)
    m.fill()
    for rw in "randread", "randwrite":
        ratios = sorted(measure(lab, m, rw) for _ in range(lab.setting("ROUNDS", ROUNDS)))
        lab.say(f"{rw}: disks that take {us} us, median ratio of p99 "
                f"{ratios[len(ratios) // 2]:.2f}")
