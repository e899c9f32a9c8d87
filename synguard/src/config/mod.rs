//! Configuration of one attach: the defaults, the configuration file and the flags, each over the one before. Pure but for
//! [`load`], which reads the file and warns of old names in it.

mod error;
mod file;
mod resolve;

use self::error::ConfigError;
#[cfg(test)]
pub(crate) use self::resolve::resolve;
pub(crate) use self::resolve::{DEFAULT_PATH, load};
