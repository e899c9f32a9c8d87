//! What stands in a tab without rows.

use crate::state::AppState;

/// What stands there instead of rows.
pub(super) fn nothing(state: &AppState, unfiltered: &str) -> String {
    if state.filter.is_empty() {
        unfiltered.to_owned()
    } else {
        format!("nothing has {} in it", state.filter)
    }
}
