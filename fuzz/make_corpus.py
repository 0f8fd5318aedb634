#!/usr/bin/env python3
"""Writes the seeds of the wire fuzz targets: sound packets, and those that broke real stacks.

Run it in this directory after a change; the files it writes are committed. An input's name says what it is.
"""
import ipaddress
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"
A4, B4 = (ipaddress.ip_address(a).packed for a in ("10.0.0.1", "10.0.0.2"))
A6, B6, LINK6, ANY6, NODES6 = (
    ipaddress.ip_address(a).packed for a in ("fd00::1", "fd00::2", "fe80::3", "::", "ff02::1"))
TCP, UDP, ICMP6 = 6, 17, 58
FIN, SYN, RST, PSH, ACK, URG = (1 << i for i in range(6))
TIMESTAMPS = bytes([1, 1, 8, 10]) + struct.pack("!II", 3000000001, 77)
SYN_OPTIONS = bytes([2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 1, 1, 0, 0, 0, 0, 1, 3, 3, 7])


def csum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp(flags=ACK, options=b"", payload=b"", offset=None, ports=(1021, 80), urgent=0):
    options += b"\0" * (-len(options) % 4)
    words = 5 + len(options) // 4 if offset is None else offset
    return struct.pack("!HHIIBBHHH", *ports, 1001, 2003, words << 4, flags, 64240, 0, urgent) + options + payload


def ip4(payload, protocol=TCP, options=b"", fragment=0x4000, total=None, first=None, dst=B4):
    header_bytes = 20 + len(options)
    total = header_bytes + len(payload) if total is None else total
    first = 0x40 | header_bytes // 4 if first is None else first
    header = struct.pack("!BBHHHBBH", first, 0, total, 4711, fragment, 64, protocol, 0) + A4 + dst + options
    return header[:10] + struct.pack("!H", csum(header)) + header[12:] + payload


def ip6(payload, following=TCP, src=A6, dst=B6, hops=64, length=None):
    length = len(payload) if length is None else length
    return struct.pack("!IHBB", 6 << 28 | 0xABCDE, length, following, hops) + src + dst + payload


def icmp(kind, code=0, rest=0, payload=b""):
    message = struct.pack("!BBHI", kind, code, 0, rest) + payload
    return message[:2] + struct.pack("!H", csum(message)) + message[4:]


def nd(message, src=A6, dst=B6, hops=255):
    pseudo = src + dst + struct.pack("!II", len(message), ICMP6)
    message = message[:2] + struct.pack("!H", csum(pseudo + message)) + message[4:]
    return ip6(message, ICMP6, src, dst, hops)


def solicitation(target=B6, options=b""):
    return struct.pack("!BBHI", 135, 0, 0, 0) + target + options


def mac(kind, units=1, last=1):
    return bytes([kind, units, 2, 0, 0, 0, 0, last])


def sack(count, length=None):
    blocks = b"".join(struct.pack("!II", 1000 * i + 7, 1000 * i + 500) for i in range(count))
    return bytes([1, 1, 5, 2 + 8 * count if length is None else length]) + blocks


