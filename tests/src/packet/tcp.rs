//! The calls of a [`Packet`] that are about TCP.

use super::{Packet, layer::Layer, padded};

/// TCP flag bits, as they lie in the header's 14th byte.
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Resets the connection.
    pub const RST: u8 = 0x04;
    /// Hand the data on at once.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement field is valid.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer is valid.
    pub const URG: u8 = 0x20;
    /// ECN echo.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced.
    pub const CWR: u8 = 0x80;
}

/// Sequence number of a TCP header for which the test sets none.
const SEQUENCE: u32 = 0x1122_3344;

impl Packet {
    /// A TCP header without flags.
    #[must_use]
    pub fn tcp(self, source: u16, destination: u16) -> Self {
        self.layer(Layer::Tcp {
            source,
            destination,
            sequence: SEQUENCE,
            acknowledgement: 0,
            flags: 0,
            options: Vec::new(),
            data_offset: None,
        })
    }

    /// Sets the sequence number and the acknowledgement number.
    ///
    /// # Panics
    /// Without a TCP header.
    #[must_use]
    pub fn numbers(mut self, first: u32, next: u32) -> Self {
        match self.last() {
            Layer::Tcp { sequence, acknowledgement, .. } => (*sequence, *acknowledgement) = (first, next),
            other => panic!("{other:?} has no sequence number"),
        }
        self
    }

    /// The TCP flags, all of them.
    ///
    /// # Panics
    /// Without a TCP header.
    #[must_use]
    pub fn flags(mut self, bits: u8) -> Self {
        *self.tcp_flags() = bits;
        self
    }

    /// Adds SYN.
    #[must_use]
    pub fn syn(self) -> Self {
        self.flag(flags::SYN)
    }

    /// Adds ACK.
    #[must_use]
    pub fn ack(self) -> Self {
        self.flag(flags::ACK)
    }

    /// Adds FIN.
    #[must_use]
    pub fn fin(self) -> Self {
        self.flag(flags::FIN)
    }

    /// Adds RST.
    #[must_use]
    pub fn rst(self) -> Self {
        self.flag(flags::RST)
    }

    /// Adds PSH.
    #[must_use]
    pub fn psh(self) -> Self {
        self.flag(flags::PSH)
    }

    /// Adds URG.
    #[must_use]
    pub fn urg(self) -> Self {
        self.flag(flags::URG)
    }

    /// Adds ECE and CWR, as a SYN does that asks for ECN.
    #[must_use]
    pub fn ecn(self) -> Self {
        self.flag(flags::ECE | flags::CWR)
    }

    /// TCP options, padded to four bytes.
    ///
    /// # Panics
    /// Without a TCP header, or over 40 bytes.
    #[must_use]
    pub fn tcp_options(mut self, bytes: &[u8]) -> Self {
        assert!(bytes.len() <= 40, "TCP has room for 40 bytes of options");
        match self.last() {
            Layer::Tcp { options, .. } => *options = padded(bytes),
            other => panic!("{other:?} has no TCP options"),
        }
        self
    }

    /// A wrong data offset for the TCP header, in words of four bytes.
    ///
    /// # Panics
    /// Without a TCP header.
    #[must_use]
    pub fn data_offset(mut self, words: u8) -> Self {
        match self.last() {
            Layer::Tcp { data_offset, .. } => *data_offset = Some(words),
            other => panic!("{other:?} has no data offset"),
        }
        self
    }

    fn flag(mut self, bits: u8) -> Self {
        *self.tcp_flags() |= bits;
        self
    }

    fn tcp_flags(&mut self) -> &mut u8 {
        match self.last() {
            Layer::Tcp { flags, .. } => flags,
            other => panic!("{other:?} has no TCP flags"),
        }
    }
}
