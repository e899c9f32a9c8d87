use proptest::prelude::*;

use super::*;

fn event(value: u8) -> Event {
    Event::CookiesAlreadyUp { value }
}

fn values(events: &Events) -> Vec<u64> {
    events.events.iter().map(|event| event["value"].as_u64().unwrap_or(0)).collect()
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("default");
    let mut reader = Reader::new(&state);
    assert!(!reader.exists());
    assert_eq!(reader.read().expect("read").events.len(), 0);
    let mut writer = Writer::new(&state);
    writer.write(&event(2), 1_764_040_414_123);
    let events = reader.read().expect("read").events;
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0],
        serde_json::json!({
            "time": "2025-11-25T03:13:34.123Z",
            "event": "cookies_already_up",
            "value": 2,
            "message": "net.ipv4.tcp_syncookies is 2 already: nothing to raise, nothing touched",
        })
    );
    // Only what is new, from then on.
    assert_eq!(values(&reader.read().expect("read")), [0u64; 0]);
    writer.write(&event(3), 0);
    assert_eq!(values(&reader.read().expect("read")), [3]);
}

#[test]
fn damage_is_skipped_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::new(folder.path());
    writer.write(&event(1), 0);
    drop(writer);
    let path = folder.path().join(CURRENT);
    let mut bytes = fs::read(&path).expect("written");
    bytes.extend(b"\xff\xfe\n[]\n{\"time\":1}\n{\"time\":\"cut");
    fs::write(&path, bytes).expect("written");
    // A new writer begins a new line.
    Writer::new(folder.path()).write(&event(2), 0);
    let events = Reader::new(folder.path()).read().expect("read");
    assert_eq!((values(&events), events.damaged), (vec![1, 2], 4));
}

#[test]
fn the_files_stay_small_and_a_reader_follows() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer { size_max: 1_000, ..Writer::new(folder.path()) };
    let mut reader = Reader::new(folder.path());
    let mut seen = Vec::new();
    for value in 0..200 {
        writer.write(&event(value), 0);
        if value % 3 == 0 {
            seen.extend(values(&reader.read().expect("read")));
        }
    }
    seen.extend(values(&reader.read().expect("read")));
    assert_eq!(seen, (0..200).collect::<Vec<u64>>());
    let size = |name| fs::metadata(folder.path().join(name)).expect("there").len();
    assert!(size(CURRENT) <= 1_000 && size(FORMER) <= 1_000);
    let fresh = values(&Reader::new(folder.path()).read().expect("read"));
    assert_eq!(fresh.last(), Some(&199));
    assert!(fresh.len() > 5 && fresh.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{fresh:?}");
}

#[test]
fn a_disk_that_cannot_be_written_is_no_failure() {
    let mut writer = Writer::new(Path::new("/proc/no-such-folder"));
    writer.write(&event(1), 0);
    assert!(writer.has_complained);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(CURRENT), &bytes).expect("written");
        Writer::new(folder.path()).write(&event(9), 0);
        let events = Reader::new(folder.path()).read().expect("read");
        prop_assert_eq!(values(&events).last().copied(), Some(9));
    }
}
