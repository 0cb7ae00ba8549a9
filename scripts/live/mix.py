#!/usr/bin/env python3
"""Mixes two pcap files of one byte order: mix.py OTHER INTERESTING OUT. One packet in twenty is of the second file."""
import struct
import sys

HEADER = struct.Struct("<IIII")


def packets(path):
    with open(path, "rb") as file:
        yield file.read(24)
        while len(head := file.read(16)) == 16:
            yield head + file.read(HEADER.unpack(head)[2])


other, interesting = packets(sys.argv[1]), packets(sys.argv[2])
with open(sys.argv[3], "wb") as out:
    out.write(next(other))
    next(interesting)
    for number, packet in enumerate(other, 1):
        out.write(packet)
        if number % 19 == 0 and (one := next(interesting, None)):
            out.write(one)
