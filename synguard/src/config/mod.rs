//! How defaults, the configuration file and flags make the settings and the options of one attach. Pure but for [`load`],
//! which reads the file.

mod error;
mod file;
mod layer;
mod resolve;

use self::error::ConfigError;
#[cfg(test)]
pub(crate) use self::resolve::resolve;
pub(crate) use self::{
    layer::Layer,
    resolve::{AttachOptions, DEFAULT_PATH, load},
};
