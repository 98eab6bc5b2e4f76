//! Documents come back, go away, and are collected.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const NAMING: Naming = Naming::Attachment;

fn owner() -> Attachment {
    Attachment::new("c1", "eth0")
}

#[test]
fn a_document_comes_back_and_goes_away() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("a/b");
    assert_eq!(load(&dir, NAMING, &owner()).unwrap(), None);
    remove(&dir, NAMING, &owner()).unwrap();
    save(&dir, NAMING, &owner(), b"one").unwrap();
    save(&dir, NAMING, &owner(), b"two").unwrap();
    assert_eq!(load(&dir, NAMING, &owner()).unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(load(&dir, NAMING, &Attachment::new("c1", "eth1")).unwrap(), None);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("c1_eth0.json")), 0o600);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "no temporary file stays");
    remove(&dir, NAMING, &owner()).unwrap();
    remove(&dir, NAMING, &owner()).unwrap();
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn what_a_killed_process_left_is_replaced() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join(".c1_eth0.json.new"), "half").unwrap();
    save(temp.path(), NAMING, &owner(), b"whole").unwrap();
    assert_eq!(load(temp.path(), NAMING, &owner()).unwrap().as_deref(), Some(&b"whole"[..]));
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
}

#[test]
fn names_cannot_leave_the_directory_and_links_are_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    for (id, ifname) in [("../x", "eth0"), ("c1", "../x"), ("", "eth0"), ("c1", ""), ("a/b", "eth0"), (".", "e")] {
        let owner = Attachment::new(id, ifname);
        assert_eq!(save(temp.path(), NAMING, &owner, b"x").unwrap_err().kind, ErrorKind::Invalid, "{owner:?}");
        assert_eq!(load(temp.path(), NAMING, &owner).unwrap_err().kind, ErrorKind::Invalid, "{owner:?}");
    }
    let target = temp.path().join("target");
    std::fs::write(&target, "secret").unwrap();
    symlink(&target, temp.path().join("c1_eth0.json")).unwrap();
    load(temp.path(), NAMING, &owner()).unwrap_err();
    save(temp.path(), NAMING, &owner(), b"new").unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"secret");
    assert_eq!(load(temp.path(), NAMING, &owner()).unwrap().as_deref(), Some(&b"new"[..]));
}

#[test]
fn too_large_documents_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let error = save(temp.path(), NAMING, &owner(), &vec![0; LIMIT + 1]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn files_named_after_containers_do_not_meet() {
    let temp = tempfile::tempdir().unwrap();
    save(temp.path(), Naming::Container, &owner(), b"shared").unwrap();
    save(temp.path(), Naming::ContainerInterface, &owner(), b"own").unwrap();
    save(temp.path(), Naming::ContainerInterface, &Attachment::new("c1", "eth1"), b"other").unwrap();
    let mut names: Vec<_> = std::fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["c1", "c1:eth0", "c1:eth1"]);
    assert_eq!(load(temp.path(), Naming::Container, &owner()).unwrap().as_deref(), Some(&b"shared"[..]));
    remove(temp.path(), Naming::ContainerInterface, &owner()).unwrap();
    assert_eq!(load(temp.path(), Naming::ContainerInterface, &owner()).unwrap(), None);
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 2);
}

#[test]
fn retain_removes_what_belongs_and_has_no_valid_attachment() {
    let temp = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(temp.path().join(name), text).unwrap();
    for name in ["c1_eth0.json", "c1_eth1.json", "a_b_c.json", "c2", "c3", "c2:eth0", "c2:eth1", "net.conf", ".c1.new"]
    {
        write(name, "mine");
    }
    write("c4", "yours");
    write("c4_eth0.json", "yours");
    symlink(temp.path().join("c4"), temp.path().join("c5")).unwrap();
    std::fs::create_dir(temp.path().join("c6")).unwrap();
    let mine = |document: &[u8]| document == b"mine";
    let valid = [owner(), Attachment::new("c2", "eth1")];
    assert_eq!(retain(temp.path(), &[Naming::Attachment], &valid, &mine).unwrap().len(), 2);
    let both = [Naming::Container, Naming::ContainerInterface];
    assert_eq!(retain(temp.path(), &both, &valid, &mine).unwrap(), [b"mine", b"mine"]);
    let mut left: Vec<_> = std::fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    let expected = [".c1.new", "c1_eth0.json", "c2", "c2:eth1", "c4", "c4_eth0.json", "c5", "c6", "net.conf"];
    assert_eq!(left, expected);
    assert_eq!(retain(&temp.path().join("none"), &both, &valid, &mine).unwrap(), Vec::<Vec<u8>>::new());
}
