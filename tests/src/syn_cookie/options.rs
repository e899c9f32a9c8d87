//! TCP options, read in two ways: as the kernel reads those of a stranger, and strictly, as its own must be.

/// An option of a SYN-ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TcpOption {
    /// Maximum segment size, in bytes.
    Mss(u16),
    /// Window scale, in bits.
    WindowScale(u8),
    /// SACK permitted.
    SackPermitted,
    /// A timestamp, and the one that it echoes.
    Timestamp {
        /// The sender's own.
        value: u32,
        /// The other side's.
        echo: u32,
    },
}

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const TIMESTAMP: u8 = 8;
const MD5: u8 = 19;
const AUTHENTICATION: u8 = 29;

impl TcpOption {
    /// Reads all options of a SYN-ACK: only the kinds that it may have, each once at most and of its right length;
    /// padding by no-operation, or by zeros at the end.
    ///
    /// # Errors
    /// The first fault.
    pub fn read_all(mut bytes: &[u8]) -> Result<Vec<Self>, String> {
        let mut options: Vec<Self> = Vec::new();
        while let Some((&kind, rest)) = bytes.split_first() {
            if kind == END {
                // RFC 9293 section 3.1: what follows the end is zero.
                return if rest.iter().all(|&byte| byte == 0) && rest.len() < 4 {
                    Ok(options)
                } else {
                    Err(format!("after the end of the options come {rest:02x?}"))
                };
            }
            if kind == NO_OPERATION {
                bytes = rest;
                continue;
            }
            let length = usize::from(*rest.first().ok_or("an option without length")?);
            let whole =
                bytes.get(..length).ok_or_else(|| format!("option {kind} of {length} bytes: too long"))?;
            let option = Self::read(whole)?;
            let same = |other: &Self| std::mem::discriminant(other) == std::mem::discriminant(&option);
            if options.iter().any(same) {
                return Err(format!("{option:?} is there twice"));
            }
            options.push(option);
            bytes = &bytes[length..];
        }
        Ok(options)
    }

    /// One option, from its kind on.
    fn read(whole: &[u8]) -> Result<Self, String> {
        match *whole {
            [MSS, 4, a, b] => Ok(Self::Mss(u16::from_be_bytes([a, b]))),
            [WINDOW_SCALE, 3, scale] => Ok(Self::WindowScale(scale)),
            [SACK_PERMITTED, 2] => Ok(Self::SackPermitted),
            [TIMESTAMP, 10, a, b, c, d, e, f, g, h] => Ok(Self::Timestamp {
                value: u32::from_be_bytes([a, b, c, d]),
                echo: u32::from_be_bytes([e, f, g, h]),
            }),
            _ => Err(format!("option {whole:02x?}")),
        }
    }
}

/// The options of a SYN as the kernel reads them: of several options of a kind the last counts, one of a wrong length
/// is ignored, and reading stops at an option that ends outside the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynOptions {
    /// Maximum segment size, in bytes; zero is none.
    pub mss: Option<u16>,
    /// Window scale, 14 at most.
    pub scale: Option<u8>,
    /// Selective acknowledgements.
    pub sack: bool,
    /// The client's timestamp.
    pub timestamp: Option<u32>,
    /// Set if the options are not well-formed: one has a length below two, or ends outside the header.
    pub broken: bool,
    /// Set if there is a signature among them (RFC 2385, RFC 5925), which the SYN-ACK would have to bear as well.
    pub signed: bool,
}

impl SynOptions {
    /// Reads the options of a SYN.
    #[must_use]
    pub fn of(mut bytes: &[u8]) -> Self {
        let mut offered = Self::default();
        while let Some((&kind, rest)) = bytes.split_first() {
            match kind {
                END => break,
                NO_OPERATION => {
                    bytes = rest;
                    continue;
                }
                _ => {}
            }
            let length = usize::from(rest.first().copied().unwrap_or(0));
            if length < 2 || length > bytes.len() {
                offered.broken = true;
                break;
            }
            let (whole, after) = bytes.split_at(length);
            offered.take(whole);
            bytes = after;
        }
        offered
    }

    /// Counts the options up to the end of the field, to an unreadable option or to the end option, which counts as
    /// one; each no-operation counts as one, too.
    #[must_use]
    pub fn items(mut bytes: &[u8]) -> usize {
        let mut items = 0;
        while let Some((&kind, rest)) = bytes.split_first() {
            items += 1;
            let length = match kind {
                END => break,
                NO_OPERATION => 1,
                _ => usize::from(rest.first().copied().unwrap_or(0)).max(2),
            };
            bytes = bytes.get(length..).unwrap_or_default();
        }
        items
    }

    fn take(&mut self, whole: &[u8]) {
        match *whole {
            [MSS, 4, 0, 0] => {}
            [MSS, 4, a, b] => self.mss = Some(u16::from_be_bytes([a, b])),
            [WINDOW_SCALE, 3, scale] => self.scale = Some(scale.min(super::SCALE_MAX)),
            [SACK_PERMITTED, 2] => self.sack = true,
            [TIMESTAMP, 10, a, b, c, d, ..] => self.timestamp = Some(u32::from_be_bytes([a, b, c, d])),
            [MD5 | AUTHENTICATION, ..] => self.signed = true,
            _ => {}
        }
    }
}
