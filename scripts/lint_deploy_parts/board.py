"""Checks the Grafana board as far as that goes without Grafana, and writes its queries as rules for promtool to parse."""

import json
import re
import sys
from pathlib import Path

COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What Grafana puts in place of its variables.
STAND_INS = {"$__rate_interval": "1m", "$job": ".+", "$instance": ".+"}


def main(board_file, rules_file):
    board = json.loads(Path(board_file).read_text())
    faults = list(faults_of(board))
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    Path(rules_file).write_text(as_rules(queries))
    if not faults:
        print(f"{len(board['panels'])} panels, {len(queries)} queries")
    return 1 if faults else 0


def faults_of(board):
    for key in ("uid", "title", "schemaVersion", "templating", "time", "panels"):
        if key not in board:
            yield f"the board has no {key}"
    if board.get("id") is not None:
        yield "the board has the id of one Grafana"
    ids = [panel["id"] for panel in board["panels"]]
    if len(set(ids)) != len(ids):
        yield "two panels have one id"
    variables = {variable["name"] for variable in board["templating"]["list"]}
    for panel in board["panels"]:
        yield from (f"{panel['title']}: {fault}" for fault in faults_of_panel(panel, variables))
    places = [(panel["title"], panel["gridPos"]) for panel in board["panels"]]
    for at, (title, place) in enumerate(places):
        yield from (f"{title} lies over {other}" for other, there in places[:at] if overlap(place, there))


def faults_of_panel(panel, variables):
    place = panel["gridPos"]
    if place["x"] < 0 or place["x"] + place["w"] > COLUMNS or place["w"] < 1 or place["h"] < 1:
        yield "does not fit into the grid"
    if panel["type"] == "row":
        return
    if not panel.get("description"):
        yield "says nothing of what it shows"
    if panel.get("datasource") != DATASOURCE or not panel.get("targets"):
        yield "has another source, or no query"
    for target in panel.get("targets", []):
        if target["datasource"] != DATASOURCE:
            yield "a query has another source"
        for name in re.findall(r"\$(\w+)", target["expr"]):
            if name not in variables and not name.startswith("__"):
                yield f"${name} is no variable of the board"


def overlap(a, b):
    return a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


def as_rules(queries):
    rules = []
    for number, query in enumerate(queries):
        for name, value in STAND_INS.items():
            query = query.replace(name, value)
        rules.append({"record": f"board:query:{number}", "expr": query})
    # JSON is YAML.
    return json.dumps({"groups": [{"name": "board", "rules": rules}]})


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
