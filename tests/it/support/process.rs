//! The real binary as a process, ended by its own id.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A running `patchbay`.
pub struct Process {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Process {
    /// Starts a server on a free port and waits until it says that it is ready.
    pub fn serve(arguments: &[&str]) -> Self {
        let mut child =
            command(arguments).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let rest = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.trim().strip_prefix("REST").map(|r| r.trim().to_owned()));
        let Some(rest) = rest else {
            let mut complaint = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut complaint).expect("text");
            panic!("the server did not start: {complaint}");
        };
        // Keeps reading, so that the server never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let stderr = child.stderr.take().expect("piped");
        std::thread::spawn(move || BufReader::new(stderr).lines().for_each(drop));
        Self { child, url: rest.trim_end_matches("/api/v1").to_owned() }
    }

    /// Runs a command to its end.
    pub fn run(arguments: &[&str]) -> Output {
        command(arguments).stdout(Stdio::piped()).output().expect("run")
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// Waits for the end; its exit code.
    pub fn wait(&mut self, deadline: Duration) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                return status.code();
            }
            assert!(started.elapsed() < deadline, "still running after {deadline:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary in an environment without any setting of ours, away from any `patchbay.toml`.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchbay"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PATCHBAY_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(std::env::temp_dir()).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}
