# SPDX-License-Identifier: GPL-2.0
"""primary killed at a random moment, 10 seeds: the survivor has each acknowledged write"""

import random

from mirror import Mirror

TIMEOUT = 1500
ROUNDS = 10


def run(lab):
    m = Mirror(lab, size_mib=128, timeout_ms=2000)
    m.form()
    primary = m.a
    for seed in range(1, ROUNDS + 1):
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
