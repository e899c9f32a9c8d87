use std::ops::Range;

use proptest::prelude::*;
use synguard_model::event::{Sysctl, SysctlChange, SysctlEvent};

use super::*;

fn event(value: u8) -> Event {
    Event::Sysctl(SysctlEvent { sysctl: Sysctl::Syncookies, change: SysctlChange::AlreadyRaised { value } })
}

fn values(events: &EventBatch) -> Vec<u64> {
    events.events.iter().map(|event| event["value"].as_u64().unwrap_or(0)).collect()
}

#[test]
fn written_events_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("default");
    let mut reader = EventLogReader::new(&state);
    assert_eq!(reader.read_new().expect("read").events.len(), 0);
    let mut writer = EventLog::new(&state);
    writer.write(&event(2), 1_764_040_414_123);
    let events = reader.read_new().expect("read").events;
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0],
        serde_json::json!({
            "time": "2025-11-25T03:13:34.123Z",
            "event": "cookies_already_up",
            "value": 2,
            "message": "net.ipv4.tcp_syncookies is 2 already: nothing to raise, nothing changed",
        })
    );
    // From now on only new events.
    assert_eq!(values(&reader.read_new().expect("read")), [0u64; 0]);
    writer.write(&event(3), 0);
    assert_eq!(values(&reader.read_new().expect("read")), [3]);
}

#[test]
fn damaged_lines_are_skipped_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = EventLog::new(folder.path());
    writer.write(&event(1), 0);
    drop(writer);
    let path = folder.path().join(CURRENT);
    let mut bytes = fs::read(&path).expect("written");
    bytes.extend(b"\xff\xfe\n[]\n{\"time\":1}\n{\"time\":\"cut");
    fs::write(&path, bytes).expect("written");
    // A new writer begins a new line.
    EventLog::new(folder.path()).write(&event(2), 0);
    let events = EventLogReader::new(folder.path()).read_new().expect("read");
    assert_eq!((values(&events), events.damaged), (vec![1, 2], 4));
}

#[test]
fn files_stay_small_and_a_reader_follows() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = EventLog { size_max: 1_000, ..EventLog::new(folder.path()) };
    let mut reader = EventLogReader::new(folder.path());
    let mut seen = Vec::new();
    for value in 0..200 {
        writer.write(&event(value), 0);
        if value % 3 == 0 {
            seen.extend(values(&reader.read_new().expect("read")));
        }
    }
    seen.extend(values(&reader.read_new().expect("read")));
    assert_eq!(seen, (0..200).collect::<Vec<u64>>());
    let size = |name| fs::metadata(folder.path().join(name)).expect("there").len();
    assert!(size(CURRENT) <= 1_000 && size(FORMER) <= 1_000);
    let fresh = values(&EventLogReader::new(folder.path()).read_new().expect("read"));
    assert_eq!(fresh.last(), Some(&199));
    assert!(fresh.len() > 5 && fresh.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{fresh:?}");
}

/// Writes events as commands do: each with a writer of its own.
fn write_as_commands(folder: &Path, size_max: u64, values: Range<u8>) {
    for value in values {
        EventLog { size_max, ..EventLog::new(folder) }.write(&event(value), 0);
    }
}

#[test]
fn two_writers_lose_nothing_when_one_renames_the_file() {
    // The events need more room than one file has, and less than two have.
    const SIZE: u64 = 20_000;
    for _ in 0..10 {
        let folder = tempfile::tempdir().expect("a folder");
        thread::scope(|scope| {
            scope.spawn(|| {
                // The controller keeps its file open.
                let mut writer = EventLog { size_max: SIZE, ..EventLog::new(folder.path()) };
                (0..100).for_each(|value| writer.write(&event(value), 0));
            });
            scope.spawn(|| write_as_commands(folder.path(), SIZE, 100..200));
        });
        assert!(folder.path().join(FORMER).exists());
        let read = EventLogReader::new(folder.path()).read_new().expect("read");
        let (seen, damaged) = (values(&read), read.damaged);
        let written_by =
            |from: u64| seen.iter().copied().filter(move |value| (from..from + 100).contains(value));
        assert!(written_by(0).eq(0..100) && written_by(100).eq(100..200), "{seen:?}");
        assert_eq!((seen.len(), damaged), (200, 0));
    }
}

#[test]
fn writer_notices_that_another_process_renamed_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut controller = EventLog { size_max: 1_000, ..EventLog::new(folder.path()) };
    controller.write(&event(1), 0);
    write_as_commands(folder.path(), 1_000, 2..20);
    assert!(folder.path().join(FORMER).exists(), "renamed by the commands");
    controller.write(&event(20), 0);
    let current = fs::read_to_string(folder.path().join(CURRENT)).expect("readable");
    assert_eq!(current.matches("\"value\":20,").count(), 1, "{current}");
}

#[test]
fn stopped_writer_does_not_stop_others() {
    let folder = tempfile::tempdir().expect("a folder");
    write_as_commands(folder.path(), 1_000, 0..5);
    let stopped = File::open(folder.path().join(CURRENT)).expect("there");
    stopped.lock().expect("free");
    write_as_commands(folder.path(), 1_000, 5..20);
    drop(stopped);
    let read = EventLogReader::new(folder.path()).read_new().expect("read");
    assert!(values(&read).into_iter().eq(0..20), "{read:?}");
    assert!(!folder.path().join(FORMER).exists(), "renamed without the lock");
}

#[test]
fn unwritable_folder_is_no_failure() {
    let mut writer = EventLog::new(Path::new("/proc/no-such-folder"));
    writer.write(&event(1), 0);
    assert!(writer.is_error_logged);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(CURRENT), &bytes).expect("written");
        EventLog::new(folder.path()).write(&event(9), 0);
        let events = EventLogReader::new(folder.path()).read_new().expect("read");
        prop_assert_eq!(values(&events).last().copied(), Some(9));
    }
}

#[test]
fn events_wait_for_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("default");
    fs::write(&state, "in the way").expect("written");
    let mut writer = EventLog::new(&state);
    (1..=3).for_each(|value| writer.write(&event(value), 0));
    fs::remove_file(&state).expect("removed");
    // The next tick reports nothing new.
    writer.report(&[]);
    let mut reader = EventLogReader::new(&state);
    assert_eq!(values(&reader.read_new().expect("read")), [1, 2, 3]);
    fs::remove_dir_all(&state).expect("removed");
    writer.write(&event(4), 0);
    assert_eq!(values(&EventLogReader::new(&state).read_new().expect("read")), [4]);
    // Memory is bounded.
    fs::remove_dir_all(&state).expect("removed");
    fs::write(&state, "in the way").expect("written");
    (0..=WAITING_MAX).for_each(|_| writer.write(&event(5), 0));
    assert_eq!(writer.waiting.len(), WAITING_MAX);
}