SEGMENTS = {
    "syn": tcp(SYN, SYN_OPTIONS),
    "syn_ack": tcp(SYN | ACK, SYN_OPTIONS),
    "data_timestamps": tcp(ACK | PSH, TIMESTAMPS, b"hello"),
    "ack_sack_3": tcp(ACK, TIMESTAMPS + sack(3)),
    "ack_sack_4": tcp(ACK, sack(4)),
    "fin": tcp(FIN | ACK, TIMESTAMPS),
    "rst": tcp(RST),
    "user_timeout": tcp(SYN, bytes([28, 4, 0x80, 5, 2, 4, 5, 180])),
    "p01_option_length_0": tcp(options=bytes([77, 0, 1, 1])),
    "p01_mss_length_0": tcp(SYN, bytes([2, 0, 5, 180])),
    "p02_option_length_1": tcp(options=bytes([1, 77, 1, 0])),
    "p03_kind_in_last_byte": tcp(options=bytes([1, 1, 1, 2])),
    "p04_option_past_header": tcp(options=bytes([1, 2, 4, 5]), payload=b"behind"),
    "p05_offset_0": tcp(offset=0, payload=b"x" * 9),
    "p05_offset_4": tcp(offset=4, payload=b"x" * 9),
    "p06_offset_past_segment": tcp(offset=15),
    "p07_forty_nops": tcp(options=b"\1" * 40),
    "p08_mss_length_3": tcp(SYN, bytes([2, 3, 5, 0])),
    "p08_mss_length_5": tcp(SYN, bytes([2, 5, 5, 180, 0])),
    "p09_mss_0": tcp(SYN, bytes([2, 4, 0, 0])),
    "p10_wscale_255": tcp(SYN, bytes([3, 3, 255, 0])),
    "p12_sack_length_9": tcp(options=sack(1, 9)[:-1]),
    "p12_sack_length_11": tcp(options=sack(1, 11) + b"\0"),
    "p12_sack_5_blocks": tcp(options=sack(4, 42)),
    "p13_md5_length_2": tcp(options=bytes([19, 2, 29, 2, 19, 3, 0, 0])),
    "p14_urgent_0": tcp(ACK | URG, payload=b"urgent"),
    "p17_syn_fin": tcp(SYN | FIN),
    "p17_all_flags": tcp(0x3F),
    "p18_no_flags": tcp(0),
    "port_0": tcp(ports=(0, 80)),
    "p23_runt": tcp()[:19],
    "empty": b"",
}

NO_OPTIONS = bytes([1, 4, 0, 0, 0, 0])
PACKETS = {
    "ip4_tcp": ip4(tcp(SYN, SYN_OPTIONS)),
    "ip4_padded": ip4(tcp()) + b"\0" * 6,
    "ip4_fragment_first": ip4(b"x" * 16, UDP, fragment=0x2000),
    "ip4_fragment_last": ip4(b"x" * 7, UDP, fragment=2),
    "ip6_tcp": ip6(tcp(ACK, TIMESTAMPS, b"hello")),
    "ip6_extensions": ip6(bytes([43, 0, 5, 2, 0, 0, 1, 0]) + bytes([60, 0] + [0] * 6) +
                          bytes([TCP, 0]) + NO_OPTIONS + tcp(), 0),
    "ip6_fragment": ip6(bytes([UDP, 0, 0, 17, 0, 0, 2, 1]) + b"x" * 8, 44),
    "ip6_atomic_fragment": ip6(bytes([TCP, 0, 0, 0, 0, 0, 2, 1]) + tcp(), 44),
    "l01_ihl_4": ip4(tcp(), first=0x44),
    "l01_ihl_past_total": ip4(b"", first=0x4F),
    "l02_total_past_frame": ip4(tcp(), total=99),
    "l03_option_length_0": ip4(tcp(), options=bytes([7, 0, 0, 0])),
    "l03_source_route": ip4(tcp(), options=bytes([131, 255, 255, 0])),
    "l08_ip_in_ip": ip4(ip4(tcp(), total=9999), 4),
    "p16_total_below_headers": ip4(tcp(), total=30),
    "p21_land": ip4(tcp(SYN, ports=(80, 80)), dst=A4),
    "ping_of_death": ip4(b"x" * 64, 1, fragment=0x1FFF),
    "teardrop_second": ip4(b"x" * 4, UDP, fragment=3),
    "ip6_hop_by_hop_second": ip6(bytes([0, 0]) + NO_OPTIONS + bytes([TCP, 0]) + NO_OPTIONS + tcp(), 60),
    "ip6_nine_extensions": ip6((bytes([60, 0]) + NO_OPTIONS) * 9 + tcp(), 60),
    "ip6_extension_past_packet": ip6(bytes([TCP, 255]) + NO_OPTIONS, 60),
    "ip6_routing_segment_left": ip6(bytes([TCP, 0, 0, 1, 0, 0, 0, 0]) + tcp(), 43),
    "ip6_length_past_frame": ip6(tcp(), length=2000),
    "ip6_mapped_source": ip6(tcp(), src=b"\0" * 10 + b"\xff\xff" + A4),
    "version_5": b"\x55" + ip4(tcp())[1:],
}

