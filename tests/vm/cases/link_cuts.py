# SPDX-License-Identifier: GPL-2.0
"""verified fio, 4 jobs x QD16, 512 B to 1 MiB, across link cuts: no error, same bytes

Ten of them; twenty, as a change of the write path deserves:

    tests/vm/run link_cuts --set CUTS=20
"""

import random
import time

from mirror import DEVICE, Mirror

TIMEOUT = 800
SECONDS_PER = ("CUTS", 60)

# Each verifying job has a quarter of its own, since fio cannot know what another job put into a
# block; it goes over it again and again, in random order and sizes. It keeps its own overlapping
# writes apart in flight, because it could not tell which came last; so the fifth and sixth job,
# unverified, write over each other in one place all the time: whether that ended the same on both
# copies shows in the comparison.
JOBS = """\
[global]
filename={dev}
direct=1
ioengine=libaio
iodepth=16
rw=randwrite
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
norandommap=1
offset=64m
size=1m
rate_iops=200
fsync=200
"""


def sessions_lost(m):
    return m.a.console().count("session with b ended")


def run(lab):
    rand = random.Random(20)
    m = Mirror(lab, size_mib=128, timeout_ms=1500)
    m.form()
    m.a.put(JOBS.format(dev=DEVICE, seconds=3600).encode(), "/run/jobs.fio")
    load = m.a.start("fio --minimal /run/jobs.fio")
    for i in range(lab.setting("CUTS", 10)):
        time.sleep(rand.uniform(0.3, 1.5))
        how = rand.choice(("both", "ab", "ba", "cable"))
        lab.say(f"cut {i + 1}: {how}")
        # A blink that nobody notices, and then the cut that ends the session.
        lost = sessions_lost(m)
        for end in (None, lambda: sessions_lost(m) > lost):
            m.pair.link(False) if how == "cable" else m.pair.cut(how)
            time.sleep(0.4)
            if end:
                lab.wait(end, 30, f"cut {i + 1} ({how}) ends the session")
            m.pair.link(True) if how == "cable" else m.pair.restore(how)
        # The next cut meets a whole mirror, a resync, or a connection in the making.
        if rand.random() < 0.6:
            m.wait_synced(m.a)
        else:
            m.wait_link(m.a, up=True)
        lab.check(load.alive, f"fio ended: {load.text[-1000:]}")
    m.wait_synced()
    m.a.sh("kill -INT $(pgrep -o fio)")
    ended(lab, load.wait(120, check=False))
    m.finish()


def ended(lab, result):
    """fio says 128 when a signal ended it; what counts is each job's error field."""
    lines = [x.split(";") for x in result.out.splitlines() if x.startswith("3;fio")]
    lab.check(result.rc in (0, 128) and len(lines) == 6, f"fio: {result.text[-1500:]}")
    for x in lines:
        lab.check(x[4] == "0", f"fio job {x[2]} ended with error {x[4]}: {result.err[-1000:]}")
