//! The real binary as a process, ended by its own id.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use patchbay::store::has_password;

use super::database::environment_for;

/// A running `patchbay`.
pub struct Process {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    stdout: Captured,
    stderr: Captured,
}

/// What was written to a pipe, read all the time so that the server never waits for a full one.
struct Captured {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts a server on a free port and waits until it says that it is ready.
    pub fn serve(arguments: &[&str]) -> Self {
        Self::serve_with(&[arguments, &["--listen", "127.0.0.1:0"]].concat(), &[])
    }

    /// Starts a server with these arguments, which say where to listen, and these environment variables.
    pub fn serve_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::try_serve(arguments, environment)
            .unwrap_or_else(|complaint| panic!("the server did not start: {complaint}"))
    }

    /// As [`Process::serve_with`]; what it complained about when it ended instead.
    pub fn try_serve(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Self, String> {
        let mut child =
            command(arguments).envs(environment.iter().copied()).stdout(Stdio::piped()).spawn().expect("started");
        let (lines, ready) = mpsc::channel();
        let stdout = Captured::read(child.stdout.take().expect("piped"), Some(lines));
        let stderr = Captured::read(child.stderr.take().expect("piped"), None);
        let mut process = Self { child, url: String::new(), stdout, stderr };
        // The channel ends when standard output does, so when the process does.
        match ready.iter().find_map(|line| rest_url(&line)) {
            Some(rest) => {
                process.url = rest.trim_end_matches("/api/v1").to_owned();
                Ok(process)
            }
            None => Err(process.stderr.whole()),
        }
    }

    /// Runs a command to its end.
    pub fn run(arguments: &[&str]) -> Output {
        Self::run_with(arguments, &[])
    }

    /// Runs a command to its end with these environment variables.
    pub fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        command(arguments).envs(environment.iter().copied()).stdout(Stdio::piped()).output().expect("run")
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.stderr.so_far()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
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

    /// Asks it to stop and waits; all that it wrote to standard output and to its log.
    pub fn stop(mut self) -> (String, String) {
        self.signal("TERM");
        assert_eq!(self.wait(Duration::from_secs(20)), Some(0), "{}", self.log());
        (self.stdout.whole(), self.stderr.whole())
    }
}

/// The REST address that a server prints when it is ready, for people or as JSON.
fn rest_url(line: &str) -> Option<String> {
    let plain = line.trim().strip_prefix("REST").map(|url| url.trim().to_owned());
    plain.or_else(|| Some(serde_json::from_str::<serde_json::Value>(line).ok()?["rest"].as_str()?.to_owned()))
}

impl Captured {
    fn read(pipe: impl Read + Send + 'static, lines: Option<Sender<String>>) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let written = text.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                written.lock().expect("unpoisoned").push_str(&format!("{line}\n"));
                if let Some(lines) = &lines {
                    // Nobody listens any more once the server is ready.
                    let _ = lines.send(line);
                }
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        self.text.lock().expect("unpoisoned").clone()
    }

    /// Waits for the end of the pipe.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("read");
        }
        self.so_far()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal, such as `TERM`, to a process.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(sent.expect("kill").success());
}

/// The binary in an environment without any setting of ours or of AWS, away from any `patchbay.toml`.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchbay"));
    let is_setting = |name: &str| name.starts_with("PATCHBAY_") || name.starts_with("AWS_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.envs(environment_for(arguments));
    // A URL with a password, as that of a test server, is refused as a flag.
    let url = arguments.windows(2).position(|pair| pair[0] == "--database-url" && has_password(pair[1]));
    let (before, after) = match url {
        Some(at) => {
            command.env("PATCHBAY_DATABASE_URL", arguments[at + 1]);
            (&arguments[..at], &arguments[at + 2..])
        }
        None => (arguments, &[][..]),
    };
    command.args(before).args(after).current_dir(std::env::temp_dir()).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}
