# SPDX-License-Identifier: GPL-2.0
"""A mirror with a fencing policy, whose fencing program answers what the case has put into a file.

What a real one does to the peer, the case does by itself: it is the outcome that is tested here.
"""

from mirror import Mirror

PROGRAM = """\
#!/bin/sh
echo "$LOCKSTEP_RESOURCE $LOCKSTEP_PEER $LOCKSTEP_PEER_ADDRESS" >>/run/fence.log
exit $(cat /run/fence.code)
"""


class Fenced(Mirror):
    policy = "fence"

    def conf_of(self, m):
        return self.conf + (f'fencing: {{ policy = "{self.policy}"; program = "/run/fence"; '
                            'timeout_ms = 10000; };\n')

    def prepare(self, m):
        m.put(PROGRAM.encode(), "/run/fence", mode=0o755)
        self.answer(m, 1)
        super().prepare(m)

    def answer(self, m, code):
        """What the program on m says from now on."""
        m.sh(f"echo {code} >/run/fence.code")

    def runs(self, m):
        """The lines the program wrote, one each time it ran."""
        return m.sh("cat /run/fence.log", check=False).out.splitlines()

    def wait_io(self, m, mode, seconds=60):
        self.lab.wait(lambda: (self.status(m, check=False) or {}).get("io") == mode, seconds,
                      f"{m.name}: io is {mode}")

    def problem(self, m, *words):
        """Until the status of m names all these; returns what mends it."""
        def found():
            p = (self.status(m, check=False) or {}).get("problem") or {}
            return p if all(w in (p.get("text") or "") for w in words) else None
        p = self.lab.wait(found, 60, f"{m.name} says {words}")
        self.lab.say(f"{m.name}: {p['text']} -> {p['mend']}")
        return p["mend"]
