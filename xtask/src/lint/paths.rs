//! Paths as git prints them: from the workspace's root, with slashes.

/// Returns the folder of a file.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Appends a relative path, which may climb with `..`, to a folder.
pub(crate) fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_climb() {
        for (folder, path, joined) in
            [("a/b", "c.rs", "a/b/c.rs"), ("a/b", "../../c/d.rs", "c/d.rs"), ("", "c.rs", "c.rs")]
        {
            assert_eq!(join(folder, path), joined);
        }
        assert_eq!((folder_of("a/b/c.rs"), folder_of("c.rs")), ("a/b", ""));
    }
}
