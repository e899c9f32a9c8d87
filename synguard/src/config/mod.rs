//! Configuration of one attach: the defaults, the configuration file and the flags, each over the one before. Pure but for
//! [`load`], which reads the file and warns of old names in it, [`record`] and [`save`].

mod edit;
mod error;
mod file;
pub(crate) mod record;
mod resolve;
pub(crate) mod save;

use self::error::ConfigError;
#[cfg(test)]
pub(crate) use self::resolve::resolve;
pub(crate) use self::resolve::{AttachConfig, DEFAULT_PATH, load};
