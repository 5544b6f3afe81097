//! AWS KMS as `moto_server` has it: real requests and answers, keys in memory. `TEST_MOTO` names the program.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A running server, ended by its own id.
pub struct Moto {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Moto {
    /// On a free port; `None` where there is no such program.
    pub fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("TEST_MOTO") else {
            super::skip("TEST_MOTO is not set");
            return None;
        };
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let (found, place) = mpsc::channel();
        // To the end, so that the server never waits for a full pipe.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once("Running on ") {
                    // Nobody listens any more when it did not come in time.
                    let _ = found.send(url.trim().to_owned());
                }
            }
        });
        let mut moto = Self { child, url: String::new() };
        moto.url = place.recv_timeout(Duration::from_secs(60)).expect("moto says where it listens");
        Some(moto)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
