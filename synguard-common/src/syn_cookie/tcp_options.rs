//! The TCP options of a SYN. The reader follows the network stack's rules, but is stricter. Pure.

/// Highest window scale (RFC 7323 section 2.3); a higher one counts as this.
pub const WINDOW_SCALE_MAX: u8 = 14;
/// Value for no window scaling, as in the kernel's cookies.
pub const NO_WINDOW_SCALE: u8 = 0xf;
/// Maximum length of all options, in bytes.
pub const OPTIONS_MAX: usize = 40;

/// Maximum number of options that the reader accepts, padding included. Hosts send up to ten.
pub const OPTION_COUNT_MAX: usize = 20;

/// The options of a SYN, packed into one word that a BPF function can return. From the low end: the MSS (16 bits, 0: none),
/// the window scale (4 bits), flags (12 bits), and the timestamp in the byte order of the packet (32 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOptions(pub u64);

const SACK_BIT: u64 = 1 << 20;
const TIMESTAMP_BIT: u64 = 1 << 21;
const UNSUPPORTED_BIT: u64 = 1 << 22;

impl TcpOptions {
    /// No options.
    pub const NONE: Self = Self((NO_WINDOW_SCALE as u64) << 16);
    /// Unreadable options, or options that only the socket can reply to.
    pub const UNSUPPORTED: Self = Self(UNSUPPORTED_BIT);

    /// Returns the MSS; 0 if there is none, or if its value is 0.
    #[inline(always)]
    pub const fn mss(self) -> u16 {
        self.0 as u16
    }

    /// Returns the window scale, up to [`WINDOW_SCALE_MAX`], or [`NO_WINDOW_SCALE`].
    #[inline(always)]
    pub const fn window_scale(self) -> u8 {
        (self.0 >> 16) as u8 & 0xf
    }

    /// Reports whether selective acknowledgements are permitted.
    #[inline(always)]
    pub const fn sack(self) -> bool {
        self.0 & SACK_BIT != 0
    }

    #[inline(always)]
    pub const fn has_timestamp(self) -> bool {
        self.0 & TIMESTAMP_BIT != 0
    }

    /// Returns the timestamp in the byte order of the packet; 0 if there is none.
    #[inline(always)]
    pub const fn timestamp(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Returns the MSS, or the default without one (RFC 9293 section 3.7.1), as in the kernel's cookies.
    #[inline(always)]
    pub const fn mss_or_default(self, v6: bool) -> u16 {
        match (self.mss(), v6) {
            (0, true) => 1220,
            (0, false) => 536,
            (mss, _) => mss,
        }
    }

    #[inline(always)]
    pub const fn is_unsupported(self) -> bool {
        self.0 & UNSUPPORTED_BIT != 0
    }

    /// Returns the options without those that the reply does not grant.
    #[inline(always)]
    pub const fn granted(self, sack: bool, window_scale: bool) -> Self {
        let without_sack = if sack { self.0 } else { self.0 & !SACK_BIT };
        let none = (NO_WINDOW_SCALE as u64) << 16;
        Self(if window_scale { without_sack } else { without_sack | none })
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
    const fn with_timestamp(self, timestamp: u32) -> Self {
        Self(self.0 & 0xffff_ffff | TIMESTAMP_BIT | (timestamp as u64) << 32)
    }
}

/// Returns the options of a connection as the kernel's cookies keep them: in the low six bits of the timestamp.
#[inline(always)]
pub const fn option_bits(options: TcpOptions, ecn: bool) -> u32 {
    const SACK: u32 = 1 << 4;
    const ECN: u32 = 1 << 5;
    options.window_scale() as u32 | if options.sack() { SACK } else { 0 } | if ecn { ECN } else { 0 }
}

/// Reads `length` bytes of options, of which it considers at most [`OPTIONS_MAX`]. `byte` and `word` read one or four bytes
/// at a position, in the byte order of the packet; positions are always below `length`, and `None` means that the packet
/// has ended. `make_unknown` returns its argument: with it the program hides the position and the options so far from the
/// verifier, which would otherwise examine the loop once for each path through it.
///
/// As in the network stack, the last of several options of a kind wins, an option of an unknown kind or a wrong size is
/// skipped, and the end-of-list option ends the list. Unlike there, a truncated option does not end the list: it makes all
/// options [`TcpOptions::UNSUPPORTED`], as do more than [`OPTION_COUNT_MAX`] options, and signatures (RFC 2385 and 5925),
/// which only the socket can check.
#[inline(always)]
pub fn read_options(
    length: usize,
    byte: impl Fn(usize) -> Option<u8>,
    word: impl Fn(usize) -> Option<u32>,
    mut make_unknown: impl FnMut(u64) -> u64,
) -> TcpOptions {
    const END: u8 = 0;
    const NOP: u8 = 1;
    let mut options = TcpOptions::NONE;
    let mut at = 0;
    for _ in 0..OPTION_COUNT_MAX {
        at = make_unknown(at as u64) as usize;
        options = TcpOptions(make_unknown(options.0));
        if at >= length {
            return options;
        }
        let Some(kind) = byte(at) else { return TcpOptions::UNSUPPORTED };
        if kind == END {
            return options;
        }
        if kind == NOP {
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
        let Some(next) = add_option(options, kind, size, at, &byte, &word) else {
            return TcpOptions::UNSUPPORTED;
        };
        options = next;
        at += size as usize;
    }
    if at >= length { options } else { TcpOptions::UNSUPPORTED }
}

/// Reads five words of options if they are those of Linux: MSS, SACK permitted, timestamp, window scale. The result equals
/// that of [`read_options`], at a fraction of its cost.
#[inline(always)]
pub const fn read_linux(words: [u32; 5]) -> Option<TcpOptions> {
    let (mss, lead, scale) = (u32::from_be(words[0]), u32::from_be(words[1]), u32::from_be(words[4]));
    if mss >> 16 != 0x0204 || mss & 0xffff == 0 || lead != 0x0402_080a || scale >> 8 != 0x01_0303 {
        return None;
    }
    let options = TcpOptions(SACK_BIT).with_mss(mss as u16).with_window_scale(scale as u8);
    Some(options.with_timestamp(words[2]))
}

/// Adds one option; returns `None` if it makes the options unsupported.
#[inline(always)]
fn add_option(
    options: TcpOptions,
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
    const TCP_AO: u8 = 29;
    Some(match (kind, size) {
        // The whole option is a word: kind, size and value.
        (MSS, 4) => match u32::from_be(word(at)?) as u16 {
            0 => options,
            mss => options.with_mss(mss),
        },
        (WINDOW_SCALE, 3) => options.with_window_scale(byte(at + 2)?),
        (SACK_PERMITTED, 2) => TcpOptions(options.0 | SACK_BIT),
        (TIMESTAMP, 10) => options.with_timestamp(word(at + 2)?),
        (MD5 | TCP_AO, _) => return None,
        _ => options,
    })
}

#[cfg(test)]
#[path = "tcp_options_tests.rs"]
mod tests;
