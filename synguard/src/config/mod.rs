//! What an operator may set: values with their ranges, the live [`Settings`], the options of one attach, and
//! how defaults, the configuration file and flags make them. Pure but for [`load`], which reads the file.

mod abi;
mod answers;
mod cookies;
mod error;
mod key;
mod raw;
mod resolve;
mod settings;
mod value;

pub use abi::AbiError;
pub use answers::{ANSWER_NETWORK_RATE, ANSWER_RATE, FirstSyn, parse_first_syn};
pub use cookies::{Cookies, parse_cookies};
pub use error::{ConfigError, SettingError};
pub use key::Key;
pub use resolve::{AttachOptions, DEFAULT_PATH, Layer, load, resolve};
pub use settings::{Patch, Settings};
pub use value::{
    CONFIRM, DISTINCT_LIMIT, HOLD, Lengths, MAX_LIST, MAX_SOURCES, Mode, PREFIX_RATE, Range,
    SOURCE_PREFIX_V6, SYN_BURST, SYN_RATE, ValueError, parse_bool, parse_confirm, parse_hold, parse_instance,
    parse_interface, parse_mode, parse_ports,
};
