//! Checks a SYN-ACK against its SYN: written from the RFCs and the kernel's rules for SYN cookies, without a look at
//! the program under test.

mod options;
mod segment;

use synguard_common::syn_cookie::config::{
    SYN_COOKIE_ECN, SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SynCookieConfig,
};

pub use self::{
    options::{SynOptions, TcpOption},
    segment::Segment,
};
use crate::packet::flags;

/// Number of timestamp bits in which the kernel keeps a connection's options while it keeps no other state of it.
const OPTION_BITS: u32 = 6;
/// Window scale "none", in the lowest four of these bits.
const NO_SCALE: u32 = 0xf;
const SACK_BIT: u32 = 1 << 4;
const ECN_BIT: u32 = 1 << 5;
/// The greatest window scale (RFC 7323 section 2.3). A greater one is read as 14.
pub const SCALE_MAX: u8 = 14;

/// The fields of the kernel's own SYN-ACKs that no SYN decides.
#[derive(Clone, Copy, Debug)]
pub struct KernelSynAck {
    /// Window scale that it announces.
    pub window_scale: u8,
    /// MSS that it announces over IPv4.
    pub mss_v4: u16,
    /// MSS that it announces over IPv6.
    pub mss_v6: u16,
    /// Time to live, or hop limit.
    pub hop_limit: u8,
}

impl KernelSynAck {
    /// Linux's, with its usual settings, on Ethernet.
    pub const USUAL: Self = Self { window_scale: 7, mss_v4: 1460, mss_v6: 1440, hop_limit: 64 };

    /// Returns the MSS that it announces over IPv4 or IPv6.
    pub const fn mss(&self, is_v4: bool) -> u16 {
        if is_v4 { self.mss_v4 } else { self.mss_v6 }
    }
}

/// The conditions that a SYN-ACK must meet, besides those that its SYN sets.
#[derive(Clone, Copy, Debug)]
pub struct CookieContext {
    /// The settings under which the SYN-ACK was made.
    pub cookies: SynCookieConfig,
    /// The SYN-ACK that it repeats.
    pub kernel: KernelSynAck,
    /// Time before the SYN was handed over, as of the last tick, in milliseconds of `CLOCK_MONOTONIC`.
    pub earliest_ms: u64,
    /// Time after the SYN-ACK was there, likewise.
    pub latest_ms: u64,
}

/// A SYN-ACK without a fault.
#[derive(Clone, Debug)]
pub struct SynAck {
    /// The SYN-ACK, taken apart.
    pub segment: Segment,
    /// The options of the SYN-ACK, without padding.
    pub options: Vec<TcpOption>,
}

impl SynAck {
    /// Returns the timestamp value, if there is one.
    pub fn timestamp(&self) -> Option<u32> {
        self.options.iter().find_map(|option| match option {
            TcpOption::Timestamp { value, .. } => Some(*value),
            _ => None,
        })
    }
}

/// Checks `syn_ack` as the reply to `syn`.
///
/// # Errors
/// All faults of the SYN-ACK, in words.
pub fn check(syn: &[u8], syn_ack: &[u8], context: &CookieContext) -> Result<SynAck, String> {
    let syn = Segment::read(syn).map_err(|fault| format!("the SYN itself: {fault}"))?;
    let segment = Segment::read(syn_ack)?;
    let mut faults = segment.faults();
    addresses(&syn, &segment, &mut faults);
    header(&syn, &segment, context, &mut faults);
    let options = TcpOption::read_all(&segment.options).unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    carried(&syn, &segment, &options, context, &mut faults);
    if faults.is_empty() { Ok(SynAck { segment, options }) } else { Err(faults.join("; ")) }
}

/// Checks that the SYN-ACK goes back the way that the SYN came.
fn addresses(syn: &Segment, syn_ack: &Segment, faults: &mut Vec<String>) {
    let mut same = |what: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
        if format!("{found:?}") != format!("{wanted:?}") {
            faults.push(format!("{what} {found:?}, not {wanted:?}"));
        }
    };
    same("destination MAC", &syn_ack.destination_mac, &syn.source_mac);
    same("source MAC", &syn_ack.source_mac, &syn.destination_mac);
    // The priority of the outermost tag is the kernel's: 0 unless an egress map says otherwise.
    let tag = |(at, &(kind, control)): (usize, &(u16, u16))| {
        (kind, if at == 0 { control & 0xfff } else { control })
    };
    let tags: Vec<_> = syn.tags.iter().enumerate().map(tag).collect();
    same("tags", &syn_ack.tags, &tags);
    same("destination", &syn_ack.destination, &syn.source);
    same("source", &syn_ack.source, &syn.destination);
    same("destination port", &syn_ack.destination_port, &syn.source_port);
    same("source port", &syn_ack.source_port, &syn.destination_port);
    // Only the SYN is acknowledged, even if it carried data: the server keeps none of the data.
    same("acknowledges", &syn_ack.acknowledgement, &syn.sequence.wrapping_add(1));
}

