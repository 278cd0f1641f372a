# SPDX-License-Identifier: GPL-2.0
"""the module's memory allocations fail at random, in every phase: no hang, no panic, sentences"""

from mirror import Mirror

SERIES = ["6.1-debug"]                 # fault injection is not in a stock kernel
TIMEOUT = 300
TRIES = 6

# Only what the module's code is on the stack of. The sleeping allocations as well: the kernel's
# default spares them.
ON = """
at=$(cat /sys/module/lockstep/sections/.text)
len=$(awk '$1 == "lockstep" { print $2 }' /proc/modules)
end=$(printf '0x%x' $((at + len)))
for d in failslab fail_page_alloc; do
	cd /sys/kernel/debug/$d
	echo $at > require-start; echo $end > require-end; echo 32 > stacktrace-depth
	echo N > ignore-gfp-wait; echo 0 > verbose; echo -1 > times; echo 1 > interval
	[ ! -e ignore-gfp-highmem ] || echo N > ignore-gfp-highmem
	[ ! -e min-order ] || echo 0 > min-order
	echo {percent} > probability
done
"""
OFF = "for d in failslab fail_page_alloc; do echo 0 > /sys/kernel/debug/$d/probability; done"


def fail(machines, percent):
    for x in machines:
        x.sh(ON.replace("{percent}", str(percent)) if percent else OFF)


def up_and_down(lab, m):
    """Either it works or it says why; at the end it works."""
    worked = refused = 0
    for percent in (2, 10, 30):
        for _ in range(TRIES // 3):
            fail([m.b], percent)
            r = m.b.sh("lockstep up r0", check=False, timeout=120)
            fail([m.b], 0)
            worked += r.rc == 0
            refused += r.rc != 0
            if r.rc:
                lab.say(r.text.strip())
                lab.check(len(r.text.strip()) > 20, f"no sentence: {r.text!r}")
            fail([m.b], percent)
            r = m.b.sh("lockstep down r0", check=False, timeout=120)
            fail([m.b], 0)
            if r.rc:
                lab.say(r.text.strip())
            m.b.sh("lockstep down r0", check=False, timeout=120)
    lab.say(f"up: worked {worked} times, refused {refused} times")
    m.b.sh("lockstep up r0", timeout=120)
    m.wait_synced()


def under_load(lab, m, seed, percent):
    """With acknowledgements, a cut and the resync after it."""
    m.snapshot(m.a)
    job = m.ackload(m.a, seed=seed)
    m.wait_acks(m.a, 50)
    fail((m.a, m.b), percent)
    m.wait_acks(m.a, 200, 240)
    m.pair.cut("both")
    m.wait_link(m.a, up=False, seconds=120)
    m.pair.restore("both")
    lab.wait(lambda: not m.is_synced(m.a) or len(m.acks(m.a)) > 16 * 400, 60, "a resync, or writes")
    fail((m.a, m.b), 0)
    m.wait_synced(seconds=240)
    lab.check(job.alive, f"the load ended: {job.text}")
    m.stop_load(job)
    lab.say(m.check_acks(m.a, m.a))
    m.quiet()


def run(lab):
    lab.allow += [r"FAULT_INJECTION: forcing a failure"]
    m = Mirror(lab, size_mib=64, timeout_ms=3000)
    m.form()
    up_and_down(lab, m)
    for seed, percent in enumerate((1, 10)):
        under_load(lab, m, seed + 1, percent)
    m.finish()
