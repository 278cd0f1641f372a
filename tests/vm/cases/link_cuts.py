# SPDX-License-Identifier: GPL-2.0
"""verified fio, 4 jobs x QD16, 512 B to 1 MiB, across 20 link cuts: no error, copies identical"""

import random
import time

from mirror import DEVICE, Mirror

TIMEOUT = 900
CUTS = 20

# Each verifying job has a quarter of its own, since fio cannot know what another job put into a block;
# within it writes are random and overlap. fio keeps its own overlapping writes apart in flight
# (it could not tell which came last), so the fifth and sixth job, unverified, write over each other in
# the same place all the time: whether they ended the same on both copies shows in the comparison.
JOBS = """\
[global]
filename={dev}
direct=1
ioengine=libaio
iodepth=16
rw=randwrite
norandommap=1
time_based=1
runtime={seconds}

[verified]
numjobs=4
bssplit=512/10:4k/50:16k/20:64k/12:256k/5:1m/3
verify=crc32c
verify_fatal=1
verify_backlog=128
serialize_overlap=1
fsync=64
size=16m
offset_increment=16m

[overlapping]
numjobs=2
bssplit=512/20:4k/50:32k/30
offset=64m
size=1m
rate_iops=200
fsync=200
"""


def run(lab):
    rand = random.Random(20)
    m = Mirror(lab, size_mib=128, timeout_ms=1500)
    m.form()
    m.a.put(JOBS.format(dev=DEVICE, seconds=3600).encode(), "/run/jobs.fio")
    load = m.a.start("fio --minimal /run/jobs.fio")
    for i in range(CUTS):
        time.sleep(rand.uniform(0.3, 1.5))
        how = rand.choice(("both", "ab", "ba", "cable"))
        lab.say(f"cut {i + 1}: {how}")
        m.pair.link(False) if how == "cable" else m.pair.cut(how)
        # Now and then back before anyone has noticed.
        time.sleep(rand.choice((0.5, rand.uniform(2, 4))))
        m.pair.link(True) if how == "cable" else m.pair.restore(how)
        if rand.random() < 0.7:
            m.wait_synced()
        lab.check(load.alive, f"fio ended: {load.text[-1000:]}")
    m.wait_synced()
    m.a.sh("kill -INT $(pgrep -o fio)")
    load.wait(120)
    m.finish()
