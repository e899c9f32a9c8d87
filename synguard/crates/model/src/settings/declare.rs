//! The macro `settings!`, which makes everything that can be derived from the table of settings: [`Key`](super::Key),
//! [`Settings`](super::Settings), [`AttachOptions`](super::AttachOptions), [`Patch`](super::Patch), and the conversions
//! between them, text and the maps.

use synguard_common::abi::{Config, PortSet};

/// The maps' form of the settings.
pub(super) struct StoredSettings {
    pub(super) config: Config,
    pub(super) ports: PortSet,
}

/// Returns the word in its field's type, which holds every value in the setting's range.
pub(super) fn narrow<T: TryFrom<u64> + Default>(word: u64) -> T {
    T::try_from(word).unwrap_or_default()
}

/// The part of a row of the table that does not depend on the type of the setting.
pub(super) struct KeyInfo {
    /// The name in the file, for `set` and, after `--`, as a flag.
    pub(super) name: &'static str,
    /// The name of the value in help, where the value has no other.
    pub(super) value_name: &'static str,
    /// The lines of the documentation.
    pub(super) doc: &'static [&'static str],
    pub(super) is_live: bool,
    /// Stands for the default in help, if the default is not a fixed value.
    pub(super) default_note: Option<&'static str>,
    /// The name until version 0.1, accepted until 0.2.
    pub(super) old_name: Option<&'static str>,
}

/// Returns the name with `-` for `_`.
pub(super) const fn kebab_case<const N: usize>(name: &str) -> [u8; N] {
    let mut kebab = [0; N];
    let mut at = 0;
    while at < N {
        let byte = name.as_bytes()[at];
        kebab[at] = if byte == b'_' { b'-' } else { byte };
        at += 1;
    }
    kebab
}

/// Returns the name in capitals.
pub(super) const fn upper_case<const N: usize>(name: &str) -> [u8; N] {
    let mut upper = [0; N];
    let mut at = 0;
    while at < N {
        upper[at] = name.as_bytes()[at].to_ascii_uppercase();
        at += 1;
    }
    upper
}

/// `None`, or `Some` of the one argument.
macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

/// A field's name, respelled by a function.
macro_rules! respelled {
    ($field:ident, $respell:ident) => {{
        const FIELD: &str = stringify!($field);
        const BYTES: [u8; FIELD.len()] = $respell(FIELD);
        const NAME: &str = match str::from_utf8(&BYTES) {
            Ok(name) => name,
            Err(_) => FIELD,
        };
        NAME
    }};
}

macro_rules! row {
    ($field:ident, $is_live:literal, [$($doc:literal)+], [$($note:literal)?], [$($old:literal)?]) => {
        &KeyInfo {
            name: respelled!($field, kebab_case),
            value_name: respelled!($field, upper_case),
            doc: &[$($doc),+],
            is_live: $is_live,
            default_note: optional!($($note)?),
            old_name: optional!($($old)?),
        }
    };
}

/// Writes a value to the maps' form: into a field or a flag of `Config`, or as the set of ports.
macro_rules! store {
    (field($place:ident), $form:expr, $value:expr, $stored:expr) => {
        $stored.config.$place = narrow($form.to_word(*$value))
    };
    (flag($flag:ident), $form:expr, $value:expr, $stored:expr) => {
        if $form.to_word(*$value) != 0 {
            $stored.config.flags |= $flag;
        }
    };
    (ports($flag:ident), $form:expr, $value:expr, $stored:expr) => {{
        if *$value == Ports::All {
            $stored.config.flags |= $flag;
        }
        $stored.ports = $value.to_set();
    }};
}

/// Reads a value from where `store!` wrote it.
macro_rules! load {
    (field($place:ident), $form:expr, $key:expr, $stored:expr) => {{
        let word = u64::from($stored.config.$place);
        $form.parse_word(word).map_err(|problem| ($key, word.to_string(), problem))?
    }};
    (flag($flag:ident), $form:expr, $key:expr, $stored:expr) => {{
        let word = u64::from($stored.config.has($flag));
        $form.parse_word(word).map_err(|problem| ($key, word.to_string(), problem))?
    }};
    (ports($flag:ident), $form:expr, $key:expr, $stored:expr) => {
        if $stored.config.has($flag) {
            Ports::All
        } else {
            let none = || ($key, "none".to_owned(), PortsError::Empty.into());
            Ports::from_set(&$stored.ports).ok_or_else(none)?
        }
    };
}