/// Checks the fields that do not depend on the options.
fn header(syn: &Segment, syn_ack: &Segment, context: &CookieContext, faults: &mut Vec<String>) {
    let mut expect = |holds: bool, fault: String| faults.extend((!holds).then_some(fault));
    expect(context.cookies.has(SYN_COOKIE_ON), "no cookie was to be sent".to_owned());
    let wanted = u16::from(flags::SYN | flags::ACK)
        | if agrees_to_ecn(syn, context) { u16::from(flags::ECE) } else { 0 };
    // The comparison includes the reserved bits.
    expect(syn_ack.flags == wanted, format!("flags {:#x}, not {wanted:#x}", syn_ack.flags));
    expect(
        syn_ack.hop_limit == context.kernel.hop_limit,
        format!("hop limit {}, not {}", syn_ack.hop_limit, context.kernel.hop_limit),
    );
    // RFC 3168 section 6.1.1: a SYN-ACK is not ECN-capable itself.
    expect(syn_ack.ecn == 0, format!("ECN field {}", syn_ack.ecn));
    expect(syn_ack.window > 0, "no window".to_owned());
    expect(syn_ack.urgent == 0, format!("urgent pointer {}", syn_ack.urgent));
    expect(syn_ack.payload.is_empty(), format!("{} bytes of data", syn_ack.payload.len()));
}

/// Checks the options: those that the SYN offered and the settings allow. The timestamp must encode the same options.
fn carried(
    syn: &Segment,
    syn_ack: &Segment,
    options: &[TcpOption],
    context: &CookieContext,
    faults: &mut Vec<String>,
) {
    let offered = SynOptions::of(&syn.options);
    let settings = &context.cookies;
    let mut wanted = vec![TcpOption::Mss(context.kernel.mss(syn_ack.source.is_ipv4()))];
    if let (true, Some(echo)) = (settings.has(SYN_COOKIE_OPTIONS), offered.timestamp) {
        if offered.sack {
            wanted.push(TcpOption::SackPermitted);
        }
        if offered.scale.is_some() {
            wanted.push(TcpOption::WindowScale(context.kernel.window_scale));
        }
        let found = options.iter().find_map(|option| match option {
            TcpOption::Timestamp { value, .. } => Some(*value),
            _ => None,
        });
        match found {
            Some(value) => {
                faults.extend(timestamp(value, bits(&offered, agrees_to_ecn(syn, context)), context).err());
                wanted.push(TcpOption::Timestamp { value, echo });
            }
            None => faults.push("no timestamp".to_owned()),
        }
    }
    let sorted = |options: &[TcpOption]| {
        let mut options = options.to_vec();
        options.sort_unstable();
        options
    };
    if sorted(options) != sorted(&wanted) {
        faults.push(format!("options {options:?}, not {wanted:?}"));
    }
}

/// Reports whether the kernel would agree to ECN and remember it: the SYN asks for ECN by both flags (RFC 3168
/// section 6.1.1), no router has marked the SYN, and there is a timestamp to keep the bit in.
fn agrees_to_ecn(syn: &Segment, context: &CookieContext) -> bool {
    let asked = u16::from(flags::ECE | flags::CWR);
    context.cookies.has(SYN_COOKIE_ECN | SYN_COOKIE_OPTIONS)
        && SynOptions::of(&syn.options).timestamp.is_some()
        && syn.flags & asked == asked
        && syn.ecn == 0
}

fn bits(offered: &SynOptions, ecn: bool) -> u32 {
    offered.scale.map_or(NO_SCALE, u32::from)
        | if offered.sack { SACK_BIT } else { 0 }
        | if ecn { ECN_BIT } else { 0 }
}

/// Checks that the timestamp is the latest one with those bits that does not lie in the future.
fn timestamp(value: u32, bits: u32, context: &CookieContext) -> Result<(), String> {
    let mask = (1 << OPTION_BITS) - 1;
    if value & mask != bits {
        return Err(format!("timestamp's bits {:#08b}, not {bits:#08b}", value & mask));
    }
    let latest = |now: u64| {
        let with_bits = now & !u64::from(mask) | u64::from(bits);
        if with_bits > now { with_bits.wrapping_sub(1 << OPTION_BITS) } else { with_bits }
    };
    let (earliest, latest) = (latest(context.earliest_ms) as u32, latest(context.latest_ms) as u32);
    if value.wrapping_sub(earliest) <= latest.wrapping_sub(earliest) {
        Ok(())
    } else {
        Err(format!("timestamp {value}, not {earliest} to {latest}"))
    }
}

#[cfg(test)]
mod tests;
