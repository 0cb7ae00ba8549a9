#!/usr/bin/env python3
"""Time lynccap against other programs on captures and logs.

    run.py BINARY [--size MIB] [--times N] [--runs N] [--work DIR] [--only NAME...]

For each job the input is generated (see generate.py; it is kept in DIR and used
again as long as generate.py does not change), every program runs once to warm
up, then all of them in turn N times.  Standard output gets a Markdown table of
medians: wall clock, user + system CPU seconds, peak resident memory, SIP
messages told in a second, and how many times the peer's value lynccap needs
(below 1: lynccap needs less).

--times 10 makes each input ten times as large, to see how cost grows; name the
jobs with --only, and see that DIR has room for it.  "login" is the capture of
one sign-in in captures/; it runs twenty times as often.  Of logs the reading
alone is timed too where `cargo build --release --example read_logs` was run.

The runner exits with 1 when lynccap fails or when it tells another number of
SIP messages than there are, in whichever run.
"""
import argparse
import csv
import hashlib
import json
import os
import pathlib
import re
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
KEYED = [*TSHARK, "-o", "tls.keylog_file:KEYS"]
GREP = ["grep", "-ac", "Call-ID", "FILE"]
JOBS = {    # name: (kind of input, its size, peers)
    "login": (None, 1, [KEYED]),
    "mixed": ("mixed", 1024, [TCPDUMP, ["cat", "FILE"]]),
    "sip": ("sip", 256, [TSHARK]),
    "sip-tls12": ("sip-tls12", 256, [KEYED]),
    "sip-tls13": ("sip-tls13", 256, [KEYED]),
    "logins-1k": ("logins", 1, [TSHARK]),
    "logins-100k": ("logins", 100, []),
    "log": ("log", 256, [GREP]),
    "log-quiet": ("log-quiet", 256, [GREP]),
    **{kind: (kind, size, []) for kind, size in (
        ("hostile-halfopen", 64), ("hostile-ooo", 256), ("hostile-frags", 256), ("hostile-tiny", 64),
        ("hostile-reorder", 256))},
}
CAPTURE = HERE.parents[1] / "captures" / "login.pcapng"
READING = "lynccap, reading alone"
LOGINS_MIB = 17                             # of a thousand logins
problems = []


def problem(text):
    if text not in problems:
        problems.append(text)
    print(f"FAILED: {text}", file=sys.stderr)


def make_input(kind, size, work):
    """The input and what the generator said about it; None where there is no room for it."""
    script = HERE / "generate.py"
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    path = work / f"{kind}-{size}.{'uccapilog' if kind in ('log', 'log-quiet') else 'pcap'}"
    note = path.with_suffix(".json")
    if path.exists() and note.exists():
        info = json.loads(note.read_text())
        if info["generator"] == digest and info["bytes"] == path.stat().st_size:
            return path, info
    note.unlink(missing_ok=True)
    need = size * (LOGINS_MIB if kind == "logins" else 1) * 2 * MIB     # with what is told of it
    if shutil.disk_usage(work).free < need:
        return problem(f"{kind}: {work} has less than {need // MIB} MiB free")
    print(f"generating {path}", file=sys.stderr)
    done = subprocess.run([sys.executable, script, kind, str(size), path], stdout=subprocess.PIPE, check=True)
    info = {**json.loads(done.stdout), "generator": digest}
    note.write_text(json.dumps(info) + "\n")
    return path, info


def login_capture():
    """The capture of one sign-in and what its truth file says about it."""
    truth = [json.loads(line) for line in CAPTURE.with_suffix(".truth.jsonl").read_text().splitlines()]
    messages = sum(line["kind"] == "sip" for line in truth)
    return CAPTURE, {"bytes": CAPTURE.stat().st_size, "packets": 0, "sip_messages": messages}


