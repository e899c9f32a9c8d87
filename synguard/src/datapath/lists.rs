//! The operator's lists in the kernel: changed entry by entry, or swapped whole, with no packet in between that
//! meets half a list. The order of writes is what makes that so: what the datapath asks first – which lengths
//! occur, which bits of the filter are set – is widened before entries are added, and narrowed after they are
//! gone. Whoever is killed in between leaves it too wide, which costs time and decides nothing.
//!
//! Writers hold the instance's lock for changes ([`crate::lock`]).

mod read;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use aya::maps::{Array, ArrayOfMaps, HashMap, IterableMap as _, Map, MapData, MapError};
use synguard_common::{
    list::{LENGTHS_MAX, List, ListEntry, ListInfo, ListKey, Lists},
    names,
    prefix::Halves,
};

use super::{
    filter::Filter,
    maps::{errno, open_map, pin_path},
    object::replace_pin,
    sys,
    table::{self, Budget},
};

pub use self::read::Finder;

/// A list's hash.
type Entries = HashMap<MapData, ListKey, ListEntry>;
/// A prefix, and what is known of it.
pub type Item = (ListKey, ListEntry);

/// Room in the smallest hash.
const ROOM_MIN: u64 = 1024;
/// Entries in one batched write.
const BATCH: usize = 8192;

/// How full a list is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSize {
    /// Entries, expired ones that were not collected yet included.
    pub entries: u64,
    /// Entries that it may have.
    pub capacity: u64,
}

/// The maps of both lists.
pub struct ListMaps<'a> {
    lists: Array<MapData, Lists>,
    hashes: MapData,
    filter: MapData,
    seed: Halves,
    /// Where the hashes are pinned.
    pins: &'a Path,
}

impl<'a> ListMaps<'a> {
    /// Opens the maps pinned in `pins`, for a datapath of this seed.
    ///
    /// # Errors
    ///
    /// If they are not there.
    pub fn open(pins: &'a Path, seed: Halves) -> Result<Self> {
        let open = |name| {
            open_map(pins, name)?.with_context(|| {
                let pins = pins.display();
                format!("{pins} has no {name}: run `synguard detach` to clear it, then attach again")
            })
        };
        Ok(Self {
            lists: Array::try_from(Map::Array(open(names::LISTS)?)).context("open LISTS")?,
            hashes: open(names::LIST_ENTRIES)?,
            filter: open(names::LIST_FILTER)?,
            seed,
            pins,
        })
    }

    /// Lets lists have so many entries from now on.
    ///
    /// # Errors
    ///
    /// If the map cannot be written.
    pub fn set_capacity(&mut self, capacity: u32) -> Result<()> {
        let mut lists = self.read()?;
        for info in &mut lists.info {
            info.capacity = u64::from(capacity);
        }
        self.write(&lists)
    }

