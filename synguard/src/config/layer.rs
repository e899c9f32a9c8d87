//! What one source of settings, the file or the flags, says.

use synguard_model::settings::{Mode, Patch};

/// What the file or the flags say; `None` and empty where they say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Live settings.
    pub settings: Patch,
    /// See [`super::AttachOptions::interfaces`].
    pub interfaces: Option<Vec<String>>,
    /// See [`super::AttachOptions::mode`].
    pub mode: Option<Mode>,
    /// See [`super::AttachOptions::max_sources`].
    pub max_sources: Option<u32>,
    /// See [`super::AttachOptions::max_list`].
    pub max_list: Option<u32>,
    /// See [`super::AttachOptions::keep_on_exit`].
    pub keep_on_exit: Option<bool>,
}

impl Layer {
    /// This layer, and where it says nothing, the one `under` it.
    #[must_use]
    pub(super) fn over(self, under: Self) -> Self {
        Self {
            settings: self.settings.over(under.settings),
            interfaces: self.interfaces.or(under.interfaces),
            mode: self.mode.or(under.mode),
            max_sources: self.max_sources.or(under.max_sources),
            max_list: self.max_list.or(under.max_list),
            keep_on_exit: self.keep_on_exit.or(under.keep_on_exit),
        }
    }
}