def watch(pid, stop, peaks):
    """Sample the peak resident memory of a process (Linux)."""
    pause = 0.001                           # a short run is seen at all, a long one not disturbed
    while not stop.wait(pause):
        pause = min(pause * 1.2, 0.01)
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        peaks += [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")]


def measure(command, output, errors, floor=0.0):
    """(wall seconds, CPU seconds, peak resident MiB, exit code) of one run.

    The system's peak of a process begins with that of the process that started
    it, so a value not above `floor` is replaced by the sampled one.
    """
    stop, peaks = threading.Event(), []
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
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


def programs_of(binary, keys, peers, is_log):
    """The command of each program."""
    programs = {"lynccap": [binary, *CSV_ARGS, *(KEYLOG if keys.exists() else [])]}
    reading = pathlib.Path(binary).parent / "examples" / "read_logs"
    if is_log and reading.exists():
        programs[READING] = [str(reading), "FILE"]
    programs.update({peer[0]: peer for peer in peers if shutil.which(peer[0])})
    return programs


def run_job(job, path, info, binary, peers, work, runs):
    """Rows of the table for one job."""
    out, log, said = work / "out.csv", work / "stderr.txt", work / "stdout.txt"
    keys = path.with_suffix(".keys")
    programs = programs_of(binary, keys, peers, path.suffix == ".uccapilog")
    results = {name: [] for name in programs}
    floor = max(measure(["true"], subprocess.DEVNULL, subprocess.DEVNULL)[2] for _ in range(5)) + 0.5
    for turn in range(runs + 1):            # turn 0 warms up
        for name, command in programs.items():
            out.unlink(missing_ok=True)
            files = {"FILE": str(path), "OUT": str(out)}
            words = [files.get(word, word).replace("KEYS", str(keys)) for word in command]
            # Not to /dev/null: grep stops early there.
            with open(said, "wb") as output, open(log, "wb") as errors:
                *values, code = measure(words, output, errors, floor)
            if code:
                tail = log.read_text(errors="replace").strip()[-500:]
                problem(f"{job}: {name} ended with {code}: {tail}")
            elif name == READING:
                found = re.search(r"(\d+) SIP messages", said.read_text())
                if not found or int(found[1]) != info["sip_messages"]:
                    problem(f"{job}: {said.read_text().strip()}, {info['sip_messages']} messages generated")
            elif name == "lynccap" and info["sip_messages"] is not None:
                check_rows(job, out, info["sip_messages"])
            if turn:
                results[name].append(values)
            print(f"{job} {turn}/{runs} {name}: {values[0]:.3f} s, {values[1]:.3f} s CPU, {values[2]:.1f} MiB",
                  file=sys.stderr)
    for file in out, log, said:
        file.unlink(missing_ok=True)
    counted = {"packets": info["packets"], "messages": info["sip_messages"]}
    size = f"{info['bytes'] / MIB:.0f} MiB" if info["bytes"] > MIB else f"{info['bytes'] / 1024:.0f} KiB"
    label = ", ".join([job, size, *(f"{number:,} {what}" for what, number in counted.items() if number)])
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
    for name, (wall, cpu, peak) in medians.items():
        ratios = [""] * 3 if name == "lynccap" else [
            f"{own / max(other, 1e-3):.2f}" for own, other in zip(medians["lynccap"], (wall, cpu, peak))]
        rate = f"{info['sip_messages'] / wall:,.0f}" if info["sip_messages"] and name.startswith("lynccap") else ""
        speed = f"{info['bytes'] / MIB / wall:.0f}"
        yield [label, name, seconds(wall), seconds(cpu), f"{peak:.1f}", speed, rate, *ratios]
    for peer in peers:
        if peer[0] not in medians:
            yield [label, peer[0], "missing", *[""] * 7]


def seconds(value):
    return f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.1f} ms"


def main():
    parser = argparse.ArgumentParser(description="Time lynccap against other programs on captures and logs.")
    parser.add_argument("binary")
    parser.add_argument("--size", type=int, help="size of every input, instead of each job's own")
    parser.add_argument("--times", type=int, default=1, help="how many times that size")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", type=pathlib.Path, default=HERE.parents[1] / "target" / "bench")
    parser.add_argument("--only", choices=JOBS, nargs="+", default=list(JOBS))
    args = parser.parse_args()
    binary = shutil.which(args.binary) or parser.error(f"cannot run {args.binary}")
    if args.runs < 1 or args.times < 1:
        parser.error("--runs and --times must be at least 1")
    args.work.mkdir(parents=True, exist_ok=True)
    table = []
    for job in args.only:
        kind, size, peers = JOBS[job]
        made = make_input(kind, (args.size or size) * args.times, args.work) if kind else login_capture()
        if made:
            runs = args.runs if kind else 20 * args.runs
            table += run_job(job, *made, os.path.abspath(binary), peers, args.work, runs)
    print(f"Medians of {args.runs} runs after one to warm up, {os.cpu_count()} CPUs.\n")
    head = ["input", "program", "wall", "CPU", "peak MiB", "MiB/s", "messages/s", "wall ratio", "CPU ratio",
            "memory ratio"]
    for row in [head, ["---"] * 2 + ["---:"] * 8, *table]:
        print("| " + " | ".join(row) + " |")
    for text in problems:
        print(f"\nFAILED: {text}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
