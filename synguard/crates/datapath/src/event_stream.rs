//! The ring buffer of events from the program.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::{Map, MapData, RingBuf};
use synguard_common::{abi::DatapathEvent, map_names};

use crate::pinned_map::open_required_map;

/// The stream of events from the program. Only the controller reads it, because each event can be read once.
pub struct EventStream(RingBuf<MapData>);

impl EventStream {
    /// Opens the ring buffer pinned in `pins`.
    pub fn open(pins: &Path) -> Result<Self> {
        let map = open_required_map(pins, map_names::EVENTS)?;
        Ok(Self(RingBuf::try_from(Map::RingBuf(map)).context("open EVENTS")?))
    }

    /// Returns the next event, if one is waiting.
    pub fn next_event(&mut self) -> Option<DatapathEvent> {
        loop {
            let item = self.0.next()?;
            // Records of another size are skipped: other processes with access to bpffs may write to the map.
            if item.len() == size_of::<DatapathEvent>() {
                // SAFETY: the record has as many bytes as a DatapathEvent, every bit pattern is a valid one, and the
                // read does not assume alignment.
                return Some(unsafe { item.as_ptr().cast::<DatapathEvent>().read_unaligned() });
            }
        }
    }
}
