//! The key ring file.

use std::os::unix::fs::PermissionsExt;

use patchbay::vault::Keyring;

use crate::support::Process;

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_ring_is_changed_in_the_file_that_is_in_force_or_named() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("ring.json");
    let path = file.display().to_string();
    Keyring::create(&file).expect("created");
    for (number, (arguments, environment)) in [
        (&["keys", "add"][..], &[("PATCHBAY_KEYRING_FILE", &*path)][..]),
        (&["keys", "add", "--file", &path], &[]),
        (&["keys", "add", "--file", &path], &[("PATCHBAY_KEYRING", "{}")]),
    ]
    .into_iter()
    .enumerate()
    {
        let added = Process::run_with(arguments, environment);
        let id = number + 2;
        assert_eq!(String::from_utf8_lossy(&added.stdout), format!("{id}\n"), "{}", said(&added));
        assert!(said(&added).contains(&format!("patchbay keys promote {id}")), "{}", said(&added));
    }
    let promoted = Process::run(&["keys", "promote", "3", "--file", &path]);
    assert!(promoted.status.success(), "{}", said(&promoted));
    assert_eq!(std::fs::metadata(&file).expect("file").permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).expect("text");
    for word in text.split('"').filter(|word| word.len() > 40) {
        assert!(!said(&promoted).contains(word) && !String::from_utf8_lossy(&promoted.stdout).contains(word));
    }
}

#[test]
fn a_ring_that_is_in_no_file_is_not_changed() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().display().to_string();
    let ring = Keyring::generate().expect("generated");
    for (arguments, environment, sentence) in [
        (&["keys", "add"][..], &[("PATCHBAY_KEYRING", ring.as_str())][..], "comes from PATCHBAY_KEYRING"),
        (&["keys", "promote", "1"], &[("PATCHBAY_KEYRING", ring.as_str())], "comes from PATCHBAY_KEYRING"),
        (&["keys", "add", "--database-url", "postgres://localhost/p"], &[], "no key ring file is configured"),
        (&["keys", "add", "--data-dir", &data], &[], "cannot read key ring"),
        (&["keys", "add", "--file", &data], &[], "key ring"),
    ] {
        let refused = Process::run_with(arguments, environment);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(said(&refused).contains(sentence) && refused.stdout.is_empty(), "{}", said(&refused));
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0, "nothing is made");
}
