# SPDX-License-Identifier: GPL-2.0
"""primary killed at random moments: the survivor has each acknowledged write

Four times; ten times, as a change of the write path deserves:

    tests/vm/run primary_killed --set KILLS=10
"""

import random

from mirror import Mirror

TIMEOUT = 500
SECONDS_PER = ("KILLS", 100)


def run(lab):
    m = Mirror(lab, size_mib=128, timeout_ms=2000)
    m.form()
    primary = m.a
    for seed in range(1, lab.setting("KILLS", 4) + 1):
        rand = random.Random(seed)
        m.ackload(primary, seed=seed)
        m.wait_acks(primary, rand.randrange(50, 1500))
        primary.kill()
        survivor = m.other(primary)
        m.wait_link(survivor, up=False)
        m.promote(survivor)
        lab.say(f"seed {seed}: {m.check_acks(primary, survivor)}")
        m.reboot(primary)
        m.wait_synced()
        primary = survivor
    m.finish()
