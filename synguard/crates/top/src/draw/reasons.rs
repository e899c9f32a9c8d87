//! Draws the tab of reasons.

use ratatui::style::Style;
use synguard_common::reason::{Reason, Verdict};

use super::table::{Column, ColumnTable, Side};
use crate::{
    format::{grouped, rate},
    palette::Palette,
    state::AppState,
};

/// Minimum width, in columns, for the meaning of a reason.
const MEANING_FROM: usize = 100;
/// Width, in columns, of the longest reason label.
const REASON: usize = 27;

/// Draws the packets by reason.
pub(super) fn reasons(state: &AppState, width: usize, palette: Palette) -> ColumnTable<'_> {
    let reasons = state.reasons();
    let is_wide = width >= MEANING_FROM;
    let mut columns = vec![
        Column::new("", 6, Side::Left),
        Column { most: REASON, ..Column::rest("REASON") },
        Column::new("packets/s", 9, Side::Right),
        Column::new("packets in all", 18, Side::Right),
    ];
    if is_wide {
        columns[1] = Column::new("REASON", REASON, Side::Left);
        columns.push(Column::rest("what it means"));
    }
    ColumnTable {
        columns,
        count: reasons.len(),
        row: Box::new(move |at| {
            let Some(&reason) = reasons.get(at) else { return (Vec::new(), Style::new()) };
            let (total, fresh) = packets(state, reason);
            let cells = vec![
                verdict(reason).to_owned(),
                reason.label().to_owned(),
                rate(fresh),
                grouped(total),
                meaning(reason),
            ];
            let style = match (fresh > 0.0, reason.is_drop()) {
                (false, _) => palette.label(),
                (true, true) => palette.status(synguard_model::source::SourceStatus::Hold),
                (true, false) => Style::new(),
            };
            (cells, style)
        }),
        rules: Vec::new(),
        empty: "No packet has arrived yet.".to_owned(),
    }
}

/// Packets of a reason: the total, and the rate a second.
pub(super) fn packets(state: &AppState, reason: Reason) -> (u64, f64) {
    let total = state.view.as_ref().map_or(0, |view| view.counters.get(reason).packets);
    (total, state.per_second.of(state.per_second.counted.get(reason).packets))
}

/// Returns the verdict of a reason as one word.
pub(super) fn verdict(reason: Reason) -> &'static str {
    match reason.verdict() {
        Verdict::Pass => "pass",
        Verdict::Drop => "drop",
        Verdict::Transmit => "answer",
    }
}

/// Returns the meaning of a reason in words.
pub(super) fn meaning(reason: Reason) -> String {
    let dropped = Reason::ALL.iter().find(|drop| drop.is_drop() && drop.monitored() == reason);
    match dropped {
        Some(drop) => {
            format!("Would be dropped as {} (monitor mode): {}", drop.label(), drop.meaning().trim())
        }
        None => reason.meaning().trim().to_owned(),
    }
    .replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_without_signs() {
        for &reason in Reason::ALL {
            let text = meaning(reason);
            assert!(text.len() > 10 && text.ends_with('.'), "{text}");
            assert!(!text.contains(['`', '[', ']', ':']) || text.contains(": "), "{text}");
        }
        assert_eq!(
            meaning(Reason::WouldHold),
            "Would be dropped as hold (monitor mode): A SYN from a source in hold."
        );
        assert_eq!(meaning(Reason::Hold), "A SYN from a source in hold.");
    }
}
