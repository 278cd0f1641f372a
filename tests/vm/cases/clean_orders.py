# SPDX-License-Identifier: GPL-2.0
"""demoted and shut down in good order: whoever starts first, and alone, asks nobody anything"""

from mirror import DEVICE, Mirror

TIMEOUT = 400


def alone(lab, m, first_down, first_up, seed):
    """a was primary and has written; both are demoted; they go one after the other, and one comes
    back while the other one is still down."""
    last_down, last_up = m.other(first_down), m.other(first_up)
    lab.say(f"{first_down.name} is shut down first, {first_up.name} comes back first")
    m.a.sh(f"dd if=/dev/urandom of={DEVICE} bs=64k count=4 seek={seed} oflag=direct 2>&1")
    was = m.a.sh(f"md5sum {DEVICE}").out.split()[0]
    m.a.sh("lockstep demote r0")
    for x in (first_down, last_down):
        x.sh("lockstep down r0")
    first_up.sh("lockstep up r0")
    first_up.sh("lockstep wait-promotable r0 --timeout 10")
    first_up.sh("lockstep promote r0")
    now = first_up.sh(f"md5sum {DEVICE}").out.split()[0]
    lab.check(now == was, f"{first_up.name} comes back with something else")
    first_up.sh("lockstep demote r0")
    last_up.sh("lockstep up r0")
    m.wait_synced()
    m.promote(m.a)


def run(lab):
    m = Mirror(lab, size_mib=32, timeout_ms=2000)
    m.form()
    seed = 0
    for first_down in (m.a, m.b):
        for first_up in (m.a, m.b):
            seed += 4
            alone(lab, m, first_down, first_up, seed)
    m.finish()
