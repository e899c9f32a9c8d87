//! A TCP segment in an Ethernet frame, read byte by byte, and the faults of one that should have none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A segment, its headers' fields in host order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Hardware address of the receiver.
    pub destination_mac: [u8; 6],
    /// Hardware address of the sender.
    pub source_mac: [u8; 6],
    /// VLAN tags, outermost first: type, then priority and id.
    pub tags: Vec<(u16, u16)>,
    /// Address of the sender.
    pub source: IpAddr,
    /// Address of the receiver.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub hop_limit: u8,
    /// The two bits of the IP header that routers mark.
    pub ecn: u8,
    /// Port of the sender.
    pub source_port: u16,
    /// Port of the receiver.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number: the next sequence number that the sender expects.
    pub acknowledgement: u32,
    /// Flags, with the four reserved bits above them.
    pub flags: u16,
    /// Window, unscaled.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Options, with their padding.
    pub options: Vec<u8>,
    /// Data.
    pub payload: Vec<u8>,
    /// The IP header with all that is part of it, and the TCP segment, as they came.
    ip: Vec<u8>,
    tcp: Vec<u8>,
    /// Bytes of the frame, and of the trailer behind the IP packet.
    frame: usize,
    trailer: usize,
}

/// Ethernet's shortest frame, in bytes.
const FRAME_MIN: usize = 60;

/// Types of VLAN tags.
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const TCP: u8 = 6;
/// IPv6 hop-by-hop options, routing header, destination options.
const EXTENSIONS: [u8; 3] = [0, 43, 60];

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn double_word(bytes: &[u8], at: usize) -> u32 {
    u32::from(word(bytes, at)) << 16 | u32::from(word(bytes, at + 2))
}

impl Segment {
    /// Returns the type of service, or the traffic class.
    pub fn traffic_class(&self) -> u8 {
        if self.source.is_ipv4() { self.ip[1] } else { self.ip[0] << 4 | self.ip[1] >> 4 }
    }

    /// Reads a frame with a whole TCP header in it, of IPv4 or IPv6 and not a fragment.
    ///
    /// # Errors
    /// The first fault.
    pub fn read(frame: &[u8]) -> Result<Self, String> {
        let mac = |at: usize| frame.get(at..at + 6).and_then(|mac| mac.try_into().ok());
        let (Some(destination_mac), Some(source_mac)) = (mac(0), mac(6)) else {
            return Err(format!("a frame of {} bytes", frame.len()));
        };
        let mut tags = Vec::new();
        let mut at = 12;
        let kind = loop {
            let kind = frame.get(at..at + 2).map(|kind| word(kind, 0)).ok_or("no Ethernet type")?;
            at += 2;
            if !TAGS.contains(&kind) {
                break kind;
            }
            tags.push((kind, frame.get(at..at + 2).map(|tag| word(tag, 0)).ok_or("half a tag")?));
            at += 2;
        };
        let packet = &frame[at..];
        let (header, end) = match kind {
            0x0800 => ipv4(packet)?,
            0x86dd => ipv6(packet)?,
            _ => return Err(format!("Ethernet type {kind:#06x}")),
        };
        if end > packet.len() {
            return Err(format!("an IP packet of {end} bytes in {}", packet.len()));
        }
        let (ip, tcp) = packet[..end].split_at(header);
        let data = tcp.get(12).map(|offset| usize::from(offset >> 4) * 4).ok_or("half a TCP header")?;
        if data < 20 || data > tcp.len() {
            return Err(format!("a TCP header of {data} bytes in {}", tcp.len()));
        }
        let (source, destination, hop_limit, ecn) = of_ip(ip);
        Ok(Self {
            destination_mac,
            source_mac,
            tags,
            source,
            destination,
            hop_limit,
            ecn,
            source_port: word(tcp, 0),
            destination_port: word(tcp, 2),
            sequence: double_word(tcp, 4),
            acknowledgement: double_word(tcp, 8),
            flags: word(tcp, 12) & 0x0fff,
            window: word(tcp, 14),
            urgent: word(tcp, 18),
            options: tcp[20..data].to_vec(),
            payload: tcp[data..].to_vec(),
            ip: ip.to_vec(),
            tcp: tcp.to_vec(),
            frame: frame.len(),
            trailer: packet.len() - end,
        })
    }