MESSAGES = {
    "echo4": icmp(8, rest=0x12340007, payload=b"hello"),
    "echo6": icmp(128, rest=0x12340007, payload=b"hello"),
    "unreachable4_port": icmp(3, 3, payload=ip4(tcp())),
    "unreachable4_quote_8": icmp(3, 1, payload=ip4(tcp())[:28]),
    "too_big4": icmp(3, 4, 1400, ip4(tcp())),
    "too_big6": icmp(2, 0, 1400, ip6(tcp())),
    "unreachable6_port": icmp(1, 4, payload=ip6(tcp())),
    "time_exceeded6_fragment": icmp(3, 0, payload=ip6(bytes([TCP, 0, 0, 16, 0, 0, 2, 1]) + tcp(), 44)),
    "quote_cut_short": icmp(3, 3, payload=ip4(tcp())[:27]),
    "quote_ihl_15": icmp(3, 3, payload=b"\x4f" + ip4(tcp())[1:]),
    "quote_other_version": icmp(3, 3, payload=ip6(tcp())),
    "g05_source_quench": icmp(4, payload=ip4(tcp())),
    "g05_redirect": icmp(5, 1, 0x0A000009, ip4(tcp())),
    "packet_to_quote4": ip4(b"x" * 700, UDP),
    "packet_to_quote6": ip6(b"x" * 1400, UDP),
    "runt": icmp(8)[:7],
}

ROUTER = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0x40, 1800, 30000, 1000)
PREFIX = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0) + A6[:8] + b"\0" * 8
MTU = struct.pack("!BBHI", 5, 1, 0, 1400)
PROBED = bytes([0xFF, 2] + [0] * 9 + [1, 0xFF]) + B6[13:]
NEIGHBORS = {
    "solicitation": nd(solicitation(options=mac(1))),
    "solicitation_probe": nd(solicitation(), ANY6, PROBED),
    "advertisement": nd(struct.pack("!BBHI", 136, 0, 0, 0x60000000) + B6 + mac(2), B6, A6),
    "router_solicitation": nd(struct.pack("!BBHI", 133, 0, 0, 0) + mac(1), LINK6, NODES6),
    "router_advertisement": nd(ROUTER + mac(1) + MTU + PREFIX, LINK6, NODES6),
    "router_five_prefixes": nd(ROUTER + PREFIX * 5, LINK6, NODES6),
    "router_not_link_local": nd(ROUTER + PREFIX, A6, NODES6),
    "prefix_129_bits": nd(ROUTER + PREFIX[:2] + b"\x81" + PREFIX[3:], LINK6, NODES6),
    "prefix_length_3": nd(ROUTER + PREFIX[:1] + b"\3" + PREFIX[2:24], LINK6, NODES6),
    "option_length_0": nd(solicitation(options=mac(1, 0))),
    "option_past_message": nd(solicitation(options=mac(1, 9))),
    "options_33": nd(solicitation(options=bytes([99, 1, 0, 0, 0, 0, 0, 0]) * 33)),
    "hop_limit_64": nd(solicitation(options=mac(1)), hops=64),
    "code_1": nd(b"\x87\1" + solicitation()[2:]),
    "target_multicast": nd(solicitation(NODES6)),
    "target_mapped": nd(solicitation(b"\0" * 10 + b"\xff\xff" + A4)),
    "advertisement_solicited_to_many":
        nd(struct.pack("!BBHI", 136, 0, 0, 0x60000000) + B6 + mac(2), B6, NODES6),
    "probe_with_sender": nd(solicitation(options=mac(1)), ANY6, PROBED),
    "runt": nd(solicitation()[:23]),
}


def main():
    for target, inputs in (("tcp_parse", SEGMENTS), ("ip_parse", PACKETS), ("icmp_parse", MESSAGES),
                           ("nd_parse", NEIGHBORS)):
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in inputs.items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
