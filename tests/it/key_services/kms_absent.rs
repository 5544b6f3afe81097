//! A build without the feature `aws-kms`.

use crate::support::Process;

#[test]
fn a_build_without_aws_kms_says_so_and_does_not_start() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().display().to_string();
    let arguments = ["--data-dir", &data, "--listen", "127.0.0.1:0", "--set", "keys.kms_key_id=alias/patchbay"];
    let complaint = Process::try_serve(&arguments, &[]).err().expect("no start");
    assert!(complaint.contains("this build has no aws-kms: build with --features aws-kms"), "{complaint}");
}
