"""Promises with their figures, told as they are judged."""

import json


class Judge:
    def __init__(self, script):
        self.script, self.verdicts = script, []

    def holds(self, promise, kept, figure):
        """One promise, whether it was kept, and the figure that says so."""
        self.verdicts.append({"promise": promise, "kept": bool(kept), "figure": figure})
        print(f"{'PASS' if kept else 'FAIL'}  {self.script}: {promise}: {figure}", flush=True)

    def skipped(self, promise, why):
        self.verdicts.append({"promise": promise, "kept": None, "figure": why})
        print(f"SKIP  {self.script}: {promise}: {why}", flush=True)

    def broken(self):
        return [verdict for verdict in self.verdicts if verdict["kept"] is False]

    def write(self, path):
        path.write_text(json.dumps({"script": self.script, "verdicts": self.verdicts}, indent=1) + "\n")


def some(problems, most=5):
    """The first few of many problems, in a line."""
    more = f" and {len(problems) - most} more" if len(problems) > most else ""
    return "; ".join(str(problem)[:300] for problem in problems[:most]) + more


def percentile(values, share):
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
