//! What a SYN offers: its TCP options, read with the network stack's eyes but more strictly. Pure.

/// Highest window scale (RFC 7323 section 2.3); what is higher counts as this.
pub const WINDOW_SCALE_MAX: u8 = 14;
/// Stands for no window scaling, as in the kernel's cookies.
pub const NO_WINDOW_SCALE: u8 = 0xf;
/// The most bytes that options can take.
pub const OPTIONS_MAX: usize = 40;

/// The most options that are read, those that only fill up included: hosts send up to ten.
pub const OPTION_COUNT_MAX: usize = 20;

/// The options of a SYN, packed into one word so that a function of the program can return them: from its low end the
/// MSS (16 bits, 0: none), the window scale (4), flags (12), and the timestamp as it lies in the packet (32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOptions(pub u64);

const SACK_BIT: u64 = 1 << 20;
const TIMESTAMP_BIT: u64 = 1 << 21;
const UNSUPPORTED_BIT: u64 = 1 << 22;

impl TcpOptions {
    /// No option at all.
    pub const NONE: Self = Self((NO_WINDOW_SCALE as u64) << 16);
    /// Options that cannot be read, or that only the socket can answer.
    pub const UNSUPPORTED: Self = Self(UNSUPPORTED_BIT);

    /// The MSS; 0 if there is none, or it is 0.
    #[inline(always)]
    pub const fn mss(self) -> u16 {
        self.0 as u16
    }

    /// The window scale, up to [`WINDOW_SCALE_MAX`], or [`NO_WINDOW_SCALE`].
    #[inline(always)]
    pub const fn window_scale(self) -> u8 {
        (self.0 >> 16) as u8 & 0xf
    }

    /// Whether selective acknowledgements are permitted.
    #[inline(always)]
    pub const fn sack(self) -> bool {
        self.0 & SACK_BIT != 0
    }

    /// Whether there is a timestamp.
    #[inline(always)]
    pub const fn has_timestamp(self) -> bool {
        self.0 & TIMESTAMP_BIT != 0
    }

    /// The timestamp as it lies in the packet, if there is one.
    #[inline(always)]
    pub const fn stamp(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The MSS, or what counts as one without it (RFC 9293 section 3.7.1), as in the kernel's cookies.
    #[inline(always)]
    pub const fn mss_or_default(self, v6: bool) -> u16 {
        match (self.mss(), v6) {
            (0, true) => 1220,
            (0, false) => 536,
            (mss, _) => mss,
        }
    }

    /// Whether it is [`Self::UNSUPPORTED`].
    #[inline(always)]
    pub const fn is_unsupported(self) -> bool {
        self.0 & UNSUPPORTED_BIT != 0
    }

    #[inline(always)]
    const fn with_mss(self, mss: u16) -> Self {
        Self(self.0 & !0xffff | mss as u64)
    }

    #[inline(always)]
    const fn with_window_scale(self, scale: u8) -> Self {
        let scale = if scale < WINDOW_SCALE_MAX { scale } else { WINDOW_SCALE_MAX };
        Self(self.0 & !(0xf << 16) | (scale as u64) << 16)
    }

    #[inline(always)]
    const fn with_timestamp(self, stamp: u32) -> Self {
        Self(self.0 & 0xffff_ffff | TIMESTAMP_BIT | (stamp as u64) << 32)
    }
}

/// Reads `length` bytes of options (at most [`OPTIONS_MAX`] are looked at). `byte` and `word` read one or four bytes at
/// a position as they lie in the packet; both are asked for positions below `length` only, and `None` is the end of what
/// there is. `hide` returns what it is given: by it the program keeps from the verifier what it could know of a position
/// and of the offer so far, or it would examine the loop once for every way to get there.
///
/// As in the network stack, the last of several options of a kind holds, one of the wrong size or of an unknown kind is
/// passed over, and the end of the list ends it. Unlike there, what is cut short is not taken for the end: that makes
/// all of it [`TcpOptions::UNSUPPORTED`], as do more than [`OPTION_COUNT_MAX`] options, and signatures (RFC 2385 and 5925), which only
/// the socket can check.
#[inline(always)]
pub fn read_options(
    length: usize,
    byte: impl Fn(usize) -> Option<u8>,
    word: impl Fn(usize) -> Option<u32>,
    mut hide: impl FnMut(u64) -> u64,
) -> TcpOptions {
    const END: u8 = 0;
    const NOTHING: u8 = 1;
    let mut offer = TcpOptions::NONE;
    let mut at = 0;
    for _ in 0..OPTION_COUNT_MAX {
        at = hide(at as u64) as usize;
        offer = TcpOptions(hide(offer.0));
        if at >= length {
            return offer;
        }
        let Some(kind) = byte(at) else { return TcpOptions::UNSUPPORTED };
        if kind == END {
            return offer;
        }
        if kind == NOTHING {
            at += 1;
            continue;
        }
        if at + 1 >= length {
            return TcpOptions::UNSUPPORTED;
        }
        let Some(size) = byte(at + 1) else { return TcpOptions::UNSUPPORTED };
        if size < 2 || at + size as usize > length {
            return TcpOptions::UNSUPPORTED;
        }
        let Some(next) = take(offer, kind, size, at, &byte, &word) else { return TcpOptions::UNSUPPORTED };
        offer = next;
        at += size as usize;
    }
    if at >= length { offer } else { TcpOptions::UNSUPPORTED }
}

/// Reads five words of options if they are what Linux sends: MSS, SACK_BIT permitted, timestamp, window scale. It is the
/// same as [`read`] would find, at a fraction of its cost.
#[inline(always)]
pub const fn read_linux(words: [u32; 5]) -> Option<TcpOptions> {
    let (mss, lead, scale) = (u32::from_be(words[0]), u32::from_be(words[1]), u32::from_be(words[4]));
    if mss >> 16 != 0x0204 || mss & 0xffff == 0 || lead != 0x0402_080a || scale >> 8 != 0x01_0303 {
        return None;
    }
    let offer = TcpOptions(SACK_BIT).with_mss(mss as u16).with_window_scale(scale as u8);
    Some(offer.with_timestamp(words[2]))
}

/// Takes one option into account; `None` if it makes the SYN odd.
#[inline(always)]
fn take(
    offer: TcpOptions,
    kind: u8,
    size: u8,
    at: usize,
    byte: &impl Fn(usize) -> Option<u8>,
    word: &impl Fn(usize) -> Option<u32>,
) -> Option<TcpOptions> {
    const MSS: u8 = 2;
    const WINDOW_SCALE: u8 = 3;
    const SACK_PERMITTED: u8 = 4;
    const TIMESTAMP: u8 = 8;
    const MD5: u8 = 19;
    const AUTHENTICATION: u8 = 29;
    Some(match (kind, size) {
        // The whole option is a word: kind, size and value.
        (MSS, 4) => match u32::from_be(word(at)?) as u16 {
            0 => offer,
            mss => offer.with_mss(mss),
        },
        (WINDOW_SCALE, 3) => offer.with_window_scale(byte(at + 2)?),
        (SACK_PERMITTED, 2) => TcpOptions(offer.0 | SACK_BIT),
        (TIMESTAMP, 10) => offer.with_timestamp(word(at + 2)?),
        (MD5 | AUTHENTICATION, _) => return None,
        _ => offer,
    })
}

#[cfg(test)]
#[path = "tcp_options_tests.rs"]
mod tests;