    /// Lists the faults of the segment by itself: checksums, lengths that disagree, and fields that a plain segment
    /// does not have.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut expect = |holds: bool, fault: String| faults.extend((!holds).then_some(fault));
        // Only to make the frame as long as Ethernet's shortest, without its checksum.
        let padding = self.trailer == 0 || self.frame <= FRAME_MIN;
        expect(padding, format!("{} bytes after the packet", self.trailer));
        let plain = if self.source.is_ipv4() { 20 } else { 40 };
        expect(self.ip.len() == plain, format!("an IP header of {} bytes", self.ip.len()));
        if self.source.is_ipv4() {
            let sum = sum(&self.ip, 0);
            expect(sum == 0xffff, format!("the IPv4 header sums to {sum:#06x}"));
        }
        let sum = sum(&self.tcp, self.pseudo_sum());
        expect(sum == 0xffff, format!("the TCP segment sums to {sum:#06x}"));
        faults
    }

    /// The sum over the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1).
    fn pseudo_sum(&self) -> u32 {
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let addresses = [octets(self.source), octets(self.destination)].concat();
        u32::from(sum(&addresses, 0)) + u32::from(TCP) + self.tcp.len() as u32
    }
}

/// The Internet checksum's sum (RFC 1071), not inverted: all ones over data that holds its right checksum.
fn sum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Bytes of the IPv4 header, and of the packet.
fn ipv4(packet: &[u8]) -> Result<(usize, usize), String> {
    if packet.len() < 20 || packet[0] >> 4 != 4 {
        return Err(format!("no IPv4 header: {packet:02x?}"));
    }
    let (header, total) = (usize::from(packet[0] & 0xf) * 4, usize::from(word(packet, 2)));
    if header < 20 || header > total {
        return Err(format!("an IPv4 header of {header} bytes in a packet of {total}"));
    }
    // More fragments, or an offset, or the reserved bit.
    if word(packet, 6) & 0xbfff != 0 {
        return Err(format!("IPv4 flags and offset {:#06x}", word(packet, 6)));
    }
    if packet[9] == TCP { Ok((header, total)) } else { Err(format!("protocol {}", packet[9])) }
}

/// Bytes of the IPv6 header with its extensions, and of the packet.
fn ipv6(packet: &[u8]) -> Result<(usize, usize), String> {
    if packet.len() < 40 || packet[0] >> 4 != 6 {
        return Err(format!("no IPv6 header: {packet:02x?}"));
    }
    let end = 40 + usize::from(word(packet, 4));
    let (mut next, mut header) = (packet[6], 40);
    while EXTENSIONS.contains(&next) {
        let extension = packet.get(header..header + 2).ok_or("half an extension header")?;
        next = extension[0];
        header += (usize::from(extension[1]) + 1) * 8;
    }
    if next != TCP {
        return Err(format!("next header {next}"));
    }
    if header > end {
        Err(format!("IPv6 headers of {header} bytes in a packet of {end}"))
    } else {
        Ok((header, end))
    }
}

/// Source, destination, hop limit and ECN field of an IP header.
fn of_ip(header: &[u8]) -> (IpAddr, IpAddr, u8, u8) {
    if header[0] >> 4 == 4 {
        let address = |at: usize| IpAddr::V4(Ipv4Addr::from(double_word(header, at)));
        return (address(12), address(16), header[8], header[1] & 3);
    }
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[at..at + 16]);
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    (address(8), address(24), header[7], header[1] >> 4 & 3)
}
