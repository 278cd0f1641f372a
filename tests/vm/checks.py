# SPDX-License-Identifier: GPL-2.0
"""What is looked at after a test: kernel logs, and whether two disks are equal."""

import os
import re

# What no kernel may say during a test.
BAD = re.compile(
    r"WARNING:|BUG:|Oops|Call Trace|possible circular locking|possible recursive locking|"
    r"INFO: task .* blocked|rcu.*(?:stall|self-detected)|kmemleak: \d+ new|kmemleak: unreferenced|"
    r"Kernel panic|general protection|suspicious RCU|inconsistent lock state|soft lockup|"
    r"hard LOCKUP|UBSAN:|KASAN:|KCSAN:|KFENCE:|refcount_t:|Out of memory:|"
    r"scheduling while atomic|sleeping function called|list_(?:add|del) corruption|"
    r"held lock freed|lock held when returning|invalid opcode|page allocation failure")
# What stock kernels say by themselves, each with its reason. Keep it short: a line here is one
# that no test can see again.
ALLOWED = [
    # The cmdline is echoed, and it may name what BAD looks for.
    re.compile(r"Kernel command line|Unknown kernel command line parameters"),
    # Said of the host's answers to CPUID, long before anything of ours is loaded.
    re.compile(r"\[Firmware (Bug|Warn)\]"),
]


# A debug exception that nobody asked for: the emulator raises one now and then.
EMULATED = re.compile(r"WARNING: CPU: .* at arch/x86/kernel/traps\.c:\d+ exc_debug_kernel")


def without_emulated(lines):
    """The log without such a warning, from its first line to its last."""
    inside = False
    for line in lines:
        inside = inside or bool(EMULATED.search(line))
        if not inside:
            yield line
        inside = inside and "end trace" not in line


def check_log_text(text, allow=()):
    """The lines of a kernel log that must not be there."""
    more = [re.compile(a) for a in allow]
    return [line for line in without_emulated(text.splitlines())
            if BAD.search(line) and not any(a.search(line) for a in ALLOWED + more)]


def leaks_of_ours(text, module="lockstep"):
    """Of what kmemleak lists, the objects whose allocation went through the module."""
    return [x for x in re.split(r"^(?=unreferenced object)", text, flags=re.M)
            if f"[{module}]" in x]


def compare_disks(one, two, size=None, limit=1000):
    """(first differing byte or None, [(offset, length)] of differing 4 KiB ranges, joined, at most
    limit of them). Holes in both are skipped; a file that ends early is zeroes from there on."""
    with open(one, "rb") as f, open(two, "rb") as g:
        ends = [os.fstat(x.fileno()).st_size for x in (f, g)]
        size = max(ends) if size is None else size
        first, ranges, pos, step = None, [], 0, 4 << 20
        while pos < size:
            # Where neither has data there is nothing to compare.
            nexts = [_next_data(x.fileno(), pos, size) for x in (f, g)]
            pos = max(pos, min(nexts) // 4096 * 4096)
            if pos >= size:
                break
            n = min(step, size - pos)
            x, y = (os.pread(h.fileno(), n, pos).ljust(n, b"\0") for h in (f, g))
            if x != y:
                for o in range(0, n, 4096):
                    p, q = x[o:o + 4096], y[o:o + 4096]
                    if p == q:
                        continue
                    if first is None:
                        first = pos + o + next(i for i in range(len(p)) if p[i] != q[i])
                    if ranges and sum(ranges[-1]) == pos + o:
                        ranges[-1] = (ranges[-1][0], ranges[-1][1] + len(p))
                    elif len(ranges) < limit:
                        ranges.append((pos + o, len(p)))
                    else:
                        return first, ranges
            pos += n
        return first, ranges


def _next_data(fd, pos, size):
    try:
        return os.lseek(fd, pos, os.SEEK_DATA)
    except OSError:
        return size
