# SPDX-License-Identifier: GPL-2.0
"""The goals, each with a limit, and whether a run of the benchmark reached them. Pure."""

from figures import median, path_switches

PEERS = (("DRBD 8.4", "drbd84"), ("DRBD 8.4 tuned", "drbd84-tuned"), ("DRBD 9", "drbd9"),
         ("DRBD 9 tuned", "drbd9-tuned"))
WIRE = ("rtt4k", "wire", "mean_us")
OURS = "lockstep"
NATIVE_US = 3                          # what a read may cost on a machine that is not emulated
MEMORY_KIB = 256


def verdict(goal, what, value, sense, limit, unit=""):
    """A line of the list. A value of None was not measured."""
    if value is None:
        word = "not measured"
    elif sense == "<=":
        word = "pass" if value <= limit else "FAIL"
    else:
        word = "pass" if value >= limit else "FAIL"
    return {"goal": goal, "what": what, "value": value, "sense": sense, "limit": limit,
            "unit": unit, "verdict": word}


def goal_1(r, cpus):
    qd1 = ("qd1", OURS, "mean_us")
    yield verdict(1, "4 KiB write, one at a time: latency / the wire's round trip",
                  r.ratio(cpus, "ram", qd1, WIRE), "<=", 1.15)
    yield verdict(1, "the same / md RAID1 over nvme-tcp",
                  r.ratio(cpus, "ram", qd1, ("qd1", "md", "mean_us")), "<=", 1.0)
    for title, name in peers_of(r):
        yield verdict(1, f"the same / {title}",
                      r.ratio(cpus, "ram", qd1, ("qd1", name, "mean_us")), "<=", 0.55)


def peers_of(r):
    """DRBD 8.4 as it is always asked for; the others where they were there."""
    have = r.names("target")
    return [p for p in PEERS if p[1] in have or p[1] == "drbd84"]


def goal_2(r, cpus):
    for job, title in (("qd32", "1 job"), ("qd32x4", "4 jobs")):
        for peer, name in peers_of(r):
            yield verdict(2, f"4 KiB writes, 32 in flight, {title}: IOPS / {peer}",
                          r.ratio(cpus, "ram", (job, OURS, "iops"), (job, name, "iops")), ">=", 1.5)
        yield verdict(2, f"4 KiB writes, 32 in flight, {title}: IOPS / md RAID1 over nvme-tcp",
                      r.ratio(cpus, "ram", (job, OURS, "iops"), (job, "md", "iops")), ">=", 1.2)
    all_cpus = sorted(r.names("cpus"))
    for few, many in zip(all_cpus, all_cpus[1:], strict=False):
        one, more = (r.median(n, "ram", "qd32x4", OURS, "iops") for n in (few, many))
        yield verdict(2, f"4 jobs with 32 in flight: IOPS with {many} CPUs / with {few}",
                      more / one if one and more else None, ">=", 1.0)


def goal_3(r, cpus):
    for job, title in (("seq128k", "128 KiB"), ("seq1m", "1 MiB")):
        yield verdict(3, f"{title} sequential writes: bandwidth / a plain TCP stream", r.ratio(
            cpus, "ram", (job, OURS, "mib_s"), ("stream", "wire", "mib_s")), ">=", 0.9)


def goal_4(r, cpus, emulated):
    for what, job, target in (("reads", "read", OURS), ("writes without a peer", "qd", "alone")):
        yield verdict(4, f"{what}, 32 in flight: IOPS / the raw disk", r.ratio(
            cpus, "disk", (job + "32", target, "iops"), (job + "32", "raw", "iops")), ">=", 0.95)
        ours, raw = (job + "1", target, "mean_us"), (job + "1", "raw", "mean_us")
        if emulated:
            yield verdict(4, f"{what}, one at a time: latency / the raw disk",
                          r.ratio(cpus, "disk", ours, raw), "<=", 1.05)
        else:
            a, b = (r.values(cpus, "disk", *x) for x in (ours, raw))
            yield verdict(4, f"{what}, one at a time: added to the raw disk", median(
                a[rep] - b[rep] for rep in a if rep in b), "<=", NATIVE_US, "us")


def goal_5(r, cpus):
    for job, hot, title in (("cold", "qd32", "32 in flight"), ("cold1", "qd1", "one at a time")):
        cold = (job, OURS, "iops")
        yield verdict(5, f"cold writes, {title}, flushes take 1 ms: IOPS / DRBD 8.4 as it comes",
                      r.ratio(cpus, "flush", cold, (job, "drbd84", "iops")), ">=", 5)
        yield verdict(5, f"cold writes, {title}: IOPS / our own hot ones",
                      r.ratio(cpus, "flush", cold, (hot, OURS, "iops")), ">=", 0.8)


def goal_6(r, cpus):
    ours, near, far = (r.values(cpus, "flush", "fsync", t, "sync_mean_us")
                       for t in (OURS, "raw", "raw-b"))
    wire = r.values(cpus, "flush", "rtt64", "wire", "mean_us")
    whole = [ours[n] / max(near[n], wire[n] + far[n]) for n in ours
             if n in near and n in far and n in wire]
    yield verdict(6, "fsync after each 4 KiB write: fsync / max(local flush, wire + remote flush)",
                  median(whole), "<=", 1.15)


def goal_7(r, cpus):
    for host, who, limit in (("a", "primary, beside the submitter's own", 1),
                             ("b", "secondary", 2)):
        n = r.host(cpus, "ram", "qd1", OURS, host, path_switches)
        # To a tenth: not all that these threads do is for a write.
        yield verdict(7, f"context switches per 4 KiB write, one at a time: {who}",
                      None if n is None else round(n, 1), "<=", limit)


def goal_8(volumes):
    """volumes: one dict for each number of volumes: n, us_per_write, memory_kib, threads_a,
    threads_b (what `up` added); medians already."""
    by = {v["n"]: v for v in volumes}
    few = by.get(1)
    for n in (16, 200):
        many = by.get(n)
        both = few and many
        yield verdict(8, f"cost of a write with {n} volumes / with 1, the same load",
                      many["us_per_write"] / few["us_per_write"] if both else None, "<=", 1.1)
        yield verdict(8, f"threads with {n} volumes beyond those with 1, both hosts", sum(
            abs(many[k] - few[k]) for k in ("threads_a", "threads_b")) if both else None, "<=", 0)
    many = by.get(200)
    yield verdict(8, "memory of an idle volume", (many["memory_kib"] - few["memory_kib"]) / 199
                  if few and many else None, "<=", MEMORY_KIB, "KiB")


def all_goals(r, volumes, emulated):
    """Every line, those that were not measured, too. With the fewest processors of the run; that
    more of them help is a line of its own."""
    cpus = min(r.names("cpus"), default=1)
    return [*goal_1(r, cpus), *goal_2(r, cpus), *goal_3(r, cpus), *goal_4(r, cpus, emulated),
            *goal_5(r, cpus), *goal_6(r, cpus), *goal_7(r, cpus), *goal_8(volumes)]
