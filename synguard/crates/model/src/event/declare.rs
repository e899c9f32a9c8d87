//! The macro `events!`, which makes the type [`Event`](super::Event) of the table of events.

macro_rules! events {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $name:literal, $level:ident,
        { $($(#[$field_attribute:meta])* $field:ident: $type:ty),* $(,)? } => $text:expr;
    )+) => {
        /// An event of the controller. Field names are keys in the event log; rates are per second.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
        #[serde(tag = "event")]
        pub enum Event {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $name)]
                $variant { $($(#[$field_attribute])* $field: $type),* },
            )+
            /// A kernel setting was changed, or could not be.
            #[serde(untagged)]
            Sysctl(SysctlEvent),
        }

        impl Event {
            /// Returns the name that the event has in the event log.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)+
                    Self::Sysctl(event) => event.name(),
                }
            }

            /// Returns the priority of the event in the log.
            pub const fn level(&self) -> Level {
                match self {
                    $(Self::$variant { .. } => Level::$level,)+
                    Self::Sysctl(event) => event.level(),
                }
            }
        }

        impl Display for Event {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                match self {
                    $(
                        Self::$variant { $($field),* } => {
                            // Not every field is in the text.
                            $(let _ = $field;)*
                            f.write_str(&$text)
                        }
                    )+
                    Self::Sysctl(event) => event.fmt(f),
                }
            }
        }
    };
}

pub(super) use events;