    /// How full a list is.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn size(&self, list: List) -> Result<ListSize> {
        let info = &self.read()?.info[list.index()];
        Ok(ListSize { entries: info.entries(), capacity: info.capacity })
    }

    /// What is known of exactly this prefix.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn entry(&self, list: List, key: &ListKey) -> Result<Option<ListEntry>> {
        match self.hash(list)? {
            Some(hash) => find(&hash, key),
            None => Ok(None),
        }
    }

    /// Adds entries, or puts them in the place of those that are there, whose hits go on.
    ///
    /// # Errors
    ///
    /// If there is no room, in which case nothing was changed, or a map cannot be written.
    pub fn add(&mut self, list: List, items: Vec<Item>) -> Result<()> {
        let mut items = unique(items);
        let hash = self.hash(list)?;
        let mut lists = self.read()?;
        let info = &mut lists.info[list.index()];
        for (key, entry) in &mut items {
            match hash.as_ref().map(|hash| find(hash, key)).transpose()?.flatten() {
                Some(known) => entry.hits = known.hits,
                None => note(info, key)?,
            }
        }
        let need = check_room(info)?;
        lists.used |= u64::from(list.bit());
        self.write(&lists)?;
        self.mapped_filter(list)?.add(&items, self.seed);
        match hash {
            Some(mut hash) if room(&hash)? >= need => write_all(&mut hash, &items),
            old => {
                let mut larger = create(need)?;
                if let Some(old) = &old {
                    copy(old, &mut larger)?;
                }
                write_all(&mut larger, &items)?;
                self.install(list, &larger)
            }
        }
    }

    /// Removes entries, and returns how many of them there were.
    ///
    /// # Errors
    ///
    /// If a map cannot be written.
    pub fn remove(&mut self, list: List, keys: &[ListKey]) -> Result<u64> {
        let Some(mut hash) = self.hash(list)? else { return Ok(0) };
        let mut lists = self.read()?;
        let mut removed = 0;
        for key in keys {
            match hash.remove(key) {
                Ok(()) => {
                    removed += 1;
                    lists.info[list.index()].lengths_mut(key).remove(key.length as u8, 1);
                }
                Err(MapError::KeyNotFound) => {}
                Err(error) if errno(&error) == Some(libc::ENOENT) => {}
                Err(error) => return Err(error).context("remove an entry from a list"),
            }
        }
        self.narrow(list, &mut lists)?;
        Ok(removed)
    }

    /// Puts these entries in the place of all there are. Every packet meets either the old list or the new one.
    /// The hits of prefixes that stay go on.
    ///
    /// # Errors
    ///
    /// If there is no room, in which case nothing was changed, or a map cannot be written.
    pub fn replace(&mut self, list: List, items: Vec<Item>) -> Result<()> {
        let mut items = unique(items);
        let mut lists = self.read()?;
        let before = lists.info[list.index()];
        let mut fresh = ListInfo { capacity: before.capacity, ..Lists::EMPTY.info[0] };
        items.iter().try_for_each(|(key, _)| note(&mut fresh, key))?;
        let need = check_room(&fresh)?;
        self.carry_hits(list, &mut items)?;
        let mut hash = create(need)?;
        write_all(&mut hash, &items)?;
        // Lengths keep their places while both lists may be met; only if they are too many for that, they do not.
        let mut both = before;
        if items.iter().try_for_each(|(key, _)| note(&mut both, key)).is_err() {
            both = fresh;
        }
        if !items.is_empty() {
            lists.used |= u64::from(list.bit());
        }
        lists.info[list.index()] = both;
        self.write(&lists)?;
        let mut filter = self.mapped_filter(list)?;
        filter.add(&items, self.seed);
        self.install(list, &hash)?;
        let after = &mut lists.info[list.index()];
        for (lengths, gone) in [(&mut after.v4, &before.v4), (&mut after.v6, &before.v6)] {
            gone.used().for_each(|(length, entries)| lengths.remove(length, entries));
        }
        self.narrow(list, &mut lists)?;
        filter.set(&items, self.seed);
        Ok(())
    }

    /// Writes what the datapath asks first, after entries are gone.
    fn narrow(&mut self, list: List, lists: &mut Lists) -> Result<()> {
        if lists.info[list.index()].entries() == 0 {
            lists.used &= !u64::from(list.bit());
        }
        self.write(lists)
    }

    fn read(&self) -> Result<Lists> {
        self.lists.get(&0, 0).context("read LISTS")
    }

    fn write(&mut self, lists: &Lists) -> Result<()> {
        self.lists.set(0, lists, 0).context("write LISTS")
    }

    fn mapped_filter(&self, list: List) -> Result<Filter> {
        Filter::map(&self.filter, list).context("map LIST_FILTER into memory")
    }

    /// The hash that the datapath uses for a list, if it has one.
    fn hash(&self, list: List) -> Result<Option<Entries>> {
        let id: Option<u32> = sys::lookup(self.hashes.fd(), &(list as u32)).context("read LIST_ENTRIES")?;
        let Some(id) = id else { return Ok(None) };
        // By its pin, because to open a map by its id takes more privilege than the controller keeps. One that
        // was swapped in by a process that was killed before it could rename the pin still has the other name.
        for name in [pin_name(list).to_owned(), format!("{}_new", pin_name(list))] {
            if let Some(map) = open_map(self.pins, &name)?
                && map.info().context("ask about a list's hash")?.id() == id
            {
                return Ok(Some(Entries::try_from(Map::HashMap(map)).context("open a list's hash")?));
            }
        }
        let map = MapData::from_id(id).context("open a list's hash, whose pin is gone")?;
        Ok(Some(Entries::try_from(Map::HashMap(map)).context("open a list's hash")?))
    }

    /// Lets the datapath use a hash from now on.
    fn install(&self, list: List, hash: &Entries) -> Result<()> {
        let swap = || {
            let mut hashes = MapData::from_pin(pin_path(self.pins, names::LIST_ENTRIES))
                .map(|map| ArrayOfMaps::<_, Entries>::try_from(Map::ArrayOfMaps(map)))
                .context("open LIST_ENTRIES")?
                .context("open LIST_ENTRIES")?;
            hashes.set(list as u32, hash, 0).context("write LIST_ENTRIES")
        };
        let path = pin_path(self.pins, pin_name(list));
        replace_pin(&path, |path| {
            hash.map().pin(path)?;
            // Between the two names of the pin, so that one of them is always that of the hash in use.
            swap()
        })
    }

    /// Lets prefixes that are listed already go on counting their hits.
    fn carry_hits(&self, list: List, items: &mut [Item]) -> Result<()> {
        self.for_each(list, |key, entry| {
            if entry.hits > 0
                && let Ok(place) = items.binary_search_by_key(key, |(key, _)| *key)
            {
                items[place].1.hits = entry.hits;
            }
        })
    }
}

