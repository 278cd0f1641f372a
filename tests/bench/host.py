# SPDX-License-Identifier: GPL-2.0
"""How much of this host's processors went to neither of the machines during a measurement."""

from collections import namedtuple

Sample = namedtuple("Sample", "pids total busy own")


def sample(pids):
    """Ticks of all processors, those that were not idle, and those of some processes."""
    with open("/proc/stat") as f:
        total, busy = parse_stat(f.readline())
    own = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            own += parse_process(f.read())
    return Sample(list(pids), total, busy, own)


def parse_stat(line):
    """The first line of /proc/stat: user nice system idle iowait irq softirq steal."""
    n = [int(x) for x in line.split()[1:9]]
    return sum(n), sum(n) - n[3] - n[4]


def parse_process(text):
    """utime and stime; the name before them may hold anything."""
    n = text[text.rindex(")") + 1:].split()
    return int(n[11]) + int(n[12])


def foreign(before, after):
    """The part of all processors' time, 0 to 1."""
    total = after.total - before.total
    if total <= 0:
        return 0.0
    return max(0.0, (after.busy - before.busy - (after.own - before.own)) / total)
