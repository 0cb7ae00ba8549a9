"""LZ77-8K of [MS-SIPCOMP]."""

import struct


class Compressor:
    """LZ77-8K of [MS-SIPCOMP]: one history a direction, every packet begins it anew or goes on."""

    def __init__(self):
        self.history = b""

    def packet(self, data):
        """Header of six bytes (flags, size before, size after, each 16 bits) and the bits."""
        flags = 0x2
        if not self.history or len(self.history) + len(data) > 8192:
            self.history, flags = b"", 0x6
        bits, position, window = [], 0, self.history
        while position < len(data):
            length, distance = self.match(window, data, position)
            if length >= 3:
                bits += [self.offset(distance), self.length(length)]
            else:
                length, value = 1, data[position]
                bits.append(f"{value:08b}" if value < 128 else f"10{value & 127:07b}")
            window += data[position : position + length]
            position += length
        self.history = window
        text = "".join(bits)
        text += "0" * (-len(text) % 8)
        body = int(text, 2).to_bytes(len(text) // 8, "big")
        return struct.pack(">HHH", flags << 12, len(data), len(body)) + body

    @staticmethod
    def match(window, data, position):
        best, where, length = 0, 0, 3
        while position + length <= len(data):
            found = window.rfind(data[position : position + length])
            if found < 0:
                break
            best, where, length = length, len(window) - found, length + 1
        return best, where

    @staticmethod
    def offset(distance):
        return (
            f"1111{distance:06b}"
            if distance < 64
            else f"1110{distance - 64:08b}"
            if distance < 320
            else f"110{distance - 320:013b}"
        )

    @staticmethod
    def length(length):
        if length == 3:
            return "0"
        ones = length.bit_length() - 2
        return "1" * ones + "0" + f"{length - (1 << (ones + 1)):0{ones + 1}b}"
