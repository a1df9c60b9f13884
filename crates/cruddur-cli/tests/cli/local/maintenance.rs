//! What is done to the data as a whole, when it fails or is asked to stop.

use std::os::unix::net::UnixListener;

use super::folder::Folder;

#[test]
fn a_copy_that_fails_is_removed_told_and_followed_by_a_start() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["local", "snapshot", "save", "one"]).exits(0);
    let data = folder.environment.path().join(".cruddur");
    // Nobody can copy a socket, root neither: it stands for a disk that is full.
    let _inside = UnixListener::bind(data.join("snapshots/one/postgres/socket")).unwrap();
    let restore = ["local", "snapshot", "restore", "one"];
    let failed = folder.run(&restore).exits(1);
    assert!(
        failed.stderr.contains("restore.new/postgres/socket"),
        "{failed}"
    );
    assert!(!data.join("restore.new").exists());
    folder.run(&["local", "status"]).exits(0);

    let _inside = UnixListener::bind(data.join("postgres/socket")).unwrap();
    let save = ["local", "snapshot", "save", "two"];
    folder.run(&save).exits(1);
    assert!(!data.join("snapshots/.new").exists());
    folder.run(&["local", "status"]).exits(0);

    // A start that fails as well does not hide the first reason.
    std::fs::remove_file(data.join("postgres.password")).unwrap();
    let failed = folder.run(&save).exits(1);
    assert!(failed.stderr.contains("error: cannot write"), "{failed}");
    assert!(
        failed.stderr.contains("warning: the local stack is down"),
        "{failed}"
    );
}
