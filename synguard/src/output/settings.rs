//! `show --json`.

use serde::Serialize;
use synguard_model::settings::Settings;

use super::SchemaVersion;

/// Output of `synguard show --json`: the live settings.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ShowJson {
    pub(crate) schema: SchemaVersion,
    #[cfg_attr(test, schemars(schema_with = "super::schema_tests::settings"))]
    pub(crate) settings: Settings,
}
