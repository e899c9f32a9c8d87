//! `show --json`.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;
use synguard_model::settings::{SettingOrigin, Settings};

use super::SchemaVersion;

/// Output of `synguard show --json`: the live settings.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ShowJson {
    pub(crate) schema: SchemaVersion,
    #[cfg_attr(test, schemars(schema_with = "super::schema_tests::settings"))]
    pub(crate) settings: Settings,
    /// Origin of each of them.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, SettingOrigin>"))]
    pub(crate) origin: BTreeMap<&'static str, SettingOrigin>,
    /// The configuration file of the filter, which need not exist; `null` if it is not known.
    pub(crate) file: Option<PathBuf>,
}
