//! The text of a tab without rows.

use crate::state::AppState;

/// Returns the text shown in place of rows.
pub(super) fn nothing(state: &AppState, unfiltered: &str) -> String {
    if state.filter.is_empty() {
        unfiltered.to_owned()
    } else {
        format!("Nothing matches {}. Esc: no filter", state.filter)
    }
}
