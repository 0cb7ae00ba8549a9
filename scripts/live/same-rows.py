#!/usr/bin/env python3
"""Compares timelines (JSON lines): same-rows.py ONE OTHER [--untimed]. Says what only one of them has; exit 1 where something differs.

A live row leaves after a second: what depends on what came later may differ, and is not compared: the row's number,
the conversation's number, the sign-in and its step, and the findings. --untimed: what tells times is not compared, either:
two programs that capture the same packet may each get a time of their own.
"""
import collections
import json
import sys

LATER = {"row", "flow", "login", "step", "findings"}
if "--untimed" in sys.argv:
    LATER |= {"time", "elapsed", "dns_rtt", "response_time", "summary", "says"}


def rows(path):
    kept = collections.Counter()
    for line in open(path, encoding="utf-8"):
        row = {name: value for name, value in json.loads(line).items() if name not in LATER}
        kept[json.dumps(row, sort_keys=True)] += 1
    return kept


one, other = rows(sys.argv[1]), rows(sys.argv[2])
for sign, only in (("-", one - other), ("+", other - one)):
    for text in sorted(only, key=lambda text: json.loads(text)["frame"])[:5]:
        row = json.loads(text)
        print(f"  {sign} frame {row['frame']} {row['kind']} {row.get('summary', row)}")
sys.exit(one != other)
