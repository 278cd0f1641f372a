# SPDX-License-Identifier: GPL-2.0
"""What is printed: tables, the list of goals, and what each target does about flushes. Pure."""

from figures import busy_threads, median

FLUSHES = """\
What a flush means, without which figures with fsync cannot be compared:
  lockstep        returns when both disks have flushed; the two flushes run at the same time
  md, nvme-tcp    md sends it to both and waits for both; nvme-tcp to the one remote disk
  drbd            completes a flush after the local disk's alone (drbd_process_empty_flush); the
                  peer's copy may still be in its disk's cache. 8.4 sends the peer a barrier and
                  does not wait for it, 9 from 9.1.3 on not even that
  drbd tuned      as LINBIT advises: al-extents 6433, max-buffers and max-epoch-size 8000, buffers
                  of sockets left to the kernel; and no flushes at all (disk-flushes, md-flushes and
                  disk-barrier off), but only on a backing without a volatile cache: on "flush",
                  where power loss would cost data, they stay on
"""


def number(x, digits=3):
    """Three significant digits, in full."""
    if x is None:
        return "-"
    if x == 0:
        return "0"
    places = max(0, digits - len(str(int(abs(x)))) if abs(x) >= 1 else digits - 1)
    return f"{x:.{places}f}"


def columns(rows, left=1):
    """Rows of strings as text; the first `left` columns stand left, the others right."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    out = []
    for r in rows:
        cells = [c.ljust(w) if i < left else c.rjust(w)
                 for i, (c, w) in enumerate(zip(r, widths, strict=True))]
        out.append("  " + "  ".join(cells).rstrip())
    return "\n".join(out)


def percent(x):
    return "-" if x is None else f"{x * 100:.0f}%"


def wire_of(job):
    """The wire's figure that a job is held against, as (job, target, metric)."""
    if job.measure == "bandwidth":
        return ("stream", "wire", "mib_s")
    if job.measure == "latency":
        return ("rtt4k", "wire", "mean_us")
    return ("rtt64", "wire", "mean_us") if job.measure == "sync" else None


def job_table(r, cpus, backing, job, targets, ours="lockstep"):
    """One job on one backing: a line for each target. `ours:it` is lockstep's figure against it."""
    wire = wire_of(job)
    head = ["", job.unit, "p99 us", "spread", "x wire", "x raw", f"{ours}:it",
            "switches", "intr", "switches", "intr", "instr"]
    rows = [["", "", "", "", "", "", "", "a", "a", "b", "b", "a+b"], ]
    for t in targets:
        value = r.median(cpus, backing, job.name, t, job.metric)
        if value is None:
            continue
        mine = (job.name, t, job.metric)
        rows.append([
            t, number(value), number(r.median(cpus, backing, job.name, t, job.p99)),
            percent(r.spread(cpus, backing, *mine)),
            number(r.ratio(cpus, backing, mine, wire)) if wire else "-",
            number(r.ratio(cpus, backing, mine, (job.name, "raw", job.metric))),
            number(r.ratio(cpus, backing, (job.name, ours, job.metric), mine)),
            *(number(r.host(cpus, backing, job.name, t, h, lambda x, k=k: x[k]))
              for h in "ab" for k in ("ctxt", "intr")),
            instructions(r, cpus, backing, job.name, t)])
    if len(rows) == 1:
        return ""
    better = "less" if job.less else "more"
    return (f"{job.name}: {job.title} ({better} is better)\n" + columns([head, *rows]) + "\n")


def instructions(r, cpus, backing, job, target):
    """Of both hosts together; a word where the processor does not count them."""
    both = [r.host(cpus, backing, job, target, h, lambda x: x["instructions"]) for h in "ab"]
    return "n/c" if None in both else number(sum(both))


