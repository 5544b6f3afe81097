"""Checks that each alert is tested, and that the runbook it names has a heading of its own in the documentation."""

import re
import sys
from pathlib import Path


def main(folder, document):
    rules = (Path(folder) / "alerts.yaml").read_text()
    alerts = re.findall(r"^ *- alert: (\w+)$", rules, re.M)
    runbooks = re.findall(r"^ *runbook: docs/operations\.md#(\w+)$", rules, re.M)
    raised = set(re.findall(r"alertname: (\w+)\n *eval_time: \S+\n *exp_alerts:\n", (Path(folder) / "alerts_test.yaml").read_text()))
    headings = set(re.findall(r"^#+ (\w+)$", Path(document).read_text(), re.M)) if Path(document).exists() else set()
    faults = [f"{alert}: no test raises it" for alert in alerts if alert not in raised]
    faults += [f"{alert}: {document} has no heading for it" for alert in alerts if alert not in headings]
    faults += [f"{name}: {document} tells of an alert that is none" for name in headings if name.startswith("Patchbay") and name not in alerts]
    if [alert.lower() for alert in alerts] != runbooks:
        faults.append("an alert has no runbook, or that of another")
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if not alerts:
        faults.append("no alerts")
    print(f"{len(alerts)} alerts")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
