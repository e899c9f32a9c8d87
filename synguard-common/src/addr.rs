//! Addresses as 16 bytes, IPv4 in its IPv4-mapped form, and masks over them. Pure.

/// An address as two halves in network byte order as loaded from a packet, so that masking needs no swap.
pub type Halves = [u64; 2];

/// `::ffff:0:0/96`, the second half of every IPv4-mapped address without the address itself.
const MAPPED: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);

/// The IPv4-mapped form of an IPv4 address, whose four bytes were loaded as they lie in the packet.
#[inline(always)]
pub const fn v4_mapped(address: u32) -> Halves {
    let a = address.to_ne_bytes();
    [0, MAPPED | u64::from_ne_bytes([0, 0, 0, 0, a[0], a[1], a[2], a[3]])]
}

/// The IPv4 address in a mapped one, as its four bytes lie in a packet.
#[inline(always)]
pub const fn v4(mapped: Halves) -> u32 {
    let [_, _, _, _, a, b, c, d] = mapped[1].to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// Whether the address is in IPv4-mapped form.
#[inline(always)]
pub const fn is_v4_mapped(address: Halves) -> bool {
    const PREFIX: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    address[0] == 0 && address[1] & PREFIX == MAPPED
}

/// The mask of a prefix of `length` bits (0 to 128; more counts as 128) over an address's halves.
pub const fn mask(length: u32) -> Halves {
    let length = if length < 128 { length } else { 128 };
    if length <= 64 { [half_mask(length), 0] } else { [u64::MAX, half_mask(length - 64)] }
}

/// The mask of an IPv4 network that is limited as a whole, in mapped form: /24.
pub const PREFIX_V4: Halves = mask(96 + 24);
/// The same of IPv6: /48.
pub const PREFIX_V6: Halves = mask(48);

/// The first `bits` (0 to 64) of eight bytes in network order.
const fn half_mask(bits: u32) -> u64 {
    if bits == 0 { 0 } else { (u64::MAX << (64 - bits)).to_be() }
}

/// The address with all bits outside the mask cleared.
#[inline(always)]
pub const fn apply(address: Halves, mask: Halves) -> Halves {
    [address[0] & mask[0], address[1] & mask[1]]
}

/// The sixteen bytes of an address.
pub const fn to_bytes(address: Halves) -> [u8; 16] {
    let (h, l) = (address[0].to_ne_bytes(), address[1].to_ne_bytes());
    [h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7]]
}

/// The halves of sixteen bytes in network order.
pub const fn from_bytes(b: [u8; 16]) -> Halves {
    [
        u64::from_ne_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
        u64::from_ne_bytes([b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]),
    ]
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn mapped_agrees_with_the_standard_library(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let mapped = v4_mapped(u32::from_ne_bytes(address.octets()));
            prop_assert_eq!(to_bytes(mapped), address.to_ipv6_mapped().octets());
            prop_assert!(is_v4_mapped(mapped));
            prop_assert_eq!(v4(mapped).to_ne_bytes(), address.octets());
        }

        #[test]
        fn a_mask_keeps_exactly_the_first_bits(address: u128, length in 0u32..=128) {
            let kept = if length == 0 { 0 } else { address & (u128::MAX << (128 - length)) };
            let halves = from_bytes(Ipv6Addr::from(address).octets());
            prop_assert_eq!(to_bytes(apply(halves, mask(length))), Ipv6Addr::from(kept).octets());
        }

        #[test]
        fn bytes_round_trip(bytes: [u8; 16]) {
            prop_assert_eq!(to_bytes(from_bytes(bytes)), bytes);
            prop_assert_eq!(is_v4_mapped(from_bytes(bytes)), Ipv6Addr::from(bytes).to_ipv4_mapped().is_some());
        }
    }
}