def wire_table(r, cpus, backing):
    rows = [["", "mean us", "median us", "p99 us", "MiB/s", "spread"]]
    titles = {"rtt4k": "4 KiB out, 64 bytes back", "rtt64": "64 bytes out, 64 bytes back",
              "stream": "one TCP stream"}
    for job, title in titles.items():
        metric = "mib_s" if job == "stream" else "mean_us"
        if r.median(cpus, backing, job, "wire", metric) is None:
            continue
        rows.append([title] + [number(r.median(cpus, backing, job, "wire", k))
                               for k in ("mean_us", "p50_us", "p99_us", "mib_s")]
                    + [percent(r.spread(cpus, backing, job, "wire", metric))])
    return "the wire itself\n" + columns(rows) + "\n" if len(rows) > 1 else ""


def thread_lines(r, cpus, backing, job, target):
    """Which threads switched for an I/O of a job, on each host, in the first repetition."""
    out = []
    for run in r.runs:
        is_it = (run["cpus"], run["backing"], run["job"], run["target"])
        if is_it == (cpus, backing, job, target) and "a" in run:
            for host in "ab":
                busy = ", ".join(f"{k} {n:.2f}" for k, n in busy_threads(run[host])) or "none"
                out.append(f"  {target} on {host}: {busy}")
            break
    return out


def counted_table(counted):
    """What --instructions has counted."""
    if not counted:
        return ""
    rows = [["job", "target", "I/Os", "a", "b", "a+b"]]
    rows += [[c["job"], c["target"], str(c["ios"]), *(f"{n:.0f}" for n in
              (c["a"], c["b"], c["a"] + c["b"]))] for c in counted]
    return ("instructions per I/O of each machine, without those of its idle loop and its clock\n"
            + columns(rows, 2) + "\n")


def volumes_table(volumes):
    if not volumes:
        return ""
    rows = [["volumes", "us a write", "IOPS", "threads a", "threads b", "KiB a volume"]]
    rows += [[str(v["n"]), number(v["us_per_write"]), number(v["iops"]), number(v["threads_a"]),
              number(v["threads_b"]), number(v["memory_kib"] / v["n"])] for v in volumes]
    return ("many volumes of one resource, the same load on all of them: 4 KiB random writes, 32 "
            "in flight; threads and memory are what `up` added\n" + columns(rows) + "\n")


def merge_volumes(runs):
    """The medians of each number of volumes."""
    out = []
    for n in sorted({v["n"] for v in runs}):
        same = [v for v in runs if v["n"] == n]
        out.append({k: median(v[k] for v in same) for k in same[0] if k != "rep"})
    return out


def goals_text(verdicts):
    rows = [["goal", "", "is", "", "wanted", ""]]
    rows += [[str(v["goal"]), v["what"], number(v["value"], 4), v["sense"],
              f"{number(v['limit'])} {v['unit']}".rstrip(), v["verdict"]] for v in verdicts]
    count = {w: sum(v["verdict"] == w for v in verdicts) for w in ("pass", "FAIL", "not measured")}
    return ("goals\n" + columns(rows, left=2) + "\n"
            f"  {count['pass']} reached, {count['FAIL']} not reached, "
            f"{count['not measured']} not measured\n")


LEGEND = """\
spread: (largest - smallest) / median of the repetitions. x wire, x raw: against the wire's round
trip or stream, and the raw local disk. Switches and interrupts are the whole host's per I/O, with
those to and from its idle task; a is the primary. n/c: not countable, this processor counts no
instructions (emulated ones do not: see --instructions).
"""


def tables(r, jobs, targets, titles, volumes):
    """All tables as one text. titles: {backing: what it is}."""
    out = []
    for cpus in r.names("cpus"):
        for backing in r.names("backing"):
            out.append(f"==== {backing}: {titles.get(backing, '')}; {cpus} CPU"
                       f"{'s' if cpus > 1 else ''} a machine\n")
            out.append(wire_table(r, cpus, backing))
            out += [job_table(r, cpus, backing, j, targets) for j in jobs.values()]
            threads = [line for t in targets for line in thread_lines(r, cpus, backing, "qd1", t)]
            if threads:
                out.append("context switches of each thread per write in qd1, the submitter's own "
                           "left out\n" + "\n".join(threads) + "\n")
    out.append(volumes_table(volumes))
    return "\n".join(x for x in out if x) + "\n" + LEGEND
