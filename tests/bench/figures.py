# SPDX-License-Identifier: GPL-2.0
"""Figures of one measurement, and what is computed from many. Pure: no machines, no files.

A measurement, a "run", is a dict: cpus, backing, job, target, rep, and the figures of parse_fio()
or of the wire: iops, mib_s, mean_us, p50_us, p99_us, sync_mean_us, sync_p99_us, ios; and for each
host, under "a" and "b", what its tally counted per I/O. What does not apply is missing.

Ratios are taken between runs of the same repetition, which lie seconds apart, and then their
median: so the drift of a machine over a long run is in both halves.
"""

import json
import statistics

# A thread that runs for less than this part of the I/Os has no part in them: housekeeping. Nor have
# RCU's, which are as busy as time goes by, and the lab's own.
TAKES_PART = 0.05
HOUSEKEEPING = ("rcu_", "init")


def parse_fio(text, name):
    """The figures of one group in fio's JSON. Of a mix of reads and writes, latencies are those of
    the slower direction. all_ios has those of groups before it, too."""
    data = json.loads(text[text.index("{"):])
    named = [j for j in data["jobs"] if j["jobname"] == name]
    if len(named) != 1:
        raise ValueError(f"{len(named)} groups called {name} in fio's report")
    for j in data["jobs"]:
        if j["error"]:
            raise ValueError(f"fio's job {j['jobname']} ended with error {j['error']}")
    job = named[0]
    sides = [job[x] for x in ("read", "write") if job[x]["total_ios"]]
    if not sides:
        raise ValueError("fio did nothing")
    slow = max(sides, key=lambda s: s["lat_ns"]["mean"])
    out = {"ios": sum(s["total_ios"] for s in sides),
           "all_ios": sum(j[x]["total_ios"] for j in data["jobs"] for x in ("read", "write")),
           "iops": sum(s["iops"] for s in sides),
           "mib_s": sum(s["bw_bytes"] for s in sides) / (1 << 20),
           "mean_us": slow["lat_ns"]["mean"] / 1e3,
           "fio_switches": job["ctx"]}
    for want, key in ((50, "p50_us"), (99, "p99_us")):
        out[key] = percentile(slow["lat_ns"], want)
    if job["sync"]["total_ios"]:
        out["sync_mean_us"] = job["sync"]["lat_ns"]["mean"] / 1e3
        out["sync_p99_us"] = percentile(job["sync"]["lat_ns"], 99)
    return out


def percentile(lat, want):
    for key, ns in lat.get("percentile", {}).items():
        if abs(float(key) - want) < 1e-6:
            return ns / 1e3
    raise ValueError(f"no percentile {want} in fio's report")


def per_io(tally, ios):
    """What a host's tally counted, per I/O: ctxt, intr, instructions (None: not countable), and
    switches by thread. Of a kworker's name what it was last busy with is cut off, which changes."""
    threads = {}
    for name, n in tally["threads"]:
        name = name.split("-")[0] if name.startswith("kworker/") else name
        threads[name] = threads.get(name, 0) + n
    instructions = tally["instructions"]
    return {"ctxt": tally["ctxt"] / ios, "intr": tally["intr"] / ios,
            "instructions": None if instructions is None else instructions / ios,
            "threads": {k: n / ios for k, n in threads.items()}}


def add_counted(runs, counted):
    """What was counted apart from the runs becomes part of them, where the processor of the run
    could not count for itself."""
    same = ("cpus", "backing", "job", "target")
    by = {tuple(c[k] for k in same): c for c in counted}
    for run in runs:
        c = by.get(tuple(run[k] for k in same))
        for host in "ab":
            if c and host in run and run[host]["instructions"] is None:
                run[host]["instructions"] = c[host]


def path_switches(host):
    """Context switches per I/O of the threads that take part in it."""
    return sum(n for _, n in busy_threads(host))


def busy_threads(host):
    """These threads, busiest first."""
    return sorted(((k, n) for k, n in host["threads"].items()
                   if n >= TAKES_PART and not k.startswith(HOUSEKEEPING)), key=lambda x: -x[1])


class Runs:
    """All measurements of a run of the benchmark, and the questions that are asked of them."""

    def __init__(self, runs):
        self.runs = runs

    def values(self, cpus, backing, job, target, metric):
        """{repetition: value}"""
        return {r["rep"]: r[metric] for r in self.runs
                if (r["cpus"], r["backing"], r["job"], r["target"]) == (cpus, backing, job, target)
                and r.get(metric) is not None}

    def median(self, cpus, backing, job, target, metric):
        return median(self.values(cpus, backing, job, target, metric).values())

    def spread(self, cpus, backing, job, target, metric):
        """How far apart its repetitions are, as a part of their median."""
        v = self.values(cpus, backing, job, target, metric).values()
        return (max(v) - min(v)) / median(v) if len(v) > 1 and median(v) else None

    def ratio(self, cpus, backing, one, other):
        """Of two (job, target, metric): the median of the repetitions' ratios; None if there is no
        repetition with both."""
        return ratio(self.values(cpus, backing, *one), self.values(cpus, backing, *other))

    def host(self, cpus, backing, job, target, host, what):
        """The median of what(host's counts per I/O)."""
        got = [what(r[host]) for r in self.runs
               if (r["cpus"], r["backing"], r["job"], r["target"]) == (cpus, backing, job, target)
               and host in r]
        return median(x for x in got if x is not None)

    def names(self, key):
        """All values of a key, in the order they first came in."""
        return list(dict.fromkeys(r[key] for r in self.runs))


def median(values):
    values = list(values)
    return statistics.median(values) if values else None


def ratio(one, other):
    """Of {repetition: value}, twice."""
    return median(one[rep] / other[rep] for rep in one if other.get(rep))
