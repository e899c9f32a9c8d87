//! The few bpf(2) calls that aya does not offer: details of links, forced detachment, reading of hash maps in batches
//! and entry by entry, and inner maps.

use std::{
    ffi::CString,
    io, mem,
    os::{
        fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
    ptr,
};

use aya_obj::generated::{BPF_F_INNER_MAP, BPF_F_MMAPABLE, bpf_attr, bpf_cmd, bpf_link_info, bpf_map_type};

/// Returns an argument of zeros, which selects the defaults of every command.
fn zeroed() -> bpf_attr {
    // SAFETY: bpf_attr is a union of structs of integers, for which all zeros is a valid value.
    unsafe { mem::zeroed() }
}

fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: `attr` is a complete bpf_attr, and callers keep the memory alive to which its fields point.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command as u32, ptr::from_mut(attr), size_of::<bpf_attr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Opens the BPF object pinned at `path`.
pub(super) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let c_path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = zeroed();
    attr.__bindgen_anon_4.pathname = c_path.as_ptr() as u64;
    let fd = bpf(bpf_cmd::BPF_OBJ_GET, &mut attr)?;
    // SAFETY: the descriptor is new, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Pins a BPF object at `path`.
pub(super) fn pin(object: impl AsFd, path: &Path) -> io::Result<()> {
    let c_path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = zeroed();
    attr.__bindgen_anon_4.pathname = c_path.as_ptr() as u64;
    attr.__bindgen_anon_4.bpf_fd = object.as_fd().as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_OBJ_PIN, &mut attr).map(drop)
}

/// Program and interface of an XDP link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct XdpLinkInfo {
    pub(super) link_id: u32,
    pub(super) program_id: u32,
    /// Index of the interface in its own namespace; 0 if the interface is gone.
    pub(super) ifindex: u32,
}

/// Returns the program and the interface of an XDP link.
pub(super) fn xdp_link_info(link: impl AsFd) -> io::Result<XdpLinkInfo> {
    // SAFETY: bpf_link_info consists of integers, for which all zeros is a valid value.
    let mut info: bpf_link_info = unsafe { mem::zeroed() };
    let mut attr = zeroed();
    attr.info.bpf_fd = link.as_fd().as_raw_fd() as u32;
    attr.info.info_len = size_of::<bpf_link_info>() as u32;
    attr.info.info = ptr::from_mut(&mut info) as u64;
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    // SAFETY: callers pass XDP links only, and an integer may have any value.
    let ifindex = unsafe { info.__bindgen_anon_1.xdp.ifindex };
    Ok(XdpLinkInfo { link_id: info.id, program_id: info.prog_id, ifindex })
}

/// Detaches a link even if other processes hold it, and returns when it is detached. After closing and unpinning, a
/// kernel worker would detach it some time later.
pub(super) fn detach_link(link: impl AsFd) -> io::Result<()> {
    let mut attr = zeroed();
    attr.link_detach.link_fd = link.as_fd().as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_LINK_DETACH, &mut attr).map(drop)
}

