#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""manual.py TOP < WORDS: every word that status and events can print is explained in lockstep(8).

WORDS, from test_print: lines "section TAB word" with the words of the tables. What has no table is
taken from the sources: the kernel's waits, the daemon's phases, the states of status's table, the
words of problems."""
import glob
import os
import re
import sys

TOP = sys.argv[1]
PAGE = f"{TOP}/tools/man/lockstep.8"
# The words of problems are arguments of these, in these files.
CODES = re.compile(r'(?:err_set|peer_fail_text|fail_code)\([^";]*?"([a-z][a-z0-9-]+)",', re.S)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def plain(roff):
    """What a reader sees, roughly: macros and quotes gone, the words left."""
    lines = []
    for line in roff.split("\n"):
        if line.startswith("."):
            line = re.sub(r"^\.[A-Z]+\b", "", line).replace('"', "")
        lines.append(line.replace("\\-", "-").replace("\\e", "\\"))
    return re.sub(r"\s+", " ", " ".join(lines))


def sections(page):
    """By the titles of .SH and .SS."""
    parts = re.split(r"^\.S[HS] (.*)$", page, flags=re.M)
    return {t.strip(): plain(b) for t, b in zip(parts[1::2], parts[2::2])}


def codes():
    found = set()
    paths = [f"{TOP}/tools/lib/diagnose.c", f"{TOP}/tools/daemon/conn.c"]
    for path in paths + glob.glob(f"{TOP}/tools/daemon/peer*.c"):
        # What answers a command is read where that was asked for, and not in status.
        if os.path.basename(path) not in ("peer-resize.c", "peer-split.c", "peer-dry.c",
                                              "peer-trace.c"):
            found |= set(CODES.findall(read(path)))
    rows = re.findall(r'\[(?:LOCKSTEP_RF|TLS)_\w+\]\s*=\s*\{?\s*"([^"]+)"',
                      read(f"{TOP}/tools/daemon/peer.c") + read(f"{TOP}/tools/daemon/conn.c"))
    return found | set(rows)


def words():
    found = [tuple(line.split("\t", 1)) for line in sys.stdin.read().splitlines()]
    for path in glob.glob(f"{TOP}/kernel/*.c"):
        found += [("Waits", w) for w in re.findall(r'\bwait = "([^"]+)"', read(path))]
    found += [("Phases", w) for w in
              re.findall(r'\[PEER_\w+\]\s*=\s*\{ "([^"]+)"', read(f"{TOP}/tools/daemon/peer.c"))]
    state = read(f"{TOP}/tools/cli/print-table.c").split("static void set_state(")[1]
    found += [("STATUS", w) for w in re.findall(r'"([a-z]+)', state.split("\n}\n")[0])]
    found += [("Problems", w) for w in sorted(codes())]
    return found


def main():
    page, missing = sections(read(PAGE)), 0
    found = words()
    for section, word in found:
        if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", page.get(section, "")):
            continue
        print(f"lockstep(8) does not explain \"{word}\" under {section}")
        missing += 1
    kinds = {s for s, _ in found}
    if kinds != {"STATUS", "Roles", "Link", "Copies", "Synchronisation", "Reads and writes",
                 "Comparing", "Waits", "Phases", "Flags", "Problems", "Kinds"}:
        sys.exit(f"words of {kinds} only: is something not found any more?")
    print(f"{len(found)} words")
    sys.exit(missing != 0)


main()
