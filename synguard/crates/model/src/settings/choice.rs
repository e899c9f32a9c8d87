//! Settings whose value is one of a few names.

use std::fmt;

use synguard_common::abi::{COOKIES_AUTO, COOKIES_KERNEL, COOKIES_OFF, COOKIES_XDP};

/// A type whose values have names.
pub trait Choice: Copy + 'static {
    /// The names, in the order of [`Self::VALUES`].
    const NAMES: &'static [ChoiceName];
    const VALUES: &'static [Self];

    /// The value as it is written.
    fn name(self) -> &'static str;

    /// The value in the maps.
    fn word(self) -> u32;

    /// Returns the value of that name.
    fn by_name(name: &str) -> Option<Self> {
        Self::VALUES.iter().copied().find(|value| value.name() == name)
    }

    /// Returns the value that [`Self::word`] made this of.
    fn by_word(word: u64) -> Option<Self> {
        Self::VALUES.iter().copied().find(|value| u64::from(value.word()) == word)
    }
}

/// A name that a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChoiceName {
    pub name: &'static str,
    /// The lines of the value's documentation.
    pub(super) doc: &'static [&'static str],
}

impl ChoiceName {
    /// Describes the value, in one line without a full stop.
    pub fn help(&self) -> String {
        let words: Vec<_> = self.doc.iter().flat_map(|line| line.split_whitespace()).collect();
        words.join(" ").trim_end_matches('.').to_owned()
    }
}

macro_rules! choices {
    ($($(#[doc = $type_doc:literal])+ $type:ident {
        $($(#[doc = $doc:literal])+ $value:ident = $name:literal, $word:expr;)+
    })+) => {$(
        $(#[doc = $type_doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $($(#[doc = $doc])+ $value,)+
        }

        impl $type {
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// Returns the value as it is written.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$value => $name),+ }
            }
        }

        impl Choice for $type {
            const NAMES: &'static [ChoiceName] = &[$(ChoiceName { name: $name, doc: &[$($doc),+] }),+];
            const VALUES: &'static [Self] = Self::ALL;

            fn name(self) -> &'static str {
                self.name()
            }

            fn word(self) -> u32 {
                match self { $(Self::$value => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    )+};
}

choices! {
    /// What the controller may do about a distributed flood.
    Cookies {
        /// Kernel cookies first; XDP cookies when more SYNs arrive than the kernel handles cheaply, if the filter runs
        /// natively on every interface.
        Auto = "auto", COOKIES_AUTO;
        /// The controller raises `net.ipv4.tcp_syncookies` to 2, so that the kernel replies with SYN cookies, and
        /// restores the old value when the flood is over.
        Kernel = "kernel", COOKIES_KERNEL;
        /// In addition, the filter replies with SYN cookies in the driver, before the kernel spends anything.
        Xdp = "xdp", COOKIES_XDP;
        /// Leave the kernel's setting alone, and send no SYN cookies.
        Off = "off", COOKIES_OFF;
    }

    /// What the filter does with SYNs over `syn-cookie-rate`.
    DropFirstSyn {
        /// While SYNs exceed the rate, drop each new SYN and reply to its retransmission. Hosts retransmit after a
        /// second, forged SYNs do not; new visitors wait that second.
        Auto = "auto", 1;
        /// Drop the SYNs over the rate, new or not.
        Off = "off", 0;
    }

    /// The way to attach to an interface.
    AttachMode {
        /// Native where the driver supports it, or else generic.
        Auto = "auto", 0;
        /// In the driver, which is fastest, or not at all.
        Native = "native", 1;
        /// In the kernel's generic receive path: slower, with any driver.
        Generic = "generic", 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Choice + PartialEq + fmt::Debug>() {
        assert_eq!(T::NAMES.len(), T::VALUES.len());
        for (value, name) in T::VALUES.iter().zip(T::NAMES) {
            assert_eq!(value.name(), name.name);
            assert_eq!(T::by_name(name.name), Some(*value));
            assert_eq!(T::by_word(value.word().into()), Some(*value));
            assert!(!name.help().is_empty() && !name.help().ends_with('.'));
        }
        assert_eq!(T::by_name("Auto"), None);
        assert_eq!(T::by_name("on"), None);
    }

    #[test]
    fn names_and_words_lead_back() {
        check::<Cookies>();
        check::<DropFirstSyn>();
        check::<AttachMode>();
    }

    #[test]
    fn zero_words_are_off() {
        // An all-zero Config does nothing.
        assert_eq!(Cookies::by_word(0), Some(Cookies::Off));
        assert_eq!(Cookies::by_word(4), None);
        assert_eq!(DropFirstSyn::by_word(0), Some(DropFirstSyn::Off));
    }
}
