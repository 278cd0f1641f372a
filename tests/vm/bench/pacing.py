# SPDX-License-Identifier: GPL-2.0
"""how much slower random reads become beside a resync, and whether that still gets on, as ratios"""

import json

from ram import RamMirror

TIMEOUT = 500
SIZE_MIB = 256
ROUNDS = 3
SECONDS = 8


def reads(m):
    """Median and 99th percentile of reads one at a time, in us."""
    out = m.a.sh("fio --name=r --filename=/dev/lockstep0 --rw=randread --bs=4k --direct=1 "
                 f"--ioengine=psync --time_based --runtime={SECONDS} --output-format=json",
                 timeout=60).out
    p = json.loads(out[out.index("{"):])["jobs"][0]["read"]["clat_ns"]["percentile"]
    return p["50.000000"] / 1000, p["99.000000"] / 1000


def run(lab):
    m = RamMirror(lab, SIZE_MIB)
    m.fill()
    ratios = []
    for _ in range(ROUNDS):
        m.renew()
        busy = reads(m)
        v = m.status(m.a)["volumes"][0]
        lab.check(v["sync"]["state"] == "source", "the resync ended before it was measured")
        left = v["out_of_sync_bytes"] >> 20 if "out_of_sync_bytes" in v else v
        m.wait_synced(m.a)
        idle = reads(m)
        ratios.append(busy[1] / idle[1])
        lab.say(f"p50 {idle[0]:.0f} -> {busy[0]:.0f} us, p99 {idle[1]:.0f} -> {busy[1]:.0f} us, "
                f"ratio {ratios[-1]:.2f}; of {SIZE_MIB} MiB left after {SECONDS} s: {left}")
    lab.say(f"median ratio of p99 {sorted(ratios)[len(ratios) // 2]:.2f}")