/// Name of the pin of a list's hash.
fn pin_name(list: List) -> &'static str {
    match list {
        List::Allow => names::ALLOW,
        List::Block => names::BLOCK,
    }
}

/// Sorted, and of several entries of one prefix only the last.
fn unique(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_key(|(key, _)| *key);
    items.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 = later.1;
        }
        same
    });
    items
}

/// Takes note of one more entry.
fn note(info: &mut ListInfo, key: &ListKey) -> Result<()> {
    if !info.lengths_mut(key).add(key.length as u8, 1) {
        bail!(
            "the list would have IPv6 prefixes of more than {LENGTHS_MAX} different lengths: \
             split or merge those of the rarest lengths"
        );
    }
    Ok(())
}

/// How many entries there would be, if that is no more than there may be.
fn check_room(info: &ListInfo) -> Result<u64> {
    let (need, capacity) = (info.entries(), info.capacity);
    if need > capacity {
        bail!(
            "the list has room for {capacity} entries and would need {need}: \
             remove some, merge prefixes, or attach with a larger --max-list"
        );
    }
    Ok(need)
}

/// A hash with room for so many entries and some more, or for as many as may ever be.
fn create(entries: u64) -> Result<Entries> {
    let room = (entries + entries / 4).next_power_of_two().clamp(ROOM_MIN, 1 << 31);
    let make = || -> Result<Entries> {
        let map = MapData::from_fd(sys::create_hash::<ListKey, ListEntry>(room as u32)?)?;
        Ok(Entries::try_from(Map::HashMap(map))?)
    };
    make().with_context(|| format!("make room for {room} list entries in the kernel"))
}

fn room(hash: &Entries) -> Result<u64> {
    Ok(u64::from(hash.map().info().context("ask about a list's hash")?.max_entries()))
}

fn find(hash: &Entries, key: &ListKey) -> Result<Option<ListEntry>> {
    match hash.get(key, 0) {
        Ok(entry) => Ok(Some(entry)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(error) => Err(error).context("read a list"),
    }
}

fn copy(from: &Entries, to: &mut Entries) -> Result<()> {
    let mut items = Vec::new();
    table::for_each(from.map(), Budget::UNLIMITED, |key, entry| items.push((*key, *entry)))
        .context("read a list")?;
    write_all(to, &items)
}

fn write_all(hash: &mut Entries, items: &[Item]) -> Result<()> {
    for chunk in items.chunks(BATCH) {
        let (keys, values): (Vec<ListKey>, Vec<ListEntry>) = chunk.iter().copied().unzip();
        sys::update_batch(hash.map().fd(), &keys, &values).context("write list entries")?;
    }
    Ok(())
}