/// A row: documentation, the key, the field, its type, default and form, and for a live setting its place in the maps.
/// Then, optionally, words for the default (`default "…"`) and the name that the setting had before (`formerly "…"`).
macro_rules! settings {
    (
        live {$(
            $(#[doc = $doc:literal])+
            $key:ident $field:ident: $type:ty = $default:expr, $form:expr, $place:ident($arg:ident)
                $(, default $note:literal)? $(, formerly $old:literal)?;
        )+}
        at_attach {$(
            $(#[doc = $fixed_doc:literal])+
            $fixed_key:ident $fixed_field:ident: $fixed_type:ty = $fixed_default:expr, $fixed_form:expr
                $(, default $fixed_note:literal)? $(, formerly $fixed_old:literal)?;
        )+}
    ) => {
        /// A setting, by name.
        #[expect(clippy::doc_markdown, reason = "the documentation is also the text of the help, which has no markup")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key {
            $($(#[doc = $doc])+ $key,)+
            $($(#[doc = $fixed_doc])+ $fixed_key,)+
        }

        impl Key {
            /// Every key: first the live ones, in the order of `show`.
            pub const ALL: &'static [Self] = &[$(Self::$key,)+ $(Self::$fixed_key,)+];

            /// Returns what the table says of the key, except for its type.
            pub(super) const fn row(self) -> &'static KeyInfo {
                match self {
                    $(Self::$key => row!($field, true, [$($doc)+], [$($note)?], [$($old)?]),)+
                    $(Self::$fixed_key =>
                        row!($fixed_field, false, [$($fixed_doc)+], [$($fixed_note)?], [$($fixed_old)?]),)+
                }
            }

            /// Returns how a value of the key is written.
            pub fn syntax(self) -> Syntax {
                match self {
                    $(Self::$key => Form::<$type>::syntax(&$form),)+
                    $(Self::$fixed_key => Form::<$fixed_type>::syntax(&$fixed_form),)+
                }
            }

            /// Returns the default.
            pub fn default_value(self) -> SettingValue {
                match self {
                    $(Self::$key => Form::<$type>::show(&$form, &$default),)+
                    $(Self::$fixed_key => Form::<$fixed_type>::show(&$fixed_form, &$fixed_default),)+
                }
            }
        }

        /// The live settings: everything that `set` can change. In every value that this module returns, the fields are
        /// within their ranges, and the burst suits the rate.
        #[expect(clippy::doc_markdown, reason = "the documentation is also the text of the help, which has no markup")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl Settings {
            /// Returns every setting and its value, in the order of [`Key::live`].
            pub fn values(&self) -> Vec<(Key, SettingValue)> {
                vec![$((Key::$key, $form.show(&self.$field)),)+]
            }

            /// Returns these settings with the patch's values in place of their own, checked one by one only.
            pub(super) fn overlaid(&self, patch: &Patch) -> Self {
                Self { $($field: patch.$field.as_ref().unwrap_or(&self.$field).clone(),)+ }
            }

            pub(super) fn store(&self, stored: &mut StoredSettings) {
                $(store!($place($arg), $form, &self.$field, stored);)+
            }

            /// Returns the settings that `store` wrote, or the first bad value with its key and text.
            pub(super) fn load(stored: &StoredSettings) -> Result<Self, (Key, String, ValueError)> {
                Ok(Self { $($field: load!($place($arg), $form, Key::$key, stored),)+ })
            }
        }

        /// The settings that hold from one attach to the next.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct AttachOptions {
            $($(#[doc = $fixed_doc])+ pub $fixed_field: $fixed_type,)+
        }

        impl Default for AttachOptions {
            fn default() -> Self {
                Self { $($fixed_field: $fixed_default,)+ }
            }
        }

        impl AttachOptions {
            /// Returns every option and its value, in the order of [`Key::at_attach`].
            pub fn values(&self) -> Vec<(Key, SettingValue)> {
                vec![$((Key::$fixed_key, $fixed_form.show(&self.$fixed_field)),)+]
            }

            /// Returns these options with the patch's values in place of their own.
            #[must_use]
            pub fn patched(&self, patch: &Patch) -> Self {
                Self { $($fixed_field: patch.$fixed_field.as_ref().unwrap_or(&self.$fixed_field).clone(),)+ }
            }
        }

        /// New values for some settings, each within its range: all that a file, or the flags, or a `set` say.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Patch {
            $(#[doc = concat!("A new [`Settings::", stringify!($field), "`].")] pub $field: Option<$type>,)+
            $(#[doc = concat!("A new [`AttachOptions::", stringify!($fixed_field), "`].")]
                pub $fixed_field: Option<$fixed_type>,)+
        }

        impl Patch {
            /// Reads the value of a key.
            pub fn put(&mut self, key: Key, text: &str) -> Result<(), ValueError> {
                match key {
                    $(Key::$key => self.$field = Some($form.parse(text)?),)+
                    $(Key::$fixed_key => self.$fixed_field = Some($fixed_form.parse(text)?),)+
                }
                Ok(())
            }

            /// Returns the keys that the patch has values for, with these values.
            pub fn values(&self) -> Vec<(Key, SettingValue)> {
                let mut values = Vec::new();
                $(values.extend(self.$field.as_ref().map(|value| (Key::$key, $form.show(value))));)+
                $(values.extend(
                    self.$fixed_field.as_ref().map(|value| (Key::$fixed_key, $fixed_form.show(value)))
                );)+
                values
            }

            /// Returns this patch, with the values of `under` where it has none.
            #[must_use]
            pub fn over(self, under: Self) -> Self {
                Self {
                    $($field: self.$field.or(under.$field),)+
                    $($fixed_field: self.$fixed_field.or(under.$fixed_field),)+
                }
            }
        }
    };
}

pub(super) use {load, optional, respelled, row, settings, store};
