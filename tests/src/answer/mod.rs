//! Reads a SYN-ACK that was made in answer to a SYN, and says what is wrong with it: written from the RFCs and the
//! kernel's rules for SYN cookies, without a look at the program that makes answers.

mod options;
mod segment;

use synguard_common::syn_cookie::config::{
    SYN_COOKIE_ECN, SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SynCookieConfig,
};

pub use self::{
    options::{Offer, TcpOption},
    segment::Segment,
};
use crate::packet::flags;

/// Bits of a timestamp in which the kernel keeps a connection's options while it keeps nothing else of it.
const OPTION_BITS: u32 = 6;
/// Window scale "none", in the lowest four of them.
const NO_SCALE: u32 = 0xf;
const SACK_BIT: u32 = 1 << 4;
const ECN_BIT: u32 = 1 << 5;
/// The greatest window scale (RFC 7323 section 2.3). A greater one counts as this one.
pub const SCALE_MAX: u8 = 14;

/// The conditions that a SYN-ACK must meet, besides those that its SYN sets.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The settings it was made under.
    pub answering: SynCookieConfig,
    /// Milliseconds of CLOCK_MONOTONIC before the SYN was handed over, as of the last tick.
    pub earliest_ms: u64,
    /// The same after the answer was there.
    pub latest_ms: u64,
}

/// An answer in which nothing is wrong.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The SYN-ACK, taken apart.
    pub segment: Segment,
    /// Its options, without padding.
    pub options: Vec<TcpOption>,
}

impl Answer {
    /// The timestamp it carries, if any.
    pub fn timestamp(&self) -> Option<u32> {
        self.options.iter().find_map(|option| match option {
            TcpOption::Timestamp { value, .. } => Some(*value),
            _ => None,
        })
    }
}

/// Reads `answer` as the one to `syn`.
///
/// # Errors
/// All that is wrong with it, in words.
pub fn check(syn: &[u8], answer: &[u8], terms: &Terms) -> Result<Answer, String> {
    let syn = Segment::read(syn).map_err(|fault| format!("the SYN itself: {fault}"))?;
    let segment = Segment::read(answer)?;
    let mut faults = segment.faults();
    addresses(&syn, &segment, &mut faults);
    header(&syn, &segment, terms, &mut faults);
    let options = TcpOption::read_all(&segment.options).unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    carried(&syn, &segment, &options, terms, &mut faults);
    if faults.is_empty() { Ok(Answer { segment, options }) } else { Err(faults.join("; ")) }
}

/// Checks that the SYN-ACK goes back the way that the SYN came.
fn addresses(syn: &Segment, answer: &Segment, faults: &mut Vec<String>) {
    let mut same = |what: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
        if format!("{found:?}") != format!("{wanted:?}") {
            faults.push(format!("{what} {found:?}, not {wanted:?}"));
        }
    };
    same("destination MAC", &answer.destination_mac, &syn.source_mac);
    same("source MAC", &answer.source_mac, &syn.destination_mac);
    same("tags", &answer.tags, &syn.tags);
    same("destination", &answer.destination, &syn.source);
    same("source", &answer.source, &syn.destination);
    same("destination port", &answer.destination_port, &syn.source_port);
    same("source port", &answer.source_port, &syn.destination_port);
    // Only the SYN is acknowledged, whatever data it brought: the server keeps none of it.
    same("acknowledges", &answer.acknowledgement, &syn.sequence.wrapping_add(1));
}

/// Checks the fields that do not depend on the options.
fn header(syn: &Segment, answer: &Segment, terms: &Terms, faults: &mut Vec<String>) {
    let mut expect = |holds: bool, fault: String| faults.extend((!holds).then_some(fault));
    expect(terms.answering.has(SYN_COOKIE_ON), "nothing was to be answered".to_owned());
    let wanted = u16::from(flags::SYN | flags::ACK)
        | if agrees_to_ecn(syn, terms) { u16::from(flags::ECE) } else { 0 };
    // The reserved bits among them.
    expect(answer.flags == wanted, format!("flags {:#x}, not {wanted:#x}", answer.flags));
    expect(
        u32::from(answer.hop_limit) == terms.answering.hop_limit,
        format!("hop limit {}, not {}", answer.hop_limit, terms.answering.hop_limit),
    );
    // RFC 3168 section 6.1.1: no SYN-ACK says that its sender understands marks.
    expect(answer.ecn == 0, format!("ECN field {}", answer.ecn));
    expect(answer.window > 0, "no window".to_owned());
    expect(answer.urgent == 0, format!("urgent pointer {}", answer.urgent));
    expect(answer.payload.is_empty(), format!("{} bytes of data", answer.payload.len()));
}

/// Its options are those that the SYN offered and the settings allow; its timestamp says which they are.
fn carried(syn: &Segment, answer: &Segment, options: &[TcpOption], terms: &Terms, faults: &mut Vec<String>) {
    let offer = Offer::of(&syn.options);
    let settings = &terms.answering;
    let mss = if answer.source.is_ipv4() { settings.mss_v4 } else { settings.mss_v6 };
    let mut wanted = vec![TcpOption::Mss(mss as u16)];
    if let (true, Some(echo)) = (settings.has(SYN_COOKIE_OPTIONS), offer.timestamp) {
        if offer.sack {
            wanted.push(TcpOption::SackPermitted);
        }
        if offer.scale.is_some() {
            wanted.push(TcpOption::WindowScale(settings.window_scale as u8));
        }
        let found = options.iter().find_map(|option| match option {
            TcpOption::Timestamp { value, .. } => Some(*value),
            _ => None,
        });
        match found {
            Some(value) => {
                faults.extend(timestamp(value, bits(&offer, agrees_to_ecn(syn, terms)), terms).err());
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
fn agrees_to_ecn(syn: &Segment, terms: &Terms) -> bool {
    let asked = u16::from(flags::ECE | flags::CWR);
    terms.answering.has(SYN_COOKIE_ECN | SYN_COOKIE_OPTIONS)
        && Offer::of(&syn.options).timestamp.is_some()
        && syn.flags & asked == asked
        && syn.ecn == 0
}

fn bits(offer: &Offer, ecn: bool) -> u32 {
    offer.scale.map_or(NO_SCALE, u32::from)
        | if offer.sack { SACK_BIT } else { 0 }
        | if ecn { ECN_BIT } else { 0 }
}

/// The timestamp is the latest one with those bits that does not lie in the future.
fn timestamp(value: u32, bits: u32, terms: &Terms) -> Result<(), String> {
    let mask = (1 << OPTION_BITS) - 1;
    if value & mask != bits {
        return Err(format!("timestamp's bits {:#08b}, not {bits:#08b}", value & mask));
    }
    let latest = |now: u64| {
        let with_bits = now & !u64::from(mask) | u64::from(bits);
        if with_bits > now { with_bits.wrapping_sub(1 << OPTION_BITS) } else { with_bits }
    };
    let (earliest, latest) = (latest(terms.earliest_ms) as u32, latest(terms.latest_ms) as u32);
    if value.wrapping_sub(earliest) <= latest.wrapping_sub(earliest) {
        Ok(())
    } else {
        Err(format!("timestamp {value}, not {earliest} to {latest}"))
    }
}

#[cfg(test)]
mod tests;
