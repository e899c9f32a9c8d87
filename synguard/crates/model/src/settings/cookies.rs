//! `cookies`: what the controller may do about a distributed flood.

use std::fmt;

use synguard_common::abi::{COOKIES_AUTO, COOKIES_KERNEL, COOKIES_OFF, COOKIES_XDP};

use super::ValueError;

/// What the controller may do about a distributed flood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cookies {
    /// The kernel's first, and in the driver when those are not enough.
    #[default]
    Auto,
    /// Raise `net.ipv4.tcp_syncookies`: the kernel answers with SYN cookies.
    Kernel,
    /// Answer in the driver.
    Xdp,
    /// Leave the kernel's setting alone.
    Off,
}

impl Cookies {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Kernel, Self::Xdp, Self::Off];

    /// The value as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kernel => "kernel",
            Self::Xdp => "xdp",
            Self::Off => "off",
        }
    }

    /// The maps' form.
    pub(super) const fn to_abi(self) -> u32 {
        match self {
            Self::Auto => COOKIES_AUTO,
            Self::Kernel => COOKIES_KERNEL,
            Self::Xdp => COOKIES_XDP,
            Self::Off => COOKIES_OFF,
        }
    }

    /// What [`Self::to_abi`] made this of; `None` for any other number.
    pub(super) fn from_abi(word: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|cookies| cookies.to_abi() == word)
    }
}

impl fmt::Display for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads `cookies`.
///
/// # Errors
/// [`ValueError::Cookies`] for anything but the four names.
pub(crate) fn parse_cookies(text: &str) -> Result<Cookies, ValueError> {
    Cookies::ALL.into_iter().find(|cookies| cookies.name() == text).ok_or(ValueError::Cookies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back() {
        for cookies in Cookies::ALL {
            assert_eq!(parse_cookies(cookies.name()), Ok(cookies));
            assert_eq!(Cookies::from_abi(cookies.to_abi()), Some(cookies));
        }
        assert_eq!(parse_cookies("Kernel"), Err(ValueError::Cookies));
        assert_eq!(Cookies::from_abi(4), None);
        // An all-zero Config does nothing.
        assert_eq!(Cookies::from_abi(0), Some(Cookies::Off));
    }
}