/// Makes an array map of values of eight-byte words, in one piece of memory that can be mapped, to be put into a map
/// of maps whatever its length.
///
/// It is described to the kernel by type, if only as a struct of words: until Linux 6.2 a map without types is of
/// another kind than the pattern in the map of maps, whose types come with the program (`bpf_map_meta_equal`
/// compares `timer_off`, which is another error for what is no struct than for a struct without a timer).
pub(super) fn create_buckets<V>(count: u32) -> io::Result<OwnedFd> {
    let types = load_types(&types_of_words(size_of::<V>()))?;
    let mut attr = zeroed();
    attr.__bindgen_anon_1.map_type = bpf_map_type::BPF_MAP_TYPE_ARRAY as u32;
    attr.__bindgen_anon_1.map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP;
    attr.__bindgen_anon_1.key_size = size_of::<u32>() as u32;
    attr.__bindgen_anon_1.value_size = size_of::<V>() as u32;
    attr.__bindgen_anon_1.max_entries = count;
    attr.__bindgen_anon_1.btf_fd = types.as_raw_fd() as u32;
    attr.__bindgen_anon_1.btf_key_type_id = INDEX;
    attr.__bindgen_anon_1.btf_value_type_id = VALUE;
    let fd = bpf(bpf_cmd::BPF_MAP_CREATE, &mut attr)?;
    // SAFETY: the descriptor is new, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Type numbers in the type information of [`types_of_words`].
const WORD: u32 = 1;
const INDEX: u32 = 2;
const WORDS: u32 = 3;
const VALUE: u32 = 4;

/// Returns type information (BTF) of a word, an index, and a struct that contains an array of words and has `value`
/// bytes.
fn types_of_words(value: usize) -> Vec<u8> {
    const INT: u32 = 1 << 24;
    const ARRAY: u32 = 3 << 24;
    const STRUCT_OF_ONE: u32 = 4 << 24 | 1;
    // Offsets in `names`.
    const NAME_OF_WORD: u32 = 1;
    const NAME_OF_INDEX: u32 = 5;
    const NAME_OF_WORDS: u32 = 9;
    let names = b"\0u64\0u32\0words\0";
    let (word, index) = (size_of::<u64>() as u32, size_of::<u32>() as u32);
    let types: Vec<u32> = [
        [NAME_OF_WORD, INT, word, word * 8].as_slice(),
        &[NAME_OF_INDEX, INT, index, index * 8],
        &[0, ARRAY, 0, WORD, INDEX, value as u32 / word],
        &[0, STRUCT_OF_ONE, value as u32, NAME_OF_WORDS, WORDS, 0],
    ]
    .concat();
    let types_length = types.len() as u32 * 4;
    // Magic number and version, length of the header, then offset (after this header) and length of the types and of
    // the names.
    let header = [0x0001_eb9f, 24, 0, types_length, types_length, names.len() as u32];
    let mut blob: Vec<u8> = header.into_iter().chain(types).flat_map(u32::to_ne_bytes).collect();
    blob.extend(names);
    blob
}

fn load_types(blob: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    attr.__bindgen_anon_7.btf = blob.as_ptr() as u64;
    attr.__bindgen_anon_7.btf_size = blob.len() as u32;
    let fd = bpf(bpf_cmd::BPF_BTF_LOAD, &mut attr)?;
    // SAFETY: the descriptor is new, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Reads up to `keys.len()` entries of a hash map in one call, beginning at bucket `cursor` (`None`: the first).
/// Returns the number of entries and the next cursor, which is `None` at the end.
///
/// # Errors
///
/// `ENOSPC` if the next bucket alone holds more than `keys.len()` entries.
pub(super) fn lookup_batch<K, V>(
    map: impl AsFd,
    cursor: Option<u32>,
    keys: &mut [K],
    values: &mut [V],
) -> io::Result<(usize, Option<u32>)> {
    assert_eq!(keys.len(), values.len());
    // The kernel copies as many bytes as a key has, although the cursor is only the number of a bucket.
    let mut next = [0u8; 64];
    assert!(size_of::<K>() <= next.len());
    let mut position = [0u8; 64];
    position[..4].copy_from_slice(&cursor.unwrap_or(0).to_ne_bytes());
    let mut attr = zeroed();
    attr.batch.in_batch = if cursor.is_some() { position.as_ptr() as u64 } else { 0 };
    attr.batch.out_batch = next.as_mut_ptr() as u64;
    attr.batch.keys = keys.as_mut_ptr() as u64;
    attr.batch.values = values.as_mut_ptr() as u64;
    attr.batch.count = keys.len() as u32;
    attr.batch.map_fd = map.as_fd().as_raw_fd() as u32;
    let result = bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr);
    // SAFETY: the kernel has written the count into the variant that this function filled in.
    let count = unsafe { attr.batch.count } as usize;
    let [a, b, c, d, ..] = next;
    match result {
        Ok(_) => Ok((count, Some(u32::from_ne_bytes([a, b, c, d])))),
        // ENOENT marks the end of the map.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok((count, None)),
        Err(error) => Err(error),
    }
}

/// Writes a value of a map. The value of a map of maps is a descriptor.
pub(super) fn update<K, V>(map: impl AsFd, key: &K, value: &V) -> io::Result<()> {
    let mut attr = zeroed();
    attr.__bindgen_anon_2.map_fd = map.as_fd().as_raw_fd() as u32;
    attr.__bindgen_anon_2.key = ptr::from_ref(key) as u64;
    attr.__bindgen_anon_2.__bindgen_anon_1.value = ptr::from_ref(value) as u64;
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr).map(drop)
}

/// Returns the key after `key`, or the first one if `key` is `None` or no longer exists; `None` at the end.
pub(super) fn next_key<K: Default>(map: impl AsFd, key: Option<&K>) -> io::Result<Option<K>> {
    let mut next = K::default();
    let mut attr = zeroed();
    attr.__bindgen_anon_2.map_fd = map.as_fd().as_raw_fd() as u32;
    attr.__bindgen_anon_2.key = key.map_or(0, |key| ptr::from_ref(key) as u64);
    attr.__bindgen_anon_2.__bindgen_anon_1.next_key = ptr::from_mut(&mut next) as u64;
    if_found(bpf(bpf_cmd::BPF_MAP_GET_NEXT_KEY, &mut attr), next)
}

/// Returns the value of a key in a map that is not per CPU, if there is one.
pub(super) fn lookup<K, V: Default>(map: impl AsFd, key: &K) -> io::Result<Option<V>> {
    let mut value = V::default();
    Ok(lookup_into(map, key, &mut value)?.then_some(value))
}

/// Reads the value of a key into memory of the caller, for values that are large or of a size known only at run time.
/// Returns `false` if there is none.
pub(super) fn lookup_into<K, V: ?Sized>(map: impl AsFd, key: &K, value: &mut V) -> io::Result<bool> {
    let mut attr = zeroed();
    attr.__bindgen_anon_2.map_fd = map.as_fd().as_raw_fd() as u32;
    attr.__bindgen_anon_2.key = ptr::from_ref(key) as u64;
    attr.__bindgen_anon_2.__bindgen_anon_1.value = ptr::from_mut(value).cast::<u8>() as u64;
    Ok(if_found(bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut attr), ())?.is_some())
}

/// Returns the value that a call has written, or `None` if the call failed with `ENOENT`.
fn if_found<T>(result: io::Result<i64>, written: T) -> io::Result<Option<T>> {
    match result {
        Ok(_) => Ok(Some(written)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}
