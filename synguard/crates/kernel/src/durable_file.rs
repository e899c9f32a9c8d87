//! Whole-file replacement: after a crash a file has its old contents or its new ones, never a part of either.
//!
//! This module and the list store are the only ones that rename files, apart from the rotation of the event log and
//! the pins on bpffs.

use std::{
    fmt,
    fs::{self, File, Metadata, OpenOptions, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{self as unix_fs, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use synguard_model::error::{ExitKind, failure};

/// Replaces `path` with what `write` produces. Returns when the contents and the name are on disk.
///
/// The contents go to [`temporary_path`] first, are synced, and then take the name `path`. Only the owner may read the
/// file. If writing or renaming fails, the former file is still there and the temporary one is removed.
pub fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    replace_then(path, |file| {
        write(file)?;
        file.sync_all()
    })?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Replaces a file of an operator like [`replace`], but keeps its owner and mode, and writes through a symbolic link. A file
/// that did not exist may be read by everybody.
pub fn replace_keeping_owner(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        path => path?,
    };
    let former = match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        former => Some(former?),
    };
    replace(&path, |file| {
        if let Some(former) = &former {
            // The mode comes last, because a change of owner clears bits of it.
            unix_fs::fchown(&*file, Some(former.uid()), Some(former.gid()))?;
        }
        file.set_permissions(former.as_ref().map_or(Permissions::from_mode(0o644), Metadata::permissions))?;
        write(file)
    })
}

/// Replaces `path` like [`replace`] but does not wait for the disk: for files that mean nothing after a reboot. A
/// process that is killed still leaves the old contents or the new.
pub fn replace_unsynced(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    replace_then(path, write)
}

fn replace_then(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let temporary = temporary_path(path);
    let replaced = || -> io::Result<()> {
        let mut file = private().truncate(true).open(&temporary)?;
        write(&mut file)?;
        fs::rename(&temporary, path)
    };
    replaced().inspect_err(|_| {
        // The first error is the one to report; a leftover is overwritten by the next attempt.
        let _ = fs::remove_file(&temporary);
    })
}

/// Returns the name under which [`replace`] writes the new contents of `path`: the same with `.new` appended.
pub fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Makes names that were added, removed or changed in a folder durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Returns options that open a file for writing and create it readable by its owner only.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// Returns the error of a file that cannot be written, with the remedy. `option` is the flag that moves the file.
pub fn unwritable(file: impl fmt::Display, error: &io::Error, option: &str) -> anyhow::Error {
    let message = format!("cannot write {file}: {error}");
    match error.kind() {
        ErrorKind::PermissionDenied => {
            failure(ExitKind::Privilege, format!("{message}: run as root, or choose another {option}"))
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            anyhow::Error::msg(format!("{message}: make room, or choose another {option}"))
        }
        _ => anyhow::Error::msg(message),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn replaced_file_has_the_new_contents_and_no_leftover() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        // A leftover of a killed writer, longer than the new contents.
        fs::write(temporary_path(&path), "a long leftover").expect("written");
        for contents in ["first", "2nd"] {
            replace(&path, |file| file.write_all(contents.as_bytes())).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("readable"), contents);
            replace_unsynced(&path, |file| file.write_all(contents.as_bytes())).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("readable"), contents);
        }
        assert_eq!(names(folder.path()), ["file"]);
        let mode = fs::metadata(&path).expect("readable").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn owner_mode_and_link_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        unix_fs::symlink(&path, &link).expect("a link");
        let mode = || fs::metadata(&path).expect("readable").permissions().mode() & 0o777;
        replace_keeping_owner(&path, |file| file.write_all(b"new")).expect("written");
        assert_eq!(mode(), 0o644);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("changed");
        // Only root can give a file away.
        let is_root = unix_fs::chown(&path, Some(7), Some(8)).is_ok();
        replace_keeping_owner(&link, |file| file.write_all(b"newer")).expect("written");
        assert_eq!((mode(), fs::read_to_string(&path).expect("readable").as_str()), (0o640, "newer"));
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        let owner = fs::metadata(&path).map(|file| (file.uid(), file.gid())).expect("readable");
        assert!(!is_root || owner == (7, 8), "{owner:?}");
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        replace(&path, |file| file.write_all(b"old")).expect("written");
        let error = replace(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::from(ErrorKind::StorageFull))
        });
        assert_eq!(error.expect_err("no room").kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&path).expect("readable"), "old");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn unwritable_file_names_its_remedy() {
        let text = |kind: ErrorKind| {
            let error = unwritable("/x", &io::Error::from(kind), "--run-dir");
            (synguard_model::error::exit_code(&error), error.to_string())
        };
        let (code, message) = text(ErrorKind::PermissionDenied);
        assert_eq!(code, 4);
        assert!(
            message.starts_with("cannot write /x: ") && message.ends_with("another --run-dir"),
            "{message}"
        );
        let (code, message) = text(ErrorKind::StorageFull);
        assert_eq!(code, 1);
        assert!(message.ends_with("make room, or choose another --run-dir"), "{message}");
        assert_eq!(text(ErrorKind::NotADirectory), (1, "cannot write /x: not a directory".to_owned()));
    }
}
