#!/usr/bin/env python3
"""Time lynccap against other programs on generated captures.

    run.py BINARY [--size MIB] [--runs N] [--work DIR] [--only NAME]

For each job the input is generated (see generate.py; it is kept in DIR and used
again as long as generate.py does not change), every program runs once to warm
up, then all of them in turn N times.  Standard output gets a Markdown table of
medians: wall clock, user + system CPU seconds, peak resident memory, and how
many times the peer's value lynccap needs (below 1: lynccap needs less).

The runner exits with 1 when lynccap fails or when its CSV has another number
of SIP rows than the generator wrote messages.
"""
import argparse
import csv
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time

MIB = 1 << 20
HERE = pathlib.Path(__file__).resolve().parent
CSV_ARGS = ["analyze", "FILE", "-q", "--csv", "OUT"]
TCPDUMP = ["tcpdump", "-r", "FILE", "-w", "/dev/null", "port 53 or port 5060 or port 5061"]
TSHARK = ["tshark", "-r", "FILE", "-Y", "sip", "-T", "fields", "-e", "frame.number", "-e", "sip.Method",
          "-e", "sip.Status-Code", "-e", "sip.Call-ID"]
KEYLOG = ["-k", "KEYS"]                     # of the job's input, for lynccap
JOBS = {    # name and kind of input: (MiB, peers)
    "mixed": (1024, [TCPDUMP, ["cat", "FILE"]]),
    "sip": (256, [TSHARK]),
    "sip-tls12": (64, [[*TSHARK, "-o", "tls.keylog_file:KEYS"]]),
    "sip-tls13": (64, [[*TSHARK, "-o", "tls.keylog_file:KEYS"]]),
    "hostile-halfopen": (64, []),
    "hostile-ooo": (256, []),
    "hostile-frags": (256, []),
}
problems = []


def problem(text):
    if text not in problems:
        problems.append(text)
    print(f"FAILED: {text}", file=sys.stderr)


def make_input(kind, size, work):
    """The capture and what the generator said about it."""
    script = HERE / "generate.py"
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    path, note = work / f"{kind}-{size}.pcap", work / f"{kind}-{size}.json"
    if path.exists() and note.exists():
        info = json.loads(note.read_text())
        if info["generator"] == digest and info["bytes"] == path.stat().st_size:
            return path, info
    note.unlink(missing_ok=True)
    print(f"generating {path}", file=sys.stderr)
    done = subprocess.run([sys.executable, script, kind, str(size), path], stdout=subprocess.PIPE, check=True)
    info = {**json.loads(done.stdout), "generator": digest}
    note.write_text(json.dumps(info) + "\n")
    return path, info


def watch(pid, stop, peaks):
    """Sample the peak resident memory of a process (Linux)."""
    while not stop.wait(0.01):
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        peaks += [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")]


def measure(command, errors, floor=0.0):
    """(wall seconds, CPU seconds, peak resident MiB, exit code) of one run.

    The system's peak of a process begins with that of the process that started
    it, so a value not above `floor` is replaced by the sampled one.
    """
    stop, peaks = threading.Event(), []
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
    watcher = threading.Thread(target=watch, args=(child.pid, stop, peaks))
    watcher.start()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begin
    stop.set()
    watcher.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    peak = usage.ru_maxrss / (MIB if sys.platform == "darwin" else 1024)
    if peak <= floor and peaks:
        peak = max(peaks)
    return wall, usage.ru_utime + usage.ru_stime, peak, child.returncode


def check_rows(job, out, expected):
    if not out.exists():
        return problem(f"{job}: lynccap wrote no CSV")
    with open(out, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        column = next(rows, []).index("protocol")
        found = sum(row[column] == "sip" for row in rows)
    if found != expected:
        problem(f"{job}: {found} sip rows in the CSV, {expected} messages generated")


def run_job(job, size, binary, peers, work, runs):
    """Rows of the table for one job."""
    path, info = make_input(job, size, work)
    out, log = work / "out.csv", work / "stderr.txt"
    keys = path.with_suffix(".keys")
    programs = {"lynccap": [binary, *CSV_ARGS, *(KEYLOG if keys.exists() else [])]}
    programs.update({peer[0]: peer for peer in peers if shutil.which(peer[0])})
    results = {name: [] for name in programs}
    floor = max(measure(["true"], subprocess.DEVNULL)[2] for _ in range(5)) + 0.5
    for turn in range(runs + 1):            # turn 0 warms up
        for name, command in programs.items():
            out.unlink(missing_ok=True)
            words = [{"FILE": str(path), "OUT": str(out)}.get(word, word).replace("KEYS", str(keys)) for word in command]
            with open(log, "wb") as errors:
                *values, code = measure(words, errors, floor)
            if code:
                tail = log.read_text(errors="replace").strip()[-500:]
                problem(f"{job}: {name} ended with {code}: {tail}")
            elif name == "lynccap" and not job.startswith("hostile"):
                check_rows(job, out, info["sip_messages"])
            if turn:
                results[name].append(values)
            print(f"{job} {turn}/{runs} {name}: {values[0]:.2f} s, {values[1]:.2f} s CPU, {values[2]:.1f} MiB",
                  file=sys.stderr)
    out.unlink(missing_ok=True)
    label = f"{job}, {info['bytes'] / MIB:.0f} MiB, {info['packets']:,} packets"
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
    for name, values in medians.items():
        ratios = ["", "", ""] if name == "lynccap" else [
            f"{own / max(other, 1e-3):.2f}" for own, other in zip(medians["lynccap"], values)]
        yield [label, name, f"{values[0]:.2f}", f"{values[1]:.2f}", f"{values[2]:.1f}",
               f"{info['bytes'] / MIB / values[0]:.0f}", *ratios]
    for peer in peers:
        if peer[0] not in medians:
            yield [label, peer[0], "missing", *[""] * 6]


def main():
    parser = argparse.ArgumentParser(description="Time lynccap against other programs on generated captures.")
    parser.add_argument("binary")
    parser.add_argument("--size", type=int, help="MiB of every input, instead of each job's own")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", type=pathlib.Path, default=HERE.parents[1] / "target" / "bench")
    parser.add_argument("--only", choices=JOBS)
    args = parser.parse_args()
    binary = shutil.which(args.binary) or parser.error(f"cannot run {args.binary}")
    if args.runs < 1:
        parser.error("--runs must be at least 1")
    args.work.mkdir(parents=True, exist_ok=True)
    table = []
    for job, (size, peers) in JOBS.items():
        if args.only in (None, job):
            table += run_job(job, args.size or size, os.path.abspath(binary), peers, args.work, args.runs)
    print(f"Medians of {args.runs} runs after one to warm up, {os.cpu_count()} CPUs.\n")
    head = ["input", "program", "wall s", "CPU s", "peak MiB", "MiB/s", "wall ratio", "CPU ratio", "memory ratio"]
    for row in [head, ["---"] * 2 + ["---:"] * 7, *table]:
        print("| " + " | ".join(row) + " |")
    for text in problems:
        print(f"\nFAILED: {text}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
