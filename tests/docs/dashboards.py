#!/usr/bin/env python3
"""dashboards.py - does a dashboard ask for what a gateway tells?

SPDX-License-Identifier: BSD-3-Clause

dashboards.py METRICS FOLDER DASHBOARD…: METRICS is what a gateway answered.  Checks names, labels,
variables and places, and writes for promtool into FOLDER: rules.yml, every query as a rule,
and tests.yml, where every query must have an answer over series with the labels of METRICS.
"""
import json
import re
import sys

problems = []


def complain(where, sentence):
    problems.append(f"{where}: {sentence}")


def read_metrics(path):
    """{name: [labels, …]} of the samples, and the types of families."""
    series, types = {}, {}
    for line in open(path):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            types[name] = kind
        elif not line.startswith("#"):
            name, labels = re.match(r"(\w+)(\{.*\})? ", line).groups()
            series.setdefault(name, []).append(labels or "")
    return series, types


def check_places(where, panels):
    taken = {}
    if len({panel["id"] for panel in panels}) != len(panels):
        complain(where, "two panels have one id")
    for panel in panels:
        grid = panel["gridPos"]
        if grid["x"] + grid["w"] > 24:
            complain(where, f'"{panel["title"]}" is beyond the right edge')
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                other = taken.setdefault((x, y), panel["title"])
                if other != panel["title"]:
                    complain(where, f'"{panel["title"]}" lies on "{other}"')
                    return


def check_names(where, text, series, variables):
    for name in re.findall(r"\bweir_\w+", text):
        if name not in series:
            complain(where, f'no gateway tells "{name}"')
    for name in re.findall(r"\$(\w+)", text):
        if name not in variables:
            complain(where, f'"${name}" is no variable')


def check_legend(where, target, series):
    known = {label for name in re.findall(r"\bweir_\w+", target["expr"])
             for labels in series.get(name, []) for label in re.findall(r'(\w+)="', labels)}
    for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
        if label not in known:
            complain(where, f'"{{{{{label}}}}}" is no label of what is asked for')


def check_dashboard(path, series):
    """The queries, with every variable set to all."""
    where = path.rsplit("/", 1)[-1]
    dashboard = json.load(open(path))
    variables = {v["name"] for v in dashboard["templating"]["list"]} | {"__rate_interval"}
    for variable in dashboard["templating"]["list"]:
        check_names(where, variable.get("definition", ""), series, variables)
    check_places(where, dashboard["panels"])
    queries = []
    for panel in dashboard["panels"]:
        here = f'{where}: {panel["title"]}'
        if not panel["description"] or not panel["targets"]:
            complain(here, "a panel has a description and a query")
        for target in panel["targets"]:
            check_names(here, target["expr"], series, variables)
            check_legend(here, target, series)
            query = target["expr"].replace("$__rate_interval", "5m")
            queries.append(re.sub(r"\$\w+", ".*", query))
    return queries


def write_for_promtool(folder, queries, series, types):
    gauges = {name for name, kind in types.items() if kind == "gauge"}
    rules = [{"record": f"weir:query_{n}", "expr": query} for n, query in enumerate(queries)]
    inputs = [{"series": name + labels, "values": "1+0x40" if name in gauges else "0+1x40"}
              for name, all_labels in series.items() for labels in all_labels]
    tests = [{"expr": f"count({query}) > bool 0", "eval_time": "15m",
              "exp_samples": [{"labels": "{}", "value": 1}]} for query in queries]
    # JSON is YAML
    with open(folder + "/rules.yml", "w") as file:
        json.dump({"groups": [{"name": "dashboards", "rules": rules}]}, file)
    with open(folder + "/tests.yml", "w") as file:
        json.dump({"evaluation_interval": "30s", "tests": [
            {"interval": "30s", "input_series": inputs, "promql_expr_test": tests}]}, file)


def main():
    metrics, folder, *dashboards = sys.argv[1:]
    series, types = read_metrics(metrics)
    queries = [query for path in dashboards for query in check_dashboard(path, series)]
    write_for_promtool(folder, queries, series, types)
    print(f"{len(dashboards)} dashboards, {len(queries)} queries")
    sys.exit("\n".join(problems) or (0 if queries else "there are no queries"))


main()
